"""One running `hostler`, started for a test and proven to end clean.

Clean means: exit code 0 in time after SIGTERM, no process, socket file or descriptor left behind, and no warning or error in
the log that the test did not claim (see logs.py).
"""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import processes
from client import Client
from deadline import wait_until
from logs import ErrorLog, Stream

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "tests" / "apps"
BINARY = Path(os.environ.get("HOSTLER", "target/debug/hostler"))
BINARY = BINARY if BINARY.is_absolute() else ROOT / BINARY

START_SECONDS = 30
END_SECONDS = 15
MARKER = "HOSTLER_TEST_MARKER"


def option_arguments(options):
    """`workers=2, bind=[a, b]` as `--workers 2 --bind a --bind b`; True is a flag, None is left out."""
    arguments = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                arguments.append(flag)
            elif item is not None:
                arguments += [flag, str(item)]
    return arguments


class Hostler:
    """A started command and its two output streams."""

    def __init__(self, directory, arguments, environment=None, pass_fds=(), cwd=None, wrapper=(), stdout=None, program=BINARY):
        self.directory = Path(directory)
        self.marker = f"{MARKER}={secrets.token_hex(16)}"
        name, value = self.marker.split("=")
        variables = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "RUST_LOG")}
        variables |= {name: value, "E2E_DIRECTORY": str(self.directory), **(environment or {})}
        self.process = subprocess.Popen(
            [*wrapper, program, *map(str, arguments)],
            cwd=cwd or self.directory,
            env={k: v for k, v in variables.items() if v is not None},
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.output = None if stdout else Stream(self.process.stdout)
        self.log = ErrorLog(self.process.stderr)

    def processes(self):
        """Every live process that stems from this command."""
        return processes.marked(self.marker)

    def wait(self, seconds=END_SECONDS):
        """Waits for the command to end by itself; returns its exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s; log:\n{self.describe()}") from None
        self.assert_no_process()
        self.log.join()
        if self.output:
            self.output.join()
        return code

    def kill(self):
        """The last resort of a failing test: everything that stems from the command goes."""
        for pid in {self.pid, *self.processes()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def assert_no_process(self):
        def left():
            return [(pid, processes.command_line(pid)) for pid in self.processes()]

        try:
            wait_until(lambda: not left(), lambda: f"no process left: {left()}", 5)
        except AssertionError:
            self.kill()
            raise

    def assert_quiet(self):
        """No warning, error or stray line in the log that no test claimed."""
        unexpected = self.log.unexpected()
        for record in self.log.records:
            record.claimed = True
        assert not unexpected, "unexpected in the log:\n" + "\n".join(map(str, unexpected))

    def describe(self):
        return "\n".join(self.log.lines[-80:])


class Server(Hostler):
    """A `hostler run` (or `serve`) that is ready when the constructor returns."""

    def __init__(
        self,
        directory,
        app=None,
        *,
        arguments=None,
        environment=None,
        pass_fds=(),
        cwd=None,
        stdout=None,
        program=BINARY,
        ready=True,
        **options,
    ):
        if arguments:
            options = {"workers": None}
        else:
            options = {"bind": "127.0.0.1:0", "chdir": APPS, "python": sys.executable, **options}
            arguments = ["run", *option_arguments(options), *([app] if app else [])]
        binds = options.get("bind", [])
        self.socket_files = [
            Path(bind.removeprefix("unix:"))
            for bind in ([binds] if isinstance(binds, str) else binds)
            if bind.startswith("unix:/")
        ]
        self.clients = []
        self.ended = False
        # The keeper is a child as well.
        self.keepers = 1 if options.get("preload") else 0
        self._gates = 0
        super().__init__(directory, arguments, environment, pass_fds, cwd, stdout=stdout, program=program)
        self.baseline = None
        if ready:
            workers = options.get("workers", 1)
            self.wait_ready(workers if isinstance(workers, int) else None)

    # Starting

    def wait_ready(self, workers):
        """Waits until the server says that it listens and has started every worker."""
        try:
            self.log.wait(
                lambda: (
                    self.process.poll() is not None or any(r.message.startswith("listening") for r in self.log.records)
                ),
                "the server is ready",
                START_SECONDS,
            )
            assert self.process.poll() is None, f"ended at once with {self.process.returncode}:\n{self.describe()}"
            if workers:
                self.wait_workers(workers + self.keepers)
            if workers and workers > 1:
                self.log.wait(
                    lambda: any(r.message.startswith("all workers are ready") for r in self.log.records),
                    "all workers are ready",
                    START_SECONDS,
                )
        except AssertionError:
            self.kill()
            raise
        self.take_baseline()

    def take_baseline(self):
        """Counts the descriptors it holds, once their number has stopped changing: its threads open some of their own, and it has
        a control socket a moment after it listens. One that waits for a processor is not done yet, however long it stays the same."""
        counts = []

        def settled():
            if not processes.at_rest(self.pid):
                counts.clear()
                return False
            counts.append(len(processes.descriptors(self.pid)))
            return len(counts) >= 8 and len(set(counts[-8:])) == 1

        wait_until(settled, lambda: f"a steady number of descriptors: {counts[-20:]}")
        self.baseline = counts[-1]

    @property
    def addresses(self):
        """The TCP addresses it listens on, as pairs of host and port, v4 first."""
        return [(host, port) for _, host, port in sorted(processes.listening(self.pid))]

    @property
    def address(self):
        if not hasattr(self, "_address"):
            addresses = self.addresses
            self._address = addresses[0] if addresses else str(self.socket_files[0])
        return self._address

    @property
    def port(self):
        return self.address[1]

    def workers(self):
        """The ids of the live worker processes."""
        return [pid for pid in processes.children(self.pid) if processes.state(pid) != "Z"]

    def wait_workers(self, count):
        """Waits for the number of live workers; returns their ids."""

        def found():
            workers = self.workers()
            return workers if len(workers) == count else None

        return wait_until(found, lambda: f"{count} workers: {self.workers()}; log:\n{self.describe()}")

    # Talking to it

    def connect(self, address=None, **options):
        """A new connection, closed at the latest when the server is stopped."""
        client = Client(address or self.address, **options)
        self.clients.append(client)
        return client

    def get(self, target="/", **options):
        """One request over a connection of its own."""
        with Client(self.address) as client:
            return client.get(target, **options)

    # Gates and notes: how a test and the application it drives wait for each other (see apps/gate.py)

    def key(self):
        """A name no other test uses."""
        self._gates += 1
        return f"k{self._gates}"

    def open_gate(self, key):
        (self.directory / f"{key}.gate").touch()

    def notes(self, key):
        """The lines the application noted under this key so far."""
        try:
            return (self.directory / f"{key}.note").read_text().splitlines()
        except FileNotFoundError:
            return []

    def wait_notes(self, key, count=1):
        """The lines noted, once there are `count` of them."""

        def noted():
            lines = self.notes(key)
            return lines if len(lines) >= count else None

        return wait_until(noted, lambda: f"{count} notes of {key}, seen {self.notes(key)}; log:\n{self.describe()}")

    # Ending

    def settle(self):
        """Between two tests of a shared server: nothing is left open, nothing unexpected is in the log."""
        self.close_clients()
        self.assert_no_descriptor_growth()
        self.assert_quiet()

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def assert_no_descriptor_growth(self):
        if self.baseline is None or self.process.poll() is not None:
            return

        def names():
            return processes.descriptors(self.pid)

        wait_until(lambda: len(names()) <= self.baseline, lambda: f"{self.baseline} descriptors again: {names()}", 10)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, code=0):
        """Ends the server as an operator would, and asserts the clean end."""
        self.close_clients()
        if self.process.poll() is None:
            try:
                self.assert_no_descriptor_growth()
                self.send_signal(number)
            except BaseException:
                self.kill()
                raise
        self.assert_ended(code)

    def assert_ended(self, code=0):
        """The server ended, or is about to, with this code and left nothing behind."""
        self.ended = True
        self.close_clients()
        found = self.wait()
        assert found == code, f"exit code {found}, not {code}; log:\n{self.describe()}"
        left = [path for path in self.socket_files if path.exists()]
        assert not left, f"socket files left: {left}"
        self.assert_quiet()
