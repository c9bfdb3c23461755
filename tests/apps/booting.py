"""An application whose import takes until the test lets it go on."""

import signal

import gate
from routes import respond

if (gate.DIRECTORY / "deaf.gate").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
gate.note("boot", "importing")
gate.wait("boot")


def application(environ, start_response):
    return respond(start_response, "hello")
