"""Server-sent events. GET /events?NUMBER,STREAMS,EVENTS opens the stream NUMBER of STREAMS: a comment at once, and one event a second, so
many, after GET /begin was asked for. The streams are spread evenly over the second. An event says which it is and when it was due, in
seconds of the system's monotonic clock. To be run with one worker."""

import asyncio
import time

LEAD_SECONDS = 1.0
begins = None
begun = asyncio.Event()


async def application(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/events":
        await stream(send, *map(int, scope["query_string"].split(b",")))
        return
    if scope["path"] == "/begin":
        begin()
    body = b"ready\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def begin():
    global begins
    begins = time.monotonic() + LEAD_SECONDS
    begun.set()


async def stream(send, number, streams, events):
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
    await begun.wait()
    first = begins + number / streams
    for event in range(events):
        due = first + event
        await asyncio.sleep(due - time.monotonic())
        body = b"data: %d %.6f\n\n" % (event, due)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
