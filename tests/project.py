"""A project whose code changes while its server runs, and what the control socket says of that server."""

import json
import subprocess
import tempfile

from deadline import wait_until
from server import BINARY

MODULE = "project_of_test"


def ask(socket, *words):
    """A verb of the command, of the instance with this control socket."""
    command = [BINARY, *map(str, words), "--socket", socket]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


class Project:
    """A directory with one module, served with a control socket."""

    def __init__(self, serve, tmp_path, source, **options):
        self.directory = tmp_path / "project"
        self.directory.mkdir()
        # A socket's path is short, a test's directory is not.
        self.runtime = tempfile.TemporaryDirectory(prefix="hostler-")
        self.socket = f"{self.runtime.name}/control.sock"
        self.write(source)
        options = {"chdir": self.directory, "control_socket": self.socket, **options}
        self.server = serve(f"{MODULE}:application", environment={"PYTHONDONTWRITEBYTECODE": "1"}, **options)

    def write(self, source):
        (self.directory / f"{MODULE}.py").write_text(source)

    def ask(self, *words):
        return ask(self.socket, *words)

    def status(self):
        return json.loads(self.ask("status", "--json").stdout)

    def observed(self, name):
        return self.status()["observed"][name]

    def wait_state(self, state, seconds=60):
        """Waits until the instance is in this state; it listens a moment before its control socket is there."""

        def found():
            answer = self.ask("status", "--json")
            return json.loads(answer.stdout)["observed"]["state"] if answer.returncode == 0 else answer.stderr

        wait_until(lambda: found() == state, lambda: f"{state}, not {found()}", seconds)

    def end(self):
        try:
            if not self.server.ended:
                self.server.stop()
        finally:
            self.runtime.cleanup()
