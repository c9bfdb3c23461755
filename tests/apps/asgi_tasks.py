"""What a handler may count on: a task and a context of its own, cancellation, anyio; and tasks that outlive it."""

import asyncio
import contextlib
import contextvars
import json
import os
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import gate
import sniffio
from asgi_routes import Routes, argument, read_body, respond, start, wait_gate, write

application = Routes()
mark = contextvars.ContextVar("mark", default="none")
KEPT = set()


@application.add
async def surroundings(scope, receive, send):
    task = asyncio.current_task()
    facts = {
        "task": isinstance(task, asyncio.Task),
        "known": task in asyncio.all_tasks(),
        "coroutine": hasattr(task.get_coro(), "send"),
        "running": asyncio.get_running_loop().is_running(),
        "library": sniffio.current_async_library(),
        "main": threading.current_thread() is threading.main_thread(),
        "loop": type(asyncio.get_running_loop()).__module__.split(".")[0],
        "pid": os.getpid(),
    }
    await asyncio.sleep(0)
    facts["same"] = asyncio.current_task() is task
    await read_body(receive)
    facts["same_after_receive"] = asyncio.current_task() is task
    await respond(send, json.dumps(facts))


@application.add
async def context(scope, receive, send):
    """A context variable, before and after it is set; waits in between, so that others run."""
    before = mark.get()
    mark.set(argument(scope, "value"))
    await read_body(receive)
    await asyncio.sleep(0.002)

    async def inner():
        return mark.get()

    seen = [mark.get(), await asyncio.create_task(inner()), await asyncio.to_thread(mark.get)]
    await respond(send, json.dumps([before, *seen]))


@application.add
async def waits(scope, receive, send):
    """Every way to wait for `receive` no longer than so; the body comes when the test saw that none did so early."""
    key = argument(scope, "key")
    found = []
    try:
        await asyncio.wait_for(receive(), 0.01)
    except TimeoutError:
        found.append("wait_for")
    if hasattr(asyncio, "timeout"):
        try:
            async with asyncio.timeout(0.01):
                await receive()
        except TimeoutError:
            found.append("timeout")
    else:
        found.append("timeout")
    with anyio.move_on_after(0.01) as scope_:
        await receive()
    if scope_.cancelled_caught:
        found.append("anyio")
    task = asyncio.create_task(receive())
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    found.append("task" if task.cancelled() else "not cancelled")
    gate.note(key, json.dumps(found))
    body = await asyncio.create_task(read_body(receive))
    await respond(send, body)


@application.add
async def anyio_all(scope, receive, send):
    """Task groups, cancel scopes, threads and streams of anyio."""
    seen = []
    writer, reader = anyio.create_memory_object_stream(1)

    async def produce():
        async with writer:
            for number in range(5):
                await writer.send(number)

    async def consume():
        async with reader:
            async for number in reader:
                seen.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        group.start_soon(consume)
    with anyio.CancelScope() as outer:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            await anyio.sleep(0)
            outer.cancel()
    seen.append(outer.cancelled_caught)
    seen.append(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 0) or "thread"))
    async with anyio.create_task_group() as group:
        await group.start(started)
        await respond(send, json.dumps(seen))
        group.cancel_scope.cancel()


async def started(*, task_status):
    task_status.started()
    await anyio.sleep_forever()


@application.add
async def watched(scope, receive, send):
    """As frameworks stream: one task sends, another waits for the client to leave and cancels it."""
    key = argument(scope, "key")
    await read_body(receive)

    async def watch(group):
        event = await receive()
        gate.note(key, event["type"])
        group.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        await start(send)
        with contextlib.suppress(OSError):
            while True:
                await write(send, b"event")
                await anyio.sleep(0.002)


@application.add
async def at_once(scope, receive, send):
    """Two tasks send blocks of one letter each."""
    await start(send)

    async def sender(letter):
        for _ in range(200):
            await write(send, letter * 5000)

    await asyncio.gather(sender(b"a"), sender(b"b"))
    await write(send, more=False)


@application.add
async def answering_task(scope, receive, send):
    """The answer comes from a task that the handler waits for."""
    body = await asyncio.create_task(read_body(receive))
    await asyncio.create_task(respond(send, body))


@application.add
async def outlived(scope, receive, send):
    """A task that goes on when the handler has returned."""
    key = argument(scope, "key")

    async def later():
        try:
            await wait_gate(key)
            gate.note(key, "finished")
        except asyncio.CancelledError:
            gate.note(key, "cancelled")
            raise

    task = asyncio.create_task(later())
    KEPT.add(task)
    task.add_done_callback(KEPT.discard)
    await respond(send, "answered")


@application.add
async def background(scope, receive, send):
    """Goes on when its answer is complete."""
    key = argument(scope, "key")
    await respond(send, "answered")
    gate.note(key, "started")
    try:
        await wait_gate(key)
        gate.note(key, "finished")
    except asyncio.CancelledError:
        gate.note(key, "cancelled")
        raise


@application.add
async def stubborn(scope, receive, send):
    """Goes on when its answer is complete, and when it is cancelled."""
    await respond(send, "answered")
    gate.note(argument(scope, "key"), "started")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)


@application.add
async def failing_task(scope, receive, send):
    """A task whose exception nobody asks for."""

    async def fail():
        raise ValueError("nobody asks for this")

    KEPT.add(asyncio.create_task(fail()))
    await asyncio.sleep(0.001)
    KEPT.clear()
    await respond(send, "answered")


@application.add
async def subprocess(scope, receive, send):
    """A child process, waited for by the loop."""
    child = await asyncio.create_subprocess_exec("echo", "from a child", stdout=asyncio.subprocess.PIPE)
    text, _ = await child.communicate()
    await respond(send, text)


@application.add
async def hello(scope, receive, send):
    await respond(send, "hello")
