"""Settings that take effect at once: in the generation that serves, with the workers that serve."""

import json
import sys
import time
from textwrap import dedent

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from deadline import wait_until
from test_manage_bus import FAILED, machines, pytestmark  # noqa: F401
from websocket_frames import PING, opened, read_frame

SECONDS = 15

WSGI = """
import os
import time

while os.path.exists("slow-import"):
    time.sleep(0.01)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    while path == "/stuck":
        time.sleep(0.01)
    if path == "/slow":
        time.sleep(0.05)
    if path == "/wait":
        open("waiting", "w").close()
        while not os.path.exists("go-on"):
            time.sleep(0.01)
    body = b"x" * 50_000_000 if path == "/large" else environ["wsgi.input"].read() or b"ok"
    headers = [("Content-Length", str(len(body))), ("Scheme", environ["wsgi.url_scheme"])]
    if "HTTP_A_B" in environ:
        headers.append(("Had-Underscore", "yes"))
    start_response("200 OK", headers)
    return [body]
"""

ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text") or ""})
"""


class Shop:
    """An instance with a file of settings, and what is changed of it over the bus."""

    def __init__(self, serve, machine, source, settings=""):
        self.machine, self.directory = machine, machine.directory
        (self.directory / "shop.py").write_text(dedent(source))
        (self.directory / "hostler" / "shop").mkdir()
        self.file = machine.settings("shop")
        self.file.write_text(
            f'app = "shop:app"\nchdir = "{self.directory}"\npython = "{sys.executable}"\nbind = "127.0.0.1:0"\n'
            f'control_socket = "{self.directory}/hostler/shop/control.sock"\n{settings}'
        )
        self.server = serve(arguments=["serve", self.file], environment={"PYTHONDONTWRITEBYTECODE": "1"})
        machine.daemon("--user")
        machine.until_serves("shop")
        self.pids = self.server.workers()

    def ask(self, verb, *words):
        return self.machine.ask(verb, "shop", *words, "--user")

    def observed(self):
        return json.loads(self.ask("status", "--json").out)["instance"]["observed"]

    def set(self, *changes):
        """Changes settings; they take effect, and neither generation nor workers are others."""
        ended = self.ask("set", *changes, "--json")
        assert ended.code == 0, ended
        outcome = json.loads(ended.out)
        assert outcome.get("generation") is None, outcome
        assert sorted(outcome["took_effect"]) == sorted(change.split("=")[0] for change in changes), outcome
        observed = self.observed()
        assert observed["generation"] == 1 and observed["events"][-1]["kind"] == "applied", observed
        assert self.server.workers() == self.pids


@pytest.fixture
def shop(serve, machines):  # noqa: F811
    return Shop(serve, machines(daemon=False), WSGI)


@pytest.fixture
def sockets(serve, machines):  # noqa: F811
    return Shop(serve, machines(daemon=False), ASGI)


# Workers


def test_timeout(shop):
    shop.set("timeout=0.3")
    assert shop.server.get("/stuck").status == 504
    shop.server.log.claim("timeout|timed out|Timeout|stacks|worker")
    # What is told of it names the new limit, and so does the exception.
    shop.server.log.expect("RequestTimeout|0.3", seconds=SECONDS)
    # Until the worker is free again a request has no more than that time.
    wait_until(lambda: shop.server.get("/").status == 200, shop.server.describe)


def test_graceful_timeout(shop):
    shop.set("graceful_timeout=0.2")
    with shop.server.connect() as client:
        client.request("/wait", method="POST")
        wait_until((shop.directory / "waiting").exists, "the request runs")
        assert shop.ask("recycle", "0").code == 0
        # Not after the 30 seconds of the default.
        shop.server.log.expect("did not finish within graceful_timeout", seconds=SECONDS)
        assert client.response().status == 502
    shop.server.log.claim("worker|request")


def test_boot_timeout(shop):
    shop.set("boot_timeout=1")
    (shop.directory / "slow-import").touch()
    assert shop.ask("recycle", "0").code == 0
    shop.server.log.expect("not ready in time", seconds=SECONDS)
    shop.server.log.claim("worker|replacement")
    (shop.directory / "slow-import").unlink()
    assert shop.server.get("/").status == 200


# Connections and requests


def test_keepalive(shop):
    with shop.server.connect() as kept:
        assert kept.get("/").header("connection") != "close"
        shop.set("keepalive=0")
        assert kept.get("/").header("connection") == "close"


def test_header_timeout(shop):
    shop.set("header_timeout=0.2")
    with shop.server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.response().status == 408


def test_body_timeout(shop):
    shop.set("body_timeout=0.2")
    with shop.server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert client.response().status == 408


def test_send_timeout(shop):
    shop.set("send_timeout=0.2")
    with shop.server.connect(receive_buffer=4096) as client:
        client.request("/large")
        client.head()
        wait_until(lambda: shop.observed()["connections"] == 0, "the client that reads nothing is cut off", SECONDS)


def test_header_map(shop):
    headers = [("A_B", "1")]
    assert shop.server.get("/", headers=headers).header("had-underscore") is None
    shop.set("header_map=dangerous")
    assert shop.server.get("/", headers=headers).header("had-underscore") == "yes"


def test_forwarded_allow_ips_also_of_a_connection_that_is_open(shop):
    headers = [("X-Forwarded-Proto", "https")]
    with shop.server.connect() as kept:
        before = kept.get("/", headers=headers).header("scheme")
        shop.set("forwarded_allow_ips=10.0.0.1" if before == "https" else "forwarded_allow_ips=127.0.0.1")
        assert {before, kept.get("/", headers=headers).header("scheme")} == {"http", "https"}


def test_forwarded_headers_also_of_a_connection_that_is_open(shop):
    headers = [("X-Forwarded-Proto", "https")]
    with shop.server.connect() as kept:
        assert kept.get("/", headers=headers).header("scheme") == "https"
        shop.set("forwarded_headers=x-forwarded-for")
        assert kept.get("/", headers=headers).header("scheme") == "http"


def test_request_id_header_and_server_header(shop):
    assert shop.server.get("/").header("x-request-id") and not shop.server.get("/").header("server")
    shop.set("request_id_header=X-Trace", "server_header=true")
    response = shop.server.get("/")
    assert response.header("x-trace") and response.header("server") and not response.header("x-request-id")


@pytest.mark.parametrize(
    ("change", "request_of", "status"),
    [
        ("limit_request_line=256", {"target": "/" + "x" * 300}, 414),
        ("limit_request_fields=3", {"headers": [(f"X-{number}", "1") for number in range(5)]}, 431),
        ("limit_request_field_size=256", {"headers": [("X-Long", "x" * 300)]}, 431),
        ("limit_request_body=10", {"method": "POST", "body": b"x" * 20}, 413),
    ],
)
def test_limits(shop, change, request_of, status):
    assert shop.server.get(**request_of).status == 200
    shop.set(change)
    assert shop.server.get(**request_of).status == status
    assert shop.server.get("/").status == 200


# WebSockets


def connect(server, **options):
    return websockets.sync.client.connect(f"ws://127.0.0.1:{server.port}/", ping_interval=None, proxy=None, **options)


def test_websocket_max_size(sockets):
    with connect(sockets.server) as before:
        sockets.set("websocket_max_size=100")
        with pytest.raises(ConnectionClosed) as end:
            before.send("x" * 200)
            before.recv(SECONDS)
        assert end.value.rcvd.code == 1009


def test_websocket_compression(sockets):
    with connect(sockets.server) as websocket:
        assert "Sec-WebSocket-Extensions" in websocket.response.headers
    sockets.set("websocket_compression=false")
    with connect(sockets.server) as websocket:
        assert "Sec-WebSocket-Extensions" not in websocket.response.headers


def test_websocket_pings(sockets):
    sockets.set("websocket_ping_interval=0.2", "websocket_ping_timeout=0.3")
    with sockets.server.connect() as client:
        opened(client, "/")
        began = time.monotonic()
        assert read_frame(client)[0] == PING
        client.rest()
        assert time.monotonic() - began < SECONDS, "who does not answer is left"


# Logs


def test_access_log_and_its_format(shop):
    log = shop.directory / "access.log"
    shop.server.get("/unseen")
    shop.set(f"access_logfile={log}")
    shop.server.get("/seen")
    wait_until(lambda: log.read_text().count("\n") == 1, "its line", SECONDS)
    shop.set("access_logformat=json")
    shop.server.get("/json")
    wait_until(lambda: log.read_text().count("\n") == 2, "another line", SECONDS)
    other = shop.directory / "other.log"
    shop.set(f"access_logfile={other}")
    shop.server.get("/elsewhere")
    wait_until(lambda: other.read_text(), "a line of the new log", SECONDS)
    first, second = log.read_text().splitlines()
    assert '"GET /seen HTTP/1.1" 200' in first and json.loads(second)["target"] == "/json"
    assert json.loads(other.read_text())["target"] == "/elsewhere"
    # One file that was not open at the start.
    shop.server.baseline += 1


def test_error_log_and_its_level(shop):
    log = shop.directory / "error.log"
    shop.set(f"error_logfile={log}", "log_level=debug")
    shop.server.log.expect("the error log goes to")
    shop.server.get("/", headers=[("Bad Name", "1")])
    wait_until(lambda: "DEBUG" in log.read_text(), lambda: log.read_text(), SECONDS)
    shop.set("log_level=error")
    written = log.read_text()
    shop.server.get("/", headers=[("Bad Name", "1")])
    assert log.read_text() == written
    shop.set("error_logfile=-", "log_level=info")
    assert shop.ask("reload").code == 0
    shop.server.log.expect("the next generation serves")


def test_slow_request(shop):
    shop.set("slow_request=0.02")
    shop.server.get("/slow")
    assert "/slow" in shop.server.log.expect("slow request", seconds=SECONDS).text


# What else changes, and what cannot


def test_a_log_that_cannot_be_had_changes_nothing(shop):
    before = shop.file.read_text()
    refused = shop.ask("set", "access_logfile=/absent/directory/access.log", "timeout=1")
    assert refused.code == FAILED and "/absent/directory" in refused.said, refused
    assert shop.file.read_text() == before
    assert shop.server.get("/").status == 200
    shop.server.log.expect("changed settings are not in effect")
    assert shop.observed()["events"][-1]["kind"] == "started"


def test_what_needs_a_generation_takes_the_rest_along(shop):
    changed = json.loads(shop.ask("set", "threads=2", "timeout=0.3", "backlog=99", "--json").out)
    assert changed["generation"] == 2 and changed["awaits_restart"] == ["backlog"], changed
    assert shop.observed()["awaits_restart"] == ["backlog"]
    assert shop.server.get("/stuck").status == 504
    shop.server.log.claim("timeout|timed out|Timeout|stacks|worker|takes effect when the server is restarted")
    # A stop would let it run on, until the end of graceful_timeout.
    shop.server.log.expect("RequestTimeout|because a request ran past its timeout", seconds=SECONDS)


def test_what_took_effect_outlives_a_rollback_of_another_change(shop):
    shop.set("keepalive=0")
    assert shop.ask("set", "threads=2").code == 0
    assert shop.ask("rollback").code == 0
    assert shop.server.get("/").header("connection") == "close"


def test_a_rolling_reload_takes_what_is_live(serve, machines):  # noqa: F811
    shop = Shop(serve, machines(daemon=False), WSGI, "rolling = true\n")
    shop.file.write_text(shop.file.read_text() + "server_header = true\n")
    assert shop.ask("reload").code == 0
    shop.server.log.expect("workers are replaced one after the other")
    assert shop.server.get("/").header("server")
