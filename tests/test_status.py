"""What an instance tells of itself: what serves, how requests ended, what went wrong, and what it was like."""

import json
import sys
import tempfile
import time

import pytest

from deadline import wait_until
from project import Project, ask

SOURCE = """
import os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("no such thing")
    if environ["PATH_INFO"] == "/exit":
        os._exit(3)
    status = {"/missing": "404 Not Found", "/moved": "302 Found"}.get(environ["PATH_INFO"], "200 OK")
    start_response(status, [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.fixture
def project(serve, tmp_path):
    made = []

    def make(source=SOURCE, **options):
        made.append(Project(serve, tmp_path, source, **options))
        return made[0]

    yield make
    for one in made:
        one.end()


def answered(project):
    return {kind: count for kind, count in project.observed("responses").items() if count}


def test_requests_are_told_by_class(project):
    shop = project()
    for target in ["/", "/", "/missing", "/moved", "/raise"]:
        shop.server.get(target)
    shop.server.log.claim("failed: ValueError")
    # An answer is counted when it was sent, which its client may know first.
    wait_until(lambda: answered(shop) == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1}, lambda: str(answered(shop)))
    assert shop.observed("cpu_seconds") > 0


def test_the_last_error_is_one_line_that_names_the_exception(project):
    shop = project()
    assert "last_error" not in shop.status()["observed"]
    began = time.time() * 1e6
    shop.server.get("/raise")
    shop.server.log.claim("failed: ValueError")
    # The answer and the traceback take ways of their own.
    error = wait_until(lambda: shop.status()["observed"].get("last_error"), lambda: shop.server.describe())
    assert "ValueError: no such thing" in error["message"] and "\n" not in error["message"]
    assert began <= error["at_us"] <= time.time() * 1e6
    shown = shop.ask("status").stdout
    assert "last error" in shown and "ValueError: no such thing" in shown


def test_deaths_are_counted_and_are_events(project):
    shop = project()
    shop.server.get("/exit", method="POST")
    wait_until(lambda: shop.observed("restarts") == {"crashed": 1}, lambda: str(shop.observed("restarts")))
    shop.server.log.claim("worker|request")
    assert shop.ask("reload").returncode == 0
    events = shop.observed("events")
    assert [event["kind"] for event in events] == ["started", "worker-died", "reloaded"]
    assert "exited with status 3" in events[1]["message"]
    assert [event["generation"] for event in events] == [1, 1, 2]
    assert "1 crashed" in shop.ask("status").stdout


@pytest.mark.parametrize(
    ("app", "options", "framework"),
    [
        ("flask_site:app", {}, "Flask"),
        ("bottle_site:app", {}, "Bottle"),
        ("falcon_site:application", {}, "Falcon"),
        ("asgi_fastapi:app", {}, "FastAPI"),
        ("asgi_starlette:app", {}, "Starlette"),
        ("asgi_starlette:marked", {}, "Starlette"),
        ("asgi_quart:app", {}, "Quart"),
        ("asgi_litestar:app", {}, "Litestar"),
        ("django_site.wsgi:application", {}, "Django"),
        ("asgi_django.asgi:application", {"preload": True}, "Django"),
        ("plain:application", {}, ""),
    ],
)
def test_the_framework_is_told(serve, tmp_path, app, options, framework):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "data").touch()
    with tempfile.TemporaryDirectory(prefix="hostler-") as runtime:
        socket = f"{runtime}/control.sock"
        server = serve(app, directory=tmp_path, control_socket=socket, **options)
        observed = json.loads(ask(socket, "status", "--json").stdout)["observed"]
        assert observed["framework"] == framework
        assert observed["python"] == ".".join(map(str, sys.version_info[:3]))
        server.stop()


def test_a_framework_is_seen_through_layers(project):
    source = """
import functools
from flask import Flask

class Middleware:
    def __init__(self, app):
        self.app = app
    def __call__(self, environ, start_response):
        return self.app(environ, start_response)

def layer(inner):
    def outer(environ, start_response):
        return inner(environ, start_response)
    return outer

application = Middleware(layer(Flask(__name__)))
"""
    assert project(source).observed("framework") == "Flask"
