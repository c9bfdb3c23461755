"""PEP 3333: wsgi.input. What it returns is compared with io.BytesIO, operation by operation."""

import hashlib
import io
import json
import random

import pytest

from client import Cut, chunked, plain_request
from deadline import wait_until

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("reading:application", workers=1, threads=3, body_timeout=20)


TEXT = b"first line\nsecond\n\n\r\nfifth without end"
LONG_LINES = b"".join(b"%d " % n + b"x" * n + b"\n" for n in (0, 1, 1000, 8191, 8192, 65_535, 65_536, 70_000))

OPERATIONS = [
    [["read"]],
    [["read", -1]],
    [["read", None]],
    [["read", 0], ["read", 5], ["read", 0], ["read"]],
    [["read", 1], ["read", 1], ["read", 100_000_000], ["read"], ["read", 1], ["read", 0]],
    [["readline"], ["readline"], ["readline"], ["readline"], ["readline"], ["readline"]],
    [["readline", 3], ["readline", 100], ["readline", 0], ["readline", -1], ["readline", None], ["read"]],
    [["readlines"], ["readlines"], ["read"]],
    [["readlines", 1], ["readlines", 12], ["readlines", 0], ["readlines"]],
    [["readlines", None]],
    [["readlines", -1]],
    [["iterate"], ["iterate"], ["readline"], ["read"]],
    [["next"], ["read", 3], ["next"], ["readline", 2], ["iterate"]],
]


def expected(body, operations):
    """What io.BytesIO returns."""
    stream = io.BytesIO(body)
    results = []
    for name, *arguments in operations:
        if name == "iterate":
            value = list(stream)
        elif name == "next":
            value = next(iter(stream), b"")
        else:
            value = getattr(stream, name)(*arguments)
        results.append(value.decode("latin-1") if isinstance(value, bytes) else [v.decode("latin-1") for v in value])
    return results


def split(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


def send_body(client, target, body, framing, headers=()):
    if framing == "length":
        client.request(target, "POST", [*headers, ("Content-Length", str(len(body)))], body)
    else:
        client.request(target, "POST", [*headers, ("Transfer-Encoding", "chunked")], chunked(split(body, framing)))


def run_operations(server, body, operations, framing):
    with server.connect() as client:
        send_body(client, "/operations", body, framing, [("X-Operations", json.dumps(operations))])
        response = client.response()
        assert response.status == 200, response
        return json.loads(response.body)


@pytest.mark.parametrize("framing", ["length", 1, 7, 100_000], ids=str)
@pytest.mark.parametrize("operations", OPERATIONS, ids=json.dumps)
def test_operations(server, operations, framing):
    assert run_operations(server, TEXT, operations, framing) == expected(TEXT, operations)


@pytest.mark.parametrize("operations", OPERATIONS, ids=json.dumps)
@pytest.mark.parametrize("framing", ["length", 50_000], ids=str)
def test_operations_on_an_empty_body_and_on_long_lines(server, operations, framing):
    for body in (b"", b"\n", LONG_LINES):
        assert run_operations(server, body, operations, framing) == expected(body, operations)


@pytest.mark.parametrize("seed", range(12))
def test_random_operations(server, seed):
    chance = random.Random(seed)
    body = b"".join(bytes(chance.choices(b"abc\n\r", k=chance.choice([3, 50, 3000]))) + b"\n" for _ in range(60))
    sizes = [-1, 0, 1, 2, 10, 100, 4096, 70_000, None]
    operations = [
        chance.choice(
            [["read", chance.choice(sizes[1:-1])], ["readline", chance.choice(sizes)], ["readline"], ["next"]]
        )
        for _ in range(80)
    ] + [chance.choice([["read"], ["readlines"], ["iterate"]]), ["read", 1]]
    framing = chance.choice(["length", 1, 13, 5000])
    assert run_operations(server, body, operations, framing) == expected(body, operations)


def test_a_request_without_body_has_an_empty_stream(server):
    with server.connect() as client:
        operations = [["read"], ["readline"], ["readlines"], ["iterate"], ["read", 5]]
        response = client.get("/operations", headers=[("X-Operations", json.dumps(operations))])
        assert json.loads(response.body) == ["", "", [], [], ""]


# Sizes beyond every buffer


@pytest.mark.parametrize("framing", ["length", 1000, 300_000, 6 * MEBIBYTE], ids=str)
@pytest.mark.parametrize("size", ["", "?size=10000", "?size=3000000"])
def test_large_body_arrives_whole(server, framing, size):
    body = random.Random(5).randbytes(5 * MEBIBYTE)
    with server.connect() as client:
        send_body(client, "/digest" + size, body, framing)
        assert client.response().text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        assert client.get("/hello").body == b"hello"


def test_many_chunks_of_one_byte(server):
    body = bytes(n % 251 for n in range(20_000))
    with server.connect() as client:
        send_body(client, "/digest", body, 1)
        assert client.response().text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def test_echo_streams_both_ways(server):
    """The answer's beginning arrives while the request's end is still to be sent."""
    with server.connect() as client:
        client.request("/echo", "POST", [("Transfer-Encoding", "chunked")])
        for number in range(5):
            block = b"%d" % number * 10_000
            client.send(b"%x\r\n%s\r\n" % (len(block), block))
            if number == 0:
                response = client.head()
            received = b""
            while len(received) < len(block):
                received += client.chunk()
            assert received == block
        client.send(b"0\r\n\r\n")
        assert client.chunk() is None
        assert response.status == 200
        assert client.get("/hello").body == b"hello"


def test_the_answer_may_begin_before_the_body_is_read(server):
    with server.connect() as client:
        client.request("/answer-then-read", "POST", [("Content-Length", "4")])
        client.head()
        assert client.chunk() == b"head "
        client.send(b"body")
        assert client.chunk() == b"body"
        assert client.chunk() is None


def test_trailers_of_a_chunked_body_are_accepted(server):
    with server.connect() as client:
        client.request("/digest", "POST", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n")
        assert client.response().text.startswith("3 ")
        assert client.get("/hello").body == b"hello"


# Bodies that the application leaves unread


@pytest.mark.parametrize("framing", ["length", 10, 5000], ids=str)
@pytest.mark.parametrize("size", [1, 10, 70_000, 500_000])
@pytest.mark.parametrize("target", ["/hello", "/some?count=1"])
def test_an_unread_body_does_not_disturb_the_next_request(server, framing, size, target):
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * (size // 36) + b"x" * (size % 36)
    with server.connect() as client:
        send_body(client, target, body, framing)
        assert client.response().status == 200
        for _ in range(2):
            assert client.get("/hello").body == b"hello"


def test_a_huge_unread_body_is_not_taken_for_a_request(server):
    """The server may have had enough and close; what it may not do is to answer the body's content."""
    body = b"GET /digest HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000
    with server.connect() as client:
        client.send(plain_request("/hello", "POST", [("Content-Length", str(len(body)))]))
        try:
            client.send(body)
            client.request("/hello")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            assert client.response().body == b"hello"
            assert client.response().body == b"hello"
        except Cut as cut:
            assert cut.received == b""


def test_an_unread_body_that_never_comes_does_not_hold_up_the_answer(server):
    with server.connect() as client:
        client.request("/hello", "POST", [("Content-Length", "1000")], b"only this")
        assert client.response().body == b"hello"


# Expect: 100-continue


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_continue_is_sent_when_the_application_reads(server, value):
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated?gate={key}", "POST", [("Content-Length", "4"), ("Expect", value)])
        server.wait_notes(key)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.interim()
        client.socket.settimeout(15)
        server.open_gate(key)
        assert client.interim().status == 100
        client.send(b"body")
        assert client.response().body == b"body"
        assert client.get("/hello").body == b"hello"


def test_continue_is_not_sent_when_the_application_does_not_read(server):
    with server.connect() as client:
        client.request("/hello", "POST", [("Content-Length", "4"), ("Expect", "100-continue")])
        response = client.response()
        assert (response.status, response.interim) == (200, [])
        # Whether the body still comes is not known: the connection may only go on if it does.
        if response.header("Connection") == "close":
            client.expect_end()
        else:
            client.send(b"body")
            assert client.get("/hello").body == b"hello"


def test_continue_is_not_needed_when_the_body_is_already_there(server):
    with server.connect() as client:
        client.request("/digest", "POST", [("Expect", "100-continue")], b"body")
        assert client.response().text.startswith("4 ")
        assert client.get("/hello").body == b"hello"


def test_continue_with_a_chunked_body(server):
    with server.connect() as client:
        client.request("/digest", "POST", [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")])
        assert client.interim().status == 100
        client.send(chunked([b"four"]))
        assert client.response().text.startswith("4 ")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_continue_is_not_sent_into_an_answer_that_has_begun(server, framing):
    """The application began to answer and read the body then: `HTTP/1.1 100 Continue` came between two chunks of the answer. It is too late
    for an interim answer, and the client need not wait for one (RFC 9110 section 10.1.1)."""
    body = ("Content-Length", "4") if framing == "length" else ("Transfer-Encoding", "chunked")
    key = server.key()
    with server.connect() as client:
        client.request(f"/answer-then-read?gate={key}", "POST", [body, ("Expect", "100-continue")])
        response = client.head()
        assert (response.status, response.interim) == (200, [])
        assert client.chunk() == b"head "
        server.open_gate(key)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.chunk()
        client.socket.settimeout(15)
        client.send(b"body" if framing == "length" else chunked([b"body"]))
        assert client.chunk() == b"body"
        assert client.chunk() is None
        if response.header("Connection") == "close":
            client.expect_end()
        else:
            assert client.get("/hello").body == b"hello"


def test_expect_of_a_1_0_client_is_ignored(server):
    with server.connect() as client:
        client.request("/digest", "POST", [("Content-Length", "4"), ("Expect", "100-continue")], version="1.0")
        client.send(b"body")
        response = client.response()
        assert (response.interim, response.text[:2]) == ([], "4 ")


# A client that vanishes: an exception, never a body that looks whole


@pytest.mark.parametrize("method", ["read", "blocks", "readline", "readlines", "iterate"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("vanish", ["close", "reset", "half"])
def test_a_vanished_client_raises(server, method, framing, vanish):
    key = server.key()
    client = server.connect()
    header = ("Content-Length", "100000") if framing == "length" else ("Transfer-Encoding", "chunked")
    client.request(f"/noting?key={key}&method={method}", "POST", [header], b"")
    client.send(b"x" * 5000 if framing == "length" else b"1388\r\n" + b"x" * 5000 + b"\r\n")
    server.wait_notes(key)
    if vanish == "half":
        client.socket.shutdown(1)
    else:
        getattr(client, vanish)()
    notes = server.wait_notes(key, 3)
    assert notes[1] == "raised Exception True", "an OSError"
    assert notes[2] != "again b''", "asked again it looks like the end of the body"
    # Nobody is left to be told, and it is no fault of the application: whether it is worth a line is the server's choice.
    wait_until(lambda: server.get("/hello").status == 200, "the server goes on")
    server.log.claim("noting")


def test_a_vanished_client_of_a_started_answer_raises(server):
    client = server.connect()
    client.request("/answer-then-read", "POST", [("Content-Length", "1000")], b"x")
    client.head()
    client.chunk()
    client.reset()
    wait_until(lambda: server.get("/hello").status == 200, "the server goes on")
    server.log.claim("answer_then_read|answer-then-read")


BAD_CHUNKS = [
    ("size is no number", b"zz\r\nabc\r\n"),
    ("size is negative", b"-3\r\nabc\r\n"),
    ("size has a sign", b"+3\r\nabc\r\n"),
    ("size has a prefix", b"0x3\r\nabc\r\n"),
    ("size has an underscore", b"1_0\r\nabc\r\n"),
    ("size is empty", b"\r\nabc\r\n"),
    ("size after a space", b" 3\r\nabc\r\n"),
    ("space after the size", b"3 \r\nabc\r\n"),
    ("size is too large", b"10000000000000003\r\nabc\r\n"),
    ("size is far too long", b"0" * 100 + b"3\r\nabc\r\n"),
    ("size ends with a bare LF", b"3\nabc\r\n"),
    ("size ends with a bare CR", b"3\rabc\r\n"),
    ("extension with a bare LF", b"3;a\nb\r\nabc\r\n"),
    ("extension with a bare CR", b"3;a\rb\r\nabc\r\n"),
    ("extension without end", b"3;" + b"a" * 100_000),
    ("data is longer than its size", b"3\r\nabcd\r\n"),
    ("data ends with a bare LF", b"3\r\nabc\n"),
    ("last chunk ends with a bare LF", b"0\n\r\n"),
    ("trailer section ends with a bare LF", b"0\r\n\n"),
    ("trailer is Content-Length", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("trailer is Transfer-Encoding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailer is Host", b"0\r\nHost: other.example\r\n\r\n"),
    ("trailer without colon", b"0\r\nnonsense\r\n\r\n"),
    ("trailer with a space before the colon", b"0\r\nX-A : 1\r\n\r\n"),
    ("trailers without end", b"0\r\n" + b"X-A: 1\r\n" * 20_000),
]


@pytest.mark.parametrize("bad", [bad for _, bad in BAD_CHUNKS], ids=[name for name, _ in BAD_CHUNKS])
@pytest.mark.parametrize("good", [b"", b"5\r\nfirst\r\n"], ids=["at once", "after a good chunk"])
def test_a_broken_chunk_raises_and_is_400(server, bad, good):
    key = server.key()
    with server.connect() as client:
        client.request(f"/noting?key={key}", "POST", [("Transfer-Encoding", "chunked")])
        client.send(good)
        try:
            client.send(bad + b"0\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may be cut while it still sends
        response = client.response()
        assert response.status in ((400, 413, 431) if len(bad) > 10_000 else (400,)), response
        client.expect_end()
    assert not [line for line in server.notes(key) if line.startswith("read")], (
        "the application took it for a whole body"
    )
    server.log.claim("noting")


@pytest.mark.parametrize("bad", [bad for _, bad in BAD_CHUNKS[:3]], ids=[name for name, _ in BAD_CHUNKS[:3]])
def test_nothing_after_a_broken_chunk_is_served_though_the_body_is_not_read(server, bad):
    with server.connect() as client:
        client.request("/hello", "POST", [("Transfer-Encoding", "chunked")])
        client.send(bad + b"0\r\n\r\nGET /some?count=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert client.response().status in (200, 400)
        except Cut:
            return
        client.expect_end()
