"""Applications that use every corner of PEP 3333's calling convention. Paths are function names."""

import ast
import sys

import gate
from routes import TEXT, Routes, argument, respond

application = Routes()


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")


# write()


@application.add
def write_only(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two")
    return []


@application.add
def write_and_iterable(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"")
    return iter([b"two ", b"", b"three"])


@application.add
def write_in_generator(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    yield b"two "
    write(b"three ")
    yield b"four"


@application.add
def write_blocked(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"first")
    gate.wait(argument(environ, "gate"))
    return [b"second"]


@application.add
def write_text(environ, start_response):
    write = start_response("200 OK", TEXT)
    write("not bytes")
    return []


# The iterable


@application.add
def generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one "
    yield b""
    yield b"two"


@application.add
def late_start(environ, start_response):
    """start_response is first called while the iterable yields its first block."""
    start_response("201 Created", TEXT)
    yield b"late"


@application.add
def blocks(environ, start_response):
    """Each block waits for its own gate."""
    key = argument(environ, "gate")
    count = int(argument(environ, "count", "3"))
    headers = [("Content-Length", str(6 * count))] if argument(environ, "length") else []
    start_response("200 OK", TEXT + headers)
    for number in range(count):
        yield b"block%d" % number
        gate.wait(f"{key}-{number}")


class Sized:
    """Neither list nor generator: the oldest sequence protocol."""

    def __getitem__(self, index):
        if index > 2:
            raise IndexError(index)
        return b"%d" % index


@application.add
def getitem(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized()


@application.add
def many_blocks(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"%05d" % number for number in range(20_000))


# exc_info


@application.add
def exc_info_before_head(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "yes")])
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("503 Service Unavailable", [*TEXT, ("X-Second", "yes")], sys.exc_info())
    return [b"replaced"]


@application.add
def exc_info_after_empty_block(environ, start_response):
    """Nothing was sent yet: an empty block does not send the head."""
    start_response("200 OK", TEXT)
    yield b""
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("503 Service Unavailable", TEXT, sys.exc_info())
    yield b"replaced"


@application.add
def exc_info_after_head(environ, start_response):
    key = argument(environ, "key")
    write = start_response("200 OK", TEXT)
    write(b"sent")
    try:
        raise ValueError("too late for this")
    except ValueError:
        try:
            start_response("500 Too Late", TEXT, sys.exc_info())
        except ValueError as error:
            gate.note(key, f"raised {error}")
            raise
    return [b"must not come"]


@application.add
def exc_info_first_call(environ, start_response):
    try:
        raise ValueError("nothing before")
    except ValueError:
        start_response("500 From The Start", TEXT, sys.exc_info())
    return [b"error page"]


@application.add
def start_twice(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        start_response("201 Created", TEXT)
    except Exception as error:
        return [b"refused: ", type(error).__name__.encode()]
    return [b"accepted"]


@application.add
def start_twice_unhandled(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"accepted"]


@application.add
def start_never(environ, start_response):
    return [b"no head"]


@application.add
def start_never_empty(environ, start_response):
    return []


# Errors


@application.add
def raises_before_start(environ, start_response):
    raise RuntimeError("before start")


@application.add
def raises_after_start(environ, start_response):
    start_response("200 OK", TEXT)
    raise RuntimeError("after start")


@application.add
def raises_in_first_block(environ, start_response):
    start_response("200 OK", TEXT)
    raise RuntimeError("in first block")
    yield b""


@application.add
def raises_in_second_block(environ, start_response):
    headers = [("Content-Length", "100")] if argument(environ, "length") else []
    start_response("200 OK", TEXT + headers)
    yield b"first"
    if key := argument(environ, "gate"):
        gate.wait(key)
    raise RuntimeError("in second block")


@application.add
def raises_exit(environ, start_response):
    sys.exit("the application wants out")


@application.add
def raises_interrupt(environ, start_response):
    raise KeyboardInterrupt


# close()


class Closing:
    """An iterable that notes what is done with it."""

    def __init__(self, key, blocks, fail_after=None, fail_close=False):
        self.key, self.blocks, self.fail_after, self.fail_close = key, iter(blocks), fail_after, fail_close
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.fail_after is not None and self.count >= self.fail_after:
            raise RuntimeError("failing as told")
        self.count += 1
        return next(self.blocks)

    def close(self):
        gate.note(self.key, "closed")
        if self.fail_close:
            raise RuntimeError("close failed")


@application.add
def closing(environ, start_response):
    fail_after = argument(environ, "fail_after")
    status = argument(environ, "status", "200 OK")
    if not argument(environ, "silent"):
        start_response(status, [] if status[:3] in ("204", "304") else TEXT)
    return Closing(
        argument(environ, "key"),
        [] if status[:3] in ("204", "304") else [b"one", b"two"],
        int(fail_after) if fail_after else None,
        bool(argument(environ, "fail_close")),
    )


@application.add
def closing_endless(environ, start_response):
    start_response("200 OK", TEXT)

    def endless():
        while True:
            yield b"x" * 4096

    return Closing(argument(environ, "key"), endless())


@application.add
def closing_gated(environ, start_response):
    """Yields a block, waits, and yields until somebody stops it."""
    start_response("200 OK", TEXT)
    key = argument(environ, "key")

    def blocks():
        yield b"first"
        gate.wait(key)
        while True:
            yield b"more" * 1024

    return Closing(key, blocks())


# Framing


@application.add
def framed(environ, start_response):
    """Content-Length `length`, a body of `size` bytes in `blocks` blocks."""
    size, count = int(argument(environ, "size", "0")), int(argument(environ, "blocks", "1"))
    headers = list(TEXT)
    if (length := argument(environ, "length")) is not None:
        headers.append(("Content-Length", length))
    start_response(argument(environ, "status", "200 OK"), headers)
    body = b"x" * size
    return [body] if count == 1 else iter([body[i::count] for i in range(count)])


@application.add
def empty_status(environ, start_response):
    start_response(argument(environ, "status"), [("X-Kept", "yes")])
    return [] if argument(environ, "blocks") is None else [b"must not be sent"]


@application.add
def headers_out(environ, start_response):
    return respond(
        start_response,
        "latin",
        status="200 Tr\xe8s bien",
        headers=[
            ("X-Latin", "caf\xe9"),
            ("X-Twice", "1"),
            ("X-Twice", "2"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ],
    )


@application.add
def last_answer(environ, start_response):
    """Says what becomes of the connection, in an answer with a length or without one."""
    options = [("Connection", value) for value in ast.literal_eval(argument(environ, "values"))]
    if argument(environ, "length"):
        return respond(start_response, "said", headers=options)
    start_response("200 OK", [*TEXT, *options])
    return (block for block in (b"sa", b"id"))


@application.add
def own_date(environ, start_response):
    return respond(start_response, "dated", headers=[("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "mine")])


@application.add
def early_hints(environ, start_response):
    hints = environ["wsgi.early_hints"]
    hints([("Link", "</a.css>; rel=preload; as=style")])
    if gate_key := argument(environ, "gate"):
        gate.wait(gate_key)
    hints([("Link", "</b.js>; rel=preload"), ("Link", "</c.js>; rel=preload")])
    return respond(start_response, "final")


@application.add
def large_hints(environ, start_response):
    """`count` times early hints of `size` bytes in all, in fields of 4000; says what became of the last."""
    size, outcome = int(argument(environ, "size")), "sent"
    fields = [("Link", "x" * min(4000, size - at)) for at in range(0, size, 4000)]
    for _ in range(int(argument(environ, "count"))):
        try:
            environ["wsgi.early_hints"](fields)
        except Exception as error:
            outcome = type(error).__name__
    return respond(start_response, f"{outcome} final")


@application.add
def bad_hints(environ, start_response):
    """Says what is raised by hints that are given as a Python literal."""
    try:
        environ["wsgi.early_hints"](ast.literal_eval(argument(environ, "hints")))
    except Exception as error:
        return respond(start_response, f"{type(error).__name__} {error}".encode("ascii", "backslashreplace"))
    return respond(start_response, "accepted")


# What must not leak from one request into another

KEPT = {}


@application.add
def spoil(environ, start_response):
    """Keeps everything of this request and leaves the dict in disorder."""
    environ["leak"] = "from another request"
    environ["wsgi.url_scheme"] = "gopher"
    environ["HTTP_X_LEAK"] = "leak"
    KEPT["write"] = start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    KEPT["start_response"], KEPT["input"], KEPT["environ"] = start_response, environ["wsgi.input"], environ
    for name in ("PATH_INFO", "SERVER_NAME", "wsgi.version"):
        del environ[name]
    return [b"spoil"]


@application.add
def spoiled(environ, start_response):
    """Uses what the earlier request left; nothing of it may reach this answer."""
    leaks = [name for name in ("leak", "HTTP_X_LEAK") if name in environ]
    leaks += [name for name in ("PATH_INFO", "SERVER_NAME", "wsgi.version") if name not in environ]
    leaks += ["scheme"] if environ["wsgi.url_scheme"] != "http" else []
    leaks += ["environ"] if environ is KEPT["environ"] else []
    leaks += ["input"] if environ["wsgi.input"] is KEPT["input"] else []
    try:
        KEPT["start_response"]("500 From The Past", [("X-Past", "1")])
        leaks.append("start_response")
    except Exception:
        pass
    try:
        KEPT["write"](b"from the past")
        leaks.append("write")
    except Exception:
        pass
    try:
        if KEPT["input"].read(3):
            leaks.append("stale input gave data")
    except Exception:
        pass
    own = environ["wsgi.input"].read()
    return respond(start_response, f"leaks={leaks} body={own.decode()}")
