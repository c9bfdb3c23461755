"""ASGI applications that block their loop, sleep, and kill the process they run in."""

import asyncio
import os
import time

import gate
from asgi_routes import TEXT, Routes, argument, read_body, respond, start, wait_gate, write
from deadly import die

application = Routes()


@application.add
async def hello(scope, receive, send):
    await respond(send, "hello")


@application.add
async def pid(scope, receive, send):
    await respond(send, os.getpid())


@application.add
async def sleeping(scope, receive, send):
    """Lets the loop go on; says which process it was."""
    await asyncio.sleep(float(argument(scope, "seconds", "0.2")))
    await respond(send, os.getpid())


@application.add
async def blocking(scope, receive, send):
    """Keeps the loop to itself until the gate opens."""
    key = argument(scope, "gate")
    gate.note(key, os.getpid())
    gate.wait(key)
    await respond(send, "through")


@application.add
async def stuck(scope, receive, send):
    """Never gives the loop back; `how` it does so, and `when`: before its answer, in it, or after it."""
    if argument(scope, "when") == "in":
        await start(send)
        await write(send, b"first")
    elif argument(scope, "when") == "after":
        await respond(send, "whole")
    stay(argument(scope, "how"))


def stay(how):
    while how == "busy":
        pass
    while True:
        time.sleep(30)


@application.add
async def gated(scope, receive, send):
    key = argument(scope, "gate")
    gate.note(key, f"started {os.getpid()}")
    await wait_gate(key)
    await respond(send, "through")


@application.add
async def patient(scope, receive, send):
    """Waits for long, and notes that it was cancelled; `stubborn` goes on for a while all the same."""
    key = argument(scope, "key")
    gate.note(key, os.getpid())
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        gate.note(key, "cancelled")
        if argument(scope, "stubborn"):
            await asyncio.sleep(0.5)
            gate.note(key, "went on")
            await respond(send, "too late")
        raise


@application.add
async def quiet(scope, receive, send):
    """A head, a block, and nothing for so many seconds; then the end."""
    await start(send)
    await write(send, b"first")
    await asyncio.sleep(float(argument(scope, "seconds")))
    await write(send, b"last", more=False)


@application.add
async def dying(scope, receive, send):
    """Dies before anything is answered; with `once`, only the first time."""
    once = argument(scope, "once")
    if not once or not (gate.DIRECTORY / f"{once}.gate").exists():
        if once:
            (gate.DIRECTORY / f"{once}.gate").touch()
        if key := argument(scope, "key"):
            gate.note(key, f"dying {scope['method']}")
        die(argument(scope, "how", "exit"))
    await respond(send, "survived")


@application.add
async def dying_in_answer(scope, receive, send):
    """Dies when the head and a block are sent."""
    headers = [(b"content-length", b"1000")] if argument(scope, "length") else []
    await start(send, headers=[*TEXT, *headers])
    await write(send, b"first")
    await wait_gate(argument(scope, "gate"))
    die(argument(scope, "how", "exit"))


@application.add
async def dying_in_body(scope, receive, send):
    """Dies with the request's body half read."""
    await receive()
    die(argument(scope, "how", "exit"))


@application.add
async def dying_after_answer(scope, receive, send):
    await respond(send, "whole")
    await wait_gate(argument(scope, "gate"))
    die(argument(scope, "how", "exit"))


@application.add
async def echo(scope, receive, send):
    await respond(send, await read_body(receive))
