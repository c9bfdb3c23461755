"""Threads that an application starts for a request: they may read and write for it, and must not reach beyond it."""

import hashlib
import random
from threading import Thread

import pytest

from client import chunked
from deadline import wait_until

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("threaded:application", workers=1, threads=1)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_thread_blocked_in_write_does_not_write_into_the_next_answer(serve, leaves):
    """A thread that waited in write() for room in its answer was woken by the room of the next answer in the same shared memory, and went
    on writing there: one client read what was meant for another. With one slot, the next answer is always in the same place."""
    server = serve("threaded:application", workers=1, threads=1, limit_concurrency=1)
    key = server.key()
    first = server.connect(receive_buffer=4096)
    first.request(f"/outliving?key={key}")
    first.head()
    assert first.chunk()[:6] == b"SECRET"
    server.open_gate(key)
    if leaves:
        first.reset()
    else:
        # The application ended its answer while the thread was writing: there is no telling how much of it is in.
        while block := first.chunk():
            assert not block.strip(b"SECRET")

    def answered():
        """The answer, once the slot is free: it is the only one."""
        response = server.get("/large?mib=2")
        return response if response.status == 200 else None

    for _ in range(3):
        body = wait_until(answered, "the slot is free").body
        assert body == b"b" * 2 * MEBIBYTE
    (ended,) = server.wait_notes(key)
    assert ended.startswith("raised"), "it is told that nobody wants the rest"
    server.log.claim("too many requests|concurrency|503")


def exchange(client, target, body, framing):
    """Sends a body while the answer is read; returns the answer."""
    if framing == "length":
        headers, data = [("Content-Length", str(len(body)))], body
    else:
        blocks = [body[at : at + framing] for at in range(0, len(body), framing)]
        headers, data = [("Transfer-Encoding", "chunked")], chunked(blocks)
    client.request(target, "POST", headers)
    sender = Thread(target=client.send, args=(data,))
    sender.start()
    response = client.response()
    sender.join()
    return response


@pytest.mark.parametrize("framing", ["length", 10_000], ids=str)
def test_a_thread_reads_what_another_sends_back(server, framing):
    """An echo proxy of two threads: the body's end of the slot and the answer's were waited for in one place, a wake-up for the one was
    taken by the other, and both slept on."""
    body = random.Random(7).randbytes(6 * MEBIBYTE)
    with server.connect() as client:
        for _ in range(2):
            response = exchange(client, "/echo", body, framing)
            assert response.status == 200
            assert response.body == body
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("framing", ["length", 10_000], ids=str)
def test_a_thread_reads_while_another_streams(server, framing):
    """The same with two streams that do not wait for each other, so that both sides fill and run dry at any time."""
    body = random.Random(8).randbytes(6 * MEBIBYTE)
    with server.connect() as client:
        for _ in range(2):
            response = exchange(client, "/both-ways?mib=6", body, framing)
            assert response.body[:-64] == b"z" * 6 * MEBIBYTE
            assert response.body[-64:].decode() == hashlib.sha256(body).hexdigest()
        assert client.get("/hello").body == b"hello"
