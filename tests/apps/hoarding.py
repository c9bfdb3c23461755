"""An application that fills memory: with garbage in cycles, which only a collection finds, or with what it keeps."""

import gc
import json
import os
import threading
import time
import weakref
from urllib.parse import parse_qs

import gate

# Collections happen when the server asks for one, and else never.
gc.disable()
kept = []
watched = []


class Cycle:
    def __init__(self, size):
        self.data = bytearray(os.urandom(1 << 16)) * (size >> 16)
        self.own = self


def report():
    return {"pid": os.getpid(), "thread": threading.current_thread().name, "garbage": sum(one() is not None for one in watched)}


def note_end(key):
    """The collection says by which thread it was run."""
    thread = threading.current_thread().name
    threading.Thread(target=gate.note, args=(key, thread)).start()


def handle(path, query):
    if path == "/litter":
        for _ in range(int(query["cycles"])):
            cycle = Cycle(1 << 20)
            watched.append(weakref.ref(cycle))
        if "key" in query:
            weakref.finalize(cycle, note_end, query["key"])
    elif path == "/keep":
        kept.append(Cycle(int(query["mib"]) << 20))
    elif path == "/wait":
        gate.note(query["key"], "waits")
        gate.wait(query["key"])
        return {"garbage": report()["garbage"]}
    elif path == "/spin":
        end = time.monotonic() + float(query["seconds"])
        while time.monotonic() < end:
            pass
    return report()


def query_of(text):
    return {name: values[0] for name, values in parse_qs(text).items()}


def application(environ, start_response):
    body = json.dumps(handle(environ["PATH_INFO"], query_of(environ["QUERY_STRING"]))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = json.dumps(handle(scope["path"], query_of(scope["query_string"].decode()))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
