"""The units as such: sound on each version of systemd, as safe as is said, and switched on and off together."""

import re

import pytest

UNITS = ["hostler@shop.service", "hostler@shop.socket", "hostler.target", "hostler.slice", "hostlerd.service"]


def assert_sound(machine, *words, user=None):
    """systemd-analyze(1) has nothing to say: no key is unknown to this version, and no value is wrong."""
    scope = ["--user"] if user else []
    done = machine.result("systemd-analyze", *scope, "verify", *words, user=user)
    assert (done.returncode, done.stdout) == (0, "")


def test_units_of_the_system_are_sound(machine):
    assert_sound(machine, *UNITS)


def test_units_of_users_are_sound(machine):
    machine.add_user("ada")
    assert_sound(machine, *UNITS, user="ada")


@pytest.mark.parametrize("profiles", [["strict"], ["compat"], ["no-network"], ["strict", "no-network"]])
def test_profiles_are_sound(machine, instance, profiles):
    shop = instance()
    for profile in profiles:
        shop.use_profile(profile)
    assert_sound(machine, shop.service)


@pytest.mark.parametrize(
    ("profiles", "most"),
    [([], 1.5), (["strict"], 1.2), (["compat"], 3.2), (["no-network"], 0.6), (["strict", "no-network"], 0.6)],
)
def test_exposure_is_as_low_as_said(machine, instance, profiles, most):
    """Of an instance as it is loaded, which is what `systemd-analyze security` shows to whoever asks."""
    shop = instance()
    for profile in profiles:
        shop.use_profile(profile)
    told = machine.run("systemd-analyze", "security", "--no-pager", shop.service)
    score = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told)[1])
    assert score <= most, told


def test_an_enabled_instance_is_there_after_a_boot(machine, instance):
    shop = instance()
    shop.systemctl("enable", shop.socket)
    wanted = machine.run("systemctl", "list-dependencies", "--plain", "sockets.target")
    assert shop.socket in wanted and shop.service not in wanted
    shop.systemctl("enable", shop.service)
    assert shop.service in machine.run("systemctl", "list-dependencies", "--plain", "multi-user.target")
    shop.systemctl("disable", shop.service)
    assert machine.run("systemctl", "is-enabled", shop.service, shop.socket, check=False).split() == ["disabled"] * 2


def test_the_first_request_after_a_boot_starts_it(machine, instance):
    """All that a boot starts is stopped, and started as at a boot."""
    shop = instance()
    shop.systemctl("enable", shop.socket)
    machine.systemctl("isolate", "rescue.target")
    shop.wait_state("inactive", shop.socket)
    machine.systemctl("default")
    shop.wait_state("active", shop.socket)
    assert shop.show("ActiveState") == "inactive"
    assert shop.text() == "one"
    assert machine.run("systemctl", "is-active", "multi-user.target").strip() == "active"


def test_the_target_stops_and_starts_all(machine, instance):
    shop, blog = instance("shop"), instance("blog")
    for one in (shop, blog):
        one.systemctl("enable", "--now", one.socket)
    assert (shop.text(), blog.text()) == ("one", "one")
    # It has ended at once, and what it takes along has not.
    machine.systemctl("stop", "hostler.target")
    for one in (shop, blog):
        one.wait_state("inactive")
        one.wait_state("inactive", one.socket)
    machine.systemctl("start", "hostler.target")
    assert (shop.text(), blog.text()) == ("one", "one")
