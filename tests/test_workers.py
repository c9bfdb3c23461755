"""Workers die in every way and at every moment; other requests and all connections outlive them."""

import os
import random
import signal
import threading

import pytest

from client import Cut
from deadline import wait_until

HOWS = ["exit", "segfault", "kill", "abort", "thread"]


def expect_death(server, cause=""):
    server.log.expect(f"worker.*{cause}")


@pytest.mark.parametrize("how", HOWS)
def test_a_death_before_the_answer_is_502_for_a_post_and_run_once(serve, how):
    server = serve("deadly:application", workers=2)
    before, key = set(server.workers()), server.key()
    with server.connect() as client:
        response = client.get(f"/dying?how={how}&key={key}", method="POST", body=b"data")
        assert response.status == 502
        assert client.get("/hello").body == b"hello", "the connection outlives the worker"
    assert server.notes(key) == ["dying POST"], "not idempotent: never run again"
    after = set(server.wait_workers(2))
    assert len(before & after) == 1
    expect_death(server)
    server.log.claim("worker|Fatal Python error|dying|lost|502|Current thread|Extension modules")


def test_a_death_before_the_answer_is_healed_for_a_get(serve):
    server = serve("deadly:application", workers=2)
    key, once = server.key(), server.key()
    response = server.get(f"/dying?key={key}&once={once}")
    assert (response.status, response.body) == (200, b"survived")
    assert server.notes(key) == ["dying GET"]
    server.log.claim("worker|dying|again")
    server.wait_workers(2)


def test_a_request_that_always_kills_is_run_twice_at_most(serve):
    server = serve("deadly:application", workers=3)
    key = server.key()
    assert server.get(f"/dying?key={key}").status == 502
    assert 1 <= len(server.notes(key)) <= 2
    server.wait_workers(3)
    server.log.claim("worker|dying|lost|502")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("length", ["", "&length=1"])
def test_a_death_in_the_answer_cuts_its_connection_alone(serve, how, length):
    server = serve("deadly:application", workers=2, threads=2)
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
    expect_death(server)
    server.log.claim("worker|Fatal Python error|dying|lost|Current thread|Extension modules")


@pytest.mark.parametrize("size", [20, 3_000_000])
def test_a_death_in_the_middle_of_an_upload(serve, size):
    server = serve("deadly:application", workers=1)
    with server.connect() as client:
        client.request("/dying-in-body", "POST", [("Content-Length", str(size))])
        try:
            client.send(b"x" * size)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.response().status == 502
    assert wait_until(lambda: server.get("/hello").status == 200, "served again")
    expect_death(server)
    server.log.claim("worker|dying|lost")


def test_other_threads_of_a_dead_worker_are_answered_as_well(serve):
    server = serve("deadly:application", workers=1, threads=4)
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
    assert [len(server.notes(key)) for key in keys] == [2, 1, 1]
    server.log.claim("worker|lost|gated|dying")


def test_requests_wait_for_a_new_worker(serve):
    """With no worker left, what is queued is answered by the next."""
    server = serve("deadly:application", workers=1)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        client.request("/pid")
    os.kill(worker, signal.SIGKILL)
    pids = {int(client.response().text) for client in clients}
    assert pids == set(server.workers())
    server.log.claim("worker")


def test_keep_alive_connections_survive_every_worker(serve):
    server = serve("deadly:application", workers=2)
    clients = [server.connect() for _ in range(20)]
    for _ in range(3):
        for client in clients:
            assert client.get("/hello").body == b"hello"
        for worker in server.wait_workers(2):
            os.kill(worker, signal.SIGKILL)
            server.log.expect("worker.*SIGKILL")
    for client in clients:
        assert client.get("/hello").body == b"hello"
    server.wait_workers(2)
    server.log.claim("worker")


def test_a_worker_told_to_end_by_somebody_is_replaced(serve):
    server = serve("deadly:application", workers=1)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: worker not in server.workers() and server.workers(), "another worker")
    assert server.get("/hello").body == b"hello"
    server.log.claim("worker")


KILLS, LOAD_CLIENTS, LOAD_WORKERS = 60, 8, 8
# So many answers come between two deaths: some worker has got ready. Workers that are killed faster than they can start are
# told to be a broken application, and that costs a 503. And each client has had one of them: a request that is run by two workers that are killed
# is given up.
BETWEEN = 20


def test_random_kills_under_load_lose_nothing(serve):
    """Every answer is accounted for: GETs are all answered 200; a POST is answered 200, or 502, and runs once at most. Who is
    killed may serve, or start."""
    server = serve("deadly:application", workers=LOAD_WORKERS, threads=2, graceful_timeout=10)
    stop, kills, chance = threading.Event(), 0, random.Random(1)
    answers, had = [], [0] * LOAD_CLIENTS

    def load(index):
        client = server.connect()
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{index}-{number}"
            method = "POST" if number % 3 == 0 else "GET"
            body = b"body" * (number % 50) if method == "POST" else b""
            response = client.get(f"/work?n={name}", method=method, body=body)
            answers.append((method, name, response.status))
            had[index] += 1
            if response.status == 200:
                assert response.body.startswith(f"{name} {body.decode()} x".encode()), "the answer of another request"

    threads = [threading.Thread(target=load, args=(index,)) for index in range(LOAD_CLIENTS)]
    faults = []
    threading.excepthook, hook = lambda arguments: faults.append(arguments.exc_value), threading.excepthook
    try:
        for thread in threads:
            thread.start()
        while kills < KILLS:
            killed, before = chance.choice(wait_until(server.workers, "any worker")), len(answers)
            try:
                os.kill(killed, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                continue
            server.log.wait_line(rf"\b{killed}\b.*SIGKILL")
            by_then = list(had)

            def go_on():
                return len(answers) >= before + BETWEEN and all(now > then for now, then in zip(had, by_then, strict=True))

            wait_until(lambda: go_on() or faults, lambda: f"answers go on: {len(answers)}, {had}")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
        threading.excepthook = hook
    assert not faults, faults
    assert not any(thread.is_alive() for thread in threads), "a request hangs"
    gets = [status for method, _, status in answers if method == "GET"]
    posts = [status for method, _, status in answers if method == "POST"]
    assert set(gets) == {200}
    assert set(posts) <= {200, 502}
    assert posts.count(200) > len(posts) / 3
    runs = [line for line in server.notes("work") if line.startswith("POST")]
    assert len(runs) == len(set(runs)), "a POST was run twice"
    answered = {f"POST {name}" for method, name, status in answers if method == "POST" and status == 200}
    assert answered <= set(runs)
    server.wait_workers(LOAD_WORKERS)
    assert server.get("/hello").body == b"hello"
    server.log.claim("worker|work")


@pytest.mark.parametrize(
    "options",
    [{}, {"threads": 3}, {"preload": True}, {"interface": "asgi", "loop": "asyncio"}, {"interface": "asgi", "loop": "uvloop"}],
    ids=["one thread", "threads", "forked", "asyncio", "uvloop"],
)
def test_an_idle_worker_hears_a_signal_that_does_not_wake_it(serve, options):
    """A signal that comes just before the main thread sleeps, or that another thread receives, ends no sleep of it. The handler ran with the next
    request only."""
    server = serve(f"signals:{'asgi' if 'loop' in options else 'application'}", workers=1, **options)
    pid = int(server.get("/block").body)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in server.workers(), lambda: f"worker {pid} ends:\n{server.describe()}")
    assert int(server.get("/").body) != pid
