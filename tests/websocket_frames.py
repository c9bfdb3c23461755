"""WebSocket on a raw socket: sends exactly the frames it is given, and reads what comes strictly (RFC 6455)."""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(b"the sample nonce").decode()
ACCEPT = base64.b64encode(hashlib.sha1(KEY.encode() + GUID).digest()).decode()
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """The bytes of a client's frame; `length` is what its head says, when that is not true."""
    length = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mark = 0x80 if masked else 0
    if length < 126:
        head += bytes([mark | length])
    elif length < 1 << 16:
        head += bytes([mark | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def close_frame(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def open_handshake(client, target="/echo", headers=(), **changes):
    """Sends the opening handshake, with fields changed or (None) left out; returns the head of the answer."""
    fields = HANDSHAKE | {name.replace("_", "-"): value for name, value in changes.items()}
    client.request(target, headers=[*((name, value) for name, value in fields.items() if value is not None), *headers])
    return client.head()


def opened(client, target="/echo", **options):
    """An open WebSocket."""
    response = open_handshake(client, target, **options)
    assert response.status == 101, response
    assert response.header("Sec-WebSocket-Accept") == ACCEPT
    assert response.header("Upgrade").lower() == "websocket"
    assert "upgrade" in response.header("Connection").lower()
    return response


def read_frame(client):
    """The next frame of the server: opcode, payload, whether it is final."""
    first, second = client.exactly(2)
    assert not first & 0x70, "no extension was agreed on"
    assert not second & 0x80, "servers do not mask"
    length = second
    if length == 126:
        (length,) = struct.unpack("!H", client.exactly(2))
        assert length > 125, "the shortest form"
    elif length == 127:
        (length,) = struct.unpack("!Q", client.exactly(8))
        assert length > 0xFFFF, "the shortest form"
    opcode = first & 0x0F
    assert opcode < 8 or (length <= 125 and first & 0x80), "control frames are short and whole"
    return opcode, client.exactly(length), bool(first & 0x80)


def read_close(client):
    """The code (None when it has none) and the reason of the close frame that comes next."""
    opcode, payload, _ = read_frame(client)
    assert opcode == CLOSE, (opcode, payload[:50])
    return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (None, "")


def expect_close(client, code):
    """The server closes with this code; answered, it ends the connection."""
    found, _ = read_close(client)
    assert found == code
    client.send(close_frame(code))
    client.expect_end()
