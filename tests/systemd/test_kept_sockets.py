"""Sockets that the server bound itself, without a socket unit: systemd keeps them over a crash and a restart, and who connects meanwhile waits."""

import socket
import threading

import pytest

from client import Client
from deadline import wait_until
from hammer import Hammer
from instance import APPS

SERVICE = "plain.service"
SETTINGS = "/etc/hostler/plain.toml"
UNIT = """
[Service]
Type=notify
ExecStart=/usr/bin/hostler serve {settings}
Restart=on-failure
RestartSec=100ms
RuntimeDirectory=plain
RuntimeDirectoryPreserve=restart
{store}
"""
STORE = "FileDescriptorStoreMax=8\nEnvironment=FDSTORE=8"


class Plain:
    """A service as one writes it who knows nothing of socket units."""

    def __init__(self, machine, store=STORE):
        self.machine = machine
        machine.push(APPS, "/srv/plain")
        machine.write("/srv/plain/version.txt", "one")
        machine.write(f"/etc/systemd/system/{SERVICE}", UNIT.format(settings=SETTINGS, store=store))
        machine.systemctl("daemon-reload")

    def start(self, *bind):
        self.bind(*bind)
        self.machine.systemctl("start", SERVICE)

    def bind(self, *bind):
        listed = ", ".join(f'"{one}"' for one in bind)
        self.machine.write(SETTINGS, f'app = "shop:application"\nchdir = "/srv/plain"\nbind = [{listed}]\nworkers = 2\n')

    def show(self, name):
        return self.machine.show(SERVICE, name)

    def main_pid(self):
        return int(self.show("MainPID"))

    def kill(self):
        main = self.main_pid()
        self.machine.kill(main)
        wait_until(lambda: self.main_pid() not in (0, main), self.told)
        return main

    def told(self):
        self.machine.run("journalctl", "--sync")
        return self.machine.run("journalctl", "--no-pager", "--unit", SERVICE)[-6000:]

    def stored(self):
        return int(self.show("NFileDescriptorStore"))

    def path(self, name="plain.sock"):
        return self.machine.path(f"/run/plain/{name}")

    def get(self, port=None):
        if port is None:
            with Client(str(self.path()), timeout=30) as client:
                return client.get().text
        with self.machine.tcp_socket(30) as connection:
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return connection.makefile("rb").read().rpartition(b"\r\n\r\n")[2].decode()


@pytest.fixture
def plain(machine):
    yield lambda **options: Plain(machine, **options)
    machine.systemctl("stop", SERVICE)
    assert machine.show(SERVICE, "ActiveState") == "inactive"


class TcpHammer:
    """New connections over TCP without a pause, each with one request: who was refused, and who was not answered."""

    def __init__(self, plain, port, clients=3):
        self.plain = plain
        self.port = port
        self.answers = []
        self.refused = []
        self.cut = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def _ask(self):
        while not self.ending.is_set():
            try:
                answer = self.plain.get(self.port)
                (self.answers if answer == "one" else self.cut).append(answer)
            except ConnectionRefusedError as fault:
                self.refused.append(fault)
            except OSError as fault:
                self.cut.append(fault)

    def wait_answers(self, count):
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, lambda: f"{goal} answers: {len(self.answers)}\n{self.plain.told()}", 60)


def test_nobody_is_refused_between_a_crash_and_the_next_start(plain):
    made = plain()
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    assert (made.get(9000), made.get()) == ("one", "one")
    wait_until(lambda: made.stored() == 4, lambda: f"two files and two sockets: {made.stored()}\n{made.told()}")
    inode = made.path().stat().st_ino
    with TcpHammer(made, 9000) as tcp, Hammer(str(made.path()), clients=3) as unix:
        for _ in range(3):
            tcp.wait_answers(30)
            unix.wait_answers(30)
            made.kill()
        tcp.wait_answers(30)
        unix.wait_answers(30)
    refused = [fault for fault in unix.faults if "ConnectionRefused" in fault or "FileNotFound" in fault]
    assert not tcp.refused and not refused, (tcp.refused[:3], refused[:3], made.told())
    assert len(tcp.cut) <= 9 and len(unix.faults) <= 9, "at most one for each client and death: what it ran, or was just told"
    assert (made.show("NRestarts"), made.stored()) == ("3", 4), "the same sockets, taken back"
    assert made.path().stat().st_ino == inode


def test_nobody_is_refused_by_a_restart(plain):
    made = plain()
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    with TcpHammer(made, 9000) as tcp, Hammer(str(made.path()), clients=3) as unix:
        for _ in range(3):
            tcp.wait_answers(30)
            unix.wait_answers(30)
            made.machine.systemctl("restart", SERVICE)
        tcp.wait_answers(30)
        unix.wait_answers(30)
    unix.check()
    assert not tcp.refused and not tcp.cut, (tcp.refused[:3], tcp.cut[:3], made.told())


def test_another_address_drops_the_socket(plain):
    made = plain()
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    made.bind("127.0.0.1:9001", "unix:/run/plain/other.sock", "unix:@kept")
    made.machine.systemctl("restart", SERVICE)
    assert made.get(9001) == "one"
    with pytest.raises(ConnectionRefusedError):
        made.get(9000)
    assert not made.path().exists() and made.path("other.sock").exists()
    for address in ("http://127.0.0.1:9000", "unix:/run/plain/plain.sock"):
        assert f"systemd kept {address} open, which the settings do not name any more" in made.told()
    wait_until(lambda: made.stored() == 5, lambda: f"two files and three sockets: {made.stored()}")
    main = made.main_pid()
    made.kill()
    assert made.get(9001) == "one" and made.main_pid() != main
    assert made.stored() == 5


def test_a_stop_closes_them(plain):
    made = plain()
    made.start("127.0.0.1:9000")
    assert made.get(9000) == "one"
    made.machine.systemctl("stop", SERVICE)
    with pytest.raises(ConnectionRefusedError):
        made.get(9000)
    assert made.stored() == 0
    made.machine.systemctl("start", SERVICE)
    assert made.get(9000) == "one"


def test_who_comes_during_a_stop_is_refused_and_never_reset(plain):
    """systemd says that no start follows: the sockets are taken out of its store, as nobody will answer on them."""
    made = plain()
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    assert (made.get(9000), made.get()) == ("one", "one")
    with Hammer(str(made.path()), clients=1, target="/wait?seconds=8", requests=1) as slow, TcpHammer(made, 9000) as tcp:
        tcp.wait_answers(20)
        wait_until(lambda: "/wait" in made.machine.run("hostler", "requests", "--socket", "/run/plain/control.sock"), made.told)
        made.machine.systemctl("stop", SERVICE)
        wait_until(lambda: len(tcp.refused) >= 3, lambda: f"{tcp.cut[:3]}\n{made.told()}")
        slow.join()
    slow.check()
    assert slow.answers == ["waited"]
    assert not tcp.cut, tcp.cut[:3]
    assert not made.path().exists() and made.stored() == 0


def test_an_upgrade_keeps_them(plain):
    """The successor has them from its predecessor, and systemd has them for whoever comes after the successor's death."""
    made = plain()
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    before = made.main_pid()
    with TcpHammer(made, 9000) as tcp, Hammer(str(made.path()), clients=2) as unix:
        tcp.wait_answers(30)
        made.machine.run("hostler", "upgrade", "--socket", "/run/plain/control.sock")
        wait_until(lambda: made.main_pid() != before, made.told)
        tcp.wait_answers(30)
        made.kill()
        tcp.wait_answers(30)
        unix.wait_answers(30)
    assert not tcp.refused and made.stored() == 4
    refused = [fault for fault in unix.faults if "ConnectionRefused" in fault or "FileNotFound" in fault]
    assert not refused, refused[:3]


def test_without_a_store_all_is_as_without_systemd(plain):
    made = plain(store="")
    made.start("127.0.0.1:9000", "unix:/run/plain/plain.sock")
    assert made.get(9000) == "one" and made.path().exists()
    made.machine.systemctl("stop", SERVICE)
    with pytest.raises(ConnectionRefusedError):
        made.get(9000)
    assert not made.path().exists()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
        client.connect(str(made.path()))
