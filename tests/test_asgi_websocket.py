"""WebSockets with an ordinary client: opening, messages, closing both ways, limits, back-pressure, stops and dead workers."""

import ast
import contextlib
import json
import os
import random
import signal
import time
from urllib.parse import quote

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

import processes
from client import Client
from deadline import let_pass, wait_until
from server import APPS
from websocket_frames import BINARY, HANDSHAKE, TEXT, frame, opened, read_close, read_frame

SECONDS = 15
IN_FLIGHT_BYTES = 24 << 20
HELD_BYTES = 16 << 20


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_sockets:application")


def connect(server, target="/echo", **options):
    """A WebSocket that is open; without compression and pings of its own unless asked for."""
    options = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None, **options}
    return websockets.sync.client.connect(f"ws://127.0.0.1:{server.port}{target}", open_timeout=SECONDS, **options)


def closed(websocket):
    """The close code and reason that the server sent, once it did; None when the connection was just cut."""
    try:
        while True:
            websocket.recv(SECONDS)
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason) if end.rcvd else None


def refused(server, target, **options):
    """The answer to a handshake that was refused."""
    with pytest.raises(InvalidStatus) as fault:
        connect(server, target, **options)
    return fault.value.response


def steady(value, seconds=0.5):
    """The value when it has not changed for so long."""
    last, since = value(), time.monotonic()

    def unchanged():
        nonlocal last, since
        found = value()
        if found != last:
            last, since = found, time.monotonic()
        return time.monotonic() - since > seconds

    wait_until(unchanged, lambda: f"a value that stays: {last}")
    return last


def resident(server):
    return sum(processes.resident_bytes(pid) for pid in server.processes())


# Opening


def test_accept_with_subprotocol_and_headers(server):
    with connect(server, "/accepting?protocol=chat", subprotocols=["superchat", "chat"]) as websocket:
        assert websocket.subprotocol == "chat"
        assert websocket.response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert websocket.response.headers["X-One"] == "1"
        assert websocket.recv(SECONDS) == "accepted"
        assert closed(websocket) == (1000, "")


def test_accept_without_subprotocol(server):
    with connect(server, "/accepting", subprotocols=["chat"]) as websocket:
        assert websocket.subprotocol is None
        assert websocket.recv(SECONDS) == "accepted"


def test_a_handshake_waits_for_the_application(server):
    key = server.key()
    with server.connect() as client:
        client.request(
            f"/slow-accept?gate={key}", headers=list(HANDSHAKE.items())
        )
        server.wait_notes(key)
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.head()
        client.socket.settimeout(SECONDS)
        server.open_gate(key)
        assert client.head().status == 101


@pytest.mark.parametrize("target", ["/refusing", "/nowhere"])
def test_refused(server, target):
    assert refused(server, target).status_code == 403


def test_receive_after_a_refusal(server):
    key = server.key()
    assert refused(server, f"/refusing?key={key}").status_code == 403
    assert json.loads(server.wait_notes(key)[0])["type"] == "websocket.disconnect"


def test_denied_with_an_answer_of_its_own(server):
    response = refused(server, "/denying")
    assert (response.status_code, response.body) == (401, b"who are you?")
    assert response.headers["WWW-Authenticate"] == "Basic"


# Messages

SIZES = [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 5 << 20]


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", SIZES)
def test_messages(server, size, compression):
    text = ("h\xe9llo \u2713 \U0001f40e " * (size // 8 + 1))[:size]
    data = random.Random(size).randbytes(size)
    with connect(server, compression=compression) as websocket:
        for message in (text, data, text):
            websocket.send(message)
            assert websocket.recv(SECONDS) == message


def test_compression_is_negotiated(server):
    with connect(server, compression="deflate") as websocket:
        assert "permessage-deflate" in websocket.response.headers["Sec-WebSocket-Extensions"]
    with connect(server) as websocket:
        assert "Sec-WebSocket-Extensions" not in websocket.response.headers


def test_compression_that_is_off(serve):
    server = serve("asgi_sockets:application", **{"websocket_compression=false": True})
    with connect(server, compression="deflate") as websocket:
        assert "Sec-WebSocket-Extensions" not in websocket.response.headers
        websocket.send("x" * 1000)
        assert websocket.recv(SECONDS) == "x" * 1000


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_fragments(server, compression):
    with connect(server, compression=compression) as websocket:
        websocket.send(["one ", "", "two ", "\u2713"])
        assert websocket.recv(SECONDS) == "one two \u2713"
        websocket.send([b"a" * 100_000, b"b" * 100_000])
        assert websocket.recv(SECONDS) == b"a" * 100_000 + b"b" * 100_000


def test_what_the_application_is_given(server):
    with connect(server, "/shapes") as websocket:
        for message, said in [("", "str 0"), ("h\xe9", "str 2"), (b"", "bytes 0"), (b"\xff\x00", "bytes 2")]:
            websocket.send(message)
            assert websocket.recv(SECONDS) == said


def test_many_messages_in_order(server):
    with connect(server) as websocket:
        for first in range(0, 3000, 100):
            for number in range(first, first + 100):
                websocket.send(str(number))
            assert [websocket.recv(SECONDS) for _ in range(100)] == [str(n) for n in range(first, first + 100)]


def test_sending_and_receiving_at_once(server):
    with connect(server, "/at-once") as websocket:
        for number in range(50):
            websocket.send(str(number))
            while (message := websocket.recv(SECONDS)) == "tick":
                continue
            assert message == f"echo {number}"


def test_many_at_once(server):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server)) for _ in range(100)]
        for number, websocket in enumerate(sockets):
            websocket.send(str(number))
        for number, websocket in enumerate(sockets):
            assert websocket.recv(SECONDS) == str(number)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_message_that_is_too_big(serve, compression):
    """What counts is its size when it is unpacked."""
    server = serve("asgi_sockets:application", websocket_max_size=10_000)
    key = server.key()
    with connect(server, f"/echo?key={key}", compression=compression) as websocket:
        websocket.send("x" * 10_000)
        assert len(websocket.recv(SECONDS)) == 10_000
        websocket.send("x" * 10_001)
        assert closed(websocket)[0] == 1009
    event = json.loads(server.wait_notes(key)[0])
    assert (event["type"], event["code"]) == ("websocket.disconnect", 1009)


def test_a_message_of_fragments_that_is_too_big(serve):
    server = serve("asgi_sockets:application", websocket_max_size=10_000)
    with connect(server) as websocket:
        with pytest.raises(ConnectionClosed) as end:
            websocket.send("x" * 1000 for _ in range(100_000))
        websocket.close()
        assert end.value.rcvd is None or end.value.rcvd.code == 1009
        assert websocket.close_code in (1009, 1006)


# Pings


def test_a_ping_is_answered(server):
    with connect(server) as websocket:
        for _ in range(3):
            assert websocket.ping().wait(SECONDS)
        assert websocket.ping(b"x" * 125).wait(SECONDS)
        websocket.send("still there")
        assert websocket.recv(SECONDS) == "still there"


def test_a_client_that_answers_pings_stays(serve):
    server = serve("asgi_sockets:application", websocket_ping_interval=0.2, websocket_ping_timeout=5)
    with connect(server) as websocket:
        with pytest.raises(TimeoutError):
            websocket.recv(8)
        websocket.send("still there")
        assert websocket.recv(SECONDS) == "still there"


# Closing


@pytest.mark.parametrize(
    "query, code, reason",
    [
        ("", 1000, ""),
        ("code=1000", 1000, ""),
        ("code=1001&reason=away", 1001, "away"),
        ("code=1011&reason=h%C3%A9", 1011, "h\xe9"),
        ("code=3000", 3000, ""),
        ("code=4000&reason=mine", 4000, "mine"),
        ("code=4999&reason=" + "r" * 123, 4999, "r" * 123),
    ],
)
def test_the_application_closes(server, query, code, reason):
    with connect(server, "/closing?" + query) as websocket:
        assert closed(websocket) == (code, reason)


def test_a_reason_that_is_too_long(server):
    """123 bytes have room. It is cut at a character, or refused; never sent as it is."""
    with connect(server, "/closing?code=4000&reason=" + quote("\u2713" * 50)) as websocket:
        found = closed(websocket)
    assert found is not None
    code, reason = found
    assert code == 1011 or (code == 4000 and reason == "\u2713" * (len(reason)) and len(reason) <= 41)
    server.log.claim("/closing")


def test_sending_after_a_close_of_its_own(server):
    key = server.key()
    with connect(server, f"/closing?code=4001&key={key}") as websocket:
        assert closed(websocket) == (4001, "")
    raised, event = server.wait_notes(key, 2)
    assert raised.startswith("raised ")
    assert json.loads(event)["type"] == "websocket.disconnect"


@pytest.mark.parametrize("code, reason, seen", [(1000, "", 1000), (4000, "bye", 4000), (1001, "", 1001), (3999, "h\xe9", 3999)])
def test_the_client_closes(server, code, reason, seen):
    key = server.key()
    with connect(server, f"/events?key={key}") as websocket:
        websocket.send("text")
        websocket.send(b"bytes")
        websocket.close(code, reason)
    accepted, text, data, end, late = server.wait_notes(key, 5)
    assert accepted == "accepted"
    assert {k: v for k, v in json.loads(text).items() if v is not None} == {"type": "websocket.receive", "text": "text"}
    assert {k: v for k, v in json.loads(data).items() if v is not None} == {"type": "websocket.receive", "bytes": 5}
    event = json.loads(end)
    assert (event["type"], event["code"]) == ("websocket.disconnect", seen)
    assert (event.get("reason") or "") == reason
    assert late == "OSError"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_vanishes(server, how):
    key = server.key()
    client = server.connect()
    opened(client, f"/events?key={key}")
    server.wait_notes(key)
    client.reset() if how == "reset" else client.close()
    _, end, late = server.wait_notes(key, 3)
    assert json.loads(end)["code"] == 1006
    assert late == "OSError"


@pytest.mark.parametrize("where, code", [("before", 403), ("after", 1000)])
def test_returning_without_a_close(server, where, code):
    """Before it accepted this is no answer at all; after, an ordinary end."""
    if where == "before":
        assert refused(server, "/returning?where=before").status_code in (403, 500)
        server.log.claim("/returning")
    else:
        with connect(server, "/returning?where=after") as websocket:
            assert websocket.recv(SECONDS) == "last"
            assert closed(websocket) == (code, "")


def test_raising_before_it_is_accepted(server):
    response = refused(server, "/raising?where=before")
    assert response.status_code == 500
    assert b"Traceback" not in response.body
    server.log.expect("", level="ERROR", detail="ValueError: before it is accepted")


def test_raising_after_it_is_accepted(server):
    with connect(server, "/raising?where=after") as websocket:
        assert websocket.recv(SECONDS) == "last"
        assert closed(websocket)[0] == 1011
    server.log.expect("", level="ERROR", detail="ValueError: after it is accepted")


def faults():
    """The keys of a table of apps/asgi_sockets.py, which only runs in a worker."""
    for node in ast.parse((APPS / "asgi_sockets.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "FAULTS":
            return [key.value for key in node.value.keys]
    raise KeyError("FAULTS")


@pytest.mark.parametrize("fault", faults())
def test_what_is_forbidden(server, fault):
    """It raises where it is done; the client sees a refusal, or 1011."""
    key = server.key()
    try:
        with connect(server, f"/faulty?key={key}&fault=" + quote(fault)) as websocket:
            assert closed(websocket) in [(1011, ""), None] or websocket.close_code == 1011
    except InvalidStatus as refusal:
        assert refusal.response.status_code in (500, 401)
        assert "x-forged" not in refusal.response.headers
    except websockets.exceptions.InvalidMessage:
        assert fault == "accept after denial", "the answer had begun, and was cut"
    (note,) = server.wait_notes(key)
    assert note.startswith("raised ")
    server.log.expect("", level="ERROR", detail=r"in faulty\b")
    assert server.get("/hello").body == b"hello"


# Being slower


def test_a_client_that_does_not_read_holds_up_send(server):
    key, before = server.key(), resident(server)
    with server.connect(receive_buffer=65_536) as client:
        opened(client, f"/pour?key={key}&count=1600")
        sent = steady(lambda: len(server.notes(key))) * 65_536
        assert sent < IN_FLIGHT_BYTES
        assert resident(server) - before < HELD_BYTES
        assert server.get("/hello").body == b"hello", "the loop goes on"
        for _ in range(1600):
            size, final = 0, False
            while not final:
                _, payload, final = read_frame(client)
                size += len(payload)
            assert size == 65_536


def test_an_application_that_does_not_receive_holds_up_its_client(server):
    key, before = server.key(), resident(server)
    message, count = frame(BINARY, b"z" * 65_536), 1600
    with server.connect() as client:
        opened(client, f"/gated-read?gate={key}")
        server.wait_notes(key)
        client.socket.settimeout(0.5)
        stream = memoryview(message * count)
        at = 0
        with pytest.raises(TimeoutError):
            while True:
                at += client.socket.send(stream[at : at + 65_536])
        assert at < IN_FLIGHT_BYTES
        assert resident(server) - before < HELD_BYTES
        assert server.get("/hello").body == b"hello", "the loop goes on"
        server.open_gate(key)
        client.socket.settimeout(SECONDS)
        client.socket.sendall(stream[at:])
        client.send(frame(TEXT, b"end"))
        assert read_frame(client)[1] == str(65_536 * count).encode()


# Stops, dead workers


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_closes_with_1012(serve, workers):
    """Clients are told to come back, applications that it is over; nobody waits for graceful_timeout."""
    server = serve("asgi_sockets:application", workers=workers, graceful_timeout=20)
    keys = [server.key() for _ in range(6)]
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server, f"/events?key={key}")) for key in keys]
        for key in keys:
            server.wait_notes(key)
        start = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert [closed(websocket)[0] for websocket in sockets] == [1012] * 6
    for key in keys:
        event = json.loads(server.wait_notes(key, 2)[1])
        assert (event["type"], event["code"]) == ("websocket.disconnect", 1012)
    server.assert_ended(0)
    assert time.monotonic() - start < 12


def test_a_stop_with_clients_that_do_not_answer(serve):
    """A closing handshake has a time limit."""
    server = serve("asgi_sockets:application", graceful_timeout=20)
    client = server.connect()
    opened(client)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert read_close(client)[0] == 1012
    server.process.wait(15)
    assert time.monotonic() - start < 12
    server.assert_ended(0)


def test_a_killed_worker_closes_its_websockets_with_1011(serve):
    """Those of others are not concerned, and the connections of the dead one end as connections should."""
    server = serve("asgi_sockets:application", workers=2)
    by_worker = {}
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            websocket = stack.enter_context(connect(server, "/pid"))
            by_worker.setdefault(int(websocket.recv(SECONDS)), []).append(websocket)
        assert len(by_worker) == 2, "both were given some"
        (dead, lost), (_, kept) = by_worker.items()
        os.kill(dead, signal.SIGKILL)
        assert [closed(websocket)[0] for websocket in lost] == [1011] * len(lost)
        for websocket in kept:
            websocket.send("there?")
            assert websocket.recv(SECONDS) == "there?"
        server.log.expect(f"worker.*{dead}")
        server.wait_workers(2)
    with connect(server) as websocket:
        websocket.send("again")
        assert websocket.recv(SECONDS) == "again"
    server.log.claim("worker|lost")


def test_a_worker_killed_during_a_handshake(serve):
    """It is an idempotent request that was lost with its worker: healed, or refused with 502."""
    server = serve("asgi_sockets:application", workers=2)
    key = server.key()
    with server.connect() as client:
        client.request(f"/slow-accept?gate={key}", headers=list(HANDSHAKE.items()))
        server.wait_notes(key)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        server.open_gate(key)
        assert client.head().status in (101, 502)
    server.wait_workers(2)
    server.log.claim("worker|lost|502|slow-accept|dying")


def test_the_time_limit_of_requests_is_not_that_of_websockets(serve):
    server = serve("asgi_sockets:application", timeout=3)
    with connect(server) as websocket:
        let_pass(8)
        websocket.send("still there")
        assert websocket.recv(SECONDS) == "still there"


def test_a_handshake_past_the_time_limit_is_504(serve):
    server = serve("asgi_sockets:application", timeout=1)
    key = server.key()
    assert refused(server, f"/slow-accept?gate={key}").status_code == 504
    server.log.claim("slow-accept|timeout")


# How many


def test_quiet_websockets_take_no_room_from_requests(serve, tmp_path):
    """They were counted with the requests: with as many open as limit_concurrency said, every request got 503."""
    server = serve("asgi_sockets:application", limit_concurrency=3, limit_websockets=3, metrics_bind=f"unix:{tmp_path}/m")
    with connect(server) as first, connect(server) as second:
        with connect(server):
            response = refused(server, "/echo")
            assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
            assert b"limit_websockets" in response.body
            with Client(f"{tmp_path}/m") as client:
                told = client.get("/metrics").text.splitlines()
            assert {"hostler_websockets 3", "hostler_websockets_limit 3", "hostler_requests_limit 3"} <= set(told)
            for _ in range(3):
                assert server.get("/hello").status == 200

        def has_room():
            try:
                with connect(server) as third:
                    third.send("third")
                    return third.recv(SECONDS)
            except InvalidStatus:
                return None

        assert wait_until(has_room, "room for another WebSocket") == "third"
        for websocket in (first, second):
            websocket.send("still there")
            assert websocket.recv(SECONDS) == "still there"


def test_requests_take_no_room_from_websockets(serve):
    server = serve("asgi_sockets:application", limit_concurrency=1, limit_websockets=1)
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated?gate={key}")
        server.wait_notes(key)
        assert server.get("/hello").status == 503
        with connect(server) as websocket:
            websocket.send("a")
            assert websocket.recv(SECONDS) == "a"
        server.open_gate(key)
        assert client.response().status == 200


# WSGI


def test_a_wsgi_application_is_asked_as_if_nothing_was_said_of_websockets(serve):
    server = serve("plain:application")
    response = refused(server, "/path")
    assert response.status_code == 200
    assert response.body == b"/path?"
