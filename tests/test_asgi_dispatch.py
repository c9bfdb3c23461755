"""Requests and event loops: who gets what, time limits, loops that are stuck, workers that die."""

import collections
import time

import pytest

from client import Cut
from deadline import let_pass, wait_until

APP = "asgi_deadly:application"
HOWS = ["exit", "segfault", "kill", "abort", "thread"]
DYING = "worker|Fatal Python error|dying|lost|502|Current thread|Extension modules"


def wait_served(server):
    """Waits until the worker that replaces the only one serves: a request that comes before waits for it no longer than its timeout."""
    wait_until(lambda: server.get("/hello").body == b"hello", lambda: f"it serves again:\n{server.describe()}")


# Who gets what


@pytest.mark.parametrize("blocked", [1, 2, 3])
def test_a_blocked_loop_gets_nothing_while_another_is_free(serve, blocked):
    server = serve(APP, workers=blocked + 1)
    keys = [server.key() for _ in range(blocked)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/blocking?gate={key}")
        server.wait_notes(key)
    stuck = {server.notes(key)[0] for key in keys}
    assert len(stuck) == blocked, "a free loop before one that is blocked"
    times = []
    with server.connect() as client:
        for _ in range(100):
            start = time.monotonic()
            assert client.get("/pid").body.decode() not in stuck
            times.append(time.monotonic() - start)
    # One or the other may be late, where the machine stands still for a moment.
    assert sorted(times)[-10] < 2, sorted(times)[-10:]
    for client, key in zip(clients, keys, strict=True):
        server.open_gate(key)
        assert client.response().body == b"through"


def test_a_loop_that_was_blocked_serves_again(serve):
    server = serve(APP, workers=1)
    key = server.key()
    blocker, clients = server.connect(), [server.connect() for _ in range(10)]
    blocker.request(f"/blocking?gate={key}")
    server.wait_notes(key)
    for client in clients:
        client.request("/hello")
    server.open_gate(key)
    assert blocker.response().body == b"through"
    assert [client.response().body for client in clients] == [b"hello"] * 10


def test_free_loops_share_the_work(serve):
    """Forty handlers that wait, at once: no loop has more than twice its part, or less than half. Each is begun before the next one comes: a
    loop that gets no processor for ten milliseconds is not free, and others take what it leaves."""
    server = serve(APP, workers=4)
    counts = collections.Counter()
    for _ in range(3):
        keys = [server.key() for _ in range(40)]
        clients = [server.connect() for _ in keys]
        for client, key in zip(clients, keys, strict=True):
            client.request(f"/gated?gate={key}")
            counts.update(server.wait_notes(key))
        for client, key in zip(clients, keys, strict=True):
            server.open_gate(key)
            assert client.response().body == b"through"
            client.close()
    assert sum(counts.values()) == 120
    assert len(counts) == 4 and max(counts.values()) <= 60 and min(counts.values()) >= 15, counts


def test_one_loop_runs_many_handlers_at_once(serve):
    server = serve(APP, workers=1)
    clients = [server.connect() for _ in range(200)]
    start = time.monotonic()
    for client in clients:
        client.request("/sleeping?seconds=0.5")
    assert {client.response().status for client in clients} == {200}
    # One after the other they take a hundred seconds.
    assert time.monotonic() - start < 20


# Time limits


def test_a_handler_past_its_timeout_is_504_and_cancelled(serve):
    """Its worker goes on: the same process serves what comes next, and what ran beside it."""
    server = serve(APP, workers=1, timeout=8)
    key, beside = server.key(), server.key()
    (worker,) = server.workers()
    with server.connect() as client, server.connect() as other:
        start = time.monotonic()
        client.request(f"/patient?key={key}")
        server.wait_notes(key)
        # It is within its own time when that of the other is over.
        let_pass(4)
        other.request(f"/gated?gate={beside}")
        server.wait_notes(beside)
        assert client.response().status == 504
        assert 7.9 < time.monotonic() - start < 30
        assert server.wait_notes(key, 2) == [str(worker), "cancelled"]
        server.open_gate(beside)
        assert other.response().body == b"through"
        assert client.get("/pid").body == str(worker).encode()
    record = server.log.expect("patient")
    assert "timeout" in record.text.lower() or "cancel" in record.text.lower() or "504" in record.text
    let_pass(2.5)
    assert server.workers() == [worker]
    server.log.claim("patient")


def test_a_handler_that_goes_on_when_it_is_cancelled(serve):
    """What it answers then is nobody's any more."""
    server = serve(APP, workers=1, timeout=3)
    key = server.key()
    (worker,) = server.workers()
    with server.connect() as client:
        assert client.get(f"/patient?key={key}&stubborn=1").status == 504
        assert server.wait_notes(key, 3)[1:] == ["cancelled", "went on"]
        for _ in range(3):
            assert client.get("/pid").body == str(worker).encode()
    server.log.claim("patient")


def test_an_answer_may_be_quiet_for_longer_than_the_timeout(serve):
    """The limit is that of the head: streams of events have nothing to say for hours."""
    server = serve(APP, workers=1, timeout=3)
    with server.connect() as client:
        assert client.get("/quiet?seconds=8").body == b"firstlast"


@pytest.mark.parametrize("how", ["asleep", "busy"])
def test_a_stuck_loop_is_504_and_its_worker_replaced(serve, how):
    """With its stack in the log. The others never notice."""
    server = serve(APP, workers=2, timeout=3, graceful_timeout=2)
    before = set(server.workers())
    with server.connect() as client:
        start = time.monotonic()
        assert client.get(f"/stuck?how={how}").status == 504
        # It is stuck for half a minute.
        assert 2.9 < time.monotonic() - start < 15
        assert client.get("/hello").body == b"hello"
    server.log.expect("", detail=r"in stay\b", seconds=15)
    if how == "asleep":
        wait_until(lambda: len(set(server.workers()) & before) == 1, "the worker is replaced")
    server.wait_workers(2)
    assert server.get("/hello").body == b"hello"
    server.log.claim("worker|timeout|stuck|in stay")


@pytest.mark.parametrize("when", ["in", "after"])
def test_a_loop_that_is_stuck_in_or_after_an_answer(serve, when):
    """No head is waited for; the loop is found out all the same."""
    server = serve(APP, workers=1, timeout=1, graceful_timeout=2)
    (before,) = server.workers()
    with server.connect() as client:
        client.request(f"/stuck?how=asleep&when={when}")
        if when == "in":
            response = client.head()
            with pytest.raises(Cut):
                client.read_body(response)
        else:
            assert client.response().body == b"whole"
    server.log.expect("", detail=r"in stay\b", seconds=15)
    wait_until(lambda: before not in server.workers(), "the worker is replaced")
    wait_served(server)
    server.log.claim("worker|timeout|stuck|in stay")


def test_requests_beside_a_stuck_one(serve):
    """They cannot be finished; each is answered, and those that may be are run again."""
    server = serve(APP, workers=1, timeout=2, graceful_timeout=1)
    key, (before,) = server.key(), server.workers()
    beside, stuck = server.connect(), server.connect()
    beside.request(f"/gated?gate={key}")
    server.wait_notes(key)
    stuck.request("/stuck?how=asleep")
    assert stuck.response().status == 504
    server.open_gate(key)
    # 503: the worker that replaces it was not ready in time.
    assert beside.response().status in (200, 502, 503, 504)
    wait_until(lambda: before not in server.workers(), "the worker is replaced")
    server.wait_workers(1)
    wait_served(server)
    server.log.claim("worker|timeout|stuck|gated|in stay|lost")


# Workers die: the table of WSGI


@pytest.mark.parametrize("how", HOWS)
def test_a_death_before_the_answer_is_502_for_a_post_and_run_once(serve, how):
    server = serve(APP, workers=2)
    before, key = set(server.workers()), server.key()
    with server.connect() as client:
        assert client.get(f"/dying?how={how}&key={key}", method="POST", body=b"data").status == 502
        assert client.get("/hello").body == b"hello", "the connection outlives the worker"
    assert server.notes(key) == ["dying POST"], "not idempotent: never run again"
    after = set(server.wait_workers(2))
    assert len(before & after) == 1
    server.log.expect("worker")
    server.log.claim(DYING)


def test_a_death_before_the_answer_is_healed_for_a_get(serve):
    server = serve(APP, workers=2)
    key, once = server.key(), server.key()
    response = server.get(f"/dying?key={key}&once={once}")
    assert (response.status, response.body) == (200, b"survived")
    assert server.notes(key) == ["dying GET"]
    server.log.claim(DYING + "|again")
    server.wait_workers(2)


def test_a_request_that_always_kills_is_run_twice_at_most(serve):
    server = serve(APP, workers=3)
    key = server.key()
    assert server.get(f"/dying?key={key}").status == 502
    assert 1 <= len(server.notes(key)) <= 2
    server.wait_workers(3)
    server.log.claim(DYING)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("length", ["", "&length=1"])
def test_a_death_in_the_answer_cuts_its_connection_alone(serve, how, length):
    server = serve(APP, workers=2)
    key = server.key()
    with server.connect() as client, server.connect() as other:
        other.get("/hello")
        client.request(f"/dying-in-answer?how={how}&gate={key}{length}")
        response = client.head()
        assert (client.exactly(5) if length else client.chunk()) == b"first"
        server.open_gate(key)
        with pytest.raises(Cut):
            client.read_body(response)
        assert other.get("/hello").body == b"hello"
    server.wait_workers(2)
    server.log.expect("worker")
    server.log.claim(DYING)


@pytest.mark.parametrize("size", [20, 3_000_000])
def test_a_death_in_the_middle_of_an_upload(serve, size):
    server = serve(APP, workers=1)
    with server.connect() as client:
        client.request("/dying-in-body", "POST", [("Content-Length", str(size))])
        try:
            client.send(b"x" * size)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.response().status == 502
    assert wait_until(lambda: server.get("/hello").status == 200, "served again")
    server.log.expect("worker")
    server.log.claim(DYING)


def test_a_death_after_the_answer_concerns_nobody(serve):
    server = serve(APP, workers=1)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/dying-after-answer?how=kill&gate={key}").body == b"whole"
        server.open_gate(key)
        server.log.expect("worker")
        server.wait_workers(1)
        assert client.get("/hello").body == b"hello", "the connection goes on"
    server.log.claim(DYING)


def test_other_handlers_of_a_dead_worker_are_answered_as_well(serve):
    server = serve(APP, workers=1)
    keys = [server.key() for _ in range(3)]
    clients = [server.connect() for _ in range(3)]
    for client, key, method in zip(clients, keys, ["GET", "POST", "POST"], strict=True):
        client.request(f"/gated?gate={key}", method)
        server.wait_notes(key)
    killer = server.connect()
    killer.request("/dying?how=kill", "POST")
    assert killer.response().status == 502
    for key in keys:
        server.open_gate(key)
    assert [client.response().status for client in clients] == [200, 502, 502]
    server.wait_workers(1)
    server.log.claim(DYING + "|gated")
