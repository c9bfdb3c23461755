"""The smallest application: what remains is the server."""

BODY = b"Hello, World!\n"
HEAD = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", HEAD)
    return [BODY]
