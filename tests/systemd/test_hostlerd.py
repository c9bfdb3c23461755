"""hostlerd on a booted system: started by the bus, real systemd units, real polkit."""

import json
import os
import socket
import struct

import pytest

from deadline import let_pass, wait_until

NAME = "org.hostler.Hostler1"
ROOT = "/org/hostler/Hostler1"
SHOP = f"{ROOT}/instances/shop"
RULES = "/etc/polkit-1/rules.d/50-shop.rules"


class Bus:
    """busctl on the system bus, as root or as a user; with `session`, on that user's own bus."""

    def __init__(self, machine, session=None):
        self.machine = machine
        self.session = session

    def result(self, path, interface, method, *arguments, user=None, ask=True):
        user = user or self.session
        words = ["busctl", *(["--user"] if self.session else []), "--json=short", f"--allow-interactive-authorization={'yes' if ask else 'no'}", "call"]
        words += [NAME, path, f"{NAME}.{interface}", method, *arguments]
        return self.machine.result(*words, user=user)

    def call(self, path, interface, method, *arguments, user=None):
        result = self.result(path, interface, method, *arguments, user=user)
        assert result.returncode == 0, f"{method} {arguments}: {result.stdout}"
        return json.loads(result.stdout)["data"] if result.stdout.strip() else None

    def job(self, interface, method, *arguments, user=None):
        """Waits for the end of the job that a method begins; returns what came of it."""
        (job,) = self.call(SHOP, interface, method, *arguments, user=user)
        (outcome,) = self.call(job, "Job", "Wait", user=user)
        return {key: value["data"] for key, value in outcome.items()}

    def overview(self, name="shop", user=None):
        (found,) = self.call(ROOT, "Manager", "List", user=user)
        for one in found:
            if one["name"]["data"] == name:
                return {key: value["data"] for key, value in one.items()}
        return None

    def state(self):
        return self.overview()["state"]


class Watcher:
    """A client on the system bus that called Watch, and stays: busctl leaves after each call. It speaks as much of the D-Bus protocol as that takes
    (D-Bus Specification, "Message Protocol")."""

    def __init__(self, machine):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(machine.path("/run/dbus/system_bus_socket")))
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK ")
        self.socket.sendall(b"BEGIN\r\n")
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
        self.call(NAME, ROOT, f"{NAME}.Manager", "Watch")

    def call(self, destination, path, interface, member):
        fields = b""
        for code, kind, value in [(1, b"o", path), (2, b"s", interface), (3, b"s", member), (6, b"s", destination)]:
            fields += bytes(-len(fields) % 8)
            fields += struct.pack("<BB2sI", code, 1, kind + b"\0", len(value)) + value.encode() + b"\0"
        head = struct.pack("<cBBBIII", b"l", 1, 0, 1, 0, 7, len(fields)) + fields
        self.socket.sendall(head + bytes(-len(head) % 8))
        # Signals may come before the answer (2), or the error (3).
        while (kind := self.receive()) not in (2, 3):
            pass
        assert kind == 2, f"{member} was refused"

    def receive(self):
        """The type of the next message."""
        head = self.exactly(16)
        _, kind, _, _, body, _, fields = struct.unpack("<cBBBIII", head)
        self.exactly(fields + -fields % 8 + body)
        return kind

    def exactly(self, length):
        received = b""
        while len(received) < length:
            received += self.socket.recv(length - len(received)) or pytest.fail("the bus hung up")
        return received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def processor_ticks(pid):
    """What a process used of the processor, in ticks of 10 ms (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_an_instances_life(machine, instance):
    """Listed from its file on, started, put to sleep, woken by a request, enabled, stopped; by what systemd itself says."""
    shop = instance()
    bus = Bus(machine)
    assert bus.state() == "configured"
    assert bus.overview()["enabled"] == "disabled"
    bus.job("Instance", "Start")
    assert bus.state() == "serving"
    assert shop.show("ActiveState") == "active"
    assert bus.overview()["managed"] and bus.overview()["generation"] == 1
    (status,) = bus.call(SHOP, "Instance", "Status")
    service = status["service"]["data"]
    assert service["active"]["data"] == "active" and service["main_pid"]["data"] == int(shop.show("MainPID"))
    assert status["socket"]["data"]["listen"]["data"] == ["/run/hostler/shop.sock"]
    outcome = bus.job("Instance", "Reload")
    assert outcome["generation"] == 2
    bus.job("Instance", "Sleep")
    assert bus.state() == "asleep"
    assert bus.overview()["since_us"] > 0
    machine.run("curl", "--silent", "--fail", "--unix-socket", "/run/hostler/shop.sock", "http://shop/")
    wait_until(lambda: bus.state() == "serving", shop.told)
    bus.call(SHOP, "Instance", "Enable")
    assert bus.overview()["enabled"] == "socket"
    assert machine.run("systemctl", "is-enabled", shop.socket).strip() == "enabled"
    bus.call(SHOP, "Instance", "Disable")
    assert bus.overview()["enabled"] == "disabled"
    bus.job("Instance", "Stop")
    assert bus.state() in ("stopped", "configured")
    assert shop.show("ActiveState") == "inactive"


def test_settings_reach_the_running_instance(machine, instance):
    """Applied to a running instance by a reload; one that it refuses leaves the former file."""
    instance()
    bus = Bus(machine)
    bus.job("Instance", "Start")
    revision, before = bus.call(SHOP, "Settings", "Text")
    outcome = bus.job("Settings", "Apply", "sa{sv}as", revision, "1", "threads", "s", "2", "0")
    assert outcome["took_effect"] == ["threads"] and outcome["generation"] == 2
    assert "threads = 2" in machine.run("cat", "/etc/hostler/shop.toml")
    refused = bus.call(SHOP, "Settings", "Apply", "sa{sv}as", outcome["revision"], "1", "app", "s", "nothing:app", "0")
    result = bus.result(refused[0], "Job", "Wait")
    assert result.returncode != 0 and "nothing" in result.stdout, result.stdout
    assert "threads = 2" in machine.run("cat", "/etc/hostler/shop.toml")
    assert "nothing" not in machine.run("cat", "/etc/hostler/shop.toml")
    (page,) = bus.call(SHOP, "Instance", "ReadLogs", "a{sv}", "0")
    assert page["lines"]["data"], "the journal has lines of it"


LIMITED = {
    "socket_limit": "[Socket]\nTriggerLimitIntervalSec=60\nTriggerLimitBurst=1\n",
    "service_useless": "[Service]\nExecStart=\nExecStart=/bin/true\nExecReload=\nType=oneshot\nRestart=no\n",
}


def test_a_socket_that_a_limit_stopped_is_healed_without_a_call(machine, instance):
    """A trigger limit that a drop-in brings back fails the socket for good; systemd starts hostlerd then, which starts the socket again, says so, and
    remembers it. One that fails again and again is left alone, until somebody starts it."""
    shop = instance(**LIMITED)
    knock = ["curl", "--silent", "--max-time", "2", "--unix-socket", "/run/hostler/shop.sock", "http://shop/"]

    def said(words, priority="warning"):
        log = machine.run("journalctl", "--unit", "hostlerd", "--priority", priority, "--output", "cat", "--no-pager")
        return log.count(words)

    def healed(times):
        def look():
            machine.result(*knock)
            return said("a socket that systemd's limit had stopped was started again") >= times
        return look

    machine.run("systemctl", "stop", "hostlerd.service")
    machine.run("systemctl", "start", shop.socket)
    wait_until(healed(1), "the socket was started again, with nobody on the bus")
    # The next daemon knows of it.
    machine.run("systemctl", "stop", "hostlerd.service")
    (status,) = Bus(machine).call(SHOP, "Instance", "Status")
    assert "systemd's limit (trigger-limit-hit)" in status["healed"]["data"][0]
    machine.run("systemctl", "stop", "hostlerd.service")

    def left_alone():
        machine.result(*knock)
        return said("a socket was stopped by systemd's limit again and again", "err")

    wait_until(left_alone, "it is said that it is left alone")
    assert said("was started again") == 3 and machine.show(shop.socket, "ActiveState") == "failed"
    assert "hostler start shop" in Bus(machine).overview()["problem"]
    machine.run("systemctl", "start", shop.socket)
    bus = Bus(machine)
    wait_until(lambda: bus.state() == "asleep", "it is there for who starts it")
    machine.run("systemctl", "stop", shop.socket)


def test_polkit_decides(machine, instance):
    """Refused, refused without being asked, allowed by a rule for this instance only; the list is everybody's."""
    instance()
    machine.run("useradd", "--create-home", "jane")
    bus = Bus(machine)
    assert bus.overview(user="jane")["state"] == "configured"
    for interface, method, *arguments in [
        ("Instance", "Start"),
        ("Instance", "Enable"),
        ("Settings", "Text"),
        ("Settings", "Values"),
        ("Instance", "ReadLogs", "a{sv}", "0"),
    ]:
        # With nobody who could ask for a password it is a plain refusal; who does not want to be asked is told so.
        for ask, told in [(True, "Access denied"), (False, "takes authentication")]:
            result = bus.result(SHOP, interface, method, *arguments, user="jane", ask=ask)
            assert result.returncode != 0 and told in result.stdout, f"{method}: {result.stdout}"
    machine.write(
        RULES,
        """polkit.addRule(function(action, subject) {
             if (action.id == "org.hostler.Hostler1.control" && action.lookup("instance") == "shop" && subject.user == "jane")
               return polkit.Result.YES;
             if (action.id == "org.hostler.Hostler1.configure") return polkit.Result.YES;
             if (action.id == "org.hostler.Hostler1.deploy") return polkit.Result.NO;
           });""",
    )
    machine.run("systemctl", "restart", "polkit.service")
    bus.job("Instance", "Start", user="jane")
    assert bus.state() == "serving"
    revision, _ = bus.call(SHOP, "Settings", "Text")
    bus.job("Settings", "Apply", "sa{sv}as", revision, "1", "threads", "s", "2", "0", user="jane")
    revision, _ = bus.call(SHOP, "Settings", "Text")
    result = bus.result(SHOP, "Settings", "Apply", "sa{sv}as", revision, "1", "app", "s", "evil:app", "0", user="jane")
    assert result.returncode != 0 and "Access denied" in result.stdout, result.stdout


def test_its_unit_is_tight_and_its_files_are_sound(machine):
    """The unit verifies, scores well, and the daemon leaves no trace of failure."""
    verified = machine.run("systemd-analyze", "verify", "hostlerd.service")
    assert not verified.strip(), verified
    score = machine.run("systemd-analyze", "security", "--no-pager", "hostlerd.service").splitlines()[-1]
    # It was 1.2 with two capabilities, and is 0.7 without any.
    assert float(score.split(":")[1].split()[0]) <= 0.9, score
    assert machine.show("hostlerd.service", "CapabilityBoundingSet") == ""
    bus = Bus(machine)
    assert bus.overview("none") is None
    assert machine.show("hostlerd.service", "ActiveState") == "active"
    machine.systemctl("stop", "hostlerd.service")
    assert machine.show("hostlerd.service", "Result") == "success"
    assert bus.overview("none") is None, "the bus starts it again"


def test_a_users_own(machine, instance):
    """On the session bus, for user units: started by the bus, no polkit, and not a word of the machine's instances."""
    machine.add_user("ada")
    shop = instance(user="ada")
    machine.write("/etc/hostler/other.toml", "")
    bus = Bus(machine, session="ada")
    assert bus.overview("other") is None
    assert bus.state() == "configured"
    bus.job("Instance", "Start")
    assert bus.state() == "serving"
    revision, _ = bus.call(SHOP, "Settings", "Text")
    outcome = bus.job("Settings", "Apply", "sa{sv}as", revision, "1", "threads", "s", "2", "0")
    assert outcome["generation"] == 2
    bus.job("Instance", "Stop")
    assert machine.show(shop.service, "ActiveState", user="ada") == "inactive"
    assert Bus(machine).overview("shop") is None


def test_an_instance_is_made_and_removed(machine, instance):
    """From nothing to an instance that answers on its own port, and back; nothing of its files is left."""
    shop = instance("other")
    machine.remove("/etc/hostler/other.toml")
    bus = Bus(machine)
    settings = ["2", "app", "s", "shop:application", "chdir", "s", shop.directory]
    options = ["3", "addresses", "as", "1", "127.0.0.1:8123", "enable", "b", "true", "start", "b", "true"]
    (job,) = bus.call(ROOT, "Manager", "Create", "sa{sv}a{sv}", "shop", *settings, *options)
    bus.call(job, "Job", "Wait")
    assert bus.state() == "asleep" and bus.overview()["enabled"] == "socket"
    machine.run("curl", "--silent", "--fail", "http://127.0.0.1:8123/")
    wait_until(lambda: bus.state() == "serving", shop.told)
    (job,) = bus.call(ROOT, "Manager", "Remove", "s", "shop")
    bus.call(job, "Job", "Wait")
    assert bus.overview() is None
    left = machine.run("find", "/etc/hostler", "/etc/systemd/system", "-name", "*shop*")
    assert not left.strip(), left


def test_it_rests_while_somebody_watches(machine, instance):
    """An instance that serves, its units, and a client that is told of all changes: nothing of that is polled."""
    shop = instance()
    shop.listen()
    assert shop.text() == "one"
    bus = Bus(machine)
    with Watcher(machine):
        wait_until(lambda: bus.state() == "serving", shop.told)
        pid = machine.host_pid(int(machine.show("hostlerd.service", "MainPID")))
        # Time is what this is about; what the calls before took is over by then.
        let_pass(3)
        before = processor_ticks(pid)
        let_pass(5)
        used = processor_ticks(pid) - before
    # Two, and one more as the time of the process and of the kernel for it are rounded apart.
    assert used <= 3, f"at rest it used {used} ticks of 10 ms in 5 s"
