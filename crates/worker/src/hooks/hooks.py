"""The application's own hooks: functions of one module, by the names that gunicorn has for them."""

import os
import types

# Called where a keeper is, in this order of a server's life.
OF_KEEPER = ("on_starting", "on_reload", "when_ready", "pre_fork", "child_exit", "on_exit")
OF_WORKER = ("post_fork", "post_worker_init", "worker_exit")
NEVER = {
    "worker_int": "workers are not interrupted: worker_exit tells of their end",
    "worker_abort": "a request that runs too long is told in the log with the stacks of its worker",
    "pre_request": "write a middleware of WSGI or ASGI",
    "post_request": "write a middleware of WSGI or ASGI",
    "pre_exec": "the server is not replaced by another process",
    "nworkers_changed": "the log says it",
    "ssl_context": "a proxy in front speaks TLS",
}


class Log:
    """Writes to the server's error log, with the methods of a logger."""

    def __init__(self, record):
        self._record = record

    def log(self, level, message, *args, exc_info=None, **_):
        text = str(message)
        if args:
            # As logging does it: one mapping is for names.
            text = text % (args[0] if len(args) == 1 and isinstance(args[0], dict) else args)
        severity = "error" if level >= 40 else "warning" if level >= 30 else "info"
        if level >= 20:
            self._record(severity, text, self._error(exc_info))

    def _error(self, exc_info):
        import sys

        if not exc_info:
            return None
        if isinstance(exc_info, BaseException):
            return exc_info
        return exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]

    def debug(self, message, *args, **options):
        self.log(10, message, *args, **options)

    def info(self, message, *args, **options):
        self.log(20, message, *args, **options)

    def warning(self, message, *args, **options):
        self.log(30, message, *args, **options)

    warn = warning

    def error(self, message, *args, **options):
        self.log(40, message, *args, **options)

    def critical(self, message, *args, **options):
        self.log(50, message, *args, **options)

    def exception(self, message, *args, exc_info=True, **options):
        self.log(40, message, *args, exc_info=exc_info, **options)


class Known:
    """An object with a few attributes, that says which when it is asked for another."""

    def __init__(self, **known):
        self.__dict__.update(known)

    def __getattr__(self, name):
        raise AttributeError(
            "Hostler's %s object for hooks has no %r; it has %s" % (type(self).__name__.lower(), name, ", ".join(sorted(self.__dict__)))
        )


class Server(Known):
    """What hooks get as `server`: `pid` (of the server), `log`, `cfg`."""


class Worker(Known):
    """What hooks get as `worker`: `pid` (None before it is forked), `ppid`, `age`, `number` (its place, from 0), `log`, `cfg`."""

    def __repr__(self):
        return "<Worker %s>" % self.pid


class Hooks:
    """The hooks of a module; `module` is None where there is none."""

    def __init__(self, module, name, record, keeper, configuration):
        self.module = module
        self.name = name
        self.keeper = keeper
        self.log = Log(record)
        self.configuration = types.SimpleNamespace(**configuration)
        self.here = None

    def warn(self):
        """Names what is never called."""
        for name, instead in NEVER.items():
            if self.find(name):
                self.log.warning("the hook %s of %s is never called: %s", name, self.name, instead)
        lost = [name for name in OF_KEEPER if self.find(name)]
        if lost and not self.keeper:
            self.log.warning("without preload there is no process to call %s of %s: set preload, or do without", ", ".join(lost), self.name)

    def find(self, name):
        found = getattr(self.module, name, None)
        return found if callable(found) else None

    def server(self):
        pid = os.getppid()
        return Server(pid=pid, log=self.log, cfg=self.configuration)

    def worker(self, number, age, pid):
        ppid = os.getppid()
        return Worker(pid=pid, ppid=ppid, age=age, number=number, log=self.log, cfg=self.configuration)

    def begin(self, number, age):
        """In a worker: what `worker` is from now on."""
        self.here = self.worker(number, age, os.getpid())

    def notice(self, name):
        self.call(name, self.server)

    def pre_fork(self, number, age):
        self.call("pre_fork", self.server, lambda: self.worker(number, age, None))

    def child_exit(self, number, pid, age):
        self.call("child_exit", self.server, lambda: self.worker(number, age, pid))

    def post_fork(self):
        self.call("post_fork", self.server, lambda: self.here)

    def post_worker_init(self):
        self.call("post_worker_init", lambda: self.here)

    def worker_exit(self):
        self.call("worker_exit", self.server, lambda: self.here)

    def call(self, name, *arguments):
        hook = self.find(name)
        if hook is not None:
            hook(*(argument() for argument in arguments))
