"""Applications that differ in their lifespan. What is asked for by `E2E_LIFESPAN` notes each step under "life"."""

import asyncio
import json
import os

import gate
from asgi_routes import argument, respond, wait_gate

KIND = os.environ.get("E2E_LIFESPAN", "plain")


def note(text):
    gate.note("life", f"{text} {os.getpid()}")


async def application(scope, receive, send):
    if scope["type"] != "lifespan":
        await serve(scope, receive, send)
        return
    if KIND == "unsupported":
        assert scope["type"] == "http", "no lifespan here"
    assert scope["asgi"]["version"] == "3.0" and scope["state"] == {}
    assert await receive() == {"type": "lifespan.startup"}
    note("startup")
    if KIND == "raises":
        raise ValueError("the database is away")
    if KIND == "fails":
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})
        return
    if KIND == "returns":
        return
    if KIND == "slow":
        await wait_gate("life")
    scope["state"]["numbers"] = [os.getpid()]
    scope["state"]["name"] = "of the application"
    await send({"type": "lifespan.startup.complete"})
    note("started")
    assert await receive() == {"type": "lifespan.shutdown"}
    note("shutdown")
    if KIND == "slow at its end":
        await asyncio.sleep(0.3)
    if KIND == "fails at its end":
        await send({"type": "lifespan.shutdown.failed", "message": "the files could not be written"})
        return
    if KIND == "raises at its end":
        raise ValueError("the files could not be written")
    if KIND == "hangs at its end":
        await asyncio.sleep(1000)
    await send({"type": "lifespan.shutdown.complete"})
    note("ended")


async def serve(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(scope["state"])})
        await receive()
        return
    if key := argument(scope, "gate"):
        note("request")
        await wait_gate(key)
        note("answered")
    state = scope.get("state")
    await respond(send, json.dumps(state))
    if state:
        # A shallow copy: its keys are this request's own, what they name is everybody's.
        state["name"] = "of a request"
        state["numbers"].append(len(state["numbers"]))
