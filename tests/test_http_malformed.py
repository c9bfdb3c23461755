"""Requests that are malformed or ambiguous: refused with 400, the connection closed, and nothing after them served."""

import random

import pytest

from client import Cut

HOST = "Host: test.example\r\n"
FOLLOWING = "GET /served/smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n"


def get(head="", target="/served/victim", version="HTTP/1.1", method="GET"):
    return f"{method} {target} {version}\r\n{HOST}{head}\r\n"


def post(head, body=""):
    return get(head, method="POST") + body


REQUESTS = {
    # The request line
    "no target": f"GET HTTP/1.1\r\n{HOST}\r\n",
    "no version": f"GET /served/victim\r\n{HOST}\r\n",
    "nothing but words": "hello\r\n\r\n",
    "TLS instead of HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two spaces": f"GET  /served/victim HTTP/1.1\r\n{HOST}\r\n",
    "two spaces before the version": f"GET /served/victim  HTTP/1.1\r\n{HOST}\r\n",
    "a tab": f"GET\t/served/victim\tHTTP/1.1\r\n{HOST}\r\n",
    "a leading space": " " + get(),
    "a trailing space": f"GET /served/victim HTTP/1.1 \r\n{HOST}\r\n",
    "a space in the target": get(target="/served/vic tim"),
    "lower-case protocol": get(version="http/1.1"),
    "another protocol": get(version="HTCPCP/1.0"),
    "version with two digits": get(version="HTTP/1.10"),
    "method with a bracket": get(method="G(T"),
    "method with a colon": get(method="GET:"),
    "method with NUL": get(method="G\x00T"),
    "empty method": f" /served/victim HTTP/1.1\r\n{HOST}\r\n",
    "several empty lines before": "\r\n" * 50 + get(),
    "a bare LF before": "\n" + get(),
    # Line ends
    "bare LF after the request line": f"GET /served/victim HTTP/1.1\n{HOST}\r\n",
    "bare LF after a field": f"GET /served/victim HTTP/1.1\r\n{HOST}X-A: 1\nX-B: 2\r\n\r\n",
    "bare LF at the end of the head": f"GET /served/victim HTTP/1.1\r\n{HOST}\n",
    "bare LF everywhere": get().replace("\r\n", "\n"),
    "bare CR in the request line": f"GET /served/victim HTTP/1.1\rX: y\r\n{HOST}\r\n",
    "bare CR in a value": get("X-A: 1\rX-B: 2\r\n"),
    "bare CR at the end of a field": get("X-A: 1\r\r\n"),
    # Fields
    "space before the colon": get("X-A : 1\r\n"),
    "tab before the colon": get("X-A\t: 1\r\n"),
    "no colon": get("X-A\r\n"),
    "empty name": get(": 1\r\n"),
    "space in a name": get("X A: 1\r\n"),
    "bracket in a name": get("X(A): 1\r\n"),
    "non-ASCII name": get("X-\xe9: 1\r\n"),
    "NUL in a name": get("X\x00A: 1\r\n"),
    "NUL in a value": get("X-A: 1\x002\r\n"),
    "control character in a value": get("X-A: 1\x012\r\n"),
    "DEL in a value": get("X-A: 1\x7f2\r\n"),
    "folded field": get("X-A: 1\r\n 2\r\n"),
    "folded with a tab": get("X-A: 1\r\n\t2\r\n"),
    "first field begins with a space": f"GET /served/victim HTTP/1.1\r\n X-A: 1\r\n{HOST}\r\n",
    # Host
    "no Host": "GET /served/victim HTTP/1.1\r\n\r\n",
    "two Hosts": get("Host: other.example\r\n"),
    "two equal Hosts": get("Host: test.example\r\n"),
    "Host with a space": "GET /served/victim HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host with a path": "GET /served/victim HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with user": "GET /served/victim HTTP/1.1\r\nHost: user@a\r\n\r\n",
    "Host with a bad port": "GET /served/victim HTTP/1.1\r\nHost: a:b\r\n\r\n",
    # Targets
    "asterisk with GET": get(target="*"),
    "authority with GET": get(target="test.example:80"),
    "relative target": get(target="served/victim"),
    "CONNECT with a path": get(method="CONNECT"),
    "CONNECT with a URL": get(method="CONNECT", target="http://test.example/"),
    "non-ASCII target": get(target="/served/\xe9"),
    "NUL in the target": get(target="/served/\x00"),
    "control character in the target": get(target="/served/\x01"),
    "DEL in the target": get(target="/served/\x7f"),
    "URL without host": get(target="http:///served/victim"),
    # Lengths
    "both lengths": post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "both lengths, the other way": post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    "Content-Length with a plus": post("Content-Length: +5\r\n", "abcde"),
    "Content-Length with a minus": post("Content-Length: -5\r\n", "abcde"),
    "Content-Length in hex": post("Content-Length: 0x5\r\n", "abcde"),
    "Content-Length with a fraction": post("Content-Length: 5.0\r\n", "abcde"),
    "Content-Length with an underscore": post("Content-Length: 1_0\r\n", "abcde"),
    "Content-Length with a space": post("Content-Length: 5 5\r\n", "abcde"),
    "empty Content-Length": post("Content-Length: \r\n"),
    "huge Content-Length": post("Content-Length: 99999999999999999999999\r\n"),
    "Content-Length of 2^64": post("Content-Length: 18446744073709551616\r\n"),
    "a list of lengths": post("Content-Length: 5, 5\r\n", "abcde"),
    "different lengths in a list": post("Content-Length: 5, 6\r\n", "abcde"),
    "two Content-Lengths": post("Content-Length: 5\r\nContent-Length: 6\r\n", "abcde"),
    "two equal Content-Lengths": post("Content-Length: 5\r\nContent-Length: 5\r\n", "abcde"),
    "non-ASCII digits": post("Content-Length: \xb2\r\n", "ab"),
    "two Content-Types": post("Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n"),
    # Transfer-Encoding
    "identity": post("Transfer-Encoding: identity\r\n"),
    "chunked twice": post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
    "chunked in two fields": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "chunked and identity": post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    "identity and chunked in two fields": post(
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"
    ),
    "chunked not last": post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
    "chunked in quotes": post('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n"),
    "chunked with a vertical tab": post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    "chunked with a parameter": post("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n"),
    "empty Transfer-Encoding": post("Transfer-Encoding: \r\n"),
    "a comma before chunked": post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"),
    "folded Transfer-Encoding": post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    "Transfer-Encoding with a space before the colon": post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    "Transfer-Encoding in 1.0": f"POST /served/victim HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

# Well-formed, but nothing this server does: another status is the better answer.
OTHERS = {
    "an unknown coding": (post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), {400, 501}),
    "an unknown coding before chunked": (post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), {400, 501}),
    "version with a minus": (get(version="HTTP/-1.1"), {400, 505}),
    "version without minor": (get(version="HTTP/1"), {400, 505}),
    "HTTP/2.0": (get(version="HTTP/2.0"), {400, 505}),
    "HTTP/0.9": (get(version="HTTP/0.9"), {400, 505}),
    "the HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "CONNECT": (get(method="CONNECT", target="test.example:80"), {400, 405, 501}),
}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("plain:application", threads=2)


def assert_refused(server, request, statuses):
    before = server.notes("served")
    with server.connect() as client:
        client.send((request + FOLLOWING).encode("latin-1"))
        response = client.response()
        assert response.status in statuses, response
        assert response.header("Connection") == "close"
        client.expect_end()
    assert server.get("/hello").body == b"hello"
    assert server.notes("served") == before, "something of it was served"


@pytest.mark.parametrize("name", REQUESTS)
def test_refused(server, name):
    assert_refused(server, REQUESTS[name], {400})


@pytest.mark.parametrize("name", OTHERS)
def test_not_supported(server, name):
    assert_refused(server, *OTHERS[name])


@pytest.mark.parametrize("name", ["both lengths", "folded field", "bare LF everywhere", "Host with a space"])
def test_refused_after_a_good_request(server, name):
    before = server.notes("served")
    with server.connect() as client:
        client.send(b"GET /path?1 HTTP/1.1\r\nHost: x\r\n\r\n" + (REQUESTS[name] + FOLLOWING).encode("latin-1"))
        assert client.response().text == "/path?1"
        assert client.response().status == 400
        client.expect_end()
    assert server.notes("served") == before


@pytest.mark.parametrize("name", ["both lengths", "no Host", "folded field", "Transfer-Encoding in 1.0"])
def test_refused_byte_by_byte(server, name):
    before = server.notes("served")
    with server.connect() as client:
        try:
            for byte in (REQUESTS[name] + FOLLOWING).encode("latin-1"):
                client.send(bytes([byte]))
        except (BrokenPipeError, ConnectionResetError):
            pass  # cut while it still sends
        try:
            assert client.response().status == 400
        except Cut:
            pytest.fail("no answer")
    assert server.notes("served") == before


def test_random_bytes_get_an_answer_or_an_end_and_nothing_else(server):
    chance = random.Random(3)
    valid = (get("X-A: b\r\nContent-Length: 3\r\n", method="POST") + "abc").encode()
    for _ in range(300):
        data = bytearray(valid)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with server.connect() as client:
            client.send(bytes(data))
            client.socket.shutdown(1)
            try:
                while True:
                    assert client.response().status in (200, 400, 404, 408, 413, 414, 431, 501, 505)
            except Cut as cut:
                assert cut.received == b""
    assert server.get("/hello").body == b"hello"
    server.log.claim("/served")
