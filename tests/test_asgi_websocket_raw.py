"""WebSockets on the wire: handshakes that are none, frames that are forbidden, and what the server's own frames look like."""

import json

import pytest

from client import plain_request
from deadline import let_pass
from websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    close_frame,
    expect_close,
    frame,
    open_handshake,
    opened,
    read_close,
    read_frame,
)


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_sockets:application")


# The opening handshake, RFC 6455, section 4.2.1


HANDSHAKES = [
    {"Connection": "keep-alive, Upgrade"},
    {"Connection": "upgrade"},
    {"Upgrade": "WebSocket"},
    {"Upgrade": "WEBSOCKET"},
]


@pytest.mark.parametrize("changes", HANDSHAKES)
def test_good_handshakes(server, changes):
    with server.connect() as client:
        opened(client, **changes)
        client.send(frame(TEXT, b"hello"))
        assert read_frame(client) == (TEXT, b"hello", True)


BAD_HANDSHAKES = [
    ({"Sec-WebSocket-Key": None}, {400}),
    ({"Sec-WebSocket-Key": ""}, {400}),
    ({"Sec-WebSocket-Key": "short"}, {400}),
    ({"Sec-WebSocket-Key": "c" * 24}, {400}),
    ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"}, {400}),
    ({"Sec-WebSocket-Version": None}, {400, 426}),
    ({"Sec-WebSocket-Version": "8"}, {426}),
    ({"Sec-WebSocket-Version": "14"}, {426}),
    ({"Sec-WebSocket-Version": "thirteen"}, {400, 426}),
]


@pytest.mark.parametrize("changes, statuses", BAD_HANDSHAKES)
def test_bad_handshakes(server, changes, statuses):
    with server.connect() as client:
        response = open_handshake(client, **changes)
        assert response.status in statuses
        if response.status == 426:
            assert response.header("Sec-WebSocket-Version") == "13"
    assert server.get("/hello").body == b"hello"


def test_two_keys(server):
    with server.connect() as client:
        assert open_handshake(client, headers=[("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]).status == 400


def test_a_handshake_is_a_get(server):
    with server.connect() as client:
        client.request("/echo", "POST", list(HANDSHAKE.items()))
        assert client.head().status in (400, 405)


def test_an_upgrade_to_something_else_is_ignored(server):
    with server.connect() as client:
        response = client.get("/kind", headers=[("Connection", "Upgrade"), ("Upgrade", "h2c")])
        assert json.loads(response.body)[0] == "http"


@pytest.mark.parametrize("headers", [[("Upgrade", "websocket")], [("Connection", "Upgrade")]])
def test_half_an_upgrade_is_none(server, headers):
    with server.connect() as client:
        response = client.get("/kind", headers=headers)
        assert response.status in (200, 400)
        if response.status == 200:
            assert json.loads(response.body)[0] == "http"


def test_http_1_0_has_no_upgrades(server):
    with server.connect() as client:
        client.request("/kind", headers=list(HANDSHAKE.items()), version="1.0")
        assert client.head().status in (200, 400, 426)


def test_frames_right_behind_the_handshake(server):
    """A client may not wait; nothing is lost."""
    with server.connect() as client:
        client.send(plain_request("/echo", headers=list(HANDSHAKE.items())) + frame(TEXT, b"early") + frame(PING, b"p"))
        assert client.head().status == 101
        assert sorted([read_frame(client)[:2], read_frame(client)[:2]]) == [(TEXT, b"early"), (PONG, b"p")]


def test_a_websocket_on_a_kept_connection(server):
    with server.connect() as client:
        assert client.get("/hello").body == b"hello"
        opened(client)
        client.send(frame(TEXT, b"hello"))
        assert read_frame(client)[1] == b"hello"


def test_a_request_on_a_connection_that_was_refused(server):
    with server.connect() as client:
        response = open_handshake(client, "/refusing")
        assert response.status == 403
        client.read_body(response)
        if response.header("Connection") != "close":
            assert client.get("/hello").body == b"hello"


OFFERS = [
    # Offer, whether it is taken.
    ("permessage-deflate", True),
    ("permessage-deflate; client_max_window_bits", True),
    ("permessage-deflate; server_max_window_bits=10", True),
    ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
    ("permessage-deflate; nonsense=1", False),
    ("permessage-deflate; server_max_window_bits=99", False),
    ("permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", False),
    ("x-webkit-deflate-frame", False),
    ("permessage-deflate; nonsense, permessage-deflate", True),
]


@pytest.mark.parametrize("offer, taken", OFFERS)
def test_offers_of_compression(server, offer, taken):
    with server.connect() as client:
        response = opened(client, headers=[("Sec-WebSocket-Extensions", offer)])
        answer = response.header("Sec-WebSocket-Extensions")
        assert (answer is not None) == taken, answer
        if taken:
            assert answer.split(";")[0] == "permessage-deflate" and "nonsense" not in answer
            if "server_max_window_bits=10" in offer:
                assert "server_max_window_bits=10" in answer


# Frames

FORBIDDEN = [
    ("not masked", frame(TEXT, b"hello", masked=False), 1002),
    ("reserved bit 1", frame(TEXT, b"hello", rsv=4), 1002),
    ("reserved bit 2", frame(TEXT, b"hello", rsv=2), 1002),
    ("reserved bit 3", frame(TEXT, b"hello", rsv=1), 1002),
    ("opcode 3", frame(3, b"hello"), 1002),
    ("opcode 7", frame(7), 1002),
    ("opcode 11", frame(11), 1002),
    ("opcode 15", frame(15), 1002),
    ("ping in fragments", frame(PING, b"a", fin=False), 1002),
    ("ping too long", frame(PING, b"a" * 126), 1002),
    ("close too long", frame(CLOSE, b"\x03\xe8" + b"a" * 124), 1002),
    ("close of one byte", frame(CLOSE, b"\x03"), 1002),
    ("close with code 999", close_frame(999), 1002),
    ("close with code 1005", close_frame(1005), 1002),
    ("close with code 1006", close_frame(1006), 1002),
    ("close with code 1015", close_frame(1015), 1002),
    ("close with code 5000", close_frame(5000), 1002),
    ("close with a reason that is no text", close_frame(1000, b"\xff"), 1007),
    ("continuation of nothing", frame(CONTINUATION, b"a"), 1002),
    ("text within a message", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    ("text that is no text", frame(TEXT, b"caf\xe9"), 1007),
    ("text that ends in a character", frame(TEXT, b"caf\xc3"), 1007),
    ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007),
    ("text that is none in its first fragment", frame(TEXT, b"\xff", fin=False), 1007),
    ("length with its first bit", bytes([0x82, 0xFF]) + b"\xff" * 8 + b"mask", 1002),
]


@pytest.mark.parametrize("name, data, code", FORBIDDEN, ids=[name for name, _, _ in FORBIDDEN])
def test_forbidden_frames(server, name, data, code):
    """The close has the code, and the application hears of it."""
    key = server.key()
    with server.connect() as client:
        opened(client, f"/events?key={key}")
        server.wait_notes(key)
        client.send(data)
        expect_close(client, code)
    event = json.loads(server.wait_notes(key, 3)[1])
    assert event["type"] == "websocket.disconnect"
    assert event["code"] in (code, 1006)
    assert server.get("/hello").body == b"hello"


LENGTHS = [(b"\xfe\x00\x05", "16 bits"), (b"\xff" + b"\x00" * 7 + b"\x05", "64 bits")]


@pytest.mark.parametrize("length", [length for length, _ in LENGTHS], ids=[name for _, name in LENGTHS])
def test_lengths_that_could_be_shorter(server, length):
    """RFC 6455, section 5.2: "the minimal number of bytes MUST be used"."""
    with server.connect() as client:
        opened(client)
        client.send(b"\x81" + length + b"\x00\x00\x00\x00hello")
        expect_close(client, 1002)


def test_frames_in_single_bytes(server):
    with server.connect() as client:
        opened(client)
        for byte in frame(TEXT, "h\xe9llo".encode(), fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"!"):
            client.send(bytes([byte]))
        assert read_frame(client) == (PONG, b"p", True)
        assert read_frame(client)[1] == "h\xe9llo!".encode()


def test_many_frames_in_one_write(server):
    with server.connect() as client:
        opened(client)
        client.send(b"".join(frame(BINARY, b"%d" % number) for number in range(1000)))
        for number in range(1000):
            assert read_frame(client) == (BINARY, b"%d" % number, True)


def test_a_pong_that_nobody_asked_for(server):
    with server.connect() as client:
        opened(client)
        client.send(frame(PONG, b"unasked") + frame(TEXT, b"hello"))
        assert read_frame(client)[1] == b"hello"


def test_fragments_that_are_empty(server):
    with server.connect() as client:
        opened(client)
        client.send(frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION))
        assert read_frame(client) == (TEXT, b"", True)


# Closing


@pytest.mark.parametrize("code, seen", [(None, 1005), (1000, 1000), (4000, 4000)])
def test_a_close_is_answered_with_its_code(server, code, seen):
    key = server.key()
    with server.connect() as client:
        opened(client, f"/events?key={key}")
        client.send(close_frame(code))
        assert read_close(client)[0] in ({code, 1000} if code is None else {code})
        client.expect_end()
    assert json.loads(server.wait_notes(key, 3)[1])["code"] == seen


def test_messages_before_a_close_reach_the_application(server):
    key = server.key()
    with server.connect() as client:
        opened(client, f"/events?key={key}")
        client.send(frame(TEXT, b"one") + frame(TEXT, b"two") + close_frame(1000))
        read_close(client)
        client.expect_end()
    notes = server.wait_notes(key, 5)
    assert [json.loads(note).get("text") for note in notes[1:3]] == ["one", "two"]


def test_what_comes_after_a_close_is_ignored(server):
    key = server.key()
    with server.connect() as client:
        opened(client, f"/events?key={key}")
        client.send(close_frame(1000) + frame(TEXT, b"late"))
        assert read_close(client)[0] == 1000
        client.rest()
    notes = server.wait_notes(key, 3)
    assert json.loads(notes[1])["type"] == "websocket.disconnect"


def test_data_on_its_way_when_the_application_closes(server):
    """Frames that crossed the server's close are read and dropped until the client's comes."""
    with server.connect() as client:
        opened(client, "/closing?code=4000&after=1")
        client.send(frame(TEXT, b"go"))
        assert read_close(client)[0] == 4000
        client.send(frame(TEXT, b"crossed") * 100 + close_frame(4000))
        client.expect_end()


def test_a_client_that_never_answers_a_close(server):
    with server.connect() as client:
        opened(client, "/closing")
        assert read_close(client)[0] == 1000
        client.expect_end()


# Pings


def test_a_client_that_answers_no_ping_is_closed(serve):
    """With 1011, and the application is told."""
    server = serve("asgi_sockets:application", websocket_ping_interval=0.5, websocket_ping_timeout=0.5)
    key = server.key()
    with server.connect() as client:
        opened(client, f"/events?key={key}")
        opcode, _, _ = read_frame(client)
        assert opcode == PING
        while (opcode := read_frame(client)[0]) == PING:
            continue
        assert opcode == CLOSE
    event = json.loads(server.wait_notes(key, 2)[1])
    assert (event["type"], event["code"]) == ("websocket.disconnect", 1011)


def test_without_an_interval_there_are_no_pings(serve):
    server = serve("asgi_sockets:application", websocket_ping_interval=0)
    with server.connect() as client:
        opened(client)
        let_pass(1.5)
        client.send(frame(TEXT, b"hello"))
        assert read_frame(client) == (TEXT, b"hello", True)
