"""Upgrade in place: another server process takes the sockets over, nothing is lost, and a broken one changes nothing."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

import processes
from client import Client, plain_request
from deadline import wait_until
from load import PROMPT_SECONDS, Load
from server import BINARY

BROKEN = "#!/bin/sh\nexit 3\n"


# Accepts, is told to take over, and is gone.
FLEETING = """#!/usr/bin/python3
import os, socket, sys
said = socket.socket(fileno=os.dup(0))
told, tell = os.pipe()
pid = os.fork()
if pid:
    said.sendall(b'{"Started":%d}\\n' % pid)
    os.write(tell, b"it is told who was started")
    sys.exit()
os.read(told, 1)
said.shutdown(socket.SHUT_RD)
said.sendall(b'{"Ready":{}}\\n')
"""


def install(directory):
    """A program of its own with what it needs; returns its path."""
    directory.mkdir(exist_ok=True)
    for file in [BINARY, *Path(BINARY).parent.glob("lib_hostler.so")]:
        shutil.copy(file, directory)
    return directory / Path(BINARY).name


class Installed:
    """A server whose program stands in a directory of its own, where another can take its place."""

    def __init__(self, serve, directory, program=None, app="plain:application", **options):
        self.directory = Path(directory)
        self.program = program or install(self.directory)
        self.control = self.directory / "control.sock"
        self.pidfile = self.directory / "pid"
        self.server = serve(app, program=self.program, control_socket=self.control, pidfile=self.pidfile, **options)

    def ask(self, *words):
        command = [BINARY, *words, "--socket", self.control]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def replace_program(self, content=None):
        self.replace(self.program, content)

    def replace(self, file, content=None):
        """As a package does it: the new file is written beside, and takes the old one's name. Without a content it is the one that was built."""
        beside = self.directory / f"{file.name}.new"
        if content is None:
            shutil.copy(Path(BINARY).with_name(file.name), beside)
        else:
            beside.write_text(content)
            beside.chmod(0o755)
        beside.rename(file)

    def upgrade(self):
        upgraded = self.ask("upgrade", "--json")
        assert upgraded.returncode == 0, upgraded.stderr
        told = json.loads(upgraded.stdout)
        version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        assert told["version"] == version
        return told["pid"]

    def end_successor(self, pid):
        os.kill(pid, signal.SIGTERM)
        self.wait_for_the_end()

    def wait_for_the_end(self):
        """The server that was started is gone already; here those that followed it end."""
        wait_until(lambda: not self.server.processes(), lambda: f"all processes end: {self.server.processes()}")
        self.server.ended = True


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="hostler-") as path:
        yield path


def test_what_happened_is_known_to_the_successor(serve, directory):
    """Without systemd, too: it is given as a descriptor, and from one to the next."""
    installed = Installed(serve, directory)
    pids = [installed.upgrade() for _ in range(2)]
    observed = json.loads(installed.ask("status", "--json").stdout)["observed"]
    assert [event["kind"] for event in observed["events"]] == ["started", "upgraded", "upgraded"]
    assert observed["pid"] == pids[-1]
    # No descriptor is left over for what it starts.
    open_files = processes.descriptors(pids[-1])
    assert not [path for path in open_files.values() if "hostler-past" in path], open_files
    assert installed.server.process.wait(30) == 0
    installed.end_successor(pids[-1])


def test_nothing_is_lost_while_one_server_takes_over_from_another(serve, directory):
    installed = Installed(serve, directory, workers=2, graceful_timeout=10)
    server = installed.server
    load = Load(server.address, plain_request("/hello"), b"hello")
    pids = []

    async def upgrades():
        await load.answers("keeping", 50)
        for _ in range(3):
            installed.replace_program()
            pids.append(await asyncio.to_thread(installed.upgrade))
            await load.answers("keeping", 50)
        status = json.loads((await asyncio.to_thread(installed.ask, "status", "--json")).stdout)
        assert status["observed"]["pid"] == pids[-1]
        assert status["observed"]["generation"] == 4
        assert installed.pidfile.read_text().strip() == str(pids[-1])
        load.over = True

    asyncio.run(load.run(4, 4, upgrades))
    os.kill(pids[-1], signal.SIGTERM)
    # Each server that goes is a stop: it may close a connection whose client was slow to ask.
    assert load.lost == [] or load.lag > PROMPT_SECONDS and len(load.lost) <= 8, load.lost
    assert len({server.pid, *pids}) == 4
    assert server.process.wait(30) == 0
    installed.wait_for_the_end()
    assert not installed.pidfile.exists()
    assert not installed.control.exists()


def test_a_program_that_is_broken_changes_nothing(serve, directory):
    installed = Installed(serve, directory)
    installed.replace_program(BROKEN)
    failed = installed.ask("upgrade")
    assert failed.returncode == 1
    assert "not upgraded" in failed.stderr
    assert "exit status: 3" in failed.stderr
    installed.server.log.expect("the upgrade failed, and this server goes on", level="ERROR")
    assert installed.server.get("/hello").status == 200
    assert installed.ask("status").returncode == 0
    installed.replace_program()
    successor = installed.upgrade()
    assert installed.server.process.wait(30) == 0
    installed.end_successor(successor)


def test_a_socket_file_stays_with_the_server_that_is_left(serve, directory):
    path = f"{directory}/site.sock"
    installed = Installed(serve, directory, bind=f"unix:{path}")
    successor = installed.upgrade()
    assert installed.server.process.wait(30) == 0
    with Client(path) as client:
        assert client.get("/hello").status == 200
    installed.end_successor(successor)
    assert not os.path.exists(path)


def test_a_request_that_runs_is_finished_by_the_server_that_took_it(serve, directory):
    installed = Installed(serve, directory)
    server = installed.server
    with server.connect() as client:
        client.request("/gated?gate=upgraded")
        server.wait_notes("upgraded")
        successor = installed.upgrade()
        assert processes.state(server.pid) not in (None, "Z")
        server.open_gate("upgraded")
        assert client.response().status == 200
    assert server.process.wait(30) == 0
    installed.end_successor(successor)


def test_a_stop_while_the_successor_loads_ends_both(serve, directory):
    installed = Installed(serve, directory)
    installed.replace_program("#!/bin/sh\nexec sleep 60\n")
    asking = subprocess.Popen([BINARY, "upgrade", "--socket", installed.control], stderr=subprocess.PIPE, text=True)
    installed.server.log.expect("upgrading")
    # No look at its descriptors: the successor's are among them.
    installed.server.send_signal(signal.SIGTERM)
    installed.server.assert_ended()
    _, errors = asking.communicate(timeout=30)
    assert asking.returncode == 1
    assert "told to stop" in errors


class Running:
    """Servers in the runtime directory of a user, as all that run there."""

    def __init__(self, serve, directory):
        self.serve = serve
        self.directory = Path(directory)

    def start(self, name, **options):
        place = self.directory / "hostler" / name
        place.mkdir(parents=True)
        return Installed(self.serve, place, **options)

    def upgrade(self, *words):
        environment = {k: v for k, v in os.environ.items() if k not in ("RUNTIME_DIRECTORY", "XDG_CONFIG_HOME")}
        environment |= {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory)}
        command = [BINARY, "upgrade", "--all", "--user", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_all_that_run_are_upgraded(serve, directory):
    running = Running(serve, directory)
    nobody = running.upgrade()
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (0, "no instance is running\n", "")
    assert json.loads(running.upgrade("--json").stdout) == []
    sites = {name: running.start(name) for name in ("blog", "shop")}
    left = Path(directory) / "hostler" / "killed" / "control.sock"
    left.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(left))
    user = pwd.getpwuid(os.geteuid()).pw_name
    all_went_well = running.upgrade()
    assert (all_went_well.returncode, all_went_well.stderr) == (0, "")
    lines = sorted(all_went_well.stdout.splitlines())
    assert [line.partition(", ")[0] for line in lines] == [f"blog of {user}: upgraded", f"shop of {user}: upgraded"], "the killed one is not there"
    sites["blog"].replace_program(BROKEN)
    some = running.upgrade("--json")
    assert (some.returncode, some.stderr.startswith(f"hostler: not upgraded, 1 of 2: blog of {user}.")) == (1, True), some
    blog, shop = json.loads(some.stdout)
    assert (blog["name"], blog["user"], blog["outcome"], "pid" in blog) == ("blog", user, "failed", False)
    assert "exit status: 3" in blog["message"]
    assert (shop["name"], shop["outcome"], shop["message"]) == ("shop", "upgraded", "")
    assert shop["socket"] == str(sites["shop"].control)
    observed = {name: json.loads(site.ask("status", "--json").stdout)["observed"] for name, site in sites.items()}
    assert observed["shop"]["pid"] == shop["pid"]
    for name, site in sites.items():
        assert site.server.process.wait(30) == 0
        site.end_successor(observed[name]["pid"])


def test_one_that_runs_in_a_terminal_is_left_to_whoever_started_it(serve, directory):
    running = Running(serve, directory)
    master, slave = os.openpty()
    wrapper = Path(directory) / "wrapper"
    # It leads a session without a terminal: the first that it opens is that of the session.
    wrapper.write_text(f"#!/bin/sh\nexec 9<>{os.ttyname(slave)} 9>&-\nexec {BINARY} \"$@\"\n")
    wrapper.chmod(0o755)
    place = Path(directory) / "hostler" / "shop"
    place.mkdir(parents=True)
    server = serve("plain:application", program=wrapper, control_socket=place / "control.sock")
    left = running.upgrade()
    assert left.returncode == 0, left
    assert f"left as it is, it runs in a terminal; `hostler upgrade --socket {place}/control.sock` upgrades it" in left.stdout
    assert server.process.poll() is None
    server.stop()
    os.close(slave)
    os.close(master)


def test_a_link_that_was_turned_is_followed_to_the_other_version(serve, directory):
    """As `alternatives` and packages with versions in their paths have it; and the successor keeps to the link as well."""
    link = Path(directory) / "bin" / "hostler"
    link.parent.mkdir()
    versions = [install(Path(directory) / f"hostler-1.{number}") for number in range(3)]
    link.symlink_to(versions[0])
    installed = Installed(serve, directory, program=link)
    before = installed.server.pid
    assert os.readlink(f"/proc/{before}/exe") == str(versions[0])
    for version in versions[1:]:
        turned = link.with_name("turned")
        turned.symlink_to(version)
        turned.rename(link)
        successor = installed.upgrade()
        assert os.readlink(f"/proc/{successor}/exe") == str(version)
    assert installed.server.process.wait(30) == 0
    installed.end_successor(successor)


def test_a_stopped_successor_waits_for_what_its_predecessors_run(serve, directory):
    """systemd kills what is left of a service whose main process has ended. The last one waits for all before it."""
    installed = Installed(serve, directory, graceful_timeout=20)
    server = installed.server
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated?gate={key}")
        server.wait_notes(key)
        before, successor = installed.upgrade(), installed.upgrade()
        os.kill(successor, signal.SIGTERM)
        for _waiting in (before, successor):
            server.log.expect("the server process before this one still finishes what it runs")
        assert processes.state(before) is not None and processes.state(successor) is not None
        server.open_gate(key)
        assert client.response().status == 200
    assert server.process.wait(30) == 0
    installed.wait_for_the_end()


def test_a_second_signal_ends_the_waiting_for_a_predecessor(serve, directory):
    installed = Installed(serve, directory, graceful_timeout=20)
    server = installed.server
    key = server.key()
    with server.connect() as client:
        client.request(f"/gated?gate={key}")
        server.wait_notes(key)
        successor = installed.upgrade()
        os.kill(successor, signal.SIGTERM)
        server.log.expect("the server process before this one still finishes what it runs")
        os.kill(successor, signal.SIGTERM)
        wait_until(lambda: processes.state(successor) in (None, "Z"), "the successor has ended")
        server.open_gate(key)
        assert client.response().status == 200
    assert server.process.wait(30) == 0
    installed.wait_for_the_end()


def test_a_successor_that_is_gone_as_it_takes_over_leaves_the_old_one_serving(serve, directory):
    installed = Installed(serve, directory)
    installed.replace_program(FLEETING)
    installed.ask("upgrade")
    installed.server.log.expect("the new server ended as it took over: this one goes on", level="ERROR")
    assert installed.server.get("/hello").status == 200
