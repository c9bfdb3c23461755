"""The files of Hostler are replaced under a server, as a package does it: what it starts is of its own build, until an upgrade."""

import json
import os
import signal
import tempfile

import pytest

from deadline import wait_until
from test_upgrade import Installed

GARBAGE = "This is no library."


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="hostler-") as path:
        yield path


class Replaced(Installed):
    """A server with one worker, in whose tree the extension is replaced by one that cannot be loaded."""

    def __init__(self, serve, directory, **options):
        super().__init__(serve, directory, app="loaded:application", workers=1, **options)
        self.extension = self.directory / "lib_hostler.so"
        assert self.loaded()["mapped"] == [str(self.extension)]
        self.replace(self.extension, GARBAGE)

    def loaded(self):
        """What the worker has loaded that answers, by whatever server."""
        loaded = json.loads(self.server.get("/extension").body)
        assert loaded["name"] == str(self.extension), "the name is that of the path, wherever it was loaded from"
        return loaded

    def assert_fresh(self, former):
        """Another process than `former` serves, with the extension of before; returns its number."""
        loaded = self.loaded()
        assert loaded["pid"] != former
        assert loaded["mapped"] == [f"{self.extension} (deleted)"]
        return loaded["pid"]

    def wait_ready(self):
        """Waits until the instance itself knows of one worker that serves; returns its place."""

        def ready():
            workers = json.loads(self.ask("workers", "--json").stdout)
            return workers if [worker["state"] for worker in workers] in (["idle"], ["busy"]) else None

        return str(wait_until(ready, "one worker is ready")[0]["place"])

    def kill(self, pid, expected):
        os.kill(pid, signal.SIGKILL)
        self.server.log.expect(f"{expected}.*SIGKILL")


def test_workers_go_on_with_the_extension_of_their_server(serve, directory):
    replaced = Replaced(serve, directory)
    server = replaced.server
    first = replaced.server.workers()[0]
    replaced.kill(first, "worker")
    killed = replaced.assert_fresh(first)
    # Of a worker that was loaded so nothing gets to what its application starts, either.
    assert json.loads(server.get("/inherited").body) == [0, 1, 2]

    recycled = replaced.ask("recycle", replaced.wait_ready())
    assert recycled.returncode == 0, recycled.stderr
    wait_until(lambda: killed not in server.workers(), "the recycled worker is gone")
    recycled = replaced.assert_fresh(killed)

    reloaded = replaced.ask("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    wait_until(lambda: recycled not in server.workers(), "the worker of the former generation is gone")
    reloaded = replaced.assert_fresh(recycled)

    # A package that is broken: the server that was left in charge keeps its workers.
    refused = replaced.ask("upgrade")
    assert refused.returncode == 1
    server.log.expect(f"cannot load Hostler's extension: {replaced.extension}: ", level="ERROR")
    server.log.expect("the upgrade failed, and this server goes on", level="ERROR")
    replaced.kill(reloaded, "worker")
    left = replaced.assert_fresh(reloaded)

    # It is gone: a package of another version may have it elsewhere.
    replaced.extension.unlink()
    reloaded = replaced.ask("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    wait_until(lambda: left not in server.workers(), "the worker of the former generation is gone")
    replaced.assert_fresh(left)

    # And one that is whole.
    replaced.replace_program()
    replaced.replace(replaced.extension)
    successor = replaced.upgrade()
    assert server.process.wait(30) == 0
    upgraded = replaced.loaded()
    assert upgraded["mapped"] == [str(replaced.extension)]
    assert json.loads(server.get("/inherited").body) == [0, 1, 2]
    replaced.end_successor(successor)


def test_a_keeper_goes_on_with_the_extension_of_its_server(serve, directory):
    replaced = Replaced(serve, directory, preload=True)
    server = replaced.server
    keeper, first = int(server.wait_notes("imports")[0]), replaced.loaded()["pid"]
    replaced.kill(keeper, "keeper")
    replaced.kill(first, "worker")
    forked = replaced.assert_fresh(first)
    another = int(server.wait_notes("imports", 2)[1])
    assert another not in (keeper, forked), "imported by a keeper that was started since"
    assert json.loads(server.get("/inherited").body) == [0, 1, 2]

    reloaded = replaced.ask("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    wait_until(lambda: forked not in server.workers(), "the worker of the former generation is gone")
    replaced.assert_fresh(forked)
    # The keeper of the former generation is kept for a rollback.
    server.take_baseline()
