"""What an application may do while it is imported, and each request's worker can tell of afterwards: what is shared after a fork, and what is not."""

import atexit
import json
import os
import random
import socket
import tempfile
import threading
import time
import uuid
from pathlib import Path

import gate

DO = os.environ.get("PRELOADED", "").split(",")
IMPORTED_IN = os.getpid()
gate.note("imports", IMPORTED_IN)
atexit.register(lambda: gate.note("atexit", os.getpid()))
DIRECTORY = tempfile.TemporaryDirectory(prefix="preloaded-")
gate.note("directory", DIRECTORY.name)
os.register_at_fork(
    before=lambda: gate.note("at_fork", f"before {os.getpid()}"),
    after_in_parent=lambda: gate.note("at_fork", f"parent {os.getpid()}"),
    after_in_child=lambda: gate.note("at_fork", f"child {os.getpid()}"),
)
if "thread" in DO:
    threading.Thread(target=threading.Event().wait, daemon=True, name="poller").start()
if "sockets" in DO:
    LISTENS = socket.create_server(("127.0.0.1", 0))
    CONNECTED = socket.create_connection(LISTENS.getsockname())
    PACKETS = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    PACKETS.connect(("127.0.0.1", 9))
    PAIR = socket.socketpair()


def descriptors():
    """What each descriptor is, without what differs from one to the next."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}").split("[")[0]
        except FileNotFoundError:
            # The one that the directory was read with.
            continue
    return found


def signals():
    """Which are blocked, ignored and caught."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return [line for line in lines if line.startswith(("SigBlk", "SigIgn", "SigCgt"))]


def wait_together(key, count):
    """Blocks until so many requests are in here."""
    gate.note(key)
    while len((gate.DIRECTORY / f"{key}.note").read_text().splitlines()) < count:
        time.sleep(0.002)


def facts():
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "imported_in": IMPORTED_IN,
        "random": random.random(),
        "uuid1": str(uuid.uuid1()),
        "descriptors": descriptors(),
        "signals": signals(),
        "directory": os.path.isdir(DIRECTORY.name),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "pid_of_thread": threading.get_native_id(),
    }


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/together":
        key, count = environ["QUERY_STRING"].split("=")
        wait_together(key, int(count))
    if path == "/orphan":
        # A daemon, as one is made: it loses its parent at once.
        if os.fork() == 0:
            if os.fork() == 0:
                gate.note("orphan", os.getpid())
                os._exit(0)
            os._exit(0)
        os.wait()
    body = json.dumps(facts()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            what = (await receive())["type"].removeprefix("lifespan.")
            gate.note(what, os.getpid())
            await send({"type": f"lifespan.{what}.complete"})
            if what == "shutdown":
                return
    body = json.dumps(facts()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
