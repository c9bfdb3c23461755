"""What an instance knows of its last day outlives its server process: over a restart, a crash, an upgrade and a sleep; and hostlerd follows."""

import json

from client import Client
from deadline import wait_until
from hammer import Hammer
from test_hostlerd import SHOP, Bus

# A span lasts ten seconds.
SPAN_SECONDS = 60
# A restart is under way for some of that time.
STEP_SECONDS = 15


class Remembered:
    """What the instance tells of the last day."""

    def __init__(self, machine):
        (told,) = Bus(machine).call(SHOP, "Instance", "Samples", "t", "0")
        self.told = {key: value["data"] for key, value in told.items()}
        self.requests = sum(self.told["responses_2xx"])
        self.seconds = sum(self.told["seconds"])
        self.events = [event["kind"]["data"] for event in self.told["events"]]
        self.gaps = [gap["why"]["data"] for gap in self.told["gaps"]]
        self.lengths = [gap["to_us"]["data"] - gap["from_us"]["data"] for gap in self.told["gaps"]]


def ask(shop, count):
    """Over one connection, which keeps an instance awake that leaves when nobody is connected."""
    with Client(shop.address, timeout=60) as client:
        for _ in range(count):
            assert client.get("/").status == 200, shop.told()


def status(shop):
    return json.loads(shop.machine.run("hostler", "status", shop.name, "--json"))


def test_the_day_goes_on_after_a_restart_and_a_crash(machine, instance):
    shop = instance(settings="workers = 1")
    shop.listen()
    ask(shop, 10)
    shop.systemctl("restart", shop.service)
    ask(shop, 5)
    told = Remembered(machine)
    # A span that has ended meanwhile has the others.
    assert told.requests in (10, 15) and told.gaps == ["restarted"], told.told
    assert told.events == ["started", "started"]
    shop.systemctl("reload", shop.service)
    wait_until(lambda: Remembered(machine).requests == 15, lambda: Remembered(machine).told, SPAN_SECONDS)
    machine.kill(shop.main_pid())
    assert shop.text() == "one"
    told = Remembered(machine)
    assert told.requests in (15, 16) and told.gaps == ["restarted", "crashed"], told.told
    assert told.events == ["started", "started", "reloaded", "crashed", "started"]
    assert all(0 <= length < STEP_SECONDS * 1e6 for length in told.lengths), told.lengths
    assert shop.show("NFileDescriptorStore") == "2"
    shop.systemctl("stop", shop.service)
    assert shop.text() == "one"
    assert (Remembered(machine).gaps, Remembered(machine).events) == ([], ["started"]), "a stop lets go of it"


def test_killed_again_and_again_it_is_always_whole(machine, instance):
    """Each kill may meet it as it writes: what was there before is read, and nothing is refused."""
    shop = instance(settings="workers = 1")
    shop.listen()
    for kills in range(1, 9):
        ask(shop, 3)
        machine.kill(shop.main_pid())
        assert shop.text() == "one"
        assert Remembered(machine).gaps == ["crashed"] * kills
    assert "begins anew" not in shop.told(), shop.told()


def test_the_day_goes_on_in_the_process_that_takes_over(machine, instance):
    shop = instance(settings="workers = 1")
    shop.listen()
    ask(shop, 10)
    before = shop.main_pid()
    machine.run("hostler", "upgrade", "shop")
    wait_until(lambda: shop.main_pid() not in (0, before), shop.told)
    told = Remembered(machine)
    assert (told.requests, told.gaps, told.events) == (10, [], ["started", "upgraded"]), told.told
    machine.kill(shop.main_pid())
    assert shop.text() == "one"
    told = Remembered(machine)
    assert told.requests in (10, 11) and told.gaps == ["crashed"], "the successor keeps it as its predecessor did"


def test_a_sleep_is_told_as_one(machine, instance):
    shop = instance(settings="workers = 1\nexit_idle_time = 1")
    shop.listen()
    ask(shop, 10)
    shop.wait_state("inactive")
    assert machine.path("/var/cache/private/hostler/shop/.hostler-asleep").exists()
    # Who is connected keeps it awake.
    with Client(shop.address, timeout=30) as client:
        assert client.get("/").status == 200
        told = Remembered(machine)
        assert told.requests in (10, 11), told.told
        assert (told.gaps, told.events) == (["asleep"], ["started", "asleep", "awake"]), told.told
        assert status(shop)["instance"]["observed"]["requests_total"] == 11
    assert not machine.path("/var/cache/private/hostler/shop/.hostler-asleep").exists()
    shop.wait_state("inactive")


def test_what_is_not_its_own_is_refused_with_a_line_and_begins_anew(machine, instance):
    shop = instance(settings="workers = 1\nexit_idle_time = 1")
    shop.listen()
    ask(shop, 3)
    shop.wait_state("inactive")
    left = machine.path("/var/cache/private/hostler/shop/.hostler-asleep")
    left.write_bytes(left.read_bytes()[:-7])
    with Client(shop.address, timeout=30) as client:
        assert client.get("/").status == 200
        told = Remembered(machine)
        assert (told.gaps, told.events) == ([], ["started"])
    assert "what was kept of the server process before cannot be used: it begins anew" in shop.told()
    shop.wait_state("inactive")


def test_hostlerd_knows_the_state_through_a_crash(machine, instance):
    """The control socket is not in the store: whoever asks meanwhile is told that it starts, and what hostlerd says is true afterwards at once."""
    shop = instance(settings="workers = 2")
    shop.listen()
    shop.text()
    bus = Bus(machine)

    def state():
        overview = status(shop)["overview"]
        return overview["state"], overview["problem"]

    wait_until(lambda: state() == ("serving", ""), shop.told)
    with Hammer(shop.address, clients=2) as hammer:
        for _ in range(5):
            hammer.wait_answers(20)
            before = shop.main_pid()
            machine.kill(before)
            seen = []

            def serves():
                result = machine.result("hostler", "status", "shop", "--json")
                assert result.returncode == 0, result.stdout
                told = json.loads(result.stdout)
                seen.append((told["overview"]["state"], told["overview"]["problem"]))
                return told.get("instance") and told["instance"]["observed"]["pid"] not in (0, before)

            wait_until(serves, lambda: f"{seen[-5:]}\n{shop.told()}")
            assert {one for one, _ in seen} <= {"serving", "starting", "stopping"}, seen
            # systemd's state comes before the instance's own.
            assert not [problem for one, problem in seen if one == "serving" and problem], seen
            assert state() == ("serving", "")
            assert status(shop)["instance"]["observed"]["pid"] == shop.main_pid()
            assert len(bus.call(SHOP, "Instance", "Workers")[0]) == 2
