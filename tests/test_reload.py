"""Reload: the next generation beside the current one, one switch, nothing lost; a broken one is thrown away and said."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import processes
from client import plain_request
from deadline import wait_until
from load import Load
from server import BINARY

WSGI = """
import os, time
def application(environ, start_response):
    body = {body!r}
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    while environ["PATH_INFO"] == "/gated" and not os.path.exists("gate"):
        time.sleep(0.005)
    if environ["PATH_INFO"] == "/pid":
        body = str(os.getpid()).encode()
    start_response({status!r}, [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
import asyncio
async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    body = {body!r}
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}})
    await send({{"type": "http.response.body", "body": body}})
"""


class Site:
    """A project whose code changes, and the server of it."""

    def __init__(self, serve, tmp_path, source=WSGI, **options):
        self.directory = tmp_path / "project"
        self.directory.mkdir()
        self.source = source
        # A socket's path is short, a test's directory is not.
        self.runtime = tempfile.TemporaryDirectory(prefix="hostler-")
        self.socket = f"{self.runtime.name}/control.sock"
        self.write(b"one")
        options = {"chdir": self.directory, "control_socket": self.socket, **options}
        self.server = serve("site_of_test:application", environment={"PYTHONDONTWRITEBYTECODE": "1"}, **options)

    def write(self, body, status="200 OK"):
        (self.directory / "site_of_test.py").write_text(self.source.format(body=body, status=status))

    def open_gate(self):
        (self.directory / "gate").touch()

    def ask(self, *words):
        command = [BINARY, *words, "--socket", self.socket]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def site(serve, tmp_path):
    sites = []

    def make(**options):
        sites.append(Site(serve, tmp_path, **options))
        return sites[-1]

    yield make
    for made in sites:
        try:
            if not made.server.ended:
                made.server.stop()
            assert not os.path.exists(made.socket), "the control socket is removed at the end"
        finally:
            made.runtime.cleanup()


@pytest.mark.parametrize("source", [WSGI, ASGI], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("how", ["SIGHUP", "command"])
def test_the_new_code_serves(site, source, how):
    made = site(source=source, workers=2)
    before = set(made.server.workers())
    assert made.server.get().body == b"one"
    made.write(b"two")
    if how == "SIGHUP":
        made.server.send_signal(signal.SIGHUP)
        made.server.log.expect("the next generation serves")
    else:
        answer = made.ask("reload")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "generation 2" in answer.stdout
    assert made.server.get().body == b"two"
    made.server.log.expect("the former generation is gone")
    assert not before & set(made.server.workers())


BROKEN = [
    ("def broken(:", "SyntaxError"),
    ("import no_such_module_of_anybody", "no_such_module_of_anybody"),
    ("raise ValueError('said in the traceback')", "said in the traceback"),
    ("import os; os._exit(3)", "status 3"),
]


@pytest.mark.parametrize("text, reason", BROKEN)
def test_broken_code_is_thrown_away_and_said(site, text, reason):
    made = site(workers=2)
    workers = sorted(made.server.workers())
    (made.directory / "site_of_test.py").write_text(text)
    answer = made.ask("reload")
    assert answer.returncode == 1
    assert reason in answer.stderr
    assert made.server.get().body == b"one"
    assert sorted(made.server.workers()) == workers, "the same processes"
    made.server.log.claim("reload failed|worker|generation")
    status = json.loads(made.ask("status", "--json").stdout)
    assert status["observed"]["generation"] == 1
    assert status["observed"]["last_reload"]["succeeded"] is False
    made.write(b"two")
    assert made.ask("reload").returncode == 0
    assert made.server.get().body == b"two"


@pytest.mark.parametrize("source", [WSGI, ASGI], ids=["wsgi", "asgi"])
def test_reloads_under_load_lose_nothing(site, source):
    made = site(source=source, workers=2, graceful_timeout=10)
    load = Load(made.server.address, plain_request("/slow"), b"one")

    async def reloads():
        await load.answers("keeping", 16)
        for _ in range(10):
            answer = await asyncio.to_thread(made.ask, "reload")
            assert answer.returncode == 0, answer.stderr
        await load.answers("keeping", 16)
        load.over = True

    asyncio.run(load.run(8, 8, reloads))
    assert load.lost == []


def test_a_request_is_finished_by_the_generation_that_began_it(site):
    made = site()
    with made.server.connect() as slow, made.server.connect() as kept:
        assert kept.get("/").body == b"one"
        slow.request("/gated")
        wait_until(lambda: json.loads(made.ask("requests", "--json").stdout), "the request runs")
        made.write(b"two")
        assert made.ask("reload").returncode == 0
        assert kept.get("/").body == b"two", "on the same connection"
        made.open_gate()
        assert slow.response().body == b"one"


def test_websockets_are_told_to_come_again(site):
    made = site(source=ASGI)
    host, port = made.server.address
    with connect(f"ws://{host}:{port}/") as websocket:
        assert made.ask("reload").returncode == 0
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(15)
    assert closed.value.rcvd.code == 1012


def test_settings_are_read_anew(serve, tmp_path):
    with tempfile.TemporaryDirectory(prefix="hostler-") as runtime:
        (tmp_path / "site_of_test.py").write_text(WSGI.format(body=b"one", status="200 OK"))
        file = tmp_path / "site.toml"

        def write(more):
            file.write_text(
                f'app = "site_of_test:application"\nchdir = "{tmp_path}"\nbind = "127.0.0.1:0"\n'
                f'control_socket = "{runtime}/c.sock"\npython = "{os.sys.executable}"\n{more}\n'
            )

        write("workers = 1")
        server = serve(arguments=["serve", file])

        def reload():
            command = [BINARY, "reload", "--socket", f"{runtime}/c.sock"]
            return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        write("workers = 2")
        assert reload().returncode == 0
        server.log.expect("the former generation is gone")
        server.wait_workers(2)
        write("workers = 2\nno_such_setting = 1")
        answer = reload()
        assert answer.returncode == 1
        assert "no_such_setting" in answer.stderr
        server.log.claim("reload failed")
        assert server.get().body == b"one"
        # One more worker is one more process, and one more channel.
        server.take_baseline()


def test_ready_path(site):
    made = site(ready_path="/ready")
    made.write(b"two", "503 Service Unavailable")
    answer = made.ask("reload")
    assert answer.returncode == 1
    assert "ready_path /ready was answered with 503" in answer.stderr
    assert made.server.get().body == b"one"
    made.server.log.claim("reload failed")
    made.write(b"three")
    assert made.ask("reload").returncode == 0
    assert made.server.get().body == b"three"


READY = """
def application(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    with open("asked.txt", "a") as asked:
        print(environ["PATH_INFO"], environ["QUERY_STRING"], file=asked)
    start_response({status!r}, [("Content-Length", str(len({body!r})))])
    return [{body!r}]
"""


@pytest.mark.parametrize(
    ("target", "path", "query"), [("/", "/", ""), ("/health/", "/health/", ""), ("/a%20b?full=1&x=%20", "/a b", "full=1&x=%20")]
)
def test_ready_path_is_asked_for_as_it_is_written(site, target, path, query):
    """By an application that sends early hints before each answer, which nobody is there to take."""
    made = site(source=READY, ready_path=target, boot_timeout=20)
    assert made.ask("reload").returncode == 0
    assert (made.directory / "asked.txt").read_text() == f"{path} {query}\n"


def test_rollback_brings_the_settings_before_back(site):
    made = site()
    answer = made.ask("rollback")
    assert answer.returncode == 1
    assert "no previous generation" in answer.stderr
    made.server.log.claim("reload failed")
    assert made.ask("reload").returncode == 0
    assert made.ask("rollback").returncode == 0
    assert json.loads(made.ask("status", "--json").stdout)["observed"]["generation"] == 3


def test_two_reloads_at_once(site):
    """The later one wins, and both are told its result."""
    made = site()
    (made.directory / "site_of_test.py").write_text("import time\ntime.sleep(30)\n")
    first = subprocess.Popen([BINARY, "reload", "--socket", made.socket], stdout=subprocess.PIPE, text=True)
    made.server.log.wait(lambda: any("reloading" in r.message for r in made.server.log.records), "the first loads")
    made.write(b"two")
    assert made.ask("reload").returncode == 0
    assert first.wait(30) == 0
    first.stdout.close()
    assert made.server.get().body == b"two"


def test_a_stop_during_a_reload(site):
    made = site()
    (made.directory / "site_of_test.py").write_text("import time\ntime.sleep(30)\n")
    made.server.send_signal(signal.SIGHUP)
    made.server.log.expect("reloading")
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended(0)


def test_max_requests_replaces_workers_and_loses_nothing(site):
    made = site(workers=2, max_requests=50, max_requests_jitter=10, graceful_timeout=10)
    before = set(made.server.workers())
    load = Load(made.server.address, plain_request("/"), b"one")

    async def until_replaced():
        while before & set(made.server.workers()):
            await load.answers("keeping", 50)
        load.over = True

    asyncio.run(load.run(4, 4, until_replaced))
    assert load.lost == []


def test_workers_by_hand(site):
    made = site(workers=2)
    made.server.send_signal(signal.SIGTTIN)
    made.server.wait_workers(3)
    made.server.send_signal(signal.SIGTTOU)
    made.server.wait_workers(2)
    before = set(made.server.workers())
    place = json.loads(made.ask("workers", "--json").stdout)[0]["place"]
    assert made.ask("recycle", str(place)).returncode == 0
    wait_until(lambda: len(before & set(made.server.workers())) == 1 and len(made.server.workers()) == 2, "one is replaced")
    assert made.ask("scale", "3").returncode == 0
    made.server.wait_workers(3)
    made.server.take_baseline()
    made.server.log.claim("number of workers")


def test_what_runs_is_seen(site):
    made = site()
    with made.server.connect() as client:
        client.request("/gated?x=1", headers=[("X-Request-Id", "seen-1")])
        running = wait_until(lambda: json.loads(made.ask("requests", "--json").stdout), "the request runs")
        assert (running[0]["id"], running[0]["method"], running[0]["target"]) == ("seen-1", "GET", "/gated?x=1")
        place = running[0]["worker"]
        if place is not None:
            assert "Python stacks" in made.ask("stacks", str(place)).stdout
        made.open_gate()
        assert client.response().status == 200
    status = json.loads(made.ask("status", "--json").stdout)
    assert status["observed"]["workers_ready"] == 1
    assert made.ask("log-level", "debug").returncode == 0
    assert "debug" in made.ask("log-level").stdout
    assert made.ask("stacks", "7").returncode == 1
    made.server.log.claim("Python stacks")


def test_nobody_is_there(tmp_path):
    answer = subprocess.run(
        [BINARY, "status", "--socket", tmp_path / "no.sock"], capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 69
    assert "no.sock" in answer.stderr


def test_a_rollback_brings_the_code_back_as_it_was_imported(site):
    """The file holds something else by then: only the keeper that was kept has the code of before."""
    made = site(preload=True, workers=2)
    assert made.server.get().body == b"one"
    made.write(b"two")
    assert made.ask("reload").returncode == 0
    assert made.server.get().body == b"two"
    made.server.log.expect("the former generation is parked")
    made.write(b"three")
    back = made.ask("rollback")
    assert back.returncode == 0, back.stderr
    assert {made.server.get().body for _ in range(8)} == {b"one"}
    made.server.log.expect("the former generation is parked")
    assert made.ask("rollback").returncode == 0
    assert {made.server.get().body for _ in range(8)} == {b"two"}
    # What is parked has descriptors of its own.
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended()


def test_without_its_keeper_a_rollback_loads_anew(site):
    made = site(preload=True)
    keepers = set(processes.children(made.server.pid))
    made.write(b"two")
    assert made.ask("reload").returncode == 0
    made.server.log.expect("the former generation is parked")
    [kept] = keepers & set(processes.children(made.server.pid))
    made.write(b"three")
    os.kill(kept, signal.SIGKILL)
    made.server.log.expect("keeper", level="WARN")
    assert made.ask("rollback").returncode == 0
    assert made.server.get().body == b"three"
    # What is parked has descriptors of its own.
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended()


LIFESPAN = """
import os
# As an application that has imported much: whoever has it alone counts with all of it.
LARGE = b"x" * (64 << 20)
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.failed" if os.path.exists("refuse") else "lifespan.startup.complete"}})
        await receive()
        return await send({{"type": "lifespan.shutdown.complete"}})
    body = str(os.getpid()).encode() if scope["path"] == "/pid" else {body!r}
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}})
    await send({{"type": "http.response.body", "body": body}})
"""


class Restarts:
    """What is told of restarts, asked for all the while: no number ever goes back."""

    def __init__(self, made):
        self.made = made
        self.told = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        while not self.ended.is_set():
            self.told.append(self.now())

    def now(self):
        return json.loads(self.made.ask("status", "--json").stdout)["observed"]["restarts"]

    def kill_a_worker(self):
        before = self.now().get("crashed", 0)
        os.kill(int(self.made.server.get("/pid").body), signal.SIGKILL)
        wait_until(lambda: self.now().get("crashed") == before + 1, lambda: str(self.now()))

    def end(self):
        self.ended.set()
        self.thread.join()
        for before, after in itertools.pairwise(self.told):
            back = {cause: count for cause, count in before.items() if after.get(cause, 0) < count}
            assert not back, f"{before} and then {after}"


def test_restarts_are_counted_once_whatever_becomes_of_their_generation(site):
    made = site(source=LIFESPAN, preload=True)
    made.server.log.claim("worker|reload failed|application")
    restarts = Restarts(made)
    try:
        restarts.kill_a_worker()
        assert made.ask("reload").returncode == 0
        made.server.log.expect("the former generation is parked")
        restarts.kill_a_worker()
        assert made.ask("rollback").returncode == 0
        made.server.log.expect("the former generation is parked")
        restarts.kill_a_worker()
        refuse = made.directory / "refuse"
        refuse.touch()
        assert made.ask("rollback").returncode == 1
        refuse.unlink()
        told = restarts.now()
        assert told["crashed"] == 3 and told["failed_at_boot"] >= 5, "what failed was there, and did what it did"
        # What was parked is ousted.
        for _ in range(2):
            assert made.ask("reload").returncode == 0
            made.server.log.expect("the former generation is parked")
        assert restarts.now() == told
    finally:
        restarts.end()
    # What is parked has descriptors of its own.
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended()


def pss(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def test_the_memory_of_what_is_parked_is_the_instances(site):
    made = site(source=LIFESPAN, preload=True)
    assert made.ask("reload").returncode == 0
    made.server.log.expect("the former generation is parked")
    server = made.server

    def missing():
        told = json.loads(made.ask("status", "--json").stdout)["observed"]["memory_bytes"]
        return sum(map(pss, [server.pid, *server.workers()])) - told

    # Half of what the parked keeper has alone; the rest moves a little meanwhile.
    wait_until(lambda: missing() < 32 << 20, lambda: f"{missing()} bytes are missing")
    server.send_signal(signal.SIGTERM)
    server.assert_ended()
