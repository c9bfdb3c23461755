"""Short requests with a few that block the loop among them: /short and /sleep."""

import time

SHORT_SECONDS = 0.001
SLOW_SECONDS = 0.2


async def application(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/sleep":
        # The mistake that is measured: what should be awaited holds up its event loop.
        time.sleep(SLOW_SECONDS)
    else:
        compute(SHORT_SECONDS)
    body = scope["path"].encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def compute(seconds):
    """Works in Python for this much of the thread's processor time: the same work for every server, however often it is interrupted."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(1000):
            pass
