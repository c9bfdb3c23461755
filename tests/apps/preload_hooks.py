"""Hooks that note what they were called with; one of them fails where $FAILING_HOOK names it."""

import os

import gate

FAILING = os.environ.get("FAILING_HOOK")


def hook(name):
    def call(*arguments):
        *server, last = arguments
        worker = last if type(last).__name__ == "Worker" else None
        arguments[0].log.debug("not told")
        gate.note("hooks", f"{name} {os.getpid()} {worker.age if worker else '-'} {worker.pid if worker else '-'}")
        if name == FAILING:
            raise ValueError(f"{name} does not want to")

    return call


for _name in (
    "on_starting on_reload when_ready pre_fork child_exit on_exit post_fork post_worker_init worker_exit".split()
):
    globals()[_name] = hook(_name)

if os.environ.get("HOOKS_OF_GUNICORN"):

    def pre_exec(server):
        raise AssertionError("never called")

    def nworkers_changed(server, new, old):
        raise AssertionError("never called")
