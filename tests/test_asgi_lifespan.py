"""Lifespan: startup before anything is served, shutdown after all of it, once in each worker; failures; `state`."""

import json
import os
import signal
import time

import pytest
from websockets.sync.client import connect

from client import Client
from deadline import wait_until

APP = "asgi_lifespans:application"


def start(serve, kind="plain", **options):
    return serve(APP, environment={"E2E_LIFESPAN": kind}, **options)


def steps(server):
    """What was noted, without the ids of processes."""
    return [line.rsplit(" ", 1)[0] for line in server.notes("life")]


def test_startup_and_shutdown(serve):
    server = start(serve)
    assert steps(server) == ["startup", "started"], "before anything is served"
    assert server.get("/").status == 200
    assert len(steps(server)) == 2
    server.stop()
    assert steps(server) == ["startup", "started", "shutdown", "ended"]


def test_each_worker_has_its_own(serve):
    server = start(serve, workers=3)
    workers = {str(pid) for pid in server.workers()}
    # A worker that still imports is not asked for anything.
    wait_until(lambda: steps(server).count("started") == 3, "the startup of three workers")
    server.stop()
    by_worker = {}
    for line in server.notes("life"):
        step, pid = line.rsplit(" ", 1)
        by_worker.setdefault(pid, []).append(step)
    assert by_worker == dict.fromkeys(workers, ["startup", "started", "shutdown", "ended"])


def test_state_is_copied_into_each_scope(serve):
    server = start(serve)
    (pid,) = server.workers()
    with server.connect() as client:
        for turn in range(3):
            found = json.loads(client.get("/").body)
            assert found["name"] == "of the application", "keys that a request sets are its own"
            assert found["numbers"][0] == pid
            assert len(found["numbers"]) == turn + 1, "what keys name is shared"
    with connect(f"ws://127.0.0.1:{server.port}/", proxy=None) as websocket:
        assert json.loads(websocket.recv())["name"] == "of the application"


@pytest.mark.parametrize("lifespan", ["auto", "on"])
def test_startup_that_fails(serve, lifespan):
    """The reason reaches the log, and nothing is served."""
    server = start(serve, "fails", lifespan=lifespan, ready=False, workers=2)
    server.process.wait(30)
    assert not any(record.message.startswith("listening") for record in server.log.records)
    server.log.wait_line("the database is away")
    server.log.claim("")
    server.assert_ended(server.process.returncode)
    assert server.process.returncode not in (0, None)
    assert "started" not in steps(server)


def test_startup_that_raises_where_lifespan_is_demanded(serve):
    server = start(serve, "raises", lifespan="on", ready=False)
    server.process.wait(30)
    server.log.wait_line("the database is away")
    server.log.claim("")
    server.assert_ended(server.process.returncode)
    assert server.process.returncode not in (0, None)


@pytest.mark.parametrize("kind", ["unsupported", "raises"])
def test_an_exception_is_no_lifespan(serve, kind):
    """"The server must continue but not send any lifespan events"."""
    server = start(serve, kind)
    assert server.get("/").status == 200
    server.log.claim("lifespan")
    server.stop()
    assert steps(server) == (["startup"] if kind == "raises" else [])


def test_without_lifespan(serve):
    server = start(serve, lifespan="off")
    assert server.get("/").status == 200
    server.stop()
    assert steps(server) == []


def test_a_lifespan_that_returns_at_once(serve):
    """It did not say that it has started, and did not raise: it is served, or the start fails; it does not hang."""
    server = start(serve, "returns", ready=False)
    server.log.wait(
        lambda: server.process.poll() is not None or any(r.message.startswith("listening") for r in server.log.records),
        "it serves or ends",
        20,
    )
    if server.process.poll() is None:
        server.wait_ready(1)
        assert server.get("/").status == 200
        server.log.claim("lifespan")
        server.stop()
    else:
        server.log.claim("")
        server.assert_ended(server.process.returncode)


def test_nothing_is_served_before_startup_is_complete(serve):
    server = start(serve, "slow", ready=False)
    server.wait_notes("life")
    for address in server.addresses:
        # A connection may wait in the backlog, but nothing answers it.
        with Client(address, timeout=0.3) as client, pytest.raises((TimeoutError, ConnectionRefusedError)):
            client.get("/")
    assert not any(record.message.startswith("listening") for record in server.log.records)
    server.open_gate("life")
    server.wait_ready(1)
    assert server.get("/").status == 200


def test_shutdown_runs_after_the_last_request(serve):
    server = start(serve, graceful_timeout=20)
    key = server.key()
    client = server.connect()
    client.request(f"/?gate={key}")
    server.wait_notes("life", 3)
    server.send_signal(signal.SIGTERM)
    server.log.expect("stop|shut|signal|SIGTERM", level="INFO")
    assert "shutdown" not in steps(server)
    server.open_gate(key)
    assert client.response().status == 200
    server.assert_ended(0)
    assert steps(server) == ["startup", "started", "request", "answered", "shutdown", "ended"]


def test_shutdown_runs_after_the_last_websocket(serve):
    server = start(serve, graceful_timeout=20)
    with connect(f"ws://127.0.0.1:{server.port}/", proxy=None) as websocket:
        websocket.recv()
        server.send_signal(signal.SIGTERM)
        server.wait_notes("life", 4)
    server.assert_ended(0)
    assert steps(server)[-1] == "ended"


def test_shutdown_is_waited_for(serve):
    server = start(serve, "slow at its end")
    server.stop()
    assert steps(server)[-1] == "ended"


@pytest.mark.parametrize("kind", ["fails at its end", "raises at its end"])
def test_shutdown_that_fails_is_logged(serve, kind):
    server = start(serve, kind)
    server.send_signal(signal.SIGTERM)
    server.log.wait_line("the files could not be written")
    server.log.claim("lifespan|shutdown|could not be written")
    server.assert_ended(0)


def test_shutdown_that_hangs(serve):
    server = start(serve, "hangs at its end", graceful_timeout=1)
    begin = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(15)
    assert time.monotonic() - begin < 10
    server.log.claim("")
    server.assert_ended(0)


def test_a_worker_that_was_killed_starts_again(serve):
    server = start(serve, workers=1)
    (before,) = server.workers()
    os.kill(before, signal.SIGKILL)
    server.wait_notes("life", 4)
    server.log.claim("worker")
    server.wait_workers(1)
    assert server.get("/").status == 200
    server.stop()
    assert steps(server) == ["startup", "started", "startup", "started", "shutdown", "ended"]
