"""Passed sockets: who connects starts the service, whoever runs it and however little it may do."""

import errno
import json
import shutil
import sysconfig
from pathlib import Path

import pytest

from client import Client
from deadline import wait_until
from instance import APPS

TAKE_PORT = """
import socket, sys
with socket.create_server(("127.0.0.1", 9100)):
    print("taken", flush=True)
    sys.stdin.readline()
"""
# What an application may do in each profile, and how it is refused else.
STANDARD = {
    "code": "done",
    "meminfo": "done",
    "interfaces": "done",
    "affinity": "PermissionError",
    "home": "PermissionError",
    "processes": "FileNotFoundError",
    "owner": "nobody",
    "umask": "0027",
}
ALLOWED = {
    "standard": STANDARD,
    "strict": STANDARD | {"code": "PermissionError", "meminfo": "FileNotFoundError", "interfaces": "OSError", "umask": "0077"},
    "compat": STANDARD | {"affinity": "done", "home": "hers", "processes": "done", "owner": "somebody"},
}
DJANGO = APPS.parent.parent / "apps" / "django_site"
PURE_PACKAGES = ["django", "asgiref", "sqlparse"]


def test_the_first_request_starts_the_service(machine, instance):
    shop = instance()
    shop.listen()
    assert shop.show("ActiveState") == "inactive"
    assert shop.awake() == "one"
    assert (shop.show("ActiveState"), shop.show("NRestarts")) == ("active", "0")
    assert shop.who()["server"] == shop.main_pid()
    assert "/hostler.slice/" in shop.who()["group"]


def test_a_start_lasts_until_requests_are_answered(machine, instance):
    """READY comes when the first generation accepts."""
    shop = instance()
    shop.hold_import()
    with machine.start("systemctl", "start", shop.service) as start:
        shop.wait_import()
        # systemd takes in what it was told before it answers this.
        assert (shop.show("ActiveState"), shop.show("SubState")) == ("activating", "start")
        # For how long, if that is long.
        assert shop.show("StatusText").startswith("loading the application")
        assert start.poll() is None
        shop.open_import()
        output, _ = start.communicate()
    assert start.returncode == 0, output
    assert shop.show("ActiveState") == "active"
    assert shop.text() == "one"


def test_a_slow_start_has_its_time(machine, instance):
    """An import may take longer than TimeoutStartSec= allows, while it goes on (EXTEND_TIMEOUT_USEC)."""
    shop = instance(service_time="[Service]\nTimeoutStartSec=4\n")
    machine.write(f"{shop.directory}/shop.py", "import time; time.sleep(8)\n" + (APPS / "shop.py").read_text())
    shop.listen()
    assert shop.text() == "one"
    assert shop.show("NRestarts") == "0"


def test_a_start_fails_with_the_reason(machine, instance):
    shop = instance()
    shop.publish("broken")
    result = machine.result("systemctl", "start", shop.service)
    assert result.returncode != 0 and "RuntimeError: this version is broken" in shop.told()
    assert shop.show("NRestarts") == "0", "the same again would not help"
    shop.systemctl("reset-failed", shop.service)


def test_wrong_settings_do_not_spin(machine, instance):
    """Whoever asks again at once starts a service again that gave up, and nothing limits how often: it must take its time."""
    shop = instance(settings="no_such_setting = 1")
    shop.listen()

    def starts():
        assert shop.get().status == 503
        return machine.journal(f"UNIT={shop.service}", "JOB_TYPE=start", "JOB_RESULT=failed")

    times = wait_until(lambda: len(failed := starts()) >= 4 and [int(entry["__REALTIME_TIMESTAMP"]) for entry in failed], shop.told)
    assert all(later - earlier > 900_000 for earlier, later in zip(times, times[1:], strict=False)), shop.told()
    assert "unknown key `no_such_setting`" in shop.told()
    shop.configure()
    assert shop.text() == "one"


def test_stopping_the_socket_stops_the_service(machine, instance):
    shop = instance()
    shop.listen()
    shop.text()
    shop.systemctl("stop", shop.socket)
    shop.wait_state("inactive")
    with pytest.raises(ConnectionRefusedError):
        Client(shop.address)


def test_further_addresses_by_drop_in(machine, instance):
    """Two listeners of two kinds, of which the settings name each."""
    shop = instance(
        bind=("unix:/run/hostler/shop.sock", "127.0.0.1:8000"),
        socket_listen="[Socket]\nListenStream=127.0.0.1:8000\nNoDelay=yes\n",
    )
    shop.listen()
    connection = machine.tcp_socket()
    connection.connect(("127.0.0.1", 8000))
    with connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\none")
    assert shop.text() == "one"


def test_sockets_of_several_units_are_told_apart_by_name(machine, instance):
    """Requests, metrics and the control socket, each of a unit of its own."""
    shop = instance()
    others = {"metrics": "127.0.0.1:9100", "control": "/run/shop-control.sock"}
    for name, address in others.items():
        unit = f"[Socket]\nListenStream={address}\nFileDescriptorName={name}\nService={shop.service}\n"
        machine.write(f"/etc/systemd/system/shop-{name}.socket", unit)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", shop.socket, *(f"shop-{name}.socket" for name in others))
    assert shop.text() == "one"
    status = machine.run("hostler", "status", "--json", "--socket", others["control"])
    assert json.loads(status)["observed"]["pid"] == shop.main_pid()
    assert "hostler_up 1" in machine.run("curl", "--silent", "http://127.0.0.1:9100/metrics")
    machine.systemctl("stop", *(f"shop-{name}.socket" for name in others))


def test_a_socket_that_nobody_claims_is_an_error(machine, instance):
    shop = instance(
        bind=("unix:/run/hostler/shop.sock",),
        socket_listen="[Socket]\nListenStream=127.0.0.1:8000\n",
    )
    result = machine.result("systemctl", "start", shop.service)
    assert result.returncode != 0
    told = shop.told()
    assert 'bind = "unix:/run/hostler/shop.sock" asks for another address' in told and "127.0.0.1:8000" in told, told
    shop.systemctl("stop", shop.socket)
    shop.systemctl("reset-failed", shop.service)


def test_a_bind_that_no_socket_fits_is_an_error(machine, instance):
    shop = instance(bind=("unix:/run/hostler/shop.sock", "127.0.0.1:8001"))
    result = machine.result("systemctl", "start", shop.service)
    assert result.returncode != 0
    told = shop.told()
    assert 'the setting bind = "127.0.0.1:8001" asks for a socket of systemd named "http" that listens on 127.0.0.1:8001' in told
    assert "unix:/run/hostler/shop.sock" in told, "what was passed instead"
    shop.systemctl("stop", shop.socket)
    shop.systemctl("reset-failed", shop.service)


@pytest.mark.parametrize(("name", "remedy"), [("https", "let a proxy before it do so"), ("uwsgi", "proxy_pass in place of uwsgi_pass")])
def test_a_socket_for_what_is_not_served_says_what_to_do(machine, instance, name, remedy):
    shop = instance(socket_name=f"[Socket]\nFileDescriptorName={name}\n")
    assert machine.result("systemctl", "start", shop.service).returncode != 0
    assert remedy in shop.told() and "write FileDescriptorName=http into the socket unit" in shop.told()
    shop.systemctl("stop", shop.socket)
    shop.systemctl("reset-failed", shop.service)


def test_a_failed_start_has_its_reason_in_the_status(machine, instance):
    """STATUS= and ERRNO=, as `systemctl status` shows them."""
    shop = instance(settings='metrics_bind = ["127.0.0.1:9100"]', service_once="[Service]\nRestart=no\n")
    with machine.start("python3", "-c", TAKE_PORT) as taken:
        assert taken.stdout.readline() == "taken\n"
        assert machine.result("systemctl", "start", shop.service).returncode != 0
        taken.communicate("\n")
    assert int(shop.show("StatusErrno")) == errno.EADDRINUSE
    assert "cannot listen on 127.0.0.1:9100: the port is in use by" in shop.show("StatusText")
    shop.systemctl("stop", shop.socket)
    shop.systemctl("reset-failed", shop.service)


def test_an_import_that_fails_has_its_reason_in_the_status(machine, instance):
    shop = instance()
    shop.publish("broken")
    assert machine.result("systemctl", "start", shop.service).returncode != 0
    assert "this version is broken" in shop.show("StatusText")
    shop.systemctl("reset-failed", shop.service)


def test_workers_inherit_nothing_of_it(machine, instance):
    shop = instance(settings="workers = 2")
    shop.listen()
    who = shop.who()
    given = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE"}
    assert not given & set(who["environment"])
    listening = machine.run("ss", "--unix", "--listening", "--no-header", "--processes")
    line = next(line for line in listening.splitlines() if "/run/hostler/shop.sock" in line)
    assert f"pid={who['server']}," in line and f"pid={who['pid']}," not in line, listening


def test_a_secret_reaches_the_application_alone(machine, instance):
    shop = instance(service_secret="[Service]\nLoadCredential=key:/etc/hostler/credentials/%i/key\n")
    machine.write("/etc/hostler/credentials/shop/key", "open sesame", 0o600)
    shop.listen()
    assert shop.text("/secret?name=key") == "open sesame"
    machine.add_user("eve")
    assert "open sesame" not in machine.run("systemctl", "show", shop.service, user="eve")
    assert machine.result("cat", f"/run/credentials/{shop.service}/key", user="eve").returncode != 0


def test_only_the_group_may_connect(machine, instance):
    shop = instance()
    shop.listen()
    machine.add_user("proxy-user")
    ask = ["curl", "--silent", "--show-error", "--unix-socket", "/run/hostler/shop.sock", "http://shop/"]
    assert machine.result(*ask, user="proxy-user").returncode != 0
    machine.run("usermod", "--append", "--groups", "hostler-web", "proxy-user")
    assert machine.run(*ask, user="proxy-user") == "one"


def test_an_instance_of_a_user(machine, instance):
    machine.add_user("ada")
    shop = instance(user="ada")
    shop.systemctl("enable", "--now", shop.socket)
    assert shop.text() == "one"
    assert shop.who()["environment"]["USER"] == "ada"
    shop.publish("two")
    shop.systemctl("reload", shop.service)
    assert shop.text() == "two"
    machine.run("hostler", "status", user="ada")


def test_no_network_but_the_passed_socket(machine, instance):
    """Both on loopback of the same system: what one can reach, the other cannot."""
    open_one = instance("open", socket_listen="[Socket]\nListenStream=127.0.0.1:8001\n")
    closed = instance("closed", socket_listen="[Socket]\nListenStream=127.0.0.1:8002\n")
    closed.use_profile("no-network", order=20)
    open_one.listen()
    closed.listen()
    reach = "/reach?host=127.0.0.1&port="
    assert open_one.text(reach + "8002") == "reached", "the one without a network is served over TCP all the same"
    assert closed.text(reach + "8001") == "OSError"


@pytest.mark.parametrize("profile", ["standard", "strict", "compat"])
def test_a_django_site_in_each_profile(machine, instance, profile):
    """A virtual environment, a database in the state directory, a session, an upload: as sites are."""
    shop = instance(
        "site",
        app="django_site.wsgi:application",
        settings='venv = "/srv/site/venv"\nworkers = 2\nthreads = 2',
        service_django='[Service]\nEnvironment=E2E_DIRECTORY=/var/lib/hostler/site\n'
        "ExecStartPre=/srv/site/venv/bin/python -m django migrate --settings=django_site.settings --pythonpath=/srv/site\n",
    )
    machine.push(DJANGO, "/srv/site/django_site")
    machine.run("python3", "-m", "venv", "--without-pip", "/srv/site/venv")
    packages = next(machine.path("/srv/site/venv/lib").glob("python3*")) / "site-packages"
    for name in PURE_PACKAGES:
        shutil.copytree(Path(sysconfig.get_path("purelib")) / name, packages / name)
    if profile != "standard":
        shop.use_profile(profile)
    shop.listen()
    assert shop.text("/?q=there") == "django there"
    login = shop.get("/admin/login/")
    assert login.status == 200 and "csrftoken=" in login.header("Set-Cookie")
    token = login.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    cookie = login.header("Set-Cookie").split(";")[0]
    body = f"csrfmiddlewaretoken={token}&username=nobody&password=wrong".encode()
    form = [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded")]
    refused = shop.get("/admin/login/", method="POST", headers=form, body=body)
    assert refused.status == 200 and "Please enter the correct username" in refused.text, "it asked its database"
    owner = machine.run("stat", "--format=%U", "/var/lib/hostler/site/db.sqlite3").strip()
    assert owner not in ("root", "nobody"), "a user of its own"


@pytest.mark.parametrize("profile", ["standard", "strict", "compat"])
def test_what_a_profile_forbids(machine, instance, profile):
    shop = instance()
    if profile != "standard":
        shop.use_profile(profile)
    shop.listen()
    assert shop.text("/write?path=/var/lib/hostler/shop/file") == "written"
    assert shop.text("/write?path=/etc/hostler/file") == "OSError", "read-only file system"
    assert shop.text("/write?path=/srv/shop/file") == "OSError"
    assert shop.text("/write?path=/sys/fs/cgroup/file") in ("PermissionError", "OSError")
    assert shop.text("/write?path=/tmp/file") == "written"
    assert not machine.path("/tmp/file").exists(), "its own /tmp"


@pytest.mark.parametrize(("profile", "expected"), ALLOWED.items(), ids=list(ALLOWED))
def test_what_differs_between_profiles(machine, instance, profile, expected):
    shop = instance()
    if profile != "standard":
        shop.use_profile(profile)
    machine.add_user("ada")
    machine.write("/home/ada/file", "hers")
    machine.path("/home/ada").chmod(0o755)
    machine.write("/srv/shop/foreign", "")
    machine.run("chown", "ada", "/srv/shop/foreign")
    shop.listen()
    found = {what: shop.text(f"/try?what={what}") for what in expected}
    assert found == expected
    assert shop.text("/write?path=/home/ada/written") != "written"
