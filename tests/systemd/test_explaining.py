"""What does not start explains itself, in the same words wherever one looks: systemctl, the list, `hostler status` and `hostler doctor`."""

import json

import pytest

from deadline import wait_until

FILE = "/etc/hostler/shop.toml"


class Told:
    """What is shown of an instance that does not start."""

    def __init__(self, shop):
        machine = shop.machine
        self.systemctl = machine.result("systemctl", "status", "--no-pager", "--lines=0", shop.service).stdout
        self.errno = shop.show("StatusErrno")
        overview = {one["name"]: one for one in json.loads(machine.run("hostler", "list", "--json"))}["shop"]
        overview = overview.get("overview", overview)
        self.state, self.problem = overview["state"], overview["problem"]
        shown = machine.result("hostler", "status", "shop")
        self.status = shown.stdout
        # As `systemctl status` does; what systemd starts again is not given up.
        assert shown.returncode == (3 if self.state in ("failed", "stopped") else 0), self.status
        self.doctor = machine.result("hostler", "doctor", "shop").stdout
        self.journal = [entry["MESSAGE"] for entry in machine.journal(f"_SYSTEMD_UNIT={shop.service}", "PRIORITY=3")]

    def everywhere(self, reason):
        status = next((line for line in self.systemctl.splitlines() if 'Status: "' in line), "")
        assert reason in status, self.systemctl
        for name in ("problem", "status", "doctor"):
            shown = getattr(self, name)
            assert reason in shown, f"{name}: {shown}"


@pytest.fixture
def instance(machine, instance):
    """As everywhere, but that it may have failed in the end."""
    yield instance
    machine.systemctl("stop", "hostler@shop.socket", "hostler@shop.service")
    machine.systemctl("reset-failed")


def fails(shop):
    """Has it started, and waits until it is known to have failed, or to be started again and again."""
    result = shop.machine.result("systemctl", "start", shop.service)
    assert result.returncode != 0, result.stdout
    wait_until(lambda: shop.show("Result") not in ("", "success"), shop.told)
    return Told(shop)


def test_mistakes_in_the_settings(instance):
    shop = instance()
    shop.machine.write(FILE, 'app = "shop:application"\nworker = 2\nthreads = "many"\n')
    told = fails(shop)
    told.everywhere(f"{FILE}:2: unknown key `worker`: did you mean `workers`?; {FILE}:3: `threads` wants")
    assert told.state == "failed"
    assert any(message.startswith(f"{FILE}:2: unknown key") for message in told.journal), told.journal
    assert "its settings are wrong" in told.doctor and "hostler edit shop" in told.doctor
    # A value may be a secret in the wrong line. The journal is not for everybody, and what systemd shows is.
    assert '"many"' not in told.systemctl + told.problem + told.status
    assert any('found the text "many"' in message for message in told.journal), told.journal
    entries = shop.machine.journal("MESSAGE_ID=" + not_served(shop.machine), "HOSTLER_INSTANCE=shop")
    assert len(entries) == 1, "all mistakes are one entry"


def not_served(machine):
    """The identity of such an entry, from the catalog."""
    lines = machine.path("/usr/lib/systemd/catalog/hostler.catalog").read_text().splitlines()
    return lines[lines.index("Subject: @HOSTLER_INSTANCE@ cannot be served as it is set up") - 1].removeprefix("-- ")


def test_no_such_application(instance):
    shop = instance(app="absent.module:application")
    told = fails(shop)
    told.everywhere(f'{FILE}:1: the application could not be loaded: there is no module "absent.module"; looked in /srv/shop')
    assert "does not import" in told.doctor and told.state == "failed"


HOLDER = "import socket, sys; held = socket.create_server(('127.0.0.1', 9000)); print('held', flush=True); sys.stdin.read()"


def test_a_port_in_use(machine, instance):
    shop = instance(settings='metrics_bind = ["127.0.0.1:9000"]')
    with machine.start("python3", "-c", HOLDER) as holder:
        assert holder.stdout.readline() == "held\n"
        # systemd tries again and again, as the port may be free by then; with each start it forgets what was said.
        reason = f"{FILE}:3: metrics_bind: cannot listen on 127.0.0.1:9000: the port is in use by"
        wait_until(lambda: reason in fails(shop).systemctl, shop.told)
        wait_until(lambda: shop.show("StatusErrno") == "98", shop.told)
        for _ in range(5):
            told = Told(shop)
            assert reason in told.problem and reason in told.status and reason in told.doctor, vars(told)
            assert told.state in ("starting", "stopping")
        holder.stdin.close()
    shop.wait_state("active")


def test_a_missing_virtual_environment(instance):
    shop = instance(settings='venv = "/srv/shop/venv"')
    told = fails(shop)
    told.everywhere(f"{FILE}:3: the setting venv: /srv/shop/venv is no virtual environment")
    assert "python3 -m venv /srv/shop/venv" in told.problem


def test_a_project_that_may_not_be_read(machine, instance):
    shop = instance()
    machine.path(shop.directory).chmod(0o700)
    told = fails(shop)
    told.everywhere(f"{FILE}:2: chdir /srv/shop: user ")
    told.everywhere(" may not read /srv/shop, which belongs to root:root with mode 0700: open it (chmod o+rx /srv/shop), or give it to")
    assert told.errno == "13"


def test_a_project_in_a_home(machine, instance):
    shop = instance()
    machine.run("cp", "--recursive", "/srv/shop", "/home/shop")
    machine.write(FILE, 'app = "shop:application"\nchdir = "/home/shop"\n')
    told = fails(shop)
    told.everywhere(f"{FILE}:2: chdir /home/shop: /home is hidden from this service (ProtectHome=yes)")


def test_settings_that_may_not_be_read(machine, instance):
    shop = instance()
    machine.path(FILE).chmod(0o600)
    told = fails(shop)
    told.everywhere(f"{FILE}: user ")
    told.everywhere(f" may not read {FILE}, which belongs to root:root with mode 0600: open it (chmod o+r {FILE})")
    assert told.errno == "13"


@pytest.mark.parametrize(("key", "code"), [("User", 217), ("Group", 216)])
def test_an_account_that_is_not_there(instance, key, code):
    """systemd itself does not get as far as to start anything."""
    text = f"[Service]\nDynamicUser=no\nUser={'nosuch' if key == 'User' else 'nobody'}\n"
    shop = instance(service_user=text + ("Group=nosuch\n" if key == "Group" else ""))
    told = fails(shop)
    reason = f"its unit says {key}=nosuch, and there is no such {key.lower()}"
    for name in ("problem", "status", "doctor"):
        assert reason in getattr(told, name), f"{name}: {getattr(told, name)}"
    wait_until(lambda: f"exit status {code}" in Told(shop).status, shop.told)


def test_what_is_mended_is_told_no_more(instance):
    shop = instance()
    shop.machine.write(FILE, "worker = 2\n")
    fails(shop)
    shop.configure("workers = 1")
    shop.systemctl("start", shop.service)
    told = Told(shop)
    assert (told.state, told.problem, told.errno) == ("serving", "", "0")
    assert "unknown key" not in told.systemctl + told.status


def test_a_start_that_is_asked_of_hostlerd_says_why_not(instance):
    shop = instance()
    shop.machine.write(FILE, "worker = 2\n")
    result = shop.machine.result("hostler", "start", "shop")
    assert result.returncode != 0
    assert f"its settings cannot be used: {FILE}:1: unknown key `worker`: did you mean `workers`?" in result.stdout, result.stdout
