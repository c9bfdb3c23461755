"""`systemctl reload`: lasts until the next generation serves, and fails with the reason when it does not."""

import json

import pytest

from deadline import let_pass, wait_until
from hammer import Hammer


@pytest.fixture
def shop(instance):
    shop = instance(settings="workers = 2")
    shop.listen()
    assert shop.text() == "one"
    return shop


def test_a_reload_ends_when_the_next_generation_serves(shop):
    main = shop.main_pid()
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert shop.text() == "two"
    assert (shop.main_pid(), shop.show("ActiveState"), shop.show("SubState")) == (main, "active", "running")


def test_a_slow_reload_has_its_time(instance):
    """As a slow start has: TimeoutStartSec= limits reloads as well, and is extended (EXTEND_TIMEOUT_USEC) while the import goes on."""
    shop = instance(service_time="[Service]\nTimeoutStartSec=4\n")
    shop.listen()
    assert shop.text() == "one"
    shop.publish("two")
    shop.hold_import()
    with shop.machine.start("systemctl", "reload", shop.service) as reload:
        shop.wait_import()
        let_pass(8)
        assert shop.show("ActiveState") == "reloading", shop.told()
        assert reload.poll() is None
        shop.open_import()
        output, _ = reload.communicate()
    assert reload.returncode == 0, f"{output}\n{shop.told()}"
    assert shop.text() == "two"
    assert (shop.show("ActiveState"), shop.show("NRestarts")) == ("active", "0")


def test_each_reload_makes_one_generation(shop):
    """With Type=notify-reload newer versions of systemd would send a signal beside the command that the unit names, and so reload twice."""
    for version in ("two", "three"):
        shop.publish(version)
        shop.systemctl("reload", shop.service)
        assert shop.text() == version
    assert json.loads(shop.machine.run("hostler", "status", "--json"))["observed"]["generation"] == 3, shop.told()


def test_a_bad_reload_fails_with_the_reason(shop):
    main = shop.main_pid()
    shop.publish("broken")
    result = shop.machine.result("systemctl", "reload", shop.service)
    assert result.returncode != 0
    assert "RuntimeError: this version is broken" in shop.told()
    assert shop.text() == "one", "the last good one goes on"
    assert (shop.main_pid(), shop.show("ActiveState")) == (main, "active")
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert shop.text() == "two"


def test_bad_settings_fail_a_reload(shop):
    shop.configure("workers = 0")
    assert shop.machine.result("systemctl", "reload", shop.service).returncode != 0
    assert "workers" in shop.told() and shop.text() == "one"
    assert shop.show("ActiveState") == "active"


@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "kept connections"])
def test_reloads_under_load_lose_nothing(shop, keep):
    with Hammer(shop.address, keep=keep) as hammer:
        for number in range(5):
            hammer.wait_answers(20)
            shop.publish(f"v{number}")
            shop.systemctl("reload", shop.service)
        hammer.wait_answers(20)
    hammer.check()
    assert set(hammer.answers) == {"one", *(f"v{number}" for number in range(5))}
    assert hammer.answers[-1] == "v4"


def test_status_tells_of_the_reload(shop):
    wait_until(lambda: "2 workers" in shop.show("StatusText"), shop.told)
    shop.publish("broken")
    shop.machine.result("systemctl", "reload", shop.service)
    assert "reload" in shop.show("StatusText") and "failed" in shop.show("StatusText")
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert "failed" not in shop.show("StatusText")
