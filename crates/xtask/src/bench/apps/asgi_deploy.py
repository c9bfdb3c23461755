"""The same as deploy.py, and a WebSocket that sends every message back."""

import asyncio
import os
from urllib.parse import parse_qs

from deploy import note


async def application(scope, receive, send):
    assert scope["type"] in ("http", "websocket")
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    if scope["path"] == "/upload":
        length, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            length += len(event.get("body", b""))
            more = event.get("more_body", False)
        note(parse_qs(scope["query_string"].decode()))
        body = b"%d %d" % (os.getpid(), length)
    else:
        await asyncio.sleep(0.002)
        body = b"%d" % os.getpid()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": event["text"]})
