"""Limits and time limits: each is met by its own answer, and others are served meanwhile."""

import time

import pytest

import processes
from client import Cut, plain_request
from deadline import let_pass

LINE, FIELDS, FIELD, BODY = 300, 10, 400, 10_000
# Seconds: more than such a machine stands still.
PATIENT = 4
# A limit is that in time, and none of the others, which are not met before or have another answer.
AT_MOST = 12


@pytest.fixture(scope="module")
def limited(serve_module):
    return serve_module(
        "plain:application",
        limit_request_line=LINE,
        limit_request_fields=FIELDS,
        limit_request_field_size=FIELD,
        limit_request_body=BODY,
    )


@pytest.fixture(scope="module")
def timed(serve_module):
    """Every time limit is short, and tells itself from the others."""
    return serve_module(
        "plain:application",
        workers=1,
        threads=4,
        keep_alive=1,
        header_timeout=1.5,
        body_timeout=1,
        send_timeout=1,
    )


@pytest.fixture(scope="module")
def patient(serve_module):
    """Limits that are kept by who goes on, also on a machine that stands still for a moment."""
    return serve_module("plain:application", workers=1, threads=4, body_timeout=PATIENT, send_timeout=PATIENT)


def line_target(length):
    """A target that makes the request line, without its line end, this long."""
    return "/path?" + "x" * (length - len("GET /path? HTTP/1.1"))


def assert_refused(client, status):
    response = client.response()
    assert response.status == status
    assert response.header("Connection") == "close"
    client.expect_end()


def test_request_line(limited):
    with limited.connect() as client:
        assert client.get(line_target(LINE)).status == 200
        client.request(line_target(LINE + 3))
        assert_refused(client, 414)


def test_a_request_line_without_end(limited):
    with limited.connect() as client:
        client.send(b"GET /" + b"x" * 100_000)
        assert_refused(client, 414)


def test_number_of_fields(limited):
    with limited.connect() as client:
        assert client.get("/hello", headers=[(f"X-{n}", "1") for n in range(FIELDS - 1)]).status == 200
        client.request("/hello", headers=[(f"X-{n}", "1") for n in range(FIELDS)])
        assert_refused(client, 431)


def test_field_size(limited):
    with limited.connect() as client:
        assert client.get("/hello", headers=[("X-A", "x" * (FIELD - 10))]).status == 200
        client.request("/hello", headers=[("X-A", "x" * FIELD)])
        assert_refused(client, 431)


def test_a_field_without_end(limited):
    with limited.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * 100_000)
        assert_refused(client, 431)


def test_the_defaults_are_gunicorns(serve):
    server = serve("plain:application")
    with server.connect() as client:
        assert client.get(line_target(4094)).status == 200
        fields = [(f"X-{n}", "x" * 8000) for n in range(3)] + [(f"X-{n}", "1") for n in range(3, 98)]
        assert client.get("/hello", headers=fields).status == 200
        client.request(line_target(4100))
        assert_refused(client, 414)


def test_body_with_length(limited):
    with limited.connect() as client:
        assert len(client.get("/read", method="POST", body=b"x" * BODY).body) == BODY
        key = limited.key()
        client.request(f"/read?key={key}", "POST", [("Content-Length", str(BODY + 1))])
        assert_refused(client, 413)
    assert limited.notes(key) == []


def test_chunked_body(limited):
    with limited.connect() as client:
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        response = client.get(
            "/read", method="POST", headers=[("Transfer-Encoding", "chunked")], body=chunk * 2 + b"0\r\n\r\n"
        )
        assert len(response.body) == 8192
        key = limited.key()
        client.request(f"/read?key={key}", "POST", [("Transfer-Encoding", "chunked")], chunk * 3)
        assert_refused(client, 413)
    assert not [line for line in limited.notes(key) if line.startswith("read")]
    limited.log.claim("/read")


def test_a_client_that_sends_on_still_gets_its_413(limited):
    """Closing at once would make the kernel reset the connection, and the answer would be lost."""
    with limited.connect() as client:
        client.send(plain_request("/read", "POST", [("Content-Length", "3000000")]))
        try:
            client.send(b"x" * 3_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.response().status == 413


# Time


def seconds_until(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_an_idle_connection_is_closed_without_a_word(timed):
    with timed.connect() as client:

        def ask_and_wait():
            client.get("/hello")
            client.expect_end()

        assert 0.8 < seconds_until(ask_and_wait) < AT_MOST


def test_a_slow_head_is_408(timed):
    def ask_and_wait():
        with timed.connect() as client:
            client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
            assert_refused(client, 408)

    assert 1.2 < seconds_until(ask_and_wait) < AT_MOST


def test_a_head_that_trickles_is_408(timed):
    """Each byte is in time; the whole is not."""
    data = plain_request("/hello", headers=[("X-Long", "x" * 1000)])
    start = time.monotonic()
    with timed.connect() as client:
        client.socket.settimeout(0.1)
        for byte in data:
            try:
                client.send(bytes([byte]))
                first = client._receive()
            except TimeoutError:
                continue
            except OSError:
                break
            client.buffer = first
            break
        assert 1.2 < time.monotonic() - start < AT_MOST
        client.socket.settimeout(15)
        assert_refused(client, 408)


def test_a_slow_second_head_is_408(timed):
    with timed.connect() as client:
        client.get("/hello")
        client.send(b"GET /hello HTTP/1.1\r\n")
        assert_refused(client, 408)


def test_a_body_that_stalls_raises_and_is_408(timed):
    key = timed.key()
    with timed.connect() as client:

        def ask_and_wait():
            client.request(f"/read?key={key}", "POST", [("Content-Length", "100")], b"some")
            assert_refused(client, 408)

        assert 0.7 < seconds_until(ask_and_wait) < AT_MOST
    assert timed.wait_notes(key, 2) == ["started", "raised"]
    timed.log.claim("/read")


def test_a_slow_but_steady_body_is_read(patient):
    """The limit is on the silence, not on the whole."""
    with patient.connect() as client:
        client.request("/read", "POST", [("Content-Length", "8")])
        for byte in b"steadily":
            client.send(bytes([byte]))
            let_pass(1.2 * PATIENT / 8)
        assert client.response().body == b"steadily"


def test_a_client_that_does_not_read_is_cut_while_others_go_on(patient):
    key = patient.key()
    client = patient.connect(receive_buffer=4096)
    client.request(f"/pour?mib=64&key={key}")
    start = time.monotonic()
    answers = 0
    while not patient.notes(key):
        begin = time.monotonic()
        assert patient.get("/hello").body == b"hello"
        assert time.monotonic() - begin < 0.9 * PATIENT, "it waited for the other client"
        answers += 1
        assert time.monotonic() - start < 30, "the client is still waited for"
    assert answers > 1
    with pytest.raises(Cut):
        client.response()
    patient.log.claim("send_timeout|pour|took nothing|not read")


def test_a_client_that_reads_slowly_gets_everything(patient):
    """Slower than the server, but never silent for as long as send_timeout."""
    with patient.connect(receive_buffer=65_536) as client:
        client.request("/pour?mib=4")
        client.head()
        total = 0
        while (block := client.chunk()) is not None:
            total += len(block)
            if total < 1 << 20:
                let_pass(0.02)
        assert total == 4 << 20


def test_memory_is_bounded_when_a_client_does_not_read(serve):
    server = serve("plain:application", send_timeout=30, threads=1)

    def resident():
        return sum(map(processes.resident_bytes, server.processes()))

    server.get("/hello")
    before = resident()
    client = server.connect(receive_buffer=4096)
    client.request("/pour?mib=200")
    client.head()
    client.chunk()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert resident() - before < 24 << 20
    client.reset()
    assert server.get("/hello").body == b"hello"


def test_a_keep_alive_of_zero_closes_after_each_answer(serve):
    server = serve("plain:application", keep_alive=0)
    with server.connect() as client:
        assert client.get("/hello").header("Connection") == "close"
        client.expect_end()
