"""What happens when processes die or hang: the sockets stay, systemd and the server do the rest."""

import ctypes
import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from deadline import let_pass, wait_until
from hammer import Hammer

# How long it may take from the death of the main process until the next answers, with the pause before a restart.
GAP_SECONDS = 15


def test_a_killed_main_process_costs_what_it_ran_and_nothing_else(machine, instance):
    """Who connects afterwards waits for the next one: nobody is refused."""
    shop = instance(settings="workers = 2")
    shop.listen()
    shop.text()
    with Hammer(shop.address, clients=4) as hammer:
        for _ in range(3):
            hammer.wait_answers(50)
            main = shop.main_pid()
            machine.kill(main)
            wait_until(lambda main=main: shop.main_pid() not in (0, main), shop.told)
        hammer.wait_answers(50)
    refused = [fault for fault in hammer.faults if "ConnectionRefused" in fault]
    assert not refused and max(hammer.seconds) < GAP_SECONDS, refused
    assert len(hammer.faults) <= 3 * 4, "at most one for each client and death: what it ran, or was just told"
    assert shop.show("NRestarts") == "3"


def test_a_stopped_main_process_is_found_by_the_watchdog(machine, instance):
    shop = instance(service_watchdog="[Service]\nWatchdogSec=4\n")
    shop.listen()
    # Before that nothing watches it.
    shop.awake()
    main = shop.main_pid()
    machine.kill(main, signal.SIGSTOP)
    wait_until(lambda: shop.main_pid() not in (0, main), shop.told)
    assert "Watchdog timeout (limit 4s)!" in shop.told()
    assert shop.text() == "one"


def test_a_stuck_router_thread_is_told_of_and_given_up(machine, instance):
    """The main task still runs, and would feed the watchdog: it asks the router's threads first (WATCHDOG=trigger)."""
    shop = instance(service_watchdog="[Service]\nWatchdogSec=4\n")
    shop.listen()
    shop.awake()
    main = shop.main_pid()
    host = machine.host_pid(main)
    names = {int(task.name): (task / "comm").read_text().strip() for task in Path(f"/proc/{host}/task").iterdir()}
    router = next(number for number, name in names.items() if "router" in name)
    with stopped_thread(router):
        wait_until(lambda: "a router thread has not answered" in shop.told(), shop.told)
    wait_until(lambda: shop.main_pid() not in (0, main), shop.told, 60)
    assert "Watchdog" in shop.told()
    assert shop.text() == "one"


# Threads, too (`__WALL`, waitpid(2)).
WAIT_ALL = 0x4000_0000


@contextmanager
def stopped_thread(number):
    """One thread alone stands still: what it is stuck in does not matter (ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT)."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, interrupt, detach = 0x4206, 0x4207, 17

    def trace(request):
        return libc.ptrace(request, number, None, None)

    assert trace(seize) == 0 and trace(interrupt) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        if trace(detach):
            # It was killed meanwhile: its process is not gone before whoever traced it has seen its end.
            os.waitpid(number, WAIT_ALL)


def test_the_watchdog_is_fed_while_all_is_well(instance):
    """Through an idle time, and while requests run that are longer than it allows."""
    shop = instance(service_watchdog="[Service]\nWatchdogSec=4\n")
    shop.listen()
    main = shop.who()["server"]
    # Time is what this is about.
    let_pass(9)
    assert shop.text("/wait?seconds=9") == "waited"
    assert (shop.who()["server"], shop.show("NRestarts")) == (main, "0")


def workers_of(shop, count):
    """The processes of the workers' groups, once there are so many."""
    groups = f"/sys/fs/cgroup{shop.show('ControlGroup')}"

    def found():
        pids = shop.machine.run("sh", "-c", f"cat {groups}/worker-*/cgroup.procs 2>/dev/null || true").split()
        return [int(pid) for pid in pids] if len(pids) == count else None

    return wait_until(found, shop.told)


def wait_ready(shop, count):
    """Waits until so many workers serve: one that still boots has the time of that."""
    status = lambda: json.loads(shop.machine.run("hostler", "status", "--json"))["observed"]
    wait_until(lambda: status()["workers_ready"] == count, shop.told)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_worker_is_replaced(machine, instance, workers):
    """It is idle, and the watchdog is fed: the server sees that it makes no progress, and the service is not restarted for it."""
    shop = instance(settings=f"workers = {workers}\ntimeout = 8", service_watchdog="[Service]\nWatchdogSec=4\n")
    shop.listen()
    server = shop.who()["server"]
    wait_ready(shop, workers)
    stopped = workers_of(shop, workers)[-1]
    machine.kill(stopped, signal.SIGSTOP)
    with Hammer(shop.address, clients=2) as hammer:
        wait_until(lambda: not machine.path(f"/proc/{stopped}").exists(), shop.told)
        hammer.wait_answers(100)
    assert not hammer.faults, hammer.faults
    assert stopped not in workers_of(shop, workers)
    assert "was stopped, by SIGSTOP or its like" in shop.told()
    assert (shop.who()["server"], shop.show("NRestarts")) == (server, "0")


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_make_no_progress_are_found_by_the_watchdog(machine, instance, workers):
    """Without a timeout the server may replace none of them: when all are stopped nothing feeds the watchdog."""
    shop = instance(settings=f"workers = {workers}\ntimeout = 0", service_watchdog="[Service]\nWatchdogSec=4\n")
    shop.listen()
    shop.awake()
    server = shop.who()["server"]
    wait_ready(shop, workers)
    for worker in workers_of(shop, workers):
        machine.kill(worker, signal.SIGSTOP)
    wait_until(lambda: shop.main_pid() not in (0, server), shop.told)
    told = shop.told()
    assert "no worker makes progress" in told and "Watchdog timeout (limit 4s)!" in told, told
    assert shop.text() == "one"
    assert shop.show("NRestarts") == "1"


def test_each_worker_has_a_group_of_its_own(machine, instance):
    shop = instance(settings="workers = 2")
    shop.listen()
    group = Path(shop.who()["group"])
    members = machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    assert len(members) == 1 and group.name.endswith(f"-{members[0]}"), shop.told()
    assert shop.show("ControlGroup") == str(group.parent)


def test_each_worker_of_a_users_instance_has_a_group_of_its_own(machine, instance):
    """The user's manager delegates, too: on the way from the root nothing but the user's own groups is above them."""
    machine.add_user("ada")
    shop = instance(user="ada", settings="workers = 2")
    shop.listen()
    first = shop.who()
    group = Path(first["group"])
    assert group.name.startswith("worker-") and group.name.endswith(f"-{first['pid']}"), shop.told()
    assert shop.show("ControlGroup") == str(group.parent)
    assert f"user@{machine.user_number('ada')}.service" in str(group)
    members = machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    assert members == [str(first["pid"])]
    main = machine.run("cat", f"/proc/{shop.main_pid()}/cgroup").strip()
    assert main.endswith(f"{shop.service}/server"), main
    machine.kill(first["pid"])
    wait_until(lambda: not machine.path(f"/sys/fs/cgroup{group}").exists(), shop.told)
    assert shop.text() == "one"


@pytest.mark.parametrize("preload", ["false", "true"])
def test_the_group_of_a_worker_goes_with_it(machine, instance, preload):
    shop = instance(settings=f"workers = 2\npreload = {preload}")
    shop.listen()
    shop.text()

    def groups_of_workers():
        listed = machine.run("ls", f"/sys/fs/cgroup{shop.show('ControlGroup')}").split()
        return {name for name in listed if name.startswith("worker-")}

    wait_until(lambda: len(groups_of_workers()) == 2, shop.told)
    killed = shop.who()
    machine.kill(killed["pid"])
    gone = Path(killed["group"]).name
    wait_until(lambda: gone not in groups_of_workers() and len(groups_of_workers()) == 2, shop.told)
    main = machine.run("cat", f"/proc/{shop.main_pid()}/cgroup").strip()
    assert main.endswith(f"{shop.service}/server"), main
