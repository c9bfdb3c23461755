"""The settings `profile` and `network`, as the server takes them: what systemd keeps from it has to be what they say."""

import socket
import sys

import pytest

from server import APPS, option_arguments

USAGE = 64


@pytest.fixture
def notified(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify.sock"))
        yield {"NOTIFY_SOCKET": str(tmp_path / "notify.sock")}


def words(*settings):
    options = option_arguments({"bind": "127.0.0.1:0", "chdir": APPS, "python": sys.executable})
    return ["run", *options, *settings, "plain:application"]


@pytest.mark.parametrize(
    ("setting", "has", "told"),
    [
        ("--profile=strict", {"HOSTLER_PROFILE": "standard"}, 'profile = "strict", and the service runs with "standard"'),
        ("--profile=standard", {"HOSTLER_PROFILE": "compat"}, 'profile = "standard", and the service runs with "compat"'),
        ("--profile=compat", {}, "the service runs with none of Hostler's"),
        ("--network=false", {"HOSTLER_PROFILE": "strict"}, "network = false, and the service has one"),
    ],
)
def test_a_service_that_is_not_what_the_settings_say_does_not_start(hostler, notified, setting, has, told):
    command = hostler(*words(setting), environment={**notified, **has})
    assert command.wait() == USAGE
    said = command.describe()
    assert told in said and "`hostler set " in said, said


def test_a_service_that_is_what_they_say_serves(serve, notified):
    environment = {**notified, "HOSTLER_PROFILE": "strict", "HOSTLER_NETWORK": "no"}
    server = serve(arguments=words("--profile=strict", "--network=false"), environment=environment)
    assert server.get("/hello").body == b"hello"


def test_without_systemd_they_have_no_effect_and_that_is_said(serve):
    server = serve("plain:application", profile="strict")
    assert server.get("/hello").body == b"hello"
    server.log.expect("profile and network have no effect", level="WARN")
