"""The plain application of the tests of connections: it echoes, it waits, it pours out."""

import hashlib
import time

import gate
from routes import TEXT, Routes, argument, respond

application = Routes()


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")


@application.add
def path(environ, start_response):
    """Says what was asked for: answers can be told apart."""
    return respond(start_response, environ["PATH_INFO"] + "?" + environ["QUERY_STRING"])


@application.add
def slow_path(environ, start_response):
    time.sleep(float(argument(environ, "seconds", "0.02")))
    return path(environ, start_response)


@application.add
def digest(environ, start_response):
    return respond(start_response, hashlib.sha256(environ["wsgi.input"].read()).hexdigest())


@application.add
def streamed(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"%d," % number for number in range(100))


@application.add
def pour(environ, start_response):
    """`mib` MiB of answer, block by block."""
    key = argument(environ, "key")
    start_response("200 OK", TEXT)

    def blocks():
        try:
            for _ in range(16 * int(argument(environ, "mib"))):
                yield b"x" * 65_536
        finally:
            if key:
                gate.note(key, "over")

    return blocks()


@application.add
def gated(environ, start_response):
    key = argument(environ, "gate")
    gate.note(key, "started")
    gate.wait(key)
    return respond(start_response, "through")


@application.add
def read(environ, start_response):
    key = argument(environ, "key")
    gate.note(key, "started")
    try:
        body = environ["wsgi.input"].read()
    except OSError:
        gate.note(key, "raised")
        raise
    gate.note(key, f"read {len(body)}")
    return respond(start_response, body)


@application.add
def served(environ, start_response):
    """Leaves a trace: no refused request may ever get here."""
    gate.note("served", environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"])
    return respond(start_response, "served")
