"""What /proc says about a server: its processes, descriptors and listening sockets."""

import os
import re
import socket
from pathlib import Path

PROC = Path("/proc")
TCP_LISTEN = "0A"


def marked(marker):
    """The ids of all live processes whose initial environment holds `marker`: a server's descendants, wherever they moved to."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def children(pid):
    """The ids of the direct children of `pid`, zombies included."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def parent(pid):
    """The id of the parent of `pid`, or None when it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def state(pid):
    """The state letter of `pid` (proc(5)), or None when it is gone."""
    fields = _stat(pid)
    return fields[0] if fields else None


def command_line(pid):
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def resident_bytes(pid):
    """The memory of `pid` that is in RAM, 0 when it is gone. Pages that it shares with others count as well."""
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def descriptors(pid):
    """The open descriptors of `pid`: number to what it points at."""
    found = {}
    directory = PROC / str(pid) / "fd"
    for name in os.listdir(directory):
        try:
            found[int(name)] = os.readlink(directory / name)
        except FileNotFoundError:
            continue
    return found


def at_rest(pid):
    """Whether every thread of `pid` waits for something: none runs, or would if it had a processor."""
    try:
        states = [(path / "stat").read_text().rpartition(")")[2].split()[0] for path in (PROC / str(pid) / "task").iterdir()]
    except OSError:
        return False
    return set(states) == {"S"}


def threads(pid, prefix=""):
    """The names of the threads of `pid` that begin with `prefix`; none when it is gone."""
    names = []
    for path in (PROC / str(pid) / "task").glob("*/comm"):
        try:
            names.append(path.read_text().strip())
        except OSError:
            continue
    return [name for name in names if name.startswith(prefix)]


def listening(pid):
    """The TCP addresses `pid` listens on, as a set of (family, host, port)."""
    inodes = {match[1] for target in descriptors(pid).values() if (match := re.fullmatch(r"socket:\[(\d+)\]", target))}
    found = set()
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == TCP_LISTEN and fields[9] in inodes:
                found.add((family, *_address(family, fields[1])))
    return found


def _stat(pid):
    """The fields of /proc/PID/stat after the command, the state first; None when the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _address(family, text):
    """Decodes an address of /proc/net/tcp: 32-bit words in host order."""
    host, port = text.split(":")
    words = [bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8)]
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)
