"""HTTP/1.1 connections: keep-alive, pipelining, HTTP/1.0, closing, and odd but lawful ways to send."""

import hashlib
import random
import socket
import threading

import pytest

from client import chunked, plain_request


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("plain:application", workers=2, threads=2)


def test_keep_alive(server):
    with server.connect() as client:
        for number in range(20):
            response = client.get(f"/path?{number}")
            assert response.text == f"/path?{number}"
            assert response.header("Connection") in (None, "keep-alive")


@pytest.mark.parametrize("name", ["path", "slow-path"])
def test_pipelined_requests_are_answered_in_order(server, name):
    with server.connect() as client:
        client.send(b"".join(plain_request(f"/{name}?{number}") for number in range(50)))
        assert [client.response().text for _ in range(50)] == [f"/{name}?{number}" for number in range(50)]


def test_pipelined_requests_of_mixed_kinds(server):
    with server.connect() as client:
        kinds = [
            ("GET", plain_request("/path?a")),
            ("POST", plain_request("/digest", "POST", body=b"some body")),
            ("HEAD", plain_request("/hello", "HEAD")),
            ("GET", plain_request("/streamed")),
            (
                "POST",
                plain_request("/digest", "POST", [("Transfer-Encoding", "chunked")], chunked([b"some", b" body"])),
            ),
            ("POST", plain_request("/path?unread", "POST", body=b"unread")),
        ]
        client.send(b"".join(data for _, data in kinds * 8))
        expected = [
            b"/path?a",
            hashlib.sha256(b"some body").hexdigest().encode(),
            b"",
            b"".join(b"%d," % n for n in range(100)),
            hashlib.sha256(b"some body").hexdigest().encode(),
            b"/path?unread",
        ] * 8
        assert [client.response(method).body for method, _ in kinds * 8] == expected


def test_pipelined_large_bodies(server):
    bodies = [random.Random(n).randbytes(300_000) for n in range(10)]
    with server.connect() as client:
        data = b"".join(plain_request("/digest", "POST", body=body) for body in bodies)
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        answers = [client.response().text for _ in bodies]
        sender.join()
    assert answers == [hashlib.sha256(body).hexdigest() for body in bodies]


def test_pipelined_after_close_is_not_served(server):
    with server.connect() as client:
        client.send(plain_request("/path?1", headers=[("Connection", "close")]) + plain_request("/served/after-close"))
        assert client.response().text == "/path?1"
        client.expect_end()
    assert "GET /served/after-close" not in server.notes("served")


@pytest.mark.parametrize("value", ["close", "Close", "foo, close", "close, foo", " close ,"])
def test_close_is_honoured(server, value):
    with server.connect() as client:
        response = client.get("/hello", headers=[("Connection", value)])
        assert (response.body, response.header("Connection")) == (b"hello", "close")
        client.expect_end()


@pytest.mark.parametrize("target", ["/hello", "/streamed"])
def test_1_0_closes(server, target):
    with server.connect() as client:
        response = client.get(target, version="1.0")
        assert (response.status, response.header("Transfer-Encoding")) == (200, None)
        assert response.header("Connection") in (None, "close")
        client.expect_end()


def test_1_0_with_keep_alive(server):
    with server.connect() as client:
        for number in range(3):
            response = client.get(f"/path?{number}", version="1.0", headers=[("Connection", "keep-alive")])
            assert response.text == f"/path?{number}"
            assert response.header("Connection").lower() == "keep-alive"


def test_1_0_with_keep_alive_and_no_length_is_ended_by_closing(server):
    """Unless the server finds out the length before it sends the head."""
    with server.connect() as client:
        response = client.get("/pour?mib=1", version="1.0", headers=[("Connection", "keep-alive")])
        assert len(response.body) == 1 << 20
        assert response.header("Content-Length") is None
        assert response.header("Connection") in (None, "close")
        client.expect_end()


def test_1_0_needs_no_host(server):
    with server.connect() as client:
        client.send(b"GET /hello HTTP/1.0\r\n\r\n")
        assert client.response().body == b"hello"


def test_a_half_closed_client_gets_its_answer(server):
    with server.connect() as client:
        client.request("/slow-path?seconds=0.3")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().text == "/slow-path?seconds=0.3"
        client.expect_end()


def test_half_closed_after_pipelined_requests(server):
    with server.connect() as client:
        client.send(b"".join(plain_request(f"/path?{n}") for n in range(10)))
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.response().text for _ in range(10)] == [f"/path?{n}" for n in range(10)]
        client.expect_end()


def test_one_byte_at_a_time(server):
    data = plain_request("/digest", "POST", [("X-Some", "header")], b"the body")
    data += plain_request("/digest", "POST", [("Transfer-Encoding", "chunked")], chunked([b"the", b" body"]))
    with server.connect() as client:
        for at in range(len(data)):
            client.send(data[at : at + 1])
        for _ in range(2):
            assert client.response().text == hashlib.sha256(b"the body").hexdigest()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_head_in_two_parts(server, cut):
    data = plain_request("/path?parts", headers=[("X-Some", "header")])
    with server.connect() as client:
        client.get("/hello")
        client.send(data[:cut])
        server.get("/hello")
        client.send(data[cut:] + plain_request("/hello"))
        assert client.response().text == "/path?parts"
        assert client.response().body == b"hello"


def test_one_empty_line_before_a_request_is_ignored(server):
    with server.connect() as client:
        client.send(b"\r\n" + plain_request("/hello"))
        assert client.response().body == b"hello"
        client.send(b"\r\n" + plain_request("/hello"))
        assert client.response().body == b"hello"


def test_a_connection_closed_without_a_request_is_no_event(server):
    for _ in range(20):
        server.connect().close()
    client = server.connect()
    client.reset()
    client = server.connect()
    client.send(b"GET / HT")
    client.close()
    assert server.get("/hello").body == b"hello"


def test_many_connections(server):
    clients = [server.connect() for _ in range(200)]
    for number, client in enumerate(clients):
        client.request(f"/path?{number}")
    for number, client in enumerate(clients):
        assert client.response().text == f"/path?{number}"


def test_bodies_of_get_and_delete_are_read(server):
    for method in ("GET", "DELETE"):
        with server.connect() as client:
            response = client.get("/digest", method=method, body=b"a body")
            assert response.text == hashlib.sha256(b"a body").hexdigest()
            assert client.get("/hello").body == b"hello"


def test_transfer_encoding_is_case_insensitive(server):
    with server.connect() as client:
        response = client.get(
            "/digest", method="POST", headers=[("transfer-ENCODING", "Chunked")], body=chunked([b"x"])
        )
        assert response.text == hashlib.sha256(b"x").hexdigest()


def test_chunk_extensions_are_ignored(server):
    with server.connect() as client:
        body = b'1;a=b;c="d e"\r\nx\r\n0;last\r\n\r\n'
        response = client.get("/digest", method="POST", headers=[("Transfer-Encoding", "chunked")], body=body)
        assert response.text == hashlib.sha256(b"x").hexdigest()
