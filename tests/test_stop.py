"""How a server ends: what runs is finished, what waits is served, nothing is left."""

import os
import signal
import time

import pytest

from client import Cut
from deadline import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_runs(serve, number):
    server = serve("deadly:application", workers=1, threads=2, graceful_timeout=20)
    key = server.key()
    running, streaming, idle = server.connect(), server.connect(), server.connect()
    idle.get("/hello")
    running.request(f"/gated?gate={key}")
    server.wait_notes(key)
    streaming.request("/streaming?count=50")
    streamed = streaming.head()
    address = server.address
    server.send_signal(number)
    idle.expect_end()

    def refused():
        try:
            server.connect(address).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(refused, "new connections are refused")
    streaming.read_body(streamed)
    assert streamed.body == b"block" * 50
    server.open_gate(key)
    response = running.response()
    assert (response.body, response.header("Connection")) == (b"through", "close")
    running.expect_end()
    server.assert_ended(0)


def test_a_stop_serves_what_is_queued(serve):
    server = serve("deadly:application", workers=1, threads=1, graceful_timeout=20)
    keys = [server.key() for _ in range(3)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/gated?gate={key}")
        server.wait_notes(keys[0])
    server.send_signal(signal.SIGTERM)
    for key in keys:
        server.open_gate(key)
    assert [client.response().status for client in clients] == [200] * 3
    server.assert_ended(0)


def test_a_stop_waits_no_longer_than_graceful_timeout(serve):
    server = serve("deadly:application", workers=1, graceful_timeout=1)
    key = server.key()
    client = server.connect()
    client.request(f"/stubborn?key={key}")
    server.wait_notes(key)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    try:
        assert client.response().status in (502, 503, 504)
    except Cut:
        pass  # as good
    server.process.wait(10)
    assert time.monotonic() - start < 6
    server.log.claim("")
    server.assert_ended(0)


def test_a_second_signal_ends_at_once(serve):
    server = serve("deadly:application", workers=2, graceful_timeout=60)
    key = server.key()
    client = server.connect()
    client.request(f"/stubborn?key={key}")
    server.wait_notes(key)
    server.send_signal(signal.SIGTERM)
    server.log.expect("stop|shut|signal|SIGTERM", level="INFO")
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert time.monotonic() - start < 2
    server.log.claim("")
    server.assert_ended(server.process.returncode)


def test_a_stop_with_nothing_to_do_is_quick(serve):
    server = serve("deadly:application", workers=2)
    client = server.connect()
    client.get("/hello")
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert time.monotonic() - start < 2
    server.assert_ended(0)


def test_workers_do_not_outlive_a_killed_server(serve):
    server = serve("deadly:application", workers=3)
    server.ended = True
    server.send_signal(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL  # asserts that no process is left


def test_a_terminal_interrupt_reaches_workers_and_is_ignored_there(serve):
    """Ctrl-C goes to the whole process group; the workers leave it to the server."""
    server = serve("deadly:application", workers=2, graceful_timeout=20)
    key = server.key()
    client = server.connect()
    client.request(f"/gated?gate={key}")
    server.wait_notes(key)
    os.killpg(server.pid, signal.SIGINT)
    server.log.expect("stop|shut|signal|SIGINT", level="INFO")
    server.open_gate(key)
    assert client.response().body == b"through"
    server.assert_ended(0)


def test_a_stop_while_a_worker_starts_is_quiet(serve):
    """What is told to end before it is ready is no event for the log."""
    server = serve("deadly:application", workers=2)
    for _ in range(3):
        worker = server.workers()[0]
        os.kill(worker, signal.SIGKILL)
        server.log.expect(f"worker.*{worker}.*SIGKILL")
    server.send_signal(signal.SIGTERM)
    server.log.claim("keeps dying")
    server.assert_ended(0)
