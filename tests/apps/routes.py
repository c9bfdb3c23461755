"""The smallest router: one function per path, chosen by PATH_INFO."""

from urllib.parse import parse_qs

TEXT = [("Content-Type", "text/plain")]


class Routes:
    """A WSGI application made of functions `(environ, start_response)`; `/two-words/more` finds `two_words`."""

    def __init__(self):
        self.functions = {}

    def add(self, function):
        self.functions[function.__name__.replace("_", "-")] = function
        return function

    def __call__(self, environ, start_response):
        name = environ["PATH_INFO"].split("/")[1]
        function = self.functions.get(name)
        if function is None:
            start_response("404 Not Found", [*TEXT, ("Content-Length", "0")])
            return []
        return function(environ, start_response)


def argument(environ, name, default=None):
    """The value of a query parameter."""
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def respond(start_response, body, status="200 OK", headers=()):
    """Answers with a text whose length is known."""
    body = body if isinstance(body, bytes) else body.encode()
    start_response(status, [*TEXT, ("Content-Length", str(len(body))), *headers])
    return [body]
