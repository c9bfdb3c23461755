"""The Autobahn test suite: RFC 6455 and RFC 7692, in 517 cases, none failed and none less than strict."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parent / "autobahn" / "client.py"
# The suite sends a thousand messages in each case about speed and compression, to measure; a hundred say whether it is right.
MESSAGES = 100
RUN_SECONDS = 600

# Group of cases, and how many there are: none may get lost.
GROUPS = {
    "1.1": 8,
    "1.2": 8,
    "2": 11,
    "3": 7,
    "4.1": 5,
    "4.2": 5,
    "5": 20,
    "6": 145,
    "7.1": 6,
    "7.3": 6,
    "7.5": 1,
    "7.7": 13,
    "7.9": 9,
    "7.13": 2,
    "9.1": 6,
    "9.2": 6,
    "9.3": 9,
    "9.4": 9,
    "9.5": 6,
    "9.6": 6,
    "9.7": 6,
    "9.8": 6,
    "10": 1,
    **{f"12.{number}": 18 for number in range(1, 6)},
    **{f"13.{number}": 18 for number in range(1, 8)},
}
# What the specification leaves open is informational in the suite: no verdict.
GOOD = {"OK", "INFORMATIONAL"}


@pytest.fixture(scope="module")
def results(serve_module, tmp_path_factory):
    """What came of every case, all run against one server."""
    server = serve_module("asgi_echo:application", workers=2)
    path = tmp_path_factory.mktemp("autobahn") / "results.json"
    address = f"ws://127.0.0.1:{server.port}/"
    command = [sys.executable, CLIENT, address, path, "--messages", str(MESSAGES)]
    subprocess.run(command, check=True, timeout=RUN_SECONDS)
    return json.loads(path.read_text())


def told(case):
    """A failed case, with all that is known of it."""
    return (
        f"{case['id']} {case['behavior']}, close {case['behaviorClose']} ({case.get('code')}): {case['description']}\n"
        f"  {case['result']} {case['resultClose']}\n"
        f"  expected {case.get('expected')}\n  received {case.get('received')}"
    )


@pytest.mark.parametrize("group", GROUPS)
def test_cases(results, group):
    found = [case for case in results if f"{case['id']}.".startswith(f"{group}.")]
    assert len(found) == GROUPS[group]
    bad = [told(case) for case in found if not {case["behavior"], case["behaviorClose"]} <= GOOD]
    assert not bad, "\n".join(bad)


def test_every_case_is_in_a_group(results):
    assert len(results) == sum(GROUPS.values()) == 517
