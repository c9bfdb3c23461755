"""What an ASGI application is told: every key of the scope, over TCP and unix sockets, for HTTP and WebSocket."""

import json
import re

import pytest
from websockets.sync.client import connect, unix_connect

PATHS = [
    # Target, path, raw_path, query_string.
    ("/", "/", "/", ""),
    ("/a/b", "/a/b", "/a/b", ""),
    ("/a?b=c&d", "/a", "/a", "b=c&d"),
    ("/a?", "/a", "/a", ""),
    ("/a?b?c", "/a", "/a", "b?c"),
    ("/a?b=%C3%A9%20+", "/a", "/a", "b=%C3%A9%20+"),
    ("/caf%C3%A9", "/caf\xe9", "/caf%C3%A9", ""),
    ("/%e2%9c%93/%F0%9F%90%8E", "/\u2713/\U0001f40e", "/%e2%9c%93/%F0%9F%90%8E", ""),
    ("/a%2Fb%3Fc%25d", "/a/b?c%d", "/a%2Fb%3Fc%25d", ""),
    ("/a%20b+c", "/a b+c", "/a%20b+c", ""),
    ("//a//b/../c/.", "//a//b/../c/.", "//a//b/../c/.", ""),
    ("/a;b=c", "/a;b=c", "/a;b=c", ""),
    ("/" + "%41" * 1000, "/" + "A" * 1000, "/" + "%41" * 1000, ""),
]


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_scopes:application")


def plain(value):
    """Takes `asgi_scopes.described` back: bytes are bytes again."""
    if isinstance(value, dict):
        if set(value) == {"bytes"}:
            return value["bytes"].encode("latin-1")
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def seen(text):
    """What the application said it was given; `headers` as pairs."""
    found = json.loads(text)
    assert found["type"] == "dict"
    return {
        **plain(found["scope"]),
        "headers": [tuple(pair) for pair in plain(found["headers"])],
    }


def scope(server, target="/", address=None, **options):
    with server.connect(address) as client:
        response = client.get(target, **options)
    assert response.status == 200, response
    return seen(response.body)


def websocket_scope(server, target="/", **options):
    with connect(f"ws://127.0.0.1:{server.port}{target}", proxy=None, **options) as websocket:
        return seen(websocket.recv())


# HTTP


def test_every_key(server):
    with server.connect() as client:
        own = client.socket.getsockname()
        found = seen(client.get("/a%20b?c=d").body)
    headers = found.pop("headers")
    assert (b"host", b"test.example") in headers
    asgi = found.pop("asgi")
    assert asgi["version"] == "3.0"
    # 2.4: send() to a client that left raises OSError. 2.5: websocket.disconnect has a reason.
    assert tuple(map(int, asgi["spec_version"].split("."))) >= (2, 4)
    # Two extensions are for WebSockets only.
    extensions = found.pop("extensions")
    assert set(extensions) >= {"http.response.pathsend", "http.response.trailers", "http.response.early_hint"}
    assert all(value == {} for value in extensions.values())
    assert found == {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=d",
        "root_path": "",
        "client": list(own),
        "server": ["127.0.0.1", server.port],
        "state": {},
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_method(server, method):
    assert scope(server, method=method)["method"] == method


def test_head_is_told_apart_from_get(server):
    with server.connect() as client:
        response = client.get("/", method="HEAD")
        whole = client.get("/")
        assert int(response.header("Content-Length")) == len(whole.body) + len("HEAD") - len("GET")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_http_version(server, version):
    assert scope(server, version=version)["http_version"] == version


@pytest.mark.parametrize("target, path, raw_path, query", PATHS)
def test_path(server, target, path, raw_path, query):
    found = scope(server, target)
    assert (found["path"], found["raw_path"], found["query_string"]) == (path, raw_path.encode(), query.encode())


@pytest.mark.parametrize("target", ["/caf%E9", "/%ff%fe", "/%c3", "/%ed%a0%80", "/a%00b"])
def test_a_path_that_is_no_text(server, target):
    """The specification promises a path that is decoded from UTF-8, and says nothing of one that is not UTF-8. It may be refused; if it is served, `raw_path`
    has every byte and `path` is text that can be encoded."""
    with server.connect() as client:
        response = client.get(target)
    assert response.status in (200, 400), response
    if response.status == 200:
        found = seen(response.body)
        assert found["raw_path"] == target.encode()
        found["path"].encode()


@pytest.mark.parametrize("target", ["/a%zzb%4", "/%", "/a%2"])
def test_a_path_with_broken_escapes(server, target):
    with server.connect() as client:
        response = client.get(target)
    assert response.status in (200, 400), response
    if response.status == 200:
        found = seen(response.body)
        assert (found["path"], found["raw_path"]) == (target, target.encode())


def test_an_absolute_target(server):
    found = scope(server, "http://other.example/a%20b?c", headers=[("Host", "other.example")])
    assert (found["path"], found["query_string"]) == ("/a b", b"c")
    assert found["raw_path"] in (b"/a%20b", b"http://other.example/a%20b")


def test_the_asterisk(server):
    found = scope(server, "*", method="OPTIONS")
    assert found["path"] in ("*", "", "/*")


HEADERS = [
    ("X-Mixed-CASE", "Value Kept"),
    ("X-Twice", "1"),
    ("Cookie", "a=1; b=2"),
    ("x-twice", "2"),
    ("X-Empty", ""),
    ("X-Spaces", "  inner  spaces  "),
    ("X-Latin", "caf\xe9"),
    ("X-Utf8", "\u2713".encode().decode("latin-1")),
    ("X-Twice", "3"),
    ("X-Odd!#$%&'*+.^`|~", "1"),
]


def test_headers(server):
    """As they came: in order, with duplicates, names in small letters, values as bytes without the blanks around them."""
    found = scope(server, headers=HEADERS)["headers"]
    names = {name.lower() for name, _ in HEADERS}
    own = [(name, value) for name, value in found if name.decode() in names]
    assert own == [(name.lower().encode(), value.strip(" ").encode("latin-1")) for name, value in HEADERS]


def test_content_length_and_type_are_headers(server):
    found = scope(server, method="POST", body=b"abc", headers=[("Content-Length", "3"), ("Content-Type", "a/b")])
    assert (b"content-length", b"3") in found["headers"]
    assert (b"content-type", b"a/b") in found["headers"]


def test_underscores_in_names_are_dropped(server):
    """They look like their namesakes with a hyphen to whoever makes an environ of them (`header_map`)."""
    found = scope(server, headers=[("X_Real", "1"), ("X-Real", "2")])
    assert [value for name, value in found["headers"] if b"real" in name] == [b"2"]


def test_underscores_in_names_are_passed_on_demand(serve):
    server = serve("asgi_scopes:application", header_map="dangerous")
    assert (b"x_real", b"1") in scope(server, headers=[("X_Real", "1")])["headers"]


def test_the_request_id_is_a_header(server):
    """The one that came, or the one that was made and stands in the answer and the logs."""
    found = scope(server, headers=[("X-Request-Id", "mine-1")])
    assert [value for name, value in found["headers"] if name == b"x-request-id"] == [b"mine-1"]
    with server.connect() as client:
        response = client.get("/")
    made = [value for name, value in seen(response.body)["headers"] if name == b"x-request-id"]
    assert len(made) == 1
    assert response.header("X-Request-Id") == made[0].decode()


def test_nothing_done_to_a_scope_is_seen_in_the_next(serve):
    server = serve("asgi_scopes:careless")
    with server.connect() as client:
        for _ in range(3):
            assert json.loads(client.get("/").body) == []


# Mount point, proxies, sockets


@pytest.mark.parametrize(
    "target, root_path, path",
    [
        ("/mount/point/a%20b?c", "/mount/point", "/mount/point/a b"),
        ("/mount/point/", "/mount/point", "/mount/point/"),
        ("/mount/point", "/mount/point", "/mount/point"),
        ("/mount/pointless", "/mount/point", "/mount/point/mount/pointless"),
        ("/elsewhere", "/mount/point", "/mount/point/elsewhere"),
    ],
)
def test_root_path(serve, target, root_path, path):
    """`path` has the mount point, also when a proxy took it away: PATH_INFO "can be derived by stripping root_path from path"."""
    server = serve("asgi_scopes:application", root_path="/mount/point")
    found = scope(server, target)
    assert (found["root_path"], found["path"]) == (root_path, path)
    assert found["raw_path"] == target.split("?")[0].encode()


SCHEMES = [
    ("127.0.0.1,::1", "https", "https"),
    ("127.0.0.1,::1", "HTTPS", "https"),
    ("127.0.0.1,::1", "http", "http"),
    ("127.0.0.1,::1", None, "http"),
    ("127.0.0.1,::1", "gopher", "http"),
    ("127.0.0.0/8", "https", "https"),
    ("*", "https", "https"),
    ("10.0.0.0/8", "https", "http"),
]


@pytest.mark.parametrize("trusted, said, scheme", SCHEMES)
def test_scheme_by_forwarded_proto(serve, trusted, said, scheme):
    server = serve("asgi_scopes:application", forwarded_allow_ips=trusted)
    headers = [("X-Forwarded-Proto", said)] if said else []
    found = scope(server, headers=headers)
    assert (found["scheme"], found["client"][0]) == (scheme, "127.0.0.1")
    found = websocket_scope(server, additional_headers=headers)
    assert found["scheme"] == scheme.replace("http", "ws")


def test_ipv6(serve):
    server = serve("asgi_scopes:application", bind="[::1]:0")
    with server.connect() as client:
        found = seen(client.get("/").body)
        assert found["client"] == list(client.socket.getsockname()[:2])
    assert found["server"] == ["::1", server.port]


def test_unix_sockets(serve, tmp_path):
    """The server is a path there, and the client has no address. Peers on unix sockets are trusted."""
    path = tmp_path / "app.sock"
    server = serve("asgi_scopes:application", bind=f"unix:{path}")
    found = scope(server, address=str(path), headers=[("X-Forwarded-Proto", "https")])
    assert found["scheme"] == "https"
    assert found["server"] == [str(path), None]
    assert found.get("client") is None
    with unix_connect(str(path), "ws://test.example/b?c") as websocket:
        found = seen(websocket.recv())
    assert (found["type"], found["path"], found["server"]) == ("websocket", "/b", [str(path), None])


# WebSocket


def test_every_key_of_a_websocket(server):
    found = websocket_scope(
        server,
        "/caf%C3%A9?c=%20d",
        subprotocols=["chat", "superchat"],
        additional_headers=[("X-Twice", "1"), ("X-TWICE", "2")],
        origin="http://test.example",
    )
    headers = found.pop("headers")
    assert [value for name, value in headers if name == b"x-twice"] == [b"1", b"2"]
    assert all(name == name.lower() for name, _ in headers)
    assert (b"origin", b"http://test.example") in headers
    assert {b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version"} <= {n for n, _ in headers}
    asgi = found.pop("asgi")
    assert asgi["version"] == "3.0" and re.fullmatch(r"2\.[45]", asgi["spec_version"])
    assert found.pop("extensions")["websocket.http.response"] == {}
    client = found.pop("client")
    assert client[0] == "127.0.0.1" and isinstance(client[1], int)
    assert found.pop("method", "GET") == "GET", "no key of the specification, and harmless"
    assert found == {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/caf\xe9",
        "raw_path": b"/caf%C3%A9",
        "query_string": b"c=%20d",
        "root_path": "",
        "server": ["127.0.0.1", server.port],
        "subprotocols": ["chat", "superchat"],
        "state": {},
    }


def test_a_websocket_without_subprotocols(server):
    assert websocket_scope(server)["subprotocols"] == []


def test_subprotocols_in_two_fields(server):
    headers = [("Sec-WebSocket-Protocol", "one, two"), ("Sec-WebSocket-Protocol", "three")]
    assert websocket_scope(server, additional_headers=headers)["subprotocols"] == ["one", "two", "three"]
