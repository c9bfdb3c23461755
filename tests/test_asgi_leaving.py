"""Clients that leave, and clients and applications that are slower than the other side."""

import json
import time

import pytest

import processes
from deadline import let_pass, wait_until

# What may be under way between an application and a client that does not read: rings, and the kernel's buffers of two sockets.
IN_FLIGHT_BYTES = 24 << 20
# Of that, what may be in the server's processes themselves.
HELD_BYTES = 16 << 20
HOWS = ["close", "reset"]


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_plain:application")


def leave(client, how):
    client.reset() if how == "reset" else client.close()


def steady(value, seconds=0.5):
    """The value when it has not changed for so long."""
    last, since = value(), time.monotonic()

    def unchanged():
        nonlocal last, since
        found = value()
        if found != last:
            last, since = found, time.monotonic()
        return time.monotonic() - since > seconds

    wait_until(unchanged, lambda: f"a value that stays: {last}")
    return last


def resident(server):
    return sum(processes.resident_bytes(pid) for pid in server.processes())


# Leaving


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
def test_while_the_application_waits_in_receive(server, how, body):
    """It gets http.disconnect, again and again, and what it sends then raises an OSError, which is no error in the log."""
    key = server.key()
    client = server.connect()
    client.request(f"/leaving?key={key}", "POST", body=body)
    assert server.wait_notes(key) == ["waiting"]
    leave(client, how)
    notes = server.wait_notes(key, 4)
    assert [json.loads(note) for note in notes[1:3]] == [{"type": "http.disconnect"}] * 2
    assert notes[3] == "OSError"
    assert server.get("/hello").body == b"hello"


@pytest.mark.parametrize("how", HOWS)
def test_in_the_middle_of_an_upload(server, how):
    key = server.key()
    client = server.connect()
    client.request(f"/leaving-upload?key={key}", "POST", [("Content-Length", "100000")])
    server.wait_notes(key)
    client.send(b"z" * 1000)
    let_pass(0.05)
    leave(client, how)
    notes = server.wait_notes(key, 3)
    assert notes[1] == "http.disconnect"
    assert int(notes[2]) <= 1000
    server.log.claim("leaving-upload")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("noticed", ["send", "receive"])
def test_while_the_application_streams(server, how, noticed):
    key = server.key()
    client = server.connect()
    client.request(f"/leaving-stream?key={key}&how={noticed}")
    client.head()
    assert client.chunk() == b"event"
    leave(client, how)
    assert server.wait_notes(key) == ["OSError" if noticed == "send" else "http.disconnect"]
    assert server.get("/hello").body == b"hello"


@pytest.mark.parametrize("how", HOWS)
def test_while_the_application_waits_in_send(server, how):
    key = server.key()
    client = server.connect(receive_buffer=4096)
    client.request(f"/leaving-blocked?key={key}")
    client.head()
    steady(lambda: len(server.notes(key)))
    leave(client, how)
    assert server.wait_notes(f"{key}over") == ["OSError"]


def test_a_client_that_sends_the_next_request_has_not_left(server):
    """The server looks at the connection while the application waits: what comes is kept for later."""
    key, other = server.key(), server.key()
    client = server.connect()
    client.request(f"/leaving?key={key}")
    server.wait_notes(key)
    client.request(f"/path/{other}")
    let_pass(0.1)
    assert server.notes(key) == ["waiting"]
    client.close()
    assert json.loads(server.wait_notes(key, 2)[1]) == {"type": "http.disconnect"}


def test_a_request_behind_one_that_watches_its_client(server):
    """Bytes that came meanwhile are the next request."""
    key = server.key()
    with server.connect() as client:
        client.request(f"/finished?key={key}")
        client.request("/path/next")
        assert client.response().body == b"whole"
        assert client.response().body == b"/path/next?"
    server.wait_notes(key)


@pytest.mark.parametrize("target", ["/finished", "/finished-meanwhile"])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_receive_after_the_answer(server, connection, target):
    """It says http.disconnect at once, whether the client stays or not, and also when it was called before: Litestar's streams wait
    for nothing else."""
    key = server.key()
    with server.connect() as client:
        assert client.get(f"{target}?key={key}", headers=[("Connection", connection)]).body == b"whole"
        assert json.loads(server.wait_notes(key)[0]) == {"type": "http.disconnect"}
        if connection == "keep-alive":
            assert client.get("/hello").body == b"hello"


# The table: when a client leaves, by what it had sent and seen. Nothing is left of it but a line in the access log.

MOMENTS = {
    "nothing sent": b"",
    "half a request line": b"GET /hel",
    "half a head": b"GET /hello HTTP/1.1\r\nHost: x\r\nX-",
    "a whole request": b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "a whole body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole",
    "two requests": b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
    "an endless answer": b"GET /pour?mib=30&key=table HTTP/1.1\r\nHost: x\r\n\r\n",
    "a file": b"GET /file?name=none HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_clients_that_vanish(server, moment, how):
    for _ in range(20):
        client = server.connect()
        client.send(MOMENTS[moment])
        leave(client, how)
    assert server.get("/hello").body == b"hello"
    server.log.claim("/echo|/pour|/file|OSError")


# Being slower


def test_a_client_that_does_not_read_holds_up_send(server):
    """The application waits, memory stays bounded, and nothing is lost."""
    key, size = server.key(), 100 << 20
    before = resident(server)
    with server.connect(receive_buffer=65_536) as client:
        client.request(f"/pour?mib=100&key={key}")
        response = client.head()
        sent = steady(lambda: len(server.notes(key))) * 65_536
        assert sent < IN_FLIGHT_BYTES
        assert resident(server) - before < HELD_BYTES
        assert server.get("/hello").body == b"hello", "the loop goes on"
        client.read_body(response)
        assert len(response.body) == size
    server.wait_notes(f"{key}over")


def test_an_application_that_does_not_receive_holds_up_its_client(server):
    key, size = server.key(), 100 << 20
    before = resident(server)
    with server.connect() as client:
        client.request(f"/gated-read?gate={key}", "POST", [("Content-Length", str(size))])
        server.wait_notes(key)
        client.socket.settimeout(0.5)
        sent, block = 0, b"z" * 65_536
        with pytest.raises(TimeoutError):
            while True:
                sent += client.socket.send(block[: size - sent])
        assert sent < IN_FLIGHT_BYTES
        assert resident(server) - before < HELD_BYTES
        assert server.get("/hello").body == b"hello", "the loop goes on"
        server.open_gate(key)
        client.socket.settimeout(15)
        while sent < size:
            sent += client.socket.send(block[: size - sent])
        assert client.response().body == str(size).encode()


def test_many_that_do_not_read(server):
    """Each has its own bound, and holds up nobody else."""
    keys = [server.key() for _ in range(8)]
    clients = [server.connect(receive_buffer=4096) for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/pour?mib=20&key={key}")
        server.wait_notes(key)
    for _ in range(20):
        assert server.get("/hello").body == b"hello"
    for client, key in zip(clients, keys, strict=True):
        assert len(client.response().body) == 20 << 20
        server.wait_notes(f"{key}over")
