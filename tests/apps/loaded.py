"""Says which extension its process has loaded, and what a process that it starts inherits from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gate
from routes import Routes, respond

gate.note("imports", os.getpid())
# A descriptor that is gone when it is looked at is that of the listing.
LIST = "import os; print([n for n in map(int, os.listdir('/proc/self/fd')) if os.path.exists(f'/proc/self/fd/{n}')])"

application = Routes()


@application.add
def extension(environ, start_response):
    """What Python calls it, and what the system says is mapped, as /proc/PID/maps has it."""
    maps = [line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    found = {
        "pid": os.getpid(),
        "name": sys.modules["_hostler"].__file__,
        "mapped": sorted({name for name in maps if "_hostler" in name}),
    }
    return respond(start_response, json.dumps(found))


@application.add
def inherited(environ, start_response):
    """The descriptors of a process that was started with all that is not close-on-exec."""
    child = subprocess.run([sys.executable, "-I", "-c", LIST], close_fds=False, stdout=subprocess.PIPE, check=True)
    return respond(start_response, child.stdout)
