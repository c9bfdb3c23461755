"""Workers that are stopped, or deaf, while they run nothing: found and replaced, or the watchdog is not fed any more."""

import os
import select
import signal
import socket
import threading

import pytest

from deadline import let_pass, wait_until
from server import processes

APP = "deadly:application"
STOPPED = "the process of an idle worker was stopped"
HUNGRY = "no worker makes progress"
TOLD = "worker|timeout|stopped|Python stacks|progress"


class Manager:
    """What systemd is told, at a socket of its own: how often the watchdog was fed."""

    def __init__(self, directory):
        self.path = str(directory / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.fed = 0
        self.marks = 0
        self.ended = False
        self.thread = threading.Thread(target=self._hear)
        self.thread.start()

    def _hear(self):
        while not self.ended:
            lines = self.socket.recv(65536).decode().splitlines()
            self.fed += lines.count("WATCHDOG=1")
            self.marks += lines.count("mark")

    def environment(self, seconds):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(int(seconds * 1e6))}

    def wait_fed(self, times=4, seconds=15):
        """It is fed so many times more."""
        before = self.fed
        wait_until(lambda: self.fed >= before + times, lambda: f"fed {self.fed - before} times, not {times}", seconds)

    def fed_so_far(self):
        """How often it was fed, with all that was sent until now."""
        goal = self.marks + 1
        self._send(b"mark")
        wait_until(lambda: self.marks >= goal, "what was sent is heard")
        return self.fed

    def _send(self, data):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(data, self.path)

    def close(self):
        self.ended = True
        self._send(b"end")
        self.thread.join()
        self.socket.close()


@pytest.fixture
def manager(tmp_path):
    one = Manager(tmp_path)
    yield one
    one.close()


def stop(worker):
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: processes.state(worker) == "T", "it is stopped")


def deafen(server):
    """Returns once a thread of a worker keeps the interpreter's lock."""
    key = server.key()
    assert server.get(f"/deaf?key={key}").status == 200
    pipe = os.open(server.directory / f"{key}.fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([pipe], [], [], 15)[0], server.describe()
    finally:
        os.close(pipe)


@pytest.mark.parametrize("app", [APP, "asgi_stuck:application"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_idle_worker_is_replaced(serve, workers, app):
    """No request is needed to find it, and what comes meanwhile is served."""
    server = serve(app, workers=workers, timeout=8)
    stopped = server.workers()[-1]
    stop(stopped)
    with server.connect() as client:
        assert client.get("/pid").status == 200
    wait_until(lambda: stopped not in server.workers(), lambda: server.describe())
    server.wait_workers(workers)
    server.log.expect(STOPPED, level="ERROR")
    pids = {int(server.get("/pid").body) for _ in range(4)}
    assert stopped not in pids
    server.log.claim(TOLD)


def test_a_worker_that_is_stopped_for_a_moment_is_left_alone(serve):
    """It is looked at every two seconds, and given up at the second look."""
    server = serve(APP, workers=1, timeout=8)
    (worker,) = server.workers()
    for _ in range(3):
        stop(worker)
        os.kill(worker, signal.SIGCONT)
        assert server.get("/pid").body == str(worker).encode()
    assert server.workers() == [worker]


def test_an_idle_worker_that_does_not_come_when_it_is_rung_is_replaced(serve):
    """A thread of the application keeps the interpreter's lock and waits: nothing is stopped, and nothing runs."""
    server = serve(APP, workers=1, timeout=2)
    (worker,) = server.workers()
    deafen(server)
    assert server.get("/hello").status == 503
    server.log.expect("a worker that runs nothing has taken nothing", level="ERROR")
    wait_until(lambda: worker not in server.workers(), lambda: server.describe())
    # While the other starts, a request waits no longer than its timeout.
    wait_until(lambda: server.get("/hello").body == b"hello", lambda: server.describe())
    server.log.claim(TOLD)


@pytest.mark.parametrize("workers", [1, 2])
def test_without_a_timeout_the_watchdog_is_not_fed_when_all_workers_are_stopped(serve, manager, workers):
    server = serve(APP, workers=workers, timeout=0, environment=manager.environment(2))
    manager.wait_fed()
    for worker in server.workers():
        stop(worker)
    server.log.expect(HUNGRY, level="ERROR")
    before = manager.fed_so_far()
    with server.connect() as client:
        client.request("/pid")
        let_pass(1)
        assert manager.fed_so_far() == before
        for worker in server.workers():
            os.kill(worker, signal.SIGCONT)
        assert client.response().status == 200
    server.log.expect("the workers make progress again", level="INFO")
    manager.wait_fed()
    server.log.claim(TOLD)


def test_without_a_timeout_a_deaf_pool_starves_the_watchdog_once_something_waits(serve, manager):
    server = serve(APP, workers=1, timeout=0, environment=manager.environment(2))
    deafen(server)
    manager.wait_fed()
    with server.connect() as client:
        client.request("/hello")
        server.log.expect(HUNGRY, level="ERROR")
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        assert client.response().body == b"hello"
    manager.wait_fed()
    server.log.claim(TOLD)


@pytest.mark.parametrize("timeout", [0, 60])
def test_the_watchdog_is_fed_while_requests_run_or_one_worker_serves(serve, manager, timeout):
    """A long request is progress, however much waits behind it; so is a pool of which one is stopped."""
    server = serve(APP, workers=1, timeout=timeout, environment=manager.environment(1))
    key = server.key()
    first, second = server.connect(), server.connect()
    first.request(f"/gated?gate={key}")
    server.wait_notes(key)
    second.request("/hello")
    manager.wait_fed(12)
    server.open_gate(key)
    assert (first.response().status, second.response().body) == (200, b"hello")


def test_the_watchdog_is_fed_while_one_of_two_workers_serves(serve, manager):
    server = serve(APP, workers=2, timeout=0, environment=manager.environment(1))
    stop(server.workers()[0])
    manager.wait_fed(12)
    assert server.get("/hello").body == b"hello"
    for worker in server.workers():
        os.kill(worker, signal.SIGCONT)
    server.log.claim(TOLD)
