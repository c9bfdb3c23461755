"""The verbs that name an instance: over a private bus, with a hostlerd of the test's own; and without one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from deadline import wait_until
from server import BINARY
from session import HOSTLERD, JOURNALCTL, SYSTEM, Machine

FAILED, USAGE, UNAVAILABLE, TRY_AGAIN, NOT_ALLOWED = 1, 64, 69, 75, 77

pytestmark = [
    pytest.mark.skipif(not HOSTLERD.exists(), reason=f"{HOSTLERD} is not built"),
    pytest.mark.skipif(not shutil.which("dbus-daemon"), reason="dbus-daemon is not installed"),
]

@pytest.fixture
def machines():
    """`machines(...)`: a [`Machine`] that ends with the test."""
    made = []

    def make(*words, **options):
        made.append(Machine(*words, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.stop()


@pytest.fixture
def machine(machines):
    """A user's session with one instance that does not run."""
    machine = machines()
    machine.settings("shop").write_text('app = "shop:app"\nworkers = 1 # one\n')
    return machine


@pytest.fixture
def running(serve, machines):
    """The same, with its instance running from its settings file; the daemon comes after it and goes before it,
    as it holds a connection to it, which would count as a descriptor left behind."""
    machine = machines(daemon=False)
    (machine.directory / "shop.py").write_text(dedent("""\
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
    """))
    (machine.directory / "hostler" / "shop").mkdir()
    machine.settings("shop").write_text(
        f'app = "shop:app"\nchdir = "{machine.directory}"\npython = "{sys.executable}"\nbind = "127.0.0.1:0"\n'
        f'control_socket = "{machine.directory}/hostler/shop/control.sock"\nworkers = 1 # one\n'
    )
    machine.server = serve(arguments=["serve", machine.settings("shop")], environment={"PYTHONDONTWRITEBYTECODE": "1"})
    machine.daemon("--user")
    machine.until_serves("shop")
    return machine


def test_an_instance_that_runs_is_listed_and_asked_by_its_name(running):
    listed = running.ask("list", "--user", "--json")
    [shop] = json.loads(listed.out)
    assert (shop["name"], shop["state"], shop["scope"], shop["generation"]) == ("shop", "serving", "user", 1), listed
    table = running.ask("list", "--user")
    assert re.search(r"^shop +serving +\d+s ", table.out, re.M) and "\x1b" not in table.out, table
    status = running.ask("status", "shop", "--user")
    assert status.out.startswith("shop  serving") and "1 of 1 ready" in status.out, status
    assert json.loads(running.ask("status", "shop", "--user", "--json").out)["overview"]["name"] == "shop"
    assert "idle" in running.ask("workers", "shop", "--user").out
    assert running.ask("requests", "shop", "--user").out == "no requests\n"
    stacks = running.ask("stacks", "shop", "0", "--user")
    assert stacks.code == 0 and "\nCurrent thread" in stacks.out, stacks
    stacks = running.ask("stacks", "shop", "--user")
    assert stacks.code == 0 and "worker 0" in stacks.out, stacks
    running.server.log.claim("the Python stacks of a worker")
    assert running.ask("doctor", "shop", "--user").code == 0
    reloaded = running.ask("reload", "shop", "--user")
    assert reloaded.code == 0 and "generation 2" in reloaded.out, reloaded


def test_settings_are_taken_by_the_running_instance_or_stay(running):
    before = running.settings("shop").read_text()
    changed = running.ask("set", "shop", "--user", "workers=2", "--json")
    assert changed.code == 0 and json.loads(changed.out)["generation"] == 2, changed
    assert "workers = 2 # one" in running.settings("shop").read_text()
    assert "of 2 ready" in running.ask("status", "shop", "--user").out
    undone = running.ask("undo", "shop", "--user")
    assert undone.code == 0 and running.settings("shop").read_text() == before, undone
    # An application that is not there: the reload fails, and the file is as it was.
    refused = running.ask("set", "shop", "--user", "app=absent:app")
    assert refused.code == FAILED and "absent" in refused.said and "goes on" in refused.said, refused
    assert running.settings("shop").read_text() == before
    # The stages before may be over when the command begins to look.
    assert running.said_stages(refused)[-1] == "the instance does not take the settings: the former file comes back"
    # What was refused is shown, and never brought back.
    history = json.loads(running.ask("history", "shop", "--user", "--json").out)
    assert "absent" in history[0]["refused"] and not history[0]["current"], history
    assert "not taken:" in running.ask("history", "shop", "--user").out
    undone = running.ask("undo", "shop", "--user")
    assert undone.code == FAILED and "nothing to go back to" in undone.said, undone
    [changed] = [one["revision"] for one in history if one["summary"] == "set workers"]
    again = running.ask("undo", "shop", "--to", changed[:12], "--user")
    assert again.code == 0 and "workers = 2 # one" in running.settings("shop").read_text(), again
    undone = running.ask("undo", "shop", "--user")
    assert undone.code == 0 and running.settings("shop").read_text() == before, undone
    assert 'took back "set workers"' in undone.out and f"undo shop --to {changed[:12]}" in undone.said, undone
    running.server.log.claim("the reload failed")
    assert running.ask("set", "shop", "--user", "app=absent:app").code == FAILED
    doctor = running.ask("doctor", "shop", "--user")
    assert doctor.code == FAILED and "its last reload failed" in doctor.out, doctor
    running.server.log.claim("the reload failed")


def test_what_waits_for_a_restart_is_not_forgotten(running):
    changed = running.ask("set", "shop", "--user", "backlog=99")
    assert changed.code == 0 and "restart it for backlog" in changed.out, changed
    running.leave_and_come_back()
    running.until_serves("shop")
    assert "not in effect: backlog" in running.ask("status", "shop", "--user").out
    assert running.ask("undo", "shop", "--user").code == 0
    assert "not in effect" not in running.ask("status", "shop", "--user").out, "it is as it was"


def test_a_job_is_cancelled_with_an_interrupt(running):
    """One that reloads is thrown away, and the file is as it was; the second interrupt would leave it to itself."""
    before = running.settings("shop").read_text()
    (running.directory / "shop.py").write_text(dedent("""\
        import os, pathlib, time
        here = pathlib.Path(__file__).parent
        if (here / "slow").exists():
            (here / "loading").touch()
            time.sleep(600)
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
    """))
    (running.directory / "slow").touch()
    for words in (["reload", "shop"], ["set", "shop", "workers=2"]):
        (running.directory / "loading").unlink(missing_ok=True)
        command = running.start(BINARY, *words, "--user", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until((running.directory / "loading").exists, "the next generation is being made", 20)
        command.send_signal(signal.SIGINT)
        out, said = command.communicate(timeout=20)
        assert command.returncode == 130 and "it is being cancelled" in said, (words, said)
        assert "was taken back, and shop is serving" in said, said
        assert running.settings("shop").read_text() == before
    assert "it was cancelled" in running.ask("status", "shop", "--user").out
    (running.directory / "slow").unlink()
    assert running.ask("reload", "shop", "--user", "--json").said == "", "a program is told nothing but the answer"
    [level] = running.ask("log-level", "shop", "--user").out.splitlines()
    assert level == "info" and running.ask("log-level", "shop", "debug", "--user").code == 0
    assert running.ask("log-level", "shop", "--user").out == "debug\n"
    assert running.ask("log-level", "shop", "info", "--user").code == 0
    loud = running.ask("log-level", "shop", "loud", "--user")
    assert loud.code == USAGE and "debug, info, warning" in loud.said, loud
    assert running.ask("top", "shop", "--user").code == USAGE


def test_settings_are_shown_changed_and_taken_back(machine):
    assert machine.ask("get", "shop", "workers", "--user").out == "1\n"
    table = machine.ask("get", "shop", "--user").out
    assert re.search(r'^workers +1 +\S+shop\.toml:2$', table, re.M) and "threads" not in table, table
    assert "threads" in machine.ask("get", "shop", "--user", "--all").out
    unknown = machine.ask("get", "shop", "worker", "--user")
    assert unknown.code == USAGE and "did you mean `workers`?" in unknown.said, unknown
    assert machine.ask("set", "shop", "--user", "workers=3", "bind=:8001", "bind=:8002").code == 0
    assert machine.settings("shop").read_text() == 'app = "shop:app"\nworkers = 3 # one\nbind = [":8001", ":8002"]\n'
    wrong = machine.ask("set", "shop", "--user", "worker=3", "threads=0")
    assert wrong.code == USAGE and "`workers`?" in wrong.said and "between 1 and 64" in wrong.said, wrong
    assert machine.ask("set", "shop", "--user", "workers").code == USAGE
    history = json.loads(machine.ask("history", "shop", "--user", "--json").out)
    assert history[0]["current"] and history[0]["user"] == os.geteuid() and "+workers = 3" in history[0]["difference"]
    shown = machine.ask("history", "shop", "--user", "--diff").out
    assert history[0]["revision"][:12] in shown and "+workers = 3 # one" in shown, shown
    first = history[1]["revision"][:12]
    nothing = machine.ask("undo", "shop", first, "--user")
    assert nothing.code == FAILED and f"--to {first}" in nothing.said, nothing
    assert machine.ask("undo", "shop", "ffffffffffffffff", "--user").code == USAGE
    assert machine.ask("undo", "shop", history[0]["revision"][:12], "--user").code == 0
    assert machine.settings("shop").read_text() == 'app = "shop:app"\nworkers = 1 # one\n'
    # Of several changes one is taken back after the other, or all from one on, and each can be had again.
    texts = {}
    for workers in ("2", "3", "4"):
        assert machine.ask("set", "shop", "--user", f"workers={workers}").code == 0
        [current] = [one for one in json.loads(machine.ask("history", "shop", "--user", "--json").out) if one["current"]]
        texts[workers] = current["revision"][:12]
    for workers in ("3", "2", "1"):
        assert machine.ask("undo", "shop", "--user").code == 0
        assert f"workers = {workers} # one" in machine.settings("shop").read_text()
    assert machine.ask("undo", "shop", "--user").code == FAILED
    assert machine.ask("undo", "shop", "--user", "--to", texts["4"]).code == 0
    assert "workers = 4 # one" in machine.settings("shop").read_text()
    assert machine.ask("undo", "shop", "--user", texts["3"]).code == 0
    assert "workers = 2 # one" in machine.settings("shop").read_text()
    assert machine.ask("set", "shop", "--user", "--unset", "workers").code == 0
    assert machine.settings("shop").read_text() == 'app = "shop:app"\n'


def test_an_edit_is_checked_before_it_is_applied_and_lost_to_nobody(machine):
    edited = machine.ask("edit", "shop", "--user", EDITOR="sed -i s/=.1/=4/")
    assert edited.code == 0 and "workers =4" in machine.settings("shop").read_text(), edited
    assert "nothing changed" in machine.ask("edit", "shop", "--user", EDITOR="true").out
    assert machine.ask("edit", "shop", "--user", EDITOR="false").code == FAILED
    before = machine.settings("shop").read_text()
    wrong = machine.ask("edit", "shop", "--user", EDITOR="sed -i s/workers/wrkers/")
    assert wrong.code == USAGE and "did you mean `workers`?" in wrong.said, wrong
    kept = Path(re.search(r"kept in (\S+)", wrong.said)[1])
    assert "wrkers" in kept.read_text() and kept.parent.stat().st_mode & 0o777 == 0o700
    assert machine.settings("shop").read_text() == before
    # Somebody else writes the file while the editor is open.
    script = machine.directory / "bin" / "meanwhile"
    script.write_text(f'#!/bin/sh\necho threads=2 >> "$1"\necho "timeout = 9" >> {machine.settings("shop")}\n')
    script.chmod(0o755)
    conflict = machine.ask("edit", "shop", "--user", VISUAL=str(script))
    assert conflict.code == TRY_AGAIN and "+timeout = 9" in conflict.said and "kept in" in conflict.said, conflict
    assert machine.settings("shop").read_text() == before + "timeout = 9\n"
    for said in (wrong.said, conflict.said):
        shutil.rmtree(Path(re.search(r"kept in (\S+)", said)[1]).parent)


def test_logs_are_lines_or_json(machine):
    shown = machine.ask("logs", "shop", "--user", "--since", "10m", "--priority", "error")
    assert shown.code == 0 and re.search(r"^\S+ \S+ python  ?first line$", shown.out, re.M), shown
    [line] = machine.ask("logs", "shop", "--user", "--json").out.splitlines()
    assert json.loads(line)["message"] == "first line"
    followed = machine.ask("logs", "shop", "--user", "-f")
    assert "followed line" in followed.out, followed
    assert machine.ask("logs", "shop", "--user", "--since", "soon").code == USAGE
    assert machine.ask("logs", "shop", "--user", "--priority", "loud").code == USAGE


def test_what_takes_systemd_says_so_and_what_is_not_there_too(machine):
    for verb in ("start", "stop", "restart", "enable", "disable", "sleep"):
        ended = machine.ask(verb, "shop", "--user")
        assert ended.code == FAILED and "systemd" in ended.said, (verb, ended)
    absent = machine.ask("start", "shoe", "--user")
    assert absent.code == UNAVAILABLE and '"shoe"' in absent.said and "hostler list" in absent.said, absent
    doctor = machine.ask("doctor", "shop", "--user")
    assert doctor.code == FAILED and "never started" in doctor.out and "hostler start shop --user" in doctor.out, doctor
    [finding] = json.loads(machine.ask("doctor", "shop", "--user", "--json").out)
    assert finding["severity"] == "bad" and finding["sentence"].startswith("shop "), finding


def test_without_a_daemon_control_sockets_are_asked(machines, serve):
    machine = machines(daemon=False)
    refused = machine.ask("list", "--user")
    assert refused.code == UNAVAILABLE and "hostlerd is not installed on the session bus" in refused.said, refused
    (machine.directory / "hostler" / "shop").mkdir()
    serve("plain:application", control_socket=f"{machine.directory}/hostler/shop/control.sock")
    status = machine.ask("status", "shop", "--user")
    assert status.code == 0 and "1 of 1 ready" in status.out, status
    listed = machine.ask("list", "--user")
    assert listed.code == 0 and re.search("^shop +serving", listed.out, re.M), listed
    assert "hostlerd is not installed" in listed.said
    refused = machine.ask("get", "shop", "--user")
    assert refused.code == UNAVAILABLE and "install Hostler's package" in refused.said, refused
    no_bus = machine.ask("get", "shop", "--user", DBUS_SESSION_BUS_ADDRESS="unix:path=/absent/bus")
    assert no_bus.code == UNAVAILABLE and "the session bus cannot be reached" in no_bus.said, no_bus


def test_another_machine_is_reached_with_ssh(machine):
    # What stands in for ssh: it says what it was given, and is the bridge.
    ssh = machine.directory / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" > {machine.directory}/ssh.words\nexec systemd-stdio-bridge -p {machine.address.split(",")[0]}\n')
    ssh.chmod(0o755)
    if not shutil.which("systemd-stdio-bridge"):
        pytest.skip("systemd-stdio-bridge is not installed")
    listed = machine.ask("list", "-H", "root@far")
    assert listed.code == 0 and "shop" in listed.out, listed
    words = (machine.directory / "ssh.words").read_text()
    assert words.startswith("-xT ") and " -- root@far exec systemd-stdio-bridge " in words, words
    # No descriptor passes.
    logs = machine.ask("logs", "shop", "-H", "root@far")
    assert logs.code == 0 and "first line" in logs.out, logs
    ssh.write_text("#!/bin/sh\necho 'ssh: far: no such host' >&2\nexit 255\n")
    refused = machine.ask("list", "-H", "far")
    assert refused.code == UNAVAILABLE and "far: its bus cannot be reached" in refused.said, refused


@pytest.mark.skipif(os.geteuid() != 0, reason="users cannot be changed")
def test_who_may_not_is_told_what_is_missing(machines):
    machine = machines(kind="system", policy=SYSTEM, words=())
    machine.settings("shop").write_text("workers = 1\n")
    binary = shutil.copy(BINARY, machine.directory / "hostler-binary")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    assert "shop" in machine.ask("list", wrapper=nobody, binary=binary).out
    refused = machine.ask("set", "shop", "workers=2", wrapper=nobody, binary=binary)
    assert refused.code == NOT_ALLOWED and "not authorized" in refused.said and "root" in refused.said, refused
    assert machine.settings("shop").read_text() == "workers = 1\n"
    # Root is not asked.
    assert machine.ask("set", "shop", "workers=2").code == 0


def test_shells_complete_verbs_and_instances(machine, tmp_path):
    (tmp_path / "hostler").mkdir()
    (tmp_path / "hostler" / "blog.toml").write_text("")
    for shell in ("bash", "zsh", "fish"):
        script = machine.ask("completion", shell)
        assert script.code == 0 and "HOSTLER_COMPLETE" in script.out, script
    assert machine.ask("completion", "tcsh").code == USAGE
    asked = {"HOSTLER_COMPLETE": "bash", "_CLAP_COMPLETE_INDEX": "2", "XDG_CONFIG_HOME": str(tmp_path)}
    assert "blog" in machine.ask("--", "hostler", "status", "b", **asked).out.split("\x0b")
    asked["_CLAP_COMPLETE_INDEX"] = "1"
    assert "history" in machine.ask("--", "hostler", "hi", **asked).out
    asked["_CLAP_COMPLETE_INDEX"] = "3"
    assert "graceful_timeout=" in machine.ask("--", "hostler", "set", "blog", "grace", **asked).out


def test_typing_mistakes_are_named(machine):
    unknown = machine.ask("set", "shop", "worker=2", "--user")
    assert unknown.code == USAGE and "hostler: unknown key `worker`" in unknown.said, "no line of the file has what was typed"
    for words, told in [
        (["scale", "shop", "x"], "it wants a whole number between 0 and 512"),
        (["recycle", "shop", "first"], "a worker is named by its number"),
        (["logs", "shop", "-n", "many"], "between 0 and 100000"),
        (["list", "-H", ""], "--host"),
        (["set", "shop", "--unset", "worker"], "did you mean `workers`?"),
        (["remove", "shop", "-H", "far", "--purge"], "for the files of this machine"),
        (["new", "shop", "-H", "far"], "--directory"),
    ]:
        ended = machine.ask(*words, *([] if "-H" in words else ["--user"]))
        assert ended.code == USAGE and told in ended.said, (words, ended)
    loud = machine.ask("log-level", "loud", "--user")
    assert loud.code == UNAVAILABLE and "debug, info, warning or error" in loud.said, loud


def test_a_daemon_that_is_stuck_is_said_to_be(machine):
    daemon = machine.processes[-1]
    daemon.send_signal(signal.SIGSTOP)
    try:
        for words in (["list"], ["status", "shop"], ["set", "shop", "workers=2"]):
            ended = machine.ask(*words, "--user")
            assert ended.code == UNAVAILABLE and "hostlerd runs and has not answered for 10 seconds" in ended.said, ended
            assert "systemctl --user restart hostlerd" in ended.said, ended
    finally:
        daemon.send_signal(signal.SIGCONT)
    assert machine.ask("list", "--user").code == 0


def test_each_answer_is_for_programs_too(running):
    def answer(*words):
        ended = running.ask(*words, "--user", "--json")
        assert ended.code == 0, ended
        return json.loads(ended.out)

    assert answer("log-level", "shop") == {"log_level": "info"}
    assert "debug" in answer("log-level", "shop", "debug")["message"]
    assert answer("log-level", "shop") == {"log_level": "debug"}
    assert [one["worker"] for one in answer("stacks", "shop")] == [0]
    assert "most recent call first" in answer("stacks", "shop", "0")["stacks"]
    running.server.log.claim("the Python stacks")
    assert "worker 0" in answer("recycle", "shop", "0")["message"]
    assert answer("scale", "shop", "1")["message"] == "shop is to have 1 worker"
    socket = ["--socket", running.directory / "hostler" / "shop" / "control.sock"]
    assert json.loads(running.ask("log-level", *socket, "--json").out) == {"log_level": "debug"}
    assert json.loads(running.ask("scale", "1", *socket, "--json").out)["message"] == "it is to have 1 worker"


def test_what_is_done_at_once_is_told_in_a_line(running):
    socket = ["--socket", running.directory / "hostler" / "shop" / "control.sock"]
    for words, told in [
        (["log-level", "shop", "debug", "--user"], "shop logs from debug on"),
        (["log-level", "info", *socket], "it logs from info on"),
        (["recycle", "shop", "0", "--user"], "worker 0 of shop is being replaced"),
        (["scale", "shop", "1", "--user"], "shop is to have 1 worker"),
        (["scale", "1", *socket], "it is to have 1 worker"),
    ]:
        ended = running.ask(*words)
        assert (ended.code, ended.out, ended.said) == (0, f"{told}\n", ""), (words, ended)


def project(machine):
    """Words that make an instance below a directory of the machine's, so that nothing of this one is touched."""
    (machine.directory / "root").mkdir(exist_ok=True)
    (machine.directory / "root/shop").mkdir(exist_ok=True)
    (machine.directory / "root/shop/app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return ["site", "--root", machine.directory / "root", "--directory", "/shop"]


OUTCOME = {"message", "took_effect", "awaits_restart"}
# What each verb is asked, the exit code, and keys of the answer: of the first where it is a list or has several lines. None: there is no
# answer, as what it takes (systemd) is not here; it is told on standard error alone.
ANSWERS = {
    "list": (lambda _: ["--user"], 0, {"name", "state", "url"}),
    "status": (lambda _: ["shop", "--user"], 0, {"overview", "instance"}),
    "workers": (lambda _: ["shop", "--user"], 0, {"place", "pid", "state"}),
    "requests": (lambda _: ["shop", "--user"], 0, set()),
    "stacks": (lambda _: ["shop", "--user"], 0, {"worker", "stacks"}),
    "top": (lambda _: ["shop", "--user", "-n", "2"], 0, {"at_us", "status", "workers"}),
    "scale": (lambda _: ["shop", "1", "--user"], 0, {"message"}),
    "recycle": (lambda _: ["shop", "0", "--user"], 0, {"message"}),
    "log-level": (lambda _: ["shop", "--user"], 0, {"log_level"}),
    "reload": (lambda _: ["shop", "--user"], 0, OUTCOME | {"generation"}),
    "rollback": (lambda _: ["shop", "--user"], FAILED, None),
    "upgrade": (lambda _: ["nobody", "--user"], UNAVAILABLE, None),
    "set": (lambda _: ["shop", "--user", "timeout=9"], 0, OUTCOME | {"revision"}),
    "get": (lambda _: ["shop", "--user"], 0, {"key", "value"}),
    "edit": (lambda _: ["shop", "--user"], 0, {"message"}),
    "history": (lambda _: ["shop", "--user"], 0, set()),
    "undo": (lambda _: ["shop", "--user"], FAILED, None),
    # It was started by hand, which is told after what the journal has.
    "logs": (lambda _: ["shop", "--user"], FAILED, {"time_us", "priority", "message"}),
    "doctor": (lambda _: ["shop", "--user"], 0, set()),
    **{verb: (lambda _: ["shop", "--user"], FAILED, None) for verb in ("start", "stop", "restart", "enable", "disable", "wake", "sleep")},
    "new": (lambda machine: [*project(machine), "--dry-run"], 0,
            {"message", "dry_run", "application", "framework", "directory", "python", "runs_as", "notes", "files", "commands"}),
    "remove": (lambda machine: ["site", "--root", project(machine)[2]], 0, {"message", "dry_run", "files", "commands"}),
    "import": (lambda _: ["--", "gunicorn", "-w", "4", "shop:app"], 0, {"settings", "notes"}),
}


def test_all_verbs_are_among_those_that_answer_programs(machine):
    lines = machine.ask("--help").out.split("Commands:")[1].split("Options:")[0].splitlines()
    verbs = {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}
    assert verbs - set(ANSWERS) == {"run", "serve", "check", "completion", "help"}


@pytest.mark.parametrize("verb", ANSWERS)
def test_a_program_is_told_the_answer_and_nothing_else(running, verb):
    words, code, keys = ANSWERS[verb]
    ended = running.ask(verb, "--json", *words(running), EDITOR="true")
    # What it logs about stacks, and about a rollback to nothing.
    running.server.log.claim("the Python stacks|no previous generation")
    assert ended.code == code, ended
    if keys is None:
        assert ended.out == "" and ended.said.startswith("hostler: "), ended
        return
    assert code or ended.said == "", ended
    try:
        answers = json.loads(ended.out)
    except json.JSONDecodeError:
        answers = [json.loads(line) for line in ended.out.splitlines()]
    first = answers[0] if isinstance(answers, list) and answers else answers
    assert keys <= set(first), first


def test_new_and_remove_tell_programs_of_each_file(machine):
    words = project(machine)

    def answer(*words):
        ended = machine.ask(*words, "--json")
        assert (ended.code, ended.said) == (0, ""), ended
        return json.loads(ended.out)

    would = answer("new", *words, "--dry-run")
    assert (would["message"], would["dry_run"]) == ("site would be written", True)
    assert (would["application"], would["framework"], would["directory"]) == ("app:app", "Flask", "/shop")
    [settings] = [file for file in would["files"] if file["path"] == "/etc/hostler/site.toml"]
    assert settings["change"] == "create" and 'app = "app:app"' in settings["content"]
    written = machine.directory / "root/etc/hostler/site.toml"
    assert not written.exists()
    done = answer("new", *words)
    assert (done["message"], done["dry_run"], done["files"]) == ("site is written", False, would["files"])
    assert written.read_text() == settings["content"]
    again = answer("new", *words)
    assert again["message"] == "nothing to write: all files of site are as they should be"
    assert {file["change"] for file in again["files"]} == {"same"}
    written.write_text(written.read_text() + "workers = 9\n")
    refused = machine.ask("new", *words, "--json")
    assert (refused.code, refused.out) == (FAILED, "") and "was changed since it was written" in refused.said
    replaced = answer("new", *words, "--force")
    [settings] = [file for file in replaced["files"] if file["path"] == "/etc/hostler/site.toml"]
    assert settings["change"] == "replace" and "workers = 9" in Path(settings["copy"]).read_text()
    remove = ["remove", "site", "--root", words[2]]
    would = answer(*remove, "--dry-run")
    assert would["message"] == "site would be removed" and {file["change"] for file in would["files"]} == {"remove"}
    assert written.exists()
    assert answer(*remove)["files"] == would["files"]
    assert not written.exists()
    assert answer(*remove)["message"] == "nothing to remove: there are no files of site"


def test_top_for_programs_goes_on_until_nobody_reads(running):
    top = running.start(BINARY, "top", "shop", "--user", "--json", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    seen = [json.loads(top.stdout.readline()) for _ in range(2)]
    assert seen[0]["at_us"] < seen[1]["at_us"]
    assert [one["status"]["configured"]["name"] for one in seen] == ["shop", "shop"]
    assert [worker["place"] for worker in seen[0]["workers"]] == [0]
    top.stdout.close()
    assert top.wait(20) == 0
    socket = running.directory / "hostler" / "shop" / "control.sock"
    alone = running.ask("top", "--socket", socket, "--json", "-n", "1")
    assert alone.code == 0 and len(alone.out.splitlines()) == 1 and set(json.loads(alone.out)) == set(seen[0]), alone
    assert "needs a terminal; with --json it does not" in running.ask("top", "--socket", socket).said


def test_a_client_that_leaves_ends_its_stream(machine):
    journalctl = machine.directory / "bin" / "journalctl"
    os.mkfifo(machine.directory / "fifo")
    journalctl.write_text(JOURNALCTL + f"case $line in followed) exec cat {machine.directory}/fifo ;; esac\n")
    client = machine.start(BINARY, "logs", "shop", "--user", "-f", stdout=subprocess.PIPE)
    assert b"first line" in client.stdout.readline() and b"followed line" in client.stdout.readline()
    client.send_signal(signal.SIGINT)
    assert client.wait(20) == -signal.SIGINT

    def reads():
        try:
            os.close(os.open(machine.directory / "fifo", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(lambda: not reads(), lambda: "nobody reads the journal any more", 20)
