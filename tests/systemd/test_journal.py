"""The journal: entries with fields, read back with journalctl."""

import pytest

from client import Client
from deadline import wait_until


@pytest.fixture
def shop(instance):
    shop = instance(settings='access_logfile = "-"')
    shop.listen()
    shop.text()
    return shop


def entries(shop, *matches):
    return shop.machine.journal(f"_SYSTEMD_UNIT={shop.service}", *matches)


def entry(shop, text, *matches):
    """The one entry whose message has the text."""

    def found():
        return [one for one in entries(shop, *matches) if text in one["MESSAGE"]]

    wait_until(found, lambda: f"{text} in the journal:\n{shop.told()}")
    assert len(found()) == 1, found()
    return found()[0]


def test_a_traceback_is_one_entry_with_its_request(shop):
    response = shop.get("/fail?text=soap", headers=[("X-Request-Id", "r-1")])
    assert response.status == 500
    found = entry(shop, "LookupError: no such thing: soap")
    assert "Traceback" in found["MESSAGE"] and found["PRIORITY"] == "3"
    assert (found["HOSTLER_APP"], found["HOSTLER_INSTANCE"]) == ("shop", "shop")
    assert found["HOSTLER_GENERATION"] == "1"
    assert found["HOSTLER_WORKER"] and found["HOSTLER_REQUEST_ID"]
    assert found["_TRANSPORT"] == "journal" and found["SYSLOG_IDENTIFIER"] == "hostler"


def test_levels_of_python_are_priorities(shop):
    assert shop.text("/warn?text=wet") == "warned"
    found = entry(shop, "careful: wet")
    assert (found["PRIORITY"], found["HOSTLER_WORKER"]) == ("4", "0")


def test_a_request_has_its_fields(shop):
    shop.get("/warn?text=dry")
    found = entry(shop, "GET /warn?text=dry", "HOSTLER_STATUS=200")
    assert (found["HOSTLER_WORKER"], found["HOSTLER_GENERATION"]) == ("0", "1")
    assert found["HOSTLER_METHOD"] == "GET" and found["HOSTLER_OUTCOME"] == "ok"
    assert int(found["HOSTLER_DURATION_US"]) > 0 and found["HOSTLER_REQUEST_ID"]


def test_what_a_draining_generation_says_is_of_that_generation(shop):
    """Both have a worker 0, and the current generation is the second by then."""
    machine, gate = shop.machine, f"{shop.directory}/gate"
    with Client(shop.address, timeout=60) as client:
        client.request(f"/fail?text=late&until={gate}")
        entry(shop, "waits: late")
        machine.systemctl("reload", shop.service)
        assert shop.text("/warn?text=new") == "warned"
        machine.write(gate, "open")
        assert client.response().status == 500
    assert entry(shop, "careful: new")["HOSTLER_GENERATION"] == "2"
    assert entry(shop, "GET /warn?text=new", "HOSTLER_STATUS=200")["HOSTLER_GENERATION"] == "2"
    for text in ["LookupError: no such thing: late", "GET /fail?text=late"]:
        found = entry(shop, text, "PRIORITY=3") if "Lookup" in text else entry(shop, text, "HOSTLER_STATUS=500")
        assert (found["HOSTLER_WORKER"], found["HOSTLER_GENERATION"]) == ("0", "1"), found


def test_events_have_explanations(shop):
    """`journalctl -x` says what happened and what to do: the catalog of the package is installed and complete."""
    shop.machine.run("journalctl", "--update-catalog")
    shop.publish("broken")
    shop.machine.result("systemctl", "reload", shop.service)
    found = next(one for one in entries(shop) if "reload" in one["MESSAGE"] and one["PRIORITY"] == "3")
    told = shop.machine.run("journalctl", "--catalog", f"MESSAGE_ID={found['MESSAGE_ID']}", "--no-pager")
    assert "Reload failed: shop goes on as before" in told and "hostler check" in told, told
    for one in entries(shop):
        if "MESSAGE_ID" in one:
            shop.machine.run("journalctl", "--dump-catalog", one["MESSAGE_ID"])


def test_a_restart_to_find_out_more_says_more(instance):
    """RestartMode=debug (257) sets DEBUG_INVOCATION=1 for the restart after a failure; before, nothing sets it."""
    shop = instance(service_debug="[Service]\nRestartMode=debug\n")
    shop.listen()
    shop.text()
    assert not entries(shop, "PRIORITY=7")
    shop.machine.kill(shop.main_pid())
    assert shop.text() == "one"
    if shop.machine.release == "bookworm":
        assert not entries(shop, "PRIORITY=7")
    else:
        wait_until(lambda: entries(shop, "PRIORITY=7"), shop.told)


def test_outside_the_journal_lines_are_plain(machine):
    machine.push(__file__, "/srv/plain/any.py")
    result = machine.result("sh", "-c", "cd /srv/plain && exec hostler run no_such_module:application")
    assert result.returncode == 65, result.stdout
    assert 'there is no module "no_such_module"; looked in /srv/plain' in result.stdout
    assert "\x1b" not in result.stdout and not any(line.startswith("<") for line in result.stdout.splitlines())
