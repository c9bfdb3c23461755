"""The small application of these tests: says who answers, waits, logs, fails and takes memory."""

import json
import logging
import mmap
import os
import socket
import time
from pathlib import Path
from urllib.parse import parse_qs

# Read when the application is imported: a generation keeps its own.
VERSION = Path(__file__).with_name("version.txt").read_text()
if VERSION == "broken":
    raise RuntimeError("this version is broken")

logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger("shop")
kept = []


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    answer = ANSWERS[environ["PATH_INFO"]](query).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def version(query):
    return VERSION


def who(query):
    """The worker, its server, and what the latter gave it."""
    group = Path("/proc/self/cgroup").read_text().strip().split("::")[1]
    return json.dumps({"pid": os.getpid(), "server": os.getppid(), "group": group, "environment": dict(os.environ)})


def wait(query):
    """So many seconds, or with `until`, until that file is there."""
    if "until" in query:
        pass_gate(query["until"])
    else:
        time.sleep(float(query["seconds"]))
    return "waited"


def pass_gate(path):
    while not Path(path).exists():
        time.sleep(0.01)


def warn(query):
    log.warning("careful: %s", query["text"])
    return "warned"


def fail(query):
    """With `until`, once that file is there."""
    if "until" in query:
        log.info("waits: %s", query["text"])
        pass_gate(query["until"])
    raise LookupError(f"no such thing: {query['text']}")


def take(query):
    """Takes memory and keeps it."""
    kept.append(bytearray(os.urandom(1 << 20)) * int(query["mib"]))
    return "taken"


def write(query):
    """Tries to write a file; says what came of it."""
    try:
        Path(query["path"]).write_text("written")
    except OSError as fault:
        return type(fault).__name__
    return "written"


def attempt(query):
    """Tries one thing; says what came of it."""
    try:
        return ATTEMPTS[query["what"]]() or "done"
    except OSError as fault:
        return type(fault).__name__


def set_affinity():
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return f"{mask:04o}"


def owner():
    return "nobody" if os.stat("/srv/shop/foreign").st_uid == 65534 else "somebody"


ATTEMPTS = {
    # Memory for code that is written and run.
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "meminfo": lambda: Path("/proc/meminfo").read_text() and None,
    "interfaces": lambda: socket.if_nameindex() and None,
    "affinity": set_affinity,
    "home": lambda: Path("/home/ada/file").read_text(),
    # The first process is another user's.
    "processes": lambda: os.stat("/proc/1/stat") and None,
    "owner": owner,
    "umask": umask,
}


def secret(query):
    """What systemd handed over for this instance alone (systemd.exec(5), LoadCredential=)."""
    return Path(os.environ["CREDENTIALS_DIRECTORY"], query["name"]).read_text()


def reach(query):
    """Tries to open a connection to the address; says what came of it."""
    try:
        socket.create_connection((query["host"], int(query["port"])), 5).close()
    except OSError as fault:
        return type(fault).__name__
    return "reached"


ANSWERS = {
    "/": version,
    "/who": who,
    "/wait": wait,
    "/warn": warn,
    "/fail": fail,
    "/take": take,
    "/write": write,
    "/reach": reach,
    "/secret": secret,
    "/try": attempt,
}
