"""What is believed of proxies about the client behind them, by WSGI and ASGI applications and in the access log."""

import json

import pytest
from websockets.sync.client import connect

import test_asgi_scope
import test_wsgi_environ
from test_logs import lines

EVERYTHING = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,forwarded"


def wsgi(server, headers, **options):
    entries = test_wsgi_environ.environ(server, headers=headers, **options)
    port = entries.get("REMOTE_PORT")
    return {
        "client": entries["REMOTE_ADDR"],
        "port": int(port) if port else 0,
        "scheme": entries["wsgi.url_scheme"],
        "host": entries.get("HTTP_HOST"),
    }


def asgi(server, headers, **options):
    found = test_asgi_scope.scope(server, headers=headers, **options)
    client, port = found.get("client") or ("", 0)
    hosts = [value.decode() for name, value in found["headers"] if name == b"host"]
    return {"client": client, "port": port, "scheme": found["scheme"], "host": hosts[0] if len(hosts) == 1 else hosts}


INTERFACES = {"wsgi": ("surroundings:application", wsgi), "asgi": ("asgi_scopes:application", asgi)}


@pytest.fixture(params=INTERFACES, scope="module")
def sides(request, serve_module):
    """A server whose peers are believed in everything, one whose are not, and how to ask either."""
    app, ask = INTERFACES[request.param]
    believing = serve_module(app, forwarded_allow_ips="127.0.0.1,10.0.0.0/8", forwarded_headers=EVERYTHING)
    doubting = serve_module(app, forwarded_allow_ips="10.0.0.0/8", forwarded_headers=EVERYTHING)
    return believing, doubting, ask


FOR = "X-Forwarded-For"
CLIENTS = [
    ([(FOR, "1.2.3.4")], ("1.2.3.4", 0)),
    ([(FOR, "6.6.6.6, 1.2.3.4")], ("1.2.3.4", 0)),
    ([(FOR, "6.6.6.6, 1.2.3.4, 10.0.0.7")], ("1.2.3.4", 0)),
    ([(FOR, "6.6.6.6"), (FOR, "1.2.3.4"), (FOR, "10.1.1.1")], ("1.2.3.4", 0)),
    ([(FOR, "10.9.9.9, 10.1.1.1")], ("10.9.9.9", 0)),
    ([(FOR, "1.2.3.4:5678")], ("1.2.3.4", 5678)),
    ([(FOR, "2001:DB8::1")], ("2001:db8::1", 0)),
    ([(FOR, "[2001:db8::1]:5678")], ("2001:db8::1", 5678)),
    ([(FOR, "::ffff:1.2.3.4")], ("1.2.3.4", 0)),
    ([("Forwarded", 'for="[2001:db8::1]:5678"')], ("2001:db8::1", 5678)),
    ([("Forwarded", "for=6.6.6.6"), ("Forwarded", "for=1.2.3.4;by=_x, For=10.0.0.7")], ("1.2.3.4", 0)),
    # What a client left open does not swallow what the proxy appended.
    ([("Forwarded", 'for="6.6.6.6, for=1.2.3.4')], ("1.2.3.4", 0)),
    ([("Forwarded", "for=1.2.3.4"), (FOR, "5.6.7.8")], ("1.2.3.4", 0)),
    ([(FOR, "1.2.3.4, unknown, 10.0.0.7")], ("10.0.0.7", 0)),
]


@pytest.mark.parametrize("headers, client", CLIENTS)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(sides, headers, client):
    believing, doubting, ask = sides
    found = ask(believing, headers)
    assert (found["client"], found["port"]) == client
    assert ask(doubting, headers)["client"] == "127.0.0.1"


MALFORMED = [
    "",
    "unknown",
    "localhost",
    "1.2.3",
    "01.2.3.4",
    "1.2.3.4.5",
    "1.2.3.4:",
    "1.2.3.4:x",
    "1.2.3.4:65536",
    "1.2.3.4 5.6.7.8",
    "[::1",
    "[::1]x",
    "::1%lo",
    '"1.2.3.4"',
    "1.2.3.4, ;",
    "caf\xe9",
]


@pytest.mark.parametrize("value", MALFORMED)
def test_what_is_no_address_is_not_believed(sides, value):
    believing, _, ask = sides
    assert ask(believing, [(FOR, value)])["client"] == "127.0.0.1"
    if not value.startswith('"'):
        assert ask(believing, [("Forwarded", f"for={value}")])["client"] == "127.0.0.1"


@pytest.mark.parametrize(
    "headers, scheme",
    [
        ([("X-Forwarded-Proto", "https")], "https"),
        ([("X-Forwarded-Proto", "wss")], "https"),
        ([("X-Forwarded-Proto", "http, https")], "https"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], "http"),
        ([("X-Forwarded-Proto", "on")], "http"),
        ([("Forwarded", "for=1.2.3.4;proto=https")], "https"),
        ([("Forwarded", "for=6.6.6.6;proto=https, for=1.2.3.4;proto=http")], "http"),
        ([("Forwarded", "for=1.2.3.4;proto=https, for=10.0.0.7;proto=http")], "https"),
        ([("Forwarded", "proto=https;for=bad")], "http"),
    ],
)
def test_scheme(sides, headers, scheme):
    believing, doubting, ask = sides
    assert (ask(believing, headers)["scheme"], ask(doubting, headers)["scheme"]) == (scheme, "http")


@pytest.mark.parametrize(
    "headers, host",
    [
        ([("X-Forwarded-Host", "shop.example:8080")], "shop.example:8080"),
        ([("X-Forwarded-Host", "evil, shop.example")], "shop.example"),
        ([("X-Forwarded-Host", "evil"), ("X-Forwarded-Host", "shop.example")], "shop.example"),
        ([("X-Forwarded-Host", "a b")], "asked.example:81"),
        ([("X-Forwarded-Host", "a@b")], "asked.example:81"),
        ([("X-Forwarded-Port", "8443")], "asked.example:8443"),
        ([("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")], "asked.example"),
        ([("X-Forwarded-Port", "70000")], "asked.example:81"),
        ([("Forwarded", 'for=1.2.3.4;host="shop.example:8080"')], "shop.example:8080"),
        ([("Forwarded", 'for=1.2.3.4;host="a b"')], "asked.example:81"),
    ],
)
def test_host(sides, headers, host):
    believing, doubting, ask = sides
    headers = [("Host", "asked.example:81"), *headers]
    assert (ask(believing, headers)["host"], ask(doubting, headers)["host"]) == (host, "asked.example:81")


@pytest.mark.parametrize("interface", INTERFACES)
def test_by_default_the_client_and_the_scheme_are_believed_and_no_more(serve, interface):
    app, ask = INTERFACES[interface]
    headers = [
        ("Host", "asked.example"),
        (FOR, "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("Forwarded", "for=6.6.6.6;host=evil.example;proto=http"),
    ]
    found = ask(serve(app), headers)
    assert found == {"client": "1.2.3.4", "port": 0, "scheme": "https", "host": "asked.example"}
    found = ask(serve(app, forwarded_headers=""), headers)
    assert (found["client"], found["scheme"], found["host"]) == ("127.0.0.1", "http", "asked.example")


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_proxy_on_a_unix_socket_is_believed(serve, tmp_path, interface):
    app, ask = INTERFACES[interface]
    path = tmp_path / "app.sock"
    server = serve(app, bind=f"unix:{path}", forwarded_allow_ips="")
    found = ask(server, [(FOR, "6.6.6.6, 1.2.3.4, unix:"), ("X-Forwarded-Proto", "https")], address=str(path))
    assert (found["client"], found["scheme"]) == ("1.2.3.4", "https")
    if interface == "asgi":
        scope = test_asgi_scope.scope(server, address=str(path), headers=[(FOR, "1.2.3.4")])
        assert (scope["client"], scope["server"]) == (["1.2.3.4", 0], [str(path), None])


def test_everyone_may_be_trusted(serve):
    """Then the client is the first of all, as with uvicorn."""
    server = serve("surroundings:application", forwarded_allow_ips="*")
    assert wsgi(server, [(FOR, "6.6.6.6, 1.2.3.4")])["client"] == "6.6.6.6"


def test_the_header_fields_themselves_stay(serve):
    entries = test_wsgi_environ.environ(serve("surroundings:application"), headers=[(FOR, "6.6.6.6"), (FOR, "1.2.3.4")])
    assert entries["HTTP_X_FORWARDED_FOR"] == "6.6.6.6,1.2.3.4"


def test_a_websocket_has_its_client_too(serve):
    server = serve("asgi_scopes:application")
    headers = [(FOR, "1.2.3.4"), ("X-Forwarded-Proto", "https")]
    with connect(f"ws://127.0.0.1:{server.port}/", proxy=None, additional_headers=headers) as websocket:
        found = test_asgi_scope.seen(websocket.recv())
    assert (found["client"], found["scheme"]) == (["1.2.3.4", 0], "wss")


def test_the_access_log_has_the_client(serve, tmp_path):
    path = tmp_path / "access.json"
    server = serve("tracing:application", access_logfile=path, access_logformat="json")
    with server.connect() as kept:
        kept.get("/hello", headers=[(FOR, "6.6.6.6, 1.2.3.4")])
        kept.get("/hello", headers=[(FOR, "nonsense")])
        kept.get("/hello", headers=[(FOR, "2001:db8::1")])
    found = [json.loads(line)["remote"] for line in lines(path, 3)]
    assert found == ["1.2.3.4", "127.0.0.1", "2001:db8::1"]


def test_the_access_log_has_the_client_of_a_request_that_found_no_room(serve, tmp_path):
    path = tmp_path / "access.json"
    server = serve("plain:application", access_logfile=path, access_logformat="json", limit_concurrency=1)
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated?gate={key}", headers=[(FOR, "1.2.3.4")])
        server.wait_notes(key)
        assert server.get("/path", headers=[(FOR, "5.6.7.8")]).status == 503
        server.open_gate(key)
        assert client.response().status == 200
    found = {(entry["status"], entry["remote"]) for entry in map(json.loads, lines(path, 2))}
    assert found == {(503, "5.6.7.8"), (200, "1.2.3.4")}


def test_a_request_behind_another_on_a_connection_has_a_client_of_its_own(sides):
    believing, _, ask = sides
    with believing.connect() as kept:
        for said, client in [("1.2.3.4", "1.2.3.4"), ("", "127.0.0.1"), ("5.6.7.8", "5.6.7.8")]:
            headers = [(FOR, said)] if said else []
            body = json.loads(kept.get("/", headers=headers).body)
            told = body["entries"]["REMOTE_ADDR"][1] if "entries" in body else body["scope"]["client"][0]
            assert told == client
