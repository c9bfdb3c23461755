"""wsgiref.validate finds nothing to complain of."""

import pytest


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("validated:application", threads=2)


REQUESTS = [
    ("/list", "GET", b"", 200, b"one two"),
    ("/list?a=b", "HEAD", b"", 200, b""),
    ("/generator", "GET", b"", 200, b"one two"),
    ("/write", "GET", b"", 200, b"one two"),
    ("/read", "POST", b"first\nabcd\nlast", 200, b"first\n|ab|cd\n|last"),
    ("/read", "GET", b"", 200, b"|"),
    ("/errors", "GET", b"", 200, b"one two"),
    ("/empty", "GET", b"", 204, b""),
    ("/hello", "OPTIONS", b"", 200, b"hello"),
    ("/hello/caf%C3%A9", "DELETE", b"", 200, b"hello"),
]


@pytest.mark.parametrize("target, method, body, status, answer", REQUESTS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_valid(server, target, method, body, status, answer, version):
    with server.connect() as client:
        response = client.get(target, method=method, body=body, version=version)
        assert (response.status, response.body) == (status, answer)


def test_valid_when_the_client_vanishes(server):
    key = server.key()
    client = server.connect()
    client.request(f"/blocks?gate={key}&count=2")
    client.head()
    client.chunk()
    client.reset()
    server.open_gate(f"{key}-0")
    server.open_gate(f"{key}-1")
    assert server.get("/list").status == 200
