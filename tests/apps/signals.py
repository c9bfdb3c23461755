"""An application whose main thread receives no SIGTERM: whichever other thread does, its handler has to run in the main one."""

import os
import signal


def application(environ, start_response):
    if environ["PATH_INFO"] == "/block":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/block":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
