"""What a keeper does around the import of the application, and what a worker does first that it forked. What happens once is written here, in Python."""

import gc
import os
import socket
import stat
import sys
import threading
import weakref


class Keeper:
    """Made before the import: what is there by then is not the application's."""

    def __init__(self, log):
        self.log = log
        self.descriptors = descriptors()

    def settle(self):
        """After the import: says what no worker will have, or all will share; and sorts the memory so that it stays shared."""
        self.warn_of_threads()
        self.warn_of_sockets()
        gc.collect()
        # The collector writes into each object that it looks at, which would copy its page in every worker.
        gc.freeze()

    def warn_of_threads(self):
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        if names:
            self.log(
                "warning",
                "the application started %s while it was imported (%s): with preload no worker has %s. Start threads in the hook post_fork "
                "(setting hooks) or with the first request, or set preload to false"
                % ("a thread" if len(names) == 1 else "%d threads" % len(names), ", ".join(names), "it" if len(names) == 1 else "them"),
                None,
            )
        native = len(os.listdir("/proc/self/task")) - 1 - len(names)
        if native > 0:
            # Numeric libraries start some of their own, and start them again after a fork.
            self.log("info", "libraries of the application started %d threads of their own, which no worker has" % native, None)

    def warn_of_sockets(self):
        for number in sorted(descriptors() - self.descriptors):
            what = describe(number)
            if what:
                self.log(
                    "warning",
                    "descriptor %d, %s, was opened while the application was imported: with preload all workers share it, and each takes what "
                    "is meant for another. Open it in the hook post_fork (setting hooks) or with the first request, or set preload to false"
                    % (number, what),
                    None,
                )


def descriptors():
    return {number for number in map(int, os.listdir("/proc/self/fd")) if is_open(number)}


def is_open(number):
    """Whether there is such a descriptor: that of the directory was among its own entries."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def describe(number):
    """What a descriptor is connected to; None where workers may share it."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return None
        with socket.socket(fileno=os.dup(number)) as found:
            # Packets are sent and received whole.
            if found.type != socket.SOCK_STREAM or found.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
                return None
            try:
                peer, here = found.getpeername(), found.getsockname()
            except OSError:
                listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                return "a socket that listens on %s" % address(found.getsockname()) if listens else None
            # Without names it is one end of a pair, as event loops have one.
            return "a connection to %s" % address(peer or here) if peer or here else None
    except OSError:
        return None


def address(name):
    if isinstance(name, tuple):
        return "[%s]:%d" % name[:2] if ":" in name[0] else "%s:%d" % name[:2]
    return os.fsdecode(name).replace("\0", "@")


def begin_worker():
    """In a worker, right after it was forked."""
    # What was made before is the keeper's to tidy, once, when it ends: a temporary directory is used by all.
    for finalizer in list(weakref.finalize._registry):
        finalizer.detach()
    # Python does this for its own generators; numpy's would be the same in all workers.
    random = sys.modules.get("numpy.random")
    if random is not None and hasattr(random, "seed"):
        random.seed()
