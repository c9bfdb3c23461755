"""PEP 3333: what stands in `environ`, and what must not."""

import json
import os

import pytest

from client import Client


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("surroundings:application", environment={"E2E_SECRET": "do not tell"})


def environ(server, target="/", address=None, **options):
    """The entries of `environ` without their types."""
    with Client(address or server.address) as client:
        response = client.get(target, **options)
        assert response.status == 200, response
        entries = json.loads(response.body)["entries"]
    return {key: value for key, (_, value) in entries.items()}


def test_shape(server):
    data = json.loads(server.get("/", headers=[("X-Any", "1")]).body)
    about, entries = data["about"], data["entries"]
    assert about == {
        "type": "dict",
        "keys": ["str"],
        "input": ["read", "readline", "readlines", "__iter__"],
        "errors": ["write", "writelines", "flush"],
        "wrapper": True,
    }
    for key, (kind, _) in entries.items():
        if "." not in key:
            assert kind == "str", key
    assert entries["wsgi.version"] == ["tuple", [1, 0]]
    for key in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"):
        assert entries[key][0] == "bool"
    assert entries["wsgi.run_once"][1] is False
    assert entries["wsgi.url_scheme"] == ["str", "http"]


def test_nothing_of_the_servers_environment(server):
    entries = environ(server)
    assert not set(entries) & set(os.environ)
    assert "do not tell" not in str(entries)
    standard = {
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
    }
    extra = {"REMOTE_ADDR", "REMOTE_PORT", "SERVER_SOFTWARE", "RAW_URI", "REQUEST_URI"}
    others = {key for key in entries if "." not in key and not key.startswith("HTTP_")}
    assert standard <= others <= standard | extra


def test_addresses(server):
    with server.connect() as client:
        host, port = client.socket.getsockname()
        entries = {key: value for key, (_, value) in json.loads(client.get("/").body)["entries"].items()}
    assert (entries["REMOTE_ADDR"], entries["REMOTE_PORT"]) == (host, str(port))
    assert (entries["SERVER_NAME"], entries["SERVER_PORT"]) == (server.address[0], str(server.port))
    assert entries["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ(server, version="1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH", "X_Y"])
def test_method(server, method):
    assert environ(server, method=method)["REQUEST_METHOD"] == method


TARGETS = [
    ("/", "/", ""),
    ("/plain", "/plain", ""),
    ("/caf%C3%A9", "/caf\xc3\xa9", ""),
    ("/caf%E9", "/caf\xe9", ""),
    ("/a%2Fb%3Fc%25d", "/a/b?c%d", ""),
    ("/a%2fb", "/a/b", ""),
    ("/a%20b+c", "/a b+c", ""),
    ("/a%zzb%4", "/a%zzb%4", ""),
    ("//double//", "//double//", ""),
    ("/a/../b/./c", "/a/../b/./c", ""),
    ("/a;b=c", "/a;b=c", ""),
    ("/?", "/", ""),
    ("/a?b=c&d", "/a", "b=c&d"),
    ("/a?b?c", "/a", "b?c"),
    ("/a?%C3%A9=%20+", "/a", "%C3%A9=%20+"),
    ("/a?/../b", "/a", "/../b"),
    ("http://test.example/a?b=c", "/a", "b=c"),
    ("http://test.example", "/", ""),
    ("http://test.example?b=c", "/", "b=c"),
    ("/" + "%41" * 1000, "/" + "A" * 1000, ""),
]


@pytest.mark.parametrize("target, path, query", TARGETS)
def test_target(server, target, path, query):
    entries = environ(server, target)
    assert (entries["SCRIPT_NAME"], entries["PATH_INFO"], entries["QUERY_STRING"]) == ("", path, query)


def test_options_of_the_whole_server(server):
    assert environ(server, "*", method="OPTIONS")["PATH_INFO"] in ("*", "")


def test_an_absolute_target_wins_over_host(server):
    entries = environ(server, "http://right.example/", headers=[("Host", "wrong.example")])
    assert entries["HTTP_HOST"] == "right.example"


# Header fields


def test_content_type_and_length_are_absent_when_not_sent(server):
    entries = environ(server)
    assert not {"CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(entries)


def test_content_type_and_length(server):
    entries = environ(server, method="POST", body=b"abc", headers=[("content-type", "text/x; a=b")])
    assert (entries["CONTENT_TYPE"], entries["CONTENT_LENGTH"]) == ("text/x; a=b", "3")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(entries)


def test_empty_content_length_zero(server):
    assert environ(server, method="POST", headers=[("Content-Length", "0")])["CONTENT_LENGTH"] == "0"


def test_chunked_body_has_no_length_and_its_end_is_announced(server):
    entries = environ(server, method="POST", headers=[("Transfer-Encoding", "chunked")], body=b"3\r\nabc\r\n0\r\n\r\n")
    assert "CONTENT_LENGTH" not in entries
    assert entries["wsgi.input_terminated"] is True, "frameworks read a body without length only then"


FIELDS = [
    ([("X-One", "1")], {"HTTP_X_ONE": "1"}),
    ([("x-lower", "1")], {"HTTP_X_LOWER": "1"}),
    ([("X-Empty", "")], {"HTTP_X_EMPTY": ""}),
    ([("X-Space", "  a  b\t ")], {"HTTP_X_SPACE": "a  b"}),
    ([("X-Latin", "caf\xe9")], {"HTTP_X_LATIN": "caf\xe9"}),
    ([("X-Quoted", '"a, b"; c')], {"HTTP_X_QUOTED": '"a, b"; c'}),
    ([("Cookie", "a=1"), ("Cookie", "b=2")], {"HTTP_COOKIE": "a=1; b=2"}),
    ([("Cookie", "a=1; c=3"), ("X-Between", "x"), ("cookie", "b=2")], {"HTTP_COOKIE": "a=1; c=3; b=2"}),
    ([("X-Odd!#$%&'*+.^`|~", "1")], {"HTTP_X_ODD!#$%&'*+.^`|~": "1"}),
    ([("Accept", "a/b"), ("User-Agent", "test")], {"HTTP_ACCEPT": "a/b", "HTTP_USER_AGENT": "test"}),
]


@pytest.mark.parametrize("sent, found", FIELDS, ids=lambda v: str(v)[:40])
def test_header_field(server, sent, found):
    entries = environ(server, headers=sent)
    assert {key: entries.get(key) for key in found} == found


def test_repeated_header_fields_are_joined_in_order(server):
    entries = environ(server, headers=[("X-A", "1"), ("X-B", "x"), ("x-a", "2, 3"), ("X-A", "")])
    assert entries["HTTP_X_A"].replace(", ", ",") == "1,2,3,"


def test_made_up_names_cost_no_later_request_its_headers(serve):
    """Names are remembered, up to a bound. When clients that sent no Host had filled it with names of their own, the key of Host was not
    among the remembered and every later request with one failed, until the worker was restarted."""
    server = serve("surroundings:application", workers=1, threads=1)
    made_up = [f"X-Made-Up-{number}" for number in range(1200)]
    for at in range(0, len(made_up), 95):
        names = made_up[at : at + 95]
        lines = "".join(f"{name}: {name[10:]}\r\n" for name in names)
        with server.connect() as client:
            client.send(f"GET / HTTP/1.0\r\n{lines}\r\n".encode())
            response = client.response()
        assert response.status == 200
        entries = json.loads(response.body)["entries"]
        for name in names:
            assert entries["HTTP_" + name.upper().replace("-", "_")] == ["str", name[10:]]
        assert "HTTP_HOST" not in entries
    sent = [("Host", "one.example"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("X-New", "1"), ("X-New", "2")]
    sent += [("Content-Type", "text/odd"), ("Content-Length", "4"), ("x-made-up-1", "3"), ("X-MADE-UP-1", "4")]
    for _ in range(3):
        entries = environ(server, method="POST", headers=sent, body=b"body")
        assert entries["HTTP_HOST"] == "one.example"
        assert entries["HTTP_COOKIE"] == "a=1; b=2"
        assert entries["HTTP_X_NEW"].replace(" ", "") == "1,2"
        assert entries["HTTP_X_MADE_UP_1"].replace(" ", "") == "3,4"
        assert (entries["CONTENT_TYPE"], entries["CONTENT_LENGTH"]) == ("text/odd", "4")
        assert "HTTP_X_MADE_UP_2" not in entries


def test_underscores_in_names_are_dropped_by_default(server):
    headers = [
        ("X-Real", "true"),
        ("X_Real", "forged"),
        ("X_Only", "forged"),
        ("Content_Length", "5"),
        ("Content_Type", "x"),
    ]
    entries = environ(server, headers=headers)
    assert entries["HTTP_X_REAL"] == "true"
    assert not {"HTTP_X_ONLY", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(entries)


def test_underscores_in_names_are_refused_on_demand(serve):
    server = serve("surroundings:application", header_map="refuse")
    with server.connect() as client:
        assert client.get("/", headers=[("X_Real", "forged")]).status == 400
        client.expect_end()
    assert environ(server, headers=[("X-Real", "true")])["HTTP_X_REAL"] == "true"


def test_underscores_in_names_are_passed_on_demand(serve):
    server = serve("surroundings:application", header_map="dangerous")
    assert environ(server, headers=[("X_Real", "1")])["HTTP_X_REAL"] == "1"


# Mount point, proxies, flags


def test_root_path(serve):
    server = serve("surroundings:application", root_path="/mount/point")
    for target, script, path in [
        ("/mount/point/a%20b?c", "/mount/point", "/a b"),
        ("/mount/point/", "/mount/point", "/"),
        ("/mount/point", "/mount/point", ""),
        ("/mount/pointless", "/mount/point", "/mount/pointless"),
        ("/elsewhere", "/mount/point", "/elsewhere"),
    ]:
        entries = environ(server, target)
        assert (target, entries["SCRIPT_NAME"], entries["PATH_INFO"]) == (target, script, path)


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
    server = serve("surroundings:application", forwarded_allow_ips=trusted)
    headers = [("X-Forwarded-Proto", said)] if said else []
    entries = environ(server, headers=headers)
    assert (entries["wsgi.url_scheme"], entries["REMOTE_ADDR"]) == (scheme, "127.0.0.1")


def test_unix_peers_are_trusted_and_have_no_address(serve, tmp_path):
    path = tmp_path / "app.sock"
    server = serve("surroundings:application", bind=f"unix:{path}")
    entries = environ(server, address=str(path), headers=[("X-Forwarded-Proto", "https")])
    assert entries["wsgi.url_scheme"] == "https"
    assert entries["REMOTE_ADDR"] == ""
    assert entries["SERVER_NAME"] and entries["SERVER_PORT"], "PEP 3333: never empty"


@pytest.mark.parametrize("workers, threads", [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_flags(serve, workers, threads):
    entries = environ(serve("surroundings:application", workers=workers, threads=threads))
    assert (entries["wsgi.multiprocess"], entries["wsgi.multithread"]) == (workers > 1, threads > 1)


# wsgi.errors


def test_what_is_written_to_errors_is_in_the_log(serve):
    server = serve("surroundings:complaining")
    assert server.get("/").body == b"complained"
    for text in ("one: caf\xe9 \u2713", "two", "three", "four", "five"):
        server.log.wait_line(f"complaint {text}")
    server.log.claim("complaint")
