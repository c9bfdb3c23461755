"""A bus of a test's own with a hostlerd on it, and the directories of its instances."""

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from deadline import wait_until
from server import BINARY, ROOT

HOSTLERD = BINARY.with_name("hostlerd")

SESSION = (
    '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
    '<allow own="*"/></policy>'
)
SYSTEM = f"""<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/></policy>
<include>{ROOT}/systemd/dbus/system.d/org.hostler.Hostler1.conf</include>"""

JOURNALCTL = """\
#!/bin/sh
case "$*" in
*--follow*) line=followed ;;
*) line=first ;;
esac
echo '{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":"'$line' line","PRIORITY":"3","__CURSOR":"c","SYSLOG_IDENTIFIER":"python"}'
"""


class Ended:
    """What became of a command."""

    def __init__(self, process):
        self.code, self.out, self.said = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"{self.code}\n{self.out}\n{self.said}"


class Machine:
    """A bus, a daemon on it, and the directories of its instances."""

    def __init__(self, kind="session", policy=SESSION, words=("--user",), daemon=True):
        # A socket's path is short, a test's directory is not.
        self.holder = tempfile.TemporaryDirectory(prefix="hostler-")
        self.directory = Path(self.holder.name)
        self.directory.chmod(0o755)
        self.processes = []
        for name in ("settings", "state", "hostler", "bin"):
            (self.directory / name).mkdir()
        journalctl = self.directory / "bin" / "journalctl"
        journalctl.write_text(JOURNALCTL)
        journalctl.chmod(0o755)
        (self.directory / "bus.conf").write_text(
            '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
            '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
            f"<busconfig><type>{kind}</type><listen>unix:path={self.directory}/bus</listen><auth>EXTERNAL</auth>"
            f"{policy}</busconfig>"
        )
        bus = self.start("dbus-daemon", f"--config-file={self.directory}/bus.conf", "--nofork", "--nopidfile", "--print-address=1", stdout=subprocess.PIPE)
        self.address = bus.stdout.readline().decode().strip()
        assert self.address.startswith("unix:"), self.address
        if daemon:
            self.daemon(*words)

    @property
    def environment(self):
        address = getattr(self, "address", "unix:path=/absent")
        return {
            **os.environ,
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory),
            "DBUS_SESSION_BUS_ADDRESS": address,
            "DBUS_SYSTEM_BUS_ADDRESS": address,
        }

    def start(self, *words, **options):
        self.processes.append(subprocess.Popen(words, env=self.environment, **options))
        return self.processes[-1]

    def daemon(self, *words):
        directories = [f"--{name}={self.directory}/{place}" for name, place in
                       (("settings", "settings"), ("state", "state"), ("runtime", "hostler"))]
        daemon = self.start(HOSTLERD, *words, *directories, stderr=subprocess.PIPE)
        while b" ready " not in (line := daemon.stderr.readline()):
            assert line, "hostlerd ended before it was ready"

    def until_serves(self, name):
        """Waits until the daemon has heard of an instance that it serves: it waits for no instance before it is ready itself."""

        def serves():
            listed = self.ask("list", "--user", "--json")
            return any((one["name"], one["state"]) == (name, "serving") for one in json.loads(listed.out or "[]"))

        wait_until(serves, lambda: f"{name} serves: {self.ask('list', '--user')}")

    def leave_and_come_back(self):
        """As a daemon that nobody needed for a while, and the bus that starts it again."""
        daemon = self.processes[-1]
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
        self.daemon("--user")

    def ask(self, *words, wrapper=(), binary=BINARY, **environment):
        return Ended(subprocess.run(
            [*wrapper, binary, *words],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        ))

    def said_stages(self, ended):
        """The stages of a job, as they were said where there is no terminal."""
        return [line.removeprefix("hostler: shop: ") for line in ended.said.splitlines() if line.startswith("hostler: shop: ")]

    def settings(self, name):
        return self.directory / "settings" / f"{name}.toml"

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.holder.cleanup()
