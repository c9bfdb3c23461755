"""Memory pressure, told as systemd tells it (systemd.io/MEMORY_PRESSURE): garbage is collected, the greediest worker replaced, the idle sleep."""

import contextlib
import json
import os
import re
import socket
import tempfile
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from client import Client
from deadline import wait_until
from server import BINARY

CYCLES = 40
MIB = 1 << 20


class Pressed:
    """A server that watches a FIFO, into which the test says that memory is short."""

    def __init__(self, serve, directory, app="hoarding:application", **options):
        self.fifo = f"{directory}/pressure"
        os.mkfifo(self.fifo)
        self.metrics = f"{directory}/metrics.sock"
        environment = {"MEMORY_PRESSURE_WATCH": self.fifo}
        self.server = serve(app, environment=environment, metrics_bind=f"unix:{self.metrics}", **options)

    def press(self):
        # The server has opened the other end.
        writing = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writing, b"x")
        os.close(writing)

    def press_until(self, text):
        """Goes on saying it until the log has the text; returns that record."""
        found = []

        def done():
            found[:] = [record for record in self.server.log.records if text in record.message]
            return found or self.press()

        wait_until(done, lambda: f"{text}:\n{self.server.describe()}", 30)
        return found[0]

    def ask(self, target):
        return json.loads(self.server.get(target).body)

    def counted(self, name, **labels):
        with Client(self.metrics) as client:
            families = text_string_to_metric_families(client.get("/metrics").body.decode())
        samples = [sample for family in families for sample in family.samples]
        return next(sample.value for sample in samples if sample.name == name and sample.labels == labels)


@pytest.fixture
def pressed(serve):
    # A socket's path is short, a test's directory is not.
    with tempfile.TemporaryDirectory(prefix="hostler-") as directory:
        yield lambda *arguments, **options: Pressed(serve, directory, *arguments, **options)


def numbers(record):
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", record.message)}


COLLECTED = "the workers collected their garbage"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threads": 3},
        {"preload": True},
        {"app": "hoarding:asgi", "interface": "asgi", "loop": "asyncio"},
        {"app": "hoarding:asgi", "interface": "asgi", "loop": "uvloop"},
    ],
    ids=["one thread", "threads", "forked", "asyncio", "uvloop"],
)
def test_an_idle_worker_collects_its_garbage(pressed, options):
    made = pressed(workers=1, **options)
    before = made.ask(f"/litter?cycles={CYCLES}&key=ended")
    assert before["garbage"] == CYCLES
    made.press()
    assert made.server.wait_notes("ended") == ["MainThread"], "by a thread that serves, not beside it"
    record = made.server.log.expect(COLLECTED, level="INFO")
    told = numbers(record)
    assert told["workers"] == 1 and told["objects"] >= CYCLES
    assert told["before_bytes"] - told["after_bytes"] > CYCLES * MIB * 0.9, "it was given back to the system"
    after = made.ask("/")
    assert (after["garbage"], after["pid"]) == (0, before["pid"])
    assert made.counted("hostler_memory_pressure_total") == 1
    assert made.counted("hostler_memory_relief_total", step="collect") == 1
    assert made.counted("hostler_memory_freed_bytes_total") == told["before_bytes"] - told["after_bytes"]


def test_a_collection_waits_for_the_end_of_a_request(pressed):
    made = pressed(workers=1)
    made.ask(f"/litter?cycles={CYCLES}")
    with made.server.connect() as client:
        client.request("/wait?key=gate")
        made.server.wait_notes("gate")
        made.press()
        # It was asked: the server waits for the answer, and gives up on it.
        made.server.log.wait_line(COLLECTED)
        made.server.open_gate("gate")
        assert json.loads(client.response().body) == {"garbage": CYCLES}
    wait_until(lambda: made.ask("/")["garbage"] == 0, "it is collected between two requests")


def test_a_worker_that_is_always_busy_collects_all_the_same(pressed):
    """With several threads there may be no moment in which none runs anything."""
    made = pressed(workers=1, threads=3)
    made.ask(f"/litter?cycles={CYCLES}&key=ended")
    ending = threading.Event()

    def hammer():
        with contextlib.suppress(OSError), Client(made.server.address) as client:
            while not ending.is_set():
                client.get("/spin?seconds=0.1")

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        made.press()
        made.server.wait_notes("ended")
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert numbers(made.server.log.expect(COLLECTED, level="INFO"))["workers"] == 1


def test_what_is_no_garbage_costs_its_worker_the_place(pressed):
    made = pressed(workers=2)
    greedy = made.ask("/keep?mib=200")["pid"]
    record = made.press_until("the worker that uses far more than the others is replaced")
    assert numbers(record)["memory_bytes"] > 200 * MIB
    wait_until(lambda: greedy not in made.server.wait_workers(2), "it is gone")
    assert made.counted("hostler_memory_relief_total", step="recycle") == 1
    first = next(record for record in made.server.log.records if "memory is short" in record.message)
    assert COLLECTED in first.message, "what costs nothing comes first"


def test_who_has_nothing_to_do_sleeps_before_its_time(pressed):
    made = pressed(workers="0..2", idle_timeout=3600)
    made.ask("/")
    made.press_until("the workers are let go before their time")
    wait_until(lambda: not made.server.workers(), lambda: f"no worker: {made.server.workers()}")
    assert made.counted("hostler_memory_relief_total", step="sleep") == 1
    assert made.server.get("/").status == 200, "the next request wakes it"


def test_who_may_not_sleep_goes_on(pressed):
    made = pressed(workers=1)
    pid = made.ask("/")["pid"]
    made.press_until("there is nothing more to give back")
    assert made.ask("/")["pid"] == pid


def test_a_server_that_systemd_starts_again_ends_before_its_time(pressed, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        starter = tmp_path / "starter"
        starter.write_text(f'#!/bin/bash\nexec 3<&{descriptor} {descriptor}<&-\nLISTEN_PID=$$ LISTEN_FDS=1 exec "{BINARY}" "$@"\n')
        starter.chmod(0o755)
        made = pressed(workers=1, bind=[], program=starter, pass_fds=[descriptor], exit_idle_time=3600)
        assert made.ask("/")["garbage"] == 0
        made.server.close_clients()
        made.press_until("nobody is connected: the server ends")
        made.server.assert_ended()
