"""One instance of Hostler on a machine: its settings, its drop-ins and its project, and what its units do."""

import json
from pathlib import Path

from client import Client, Cut
from deadline import wait_until

APPS = Path(__file__).resolve().parent / "apps"
ANSWER_SECONDS = 30


class Instance:
    """`/etc/hostler/NAME.toml`, or with `user` that user's, for the project at `directory`. Nothing is started."""

    def __init__(self, machine, name, *, user=None, app="shop:application", project=APPS, settings="", bind=(), **drop_ins):
        self.machine = machine
        self.name = name
        self.user = user
        self.service = f"hostler@{name}.service"
        self.socket = f"hostler@{name}.socket"
        self.directory = f"/srv/{name}"
        self.home = f"/home/{user}/.config" if user else "/etc"
        machine.push(project, self.directory)
        self.publish("one")
        self.configure(settings, app, bind)
        for key, text in drop_ins.items():
            # `service_watchdog="[Service]…"` is 50-watchdog.conf of the service.
            kind, what = key.split("_", 1)
            self.drop_in(kind, f"50-{what.replace('_', '-')}", text)
        if user:
            machine.run("chown", "--recursive", user, f"/home/{user}")
        self.systemctl("daemon-reload")

    def configure(self, settings="", app="shop:application", bind=()):
        # Without a bind it serves what hostler@.socket passes.
        where = f"bind = {json.dumps(bind)}\n" if bind else ""
        text = f'app = "{app}"\nchdir = "{self.directory}"\n{where}{settings}\n'
        self.machine.write(f"{self.home}/hostler/{self.name}.toml", text)

    def publish(self, version):
        """Puts another version of the application in place, for the next generation."""
        self.machine.write(f"{self.directory}/version.txt", version)

    def hold_import(self):
        """From now on an import of the application waits for `open_import`; `wait_import` for one that waits."""
        waits = f"import pathlib, time\nnote = pathlib.Path('/run/hostler/{self.name}/imports')\nnote.touch()\n"
        waits += f"while not pathlib.Path('{self.directory}/go').exists():\n    time.sleep(0.01)\nnote.unlink()\n"
        self.machine.write(f"{self.directory}/shop.py", waits + (APPS / "shop.py").read_text())

    def wait_import(self):
        wait_until(self.machine.path(f"/run/hostler/{self.name}/imports").exists, self.told, 60)

    def open_import(self):
        self.machine.write(f"{self.directory}/go", "")

    def drop_in(self, kind, name, text):
        scope = "user" if self.user else "system"
        self.machine.write(f"{self.home}/systemd/{scope}/hostler@{self.name}.{kind}.d/{name}.conf", text)

    def use_profile(self, profile, order=10):
        """Links a profile of the package, as its head says."""
        drop_in = f"/etc/systemd/system/hostler@{self.name}.service.d/{order}-{profile}.conf"
        self.machine.path(drop_in).parent.mkdir(parents=True, exist_ok=True)
        self.machine.run("ln", "--symbolic", f"/usr/lib/hostler/profiles/{profile}.conf", drop_in)
        self.systemctl("daemon-reload")

    # Units

    def systemctl(self, *arguments, **options):
        scope = ["--user"] if self.user else []
        return self.machine.systemctl(*scope, *arguments, user=self.user, **options)

    def listen(self):
        self.systemctl("start", self.socket)

    def show(self, name, unit=None):
        return self.machine.show(unit or self.service, name, self.user)

    def main_pid(self):
        return int(self.show("MainPID"))

    def wait_state(self, state, unit=None):
        """Waits for a state such as `active`; fails with the unit's journal."""
        unit = unit or self.service
        wait_until(
            lambda: self.show("ActiveState", unit) == state,
            lambda: f"{unit} is {state}, and not {self.show('ActiveState', unit)}:\n{self.told()}",
            60,
        )

    def told(self):
        """What the instance and systemd have said of it up to now."""
        self.machine.run("journalctl", "--sync")
        field = "USER_UNIT" if self.user else "UNIT"
        own = "_SYSTEMD_USER_UNIT" if self.user else "_SYSTEMD_UNIT"
        return self.machine.run("journalctl", "--no-pager", f"{own}={self.service}", "+", f"{field}={self.service}")[-6000:]

    # Clients

    @property
    def address(self):
        runtime = f"/run/user/{self.machine.user_number(self.user)}" if self.user else "/run"
        return str(self.machine.path(f"{runtime}/hostler/{self.name}.sock"))

    def get(self, target="/", **options):
        """One request over a connection of its own, which may have to wait for a start. Of a server that was just started the first answer may
        come before systemd is told that it serves; a reload that is asked for in that moment would be one with the start."""
        with Client(self.address, timeout=ANSWER_SECONDS) as client:
            try:
                response = client.get(target, **options)
            except (OSError, Cut) as fault:
                raise AssertionError(f"{target} was not answered: {fault!r}\n{self.told()}") from fault
        if response.status == 200:
            wait_until(lambda: self.show("ActiveState") != "activating", self.told)
        return response

    def awake(self):
        """The answer to a request that may start it, once systemd knows that it serves."""
        answer = self.text()
        self.wait_state("active")
        return answer

    def text(self, target="/"):
        response = self.get(target)
        assert response.status == 200, f"{response}\n{self.told()}"
        return response.text

    def who(self):
        return json.loads(self.text("/who"))
