"""Code that is stuck: ended by an exception where that is possible, replaced where it is not, and told of while it lasts."""

import json
import random
import re
import subprocess
import threading
import time

import pytest

from deadline import wait_until
from server import BINARY
from websocket_frames import TEXT, frame, opened

WSGI = "stuck:application"
ASGI = "asgi_stuck:application"
TOLD = "timeout|stuck|Python stacks|RequestTimeout"
# The time limit of a request where others are to be served within it as well, on a machine that stands still for a moment.
LIMIT = 3


def record_of(server, pattern, **options):
    return server.log.expect(pattern, seconds=15, **options)


def replaced(server, worker):
    """Waits until another process serves in the place of the only worker; returns its id."""

    def found():
        workers = server.workers()
        return workers[0] if len(workers) == 1 and worker not in workers else None

    found = wait_until(found, lambda: f"another than {worker}: {server.workers()}")
    # A request that comes before it is ready waits for it no longer than its timeout.
    wait_until(lambda: server.get("/pid").status == 200, lambda: f"{found} serves:\n{server.describe()}")
    return found


# Requests past their time


def test_a_request_that_computes_is_ended_and_its_worker_saved(serve):
    """Its `finally` blocks run, and the long request beside it is not touched."""
    server = serve(WSGI, workers=1, threads=2, timeout=LIMIT)
    key, beside, (worker,) = server.key(), server.key(), server.workers()
    other, client = server.connect(), server.connect()
    other.request(f"/gated?gate={beside}")
    server.wait_notes(beside)
    client.request(f"/busy?key={key}", headers=[("X-Request-Id", "busy-1")])
    assert client.response().status == 504
    raised = server.wait_notes(key, 3)
    assert raised == ["began", f"raised the request ran past its timeout of {LIMIT} s", "finally"]
    stacks = record_of(server, "the Python stacks of a worker that runs", detail=r"in spin\b")
    assert f"GET /busy?key={key}" in stacks.message
    assert "busy-1" in stacks.message
    assert record_of(server, "what ran past its timeout has ended; the worker goes on", level="INFO")
    assert client.get("/pid").body == str(worker).encode()
    server.open_gate(beside)
    response = other.response()
    assert response.status == 200 and response.body.endswith(b"through")
    assert server.notes(beside) == ["began"]
    assert server.workers() == [worker]
    server.log.claim(TOLD)


@pytest.mark.parametrize("how", ["asleep", "stubborn"])
def test_a_request_that_cannot_be_ended_costs_its_worker(serve, how):
    """It is in C, or catches whatever comes. Nothing else runs, so nobody waits."""
    server = serve(WSGI, workers=1, timeout=LIMIT, graceful_timeout=30)
    key, (worker,) = server.key(), server.workers()
    assert server.get(f"/{how}?key={key}").status == 504
    assert record_of(server, "cannot be ended; its worker is killed")
    replacement = replaced(server, worker)
    assert server.get("/pid").body == str(replacement).encode()
    if how == "stubborn":
        assert server.notes(key) == ["caught"], "once"
    server.log.claim(TOLD)


def test_others_beside_one_that_cannot_be_ended_are_finished(serve):
    """The worker takes nothing more, another serves; when the last of the others is done it is killed at once."""
    server = serve(WSGI, workers=1, threads=2, timeout=LIMIT, graceful_timeout=60)
    key, beside, (worker,) = server.key(), server.key(), server.workers()
    other = server.connect()
    other.request(f"/gated?gate={beside}")
    server.wait_notes(beside)
    assert server.get(f"/asleep?key={key}").status == 504
    assert record_of(server, "its worker is replaced once its other requests are done")
    both = server.wait_workers(2)
    assert worker in both

    def served():
        answer = server.get("/pid")
        assert answer.body != str(worker).encode()
        return answer.status == 200

    # While the other starts, a request waits no longer than its timeout.
    wait_until(served, server.describe)
    server.open_gate(beside)
    assert other.response().body.endswith(b"through")
    wait_until(lambda: worker not in server.workers(), "the worker is gone")
    server.log.claim(TOLD)


def test_no_exception_ever_hits_another_request(serve):
    """Requests that end at the very moment of their time-out, beside short ones on the same threads."""
    limit = 0.8
    server = serve(WSGI, workers=1, threads=3, timeout=limit, limit_concurrency=64)
    (worker,) = server.workers()
    statuses, overdue, faults, over = [], [], [], threading.Event()
    choose = random.Random(4)
    lasting = [[round(choose.uniform(0.85, 1.15) * limit, 4) for _ in range(14)] for _ in range(2)]

    def briefly(seconds):
        try:
            for each in seconds:
                statuses.append(server.get(f"/brief?seconds={each}&least={limit * 0.8}").status)
        except BaseException as fault:
            faults.append(fault)

    def shortly():
        try:
            with server.connect() as client:
                while not over.is_set():
                    began = time.monotonic()
                    status = client.get(f"/short?least={limit * 0.8}").status
                    took = time.monotonic() - began
                    # On a machine that stands still even such a request can be past its time.
                    assert status == 200 or (status in (503, 504) and took >= limit * 0.8), (status, took)
                    if status == 504:
                        overdue.append(took)
        except BaseException as fault:
            faults.append(fault)

    brief = [threading.Thread(target=briefly, args=(seconds,)) for seconds in lasting]
    short = threading.Thread(target=shortly)
    for thread in [*brief, short]:
        thread.start()
    for thread in brief:
        thread.join()
    over.set()
    short.join()
    assert not faults, faults
    assert {200, 504} <= set(statuses), "the load met no time-out, or nothing else"
    assert server.notes("innocent") == []
    failed = [record for record in server.log.records if re.search(r"/short\S* failed", record.message)]
    assert len(failed) <= len(overdue), failed
    assert server.workers() == [worker], "nothing was stuck"
    server.log.claim(TOLD + "|brief|/short")


# Event loops


@pytest.mark.parametrize("late", ["", "&late=1"])
def test_a_handler_that_keeps_its_loop_is_ended_and_the_loop_saved(serve, late):
    server = serve(ASGI, workers=1, timeout=LIMIT)
    key, beside, (worker,) = server.key(), server.key(), server.workers()
    other = server.connect()
    other.request(f"/gated?gate={beside}")
    server.wait_notes(beside)
    assert server.get(f"/busy?key={key}{late}").status == 504
    began, raised, ended = server.wait_notes(key, 3)
    assert (began, ended) == ("began", "finally")
    assert raised == f"raised this code kept the event loop from turning, past the timeout of {LIMIT} s"
    assert record_of(server, "the Python stacks of", detail=r"(?s)in spin\b.*Tasks of the event loop.*in gated\b")
    assert record_of(server, "what ran past its timeout has ended; the worker goes on", level="INFO")
    assert server.get("/pid").body == str(worker).encode()
    server.open_gate(beside)
    assert other.response().body == b"first,last"
    server.log.claim(TOLD)


def test_a_task_that_keeps_its_loop_is_ended(serve):
    """It serves no request, so no time limit of a request ever found it."""
    server = serve(ASGI, workers=1, timeout=LIMIT)
    key, (worker,) = server.key(), server.workers()
    assert server.get(f"/later?key={key}&how=task").body == b"later"
    assert server.wait_notes(key, 2) == ["began", "finally"]
    assert server.get("/pid").body == str(worker).encode()
    server.log.claim(TOLD + "|never retrieved")


def test_a_callback_that_keeps_its_loop_costs_the_worker(serve):
    server = serve(ASGI, workers=1, timeout=LIMIT)
    key, (worker,) = server.key(), server.workers()
    assert server.get(f"/later?key={key}&how=callback").body == b"later"
    server.wait_notes(key)
    replacement = replaced(server, worker)
    assert server.get("/pid").body == str(replacement).encode()
    server.log.claim(TOLD + "|callback")


def test_a_handler_that_waits_is_cancelled_and_no_more(serve):
    server = serve(ASGI, workers=1, timeout=LIMIT)
    key, (worker,) = server.key(), server.workers()
    assert server.get(f"/patient?key={key}").status == 504
    assert server.wait_notes(key, 2) == ["began", "cancelled"]
    assert server.get("/pid").body == str(worker).encode()
    server.log.claim("timeout")


def test_a_loop_that_a_websocket_keeps_is_found(serve):
    server = serve(ASGI, workers=1, timeout=LIMIT, websocket_ping_interval=0)
    (worker,) = server.workers()
    client = server.connect()
    opened(client, "/socket")
    client.send(frame(TEXT, b"stick"))
    assert record_of(server, "an event loop has not turned for as long as timeout")
    assert record_of(server, "the Python stacks of", detail=r"in application\b")
    replaced(server, worker)
    assert server.get("/pid").status == 200
    server.log.claim(TOLD)


# Warnings


def test_a_request_that_does_not_move_is_told_of_once_and_again_after_twice_the_time(serve):
    server = serve(WSGI, workers=1, threads=2, timeout=3, stall_warning=0.4)
    key, beside = server.key(), server.key()
    other, client = server.connect(), server.connect()
    other.request(f"/gated?gate={beside}")
    server.wait_notes(beside)
    client.request(f"/busy?key={key}", headers=[("X-Request-Id", "stall-1")])
    assert client.response().status == 504
    server.wait_notes(key, 3)
    server.open_gate(beside)
    assert other.response().body.endswith(b"through")
    # The one beside it is told of as well, where the machine stands still for so long.
    told = [record for record in server.log.records if "has not moved" in record.message and "/busy" in record.message]
    ages = [float(re.search(r"has not moved for ([\d.]+) s", record.message)[1]) for record in told]
    # After 0.4 s, 0.8 and 1.6; 3.2 mostly comes too late, but what is past its timeout may take a moment to end.
    assert len(ages) in (3, 4), ages
    assert all(age >= due for age, due in zip(ages, [0.4, 0.8, 1.6, 3.2])), ages
    for record in told:
        assert f"GET /busy?key={key}, for " in record.message
        assert "stall-1" in record.message
        assert re.search(r"in spin\b", record.detail[1]), record.text
        assert not re.search(r"in gated\b", record.text), "the stack of this thread only"
    server.log.claim(TOLD + "|has not moved")


def test_a_loop_that_does_not_turn_is_told_of(serve):
    server = serve(ASGI, workers=1, timeout=2, stall_warning=0.4)
    key = server.key()
    assert server.get(f"/busy?key={key}").status == 504
    record = record_of(server, "the event loop has not turned for", level="WARN", detail=r"in spin\b")
    assert f"it runs GET /busy?key={key}, for " in record.message
    server.wait_notes(key, 3)
    server.log.claim(TOLD + "|has not turned")


# Stacks


def test_stacks_list_tasks(serve, tmp_path):
    """Where each waits, and which request it serves."""
    socket = tmp_path / "control.sock"
    server = serve(ASGI, workers=1, timeout=6, control_socket=socket)
    key = server.key()
    client = server.connect()
    client.request(f"/patient?key={key}", headers=[("X-Request-Id", "wait-1")])
    server.wait_notes(key)

    def ask(*words):
        command = [BINARY, *words, "--socket", socket]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    (running,) = json.loads(ask("requests", "--json"))
    text = ask("stacks", str(running["worker"]))
    found = re.search(r"Task hostler-request \([^)]*\), serving GET /patient\?key=\S+ \(id wait-1\)\n +File (.*)\n", text)
    assert found, text
    assert found[1].endswith(" in never"), found[0]
    assert "thread 0x" in text.lower()
    assert client.response().status == 504
    server.log.claim("Python stacks|timeout")
