"""Large bodies: POST /upload counts what it reads, GET /download?BYTES streams that many."""

BLOCK = bytes(64 * 1024)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/upload":
        body = str(count(environ["wsgi.input"])).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    size = int(environ["QUERY_STRING"] or 0)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    return blocks(size)


def count(stream):
    total = 0
    while block := stream.read(len(BLOCK)):
        total += len(block)
    return total


def blocks(size):
    while size > 0:
        yield BLOCK[:size]
        size -= len(BLOCK)
