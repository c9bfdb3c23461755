"""Handlers that leave something behind, or wait for what does not come: each was once too much for the server."""

import asyncio
import json
import os
import weakref

import anyio
import gate
from asgi_routes import TEXT, Routes, argument, read_body, respond, serve_lifespan, start, wait_gate, write

routes = Routes()
KEPT = set()
USERS = weakref.WeakKeyDictionary()
EXIT_CODE = 3


async def application(scope, receive, send):
    """Notes the end of its lifespan under "life"."""
    if scope["type"] == "lifespan":
        await serve_lifespan(receive, send)
        gate.note("life", "shutdown")
    else:
        await routes(scope, receive, send)


def keep(coroutine):
    """A task that nobody waits for."""
    task = asyncio.create_task(coroutine)
    KEPT.add(task)
    task.add_done_callback(KEPT.discard)


@routes.add
async def hello(scope, receive, send):
    await respond(send, "hello")


@routes.add
async def gated(scope, receive, send):
    key = argument(scope, "key")
    gate.note(key, "started")
    await wait_gate(key)
    await respond(send, "through")


@routes.add
async def sleeping(scope, receive, send):
    gate.note(argument(scope, "key"), "started")
    await asyncio.sleep(float(argument(scope, "seconds")))
    await respond(send, "slept")


# Watching the client


async def answer_body(scope, send):
    await respond(send, b"whole")


async def answer_in_pieces(scope, send):
    await start(send)
    await write(send, b"wh")
    await asyncio.sleep(0)
    await write(send, b"ole")
    await write(send, more=False)


async def answer_file(scope, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": str(gate.DIRECTORY / "whole")})


async def answer_trailers(scope, send):
    await start(send, headers=[*TEXT, (b"trailer", b"x-end")], trailers=True)
    await write(send, b"whole", more=False)
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"1")]})


async def answer_large(scope, send):
    """One event, far larger than the ring."""
    await start(send)
    await write(send, b"w" * int(argument(scope, "size")), more=False)


ANSWERS = {
    "body": answer_body,
    "pieces": answer_in_pieces,
    "file": answer_file,
    "trailers": answer_trailers,
    "large": answer_large,
}


@routes.add
async def watching(scope, receive, send):
    """Answers beside a task that waits for the client to leave; with `cancels`, that one then gives the answer up."""
    key, answer = argument(scope, "key"), ANSWERS[argument(scope, "answer")]
    await read_body(receive)

    async def watch():
        gate.note(key, (await receive())["type"])

    if argument(scope, "group") == "anyio":
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await anyio.sleep(0)
            await answer(scope, send)
    else:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            await asyncio.sleep(0)
            await answer(scope, send)
    gate.note(key, "ended")


@routes.add
async def first_of_two(scope, receive, send):
    """As Django does it: of the answer and the watch, whatever ends first ends the other."""
    answer = ANSWERS[argument(scope, "answer")]
    await read_body(receive)
    tasks = [asyncio.create_task(receive()), asyncio.create_task(answer(scope, send))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if not task.done():
            task.cancel()
    await asyncio.wait(tasks)
    gate.note(argument(scope, "key"), "answer cancelled" if tasks[1].cancelled() else "answer sent")


# Files


@routes.add
async def file(scope, receive, send):
    """A file; with `patience`, in seconds, it is given up after so long."""
    await start(send)
    sent = send({"type": "http.response.pathsend", "path": str(gate.DIRECTORY / argument(scope, "name"))})
    patience = argument(scope, "patience")
    try:
        await asyncio.wait_for(sent, float(patience) if patience else None)
    except asyncio.TimeoutError:
        if key := argument(scope, "key"):
            gate.note(key, "given up")


@routes.add
async def two_blocks(scope, receive, send):
    """Two blocks of one letter, in two turns of the loop."""
    block = b"A" * 50_000
    await start(send, headers=[*TEXT, (b"content-length", b"100000")])
    await write(send, block)
    await asyncio.sleep(0)
    await write(send, block, more=False)


@routes.add
async def no_file(scope, receive, send):
    await start(send)
    try:
        await send({"type": "http.response.pathsend", "path": str(gate.DIRECTORY / argument(scope, "name"))})
    except Exception as fault:
        gate.note(argument(scope, "key"), type(fault).__name__)
        raise


# Early hints


@routes.add
async def hints(scope, receive, send):
    """`count` links of `length` bytes each; what they raise is noted, and passed on unless it is to be mended."""
    links = [b"<" + b"a" * (int(argument(scope, "length")) - 2) + b">"] * int(argument(scope, "count"))
    try:
        await send({"type": "http.response.early_hint", "links": links})
        gate.note(argument(scope, "key"), "nothing raised")
    except Exception as fault:
        gate.note(argument(scope, "key"), f"raised {type(fault).__name__}")
        if not argument(scope, "mended"):
            raise
    await respond(send, "hinted")


# What a handler that never waits leaves on its task


@routes.add
async def cancel_later(scope, receive, send):
    """A timer cancels the task when its handler has long left; the next timer tells."""
    key, loop = argument(scope, "key"), asyncio.get_running_loop()
    loop.call_later(0.2, asyncio.current_task().cancel)
    loop.call_later(0.25, gate.note, key, "fired")
    await respond(send, "left")


@routes.add
async def cancel_at_gate(scope, receive, send):
    """The same, when the test says so."""
    key = argument(scope, "key")

    async def when_told(cancel):
        await wait_gate(key)
        cancel()
        gate.note(key, "fired")

    keep(when_told(asyncio.current_task().cancel))
    await respond(send, "left")


@routes.add
async def cancel_at_once(scope, receive, send):
    await respond(send, "left")
    asyncio.current_task().cancel()


@routes.add
async def mark(scope, receive, send):
    """Marks the task it is run by."""
    task, kind = asyncio.current_task(), argument(scope, "kind")
    if kind == "name":
        task.set_name("of one user")
    elif kind == "registry":
        USERS[task] = "of one user"
    await respond(send, "marked")


@routes.add
async def marks(scope, receive, send):
    """What the task it is run by bears."""
    task = asyncio.current_task()
    await respond(send, json.dumps([task.get_name() == "of one user", USERS.get(task)]))


@routes.add
async def callback(scope, receive, send):
    """A callback for the end of the task."""
    key = argument(scope, "key")
    asyncio.current_task().add_done_callback(lambda task: gate.note(key, f"called {task.done()}"))
    await respond(send, "left")


# Time limits and ends


@routes.add
async def cleaning(scope, receive, send):
    """Cleans up for longer than the time limit, and notes how often it was cancelled until then."""
    key = argument(scope, "key")
    gate.note(key, "started")
    try:
        await asyncio.sleep(60)
    finally:
        gate.note(key, "cleans up")
        try:
            await asyncio.sleep(2)
        except asyncio.CancelledError:
            gate.note(key, "cancelled again")
            raise
        gate.note(key, asyncio.current_task().cancelling())


@routes.add
async def forever(scope, receive, send):
    keep(asyncio.sleep(100_000))
    await respond(send, "left")


@routes.add
async def exit_in_background(scope, receive, send):
    key = argument(scope, "key")

    async def exit_at_gate():
        await wait_gate(key)
        gate.note(key, f"exiting {os.getpid()}")
        raise SystemExit(EXIT_CODE)

    keep(exit_at_gate())
    await respond(send, "left")


# WebSockets


@routes.add
async def unaccepted(scope, receive, send):
    """Waits without accepting."""
    key = argument(scope, "key")
    gate.note(key, (await receive())["type"])
    gate.note(key, json.dumps(await receive()))


@routes.add
async def close_as_told(scope, receive, send):
    """Closes with the code of the disconnect, or another, when the client is gone already."""
    key = argument(scope, "key")
    await receive()
    await send({"type": "websocket.accept"})
    gate.note(key, "accepted")
    event = await receive()
    gate.note(key, event["code"])
    try:
        await send({"type": "websocket.close", "code": int(argument(scope, "code", event["code"]))})
        gate.note(key, "nothing raised")
    except Exception as fault:
        gate.note(key, f"raised {type(fault).__name__}")
        raise


# Python that runs while an event is read


class Asked:
    """A flag that sends when its truth is taken."""

    def __init__(self, nested):
        self.nested = nested

    def __bool__(self):
        self.nested()
        return False


@routes.add
async def nested(scope, receive, send):
    """What an event is made of sends, too, while it is read."""
    where, key = argument(scope, "where"), argument(scope, "key")

    def inner(event):
        gate.note(key, "nested")
        send(event)

    def fields(event):
        yield from TEXT
        inner(event)
        yield (b"x-late", b"1")

    def links():
        yield b"</a>"
        inner({"type": "http.response.start", "status": 200, "headers": TEXT})
        yield b"</b>"

    if where == "links":
        await send({"type": "http.response.early_hint", "links": links()})
    if where == "headers":
        await start(send, headers=fields({"type": "http.response.start", "status": 200, "headers": TEXT}))
    elif where == "headers with a body":
        await start(send, headers=fields({"type": "http.response.body", "body": b"x"}))
    elif where != "links":
        await start(send)
    if where == "more_body":
        await write(send, b"x", more=Asked(lambda: inner({"type": "http.response.body", "body": b"y"})))
    else:
        await write(send, b"x", more=False)


# Task factories


class OwnTask(asyncio.Task):
    """A task as a factory of the application's makes it."""


def own_factory(loop, coroutine, **options):
    return OwnTask(coroutine, loop=loop, **options)


@routes.add
async def factory(scope, receive, send):
    """Sets a task factory from inside a handler."""
    kind = argument(scope, "kind")
    asyncio.get_running_loop().set_task_factory(own_factory if kind == "own" else asyncio.eager_task_factory)
    await respond(send, kind)


@routes.add
async def child(scope, receive, send):
    """Answers from a task that the factory made."""

    async def answer():
        await asyncio.sleep(0)
        await respond(send, type(asyncio.current_task()).__name__)

    await asyncio.create_task(answer())


@routes.add
async def patient(scope, receive, send):
    """Waits for long, beneath a child task, and notes that it was cancelled."""
    key = argument(scope, "key")
    gate.note(key, "started")
    try:
        await asyncio.create_task(asyncio.sleep(60))
    except asyncio.CancelledError:
        gate.note(key, "cancelled")
        raise
