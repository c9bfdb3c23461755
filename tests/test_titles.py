"""What `ps` and `top` show of each process: what it is, and not the Python program that it was started with."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import processes
from deadline import wait_until
from server import APPS, BINARY


def shown(pid):
    """The command line as the system has it, and the name of the process; nothing of one that is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/comm") as name:
            return line.read(), name.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return b"", ""


def titles(server):
    return sorted(shown(pid) for pid in server.workers())


def wait_titles(server, expected):
    wait_until(lambda: titles(server) == expected, lambda: f"{expected}: {titles(server)}; log:\n{server.describe()}")


def worker(number, name, generation):
    # Nothing follows the text: not what stood there before, nor blanks instead.
    return f"hostler: worker {number} of {name} (generation {generation})\0".encode(), "hostler: worker"


def keeper(name, generation):
    return f"hostler: keeper of {name} (generation {generation})\0".encode(), "hostler: keeper"


@pytest.fixture
def shop(tmp_path):
    """A settings file; an instance is called as it."""
    def write(**settings):
        settings = {"app": "plain:application", "chdir": str(APPS), "python": sys.executable, "bind": "127.0.0.1:0", **settings}
        file = tmp_path / "shop.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
        return file

    return write


@pytest.mark.parametrize("app", ["plain:application", "asgi_plain:application"])
def test_workers_say_what_they_are(serve, shop, app):
    server = serve(arguments=["serve", shop(app=app, workers=2)])
    expected = [worker(0, "shop", 1), worker(1, "shop", 1)]
    wait_titles(server, expected)
    listed = subprocess.run(["ps", "-o", "args=", "-p", ",".join(map(str, server.workers()))], capture_output=True, text=True, check=True)
    assert sorted(line.rstrip() for line in listed.stdout.splitlines()) == [line[:-1].decode() for line, _ in expected]
    # The server is what was typed.
    assert processes.command_line(server.pid).startswith(f"{BINARY} serve ")
    assert shown(server.pid)[1] == "hostler"
    found = subprocess.run(["pgrep", "-f", "^hostler: worker [0-9]+ of shop .generation 1.$"], capture_output=True, text=True)
    assert set(server.workers()) <= set(map(int, found.stdout.split()))
    server.send_signal(signal.SIGHUP)
    wait_titles(server, [worker(0, "shop", 2), worker(1, "shop", 2)])


def test_a_roll_is_a_generation_of_its_own(serve, shop):
    server = serve(arguments=["serve", shop(workers=2, rolling=True)])
    wait_titles(server, [worker(0, "shop", 1), worker(1, "shop", 1)])
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: all(line.endswith(b"(generation 2)\0") for line, _ in titles(server)) and len(titles(server)) == 2, lambda: titles(server))


def test_a_keeper_and_what_it_forks(serve, shop):
    server = serve(arguments=["serve", shop(workers=2, preload=True)])
    wait_titles(server, [keeper("shop", 1), worker(0, "shop", 1), worker(1, "shop", 1)])


def test_without_a_file_it_is_called_as_the_directory_and_the_environment_is_left(serve, tmp_path):
    directory = tmp_path / "grüne wiese"
    directory.mkdir()
    server = serve("plain:application", workers=1, cwd=directory)
    wait_titles(server, [worker(0, "grüne wiese", 1)])
    [pid] = server.workers()
    assert server.marker.encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_hangup_is_the_servers_affair(serve, shop):
    """`pkill -HUP hostler` reaches the workers as well, by their name."""
    server = serve(arguments=["serve", shop(workers=2, preload=True)])
    before = [keeper("shop", 1), worker(0, "shop", 1), worker(1, "shop", 1)]
    wait_titles(server, before)
    pids = server.workers()
    for pid in pids:
        os.kill(pid, signal.SIGHUP)
    assert server.get("/hello").status == 200
    assert (titles(server), server.workers()) == (before, pids)
