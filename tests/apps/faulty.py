"""Applications that do what PEP 3333 forbids. The query names the fault."""

import sys

from routes import TEXT, Routes, argument, respond

application = Routes()

RETURNS = {
    "none": None,
    "text": "text",
    "number": 5,
    "list of text": ["text"],
    "list of numbers": [1, 2],
    "list of none": [None],
    "generator of text": (text for text in ["text"]),
    "dict of text": {"a": "b"},
}

HEADS = {
    "status without number": ("OK", TEXT),
    "status too short": ("20 OK", TEXT),
    "status too long": ("2000 OK", TEXT),
    "status not a number": ("2x0 OK", TEXT),
    "status out of range": ("099 OK", TEXT),
    "status is bytes": (b"200 OK", TEXT),
    "status is a number": (200, TEXT),
    "status with a newline": ("200 OK\r\nX-Forged: yes", TEXT),
    "status beyond latin-1": ("200 \u2713", TEXT),
    "headers are None": ("200 OK", None),
    "headers are a tuple": ("200 OK", tuple(TEXT)),
    "headers are a dict": ("200 OK", dict(TEXT)),
    "header is no pair": ("200 OK", [("X-A",)]),
    "header is a triple": ("200 OK", [("X-A", "1", "2")]),
    "header is text": ("200 OK", ["ab"]),
    "name is bytes": ("200 OK", [(b"X-A", "1")]),
    "name is empty": ("200 OK", [("", "1")]),
    "name with a space": ("200 OK", [("X A", "1")]),
    "name with a colon": ("200 OK", [("X-A:", "1")]),
    "name with a newline": ("200 OK", [("X-A\r\nX-Forged", "yes")]),
    "name beyond latin-1": ("200 OK", [("X-\u2713", "1")]),
    "value is bytes": ("200 OK", [("X-A", b"1")]),
    "value is a number": ("200 OK", [("X-A", 1)]),
    "value is None": ("200 OK", [("X-A", None)]),
    "value with CRLF": ("200 OK", [("X-A", "1\r\nX-Forged: yes")]),
    "value with LF": ("200 OK", [("X-A", "1\nX-Forged: yes")]),
    "value with CR": ("200 OK", [("X-A", "1\rX-Forged: yes")]),
    "value with NUL": ("200 OK", [("X-A", "1\x002")]),
    "value beyond latin-1": ("200 OK", [("X-A", "\u2713")]),
    "Content-Length is text": ("200 OK", [("Content-Length", "four")]),
    "Content-Length is negative": ("200 OK", [("Content-Length", "-4")]),
    "Content-Length twice": ("200 OK", [("Content-Length", "4"), ("Content-Length", "5")]),
    "Connection": ("200 OK", [("Connection", "upgrade")]),
    "Keep-Alive": ("200 OK", [("Keep-Alive", "timeout=5")]),
    "Proxy-Authenticate": ("200 OK", [("Proxy-Authenticate", "Basic")]),
    "Proxy-Authorization": ("200 OK", [("Proxy-Authorization", "x")]),
    "TE": ("200 OK", [("TE", "trailers")]),
    "Trailer": ("200 OK", [("Trailer", "X-A")]),
    "Trailers": ("200 OK", [("Trailers", "X-A")]),
    "Transfer-Encoding": ("200 OK", [("Transfer-Encoding", "chunked")]),
    "transfer-encoding, in small letters": ("200 OK", [("transfer-encoding", "identity")]),
    "Upgrade": ("200 OK", [("Upgrade", "h2c")]),
}


@application.add
def returning(environ, start_response):
    start_response("200 OK", TEXT)
    return RETURNS[argument(environ, "fault")]


@application.add
def starting(environ, start_response):
    start_response(*HEADS[argument(environ, "fault")])
    return [b"body"]


@application.add
def restarting(environ, start_response):
    """The same, as the replacement of a good head."""
    start_response("200 OK", TEXT)
    try:
        raise ValueError
    except ValueError:
        start_response(*HEADS[argument(environ, "fault")], sys.exc_info())
    return [b"body"]


@application.add
def calling(environ, start_response):
    start_response()
    return [b"body"]


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")
