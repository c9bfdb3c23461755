"""Applications that give a part of their request to a thread of its own."""

import hashlib
import queue
import threading

import gate
from routes import TEXT, Routes, argument, respond

application = Routes()

BLOCK = 65_536


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")


@application.add
def outliving(environ, start_response):
    """Ends while a thread of it is still in write(), with more than every buffer holds."""
    key = argument(environ, "key")
    write = start_response("200 OK", TEXT)

    def pour():
        try:
            write(b"SECRET" * 4_000_000)
            gate.note(key, "wrote all")
        except Exception as error:
            gate.note(key, f"raised {type(error).__name__}")

    threading.Thread(target=pour, daemon=True).start()
    gate.wait(key)
    return []


@application.add
def large(environ, start_response):
    """`mib` MiB of one letter."""
    start_response("200 OK", TEXT)
    return (b"b" * BLOCK for _ in range(16 * int(argument(environ, "mib"))))


@application.add
def echo(environ, start_response):
    """A thread reads the body, this one streams it back."""
    blocks = queue.Queue(maxsize=4)

    def read():
        while block := environ["wsgi.input"].read(BLOCK):
            blocks.put(block)
        blocks.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    start_response("200 OK", TEXT)
    yield from iter(blocks.get, None)
    reader.join()


@application.add
def both_ways(environ, start_response):
    """A thread reads the body while this one streams `mib` MiB that have nothing to do with it; the digest of what was read follows."""
    digest = hashlib.sha256()

    def read():
        while block := environ["wsgi.input"].read(BLOCK):
            digest.update(block)

    reader = threading.Thread(target=read)
    reader.start()
    start_response("200 OK", TEXT)
    for _ in range(16 * int(argument(environ, "mib"))):
        yield b"z" * BLOCK
    reader.join()
    yield digest.hexdigest().encode()
