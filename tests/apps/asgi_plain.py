"""The plain ASGI application: it echoes, waits, pours out, sends files, and notices that its client left."""

import ast
import asyncio
import hashlib
import json
import os
from urllib.parse import unquote

import gate
from asgi_routes import TEXT, Routes, argument, read_body, respond, start, wait_gate, write

application = Routes()
BLOCK = b"x" * 65_536


@application.add
async def hello(scope, receive, send):
    await respond(send, "hello")


@application.add
async def path(scope, receive, send):
    """Says what was asked for: answers can be told apart."""
    await respond(send, scope["path"] + "?" + scope["query_string"].decode())


@application.add
async def echo(scope, receive, send):
    await respond(send, await read_body(receive))


@application.add
async def digest(scope, receive, send):
    await respond(send, hashlib.sha256(await read_body(receive)).hexdigest())


@application.add
async def through(scope, receive, send):
    """Sends each block back as soon as it is there."""
    await start(send)
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
        await write(send, event.get("body", b""), more)


@application.add
async def events(scope, receive, send):
    """What `receive` gave: of each event its type, the size of its body and whether more comes."""
    found, more = [], True
    while more:
        event = await receive()
        assert type(event.get("body", b"")) is bytes
        more = event.get("more_body", False)
        found.append([event["type"], len(event.get("body", b"")), more])
    await respond(send, json.dumps(found))


@application.add
async def ignorant(scope, receive, send):
    """Never asks for the body."""
    await respond(send, "ignored")


@application.add
async def streamed(scope, receive, send):
    await start(send)
    for number in range(100):
        await write(send, b"%d," % number)
    await write(send, more=False)


@application.add
async def framed(scope, receive, send):
    """`size` bytes in `blocks` blocks, with the head that is asked for."""
    size, blocks = int(argument(scope, "size", "0")), int(argument(scope, "blocks", "1"))
    length = argument(scope, "length")
    headers = [(b"content-length", length.encode())] if length else []
    await start(send, int(argument(scope, "status", "200")), [*TEXT, *headers])
    for number in range(blocks):
        await write(send, b"y" * (size // blocks + (size % blocks if number == 0 else 0)), number < blocks - 1)


@application.add
async def headers_out(scope, receive, send):
    values = [
        (b"x-latin", b"caf\xe9"),
        (b"x-twice", b"1"),
        (b"set-cookie", b"a=1"),
        (b"X-Mixed", b"kept"),
        (b"x-twice", b"2"),
        (b"set-cookie", b"b=2"),
        (b"transfer-encoding", b"chunked"),
    ]
    # Any iterables will do.
    await start(send, headers=(list(pair) for pair in values))
    await write(send, bytearray(b"bytes alike"), more=False)


@application.add
async def last_answer(scope, receive, send):
    """Says what becomes of the connection, in an answer with a length or without one."""
    values = ast.literal_eval(unquote(argument(scope, "values")))
    length = [(b"content-length", b"4")] if argument(scope, "length") else []
    await start(send, headers=[*TEXT, *length, *((b"Connection", value.encode()) for value in values)])
    await write(send, b"sa")
    await write(send, b"id", more=False)


@application.add
async def head_only(scope, receive, send):
    """The defaults: no headers, no body, no more."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


# Waiting


@application.add
async def gated(scope, receive, send):
    key = argument(scope, "gate")
    gate.note(key, f"started {os.getpid()}")
    await wait_gate(key)
    await respond(send, "through")


@application.add
async def gated_body(scope, receive, send):
    """The head and a block; the rest when the gate opens."""
    key = argument(scope, "gate")
    await start(send)
    await write(send, b"first")
    await wait_gate(key)
    await write(send, b"second", more=False)


@application.add
async def gated_read(scope, receive, send):
    """Asks for the body when the gate opens."""
    key = argument(scope, "gate")
    gate.note(key, "started")
    await wait_gate(key)
    await respond(send, str(len(await read_body(receive))))


@application.add
async def pour(scope, receive, send):
    """`mib` MiB of answer; each block that was taken is noted."""
    key = argument(scope, "key")
    await start(send)
    for _ in range(16 * int(argument(scope, "mib"))):
        await write(send, BLOCK)
        gate.note(key, "sent")
    await write(send, more=False)
    gate.note(f"{key}over", "over")


# The client leaves


@application.add
async def leaving(scope, receive, send):
    """Reads the body, then waits for the client to leave."""
    key = argument(scope, "key")
    await read_body(receive)
    gate.note(key, "waiting")
    event = await receive()
    gate.note(key, json.dumps(event))
    gate.note(key, json.dumps(await receive()))
    try:
        await start(send)
        await write(send, b"late", more=False)
    except OSError:
        gate.note(key, "OSError")
        raise
    gate.note(key, "nothing raised")


@application.add
async def leaving_upload(scope, receive, send):
    """Notes the events of a body that never gets whole."""
    key = argument(scope, "key")
    size = 0
    gate.note(key, "waiting")
    while (event := await receive())["type"] == "http.request":
        size += len(event.get("body", b""))
        assert event.get("more_body", False)
    gate.note(key, event["type"])
    gate.note(key, size)


@application.add
async def leaving_stream(scope, receive, send):
    """Streams until that fails; `how` says who notices, send or a receive beside it."""
    key, how = argument(scope, "key"), argument(scope, "how")
    await read_body(receive)
    await start(send)
    if how == "receive":
        waiting = asyncio.create_task(receive())
        while not waiting.done():
            try:
                await write(send, b"event")
            except OSError:
                pass  # it may come a little before
            await asyncio.sleep(0.002)
        gate.note(key, waiting.result()["type"])
        return
    try:
        while True:
            await write(send, b"event")
            await asyncio.sleep(0.002)
    except Exception as fault:
        gate.note(key, "OSError" if isinstance(fault, OSError) else type(fault).__name__)
        raise


@application.add
async def leaving_blocked(scope, receive, send):
    """Waits in send, because nobody reads, when the client leaves."""
    key = argument(scope, "key")
    await start(send)
    try:
        while True:
            await write(send, BLOCK)
            gate.note(key, "sent")
    except OSError:
        gate.note(f"{key}over", "OSError")


@application.add
async def finished(scope, receive, send):
    """What `receive` says when the answer is complete."""
    key = argument(scope, "key")
    await respond(send, "whole")
    event = await asyncio.wait_for(receive(), 5)
    gate.note(key, json.dumps(event))


@application.add
async def finished_meanwhile(scope, receive, send):
    """A task waits in `receive` already when the answer gets complete."""
    key = argument(scope, "key")
    await read_body(receive)
    waiting = asyncio.create_task(receive())
    await asyncio.sleep(0.01)
    await respond(send, "whole")
    gate.note(key, json.dumps(await asyncio.wait_for(waiting, 5)))


# Extensions


@application.add
async def hints(scope, receive, send):
    await start(send)
    for links in ([b"</a.css>; rel=preload", b"</b.js>; rel=preload"], [b"</c>; rel=x"]):
        await send({"type": "http.response.early_hint", "links": links})
    await write(send, b"body", more=False)


@application.add
async def trailers(scope, receive, send):
    headers = [*TEXT, (b"trailer", b"x-sum, x-sign")]
    if length := argument(scope, "length"):
        headers.append((b"content-length", length.encode()))
    await start(send, headers=headers, trailers=True)
    await write(send, b"one ")
    await write(send, b"two", more=False)
    sums = {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")], "more_trailers": True}
    await send(sums)
    await send({"type": "http.response.trailers", "headers": [(b"x-sign", b"caf\xe9")]})


@application.add
async def bad_trailers(scope, receive, send):
    """Trailers that may not be sent as such, beside one that may."""
    await start(send, trailers=True)
    await write(send, b"body", more=False)
    names = [b"content-length", b"transfer-encoding", b"host", b"trailer"]
    headers = [*((name, b"1") for name in names), (b"x-good", b"1")]
    await send({"type": "http.response.trailers", "headers": headers})


@application.add
async def file(scope, receive, send):
    """A file by its path; with its length, or without."""
    name = str(gate.DIRECTORY / argument(scope, "name"))
    headers = [(b"content-type", b"application/x-test")]
    if argument(scope, "length"):
        headers.append((b"content-length", argument(scope, "length").encode()))
    await start(send, int(argument(scope, "status", "200")), headers)
    try:
        await send({"type": "http.response.pathsend", "path": name})
    except Exception as fault:
        gate.note("file", type(fault).__name__)
        raise
