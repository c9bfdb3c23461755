"""An HTTP/1.1 client on a raw socket: it sends exactly the bytes it is given and reads answers strictly.

Anything in an answer that RFC 9112 does not allow fails the test that reads it.
"""

import re
import socket
import time
from dataclasses import dataclass, field

from deadline import DEFAULT_SECONDS

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")
CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}")


@dataclass
class Response:
    """One answer. `headers` are pairs in the order received; `interim` the 1xx answers that came before it."""

    version: str
    status: int
    reason: str
    headers: list
    body: bytes = b""
    interim: list = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The value of a header that may occur once at most, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} occurs {len(values)} times: {self.headers}"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode("latin-1")


class Cut(Exception):
    """The connection ended in the middle of an answer; `response` holds what came, None when not even the head did."""

    def __init__(self, response, received):
        super().__init__(f"cut after {received[-200:]!r}")
        self.response = response
        self.received = received


class Client:
    """One connection."""

    def __init__(self, address, timeout=DEFAULT_SECONDS, receive_buffer=None):
        family = (
            socket.AF_UNIX if isinstance(address, str) else (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        )
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Vanishes: the other side gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, target="/", method="GET", headers=(), body=b"", version="1.1"):
        """Sends one request in the plainest form; a body gets its Content-Length."""
        self.send(plain_request(target, method, headers, body, version))

    def get(self, target="/", **options):
        """Sends a request and reads its answer."""
        self.request(target, **options)
        return self.response(options.get("method", "GET"))

    # Reading

    def failed_response(self, method="GET"):
        """What comes of a request that failed half-way: a whole 500 when nothing was sent yet, else an answer that is
        visibly cut, as far as it came (None when not even its head did). Never one that looks whole."""
        try:
            response = self.response(method)
        except Cut as cut:
            return cut.response
        assert response.status == 500, f"looks whole: {response}"
        return response

    def response(self, method="GET"):
        """The next final answer, whole. Raises Cut when the connection ends before it does."""
        response = self.head()
        self.read_body(response, method)
        return response

    def head(self):
        """The head of the next final answer; the body is left to be read."""
        interim = []
        while True:
            response = self._one_head()
            if response.status >= 200 or response.status == 101:
                response.interim = interim
                return response
            interim.append(response)

    def interim(self):
        """The next head, which must be that of a 1xx answer."""
        response = self._one_head()
        assert 100 <= response.status < 200, response
        return response

    def _one_head(self):
        lines = self._until(b"\r\n\r\n", None).split(b"\r\n")
        match = STATUS_LINE.fullmatch(lines[0])
        assert match, f"bad status line {lines[0]!r}"
        headers = []
        for line in lines[1:-2]:
            pair = HEADER_LINE.fullmatch(line)
            assert pair, f"bad header line {line!r}"
            headers.append((pair[1].decode(), pair[2].decode("latin-1")))
        return Response(f"1.{match[1].decode()}", int(match[2]), match[3].decode("latin-1"), headers)

    def read_body(self, response, method="GET"):
        length, coding = response.header("Content-Length"), response.header("Transfer-Encoding")
        assert not (length and coding), response.headers
        if method == "HEAD" or response.status in (204, 304):
            return
        if coding:
            assert coding == "chunked" and response.version == "1.1", response
            blocks = []
            try:
                while (block := self.chunk(response)) is not None:
                    blocks.append(block)
            finally:
                # What there is of a last chunk that was cut is in the body already.
                response.body = b"".join(blocks) + response.body
        elif length is not None:
            response.body = self.exactly(int(length), response)
        else:
            response.body = self.rest()

    def chunk(self, response=None):
        """The data of the next chunk, None for the last one."""
        line = self._until(b"\r\n", response)[:-2]
        assert CHUNK_LINE.fullmatch(line), f"bad chunk size {line!r}"
        size = int(line, 16)
        data = self.exactly(size, response)
        assert self.exactly(2, response) == b"\r\n"
        return data if size else None

    def exactly(self, count, response=None):
        blocks = [self.buffer]
        have = len(self.buffer)
        while have < count:
            block = self._receive()
            if not block:
                self.buffer = b"".join(blocks)
                if response:
                    response.body += self.buffer
                raise Cut(response, self.buffer)
            blocks.append(block)
            have += len(block)
        data = b"".join(blocks)
        self.buffer = data[count:]
        return data[:count]

    def rest(self):
        """Everything up to the end of the connection."""
        blocks = [self.buffer]
        self.buffer = b""
        while block := self._receive():
            blocks.append(block)
        return b"".join(blocks)

    def expect_end(self):
        """The connection ends and not one byte comes before that."""
        rest = self.rest()
        assert rest == b"", f"more came before the end: {rest[:300]!r}"

    def _until(self, mark, response):
        while mark not in self.buffer:
            block = self._receive()
            if not block:
                raise Cut(response, self.buffer)
            self.buffer += block
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def _receive(self):
        """The next bytes, b"" at the end: closed or reset."""
        try:
            return self.socket.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def plain_request(target="/", method="GET", headers=(), body=b"", version="1.1"):
    """The bytes of one request."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/{version}"]
    if "host" not in names:
        lines.append("Host: test.example")
    if body and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(blocks):
    """A chunked body of these blocks (empty ones are left out)."""
    parts = [b"%x\r\n%s\r\n" % (len(block), block) for block in blocks if block]
    return b"".join(parts) + b"0\r\n\r\n"


def elapsed_until_end(client):
    """Seconds until the connection ends."""
    start = time.monotonic()
    client.rest()
    return time.monotonic() - start
