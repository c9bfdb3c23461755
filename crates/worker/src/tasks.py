"""The tasks of an event loop as text: where each waits, and for which request. Read by people, so it is short before it is complete."""

import asyncio
import threading

# The innermost frames that are shown of a task, and how many awaits are followed to find them.
FRAMES = 6
DEPTH = 200
# The tasks that are named of those that wait in the same place.
TOGETHER = 3


def describe(loop, requests, most, room, patience):
    """All tasks of `loop`, at most `most`, in about `room` characters. `requests` names the requests that tasks serve, by the tasks' ids.

    Called outside the loop's thread. The loop itself is asked, and given `patience` seconds; one that does not turn is looked at from here.
    """
    if patience > 0:
        found = []
        done = threading.Event()

        def collect():
            found.append(text(loop, requests, most, room))
            done.set()

        try:
            loop.call_soon_threadsafe(collect)
        except RuntimeError:
            return "the event loop is closed"
        if done.wait(patience):
            return found[0]
    return text(loop, requests, most, room)


def text(loop, requests, most, room):
    tasks = list(asyncio.all_tasks(loop))
    current = asyncio.current_task(loop)
    tasks.sort(key=lambda task: (task is not current, task.get_name()))
    # Tasks that wait in the same place are told together: a loop may have thousands.
    places = {}
    for task in tasks[:most]:
        places.setdefault(tuple(where(task)), []).append(head(task, task is current, requests.get(id(task))))
    parts = ["Tasks of the event loop: %d (innermost frame first)" % len(tasks)]
    length = shown = 0
    for lines, heads in places.items():
        more = ["… and %d more in the same place" % (len(heads) - TOGETHER)] if len(heads) > TOGETHER else []
        part = "\n".join([*heads[:TOGETHER], *more, *lines])
        length += len(part) + 2
        if length > room:
            break
        shown += len(heads)
        parts.append(part)
    if shown < len(tasks):
        parts.append("… and %d more tasks" % (len(tasks) - shown))
    return "\n\n".join(parts)


def head(task, running, request):
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    line = "Task %s (%s)" % (task.get_name(), name)
    if request:
        line += ", serving %s" % request
    return line + ", running" if running else line


def where(task):
    """The innermost frames of a task, one a line."""
    coroutine = task.get_coro()
    frames = []
    for _ in range(DEPTH):
        if coroutine is None:
            break
        frame, coroutine = inside(coroutine)
        if frame is not None:
            frames.append(frame)
    for frame in frames[: -FRAMES - 1 : -1]:
        yield '  File "%s", line %s in %s' % (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    if len(frames) > FRAMES:
        yield "  … %d frames further out" % (len(frames) - FRAMES)


def inside(awaitable):
    """The frame of a coroutine or generator, and what it waits for in turn."""
    for prefix, waits in (("cr_", "cr_await"), ("gi_", "gi_yieldfrom"), ("ag_", "ag_await")):
        frame = getattr(awaitable, prefix + "frame", None)
        if frame is not None:
            return frame, getattr(awaitable, waits, None)
    return None, None
