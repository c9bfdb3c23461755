"""The command line over a real bus, with real systemd, real polkit and a real ssh: who may do what, and what is said to who may not."""

import json
import re
from pathlib import Path

from deadline import wait_until
from instance import APPS

FAILED, USAGE, UNAVAILABLE, SYSTEM, NOT_ALLOWED = 1, 64, 69, 71, 77
RULES = "/etc/polkit-1/rules.d/50-shop.rules"
NEEDS = "not authorized: to {} takes authentication"

# What each verb is refused for, in the words of the sentence.
READING = 'read logs and settings of the instance "shop"'
CONTROLLING = 'control the instance "shop"'
MANAGING = 'make or remove the instance "shop", or change whether it starts by itself'
REFUSED = [
    *((words, CONTROLLING) for words in ["start", "stop", "restart", "reload", "rollback", "upgrade", "wake", "sleep"]),
    *((words, CONTROLLING) for words in ["scale NAME 2", "recycle NAME 0", "log-level NAME debug"]),
    *((words, MANAGING) for words in ["enable", "disable"]),
    *((words, READING) for words in ["get", "set NAME threads=2", "edit", "history", "undo", "logs", "logs -f"]),
    *((words, READING) for words in ["requests", "stacks", "workers"]),
]


def words_of(words, name="shop"):
    """`scale NAME 2` with the name in it; a verb alone is about the name."""
    words = words.replace("NAME", name) if "NAME" in words else f"{words} {name}"
    return words.split()


def hostler(machine, *words, code=0, user=None, **options):
    result = machine.result("hostler", *words, user=user, **options)
    assert result.returncode == code, f"hostler {' '.join(words)} ended with {result.returncode}, not {code}:\n{result.stdout}"
    return result.stdout


def serving(machine, but=()):
    """A worker that serves, as its place and its process, and none of these processes."""

    def found():
        workers = json.loads(hostler(machine, "workers", "shop", "--json"))
        ready = [worker for worker in workers if worker["state"] in ("idle", "busy") and worker["pid"] not in but]
        return [(worker["place"], worker["pid"]) for worker in ready]

    return wait_until(found, "a worker serves")[0]


def answer(machine):
    return machine.run("curl", "--silent", "--fail", "--unix-socket", "/run/hostler/shop.sock", "http://shop/")


def followed(machine, *words):
    """What is logged while `logs -f` runs is shown by it."""
    with machine.start("hostler", "logs", "shop", "-f", "-n", "1", *words) as following:
        assert following.stdout.readline(), "the last line comes first"
        hostler(machine, "reload", "shop")
        while "the next generation serves" not in (line := following.stdout.readline()):
            assert line, "the log ended"
        following.kill()


def rule(machine, text):
    machine.write(RULES, f"polkit.addRule(function(action, subject) {{\n{text}\n}});\n")
    machine.systemctl("restart", "polkit.service")


def administrator(machine):
    """Somebody whose password polkit asks for: with nobody it refuses at once."""
    machine.run("useradd", "--create-home", "--groups", "sudo", "ann")
    machine.run("chpasswd", stdin="ann:sesame\n")


def test_root_does_all(machine, instance):
    shop = instance(settings="workers = 1")
    told = hostler(machine, "list")
    assert re.search(r"^shop +configured ", told, re.M), told
    doctor = hostler(machine, "doctor", "shop", code=FAILED)
    assert "never started" in doctor and "hostler start shop" in doctor, doctor
    assert "shop is started" in hostler(machine, "start", "shop")
    status = hostler(machine, "status", "shop")
    assert status.startswith("shop  serving") and "socket" in status, status
    hostler(machine, "enable", "shop")
    assert machine.systemctl("is-enabled", shop.socket).strip() == "enabled"
    assert re.search(r"^shop +serving +\S+ +socket ", hostler(machine, "list"), re.M)
    # Settings: written, shown, edited, taken back.
    assert "were changed" in hostler(machine, "set", "shop", "threads=2")
    assert hostler(machine, "get", "shop", "threads") == "2\n"
    assert "/etc/hostler/shop.toml:" in hostler(machine, "get", "shop")
    machine.write("/usr/bin/editing", '#!/bin/sh\nsed -i s/threads.*/threads=3/ "$1"\n', 0o755)
    machine.run("env", "EDITOR=editing", "hostler", "edit", "shop")
    assert hostler(machine, "get", "shop", "threads") == "3\n"
    refused = hostler(machine, "set", "shop", "app=absent:app", code=FAILED)
    assert "the generation before goes on" in refused and "absent" in refused, refused
    history = hostler(machine, "history", "shop")
    assert "set threads" in history and "not taken:" in history, history
    assert "root" in history or "you" in history, history
    hostler(machine, "undo", "shop")
    assert hostler(machine, "get", "shop", "threads") == "2\n", "what was refused is never brought back"
    # What runs.
    assert "generation" in hostler(machine, "reload", "shop") and "generation" in hostler(machine, "rollback", "shop")
    hostler(machine, "log-level", "shop", "debug")
    assert hostler(machine, "log-level", "shop") == "debug\n"
    hostler(machine, "log-level", "shop", "info")
    assert "idle" in hostler(machine, "workers", "shop")
    assert hostler(machine, "requests", "shop") == "no requests\n"
    assert "File " in hostler(machine, "stacks", "shop")
    hostler(machine, "recycle", "shop", "0")
    before = shop.main_pid()
    upgraded = hostler(machine, "upgrade", "shop")
    assert "serves, after" in upgraded, upgraded
    wait_until(lambda: shop.main_pid() not in (0, before), "systemd follows the new server", 30)
    # On a terminal: the screen is taken, and q gives it back.
    top = machine.result("script", "--quiet", "--return", "--command", "hostler top shop", "/dev/null", stdin="q")
    assert top.returncode == 0 and "shop" in top.stdout and "\x1b[?1049l" in top.stdout, top.stdout
    assert "needs a terminal" in hostler(machine, "top", "shop", code=USAGE)
    lines = hostler(machine, "logs", "shop", "-n", "5").splitlines()
    assert len(lines) >= 5 and "hostler" in lines[0], lines
    followed(machine)
    assert "is asleep" in hostler(machine, "sleep", "shop")
    assert json.loads(hostler(machine, "status", "shop", "--json"))["overview"]["state"] == "asleep"
    assert "is awake" in hostler(machine, "wake", "shop")
    assert answer(machine)
    assert "is restarted" in hostler(machine, "restart", "shop")
    assert "is stopped" in hostler(machine, "stop", "shop")
    hostler(machine, "disable", "shop")
    assert machine.result("systemctl", "is-enabled", shop.socket).stdout.strip() == "disabled"
    assert "hostler list" in hostler(machine, "start", "shoe", code=UNAVAILABLE)


def test_why_a_start_fails_is_said_while_somebody_asks(machine, instance):
    """Whoever asks again after each 503 has systemd start it again at once: nothing is left of the failure then but the next one."""
    shop = instance("shop")
    shop.publish("broken")
    shop.listen()
    ask = "until curl --silent --fail --max-time 100 --unix-socket /run/hostler/shop.sock http://shop/; do :; done"
    with machine.start("sh", "-c", ask) as asking:
        wait_until(lambda: "Failed to start" in shop.told(), shop.told, 60)
        for _ in range(2):
            said = hostler(machine, "start", "shop", code=FAILED)
            assert "its application does not import" in said and "this version is broken" in said, said
        said = hostler(machine, "doctor", "shop", code=FAILED)
        assert "this version is broken" in said and "Failed to start" not in said, said
        shop.publish("two")
        hostler(machine, "start", "shop")
        assert shop.show("ActiveState") == "active", "it serves when the command says so"
        assert asking.communicate()[0] == "two"


def test_one_that_starts_is_said_to_start(machine, instance):
    """Not why the attempt before failed: this one may well succeed."""
    shop = instance("shop")
    shop.publish("broken")
    assert "this version is broken" in hostler(machine, "start", "shop", code=FAILED)
    shop.publish("two")
    shop.hold_import()
    with machine.start("systemctl", "start", shop.service) as start:
        shop.wait_import()
        lines = hostler(machine, "doctor", "shop", code=FAILED).splitlines()
        assert lines[0].startswith("shop has been starting for ") and lines[0].endswith("; whoever connects waits."), lines
        because = [line for line in lines if line.startswith("  because")]
        assert because and "loading the application" in because[0] and not any("broken" in line for line in because), lines
        shop.open_import()
        assert start.communicate() and start.returncode == 0
    assert "shop is well" in hostler(machine, "doctor", "shop")


def test_where_it_listens_is_what_its_socket_unit_says(machine, instance):
    """Its settings file does not say it, and the default of `bind` is not where it listens."""
    shop = instance("shop", socket_address="[Socket]\nListenStream=\nListenStream=127.0.0.1:9000\nListenStream=/run/shop.sock\n")
    listed = lambda: json.loads(hostler(machine, "list", "--json"))[0]
    assert (listed()["state"], listed()["binds"]) == ("configured", [])
    shop.listen()
    both = ["http://127.0.0.1:9000", "unix:/run/shop.sock"]
    assert (listed()["state"], listed()["binds"]) == ("asleep", both)
    hostler(machine, "start", "shop")
    assert (listed()["state"], sorted(listed()["binds"])) == ("serving", both)
    said = hostler(machine, "set", "shop", "bind=127.0.0.1:9001", code=USAGE)
    assert "hostler@shop.socket listens" in said and "systemctl edit hostler@shop.socket" in said, said
    hostler(machine, "set", "shop", "bind=127.0.0.1:9000", "bind=unix:/run/shop.sock")
    hostler(machine, "restart", "shop")
    assert "Unknown key" not in hostler(machine, "logs", "shop"), "what systemd says of the package's own units"


def test_a_start_that_is_interrupted_is_taken_back(machine, instance):
    """Ctrl-C while the application loads: what the command started is stopped again, and it says so."""
    shop = instance(app="slow:application")
    machine.write(f"{shop.directory}/slow.py", "import time\ntime.sleep(600)\n")
    with machine.start("hostler", "start", "shop") as starting:
        while "starting its service" not in (line := starting.stdout.readline()):
            assert line, "it ended"
        shop.wait_state("activating")
        machine.run("pkill", "--signal", "INT", "--full", "^hostler start shop")
        said = starting.stdout.read()
        assert starting.wait(60) == 130, said
    assert "it is being cancelled" in said and "was taken back, and shop is configured" in said, said
    assert shop.show("ActiveState") == "inactive" and shop.show("ActiveState", shop.socket) == "inactive"


def test_what_was_written_is_taken_away(machine):
    """Made by command, changed by command, and removed by command: nothing is left; what a person typed stays, and is named."""
    machine.push(APPS, "/srv/shop")
    machine.write("/srv/shop/app.py", "from shop import application\n")
    machine.write("/srv/shop/version.txt", "one")
    new = ["new", "shop", "--directory", "/srv/shop", "--start"]
    hostler(machine, *new)
    assert answer(machine)
    hostler(machine, "set", "shop", "threads=2")
    # What somebody set is not written over.
    assert "was changed since it was written" in hostler(machine, *new, code=FAILED)
    said = hostler(machine, "remove", "shop")
    assert "removed /etc/hostler/shop.toml" in said and "by hand" not in said, said
    hostler(machine, *new)
    machine.run("sh", "-c", "echo '# mine' >> /etc/hostler/shop.toml")
    said = hostler(machine, "remove", "shop")
    assert "left /etc/hostler/shop.toml, which was changed by hand" in said and "--purge" in said, said
    assert machine.path("/etc/hostler/shop.toml").exists()
    hostler(machine, "remove", "shop", "--purge")
    assert not machine.path("/etc/hostler/shop.toml").exists()


def test_who_has_no_right_is_refused_and_told_what_to_do(machine, instance):
    instance()
    machine.run("useradd", "--create-home", "jane")
    before = machine.run("cat", "/etc/hostler/shop.toml")
    # The list, and what one instance does, are for everybody.
    for words in (["list"], ["status", "shop"], ["status", "shop", "--json"]):
        # It does not run, which `status` ends with as systemctl does.
        assert "shop" in hostler(machine, *words, user="jane", code=3 if words[0] == "status" else 0)
    assert "never started" in hostler(machine, "doctor", "shop", user="jane", code=FAILED)
    for verb, purpose in REFUSED:
        words = words_of(verb)
        said = hostler(machine, *words, user="jane", code=NOT_ALLOWED)
        assert NEEDS.format(purpose) in said and "run this on a terminal, as root" in said, f"{words}: {said}"
        said = hostler(machine, *words, "--no-ask-password", user="jane", code=NOT_ALLOWED)
        assert NEEDS.format(purpose) in said and "leave --no-ask-password out" in said, f"{words}: {said}"
    # On a terminal polkit itself asks.
    administrator(machine)
    asked = machine.result(
        "script", "--quiet", "--return", "--command", "hostler start shop", "/dev/null", user="jane", stdin="wrong\n"
    )
    assert asked.returncode == NOT_ALLOWED and "the Hostler application shop" in asked.stdout, asked.stdout
    # Files are root's: hostlerd is asked to write them.
    refused = hostler(machine, "new", "evil", "--system", "--directory", "/tmp", "--app", "a:b", user="jane", code=NOT_ALLOWED)
    assert NEEDS.format(MANAGING.replace("shop", "evil")) in refused, refused
    refused = hostler(machine, "remove", "shop", "--system", user="jane", code=NOT_ALLOWED)
    assert NEEDS.format(MANAGING) in refused, refused
    # What hostlerd does not do is left to systemctl, which refuses as well.
    refused = hostler(machine, "remove", "shop", "--system", "--purge", user="jane", code=SYSTEM)
    assert "what comes after it was not done" in refused, refused
    assert machine.run("cat", "/etc/hostler/shop.toml") == before
    assert machine.show("hostler@shop.service", "ActiveState") == "inactive"


def test_a_password_is_asked_for_on_a_terminal(machine, instance):
    """pkttyagent(1) asks in words that name the instance; the right password is enough."""
    instance()
    machine.run("useradd", "--create-home", "jane")
    administrator(machine)
    command = ["script", "--quiet", "--return", "--command", "hostler start shop", "/dev/null"]
    with machine.start(*command, user="jane") as asked:
        said = ""
        while "Password:" not in said:
            more = asked.stdout.read(1)
            assert more, said
            said += more
        assert "Authentication is required to control the Hostler application shop" in said, said
        # What is typed while the terminal still shows it is thrown away.
        terminal = machine.run("ps", "-o", "tty=", "-C", "pkttyagent").strip()
        wait_until(lambda: " -echo " in machine.run("stty", "-F", f"/dev/{terminal}", "-a"), "the password is not shown", 30)
        asked.stdin.write("sesame\n")
        asked.stdin.flush()
        said += asked.stdout.read()
        assert asked.wait(60) == 0, said
    assert "shop is started" in said, said
    assert machine.show("hostler@shop.service", "ActiveState") == "active"


def test_no_password_is_asked_for_twice_for_the_same(machine, instance):
    """Where polkit keeps no authorization, as over ssh, it asks at each call: reading is asked for once, changing once."""
    shop = instance("shop")
    shop.listen()
    machine.run("useradd", "--create-home", "jane")
    administrator(machine)
    machine.push(Path(__file__).with_name("answering.py"), "/usr/local/bin/answering.py")
    for words, times in [("get shop", 1), ("set shop threads=2", 2), ("undo shop", 2)]:
        told = machine.run("python3", "/usr/local/bin/answering.py", "sesame", "hostler", *words.split(), user="jane")
        assert f"asked {times} times, ended 0" in told, f"{words}: {told}"


def test_a_rule_gives_what_it_says_and_no_more(machine, instance):
    instance(settings="workers = 2")
    machine.run("useradd", "--create-home", "jane")
    rule(
        machine,
        """if (action.id == "org.hostler.Hostler1.control" && action.lookup("instance") == "shop" && subject.user == "jane")
             return polkit.Result.YES;""",
    )
    for words in ["start", "reload", "sleep", "wake", "restart", "scale NAME 2", "log-level NAME debug", "recycle NAME PLACE", "stop"]:
        recycled = []
        for more in ([], ["--no-ask-password"]):
            asked = words
            if "PLACE" in words:
                # The one before is listed until it ends, which it may do at any moment.
                place, pid = serving(machine, but=recycled)
                recycled.append(pid)
                asked = words.replace("PLACE", str(place))
            hostler(machine, *words_of(asked), *more, user="jane")
    for words, purpose in [("set NAME threads=2", READING), ("logs", READING), ("enable", MANAGING)]:
        assert NEEDS.format(purpose) in hostler(machine, *words_of(words), user="jane", code=NOT_ALLOWED)
    # The greater right has the smaller ones in it.
    rule(machine, 'if (action.id == "org.hostler.Hostler1.manage" && subject.user == "jane") return polkit.Result.YES;')
    for words in ["start", "set NAME threads=2", "get", "logs", "requests", "undo", "enable", "disable", "stop"]:
        hostler(machine, *words_of(words), user="jane")
    said = hostler(machine, "remove", "shop", "--system", user="jane")
    assert "shop is removed" in said, said
    assert not machine.path("/etc/hostler/shop.toml").exists()
    hostler(machine, "new", "shop", "--system", "--directory", "/srv/shop", "--app", "shop:application", "--start", user="jane")
    assert answer(machine)
    hostler(machine, "remove", "shop", "--system", user="jane")
    # Refused by a rule: no password helps.
    instance("other")
    rule(machine, "return polkit.Result.NO;")
    said = hostler(machine, "start", "other", user="jane", code=NOT_ALLOWED)
    assert 'not authorized to control the instance "other"' in said and "org.hostler.Hostler1.control" in said, said


def test_another_machine_is_reached_with_ssh(machine, instance):
    """`-H HOST` over sshd and systemd-stdio-bridge, as who logs in there."""
    instance(settings="workers = 1")
    machine.run("useradd", "--create-home", "--shell=/bin/sh", "jane")
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519")
    for home, owner in [("/root", "root"), ("/home/jane", "jane")]:
        machine.run("install", "-d", "-m", "700", "-o", owner, f"{home}/.ssh")
        machine.run("install", "-m", "600", "-o", owner, "/root/.ssh/id_ed25519.pub", f"{home}/.ssh/authorized_keys")
    machine.write("/root/.ssh/config", "Host far\nHostName 127.0.0.1\nStrictHostKeyChecking accept-new\nBatchMode yes\n", 0o600)
    machine.systemctl("start", "ssh.service")
    here = lambda *words, **options: hostler(machine, *words, "-H", "root@far", **options)
    listed = here("list")
    assert re.search(r"^shop +configured ", listed, re.M), listed
    assert "shop is started" in here("start", "shop")
    assert here("status", "shop").startswith("shop  serving") or "serving" in here("list")
    assert "were changed" in here("set", "shop", "threads=2")
    assert here("get", "shop", "threads").splitlines()[-1] == "2"
    assert "generation" in here("reload", "shop")
    assert "hostler" in here("logs", "shop", "-n", "3")
    # No descriptor passes: page by page.
    followed(machine, "-H", "root@far")
    assert "File " in here("stacks", "shop")
    assert here("doctor", "shop")
    # Whoever logs in has the rights of that user.
    said = hostler(machine, "stop", "shop", "-H", "jane@far", code=NOT_ALLOWED)
    assert 'not authorized to control the instance "shop"' in said and "-H root@HOST" in said, said
    said = hostler(machine, "list", "-H", "nobody@far", code=UNAVAILABLE)
    assert "nobody@far: its bus cannot be reached" in said, said
    assert "shop is stopped" in here("stop", "shop")
    said = here("remove", "shop")
    assert "shop is removed" in said and not machine.path("/etc/hostler/shop.toml").exists(), said
    # And made: its project is there, and not here.
    said = here("new", "shop", "--start", code=USAGE)
    assert "--directory" in said and "--app" in said, said
    assert "shop is made" in here("new", "shop", "--directory", "/srv/shop", "--app", "shop:application", "--start")
    assert answer(machine)
    here("remove", "shop")


def test_hostlerd_has_no_capability_and_needs_none(machine, instance):
    """Instances of other users answer it, and settings that only a group reads stay that group's."""
    machine.run("useradd", "--create-home", "--shell=/bin/sh", "deploy")
    shop = instance(service_user="[Service]\nUser=deploy\nDynamicUser=no\n")
    machine.run("chgrp", "deploy", "/etc/hostler/shop.toml")
    machine.path("/etc/hostler/shop.toml").chmod(0o640)
    hostler(machine, "start", "shop")
    assert re.search(r"^shop +serving ", hostler(machine, "list"), re.M)
    status = machine.run("cat", f"/proc/{machine.show('hostlerd.service', 'MainPID')}/status")
    assert {line.split(":")[1].strip() for line in status.splitlines() if line.startswith("Cap")} == {"0" * 16}, status
    socket = machine.run("stat", "--format=%U %a", "/run/hostler/shop/control.sock").split()
    assert socket[0] == "deploy" and socket[1][-1] == "0", socket
    for threads in ("2", "3"):
        hostler(machine, "set", "shop", f"threads={threads}")
        assert f"threads = {threads}" in machine.run("cat", "/etc/hostler/shop.toml", user="deploy")
    machine.run("useradd", "--create-home", "jane")
    assert "Permission denied" in machine.result("cat", "/etc/hostler/shop.toml", user="jane").stdout
    assert shop.show("ActiveState") == "active"
    # A file that is another's is not taken from its owner.
    machine.run("sh", "-c", "cp /etc/hostler/shop.toml /root/ && rm /etc/hostler/shop.toml && mv /root/shop.toml /etc/hostler/")
    machine.run("chown", "deploy", "/etc/hostler/shop.toml")
    machine.path("/etc/hostler/shop.toml").chmod(0o644)
    said = hostler(machine, "set", "shop", "threads=4", code=FAILED)
    assert "/etc/hostler/shop.toml" in said and "chown root" in said, said
    assert hostler(machine, "get", "shop", "threads") == "3\n"
    machine.path("/etc/hostler/shop.toml").chmod(0o600)
    said = hostler(machine, "get", "shop", "threads", code=FAILED)
    assert "cannot read the settings" in said and "without capabilities" in said, said


def test_polkit_knows_the_actions(machine):
    """The policy file is taken as it stands, with what each right has in it."""
    known = machine.run("pkaction").split()
    names = ["read-logs", "control", "configure", "deploy", "manage"]
    assert {f"org.hostler.Hostler1.{name}" for name in names} == {name for name in known if name.startswith("org.hostler.")}
    told = machine.run("pkaction", "--verbose", "--action-id", "org.hostler.Hostler1.manage")
    assert "org.freedesktop.policykit.imply" in told and "org.hostler.Hostler1.deploy" in told and "$(instance)" in told, told
