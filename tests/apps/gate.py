"""How an application under test and its test wait for each other: files in the directory both know."""

import os
import time
from pathlib import Path

DIRECTORY = Path(os.environ["E2E_DIRECTORY"])
DEADLINE_SECONDS = 30


def wait(key):
    """Blocks until the test opens the gate."""
    path = DIRECTORY / f"{key}.gate"
    end = time.monotonic() + DEADLINE_SECONDS
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody opened the gate {key}")
        time.sleep(0.002)


def note(key, text=""):
    """Appends a line that the test can wait for."""
    line = (str(text).replace("\n", "\\n") + "\n").encode()
    file = os.open(DIRECTORY / f"{key}.note", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
