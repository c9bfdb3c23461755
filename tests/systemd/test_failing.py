"""Clients that wait at the socket for a start that fails: they are answered, and none of them starts it again and again."""

import json

import pytest

from client import Client
from deadline import let_pass, wait_until

DEADLY = "import os\nos._exit(3)\n"
TCP = "[Socket]\nListenStream=127.0.0.1:9000\n"


def breaks(shop, code):
    """Makes its starts end so."""
    if code == 64:
        shop.configure("worker = 2")
    elif code == 65:
        shop.publish("broken")
    else:
        shop.machine.write(f"{shop.directory}/shop.py", DEADLY)


def starts(shop):
    """How often a start of it was begun."""
    own = f"UNIT={shop.service}"
    return len(shop.machine.journal(own, "JOB_TYPE=start", "JOB_RESULT=failed")), shop.show("NRestarts")


def assert_unavailable(answer):
    assert answer.status == 503, answer
    assert int(answer.header("retry-after")) > 0 and answer.header("connection") == "close"
    assert "broken" not in answer.text and "worker" not in answer.text


@pytest.mark.parametrize("code", [64, 65])
def test_a_start_that_fails_is_answered_and_not_repeated(machine, instance, code):
    shop = instance(socket_tcp=TCP)
    breaks(shop, code)
    shop.listen()
    with Client(shop.address, timeout=30) as json_client:
        json_client.request("/who", headers=[("Accept", "application/json")])
        curl = machine.run("curl", "--silent", "--include", "--max-time", "30", "http://127.0.0.1:9000/")
        answer = json_client.response()
    assert_unavailable(answer)
    assert json.loads(answer.body)["error"] == "unavailable"
    assert curl.startswith("HTTP/1.1 503 Service Unavailable") and "\nRetry-After: " in curl, curl
    wait_until(lambda: shop.show("ActiveState") == "failed", shop.told)
    assert shop.show("ExecMainStatus") == str(code)
    before = starts(shop)
    # That nothing happens is what this is about: with a client that waits it would be started twice meanwhile.
    let_pass(8)
    assert (starts(shop), shop.show("ActiveState")) == (before, "failed"), shop.told()
    assert shop.show("ActiveState", shop.socket) == "active"
    # Once for each who asks.
    assert_unavailable(shop.get())
    wait_until(lambda: shop.show("ActiveState") == "failed" and starts(shop) != before, shop.told)
    assert starts(shop) == (before[0] + 1, before[1]), shop.told()
    shop.configure()
    shop.publish("two")
    assert shop.text() == "two"
    assert "was answered 503" in shop.told() or code == 64


def test_workers_that_die_are_answered_for(machine, instance):
    """systemd starts it again by itself then, as what kills workers may pass: nobody waits for that."""
    shop = instance()
    mended = machine.path(f"{shop.directory}/shop.py").read_text()
    breaks(shop, 69)
    shop.listen()
    assert_unavailable(shop.get())
    assert_unavailable(shop.get())
    assert shop.show("ActiveState", shop.socket) == "active"
    machine.write(f"{shop.directory}/shop.py", mended)
    # One start may have read what was there before.
    wait_until(lambda: shop.get().status == 200, shop.told, 30)
    assert shop.text() == "one"


def test_a_users_instance_answers_as_well(machine, instance):
    machine.add_user("ada")
    shop = instance(user="ada")
    breaks(shop, 65)
    shop.listen()
    assert_unavailable(shop.get())
    wait_until(lambda: shop.show("ActiveState") == "failed", shop.told)
    shop.publish("two")
    assert shop.text() == "two"
