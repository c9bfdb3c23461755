"""Fixtures: a desktop with a session's bus and hostlerd on it, and an instance that serves."""

import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from desktop import LAUNCHER, MANAGER, Reader, Screen, Window
from session import Machine

# Pictures that are kept, for people to look at.
PICTURES = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute() / "screenshots" / "live"

JOURNALCTL = """\
#!/bin/sh
case "$*" in
*--follow*) exec tail -n +1 -f "{journal}" ;;
*) exec cat "{journal}" ;;
esac
"""

APPLICATION = """\
def app(environ, start_response):
    body = b"VERSION"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def pytest_collection_modifyitems(items):
    missing = [word for word in ("Xvfb", "xdotool", "scrot", "dbus-daemon") if not shutil.which(word)]
    missing += [str(path) for path in (MANAGER, LAUNCHER) if not path.exists()]
    for item in items:
        if missing and "manager" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=f"not there: {', '.join(missing)}"))


class Desktop:
    """The session, and what is on its screen."""

    def __init__(self, serve, runs=True):
        self.screen = Screen()
        self.machine = machine = Machine(daemon=False)
        self.journal = machine.directory / "journal"
        self.journal.touch()
        (machine.directory / "bin" / "journalctl").write_text(JOURNALCTL.format(journal=self.journal))
        (machine.directory / "hostler" / "shop").mkdir()
        self.release("one")
        machine.settings("shop").write_text(
            f'app = "shop:app"\nchdir = "{machine.directory}"\npython = "{sys.executable}"\nbind = "127.0.0.1:0"\n'
            f'control_socket = "{machine.directory}/hostler/shop/control.sock"\nworkers = 2 # two\n'
        )
        if runs:
            self.server = serve(
                arguments=["serve", machine.settings("shop")], environment={"PYTHONDONTWRITEBYTECODE": "1"}
            )
        machine.daemon("--user")
        self.windows = []
        self.reader = None

    @property
    def environment(self):
        return {
            **self.machine.environment,
            "DISPLAY": self.screen.display,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WAYLAND_DISPLAY": "",
            "NO_AT_BRIDGE": "",
        }

    def release(self, version):
        """Puts an application in place that answers so; it is served after a reload."""
        (self.machine.directory / "shop.py").write_text(dedent(APPLICATION).replace("VERSION", version))

    def read(self):
        """A screen reader, from now on."""
        self.reader = Reader(self.environment)
        return self.reader

    def open(self, *words):
        self.windows.append(Window(self.environment, self.machine.directory, *words))
        return self.windows[-1]

    def stop(self):
        for window in self.windows:
            window.stop()
        if self.reader:
            self.reader.stop()
        self.machine.stop()
        self.screen.stop()


@pytest.fixture
def desktop(serve, request):
    """With `@pytest.mark.parametrize("desktop", [{"runs": False}], indirect=True)` its instance does not run."""
    made = Desktop(serve, **getattr(request, "param", {}))
    yield made
    made.stop()


@pytest.fixture
def pictures():
    return PICTURES
