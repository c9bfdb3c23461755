"""The smallest router for ASGI: one coroutine function per path; and what such functions need again and again."""

import asyncio
import time
from urllib.parse import parse_qs

import gate

TEXT = [(b"content-type", b"text/plain")]


class Routes:
    """An ASGI application made of functions `(scope, receive, send)`; `/two-words/more` finds `two_words`."""

    def __init__(self):
        self.functions = {}

    def add(self, function):
        self.functions[function.__name__.replace("_", "-")] = function
        return function

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
            return
        function = self.functions.get(scope["path"].split("/")[1])
        if function is not None:
            await function(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await respond(send, b"", status=404)


async def serve_lifespan(receive, send):
    """Starts and stops at once."""
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


def argument(scope, name, default=None):
    """The value of a query parameter."""
    return parse_qs(scope["query_string"].decode()).get(name, [default])[0]


async def start(send, status=200, headers=TEXT, **more):
    await send({"type": "http.response.start", "status": status, "headers": headers, **more})


async def write(send, body=b"", more=True):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(send, body, status=200, headers=()):
    """Answers with a text whose length is known."""
    body = body if isinstance(body, bytes) else str(body).encode()
    await start(send, status, [*TEXT, (b"content-length", b"%d" % len(body)), *headers])
    await write(send, body, more=False)


async def read_body(receive):
    """The whole body of a request."""
    blocks = []
    while True:
        event = await receive()
        assert event["type"] == "http.request", event
        blocks.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(blocks)


async def wait_gate(key):
    """Waits until the test opens the gate; the loop goes on."""
    path = gate.DIRECTORY / f"{key}.gate"
    end = time.monotonic() + gate.DEADLINE_SECONDS
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody opened the gate {key}")
        await asyncio.sleep(0.002)
