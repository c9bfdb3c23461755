"""Short requests with a few slow ones among them: /short, /sleep and /compute."""

import time

SHORT_SECONDS = 0.001
SLOW_SECONDS = 0.2


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(SLOW_SECONDS)
    elif path == "/compute":
        compute(SLOW_SECONDS)
    else:
        compute(SHORT_SECONDS)
    body = path.encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def compute(seconds):
    """Works in Python for this much of the thread's processor time: the same work for every server, however often it is interrupted."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(1000):
            pass
