"""The tables of a data directory that has none yet, or has those of an earlier version: as a service of systemd it is new, and nobody but
the service may write there."""

import fcntl

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def make_missing():
    """Several workers start at once: the first makes them, the others wait for that."""
    with open(settings.DATA_DIR / "tables.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
    # Workers may be forked from this process, and each opens its own.
    connection.close()
