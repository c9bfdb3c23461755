"""A throw-away system of Debian, booted by systemd as its first process, with the tree installed as a package would.

It runs in namespaces of its own (systemd-nspawn), on an overlay in memory above a root that `cargo xtask test systemd` made, and with
a network that holds nothing but its loopback. When its processes are gone, nothing is left of it.
"""

import ctypes
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from deadline import wait_until

BOOT_SECONDS = 90
RUN_SECONDS = 120
CLONE_NEWNET = 0x4000_0000

UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
# What it runs: the mounts go with the mount namespace. $1 the root, $2 the installed tree, $3 an empty directory, $4 the file by
# which to join a control group, or nothing; then what boots.
BOOT = """
mount -t tmpfs -o mode=0755 tmpfs "$3"
mkdir "$3/upper" "$3/work" "$3/root"
mount -t overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" overlay "$3/root"
cp --recursive --preserve=mode "$2/." "$3/root/"
[ -z "$4" ] || echo $$ > "$4"
shift 4
exec "$@"
"""


class Machine:
    """One booted system; ready when the constructor returns."""

    def __init__(self, release, root, tree, directory):
        self.release = release
        self.directory = Path(directory)
        self.name = f"hostler-test-{release}-{os.getpid()}"
        self.group = None if manages_groups() else make_group(self.name)
        self.console = self.directory / "console.log"
        mounts = self.directory / "mounts"
        mounts.mkdir()
        nspawn = ["systemd-nspawn", "--quiet", "--directory", mounts / "root", "--machine", self.name, "--boot"]
        nspawn += ["--register=no", "--private-network", "--console=pipe", "--link-journal=no", "--resolv-conf=off"]
        nspawn += ["--settings=no", *(["--keep-unit"] if self.group else [])]
        boot = ["sh", "-eu", "-c", BOOT, "sh", root, tree, mounts, self.group / "cgroup.procs" if self.group else ""]
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                # The system outlives nspawn, and nothing outlives the first process of the namespace that is around both. Should
                # these tests be killed, `unshare` goes, and takes that one along.
                ["setpriv", "--pdeathsig", "KILL", *UNSHARE, *boot, *nspawn],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        try:
            self.leader = wait_until(self._find_leader, self._told, BOOT_SECONDS)
            wait_until(self.path("/run/systemd/private").exists, self._told, BOOT_SECONDS)
            state = self.run("systemctl", "is-system-running", "--wait", check=False, seconds=BOOT_SECONDS).strip()
            assert state == "running", f"{state}: {self.run('systemctl', '--failed', '--plain', '--no-legend')}"
            self.run("systemd-sysusers")
        except BaseException:
            self.stop()
            raise

    def _find_leader(self):
        """The first process of the system, by its number out here."""
        assert self.process.poll() is None, self._told()
        for nspawn in children(self.process.pid):
            for pid in children(nspawn):
                # Before it is systemd it is nspawn, still at its mounts.
                if read(f"/proc/{pid}/comm").strip() == "systemd" and namespace_pids(pid)[-1:] == [1]:
                    return pid
        return None

    def _told(self):
        return f"the system boots; its console says:\n{read(self.console)[-4000:]}"

    def stop(self):
        """Ends it as a power cut does."""
        self.process.kill()
        self.process.wait()
        if self.group:
            wait_until(lambda: remove_group(self.group), f"{self.group} is empty")

    # Commands

    def run(self, *command, check=True, user=None, seconds=RUN_SECONDS, stdin=""):
        """Runs a command as root, or as another user with a session's environment; returns its output, errors included."""
        result = self.result(*command, user=user, seconds=seconds, stdin=stdin)
        assert not check or result.returncode == 0, (
            f"{shlex.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}"
        )
        return result.stdout

    def result(self, *command, user=None, seconds=RUN_SECONDS, stdin=""):
        """The same with the exit code, which may be any."""
        with self.start(*command, user=user) as process:
            try:
                output, _ = process.communicate(stdin, seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                raise AssertionError(f"{command} still runs after {seconds} s:\n{output}") from None
        return subprocess.CompletedProcess(command, process.returncode, output)

    def start(self, *command, user=None):
        """Starts a command, and does not wait for it."""
        enter = ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        enter += [f"--root=/proc/{self.leader}/root", f"--wd=/proc/{self.leader}/root"]
        enter += ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"]
        if user:
            number = self.user_number(user)
            runtime = f"/run/user/{number}"
            enter += [f"HOME=/home/{user}", f"XDG_RUNTIME_DIR={runtime}", f"USER={user}"]
            enter += ["setpriv", f"--reuid={number}", f"--regid={number}", "--init-groups"]
        return subprocess.Popen(
            [*enter, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", *arguments, **options)

    def show(self, unit, name, user=None):
        """One property of a unit, as systemctl(1) prints it."""
        scope = ["--user"] if user else []
        return self.run("systemctl", *scope, "show", "--value", "--property", name, unit, user=user).strip()

    def journal(self, *matches):
        """The entries of the journal that match (`FIELD=value`, or options of journalctl(1)), oldest first, as dictionaries."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--output=json", "--all", "--quiet", "--no-pager", *matches).splitlines()
        return [json.loads(line) for line in lines]

    def cursor(self):
        """Where the journal ends now: `journal("--after-cursor", cursor)` has what came later."""
        return self.run("journalctl", "--lines=0", "--show-cursor").split("-- cursor: ")[1].strip()

    def user_number(self, user):
        users = (line.split(":") for line in self.path("/etc/passwd").read_text().splitlines())
        return next(int(fields[2]) for fields in users if fields[0] == user)

    def add_user(self, user):
        """A user with a home and, from now on, a manager of services."""
        self.run("useradd", "--create-home", "--shell=/bin/sh", user)
        self.path("/var/lib/systemd/linger").mkdir(exist_ok=True)
        self.write(f"/var/lib/systemd/linger/{user}", "")
        self.systemctl("start", f"user@{self.user_number(user)}.service")

    # Files and sockets

    def path(self, path):
        """A path of the system's, as it is seen out here. An absolute symbolic link on it would lead to our own files."""
        return Path(f"/proc/{self.leader}/root{path}")

    def write(self, path, text, mode=0o644):
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def push(self, source, path):
        """Copies a file, or a directory without what Python compiled, to a path that is not there yet."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    def remove(self, *paths):
        for path in map(self.path, paths):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def tcp_socket(self, timeout=60):
        """A socket of the system's network, to be connected to its loopback."""
        made = []
        # Only the thread itself enters the other network; the socket stays there.
        thread = threading.Thread(target=lambda: made.append(self._tcp_socket()))
        thread.start()
        thread.join()
        made[0].settimeout(timeout)
        return made[0]

    def _tcp_socket(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{self.leader}/ns/net", "rb") as network:
            if libc.setns(network.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter the system's network")
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def host_pid(self, pid):
        """A process of the system's, by its number out here."""
        inside = os.stat(f"/proc/{self.leader}/ns/pid").st_ino
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                numbers = namespace_pids(entry)
                if numbers[-1:] == [pid] and inode(f"/proc/{entry}/ns/pid") == inside:
                    return int(entry)
        raise AssertionError(f"the system has no process {pid}")

    def kill(self, pid, number=signal.SIGKILL):
        os.kill(self.host_pid(pid), number)


def manages_groups():
    """Whether systemd runs out here, too, and gives the system a control group itself."""
    return Path("/run/systemd/system").is_dir()


def groups():
    """Where the control groups of version 2 are mounted, or None."""
    mounts = (line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)


def make_group(name):
    mounted = groups()
    assert mounted, "no control groups of version 2 are mounted: systemd cannot boot"
    group = mounted / name
    group.mkdir()
    return group


def remove_group(group):
    """Removes the group with those below it; false while processes are in them."""
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)
    except OSError:
        return False
    return True


def children(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def namespace_pids(pid):
    """The numbers of a process, ours first, then those in the namespaces that it is in."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return [int(number) for number in line.split()[1:]]
    return []


def inode(path):
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def read(path):
    """The text of a file; nothing if it is gone, as files of processes may be at any time."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
