"""WebSocket applications: they accept, refuse, echo, count, wait and fail, as the path says."""

import asyncio
import json
import os

import gate
from asgi_routes import TEXT, Routes, argument, respond, wait_gate

application = Routes()


async def accept(receive, send, **more):
    event = await receive()
    assert event == {"type": "websocket.connect"}, event
    await send({"type": "websocket.accept", **more})


async def say(send, text):
    await send({"type": "websocket.send", "text": text})


def described(event):
    """An event as text; bytes by their number."""
    return json.dumps({key: len(value) if isinstance(value, bytes) else value for key, value in event.items()})


@application.add
async def echo(scope, receive, send):
    await accept(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
    if key := argument(scope, "key"):
        gate.note(key, described(event))


@application.add
async def events(scope, receive, send):
    """Notes all that it receives, and what `receive` and `send` do when it is over."""
    key = argument(scope, "key")
    await accept(receive, send)
    gate.note(key, "accepted")
    while True:
        event = await receive()
        gate.note(key, described(event))
        if event["type"] == "websocket.disconnect":
            break
    try:
        await say(send, "late")
        gate.note(key, "nothing raised")
    except OSError:
        gate.note(key, "OSError")
        raise


@application.add
async def shapes(scope, receive, send):
    """Answers each message with its type and size, as `receive` gave it."""
    await accept(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        values = [event.get("text"), event.get("bytes")]
        assert sum(value is not None for value in values) == 1, "exactly one of the two"
        value = values[0] if values[0] is not None else values[1]
        await say(send, f"{type(value).__name__} {len(value)}")


@application.add
async def accepting(scope, receive, send):
    """With a subprotocol and headers."""
    headers = [(b"x-one", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await accept(receive, send, subprotocol=argument(scope, "protocol"), headers=headers)
    await say(send, "accepted")
    await send({"type": "websocket.close"})


@application.add
async def refusing(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.close", "code": 4001, "reason": "no"})
    if key := argument(scope, "key"):
        gate.note(key, described(await receive()))


@application.add
async def denying(scope, receive, send):
    """With an answer of its own."""
    assert "websocket.http.response" in scope["extensions"]
    await receive()
    headers = [*TEXT, (b"www-authenticate", b"Basic")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


@application.add
async def closing(scope, receive, send):
    """Closes at once, or when told so by a message."""
    await accept(receive, send)
    if argument(scope, "after"):
        await receive()
    event = {"type": "websocket.close"}
    if code := argument(scope, "code"):
        event["code"] = int(code)
    if reason := argument(scope, "reason"):
        event["reason"] = reason
    await send(event)
    if not (key := argument(scope, "key")):
        return
    try:
        await say(send, "late")
        gate.note(key, "nothing raised")
    except Exception as fault:
        gate.note(key, "raised " + type(fault).__name__)
    gate.note(key, described(await receive()))


@application.add
async def returning(scope, receive, send):
    """Returns without a close; before it accepted, or after."""
    if argument(scope, "where") == "before":
        await receive()
        return
    await accept(receive, send)
    await say(send, "last")


@application.add
async def raising(scope, receive, send):
    if argument(scope, "where") == "before":
        raise ValueError("before it is accepted")
    await accept(receive, send)
    await say(send, "last")
    raise ValueError("after it is accepted")


FAULTS = {
    "send before accept": [{"type": "websocket.send", "text": "a"}],
    "accept twice": [{"type": "websocket.accept"}, {"type": "websocket.accept"}],
    "of HTTP": [{"type": "http.response.start", "status": 200, "headers": []}],
    "unknown type": [{"type": "websocket.accept"}, {"type": "websocket.nothing"}],
    "None": [{"type": "websocket.accept"}, None],
    "nothing to send": [{"type": "websocket.accept"}, {"type": "websocket.send"}],
    "both to send": [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "a", "bytes": b"a"}],
    "text is bytes": [{"type": "websocket.accept"}, {"type": "websocket.send", "text": b"a"}],
    "bytes are text": [{"type": "websocket.accept"}, {"type": "websocket.send", "bytes": "a"}],
    "half a character": [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "\ud800"}],
    "code 1005": [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1005}],
    "code 1006": [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1006}],
    "code 999": [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 999}],
    "code is text": [{"type": "websocket.accept"}, {"type": "websocket.close", "code": "1000"}],
    "subprotocol is bytes": [{"type": "websocket.accept", "subprotocol": b"chat"}],
    "header is text": [{"type": "websocket.accept", "headers": [("x-a", "1")]}],
    "header with a newline": [{"type": "websocket.accept", "headers": [(b"x-a", b"1\r\nx-forged: yes")]}],
    "header of a subprotocol": [{"type": "websocket.accept", "headers": [(b"sec-websocket-protocol", b"a")]}],
    "denial after accept": [
        {"type": "websocket.accept"},
        {"type": "websocket.http.response.start", "status": 401, "headers": []},
    ],
    "accept after denial": [
        {"type": "websocket.http.response.start", "status": 401, "headers": []},
        {"type": "websocket.accept"},
    ],
}


@application.add
async def faulty(scope, receive, send):
    *before, last = FAULTS[argument(scope, "fault")]
    key = argument(scope, "key")
    await receive()
    for event in before:
        await send(event)
    try:
        await send(last)
    except Exception as fault:
        gate.note(key, f"raised {type(fault).__name__}")
        raise
    gate.note(key, "nothing raised")


@application.add
async def pour(scope, receive, send):
    """`count` messages of 64 KiB, each noted when it was taken."""
    key = argument(scope, "key")
    await accept(receive, send)
    for _ in range(int(argument(scope, "count"))):
        await send({"type": "websocket.send", "bytes": b"x" * 65_536})
        gate.note(key, "sent")
    await send({"type": "websocket.close"})


@application.add
async def gated_read(scope, receive, send):
    """Receives nothing until the gate opens; then says how much there was."""
    key = argument(scope, "gate")
    await accept(receive, send)
    gate.note(key, "accepted")
    await wait_gate(key)
    size = 0
    while (event := await receive())["type"] == "websocket.receive" and event.get("text") != "end":
        size += len(event["bytes"])
    await say(send, str(size))


@application.add
async def hello(scope, receive, send):
    await respond(send, b"hello")


@application.add
async def gated(scope, receive, send):
    """A request that runs until the gate opens."""
    key = argument(scope, "gate")
    gate.note(key, "asked")
    await wait_gate(key)
    await respond(send, b"gated")


@application.add
async def slow_accept(scope, receive, send):
    key = argument(scope, "gate")
    gate.note(key, "asked")
    await wait_gate(key)
    await accept(receive, send)
    await say(send, "accepted")
    await send({"type": "websocket.close"})


@application.add
async def at_once(scope, receive, send):
    """One task sends while another receives; either's end is the other's."""
    await accept(receive, send)

    async def tick():
        while True:
            await say(send, "tick")
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    try:
        while (event := await receive())["type"] == "websocket.receive":
            await say(send, "echo " + event["text"])
    finally:
        ticking.cancel()


@application.add
async def pid(scope, receive, send):
    await accept(receive, send)
    await say(send, str(os.getpid()))
    while (event := await receive())["type"] == "websocket.receive":
        await say(send, event["text"])


@application.add
async def hello(scope, receive, send):
    await respond(send, "hello")



@application.add
async def kind(scope, receive, send):
    """What this request is taken for."""
    await respond(send, json.dumps([scope["type"], sorted(name.decode() for name, _ in scope["headers"])]))
