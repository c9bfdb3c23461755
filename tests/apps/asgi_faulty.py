"""ASGI applications that do what the specification forbids. The query names the fault."""

import asyncio

import gate
from asgi_routes import TEXT, Routes, argument, respond, start, write

application = Routes()

START = {"type": "http.response.start", "status": 200, "headers": TEXT}
BODY = {"type": "http.response.body", "body": b"body"}

# Events that may not begin an answer.
BEGINNINGS = {
    "None": None,
    "text": "http.response.start",
    "a list": [("type", "http.response.start")],
    "no type": {"status": 200},
    "type is None": {"type": None},
    "unknown type": {"type": "http.response.nothing"},
    "body first": BODY,
    "trailers first": {"type": "http.response.trailers", "headers": []},
    "pathsend first": {"type": "http.response.pathsend", "path": "/dev/null"},
    "of a websocket": {"type": "websocket.accept"},
    "of lifespan": {"type": "lifespan.startup.complete"},
    "one to receive": {"type": "http.request"},
    "no status": {"type": "http.response.start", "headers": TEXT},
    "status is text": {**START, "status": "200"},
    "status is None": {**START, "status": None},
    "status too small": {**START, "status": 99},
    "status too large": {**START, "status": 1000},
    "status of an upgrade": {**START, "status": 101},
    "headers are a number": {**START, "headers": 5},
    "header is no pair": {**START, "headers": [(b"x-a",)]},
    "header is a triple": {**START, "headers": [(b"x-a", b"1", b"2")]},
    "name is text": {**START, "headers": [("x-a", b"1")]},
    "name is None": {**START, "headers": [(None, b"1")]},
    "name is empty": {**START, "headers": [(b"", b"1")]},
    "name with a space": {**START, "headers": [(b"x a", b"1")]},
    "name with a colon": {**START, "headers": [(b"x-a:", b"1")]},
    "name with a newline": {**START, "headers": [(b"x-a\r\nx-forged", b"yes")]},
    "pseudo header": {**START, "headers": [(b":status", b"200")]},
    "value is text": {**START, "headers": [(b"x-a", "1")]},
    "value is a number": {**START, "headers": [(b"x-a", 1)]},
    "value with CRLF": {**START, "headers": [(b"x-a", b"1\r\nx-forged: yes")]},
    "value with LF": {**START, "headers": [(b"x-a", b"1\nx-forged: yes")]},
    "value with CR": {**START, "headers": [(b"x-a", b"1\rx-forged: yes")]},
    "value with NUL": {**START, "headers": [(b"x-a", b"1\x002")]},
    "value with DEL": {**START, "headers": [(b"x-a", b"1\x7f2")]},
    "value with a bell": {**START, "headers": [(b"x-a", b"1\x072")]},
    "length is text": {**START, "headers": [(b"content-length", b"four")]},
    "length is negative": {**START, "headers": [(b"content-length", b"-4")]},
    "two lengths": {**START, "headers": [(b"content-length", b"4"), (b"content-length", b"5")]},
}

# Events that may not come after a head and a first block.
CONTINUATIONS = {
    "head again": START,
    "None": None,
    "unknown type": {"type": "http.response.nothing"},
    "of a websocket": {"type": "websocket.send", "text": "a"},
    "body is text": {"type": "http.response.body", "body": "text"},
    "body is a number": {"type": "http.response.body", "body": 5},
    "trailers without announcement": {"type": "http.response.trailers", "headers": []},
    "pathsend after a block": {"type": "http.response.pathsend", "path": "/dev/null"},
}


async def faulty_send(key, send, event):
    try:
        await send(event)
    except Exception as fault:
        gate.note(key, f"raised {type(fault).__name__}")
        raise
    gate.note(key, "nothing raised")


@application.add
async def beginning(scope, receive, send):
    await faulty_send(argument(scope, "key"), send, BEGINNINGS[argument(scope, "fault")])
    await send(BODY)


@application.add
async def mended(scope, receive, send):
    """Catches what its fault raised, and answers as it should."""
    try:
        await send(BEGINNINGS[argument(scope, "fault")])
    except Exception:
        await respond(send, "mended")


@application.add
async def continuation(scope, receive, send):
    await send(START)
    await write(send, b"first")
    await faulty_send(argument(scope, "key"), send, CONTINUATIONS[argument(scope, "fault")])
    await write(send, b"second", more=False)


@application.add
async def miscalling(scope, receive, send):
    """Calls its functions with what they do not take, and answers as it should."""
    raised = []
    for name, function, arguments in (("send", send, ()), ("send", send, (START, START)), ("receive", receive, (START,))):
        try:
            function(*arguments)
        except TypeError:
            raised.append(name)
    await respond(send, " ".join(raised))


KEPT = []


@application.add
async def keeping(scope, receive, send):
    """Keeps its `send`, and tries the one that was kept before."""
    fault = None
    if KEPT:
        try:
            await KEPT.pop()(START)
        except Exception as raised:
            fault = raised
    KEPT.append(send)
    await respond(send, type(fault).__name__)


@application.add
async def raising(scope, receive, send):
    """Raises at some point of an answer."""
    where = argument(scope, "where")
    if where == "before the head":
        raise ValueError(where)
    await start(send)
    if where == "after the head":
        raise ValueError(where)
    await write(send, b"first")
    if where == "in the body":
        raise ValueError(where)
    await write(send, b"last", more=False)
    raise ValueError(where)


KINDS = {
    "cancelled": asyncio.CancelledError,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "stop": StopAsyncIteration,
    "group": lambda: BaseExceptionGroup("several", [ValueError("one"), KeyError("two")]),
}


@application.add
async def raising_odd(scope, receive, send):
    raise KINDS[argument(scope, "kind")]()


@application.add
async def returning(scope, receive, send):
    """Returns with the answer half done."""
    where = argument(scope, "where")
    if where != "before the head":
        await start(send)
    if where == "in the body":
        await write(send, b"first")


@application.add
async def excessive(scope, receive, send):
    """Goes on when the answer is complete."""
    await respond(send, "whole")
    await write(send, b"more", more=False)


@application.add
async def hello(scope, receive, send):
    await respond(send, "hello")


async def two(scope, receive):
    """Too few arguments."""


def plain_function(scope, receive, send):
    """What it returns cannot be awaited."""
    if scope["type"] != "lifespan":
        return 5
    raise TypeError("no lifespan here")
