"""Waiting for an event, with a deadline. Nothing in this suite sleeps in the hope that something has happened by then."""

import time

# Generous on purpose: a deadline is only ever spent by a test that fails.
PATIENCE_SECONDS = 60.0
# For an answer, or a line of the log: less than the time limits that tests tell "at once" apart from.
DEFAULT_SECONDS = 15.0
POLL_SECONDS = 0.005


def wait_until(predicate, what, seconds=PATIENCE_SECONDS):
    """Returns the first true value of `predicate()`; fails, naming `what` was waited for, when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            message = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {message}")
        time.sleep(POLL_SECONDS)


def let_pass(seconds):
    """Lets time pass where time itself is what is tested: a pause of a client, the age of a request."""
    time.sleep(seconds)
