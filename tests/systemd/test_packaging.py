"""What a package runs once its files are in place (`packaging/post-install`): every site that runs goes over to them, and none is the worse for it."""

from pathlib import Path

import pytest

from hammer import Hammer

POST_INSTALL = Path(__file__).resolve().parents[2] / "packaging" / "post-install"
SCRIPT = "/var/lib/package/post-install"
EXTENSION = "/usr/lib/hostler/_hostler.abi3.so"

# It answers as the command that it was, and its servers do not come up.
BROKEN = """#!/bin/sh
case "$1" in
serve) exit 70 ;;
*) exec /usr/bin/hostler.good "$@" ;;
esac
"""


@pytest.fixture
def package(machine):
    """`package("configure", "0.1")`: the script with these words, as a package's manager runs it."""
    machine.push(POST_INSTALL, SCRIPT)
    machine.path(SCRIPT).chmod(0o755)
    return lambda *words: machine.result(SCRIPT, *words)


def put_in_place(machine, program):
    """As a package's manager does it: the new file is written beside, and takes the old one's name."""
    machine.run("cp", "--preserve=mode", program, "/usr/bin/hostler.next")
    machine.run("mv", "/usr/bin/hostler.next", "/usr/bin/hostler")


def test_all_sites_go_over_to_the_new_program(machine, instance, package):
    machine.add_user("ada")
    shop, blog = instance("shop", settings="workers = 2"), instance("blog")
    mine = instance("mine", user="ada")
    sites = [shop, blog, mine]
    for site in sites:
        site.listen()
        site.text()
    asleep = instance("asleep")
    asleep.listen()
    before = [site.main_pid() for site in sites]
    with Hammer(shop.address) as new, Hammer(shop.address, keep=True) as kept, Hammer(mine.address, clients=2) as others:
        new.wait_answers(30)
        put_in_place(machine, "/usr/bin/hostler")
        ended = package("configure", "0.1")
        for hammer in (new, kept, others):
            hammer.wait_answers(30)
    for hammer in (new, kept, others):
        hammer.check()
    assert ended.returncode == 0, ended.stdout
    after = [site.main_pid() for site in sites]
    for name, pid in zip(["shop", "blog", "mine of ada"], after, strict=True):
        assert f"{name}: upgraded, process {pid} serves, after " in ended.stdout, ended.stdout
    assert len({*before, *after}) == 6
    for site, pid in zip(sites, after, strict=True):
        assert site.who()["server"] == pid
        assert (site.show("NRestarts"), site.show("ActiveState")) == ("0", "active")
    assert "asleep" not in ended.stdout, "who does not run takes the new program by itself"
    assert asleep.show("ActiveState") == "inactive"
    # A user reaches what is the user's own, and is told of the rest.
    own = machine.result("hostler", "upgrade", "--all", user="ada")
    assert own.returncode == 0, own.stdout
    assert "mine of ada: upgraded" in own.stdout and "shop: left as it is, " in own.stdout, own.stdout
    assert [site.main_pid() for site in sites[:2]] == after[:2] and mine.main_pid() != after[2]


def test_a_new_program_that_does_not_serve_changes_nothing(machine, instance, package):
    shop = instance("shop")
    shop.listen()
    shop.text()
    before = shop.main_pid()
    machine.run("cp", "/usr/bin/hostler", "/usr/bin/hostler.good")
    machine.write("/usr/bin/hostler.broken", BROKEN, 0o755)
    with Hammer(shop.address) as hammer:
        hammer.wait_answers(10)
        put_in_place(machine, "/usr/bin/hostler.broken")
        ended = package("configure", "0.1")
        hammer.wait_answers(10)
    hammer.check()
    assert ended.returncode == 0, "the package is installed all the same"
    assert "shop: not upgraded: the new server ended before it served (exit status: 70)" in ended.stdout, ended.stdout
    assert "hostler: not upgraded, 1 of 1: shop." in ended.stdout
    assert machine.result("hostler", "upgrade", "--all").returncode == 1, "whoever asks by hand learns of it"
    # Nor does one that runs no words at all.
    machine.write("/usr/bin/hostler.broken", "#!/nowhere\n", 0o755)
    put_in_place(machine, "/usr/bin/hostler.broken")
    ended = package("configure", "0.1")
    assert ended.returncode == 0 and "hostler: not found" in ended.stdout, ended.stdout
    assert (shop.main_pid(), shop.text(), shop.show("ActiveState")) == (before, "one", "active")
    put_in_place(machine, "/usr/bin/hostler.good")
    assert package("configure", "0.1").returncode == 0
    assert shop.main_pid() not in (0, before)
    assert shop.text() == "one"


def test_a_new_extension_that_is_broken_takes_no_workers(machine, instance, package):
    """The server that is left in charge starts them from the file that it began with, under the strictest profile as well, which hides much of /proc."""
    shop = instance("shop", settings='profile = "strict"')
    shop.use_profile("strict")
    shop.listen()
    before = shop.who()
    machine.write(f"{EXTENSION}.next", "no library")
    machine.run("mv", f"{EXTENSION}.next", EXTENSION)
    ended = package("configure", "0.1")
    assert ended.returncode == 0
    assert "shop: not upgraded: " in ended.stdout and f"cannot load Hostler's extension: {EXTENSION}: " in ended.stdout, ended.stdout
    machine.run("kill", "-KILL", str(before["pid"]))
    after = shop.who()
    assert (after["server"], shop.show("ActiveState")) == (before["server"], "active")
    assert after["pid"] != before["pid"]


def test_an_installation_makes_all_known_and_starts_nothing(machine, package):
    """The first one, with nothing there to be upgraded; and where there is no systemd to be told."""
    machine.run("groupdel", "hostler-web")
    ended = package("configure")
    assert (ended.returncode, "no instance is running" in ended.stdout) == (0, True), ended.stdout
    assert machine.run("getent", "group", "hostler-web").startswith("hostler-web:")
    assert machine.show("hostlerd.service", "ActiveState") == "inactive"
    machine.run("hostler", "list")
    assert machine.show("hostlerd.service", "ActiveState") == "active"
    daemon = machine.show("hostlerd.service", "MainPID")
    assert package("configure", "0.1").returncode == 0
    assert machine.show("hostlerd.service", "MainPID") not in ("0", daemon), "it is of the new program"
    undone = package("abort-upgrade", "0.2")
    assert (undone.returncode, undone.stdout) == (0, "")
    elsewhere = machine.result("unshare", "--mount", "sh", "-c", f"mount -t tmpfs none /run && {SCRIPT} configure")
    assert (elsewhere.returncode, elsewhere.stdout) == (0, "")
