"""A stop in the middle of a load loses nothing: what was sent is answered whole, what was accepted is served."""

import asyncio
import os
import random
import signal
import time

import pytest

from client import Cut, plain_request
from deadline import wait_until
from load import PROMPT_SECONDS, Load

CLIENTS = 32


def stop_under_load(server, address, closing, keeping, seed):
    """Stops the server after a number of answers that differs from run to run; nobody who asked is lost."""
    load = Load(address, plain_request("/hello"), b"hello")
    kind = "closing" if closing else "keeping"

    async def stop():
        await load.answers(kind, CLIENTS * 8 + random.Random(seed).randrange(200))
        server.send_signal(signal.SIGTERM)

    asyncio.run(load.run(closing, keeping, stop))
    server.assert_ended(0)
    # Who has connected, or has an answer that does not say `close`, is waited for a moment: a client that was slow to ask may find it closed.
    assert load.lost == [] or load.lag > PROMPT_SECONDS and len(load.lost) <= closing + keeping, load.lost


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_who_connected_before_a_stop_is_served(serve, tmp_path, kind, seed):
    """Connections that stood in the backlog, and those accepted whose request had not been read, were reset by a stop: with 32 clients that
    connected for each request, some lost theirs in nearly every stop."""
    bind = f"unix:{tmp_path}/app.sock" if kind == "unix" else "127.0.0.1:0"
    server = serve("deadly:application", bind=bind, graceful_timeout=10)
    stop_under_load(server, server.address, CLIENTS, 0, seed)


@pytest.mark.parametrize("seed", range(3))
def test_who_asks_on_after_an_answer_is_served(serve, seed):
    """A kept connection was closed by a stop between two requests, although the next was on its way: whoever was not told
    `Connection: close` and asks at once gets an answer."""
    server = serve("deadly:application", workers=2, graceful_timeout=10)
    stop_under_load(server, server.address, 0, CLIENTS, seed)


@pytest.mark.parametrize("seed", range(2))
def test_both_kinds_at_once(serve, seed):
    """The two kinds of clients side by side, and two router threads, between which connections may just be moving."""
    server = serve("deadly:application", workers=2, router_threads=2, graceful_timeout=10)
    stop_under_load(server, server.address, CLIENTS, CLIENTS, seed)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_backlog_is_served(serve, threads):
    """What connected while the server was too busy to accept is served by the stop that comes first: here the server stands still, while
    clients connect, send, and it is told to stop. No other connection keeps it from ending."""
    server = serve("deadly:application", router_threads=threads, graceful_timeout=10)
    address = server.address
    os.kill(server.pid, signal.SIGSTOP)
    clients = [server.connect(address) for _ in range(20)]
    for client in clients:
        client.request("/hello")
    server.send_signal(signal.SIGTERM)
    os.kill(server.pid, signal.SIGCONT)
    for client in clients:
        # Whether it is told to close depends on what the server hears of first.
        assert client.response().body == b"hello"
    for client in clients:
        client.expect_end()
    server.assert_ended(0)


def test_a_kept_connection_may_ask_once_more_after_a_stop(serve):
    """The server cannot know what is on its way: it waits a moment before it closes a connection that says nothing."""
    server = serve("deadly:application", graceful_timeout=10)
    asking, silent = server.connect(), server.connect()
    for client in (asking, silent):
        assert client.get("/hello").header("Connection") is None
    address = server.address
    server.send_signal(signal.SIGTERM)
    # Whoever was not told to close may ask once more, if at once: the log would be too long a way for the news of the stop.
    answered = time.monotonic()
    try:
        while (response := asking.get("/hello")).header("Connection") is None:
            assert response.body == b"hello"
            answered = time.monotonic()
    except (Cut, BrokenPipeError, ConnectionResetError):
        # Here it was not at once.
        assert time.monotonic() - answered > PROMPT_SECONDS
    else:
        assert (response.body, response.header("Connection")) == (b"hello", "close")
    asking.expect_end()
    silent.expect_end()

    def refused():
        try:
            server.connect(address).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(refused, "new connections are refused")
    server.assert_ended(0)
