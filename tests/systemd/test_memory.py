"""Memory that is short: one worker that the kernel kills, and pressure, told by systemd or by a FIFO in its place."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from deadline import wait_until
from hammer import Hammer

# The memory controller of version 1, out here: where it is in use, groups of version 2 have none.
FORMER = Path("/sys/fs/cgroup/memory")
LIMIT_MIB = 96


def has_memory_controller(machine):
    return "memory" in machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").split()


def test_the_kernel_kills_one_worker_and_the_log_says_what_it_served(machine, instance):
    """The others, the server and what they serve go on. Which version of control groups has the memory controller depends
    on the machine that the tests run on: each has its own way to a limit."""
    if has_memory_controller(machine):
        kill_by_its_own_group(instance(settings=f'workers = 2\nmemory_max = "{LIMIT_MIB} MiB"'))
    else:
        kill_by_a_former_group(instance(settings="workers = 2"))


def kill_by_its_own_group(shop):
    """Version 2: the limit is that of the worker's own group, which tells of it."""
    shop.listen()
    main = shop.who()["server"]
    with Hammer(shop.address, clients=2, gap=0.01) as hammer:
        hammer.wait_answers(20)
        assert shop.get(f"/take?mib={2 * LIMIT_MIB}").status in (502, 503)
        hammer.wait_answers(50)
    hammer.check()
    told = shop.told()
    assert f"its memory went over its limit of {LIMIT_MIB} MiB" in told and "while it served GET /take" in told
    assert (shop.main_pid(), shop.show("NRestarts")) == (main, "0")


@contextlib.contextmanager
def former_group():
    """A group of version 1 with a limit."""
    group = FORMER / f"hostler-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_MIB << 20))
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (FORMER / "cgroup.procs").write_text(pid)
        group.rmdir()


def kill_by_a_former_group(shop):
    """Version 1: the kernel really kills, but tells the worker's own group nothing. All workers are in one group, so that it
    does not matter which of them is free: the kernel chooses the one that took the memory."""
    shop.listen()
    server = shop.who()["server"]
    with former_group() as group:
        for worker in json.loads(shop.machine.run("hostler", "workers", "--json")):
            (group / "cgroup.procs").write_text(str(shop.machine.host_pid(worker["pid"])))
        with Hammer(shop.address, clients=2, gap=0.01) as hammer:
            hammer.wait_answers(20)
            # It runs once more: by the other of the two, which is killed as well, or by a successor, which has no limit.
            assert shop.get(f"/take?mib={2 * LIMIT_MIB}").status in (200, 502, 503)
            hammer.wait_answers(50)
        hammer.check()
        told = shop.told()
        assert told.count("was killed by SIGKILL while it ran") in (1, 2), told
        assert (shop.main_pid(), shop.show("NRestarts")) == (server, "0")
        assert "the kernel's log says whether memory ran out" in told


def test_pressure_is_watched_where_systemd_tells_of_it(machine, instance):
    """Since 254: the instance opens what `MEMORY_PRESSURE_WATCH` names, for itself and not for its workers. One that is told
    nothing says nothing of it."""
    shop = instance(service_pressure="[Service]\nMemoryPressureWatch=on\n")
    shop.listen()
    assert "MEMORY_PRESSURE_WATCH" not in shop.who()["environment"]
    main = shop.main_pid()
    told = machine.path(f"/proc/{main}/environ").read_text().split("\0")
    assert "does not learn when memory is short" not in shop.told()
    watched = dict(variable.split("=", 1) for variable in told if variable).get("MEMORY_PRESSURE_WATCH")
    assert (watched is None) == (machine.release == "bookworm")
    if watched is None:
        return
    assert watched.endswith(f"{shop.service}/memory.pressure"), watched
    # It serves first.
    wait_until(lambda: watched in machine.run("sh", "-c", f"ls -l /proc/{main}/fd"), shop.told)


FIFO = "/run/hostler-pressure"


@pytest.fixture
def pressed(machine, instance):
    """An instance whose pressure is told by a FIFO, which any version of systemd can be made to name."""

    def make(settings):
        shop = instance(
            settings=settings,
            service_pressure=f"[Service]\nMemoryPressureWatch=skip\nEnvironment=MEMORY_PRESSURE_WATCH={FIFO}\n",
        )
        machine.run("mkfifo", "--mode=666", FIFO)
        shop.listen()
        assert shop.text() == "one"
        return shop

    return make


def press_until(shop, done):
    def pressed():
        if done():
            return True
        writing = os.open(shop.machine.path(FIFO), os.O_RDWR | os.O_NONBLOCK)
        os.write(writing, b"x")
        os.close(writing)
        return False

    wait_until(pressed, shop.told)


def test_an_idle_service_leaves_before_its_time_when_memory_is_short(pressed):
    """In the sandbox of the unit. Who connects afterwards starts it again."""
    shop = pressed("exit_idle_time = 3600")
    press_until(shop, lambda: shop.show("ActiveState") == "inactive")
    assert (shop.show("Result"), shop.show("ExecMainStatus")) == ("success", "0")
    assert "the workers collected their garbage" in shop.told()
    assert shop.text() == "one"


def test_workers_sleep_before_their_time_when_memory_is_short(pressed):
    shop = pressed("idle_timeout = 3600")

    def state():
        return json.loads(shop.machine.run("hostler", "status", "--json"))["observed"]["state"]

    press_until(shop, lambda: state() == "asleep")
    assert shop.text() == "one"
    assert state() == "serving"
