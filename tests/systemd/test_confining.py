"""The hardening profile and the mode without a network, chosen by settings: what is asked for is in force after a restart, and never by halves."""

import json
import re

import pytest

from instance import APPS

DROP_INS = "/etc/systemd/system/hostler@shop.service.d"
LINKS = {"profile": f"{DROP_INS}/10-profile.conf", "network": f"{DROP_INS}/20-no-network.conf"}


@pytest.fixture
def shop(instance):
    shop = instance()
    shop.listen()
    return shop


def links(shop):
    found = {name: shop.machine.path(path) for name, path in LINKS.items()}
    return {name: path.readlink().stem for name, path in found.items() if path.is_symlink()}


def exposure(shop):
    told = shop.machine.run("systemd-analyze", "security", "--no-pager", shop.service)
    return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told)[1])


def test_settings_choose_the_profile_and_the_network(shop):
    """By command: written, linked and read by systemd at once; in force after a restart; undone the same way."""
    machine = shop.machine
    assert shop.text() == "one"
    assert shop.text("/reach?host=127.0.0.1&port=9") == "ConnectionRefusedError"
    standard = exposure(shop)
    said = machine.run("hostler", "set", "shop", "profile=strict", "network=false")
    assert "restart" in said and "profile" in said and "network" in said, said
    assert links(shop) == {"profile": "strict", "network": "no-network"}
    assert shop.show("NeedDaemonReload") == "no" and shop.show("MemoryDenyWriteExecute") == "yes"
    assert exposure(shop) <= 0.6 < standard
    shop.systemctl("restart", shop.service)
    assert shop.text() == "one", "served over the passed socket"
    assert shop.text("/reach?host=127.0.0.1&port=9") != "ConnectionRefusedError", "there is no such network"
    assert "strict" in machine.run("hostler", "status", "shop", check=False)
    machine.run("hostler", "set", "shop", "profile=compat")
    assert links(shop) == {"profile": "compat", "network": "no-network"}
    machine.run("hostler", "undo", "shop")
    assert links(shop) == {"profile": "strict", "network": "no-network"}
    machine.run("hostler", "set", "shop", "--unset", "profile", "--unset", "network")
    assert links(shop) == {}
    shop.systemctl("restart", shop.service)
    assert shop.text() == "one" and exposure(shop) == standard


def test_a_file_that_the_service_does_not_follow_is_told_of_and_mended_by_command(shop):
    """Written by hand, nothing is linked: a server that has less protection than its settings say does not start."""
    machine = shop.machine
    shop.configure('profile = "strict"\nnetwork = false')
    done = machine.result("systemctl", "restart", shop.service)
    assert done.returncode != 0 and shop.show("ExecMainStatus") == "64"
    told = shop.told()
    assert 'the settings say profile = "strict", and the service runs with "standard"' in told
    assert "`hostler set shop network=false`" in told
    machine.run("hostler", "set", "shop", "profile=strict", "network=false")
    assert links(shop) == {"profile": "strict", "network": "no-network"}
    shop.systemctl("restart", shop.service)
    assert shop.text() == "one"


def test_links_of_a_person_are_left_alone_where_no_setting_speaks_of_them(shop):
    machine = shop.machine
    machine.path(DROP_INS).mkdir(parents=True, exist_ok=True)
    machine.run("ln", "--symbolic", "/usr/lib/hostler/profiles/compat.conf", LINKS["profile"])
    machine.systemctl("daemon-reload")
    machine.run("hostler", "set", "shop", "threads=2")
    assert links(shop) == {"profile": "compat"}
    shop.systemctl("restart", shop.service)
    assert shop.text() == "one"


def test_a_drop_in_of_a_person_is_not_written_over(shop):
    machine = shop.machine
    shop.drop_in("service", "10-profile", "[Service]\nUMask=0077\n")
    before = machine.path("/etc/hostler/shop.toml").read_text()
    done = machine.result("hostler", "set", "shop", "profile=strict")
    assert done.returncode != 0 and LINKS["profile"] in done.stdout
    assert machine.path("/etc/hostler/shop.toml").read_text() == before


def test_new_writes_them_and_remove_takes_them_away(machine):
    machine.push(APPS, "/srv/shop")
    machine.write("/srv/shop/app.py", "from shop import application\n")
    machine.write("/srv/shop/version.txt", "one")
    words = ["hostler", "new", "shop", "--directory", "/srv/shop", "--profile", "strict", "--no-network"]
    shown = machine.run(*words, "--dry-run")
    assert all(path in shown for path in LINKS.values()) and "network = false" in shown
    machine.run(*words, "--start")
    assert machine.show("hostler@shop.service", "PrivateNetwork") == "yes"
    assert machine.run("curl", "--silent", "--fail", "--unix-socket", "/run/hostler/shop.sock", "http://shop/").strip() == "one"
    machine.run("hostler", "remove", "shop")
    assert not machine.path(DROP_INS).exists()


def test_users_have_none(machine, instance):
    machine.add_user("ada")
    shop = instance(user="ada")
    shop.listen()
    assert shop.text() == "one"
    done = machine.result("hostler", "set", "shop", "profile=strict", user="ada")
    assert done.returncode != 0 and "profiles are for instances of the system" in done.stdout, done.stdout
    assert json.loads(shop.text("/who"))["pid"]
