"""The event loop of a worker: which one it is, the lifespan protocol, and its end. What happens once in a worker's life is written here, in Python."""

import asyncio
import weakref

# How long tasks that were cancelled at the end may take to clean up, in seconds.
LAST_MOMENT = 5
# How long tasks that requests left running are waited for when the server stops or is reloaded, in seconds: nobody promised them anything.
# (uvicorn cancels them at once.) A worker that is replaced alone has all of graceful_timeout, as nobody waits for its end.
STRAY_TASKS = 2


class StartupFailed(Exception):
    """The application cannot be served; the message says why."""


def new_event_loop(kind):
    """A new loop, set as the thread's current one, and its name."""
    loop = None
    if kind != "asyncio":
        try:
            import uvloop
        except ImportError:
            if kind == "uvloop":
                raise StartupFailed(
                    "loop is uvloop, but the application's Python environment has no uvloop: install it there, or set loop to auto"
                ) from None
        else:
            loop, kind = uvloop.new_event_loop(), "uvloop"
    if loop is None:
        loop, kind = asyncio.new_event_loop(), "asyncio"
    asyncio.set_event_loop(loop)
    return loop, kind


class Lifespan:
    """One run of the application with a scope of type lifespan (ASGI specification, "Lifespan Protocol")."""

    def __init__(self, application, mode, log):
        self.application = application
        self.mode = mode
        self.log = log
        self.state = {}
        self.supported = mode != "off"
        self.events = asyncio.Queue()
        self.answered = asyncio.Event()
        self.failure = None
        self.task = None

    async def startup(self):
        """Runs the application's startup; raises StartupFailed when it must not be served."""
        if not self.supported:
            return
        self.task = asyncio.get_running_loop().create_task(self.run(), name="lifespan")
        await self.ask("lifespan.startup")
        if self.failure is not None:
            raise StartupFailed(self.failure)

    async def shutdown(self):
        """Runs the application's shutdown; what goes wrong in it is logged."""
        if not self.supported or self.task is None or self.task.done():
            return
        await self.ask("lifespan.shutdown")
        if self.failure is not None:
            self.log("error", "the application's shutdown failed: %s" % self.failure, None)
        elif not self.task.done():
            # It may clean up after its last word.
            await asyncio.wait({self.task}, timeout=LAST_MOMENT)

    async def ask(self, event):
        self.failure = None
        self.answered.clear()
        self.asked = event
        self.events.put_nowait({"type": event})
        await self.answered.wait()

    async def run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.application(scope, self.receive, self.send)
        except BaseException as error:
            self.ended(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self.ended(None)
        finally:
            self.answered.set()

    def ended(self, error):
        """The application returned from the lifespan scope, or raised; unexpected while it was still asked something."""
        if self.answered.is_set():
            if error is not None and not isinstance(error, asyncio.CancelledError):
                self.log("error", "the application's lifespan task failed after its startup: %r" % error, error)
            return
        startup = self.asked == "lifespan.startup"
        if startup and self.mode == "auto":
            self.supported = False
            if error is not None and self.events.empty():
                # It took the event, so it knows of lifespan: this is hardly what was meant.
                self.log("warning", "the application failed at its startup, and is served without it: %r" % error, error)
        elif error is not None:
            self.failure = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
            if not isinstance(error, asyncio.CancelledError):
                self.log("error", "the application's lifespan failed: %r" % error, error)
        elif startup:
            self.failure = "it returned without a word to lifespan.startup, and lifespan is on"

    async def receive(self):
        return await self.events.get()

    async def send(self, event):
        kind = event["type"]
        if kind not in (self.asked + ".complete", self.asked + ".failed"):
            raise RuntimeError("%r is no answer to %s" % (kind, self.asked))
        if self.answered.is_set():
            raise RuntimeError("%r came after %s was answered" % (kind, self.asked))
        if kind.endswith(".failed"):
            self.failure = event.get("message") or "it sent %s without a message" % kind
        self.answered.set()


async def serve(stopped):
    """The task that everything runs beneath."""
    await stopped


def standing(loop):
    """The tasks that are not of any request: what the application started with, and the loop's own."""
    return weakref.WeakSet(asyncio.all_tasks(loop))


def describe(task):
    """The name of a task, and of what it runs."""
    coroutine = task.get_coro()
    return "%s (%s)" % (task.get_name(), getattr(coroutine, "__qualname__", type(coroutine).__name__))


def finish(loop, lifespan, before, patience, awaited):
    """Ends the loop after its last request: what requests left running, lifespan, what is left then, generators, threads."""
    try:
        left = {task for task in asyncio.all_tasks(loop) if task not in before}
        if left:
            # The last tenth, or second, of graceful_timeout is the lifespan's.
            limit = max(patience - 1, patience * 0.9)
            wait = asyncio.wait(left, timeout=min(STRAY_TASKS, limit) if awaited else limit)
            _, left = loop.run_until_complete(wait)
        for task in left:
            lifespan.log("warning", "a task outlived its request, and the time for such tasks: %s is cancelled" % describe(task), None)
            task.cancel()
        loop.run_until_complete(lifespan.shutdown())
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LAST_MOMENT))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
