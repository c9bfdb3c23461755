"""Sleep: without requests all workers go, the server stays, and the next request brings them back."""

import json
import re
import signal
import time
from contextlib import contextmanager

import pytest

import processes
from client import Client, Response
from deadline import wait_until
from project import Project

SOURCE = """
import os, time
time.sleep({importing})
def application(environ, start_response):
    body = {body!r}
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    while environ["PATH_INFO"] == "/gated" and not os.path.exists("gate"):
        time.sleep(0.005)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# What is imported waits here until it is let go.
HELD = """
import os, time
while not os.path.exists("let-go"):
    time.sleep(0.005)
"""
# The load is looked at once a second, so that this is two looks.
SOON = 1
IDLE_MEMORY_MIB = 8


def source(body=b"one", importing=0):
    return SOURCE.format(body=body, importing=importing)


@pytest.fixture
def project(serve, tmp_path):
    made = []

    def make(text=None, **options):
        made.append(Project(serve, tmp_path, text or source(), **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


def asleep(made):
    made.wait_state("asleep")
    wait_until(lambda: not made.server.workers(), lambda: f"no worker: {made.server.workers()}")


@contextmanager
def awake(made):
    """A request that wakes it and runs as long as the block, so that it cannot fall asleep again; its answer is whole after it."""
    answer = Response("", 0, "", [])
    with made.server.connect() as client:
        client.request("/gated")
        yield answer
        (made.directory / "gate").touch()
        vars(answer).update(vars(client.response()))


@pytest.mark.parametrize("workers", ["0..3", "2"])
def test_all_workers_go_and_the_first_request_brings_them_back(project, workers):
    made = project(workers=workers, idle_timeout=SOON)
    assert made.server.get().body == b"one"
    asleep(made)
    assert made.observed("workers_ready") == 0
    with awake(made) as answer:
        made.wait_state("serving")
        made.server.log.expect("a worker is ready after the sleep")
    assert (answer.status, answer.body) == (200, b"one")
    asleep(made)


def test_many_first_requests_are_all_answered(project):
    made = project(workers="0..2", idle_timeout=SOON)
    asleep(made)
    clients = [made.server.connect() for _ in range(20)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [client.response().status for client in clients] == [200] * 20


def test_the_first_request_waits_for_the_import_and_little_more(project):
    made = project(source(importing=0.5), workers="0..1", idle_timeout=SOON)
    more = []
    for _ in range(3):
        asleep(made)
        began = time.monotonic()
        assert made.server.get().status == 200
        took = time.monotonic() - began
        assert took >= 0.5
        started = made.server.log.expect("a worker is ready after the sleep")
        more.append(took - float(re.search(r"seconds=([\d.]+)", started.message)[1]))
    # How long the worker took is its own affair; the figure is the benchmark's, here it is that nothing else is waited for: not
    # for the next look at the load, which comes once a second, and not for all workers. One awakening or two may be held up by a machine
    # that stands still.
    assert min(more) < 0.6, more


def test_a_request_that_runs_keeps_it_awake(project):
    made = project(workers="0..1", idle_timeout=SOON)
    with Client(made.server.address) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200
    asleep(made)


def test_memory_is_given_back(project):
    made = project(workers="0..2", idle_timeout=SOON)
    for _ in range(50):
        made.server.get()
    asleep(made)

    def share():
        """What is not the program's file, whose size is a matter of the build: MiB of anonymous and of shared memory."""
        rollup = (processes.PROC / str(made.server.pid) / "smaps_rollup").read_text()
        return sum(int(rollup.split(f"\n{name}:")[1].split()[0]) for name in ("Pss_Anon", "Pss_Shmem")) / 1024

    wait_until(lambda: share() < IDLE_MEMORY_MIB, lambda: f"{share():.1f} MiB")


def test_a_stop_while_asleep(project):
    made = project(workers="0..2", idle_timeout=SOON)
    asleep(made)
    made.server.stop()


def test_a_stop_while_waking_answers_who_waits(project):
    made = project(source(importing=1), workers="0..1", idle_timeout=SOON)
    asleep(made)
    client = made.server.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    made.server.log.expect("workers are started again")
    made.server.send_signal(signal.SIGTERM)
    assert client.response().status == 200
    made.server.assert_ended()


def test_who_waits_too_long_for_the_awakening_gets_503(project):
    made = project(workers="0..1", idle_timeout=SOON, timeout=4)
    asleep(made)
    made.write(HELD + source())
    answer = made.server.get()
    assert answer.status == 503
    # It was not for nothing: who comes next is served.
    (made.directory / "let-go").touch()
    made.server.log.expect("a worker is ready after the sleep")
    assert made.server.get().status == 200


def test_a_reload_while_asleep_loads_and_serves(project):
    made = project(workers="0..2", idle_timeout=SOON)
    asleep(made)
    made.write(source(b"two"))
    answer = made.ask("reload")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert made.server.get().body == b"two"
    asleep(made)
    assert made.observed("generation") == 2


def test_a_broken_reload_while_asleep_is_told_and_the_sleep_goes_on(project):
    made = project(workers="0..2", idle_timeout=SOON)
    asleep(made)
    made.write("import no_such_module_of_anybody")
    answer = made.ask("reload")
    assert answer.returncode == 1
    assert "no_such_module_of_anybody" in answer.stderr
    made.server.log.claim("reload failed|generation|worker")
    assert made.observed("state") == "asleep"
    wait_until(lambda: not made.server.workers(), lambda: f"no worker: {made.server.workers()}")
    made.write(source(b"two"))
    assert made.server.get().body == b"two"


def test_who_is_woken_to_broken_code_is_told_and_it_heals(project):
    made = project(workers="0..1", idle_timeout=SOON)
    asleep(made)
    made.write("raise ValueError('said in the traceback')")
    client = made.server.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    made.wait_state("broken")
    assert made.server.get().status == 503
    made.write(source(b"mended"))
    # It has waited all the while.
    assert client.response().body == b"mended"
    # It may sleep again before anybody has looked.
    wait_until(lambda: made.observed("state") in ("serving", "asleep"), lambda: made.observed("state"))
    assert made.server.get().body == b"mended"
    made.server.log.claim("worker|tried again")


def test_scaling_by_hand_while_asleep_counts_when_it_wakes(project):
    made = project(workers="0..3", idle_timeout=SOON)
    asleep(made)
    assert made.ask("scale", 2).returncode == 0
    assert made.observed("state") == "asleep"
    with awake(made) as answer:
        made.server.wait_workers(2)
        assert json.loads(made.ask("status", "--json").stdout)["observed"]["workers_reason"] == "set by hand"
    assert answer.status == 200
