"""Crash loops: the server outlives an application that cannot be started, says so, and heals by itself."""

import json
import os
import signal

import pytest

from client import Client
from deadline import wait_until
from project import Project

GOOD = """
def application(environ, start_response):
    body = {body!r}
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
BROKEN = "raise ValueError('<b>said</b> in the traceback')"
# Broken as well, and not before it is let go: whoever begins to load this does not load what is written after it.
HELD = """
import pathlib, time
pathlib.Path("held").touch()
while not pathlib.Path("let-go").exists():
    time.sleep(0.005)
raise ValueError("let go")
"""
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def project(serve, tmp_path):
    made = []

    def make(text, **options):
        options = {"outlive_failures": True, **options}
        made.append(Project(serve, tmp_path, text, ready=False, **options))
        made[-1].server.log.claim("worker|tried again")
        return made[-1]

    yield make
    for one in made:
        one.end()


def broken(made):
    made.server.log.expect("listening on")
    made.wait_state("broken")
    made.server.log.claim("worker|tried again")


def get(made, accept):
    with Client(made.server.address) as client:
        return client.get("/", headers=[("Accept", accept)])


@pytest.mark.parametrize("text", [BROKEN, "import os; os._exit(3)", "import os; os.abort()", "def no("])
def test_it_answers_503_and_heals_when_the_code_is_mended(project, text):
    made = project(text, workers=2)
    broken(made)
    answer = made.server.get()
    assert answer.status == 503
    assert int(answer.header("retry-after")) > 0
    assert made.observed("failure")
    made.write(GOOD.format(body=b"mended"))
    made.wait_state("serving", 40)
    assert made.server.get().body == b"mended"
    assert made.observed("failure") == ""
    assert made.status()["configured"]["interface"] == "wsgi"
    made.server.wait_workers(2)
    made.server.log.claim("worker|tried again")


def test_only_with_debug_is_the_reason_told(project):
    made = project(BROKEN)
    broken(made)
    for accept in (BROWSER, "application/json", "*/*"):
        assert b"said" not in get(made, accept).body


def test_each_client_gets_the_reason_in_what_it_takes(project):
    made = project(BROKEN, debug=True)
    broken(made)
    page = get(made, BROWSER)
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert b"&lt;b&gt;said&lt;/b&gt; in the traceback" in page.body and b"<b>" not in page.body
    assert b"Traceback" in page.body
    told = json.loads(get(made, "application/json").body)
    assert "<b>said</b>" in told["traceback"]
    text = get(made, "*/*")
    assert text.header("content-type") == "text/plain; charset=utf-8"
    assert b"<b>said</b> in the traceback" in text.body


def test_a_reload_while_broken_brings_it_back_at_once(project):
    made = project(BROKEN)
    broken(made)
    made.write("import no_such_module_of_anybody")
    answer = made.ask("reload")
    assert answer.returncode == 1 and "no_such_module_of_anybody" in answer.stderr
    assert made.observed("state") == "broken"
    assert made.server.get().status == 503
    # A retry of the broken generation is under way, and none that could find the good code before the reload.
    made.write(HELD)
    wait_until((made.directory / "held").exists, "it is tried again")
    made.write(GOOD.format(body=b"two"))
    assert made.ask("reload").returncode == 0
    (made.directory / "let-go").touch()
    assert made.server.get().body == b"two"
    assert made.observed("state") == "serving"
    # What never served is nothing to go back to.
    answer = made.ask("rollback")
    assert answer.returncode == 1 and "no previous generation" in answer.stderr
    made.server.log.claim("worker|reload failed|generation|tried again")


def test_a_stop_while_broken(project):
    made = project(BROKEN)
    broken(made)
    made.server.stop()


def test_a_server_that_serves_outlives_broken_code_without_the_setting(serve, tmp_path):
    made = Project(serve, tmp_path, GOOD.format(body=b"one"), workers=2)
    try:
        made.write(BROKEN)
        for pid in made.server.workers():
            os.kill(pid, signal.SIGKILL)
        made.wait_state("broken", 40)
        assert made.server.get().status == 503
        made.write(GOOD.format(body=b"mended"))
        wait_until(lambda: made.server.get().status == 200, lambda: "served again", 40)
        made.wait_state("serving")
        made.server.log.claim("worker|tried again|died|killed")
    finally:
        made.end()


def test_without_the_setting_a_broken_application_ends_the_command(hostler, tmp_path):
    (tmp_path / "broken_of_test.py").write_text(BROKEN)
    command = hostler("run", "--bind", "127.0.0.1:0", "broken_of_test:application")
    assert command.wait() == 65


WAITING = """
import os, pathlib, time

# Tells who waits here, and goes on once it is let go.
here = pathlib.Path(__file__).parent
(here / f"started.{os.getpid()}").touch()
while not (here / "go").exists():
    time.sleep(0.01)
"""


class Starting:
    """The processes of a project with code that waits at its import."""

    def __init__(self, made):
        self.made = made
        self.ended = set()

    def found(self):
        marks = self.made.directory.glob("started.*")
        alive = set(self.made.server.workers())
        return {int(mark.suffix[1:]) for mark in marks} & alive - self.ended

    def end_one(self, number):
        """Waits for one that imports, and ends it."""
        pid = min(wait_until(self.found, lambda: "a worker that imports", 20))
        self.ended.add(pid)
        os.kill(pid, number)

    def let_go(self):
        (self.made.directory / "go").touch()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("preload", [False, True])
def test_workers_that_are_killed_from_outside_while_they_start_are_not_called_broken(serve, tmp_path, number, preload):
    made = Project(serve, tmp_path, GOOD.format(body=b"one"), workers=1, preload=preload or None)
    starting = Starting(made)
    try:
        made.write(WAITING + GOOD.format(body=b"two"))
        for pid in made.server.workers():
            os.kill(pid, signal.SIGKILL)
        made.server.log.claim("worker|keeper|killed")
        client = made.server.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        # As many as would be called broken, were it a fault of the application.
        for _ in range(5):
            starting.end_one(number)
        made.server.log.expect("killed from outside while they start", level="WARN")
        wait_until(starting.found, lambda: "one more", 20)
        observed = made.status()["observed"]
        assert (observed["state"], observed["failure"]) == ("serving", "")
        assert observed["trouble"].startswith("workers are killed from outside while they start"), observed
        assert observed["queued"] == 1
        assert "killed from outside" in made.ask("status").stdout
        starting.let_go()
        assert client.response().body == b"two", "the request waited"
        assert made.observed("trouble") == ""
        assert not any("tried again" in record.message for record in made.server.log.records if record.level == "ERROR")
    finally:
        made.end()
