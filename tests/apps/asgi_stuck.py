"""ASGI handlers that get stuck, each in its own way."""

import asyncio
import os
import time

import gate
import hostler
from asgi_routes import Routes, argument, respond

routes = Routes()


def spin():
    while True:
        pass


@routes.add
async def pid(scope, receive, send):
    await respond(send, str(os.getpid()))


@routes.add
async def busy(scope, receive, send):
    """Keeps the loop, before or after it waited once."""
    key = argument(scope, "key")
    if argument(scope, "late"):
        await asyncio.sleep(0)
    gate.note(key, "began")
    try:
        spin()
    except hostler.RequestTimeout as timeout:
        gate.note(key, f"raised {timeout}")
        raise
    finally:
        gate.note(key, "finally")


@routes.add
async def patient(scope, receive, send):
    """Waits for something that never comes."""
    key = argument(scope, "key")
    gate.note(key, "began")
    try:
        await never()
    except asyncio.CancelledError:
        gate.note(key, "cancelled")
        raise


async def never():
    await asyncio.get_running_loop().create_future()


@routes.add
async def gated(scope, receive, send):
    key = argument(scope, "gate")
    gate.note(key, "began")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first,", "more_body": True})
    path = gate.DIRECTORY / f"{key}.gate"
    while not path.exists():
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body", "body": b"last"})


@routes.add
async def later(scope, receive, send):
    """Answers, and gets the loop stuck in a task that serves no request; or in a callback."""
    key = argument(scope, "key")

    async def background():
        gate.note(key, "began")
        try:
            spin()
        finally:
            gate.note(key, "finally")

    def callback():
        gate.note(key, "began")
        time.sleep(100)

    loop = asyncio.get_running_loop()
    if argument(scope, "how") == "task":
        routes.kept = loop.create_task(asyncio.wait_for(background(), None))
    else:
        loop.call_later(0.05, callback)
    await respond(send, "later")


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return await routes(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        if event.get("text") == "stick":
            time.sleep(100)
        await send({"type": "websocket.send", "text": str(os.getpid())})
