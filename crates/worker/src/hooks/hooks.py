"""The application's own hooks: functions of one module, by the names that gunicorn has for them."""

import inspect
import os
import signal
import sys
import types

# Called where a keeper is, in this order of a server's life.
OF_KEEPER = ("on_starting", "on_reload", "when_ready", "pre_fork", "child_exit", "on_exit")
OF_WORKER = ("post_fork", "post_worker_init", "worker_int", "worker_abort", "worker_exit")
OF_REQUESTS = ("pre_request", "post_request")
NEVER = {
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


class Request:
    """What `pre_request` and `post_request` get as `req`: what a request asked for, by gunicorn's names."""

    fragment = ""

    def __init__(self, environ):
        self._environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.uri = environ["RAW_URI"]
        self.path, _, self.query = self.uri.partition("?")
        self.scheme = environ["wsgi.url_scheme"]
        self.version = (1, 0) if environ["SERVER_PROTOCOL"] == "HTTP/1.0" else (1, 1)
        self.remote_addr = (environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT", 0))) if environ["REMOTE_ADDR"] else ""

    @property
    def headers(self):
        """Names in capital letters and values, as they stand in `environ`."""
        return [
            (key.removeprefix("HTTP_").replace("_", "-"), value)
            for key, value in self._environ.items()
            if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        ]

    def __getattr__(self, name):
        known = "fragment, headers, method, path, query, remote_addr, scheme, uri, version"
        raise AttributeError(f"Hostler's request object for hooks has no {name!r}; it has {known}")


class Response(Known):
    """What `post_request` gets as `resp`: `status`, `status_code`, `headers`, `sent` (bytes of the body that the application gave)."""


def most_positional(function, most):
    """How many positional arguments a function takes, up to `most`."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return most
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(most, sum(parameter.kind in kinds for parameter in parameters))


class Hooks:
    """The hooks of a module; `module` is None where there is none."""

    def __init__(self, module, name, record, keeper, configuration):
        self.module = module
        self.name = name
        self.keeper = keeper
        self.log = Log(record)
        self.configuration = types.SimpleNamespace(**configuration)
        self.here = None
        self.arity = 4

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

    def listen(self):
        """In a worker, from now on: signals that gunicorn's workers hear. What they do beside the hook stays as it is."""
        if self.find("worker_int"):
            # The main thread's handler; a terminal's Ctrl-C alone ends no worker, the server decides.
            signal.signal(signal.SIGINT, lambda *_: self.interrupted())
            signal.signal(signal.SIGQUIT, self.quit)

    def quit(self, *_):
        self.interrupted()
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGQUIT)

    def interrupted(self):
        self.call_logged("worker_int")

    def abort(self):
        """Calls `worker_abort`; None where there is none."""
        return (lambda: self.call_logged("worker_abort")) if self.find("worker_abort") else None

    def call_logged(self, name):
        try:
            self.call(name, lambda: self.here)
        except BaseException as error:
            # What it raises must not end the code that it came between, not even SystemExit.
            self.log.error("the hook %s of %s failed: %s: %s", name, self.name, type(error).__name__, error, exc_info=error)

    def has_some_for_requests(self):
        found = self.find("post_request")
        if found:
            # As gunicorn has it: (worker, req), (worker, req, environ) or (worker, req, environ, resp).
            self.arity = most_positional(found, 4)
        return any(map(self.find, OF_REQUESTS))

    def warn_of_asgi(self):
        for name in filter(self.find, OF_REQUESTS):
            self.log.warning("the hook %s of %s is not called for an ASGI application: write a middleware", name, self.name)

    def request(self, environ):
        return Request(environ)

    def pre_request(self, request):
        self.call("pre_request", lambda: self.here, lambda: request)

    def post_request(self, request, environ, code, reason, headers, sent):
        hook = self.find("post_request")
        if hook is not None:
            status = f"{code} {reason}" if code else None
            response = Response(status=status, status_code=code or None, headers=headers, sent=sent)
            hook(*(self.here, request, environ, response)[: self.arity])

    def call(self, name, *arguments):
        hook = self.find(name)
        if hook is not None:
            hook(*(argument() for argument in arguments))
