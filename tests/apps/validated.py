"""wsgiref.validate around plain applications: it raises when the server breaks PEP 3333."""

from wsgiref.validate import validator

import pep3333
from routes import TEXT


def plain(environ, start_response):
    match environ["PATH_INFO"]:
        case "/list":
            start_response("200 OK", TEXT)
            return [b"one ", b"two"]
        case "/generator":
            start_response("200 OK", TEXT)
            return (block for block in (b"one ", b"two"))
        case "/write":
            start_response("200 OK", TEXT)(b"one two")
            return []
        case "/read":
            stream = environ["wsgi.input"]
            parts = [stream.readline(), stream.read(2), *stream.readlines(), *stream]
            start_response("200 OK", TEXT)
            return [b"|".join(parts) or b" "]
        case "/errors":
            environ["wsgi.errors"].write("")
            environ["wsgi.errors"].flush()
            start_response("200 OK", TEXT)
            return [b"one two"]
        case "/empty":
            start_response("204 No Content", [])
            return []
    return pep3333.application(environ, start_response)


application = validator(plain)
