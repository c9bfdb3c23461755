"""Runs a command on a terminal of its own, and types a password whenever it is asked for one; tells how often that was.

    answering.py PASSWORD COMMAND…

It runs on the machine under test."""

import os
import pty
import sys
import termios
import time


def hides(terminal):
    """Whether what is typed is shown no more: what was typed before is thrown away."""
    return not termios.tcgetattr(terminal)[3] & termios.ECHO


def answered(password, command):
    """How often a password was asked for, how the command ended, and what it said after the last."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    said, asked = "", 0
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            # So a terminal says that nobody has it open any more.
            break
        said += more.decode(errors="replace")
        if "Password:" in said:
            while not hides(terminal):
                time.sleep(0.01)
            asked, said = asked + 1, ""
            os.write(terminal, f"{password}\n".encode())
    return asked, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


if __name__ == "__main__":
    asked, code, said = answered(sys.argv[1], sys.argv[2:])
    print(f"asked {asked} times, ended {code}: {said}")
