"""`Connection: close` in an application's answer: the answer comes whole, says so, and is the last on its connection."""

from urllib.parse import quote

import pytest

from client import plain_request


@pytest.fixture(params=["pep3333:application", "asgi_plain:application"], scope="module")
def server(request, serve_module):
    return serve_module(request.param)


def closing(values, length):
    return f"/last-answer?values={quote(repr(values))}" + ("&length=1" if length else "")


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("values", [["close"], ["Close"], ["keep-alive, close"], ["keep-alive", "close"], [" close ,close"]])
def test_the_connection_is_closed_after_the_answer(server, values, length):
    with server.connect() as client:
        client.send(plain_request(closing(values, length)) + plain_request("/hello"))
        response = client.response()
        assert (response.body, response.header("Connection")) == (b"said", "close")
        client.expect_end()


@pytest.mark.parametrize("version, kept", [("1.1", None), ("1.0", "keep-alive")])
def test_keep_alive_changes_nothing(server, version, kept):
    with server.connect() as client:
        for _ in range(2):
            asks = [("Connection", "keep-alive")] if version == "1.0" else []
            response = client.get(closing(["keep-alive"], True), version=version, headers=asks)
            assert (response.body, response.header("Connection")) == (b"said", kept)


def test_what_follows_a_head_only_answer_is_closed_too(server):
    with server.connect() as client:
        response = client.get(closing(["close"], True), method="HEAD")
        assert (response.body, response.header("Connection")) == (b"", "close")
        client.expect_end()


def test_a_body_that_nobody_read_does_not_reset_the_answer(server):
    with server.connect() as client:
        client.request(closing(["close"], True), method="POST", headers=[("Content-Length", "300000")], body=b"x" * 300_000)
        assert client.response().body == b"said"
        client.expect_end()
