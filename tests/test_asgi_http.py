"""HTTP under ASGI: bodies both ways, framing, connections, and the extensions for hints, trailers and files."""

import hashlib
import json
import random

import pytest

from client import Cut, chunked, plain_request
from deadline import let_pass

DATA = random.Random(5).randbytes(5 << 20)
DIGEST = hashlib.sha256(DATA).hexdigest().encode()


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_plain:application")


# Bodies of requests


@pytest.mark.parametrize("body", [b"", b"x", b"small", b"\x00\xff" * 3000, b"y" * 100_000])
@pytest.mark.parametrize("target", ["/echo", "/through"])
def test_body(server, target, body):
    with server.connect() as client:
        for _ in range(2):
            assert client.get(target, method="POST", body=body).body == body


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_large_body(server, framing):
    with server.connect() as client:
        if framing == "length":
            client.request("/digest", "POST", body=DATA)
        else:
            blocks = [DATA[at : at + 30_000] for at in range(0, len(DATA), 30_000)]
            client.request("/digest", "POST", [("Transfer-Encoding", "chunked")], chunked(blocks))
        assert client.response().body == DIGEST


def test_a_large_body_both_ways(server):
    """Neither side waits for the other's end; the client reads while it sends."""
    with server.connect() as client:
        client.request("/through", "POST", [("Transfer-Encoding", "chunked")])
        response, found = None, []
        for at in range(0, len(DATA), 100_000):
            block = DATA[at : at + 100_000]
            client.send(b"%x\r\n%s\r\n" % (len(block), block))
            # A head may wait for the first block of its body.
            response = response or client.head()
            size = 0
            while size < len(block):
                found.append(client.chunk())
                size += len(found[-1])
        client.send(b"0\r\n\r\n")
        client.read_body(response)
        assert b"".join(found) + response.body == DATA


def test_no_body_is_one_event(server):
    with server.connect() as client:
        assert json.loads(client.get("/events").body) == [["http.request", 0, False]]
        assert json.loads(client.get("/events", method="POST").body) == [["http.request", 0, False]]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_events_of_a_body(server, framing):
    """All but the last say that more comes; all have something, but for the last; together they are the body."""
    body = DATA[:300_000]
    with server.connect() as client:
        if framing == "length":
            client.request("/events", "POST", body=body)
        else:
            client.request("/events", "POST", [("Transfer-Encoding", "chunked")], chunked([body[:5], body[5:]]))
        found = json.loads(client.response().body)
    assert {name for name, _, _ in found} == {"http.request"}
    assert sum(size for _, size, _ in found) == len(body)
    assert [more for _, _, more in found] == [True] * (len(found) - 1) + [False]
    assert all(size for _, size, _ in found[:-1]), "no event says nothing"


def test_a_slow_body_reaches_the_application_as_it_comes(server):
    with server.connect() as client:
        client.request("/through", "POST", [("Content-Length", "9")])
        response = None
        for piece in (b"one", b"two"):
            client.send(piece)
            response = response or client.head()
            assert client.chunk() == piece
        let_pass(0.1)
        client.send(b"end")
        client.read_body(response)
        assert response.body == b"end"


def test_a_body_that_is_not_asked_for(server):
    """The connection stays in step, or is closed after the answer."""
    for size in (10, 300_000):
        with server.connect() as client:
            client.request("/ignorant", "POST", body=b"z" * size)
            response = client.response()
            assert response.body == b"ignored"
            if response.header("Connection") != "close":
                assert client.get("/hello").body == b"hello"


def test_100_continue(server):
    """It is sent when the application asks for the body, and not before."""
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated-read?gate={key}", "POST", [("Content-Length", "4"), ("Expect", "100-continue")])
        server.wait_notes(key)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.interim()
        client.socket.settimeout(15)
        server.open_gate(key)
        assert client.interim().status == 100
        client.send(b"body")
        assert client.response().body == b"4"


def test_100_continue_that_nobody_waits_for(server):
    with server.connect() as client:
        client.request("/ignorant", "POST", [("Content-Length", "4"), ("Expect", "100-continue")])
        response = client.response()
        assert (response.body, response.interim) == (b"ignored", [])


# Bodies of answers


def test_streamed(server):
    with server.connect() as client:
        for _ in range(2):
            response = client.get("/streamed")
            assert response.body == b"".join(b"%d," % number for number in range(100))


def test_a_block_is_sent_at_once(server):
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated-body?gate={key}")
        response = client.head()
        assert client.chunk() == b"first"
        server.open_gate(key)
        client.read_body(response)
        assert response.body == b"second"


def test_streamed_to_http_1_0(server):
    with server.connect() as client:
        response = client.get("/streamed", version="1.0")
        assert response.header("Transfer-Encoding") is None
        assert response.body.endswith(b"99,")
        client.expect_end()


def test_a_large_answer(server):
    key = server.key()
    response = server.get(f"/pour?mib=40&key={key}")
    assert len(response.body) == 40 << 20 and not response.body.strip(b"x")
    assert len(server.wait_notes(key, 640)) == 640


@pytest.mark.parametrize("target", ["/hello", "/streamed", "/framed?size=10&length=10", "/head-only"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_head_has_no_body(server, target, version):
    with server.connect() as client:
        response = client.get(target, method="HEAD", version=version)
        assert response.status == 200
        if version == "1.0":
            client.expect_end()
            return
        full = client.get(target)
        assert full.status == 200, "the same connection is in step"
        assert response.header("Content-Length") in (None, str(len(full.body)))


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("size", [0, 5])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_content_has_no_body_and_no_framing(server, status, size, method):
    with server.connect() as client:
        response = client.get(f"/framed?status={status}&size={size}", method=method)
        assert response.status == status
        assert response.header("Transfer-Encoding") is None
        if status == 204:
            assert response.header("Content-Length") is None
        if response.header("Connection") != "close":
            assert client.get("/hello").body == b"hello"
    server.log.claim("/framed")


@pytest.mark.parametrize("status", [200, 201, 299, 400, 404, 418, 500, 503, 599, 799])
def test_status(server, status):
    assert server.get(f"/framed?status={status}&size=3&length=3").status == status


@pytest.mark.parametrize("blocks", [1, 3])
def test_right_content_length_is_kept(server, blocks):
    with server.connect() as client:
        response = client.get(f"/framed?length=100000&size=100000&blocks={blocks}")
        assert (response.header("Content-Length"), len(response.body)) == ("100000", 100_000)
        assert response.header("Transfer-Encoding") is None
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("length, size", [(10, 11), (10, 200_000), (0, 5)])
def test_excess_over_the_content_length_never_gets_out(server, length, size, blocks):
    """Whether it is dropped or an error is the server's choice; the next answer must not begin with it."""
    with server.connect() as client:
        client.request(f"/framed?length={length}&size={size}&blocks={blocks}")
        try:
            response = client.response()
        except Cut as cut:
            response = cut.response
        if response and response.status == 200:
            assert (response.header("Content-Length"), len(response.body) <= length) == (str(length), True)
            if response.header("Connection") != "close" and len(response.body) == length:
                try:
                    assert len(client.get("/framed?length=2&size=2&blocks=1").body) == 2
                except (Cut, BrokenPipeError, ConnectionResetError):
                    pass  # closed after the fault: as good
    server.log.expect("(?i)content-length|longer|more|excess|/framed")
    server.log.claim("/framed")


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("length, size", [(10, 9), (200_000, 100_000), (5, 0)])
def test_less_than_the_content_length_cuts_the_connection(server, length, size, blocks):
    with server.connect() as client:
        client.request(f"/framed?length={length}&size={size}&blocks={blocks}")
        response = client.failed_response()
        assert response is None or response.status == 500 or len(response.body) <= size
    server.log.expect("(?i)content-length|shorter|less|fewer|/framed")
    server.log.claim("/framed")


def test_headers_of_the_application(server):
    with server.connect() as client:
        response = client.get("/headers-out")
        assert response.body == b"bytes alike"
        assert response.header("x-latin") == "caf\xe9"
        assert response.all("x-twice") == ["1", "2"]
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert response.header("X-Mixed") == "kept"
        assert response.header("Date")
        assert client.get("/hello").body == b"hello", "the application's Transfer-Encoding is ignored"


# Connections


def test_keep_alive(server):
    with server.connect() as client:
        for number in range(50):
            assert client.get(f"/path/{number}?q").body == b"/path/%d?q" % number


def test_connection_close(server):
    with server.connect() as client:
        response = client.get("/hello", headers=[("Connection", "close")])
        assert response.header("Connection") == "close"
        client.expect_end()


def test_pipelining(server):
    """Answers come in order, whatever the requests are."""
    with server.connect() as client:
        requests = []
        for number in range(30):
            requests.append(plain_request(f"/path/{number}"))
            requests.append(plain_request("/echo", "POST", body=b"%d" % number))
        client.send(b"".join(requests))
        for number in range(30):
            assert client.response().body == b"/path/%d?" % number
            assert client.response().body == b"%d" % number


def test_a_pipelined_request_waits_for_an_answer_that_streams(server):
    key = server.key()
    with server.connect() as client:
        client.send(plain_request(f"/gated-body?gate={key}") + plain_request("/hello"))
        response = client.head()
        assert client.chunk() == b"first"
        server.open_gate(key)
        client.read_body(response)
        assert client.response().body == b"hello"


# Extensions


def test_early_hints(server):
    with server.connect() as client:
        response = client.get("/hints")
        assert (response.status, response.body) == (200, b"body")
        assert [interim.status for interim in response.interim] == [103, 103]
        assert response.interim[0].all("link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]
        assert response.interim[1].all("link") == ["</c>; rel=x"]
        assert client.get("/hello").body == b"hello"


def test_early_hints_are_not_for_http_1_0(server):
    with server.connect() as client:
        response = client.get("/hints", version="1.0")
        assert (response.status, response.body, response.interim) == (200, b"body", [])


def read_trailers(client):
    """The trailer fields after the last chunk, whose size line was not read yet."""
    response = client.head()
    assert response.header("Transfer-Encoding") == "chunked"
    body = []
    while True:
        size = int(client._until(b"\r\n", None), 16)
        if size == 0:
            break
        body.append(client.exactly(size))
        assert client.exactly(2) == b"\r\n"
    lines = []
    while (line := client._until(b"\r\n", None)[:-2]) != b"":
        lines.append(line.decode("latin-1"))
    return b"".join(body), lines


def test_trailers(server):
    with server.connect() as client:
        client.request("/trailers", headers=[("TE", "trailers"), ("Connection", "TE")])
        assert read_trailers(client) == (b"one two", ["x-sum: 7", "x-sign: caf\xe9"])
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize(
    "target, headers, version",
    [
        ("/trailers", [], "1.1"),
        ("/trailers", [("TE", "gzip")], "1.1"),
        ("/trailers", [("TE", "trailers")], "1.0"),
        ("/trailers?length=7", [("TE", "trailers")], "1.1"),
    ],
)
def test_trailers_that_cannot_be_sent_are_dropped(server, target, headers, version):
    """Nobody asked for them, or there is no place for them."""
    with server.connect() as client:
        response = client.get(target, headers=headers, version=version)
        assert response.body == b"one two"
        if version == "1.1":
            assert client.get("/hello").body == b"hello"


def test_trailers_of_head(server):
    with server.connect() as client:
        assert client.get("/trailers", method="HEAD", headers=[("TE", "trailers")]).status == 200
        assert client.get("/hello").body == b"hello"


def test_trailers_that_would_change_the_framing(server):
    """RFC 9110, section 6.5.1. Refused or dropped, but never sent."""
    with server.connect() as client:
        client.request("/bad-trailers", headers=[("TE", "trailers")])
        try:
            body, lines = read_trailers(client)
            assert body == b"body"
            assert set(lines) <= {"x-good: 1"}
        except Cut as cut:
            assert b"transfer-encoding: 1" not in cut.received.lower()
    server.log.claim("trailer|Trailer")


# Files by their path


@pytest.fixture(scope="module")
def files(server):
    """Makes a file of random bytes once; returns its content."""
    made = {}

    def make(size):
        if size not in made:
            made[size] = random.Random(size).randbytes(size)
            (server.directory / f"file{size}").write_bytes(made[size])
        return made[size]

    return make


@pytest.mark.parametrize("size", [0, 1, 5000, 65_536, 50_000_000])
@pytest.mark.parametrize("length", [True, False])
def test_pathsend(server, files, size, length):
    content = files(size)
    with server.connect() as client:
        response = client.get(f"/file?name=file{size}" + (f"&length={size}" if length else ""))
        assert response.header("Content-Type") == "application/x-test"
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(content).digest()
        if length:
            assert response.header("Content-Length") == str(size)
        assert client.get("/hello").body == b"hello"


def test_pathsend_with_another_status(server, files):
    content = files(5000)
    response = server.get("/file?name=file5000&status=404")
    assert (response.status, response.body) == (404, content)


def test_pathsend_of_head(server, files):
    files(5000)
    with server.connect() as client:
        response = client.get("/file?name=file5000&length=5000", method="HEAD")
        assert (response.status, response.header("Content-Length")) == (200, "5000")
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("length", ["", "&length=10"])
@pytest.mark.parametrize("name", ["missing", "."])
def test_pathsend_of_what_is_no_file(server, name, length):
    """The exception is the application's, which could have answered something else; it did not, so this is 500 or cut."""
    with server.connect() as client:
        client.request(f"/file?name={name}{length}")
        client.failed_response()
    server.log.expect("", level="ERROR")
    server.log.claim("/file")
    assert server.get("/hello").body == b"hello"


def test_pathsend_while_the_client_leaves(server, files):
    files(50_000_000)
    client = server.connect(receive_buffer=4096)
    client.request("/file?name=file50000000&length=50000000")
    client.head()
    client.reset()
    assert server.get("/hello").body == b"hello"
