"""How an answer is framed: HEAD, 204, 304, Content-Length right and wrong, Date and other headers."""

import re
from email.utils import parsedate_to_datetime

import pytest


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("pep3333:application", workers=1, threads=2)


HEADS = ["/hello", "/generator", "/write-only", "/write-and-iterable", "/framed?size=10&length=10", "/many-blocks"]


@pytest.mark.parametrize("target", HEADS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_head_has_no_body(server, target, version):
    with server.connect() as client:
        response = client.get(target, method="HEAD", version=version)
        assert response.status == 200
        if version == "1.0":
            client.expect_end()
            return
        full = client.get(target)
        assert full.body, "the same connection is in step"
        length = response.header("Content-Length")
        assert length in (None, str(len(full.body)))


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("blocks", ["", "&blocks=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_content_has_no_body_and_no_framing(server, status, blocks, method):
    with server.connect() as client:
        response = client.get(f"/empty-status?status={status.replace(' ', '+')}{blocks}", method=method)
        assert (f"{response.status} {response.reason}", response.header("X-Kept")) == (status, "yes")
        assert response.header("Transfer-Encoding") is None
        if response.status == 204:
            assert response.header("Content-Length") is None
        if response.header("Connection") != "close":
            assert client.get("/hello").body == b"hello"
    server.log.claim("empty-status")


def test_304_keeps_the_content_length_of_the_application(server):
    with server.connect() as client:
        response = client.get("/framed?status=304+Not+Modified&length=1234")
        assert response.status == 304
        assert response.header("Content-Length") in (None, "1234")
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("blocks", [1, 3])
def test_right_content_length_is_kept(server, blocks):
    with server.connect() as client:
        response = client.get(f"/framed?length=100000&size=100000&blocks={blocks}")
        assert (response.header("Content-Length"), len(response.body)) == ("100000", 100_000)
        assert response.header("Transfer-Encoding") is None
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("length, size", [(10, 11), (10, 200_000), (0, 5)])
def test_excess_over_the_content_length_is_dropped(server, length, size, blocks):
    with server.connect() as client:
        response = client.get(f"/framed?length={length}&size={size}&blocks={blocks}")
        assert (response.header("Content-Length"), len(response.body)) == (str(length), length)
        # What was dropped does not stand before the next answer.
        assert len(client.get("/framed?length=2&size=2&blocks=1").body) == 2
    server.log.expect("(?i)content-length|longer|more|excess")


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("length, size", [(10, 9), (200_000, 100_000), (5, 0)])
def test_less_than_the_content_length_cuts_the_connection(server, length, size, blocks):
    with server.connect() as client:
        client.request(f"/framed?length={length}&size={size}&blocks={blocks}")
        response = client.failed_response()
        assert response is None or response.status == 500 or len(response.body) == size
    server.log.expect("(?i)content-length|shorter|less|fewer")


def test_head_with_a_content_length_and_no_body_is_fine(server):
    with server.connect() as client:
        response = client.get("/framed?length=500&size=0", method="HEAD")
        assert response.header("Content-Length") == "500"
        assert client.get("/hello").body == b"hello"


def test_headers_of_the_application_are_passed_unchanged(server):
    response = server.get("/headers-out")
    assert response.reason == "Tr\xe8s bien"
    assert response.header("X-Latin") == "caf\xe9"
    assert response.all("X-Twice") == ["1", "2"]
    assert response.all("Set-Cookie") == ["a=1", "b=2"]


def test_date(server):
    value = server.get("/hello").header("Date")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", value)
    assert parsedate_to_datetime(value)


def test_own_date_and_server_are_kept(server):
    response = server.get("/own-date")
    assert response.header("Date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert response.header("Server") == "mine"
