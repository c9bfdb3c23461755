"""The error log of a server: read line by line as it is written, cut into records, and claimed by tests.

A record is `2026-11-21T04:00:00.000Z [PID] LEVEL message key=value`; lines indented below it (a traceback) belong to it.
A test claims the warnings and errors it provokes; one that nobody claims fails the test.
"""

import re
import threading
from dataclasses import dataclass, field

from deadline import DEFAULT_SECONDS

HEAD = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \[(\d+)\] ([A-Z]+) +(.*)$")
STRAY = "STRAY"
QUIET_LEVELS = {"INFO", "DEBUG", "TRACE"}


@dataclass
class Record:
    """One entry: `detail` holds the lines below the first, without their indentation's common part removed."""

    level: str
    message: str
    pid: int | None = None
    detail: list[str] = field(default_factory=list)
    claimed: bool = False

    @property
    def text(self):
        return "\n".join([self.message, *self.detail])

    def __str__(self):
        return f"{self.level} {self.text}"


class Stream:
    """The lines of a pipe, read by a thread of its own until the other end closes."""

    def __init__(self, pipe):
        self.lines = []
        self.changed = threading.Condition()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        with self._pipe:
            for line in self._pipe:
                with self.changed:
                    self.add(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self.changed.notify_all()

    def add(self, line):
        """Takes one line; called with the lock held."""
        self.lines.append(line)

    def join(self):
        """Waits until the pipe's other end is closed by everybody who had it."""
        self._thread.join(DEFAULT_SECONDS)
        assert not self._thread.is_alive(), "somebody still holds the server's output open"

    def wait(self, predicate, what, seconds=DEFAULT_SECONDS):
        """Returns the first true value of `predicate()`, evaluated whenever a line arrives."""
        with self.changed:
            value = None

            def check():
                nonlocal value
                value = predicate()
                return value

            if not self.changed.wait_for(check, seconds):
                raise AssertionError(f"not within {seconds} s: {what}; so far:\n" + "\n".join(self.lines[-60:]))
            return value

    def wait_line(self, pattern, seconds=DEFAULT_SECONDS):
        """The match of the first line in which the pattern is found."""
        return self.wait(
            lambda: next((m for line in self.lines if (m := re.search(pattern, line))), None),
            f"a line matching {pattern!r}",
            seconds,
        )


class ErrorLog(Stream):
    """The stream of records."""

    def __init__(self, pipe):
        self.records = []
        self.allowed = []
        super().__init__(pipe)

    def add(self, line):
        super().add(line)
        if head := HEAD.match(line):
            self.records.append(Record(level=head[3], message=head[4], pid=int(head[2])))
        elif line.startswith((" ", "\t")) and self.records:
            self.records[-1].detail.append(line)
        else:
            # Not in the shape of the log: a panic, or something a worker wrote past its log.
            self.records.append(Record(level=STRAY, message=line))

    def expect(self, pattern, level=None, detail=None, seconds=DEFAULT_SECONDS):
        """Waits for a record whose message holds `pattern` (and its lines below, `detail`), claims and returns it."""

        def find():
            for record in self.records:
                if record.claimed or record.level == STRAY or (level and record.level != level):
                    continue
                if not re.search(pattern, record.message):
                    continue
                if detail and not re.search(detail, "\n".join(record.detail)):
                    continue
                record.claimed = True
                return record
            return None

        what = f"a log record {level or ''} {pattern!r} with {detail!r} below"
        return self.wait(find, what, seconds)

    def claim(self, pattern):
        """Claims every record whose text holds `pattern`, also those that are still to come: what a vanished client leaves
        behind is logged when the test that vanished may be over."""
        with self.changed:
            self.allowed.append(pattern)

    def unexpected(self):
        """Every warning, error and stray line that no test has claimed."""
        with self.changed:
            return [
                record
                for record in self.records
                if not record.claimed
                and record.level not in QUIET_LEVELS
                and not any(re.search(pattern, record.text) for pattern in self.allowed)
            ]
