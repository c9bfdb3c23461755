"""PEP 3333: wsgi.file_wrapper."""

import hashlib
import random

import pytest

SMALL = random.Random(1).randbytes(200_000)
BIG_BYTES = 50 << 20


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    directory = tmp_path_factory.mktemp("files")
    (directory / "data").write_bytes(SMALL)
    return serve_module("files:application", threads=2, directory=directory)


BODIES = [
    ("/whole", SMALL),
    ("/unsized", SMALL),
    ("/default-block", SMALL),
    ("/offset?offset=1000", SMALL[1000:]),
    ("/offset?offset=199999", SMALL[-1:]),
    ("/offset?offset=200000", b""),
    ("/offset?offset=300000", b""),
    ("/partly-read", SMALL[10:]),
    ("/unbuffered", SMALL),
    ("/memory", SMALL),
    ("/reader", SMALL),
    ("/pipe", b"through a pipe"),
    ("/compressed", b"unpacked " * 1000),
    ("/iterated", SMALL),
    ("/wrapped-generator", SMALL),
    ("/offset?offset=5&length=10", SMALL[5:15]),
]


@pytest.mark.parametrize("target, body", BODIES, ids=[target for target, _ in BODIES])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_body(server, target, body, version):
    with server.connect() as client:
        response = client.get(target, version=version)
        assert response.status == 200
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(body).digest(), len(response.body)
    server.log.claim("longer|excess|Content-Length")


def test_head_has_no_body(server):
    with server.connect() as client:
        response = client.get("/whole", method="HEAD")
        assert (response.status, response.header("Content-Length")) == (200, str(len(SMALL)))
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("target", ["/whole", "/memory", "/reader"])
def test_a_shorter_content_length_ends_the_answer(server, target):
    with server.connect() as client:
        assert client.get(target + "?length=1000").body == SMALL[:1000]
    server.log.claim("Content-Length")


def test_a_file_shorter_than_promised_cuts_the_connection(server):
    with server.connect() as client:
        client.request("/shrinking")
        response = client.failed_response()
        assert response.status == 500 or response.body == SMALL
    server.log.expect("/shrinking|Content-Length")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_file_is_closed(server, method):
    key = server.key()
    with server.connect() as client:
        client.get(f"/closing?key={key}", method=method)
    assert server.wait_notes(key) == ["closed"]


def test_the_file_is_closed_when_the_client_vanishes(serve, tmp_path):
    with open(tmp_path / "data", "wb") as file:
        file.truncate(BIG_BYTES)
    server = serve("files:application", directory=tmp_path)
    key = server.key()
    client = server.connect()
    client.request(f"/closing?key={key}")
    client.head()
    client.reset()
    assert server.wait_notes(key) == ["closed"]


def test_a_big_file_arrives_whole(serve, tmp_path):
    digest, chance = hashlib.sha256(), random.Random(2)
    with open(tmp_path / "data", "wb") as file:
        for _ in range(BIG_BYTES >> 20):
            block = chance.randbytes(1 << 20)
            digest.update(block)
            file.write(block)
    server = serve("files:application", directory=tmp_path)
    with server.connect() as client:
        for target in ("/whole", "/unsized"):
            assert hashlib.sha256(client.get(target).body).digest() == digest.digest()
