"""What is counted: Prometheus' text and uWSGI's statistics, on sockets of their own."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from client import Client
from deadline import wait_until


@pytest.fixture
def directory():
    # A socket's path is short, a test's directory is not.
    with tempfile.TemporaryDirectory(prefix="hostler-") as path:
        yield path


class Measured:
    """A server with its sockets for what is counted."""

    def __init__(self, serve, directory, **options):
        self.metrics = f"{directory}/metrics.sock"
        self.stats = f"{directory}/stats.sock"
        binds = {"metrics_bind": f"unix:{self.metrics}", "stats_bind": f"unix:{self.stats}"}
        self.server = serve("plain:application", **binds, **options)

    def get(self, target, method="GET"):
        with Client(self.metrics) as client:
            return client.get(target, method=method)

    def samples(self):
        """Each sample by its name and labels."""
        answer = self.get("/metrics")
        assert answer.status == 200
        assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        families = text_string_to_metric_families(answer.body.decode())
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def once(self, holds):
        """The samples, once that holds for them."""
        return wait_until(lambda: (found := self.samples()) and holds(found) and found, lambda: f"{self.samples()}")

    def statistics(self):
        """What a connection to the other socket is told, to its end."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.stats)
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return json.loads(received)


def test_requests_are_counted_by_status_and_worker(serve, directory):
    measured = Measured(serve, directory, workers=2)
    for _ in range(10):
        assert measured.server.get("/hello").status == 200
    assert measured.server.get("/no-such-path").status == 404
    # An answer is counted when it was sent, which its client may know first.
    samples = measured.once(lambda samples: sum(value for (name, *_), value in samples.items() if name == "hostler_requests_total") == 11)
    assert samples["hostler_up",] == 1
    assert samples["hostler_workers_ready",] == 2
    assert samples["hostler_requests_total", ("status", "2xx")] == 10
    assert samples["hostler_requests_total", ("status", "4xx")] == 1
    assert samples["hostler_request_outcomes_total", ("outcome", "ok")] == 11
    assert samples["hostler_application_seconds_count",] == 11
    assert samples["hostler_application_seconds_bucket", ("le", "+Inf")] == 11
    by_worker = [value for (name, *_), value in samples.items() if name == "hostler_worker_requests_total"]
    assert len(by_worker) == 2
    assert sum(by_worker) == 11
    assert all(value > 0 for (name, *_), value in samples.items() if name == "hostler_worker_memory_bytes")


def test_uwsgis_statistics_have_what_its_readers_look_for(serve, directory):
    measured = Measured(serve, directory, workers=2)
    for _ in range(5):
        measured.server.get("/hello")

    def all_idle():
        told = measured.statistics()
        answered = sum(worker["requests"] for worker in told["workers"]) == 5
        return told if answered and {worker["status"] for worker in told["workers"]} == {"idle"} else None

    # Who has an answer may know of it before the worker is idle again.
    told = wait_until(all_idle, lambda: f"five requests, and idle workers: {measured.statistics()}")
    assert told["pid"] == measured.server.pid
    assert {worker["pid"] for worker in told["workers"]} == set(measured.server.workers())
    assert sum(worker["tx"] for worker in told["workers"]) > 0
    assert json.loads(measured.get("/stats").body)["workers"] == told["workers"]


def test_uwsgitop_shows_the_workers(serve, directory):
    measured = Measured(serve, directory, workers=2)
    uwsgitop = Path(sys.executable).parent / "uwsgitop"
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "LINES": "40", "COLUMNS": "160"}
    shown = b""
    top = subprocess.Popen([uwsgitop, measured.stats], stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    try:
        os.close(terminal)

        def both_are_there():
            nonlocal shown
            if select.select([controller], [], [], 0.1)[0]:
                shown += os.read(controller, 65536)
            return all(str(pid).encode() in shown for pid in measured.server.workers())

        wait_until(both_are_there, lambda: f"both workers in {shown!r}")
    finally:
        top.kill()
        top.wait()
        os.close(controller)


def test_what_a_generation_counted_is_not_forgotten_with_it(serve, directory):
    measured = Measured(serve, directory)
    [worker] = measured.server.workers()
    os.kill(worker, signal.SIGKILL)
    crashed = ("hostler_worker_restarts_total", ("cause", "crashed"))
    measured.server.log.expect(f"{worker}", level="WARN")
    measured.once(lambda samples: samples[crashed] == 1)
    measured.server.send_signal(signal.SIGHUP)
    measured.server.log.expect("the former generation is gone")
    samples = measured.samples()
    assert samples["hostler_generation",] == 2
    assert samples[crashed] == 1


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/", 404), ("POST", "/metrics", 405), ("HEAD", "/metrics", 200), ("GET", "/health", 200)],
)
def test_nothing_else_is_served_there(serve, directory, method, target, status):
    assert Measured(serve, directory).get(target, method).status == status


def test_who_connects_and_says_nothing_takes_no_room_for_long(serve, directory):
    measured = Measured(serve, directory)
    silent = []
    for _ in range(15):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(measured.metrics)
        silent.append(connection)
    assert measured.get("/health").status == 200
    for connection in silent:
        connection.close()


def test_a_socket_that_cannot_be_had_is_named_with_its_setting(hostler, directory):
    run = hostler("run", "--bind", "127.0.0.1:0", "--metrics-bind", f"unix:{directory}/no/such.sock", "plain:application")
    assert run.wait() == 71
    assert "metrics_bind" in run.describe()
