"""Applications that read the request's body in every way."""

import hashlib
import json

import gate
from routes import Routes, argument, respond

application = Routes()


@application.add
def hello(environ, start_response):
    """Leaves the body alone."""
    return respond(start_response, "hello")


@application.add
def operations(environ, start_response):
    """Runs the operations of the header X-Operations, `[[method, argument…], …]`, and gives back what each returned."""
    stream = environ["wsgi.input"]
    results = []
    for name, *arguments in json.loads(environ["HTTP_X_OPERATIONS"]):
        if name == "iterate":
            value = list(stream)
        elif name == "next":
            value = next(iter(stream), b"")
        else:
            value = getattr(stream, name)(*arguments)
        results.append(checked(value))
    return respond(start_response, json.dumps(results))


def checked(value):
    """Bytes as latin-1, so that JSON can carry them; anything but bytes and lists of bytes is a fault."""
    if isinstance(value, list):
        return [checked(item) for item in value]
    assert type(value) is bytes, type(value)
    return value.decode("latin-1")


@application.add
def digest(environ, start_response):
    """Length and hash of the body, read in blocks of `size` (all at once without)."""
    size = argument(environ, "size")
    digest, length = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(*([int(size)] if size else [])):
        digest.update(block)
        length += len(block)
    return respond(start_response, f"{length} {digest.hexdigest()}")


@application.add
def echo(environ, start_response):
    """Streams the body back while it arrives."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return iter(lambda: environ["wsgi.input"].read(10_000), b"")


@application.add
def some(environ, start_response):
    """Reads only the first `count` bytes."""
    return respond(start_response, environ["wsgi.input"].read(int(argument(environ, "count"))))


@application.add
def noting(environ, start_response):
    """Notes that it runs, reads everything with `method`, and notes what came of it."""
    key = argument(environ, "key")
    gate.note(key, "started")
    stream = environ["wsgi.input"]
    try:
        match argument(environ, "method", "read"):
            case "read":
                length = len(stream.read())
            case "blocks":
                length = sum(len(block) for block in iter(lambda: stream.read(1000), b""))
            case "readline":
                length = len(stream.readline())
            case "readlines":
                length = sum(map(len, stream.readlines()))
            case "iterate":
                length = sum(map(len, stream))
    except Exception as error:
        gate.note(key, f"raised {type(error).__mro__[-3].__name__} {isinstance(error, OSError)}")
        # Asked again it must not turn into an ordinary end of the body.
        try:
            gate.note(key, f"again {stream.read(10)}")
        except Exception:
            gate.note(key, "raised again")
        raise
    gate.note(key, f"read {length}")
    return respond(start_response, str(length))


@application.add
def gated(environ, start_response):
    """Reads nothing before the gate opens."""
    gate.note(argument(environ, "gate"), "started")
    gate.wait(argument(environ, "gate"))
    return respond(start_response, environ["wsgi.input"].read())


@application.add
def answer_then_read(environ, start_response):
    """Begins its answer before it has read the body; reads it when the gate opens, if there is one."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"head "
    if key := argument(environ, "gate"):
        gate.wait(key)
    yield environ["wsgi.input"].read()
