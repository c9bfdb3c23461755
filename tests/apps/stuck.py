"""WSGI requests that get stuck, each in its own way, and say what becomes of them."""

import os
import time

import gate
import hostler
from routes import Routes, argument, respond

application = Routes()

@application.add
def pid(environ, start_response):
    return respond(start_response, str(os.getpid()))


def spin():
    while True:
        pass


@application.add
def busy(environ, start_response):
    """Computes for ever; notes how it ends."""
    key = argument(environ, "key")
    gate.note(key, "began")
    try:
        spin()
    except hostler.RequestTimeout as timeout:
        gate.note(key, f"raised {timeout}")
        raise
    finally:
        gate.note(key, "finally")


@application.add
def stubborn(environ, start_response):
    """Catches whatever comes, and goes on."""
    while True:
        try:
            spin()
        except BaseException:
            gate.note(argument(environ, "key"), "caught")


@application.add
def asleep(environ, start_response):
    """In C: no exception can be raised there."""
    gate.note(argument(environ, "key"), "began")
    time.sleep(100)


@application.add
def gated(environ, start_response):
    key = argument(environ, "gate")
    gate.note(key, "began")
    # Moves now and then, as a request that is no stuck one.
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    path = gate.DIRECTORY / f"{key}.gate"
    try:
        while not path.exists():
            write(b".")
            time.sleep(0.05)
    except BaseException as error:
        gate.note(key, f"hit {error!r}")
        raise
    return [b"through"]


@application.add
def brief(environ, start_response):
    """Ends at about the moment of its time-out. An exception that comes long before that was meant for another request."""
    began = time.monotonic()
    seconds, least = float(argument(environ, "seconds")), float(argument(environ, "least"))
    try:
        while time.monotonic() < began + seconds:
            pass
    except BaseException as error:
        if time.monotonic() < began + least:
            gate.note("innocent", f"brief {error!r}")
        raise
    return respond(start_response, "brief")


@application.add
def short(environ, start_response):
    """Far from any time-out: no exception is meant for it, unless the machine stood still for so long."""
    began = time.monotonic()
    least = float(argument(environ, "least"))
    try:
        total = sum(range(2000))
    except BaseException as error:
        if time.monotonic() < began + least:
            gate.note("innocent", f"short {error!r}")
        raise
    return respond(start_response, str(total))
