"""PEP 3333: start_response, write(), exc_info, the iterable and its close()."""

import re
import signal
from urllib.parse import quote

import pytest

from client import Cut
from deadline import wait_until


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("pep3333:application", workers=1, threads=2)


BODIES = [
    ("/hello", 200, b"hello"),
    ("/write-only", 200, b"one two"),
    ("/write-and-iterable", 200, b"one two three"),
    ("/write-in-generator", 200, b"one two three four"),
    ("/generator", 200, b"one two"),
    ("/late-start", 201, b"late"),
    ("/getitem", 200, b"012"),
    ("/many-blocks", 200, b"".join(b"%05d" % n for n in range(20_000))),
    ("/exc-info-before-head", 503, b"replaced"),
    ("/exc-info-after-empty-block", 503, b"replaced"),
    ("/exc-info-first-call", 500, b"error page"),
    ("/framed?size=0", 200, b""),
    ("/framed?size=3&blocks=2", 200, b"xxx"),
]


@pytest.mark.parametrize("target, status, body", BODIES)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_body(server, target, status, body, version):
    with server.connect() as client:
        response = client.get(target, version=version)
        assert (response.status, response.body) == (status, body)
        if version == "1.1":
            assert client.get("/hello").body == b"hello", "the connection stays usable"
        else:
            client.expect_end()


def test_exc_info_before_the_head_replaces_the_headers(server):
    response = server.get("/exc-info-before-head")
    assert response.header("X-Second") == "yes"
    assert response.header("X-First") is None


def test_exc_info_after_the_head_is_raised_in_the_application(server):
    key = server.key()
    with server.connect() as client:
        client.request(f"/exc-info-after-head?key={key}")
        response = client.failed_response()
        assert (response.status, response.body) == (200, b"sent") or response.reason == "Internal Server Error"
    assert server.wait_notes(key) == ["raised too late for this"]
    server.log.expect("", level="ERROR", detail="ValueError: too late for this")


def test_second_start_response_without_exc_info_is_refused(server):
    assert server.get("/start-twice").body.startswith(b"refused: ")


def test_second_start_response_unhandled_is_500(server):
    assert server.get("/start-twice-unhandled").status == 500
    server.log.expect("", level="ERROR", detail="start_twice_unhandled")


@pytest.mark.parametrize("target", ["/start-never", "/start-never-empty"])
def test_start_response_never_called_is_500(server, target):
    assert server.get(target).status == 500
    record = server.log.expect("", level="ERROR")
    assert "start_response" in record.text


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_the_end_of_an_answer_without_length_can_be_told(server, version):
    """Chunked for 1.1, the end of the connection for 1.0."""
    key = server.key()
    with server.connect() as client:
        client.request(f"/write-blocked?gate={key}", version=version)
        response = client.head()
        server.open_gate(key)
        client.read_body(response)
        assert response.body == b"firstsecond"
        assert response.header("Transfer-Encoding") == ("chunked" if version == "1.1" else None)
        assert response.header("Content-Length") is None
        if version == "1.0":
            client.expect_end()


# Each block is on its way before the next is asked for


@pytest.mark.parametrize("length", ["", "&length=1"])
def test_generator_blocks_are_sent_at_once(server, length):
    key = server.key()
    with server.connect() as client:
        client.request(f"/blocks?gate={key}&count=3{length}")
        response = client.head()
        for number in range(3):
            block = client.exactly(6) if length else client.chunk()
            assert block == b"block%d" % number
            server.open_gate(f"{key}-{number}")
        if not length:
            assert client.chunk() is None
        assert response.status == 200
        assert client.get("/hello").body == b"hello"


def test_write_sends_at_once(server):
    key = server.key()
    with server.connect() as client:
        client.request(f"/write-blocked?gate={key}")
        client.head()
        assert client.chunk() == b"first"
        server.open_gate(key)
        assert client.chunk() == b"second"
        assert client.chunk() is None


# Errors of the application


@pytest.mark.parametrize("target", ["/raises-before-start", "/raises-after-start", "/raises-in-first-block"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_exception_before_anything_was_sent_is_500(server, target, method):
    with server.connect() as client:
        assert client.get(target, method=method).status == 500
    message = target.removeprefix("/raises-").replace("-", " ")
    record = server.log.expect("", level="ERROR", detail=f"RuntimeError: {message}")
    assert "Traceback" in record.text and "pep3333.py" in record.text
    assert target in record.text, "the record names the request"
    assert server.get("/hello").status == 200


@pytest.mark.parametrize("length", ["", "&length=1"])
def test_exception_after_the_head_cuts_the_connection(server, length):
    key = server.key()
    with server.connect() as client:
        client.request(f"/raises-in-second-block?gate={key}{length}")
        response = client.head()
        assert (client.exactly(5) if length else client.chunk()) == b"first"
        server.open_gate(key)
        with pytest.raises(Cut):
            client.read_body(response)
    server.log.expect("", level="ERROR", detail="RuntimeError: in second block")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_exception_after_the_first_block_never_looks_like_an_end(server, version):
    with server.connect() as client:
        client.request("/raises-in-second-block?length=1", version=version)
        response = client.failed_response()
        assert response.status == 500 or response.body == b"first"
    server.log.expect("", level="ERROR", detail="RuntimeError: in second block")


def test_exception_in_an_answer_that_ends_with_its_connection_resets_it(server):
    """To a client of HTTP/1.0 the end of the connection is the end of the answer: half an answer was taken for a whole one."""
    key = server.key()
    with server.connect() as client:
        client.request(f"/raises-in-second-block?gate={key}", version="1.0")
        response = client.head()
        assert response.header("Content-Length") is None
        assert client.exactly(5) == b"first"
        server.open_gate(key)
        with pytest.raises(ConnectionResetError):
            client.socket.recv(1)
    server.log.expect("", level="ERROR", detail="RuntimeError: in second block")


@pytest.mark.parametrize("target", ["/raises-exit", "/raises-interrupt"])
def test_exit_in_a_request_is_its_500_and_no_end_of_the_worker(server, target):
    workers = server.workers()
    assert server.get(target).status == 500
    server.log.expect("", level="ERROR", detail="SystemExit|KeyboardInterrupt")
    assert server.get("/hello").status == 200
    assert server.workers() == workers


def test_write_refuses_text(server):
    assert server.get("/write-text").status == 500
    server.log.expect("", level="ERROR", detail="(?s)write_text.*TypeError.*str")


# close()

CLOSED = [
    ("", "GET", 200),
    ("", "HEAD", 200),
    ("&status=204+No+Content", "GET", 204),
    ("&status=304+Not+Modified", "GET", 304),
]


@pytest.mark.parametrize("arguments, method, status", CLOSED)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_close_is_called_once(server, arguments, method, status, version):
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/closing?key={key}{arguments}", method=method, version=version).status == status
    server.wait_notes(key)
    assert server.get("/hello").status == 200
    assert server.notes(key) == ["closed"]


@pytest.mark.parametrize("fail_after, status", [(0, 500), (1, None)])
def test_close_is_called_after_an_exception_in_the_iteration(server, fail_after, status):
    key = server.key()
    with server.connect() as client:
        client.request(f"/closing?key={key}&fail_after={fail_after}")
        if status:
            assert client.response().status == status
        else:
            client.failed_response()
    assert server.wait_notes(key) == ["closed"]
    server.log.expect("", level="ERROR", detail="RuntimeError: failing as told")


def test_close_is_called_when_start_response_never_was(server):
    key = server.key()
    assert server.get(f"/closing?key={key}&silent=1").status == 500
    assert server.wait_notes(key) == ["closed"]
    server.log.expect("", level="ERROR")


def test_exception_in_close_is_logged_and_the_answer_stands(server):
    key = server.key()
    response = server.get(f"/closing?key={key}&fail_close=1")
    assert (response.status, response.body) == (200, b"onetwo")
    server.log.expect("", level="ERROR", detail="RuntimeError: close failed")
    assert server.get("/hello").status == 200


@pytest.mark.parametrize("vanish", ["close", "reset"])
def test_close_is_called_when_the_client_vanishes_while_blocks_flow(server, vanish):
    key = server.key()
    client = server.connect()
    client.request(f"/closing-endless?key={key}")
    client.head()
    client.chunk()
    getattr(client, vanish)()
    assert server.wait_notes(key) == ["closed"]
    assert server.get("/hello").status == 200


def test_close_is_called_when_the_client_vanishes_while_the_application_thinks(server):
    key = server.key()
    client = server.connect()
    client.request(f"/closing-gated?key={key}")
    client.head()
    client.chunk()
    client.reset()
    server.open_gate(key)
    assert server.wait_notes(key) == ["closed"]


def test_close_is_called_when_the_server_is_stopped_in_the_middle(serve):
    server = serve("pep3333:application", graceful_timeout=20)
    key = server.key()
    client = server.connect()
    client.request(f"/blocks?gate={key}&count=2")
    client.head()
    assert client.chunk() == b"block0"
    server.send_signal(signal.SIGTERM)
    server.log.expect("stop|shut|signal|SIGTERM", level="INFO")
    server.open_gate(f"{key}-0")
    assert client.chunk() == b"block1"
    server.open_gate(f"{key}-1")
    assert client.chunk() is None
    client.expect_end()
    server.assert_ended()


# Nothing of one request reaches another


def test_what_an_application_keeps_cannot_touch_a_later_request(serve):
    server = serve("pep3333:application", workers=1, threads=1)
    with server.connect() as client:
        assert client.get("/spoil", method="POST", body=b"old body").body == b"spoil"
        for _ in range(3):
            response = client.get("/spoiled", method="POST", body=b"new")
            assert (response.status, response.text) == (200, "leaks=[] body=new")


def test_early_hints_are_sent_before_the_answer(server):
    key = server.key()
    with server.connect() as client:
        client.request(f"/early-hints?gate={key}")
        first = client.interim()
        assert (first.status, first.headers) == (103, [("Link", "</a.css>; rel=preload; as=style")])
        server.open_gate(key)
        second = client.interim()
        assert second.all("Link") == ["</b.js>; rel=preload", "</c.js>; rel=preload"]
        final = client.response()
        assert (final.status, final.body, final.header("Link")) == (200, b"final", None)


def test_early_hints_are_not_sent_to_1_0(server):
    response = server.get("/early-hints", version="1.0")
    assert (response.status, response.body, response.interim) == (200, b"final", [])


@pytest.fixture(scope="module")
def narrow(serve_module):
    return serve_module("pep3333:application", response_buffer="64KiB", threads=1)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("size", [1, 30_000, 65_000, 65_536, 66_000, 200_000])
def test_early_hints_of_any_size_leave_the_answer_whole(narrow, size, version):
    """What did not fit into the response's buffer was sent in part, and the answer after it was taken for the rest. Hints are advice: those
    that do not fit may be left out or refused, and nothing else may happen to the answer."""
    with narrow.connect() as client:
        for _ in range(2):
            client.request(f"/large-hints?size={size}&count=3", version=version)
            response = client.response()
            assert (response.status, response.header("Link")) == (200, None)
            assert re.fullmatch(r"(sent|ValueError) final", response.text), response.text
            if version == "1.0":
                assert response.interim == []
                client.expect_end()
                return
            for hints in response.interim:
                assert (hints.status, "".join(hints.all("Link"))) == (103, "x" * size)
            if size <= 30_000:
                assert len(response.interim) == 3
        assert client.get("/hello").body == b"hello"


BAD_HINTS = [
    "None",
    "'Link: </a.css>'",
    "{'Link': '</a.css>'}",
    "(('Link', '</a.css>'),)",
    "['Link']",
    "[('Link',)]",
    "[('Link', b'</a.css>')]",
    "[(b'Link', '</a.css>')]",
    "[('Link', 5)]",
    "[('Link', None)]",
    "[('', '</a.css>')]",
    "[('Li nk', '</a.css>')]",
    "[('Link:', '</a.css>')]",
    "[('Link', '</a.css>\\r\\nX-Forged: yes')]",
    "[('Link', '</a.css>\\n')]",
    "[('Link', '</a.css>\\0')]",
    "[('Link', '\\u2713')]",
    "[('Good', '1'), ('Link', 'a\\rb')]",
    "[('Transfer-Encoding', 'chunked')]",
    "[('Connection', 'close')]",
]


@pytest.mark.parametrize("hints", BAD_HINTS)
def test_bad_early_hints_raise_in_the_application(server, hints):
    """What would be dropped further on, or could forge a field, is told to whoever said it, and costs the answer nothing."""
    with server.connect() as client:
        response = client.get("/bad-hints?hints=" + quote(hints))
        assert (response.status, response.interim) == (200, [])
        assert re.match("(TypeError|ValueError) .", response.text), response.text
        assert client.get("/hello").body == b"hello"


def test_processes_are_not_piling_up(server):
    wait_until(lambda: len(server.workers()) == 1, lambda: f"one worker: {server.workers()}")
