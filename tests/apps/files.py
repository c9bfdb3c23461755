"""Applications that answer with wsgi.file_wrapper. `E2E_DIRECTORY/data` is the file."""

import gzip
import io
import os

import gate
from routes import Routes, argument, respond

application = Routes()
BINARY = ("Content-Type", "application/octet-stream")


def data():
    return open(gate.DIRECTORY / "data", "rb")


def answer(environ, start_response, file, length=None):
    length = argument(environ, "length", length)
    start_response("200 OK", [BINARY] + ([("Content-Length", str(length))] if length is not None else []))
    return environ["wsgi.file_wrapper"](file, 16_384)


@application.add
def whole(environ, start_response):
    file = data()
    return answer(environ, start_response, file, os.fstat(file.fileno()).st_size)


@application.add
def unsized(environ, start_response):
    return answer(environ, start_response, data())


@application.add
def default_block(environ, start_response):
    start_response("200 OK", [BINARY])
    return environ["wsgi.file_wrapper"](data())


@application.add
def offset(environ, start_response):
    file = data()
    file.seek(int(argument(environ, "offset")))
    return answer(environ, start_response, file)


@application.add
def partly_read(environ, start_response):
    """The buffer of the file object is ahead of what was read: the position is the object's, not the descriptor's."""
    file = data()
    file.read(10)
    return answer(environ, start_response, file)


@application.add
def unbuffered(environ, start_response):
    return answer(environ, start_response, open(gate.DIRECTORY / "data", "rb", buffering=0))


@application.add
def memory(environ, start_response):
    return answer(environ, start_response, io.BytesIO(data().read()))


class Reader:
    """Nothing but read()."""

    def __init__(self, file):
        self._file = file

    def read(self, size):
        return self._file.read(size)


@application.add
def reader(environ, start_response):
    return answer(environ, start_response, Reader(data()))


@application.add
def pipe(environ, start_response):
    """A descriptor that is no file."""
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    return answer(environ, start_response, os.fdopen(reading, "rb"))


@application.add
def compressed(environ, start_response):
    """Has a fileno(), but what it reads is not what the file holds."""
    path = gate.DIRECTORY / "data.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"unpacked " * 1000)
    return answer(environ, start_response, gzip.open(path, "rb"))


class Noting:
    def __init__(self, file, key):
        self._file, self._key = file, key
        self.read, self.fileno = file.read, file.fileno

    def close(self):
        gate.note(self._key, "closed")
        self._file.close()


@application.add
def closing(environ, start_response):
    return answer(environ, start_response, Noting(data(), argument(environ, "key")))


@application.add
def iterated(environ, start_response):
    """A middleware that looks into the wrapper."""
    blocks = list(environ["wsgi.file_wrapper"](data(), 1000))
    assert all(len(block) == 1000 for block in blocks[:-1]), "blocks of the size asked for"
    return respond(start_response, b"".join(blocks))


@application.add
def wrapped_generator(environ, start_response):
    start_response("200 OK", [BINARY])
    wrapper = environ["wsgi.file_wrapper"](data())
    return (block for block in wrapper)


@application.add
def shrinking(environ, start_response):
    """The file is shorter than what was promised."""
    file = data()
    return answer(environ, start_response, file, os.fstat(file.fileno()).st_size + 100)


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")
