"""Restarts and upgrades: what connects waits, what runs is finished, and what was counted is not forgotten."""

import json

from deadline import wait_until
from hammer import Hammer


def status(shop):
    return json.loads(shop.machine.run("hostler", "status", "--json"))


def requests_counted(shop):
    return status(shop)["observed"]["requests_total"]


def test_restarts_under_load_refuse_nobody(instance):
    shop = instance(settings="workers = 2")
    shop.listen()
    with Hammer(shop.address) as hammer:
        for _ in range(4):
            hammer.wait_answers(30)
            shop.systemctl("restart", shop.service)
        hammer.wait_answers(30)
    hammer.check()


def test_a_running_request_outlives_the_stop(machine, instance):
    shop = instance(settings="graceful_timeout = 20")
    shop.listen()
    shop.text()
    with Hammer(shop.address, clients=1, target="/wait?until=/run/hostler/shop/go", requests=1) as hammer:
        wait_until(lambda: "/wait" in machine.run("hostler", "requests", "--json"), shop.told)
        shop.systemctl("stop", "--no-block", shop.service)
        wait_until(lambda: shop.show("ActiveState") == "deactivating", shop.told)
        machine.write("/run/hostler/shop/go", "")
        hammer.join()
    hammer.check()
    assert hammer.answers == ["waited"]


def waiting(machine):
    """How many connections wait in the socket to be accepted."""
    listed = machine.run("ss", "--unix", "--listening", "--no-header").splitlines()
    return next(int(line.split()[2]) for line in listed if "/run/hostler/shop.sock" in line)


def test_who_comes_during_a_stop_of_the_service_starts_it_again(machine, instance):
    """Its socket stays active: a connection waits in it, and is neither refused nor reset (systemd.socket(5))."""
    shop = instance(settings="graceful_timeout = 20")
    shop.listen()
    first = shop.who()["server"]
    with Hammer(shop.address, clients=1, target="/wait?until=/run/hostler/shop/go", requests=1) as slow:
        wait_until(lambda: "/wait" in machine.run("hostler", "requests", "--json"), shop.told)
        shop.systemctl("stop", "--no-block", shop.service)
        wait_until(lambda: shop.show("ActiveState") == "deactivating", shop.told)
        with Hammer(shop.address, clients=4, requests=40) as hammer:
            wait_until(lambda: waiting(machine) == 4, shop.told)
            machine.write("/run/hostler/shop/go", "")
            hammer.join()
        slow.join()
    slow.check()
    hammer.check()
    assert len(hammer.answers) == 40
    assert shop.who()["server"] not in (0, first)
    assert (shop.show("ActiveState", shop.socket), shop.show("Result", shop.socket)) == ("active", "success")


def test_statistics_survive_a_restart_and_a_crash(machine, instance):
    """They are in the store of file descriptors (systemd.service(5), FileDescriptorStoreMax=), which a stop empties."""
    shop = instance()
    shop.listen()
    for _ in range(10):
        shop.text()
    assert requests_counted(shop) == 10
    shop.systemctl("restart", shop.service)
    assert shop.text() == "one"
    assert requests_counted(shop) == 11, shop.told()
    machine.kill(shop.main_pid())
    assert shop.text() == "one"
    assert requests_counted(shop) == 12, shop.told()
    assert int(shop.show("NFileDescriptorStore")) > 0
    shop.systemctl("stop", shop.service)
    assert shop.text() == "one"
    assert requests_counted(shop) == 1


def warned(machine, cursor):
    """What systemd warned of, as of words of a process that is not the main one; after something that it tells of."""
    told = machine.journal("--after-cursor", cursor, "_PID=1")
    assert any("Reloaded" in entry["MESSAGE"] for entry in told), told
    return [entry["MESSAGE"] for entry in told if int(entry["PRIORITY"]) <= 4]


def test_an_upgrade_moves_the_main_process(machine, instance):
    """`hostler upgrade` puts the new binary in the old one's place: connections drain, new ones do not wait, systemd follows."""
    shop = instance(settings="workers = 2")
    shop.listen()
    shop.text()
    before = shop.main_pid()
    cursor = machine.cursor()
    with Hammer(shop.address) as new, Hammer(shop.address, keep=True) as kept:
        new.wait_answers(30)
        machine.run("cp", "/usr/bin/hostler", "/usr/bin/hostler.next")
        machine.run("mv", "/usr/bin/hostler.next", "/usr/bin/hostler")
        machine.run("hostler", "upgrade")
        new.wait_answers(30)
        kept.wait_answers(30)
    new.check()
    kept.check()
    assert shop.main_pid() not in (0, before)
    assert (shop.show("NRestarts"), shop.show("ActiveState")) == ("0", "active")
    assert shop.who()["server"] == shop.main_pid()
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert shop.text() == "two"
    assert warned(machine, cursor) == []


def test_a_broken_upgrade_leaves_the_old_in_charge(machine, instance):
    shop = instance()
    shop.listen()
    shop.text()
    before = shop.main_pid()
    machine.run("cp", "/usr/bin/hostler", "/usr/bin/hostler.old")
    machine.write("/usr/bin/hostler.next", "#!/bin/sh\nexit 70\n", 0o755)
    machine.run("mv", "/usr/bin/hostler.next", "/usr/bin/hostler")
    cursor = machine.cursor()
    result = machine.result("hostler.old", "upgrade")
    assert result.returncode != 0 and "exit status: 70" in result.stdout, result.stdout
    assert (shop.main_pid(), shop.text(), shop.show("ActiveState")) == (before, "one", "active")
    machine.run("mv", "/usr/bin/hostler.old", "/usr/bin/hostler")
    # The program is well, and what it loads is not.
    shop.publish("broken")
    result = machine.result("hostler", "upgrade")
    assert result.returncode == 1 and "this version is broken" in result.stdout, result.stdout
    assert (shop.main_pid(), shop.text(), shop.show("ActiveState")) == (before, "one", "active")
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert shop.text() == "two"
    assert warned(machine, cursor) == []


def test_a_restart_after_an_upgrade_waits_for_what_the_old_server_runs(machine, instance):
    """It is a process of the service like any other, which systemd kills when the main one has ended."""
    shop = instance(settings="graceful_timeout = 20")
    shop.listen()
    shop.text()
    before = shop.main_pid()
    with Hammer(shop.address, clients=1, target="/wait?until=/run/hostler/shop/go", requests=1) as slow:
        wait_until(lambda: "/wait" in machine.run("hostler", "requests", "--json"), shop.told)
        machine.run("hostler", "upgrade")
        upgraded = shop.main_pid()
        assert upgraded not in (0, before)
        shop.systemctl("restart", "--no-block", shop.service)
        wait_until(lambda: "the server process before this one still finishes" in shop.told(), shop.told)
        machine.write("/run/hostler/shop/go", "")
        slow.join()
    slow.check()
    assert slow.answers == ["waited"]
    wait_until(lambda: shop.main_pid() not in (0, upgraded), shop.told)
    assert shop.text() == "one"
