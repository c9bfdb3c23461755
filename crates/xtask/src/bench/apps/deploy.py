"""What is served while a server is reloaded or loses workers: who answers, and uploads that note that they were run."""

import os
import time
from urllib.parse import parse_qs

BLOCK = 64 * 1024


def application(environ, start_response):
    if environ["PATH_INFO"] == "/upload":
        body = upload(environ)
    else:
        # As long as a short request takes, so that a worker that dies has mostly something to lose.
        time.sleep(0.002)
        body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def upload(environ):
    """Reads the body, notes the request's number, and answers the process and the length."""
    length = 0
    while block := environ["wsgi.input"].read(BLOCK):
        length += len(block)
    note(parse_qs(environ["QUERY_STRING"]))
    return b"%d %d" % (os.getpid(), length)


def note(query):
    """One short write to a file that is open for appending is one step, whoever else writes to it."""
    with open(query["notes"][0], "ab", buffering=0) as notes:
        notes.write(query["number"][0].encode() + b"\n")
