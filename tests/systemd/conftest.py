"""Fixtures: a booted system for each test, of each release, and instances of Hostler on it."""

import os
from pathlib import Path

import pytest

from instance import Instance
from machine import Machine

RELEASES = ["bookworm", "trixie"]


def prepared(variable):
    """A directory that `cargo xtask test systemd` made and named."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"${variable} is not set: run with `cargo xtask test systemd`")
    return Path(value)


@pytest.fixture(params=RELEASES)
def machine(request, tmp_path):
    """A system of its own for the test: booting takes less than a second."""
    roots, tree = prepared("HOSTLER_ROOTS"), prepared("HOSTLER_TREE")
    if os.geteuid() != 0:
        pytest.skip("it takes root to boot a system")
    machine = Machine(request.param, roots / request.param / "root", tree, tmp_path)
    yield machine
    machine.stop()


@pytest.fixture
def instance(machine):
    """`instance("shop", settings="workers = 2")`: an instance whose units are there and not started.

    After the test each is stopped, has to end well, and has to leave no process."""
    made = []

    def make(name="shop", **options):
        made.append(Instance(machine, name, **options))
        return made[-1]

    yield make
    for one in made:
        one.systemctl("stop", one.socket, one.service)
        left = one.machine.run("sh", "-c", f"find /sys/fs/cgroup -path '*{one.service}*' -name cgroup.procs -exec cat {{}} +")
        assert not left.split(), f"processes left: {left}"
        assert one.show("ActiveState") == "inactive", one.told()
