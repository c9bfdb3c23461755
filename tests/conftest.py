"""Fixtures: a factory of servers for one test, one for a module, and the check that each ends clean."""

import signal
import subprocess

import pytest

from server import BINARY, Hostler, Server

# A shell starts what runs in its background with SIGINT ignored, and each process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist: build it, or name another in $HOSTLER", returncode=4)


class Servers:
    """Starts servers in directories of their own, and stops them all."""

    def __init__(self, directory):
        self.directory = directory
        self.running = []

    def __call__(self, app=None, **options):
        directory = options.pop("directory", None) or self.directory / f"server{len(self.running)}"
        directory.mkdir(exist_ok=True)
        server = Server(directory, app, **options)
        self.running.append(server)
        return server

    def stop(self):
        """Stops every server; the first fault is raised when all have been stopped."""
        faults = []
        for server in self.running:
            try:
                if not server.ended:
                    server.stop()
            except (AssertionError, subprocess.TimeoutExpired) as fault:
                faults.append(fault)
        if faults:
            raise faults[0]


@pytest.fixture
def serve(tmp_path):
    """`serve("module:application", workers=2)`: a server for this test alone."""
    servers = Servers(tmp_path)
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory, request):
    """The same for all tests of a module; each test still has to leave it as it found it (see `settled`)."""
    servers = Servers(tmp_path_factory.mktemp("shared"))
    request.module._shared_servers = servers
    yield servers
    servers.stop()


@pytest.fixture(autouse=True)
def settled(request):
    """After each test: the module's servers hold no more descriptors than before, and logged nothing unexpected."""
    yield
    servers = getattr(request.module, "_shared_servers", None)
    for server in servers.running if servers else []:
        server.settle()


@pytest.fixture
def hostler(tmp_path):
    """`hostler("check", "app:application")`: a command that is expected to end by itself."""
    started = []

    def start(*arguments, **options):
        command = Hostler(options.pop("directory", tmp_path), arguments, **options)
        started.append(command)
        return command

    yield start
    for command in started:
        if command.process.poll() is None:
            command.kill()
            pytest.fail(f"still running: {command.process.args}\n{command.describe()}")
