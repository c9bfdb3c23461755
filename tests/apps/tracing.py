"""Applications for the tests of logs."""

import time

from routes import TEXT, Routes, argument, respond

application = Routes()


@application.add
def hello(environ, start_response):
    return respond(start_response, "hello")


@application.add
def request_id(environ, start_response):
    return respond(start_response, environ.get("HTTP_X_REQUEST_ID", "none"))


@application.add
def sleeping(environ, start_response):
    time.sleep(float(argument(environ, "seconds")))
    return respond(start_response, "slept")


@application.add
def streamed(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([b"x" * 1000] * 7)


@application.add
def failing(environ, start_response):
    def deep(level):
        if level:
            deep(level - 1)
        raise ValueError("first line\n2026-11-21T04:00:00.000Z [1] ERROR forged\nthird line")

    deep(20)


@application.add
def printing(environ, start_response):
    print("printed by the application", flush=True)
    return respond(start_response, "printed")
