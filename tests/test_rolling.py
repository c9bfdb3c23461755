"""Rolling: a reload replaces worker by worker, the replacement first; nothing is lost, and one that fails stops it."""

import asyncio
import signal
import threading

import pytest

from client import plain_request
from deadline import wait_until
from load import Load
from project import Project

SOURCE = """
import os, time
time.sleep({importing})
def application(environ, start_response):
    body = {body!r}
    if environ["PATH_INFO"] == "/same":
        body = b"same"
        time.sleep(0.02)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# Imports in as many workers as there are files before it, and no further.
FAILS_LATER = """
import os
count = len(os.listdir({directory!r}))
open(os.path.join({directory!r}, str(os.getpid())), "w").close()
if count >= {good}:
    raise ValueError("said in the traceback")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"later"]
"""


def source(body=b"one", importing=0):
    return SOURCE.format(body=body, importing=importing)


@pytest.fixture
def project(serve, tmp_path):
    made = []

    def make(**options):
        made.append(Project(serve, tmp_path, source(), **{"rolling": True, "workers": 3, **options}))
        return made[-1]

    yield make
    for one in made:
        one.end()


class Most:
    """The most workers that lived at once, while this is entered."""

    def __init__(self, server):
        self.server = server
        self.most = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.005):
            self.most = max(self.most, len(self.server.workers()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_all_are_replaced_one_after_the_other(project):
    made = project()
    before = set(made.server.workers())
    made.write(source(b"two"))
    with Most(made.server) as seen:
        answer = made.ask("reload")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "generation 2" in answer.stdout
    assert seen.most == 4, "one more than usual, and no more"
    after = set(made.server.wait_workers(3))
    assert not before & after
    assert made.server.get().body == b"two"
    assert made.observed("generation") == 2
    # And back: the settings of before, the code as it is now.
    assert made.ask("rollback").returncode == 0
    assert made.observed("generation") == 3
    assert not after & set(made.server.wait_workers(3))


def test_nothing_is_lost_under_load(project):
    made = project(graceful_timeout=10)
    load = Load(made.server.address, plain_request("/same"), b"same")

    async def reloads():
        await load.answers("keeping", 16)
        for _ in range(3):
            answer = await asyncio.to_thread(made.ask, "reload")
            assert answer.returncode == 0, answer.stderr
        await load.answers("closing", 16)
        load.over = True

    asyncio.run(load.run(4, 4, reloads))
    assert not load.lost, load.lost


def test_a_first_replacement_that_fails_leaves_all_as_it_was(project):
    made = project()
    before = sorted(made.server.workers())
    made.write("raise ValueError('said in the traceback')")
    answer = made.ask("reload")
    assert answer.returncode == 1
    assert "said in the traceback" in answer.stderr
    assert sorted(made.server.wait_workers(3)) == before
    assert made.observed("generation") == 1
    assert made.observed("state") == "serving"
    assert made.server.get().body == b"one"
    made.server.log.claim("worker|reload failed")
    made.write(source(b"two"))
    assert made.ask("reload").returncode == 0
    assert made.server.get().body == b"two"


def test_a_failure_in_the_middle_stops_it_and_says_how_far_it_came(project, tmp_path):
    made = project()
    before = set(made.server.workers())
    counted = tmp_path / "counted"
    counted.mkdir()
    made.server.log.claim("worker|reload failed")
    made.write(FAILS_LATER.format(directory=str(counted), good=1))
    answer = made.ask("reload")
    assert answer.returncode == 1
    assert "1 of 3 workers were replaced" in answer.stderr and "said in the traceback" in answer.stderr
    assert len(before & set(made.server.wait_workers(3))) == 2
    made.write(source(b"two"))
    assert made.ask("reload").returncode == 0
    assert not before & set(made.server.wait_workers(3))
    assert {made.server.get().body for _ in range(20)} == {b"two"}


def test_a_reload_meanwhile_begins_again_and_both_get_its_result(project):
    made = project()
    made.write(source(b"two", importing=0.5))
    answers = []
    first = threading.Thread(target=lambda: answers.append(made.ask("reload")))
    first.start()
    made.server.log.expect("workers are replaced one after the other")
    made.write(source(b"three"))
    second = made.ask("reload")
    first.join()
    assert [answer.returncode for answer in (*answers, second)] == [0, 0]
    assert {made.server.get().body for _ in range(20)} == {b"three"}
    made.server.wait_workers(3)


def test_a_stop_meanwhile(project):
    made = project()
    made.write(source(importing=5))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(made.ask("reload")))
    asking.start()
    made.server.log.expect("workers are replaced one after the other")
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended()
    asking.join()
    assert [answer.returncode for answer in answers] == [1]


def test_asleep_all_are_made_new_at_once_and_the_log_says_why(project):
    made = project(workers="0..2", idle_timeout=1)
    made.wait_state("asleep")
    wait_until(lambda: not made.server.workers(), "no worker")
    assert made.ask("reload").returncode == 0
    made.server.log.expect("all workers are made new at once.*asleep")
