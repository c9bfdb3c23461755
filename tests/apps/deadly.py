"""Applications that sleep, compute, and kill the process they run in."""

import ctypes
import os
import signal
import threading
import time

import gate
from routes import TEXT, Routes, argument, respond

application = Routes()


def die(how):
    """Ends this process at once, in one of many ways."""
    match how:
        case "exit":
            os._exit(9)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "abort":
            os.abort()
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        case "thread":
            threading.Thread(target=os._exit, args=(9,)).start()
            time.sleep(30)


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")


@application.add
def pid(environ, start_response):
    return respond(start_response, str(os.getpid()))


@application.add
def dying(environ, start_response):
    """Dies before anything is answered; with `once`, only the first time."""
    once = argument(environ, "once")
    if not once or not (gate.DIRECTORY / f"{once}.gate").exists():
        if once:
            (gate.DIRECTORY / f"{once}.gate").touch()
        if key := argument(environ, "key"):
            gate.note(key, f"dying {environ['REQUEST_METHOD']}")
        die(argument(environ, "how", "exit"))
    return respond(start_response, "survived")


@application.add
def dying_in_answer(environ, start_response):
    """Dies when the head and a block are sent."""
    headers = [("Content-Length", "1000")] if argument(environ, "length") else []
    start_response("200 OK", TEXT + headers)
    yield b"first"
    gate.wait(argument(environ, "gate"))
    die(argument(environ, "how", "exit"))


@application.add
def dying_in_body(environ, start_response):
    """Dies with the request's body half read."""
    environ["wsgi.input"].read(10)
    die(argument(environ, "how", "exit"))


@application.add
def sleeping(environ, start_response):
    time.sleep(float(argument(environ, "seconds", "1")))
    return respond(start_response, "slept")


@application.add
def stuck_in_a_loop(environ, start_response):
    while True:
        pass


@application.add
def gated(environ, start_response):
    key = argument(environ, "gate")
    gate.note(key, f"started {os.getpid()}")
    gate.wait(key)
    return respond(start_response, "through")


@application.add
def deaf(environ, start_response):
    """Soon after the answer a thread keeps the interpreter's lock for good: one call of C fills a pipe that nobody empties."""
    path = gate.DIRECTORY / f"{argument(environ, 'key')}.fifo"
    os.mkfifo(path)
    pipe, size = os.open(path, os.O_RDWR), 1 << 20
    # Once this request has ended.
    threading.Timer(0.5, ctypes.PyDLL(None).write, [pipe, bytes(size), size]).start()
    return respond(start_response, "deaf soon")


@application.add
def streaming(environ, start_response):
    """A block every 20 ms, `count` of them."""
    start_response("200 OK", TEXT)

    def blocks():
        for _ in range(int(argument(environ, "count", "50"))):
            time.sleep(0.02)
            yield b"block"

    return blocks()


@application.add
def stubborn(environ, start_response):
    """Ignores what it can of a polite end."""
    gate.note(argument(environ, "key"), "started")
    while True:
        try:
            time.sleep(30)
        except BaseException:
            continue


class Hanging:
    """An iterable whose answer is whole, and whose close() never ends."""

    def __init__(self, key, how):
        self.key, self.how, self.blocks = key, how, iter([b"whole"])

    def __iter__(self):
        return self.blocks

    def close(self):
        gate.note(self.key, "closing")
        hang(self.how)


def hang(how):
    while how == "busy":
        pass
    while True:
        time.sleep(30)


@application.add
def hanging_in_close(environ, start_response):
    """After `seconds`, if so asked."""
    if seconds := argument(environ, "seconds"):
        gate.note(argument(environ, "key"), "started")
        time.sleep(float(seconds))
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return Hanging(argument(environ, "key"), argument(environ, "how"))


@application.add
def gated_in_close(environ, start_response):
    """The answer is whole before the gate opens; close() waits for it."""
    key = argument(environ, "gate")

    class Gated(Hanging):
        def close(self):
            gate.note(key, "closing")
            gate.wait(key)

    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return Gated(key, None)


@application.add
def hanging_after_the_client(environ, start_response):
    """Sends a block, then another when the gate opens, and hangs whatever became of it."""
    key = argument(environ, "key")
    start_response("200 OK", TEXT)
    try:
        yield b"first"
        gate.wait(key)
        yield b"second"
    finally:
        gate.note(key, "hanging")
        hang(argument(environ, "how"))


@application.add
def work(environ, start_response):
    """One of many requests under load; the answer proves whose it is."""
    number = argument(environ, "n")
    gate.note("work", f"{environ['REQUEST_METHOD']} {number}")
    time.sleep(0.003)
    body = environ["wsgi.input"].read().decode()
    return respond(start_response, f"{number} {body} " + "x" * 2000)
