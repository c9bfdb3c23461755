"""Preload: one process imports the application and forks the workers; what is theirs is theirs, whoever dies."""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

import processes
from client import plain_request
from deadline import wait_until
from load import Load
from server import BINARY

APPS = ["preloaded:application", "preloaded:asgi"]


def ask(server, target="/"):
    return json.loads(server.get(target).body)


def ask_all(server, count):
    """What each worker says of itself, by its process."""
    target = f"/together?{server.key()}={count}"
    with ThreadPoolExecutor(count) as threads:
        answers = list(threads.map(lambda _: ask(server, target), range(count)))
    assert len({answer["pid"] for answer in answers}) == count
    return {answer["pid"]: answer for answer in answers}


def keeper_of(server, former=None):
    """The process that imported the application last."""

    def found():
        pids = [int(line) for line in server.notes("imports")]
        return pids[-1] if pids and pids[-1] != former else None

    return wait_until(found, "a keeper has imported the application")


def preload(serve, app="preloaded:application", workers=2, **options):
    server = serve(app, workers=workers, preload=True, ready=False, **options)
    server.log.wait(lambda: any(r.message.startswith("listening") for r in server.log.records), "it listens", 30)
    if workers > 1:
        server.log.expect("all workers are ready")
    server.take_baseline()
    return server


@pytest.fixture
def runtime():
    """A directory for a control socket: its path is short, a test's directory is not."""
    with tempfile.TemporaryDirectory(prefix="hostler-") as directory:
        yield directory


def control(server, runtime, *words):
    command = [BINARY, *words, "--socket", f"{runtime}/c"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("app", APPS)
def test_the_application_is_imported_once_and_workers_are_the_servers_children(serve, app):
    server = preload(serve, app, workers=3)
    # An event loop that is free takes all there is: workers are found in /proc.
    keeper = keeper_of(server)
    assert len(server.notes("imports")) == 1
    children = set(processes.children(server.pid))
    assert len(children) == 4 and keeper in children
    answer = ask(server)
    assert answer["imported_in"] == keeper and answer["pid"] in children - {keeper}
    assert answer["parent"] == server.pid and answer["pid_of_thread"] == answer["pid"]
    assert all(processes.parent(pid) == server.pid for pid in children)


def test_what_is_registered_at_fork_runs_once_on_each_side(serve):
    server = preload(serve, workers=3)
    keeper = keeper_of(server)
    notes = server.wait_notes("at_fork", 9)
    workers = set(ask_all(server, 3))
    assert notes.count(f"before {keeper}") == notes.count(f"parent {keeper}") == 3
    assert {int(line.split()[1]) for line in notes if line.startswith("child")} == workers
    assert len(notes) == 9


def test_a_worker_has_the_same_descriptors_and_signals_as_without(serve):
    plain = ask(serve("preloaded:application", workers=2))
    forked = ask(preload(serve, workers=2))
    assert sorted(plain["descriptors"].values()) == sorted(forked["descriptors"].values())
    numbers = {number for number in plain["descriptors"] if int(number) < 8}
    assert {n: forked["descriptors"][n] for n in numbers} == {n: plain["descriptors"][n] for n in numbers}
    assert forked["threads"] == plain["threads"]
    assert forked["signals"] == plain["signals"]


def test_chance_is_each_workers_own(serve):
    server = preload(serve, workers=4)
    answers = ask_all(server, 4).values()
    assert len({answer["random"] for answer in answers}) == 4
    assert len({answer["uuid1"] for answer in answers}) == 4


def test_numpys_chance_is_each_workers_own(serve, tmp_path):
    # A module in its place: only what is there after the import is seeded, and by its own seed().
    package = tmp_path / "fake" / "numpy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "random.py").write_text("import gate, os\ndef seed(): gate.note('seeded', os.getpid())\n")
    (tmp_path / "fake" / "with_numpy.py").write_text("import numpy.random\nfrom preloaded import application\n")
    server = preload(serve, "with_numpy:application", workers=2, pythonpath=tmp_path / "fake")
    assert {int(pid) for pid in server.wait_notes("seeded", 2)} == set(ask_all(server, 2))


def test_atexit_runs_in_each_worker_and_in_the_keeper_and_its_directories_last_as_long(serve):
    server = preload(serve, workers=2)
    keeper, workers = keeper_of(server), sorted(ask_all(server, 2))
    server.stop()
    ended = [int(pid) for pid in server.notes("atexit")]
    assert sorted(ended[:2]) == workers and ended[2:] == [keeper]
    assert not os.path.exists(server.notes("directory")[0])


def test_a_directory_of_the_import_outlives_workers(serve):
    server = preload(serve, workers=1)
    first = ask(server)
    os.kill(first["pid"], signal.SIGTERM)

    def another():
        answer = ask(server)
        return answer if answer["pid"] != first["pid"] else None

    assert wait_until(another, "another worker")["directory"] is True
    server.log.expect("worker 0", level="INFO")
    assert server.notes("atexit") == [str(first["pid"])]


def test_threads_and_connections_of_the_import_are_named(serve):
    server = preload(serve, environment={"PRELOADED": "thread,sockets"})
    server.log.expect(r"started a thread while it was imported \(poller\)", level="WARN")
    server.log.expect(r"descriptor \d+, a socket that listens on 127\.0\.0\.1:\d+, was opened", level="WARN")
    server.log.expect(r"descriptor \d+, a connection to 127\.0\.0\.1:\d+, was opened", level="WARN")
    # Neither the socket for packets nor the pair without a name is: `assert_quiet` at the end.
    assert "poller" not in ask(server)["threads"]


@pytest.mark.parametrize("app", APPS)
def test_a_keeper_that_dies_disturbs_nobody(serve, app):
    server = preload(serve, app, workers=2)
    keeper = keeper_of(server)
    before = set(server.workers()) - {keeper}
    load = Load(server.address, plain_request("/"), AnyBody())

    async def kill():
        former = keeper
        for _ in range(3):
            await load.answers("keeping", 50)
            os.kill(former, signal.SIGKILL)
            former = await asyncio.to_thread(keeper_of, server, former)
        await load.answers("keeping", 50)
        load.over = True

    asyncio.run(load.run(2, 4, kill))
    assert not load.lost
    server.log.claim("the keeper")
    assert not [line for line in server.log.lines if "worker 0" in line or "worker 1" in line], "workers went on"
    assert before
    server.stop()


class AnyBody:
    """Equal to every answer: they differ from worker to worker."""

    def __eq__(self, other):
        return True


def test_killed_workers_are_forked_again_and_idempotent_requests_answered(serve):
    server = preload(serve, workers=3)
    keeper = keeper_of(server)
    load = Load(server.address, plain_request("/"), AnyBody())
    killed = set()

    async def kill():
        while len(killed) < 30:
            await load.answers("keeping", 10)
            # No request is run by two workers that are killed: that is a reason to give it up.
            await load.each_answered()
            # One that was killed may still be there, and be gone at any moment.
            workers = [pid for pid in server.workers() if pid != keeper and pid not in killed]
            if len(workers) == 3:
                os.kill(workers[0], signal.SIGKILL)
                killed.add(workers[0])
        load.over = True

    asyncio.run(load.run(0, 4, kill))
    assert not load.lost
    assert len(server.notes("imports")) == 1, "all from the one import"
    server.log.claim("worker|lost|again")
    server.stop()


def test_after_200_recyclings_nothing_is_left(serve, runtime):
    server = preload(serve, workers=2, control_socket=f"{runtime}/c")
    keeper = keeper_of(server)
    # It forks no more, and what it used for that is closed.
    wait_until(lambda: processes.at_rest(keeper), "the keeper waits")
    before = processes.descriptors(keeper)

    def recycled():
        # One that does not serve, or has just come, is refused.
        for place in range(4):
            control(server, runtime, "recycle", str(place))
        return len(server.notes("at_fork")) >= 3 * 202

    wait_until(recycled, lambda: f"200 replacements: {len(server.notes('at_fork')) // 3}", 300)
    wait_until(lambda: processes.descriptors(keeper) == before, lambda: f"{before}: {processes.descriptors(keeper)}")
    wait_until(lambda: len(server.workers()) == 3, lambda: f"two workers and the keeper: {server.workers()}")
    assert len(server.notes("imports")) == 1
    server.assert_no_descriptor_growth()


def test_a_stop_in_the_middle_of_forks_loses_no_signal(serve):
    # A worker that was told to end before it could take notice was killed a second later, with a warning.
    for workers in (4, 8, 16):
        server = serve("preloaded:application", workers=workers, preload=True, ready=False)
        server.wait_notes("at_fork", 3 * workers // 2)
        server.stop()


def test_orphans_are_collected(serve):
    server = preload(serve, workers=1)
    for _ in range(3):
        ask(server, "/orphan")
    orphans = [int(pid) for pid in server.wait_notes("orphan", 3)]
    wait_until(lambda: all(processes.state(pid) is None for pid in orphans), "no zombie is left")


UNLOADABLE = [("import no_such_module", "no_such_module", 65), ("import os; os._exit(3)", "status 3", 69)]


@pytest.mark.parametrize("text, reason, code", UNLOADABLE)
def test_an_application_that_does_not_import_ends_the_start(serve, tmp_path, text, reason, code):
    (tmp_path / "broken_site.py").write_text(text)
    server = serve("broken_site:application", workers=2, preload=True, chdir=tmp_path, ready=False)
    assert server.wait(30) == code
    server.ended = True
    assert reason in "\n".join(server.log.lines)
    assert server.log.lines and "Traceback" not in server.log.lines[0]


def test_an_import_that_takes_too_long_ends_the_start(serve, tmp_path):
    (tmp_path / "slow_site.py").write_text("import time\ntime.sleep(100)")
    server = serve("slow_site:application", preload=True, boot_timeout=1, chdir=tmp_path, ready=False)
    assert server.wait(30) == 69
    server.ended = True
    assert "within boot_timeout" in server.describe()


def test_a_stop_while_it_is_imported(serve, tmp_path):
    (tmp_path / "slow_site.py").write_text("import gate, time\ngate.note('began')\ntime.sleep(100)")
    pythonpath = os.path.join(os.path.dirname(__file__), "apps")
    server = serve("slow_site:application", preload=True, chdir=tmp_path, pythonpath=pythonpath, ready=False)
    server.wait_notes("began")
    server.stop()


# Hooks


def names(server):
    return [line.split()[0] for line in server.notes("hooks")]


def test_hooks_are_called_in_order_where_they_belong(serve):
    server = preload(serve, workers=1, hooks="preload_hooks", environment={"HOOKS_OF_GUNICORN": "1"})
    server.log.expect("the hook pre_exec of preload_hooks is never called", level="WARN")
    server.log.expect("the hook nworkers_changed of preload_hooks is never called", level="WARN")
    keeper, worker = keeper_of(server), ask(server)["pid"]
    server.stop()
    expected = [
        f"on_starting {keeper} - -",
        f"when_ready {keeper} - -",
        f"pre_fork {keeper} 1 None",
        f"post_fork {worker} 1 {worker}",
        f"post_worker_init {worker} 1 {worker}",
        f"worker_exit {worker} 1 {worker}",
        f"child_exit {keeper} 1 {worker}",
        f"on_exit {keeper} - -",
    ]
    assert server.notes("hooks") == expected
    assert not any("not told" in line for line in server.log.lines)


def test_without_preload_the_hooks_of_workers_are_called(serve):
    server = serve("preloaded:application", workers=2, hooks="preload_hooks")
    server.log.expect("without preload there is no process to call on_starting, on_reload, when_ready", level="WARN")
    server.stop()
    found = names(server)
    assert sorted(set(found)) == ["post_fork", "post_worker_init", "worker_exit"]
    assert len(found) == 6


@pytest.mark.parametrize("hook", ["pre_fork", "post_fork", "post_worker_init"])
def test_a_hook_that_raises_ends_the_start_with_its_traceback(serve, hook):
    options = {"hooks": "preload_hooks", "environment": {"FAILING_HOOK": hook}}
    server = serve("preloaded:application", preload=True, ready=False, **options)
    assert server.wait(30) == 65
    server.ended = True
    assert f"the hook {hook} of preload_hooks failed: ValueError: {hook} does not want to" in server.describe()
    assert "Traceback" in server.describe()


@pytest.mark.parametrize("hook", ["on_starting", "when_ready", "child_exit", "on_exit", "worker_exit"])
def test_another_hook_that_raises_is_logged(serve, hook):
    server = preload(serve, workers=1, hooks="preload_hooks", environment={"FAILING_HOOK": hook})
    assert ask(server)["directory"] is True
    server.log.claim(f"the hook {hook} of preload_hooks failed: ValueError")
    server.stop()
    assert any(f"the hook {hook} of preload_hooks failed" in record.message for record in server.log.records)


def test_a_module_of_hooks_that_is_not_there_is_said(serve):
    server = serve("preloaded:application", preload=True, hooks="no_such_hooks", ready=False)
    assert server.wait(30) == 65
    server.ended = True
    assert "there is no module \"no_such_hooks\"" in server.describe()


# Reload


def test_a_reload_has_a_keeper_of_its_own(serve, runtime):
    """The one before is kept for a rollback, and ends when another takes its place."""
    server = preload(serve, hooks="preload_hooks", control_socket=f"{runtime}/c", graceful_timeout=5)
    first = keeper_of(server)
    assert control(server, runtime, "reload").returncode == 0
    second = keeper_of(server, first)
    server.log.expect("the former generation is parked")
    assert ask(server)["imported_in"] == second
    assert f"on_reload {second} - -" in server.notes("hooks")
    assert processes.state(first) is not None and f"on_exit {first} - -" not in server.notes("hooks")
    assert control(server, runtime, "reload").returncode == 0
    keeper_of(server, second)
    server.log.expect("the former generation is parked")
    wait_until(lambda: processes.state(first) is None, "the keeper before the last one ends")
    assert f"on_exit {first} - -" in server.notes("hooks")
    assert len(server.notes("imports")) == 3
    # What is parked has descriptors of its own.
    server.send_signal(signal.SIGTERM)
    server.assert_ended()


def test_a_reload_that_does_not_import_leaves_the_keeper_alone(serve, runtime, tmp_path):
    site = tmp_path / "project"
    site.mkdir()
    (site / "changing_site.py").write_text("from preloaded import application")
    options = {"chdir": site, "pythonpath": os.path.join(os.path.dirname(__file__), "apps")}
    server = preload(serve, "changing_site:application", control_socket=f"{runtime}/c", **options)
    before = sorted(processes.children(server.pid))
    (site / "changing_site.py").write_text("raise ValueError('said in the traceback')")
    answer = control(server, runtime, "reload")
    assert answer.returncode == 1 and "said in the traceback" in answer.stderr
    assert sorted(processes.children(server.pid)) == before
    server.log.claim("the reload failed")
