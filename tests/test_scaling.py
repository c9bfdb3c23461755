"""Scaling: the number of workers follows the load, by reasons that can be read, and does not flap."""

import asyncio
import signal

import pytest

from client import plain_request
from load import Load
from project import Project

SOURCE = """
import time
def application(environ, start_response):
    time.sleep(0.15)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"slow"]
"""
ASGI = """
import time
async def application(scope, receive, send):
    assert scope["type"] == "http"
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"slow"})
"""


@pytest.fixture
def project(serve, tmp_path):
    made = []

    def make(text=SOURCE, **options):
        made.append(Project(serve, tmp_path, text, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize("text", [SOURCE, ASGI], ids=["wsgi", "asgi"])
def test_a_load_that_steps_up_adds_workers_and_says_why(project, text):
    made = project(text, workers="1..3")
    made.server.wait_workers(1)
    status = made.status()["configured"]
    assert (status["workers_min"], status["workers_max"]) == (1, 3)
    load = Load(made.server.address, plain_request(), b"slow")

    async def meanwhile():
        await asyncio.to_thread(made.server.wait_workers, 3)
        reason = await asyncio.to_thread(made.observed, "workers_reason")
        assert "waited" in reason or "busy" in reason, reason
        load.over = True

    asyncio.run(load.run(3, 3, meanwhile))
    assert not load.lost, load.lost
    # More workers are more processes, and more channels.
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended()


def test_a_reload_begins_with_as_many_as_there_are(project):
    made = project(workers="1..4")
    made.server.send_signal(signal.SIGTTIN)
    made.server.log.expect("the number of workers changes")
    made.server.wait_workers(2)
    assert made.observed("workers_reason") == "set by hand"
    assert made.ask("reload").returncode == 0
    assert made.observed("workers_ready") == 2
    made.server.send_signal(signal.SIGTTOU)
    made.server.wait_workers(1)


def test_bounds_are_told_from_mistakes(hostler):
    for words, message in [
        (["--workers", "8..1"], "has a min of 8, which is above its max of 1"),
        (["--workers", "2..4", "--idle-timeout", "5"], "only with a min of 0 all may go"),
    ]:
        command = hostler("run", *words, "plain:application")
        assert command.wait() == 64
        assert message in "\n".join(command.log.lines)
