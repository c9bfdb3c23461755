"""gunicorn's hooks around requests, and for signals and time-outs. The hooks of a worker's life are tested in test_preload.py."""

import os
import signal

import pytest

from deadline import wait_until

HOST = [("Host", "test.example"), ("X-Asked", "yes")]


@pytest.mark.parametrize("preload", [None, True])
def test_hooks_around_a_request(serve, preload):
    server = serve("plain:application", hooks="request_hooks", preload=preload)
    response = server.get("/path?a=b", headers=HOST)
    assert (response.status, response.body) == (200, b"/path?a=b")
    (before,), (after,) = server.wait_notes("pre"), server.wait_notes("post")
    pid, rest = before.split(" ", 1)
    assert rest == "GET /path?a=b /path a=b http 127.0.0.1 (1, 1)"
    assert int(pid) in server.workers() and int(pid) != os.getpid()
    assert after == f"GET /path test.example yes 200 OK|200|{len(response.body)}|{len(response.body)}"


def test_the_client_does_not_wait_for_post_request(serve):
    server = serve("plain:application", hooks="request_hooks", threads=2)
    with server.connect() as client:
        assert client.get("/path?wait").status == 200
        server.wait_notes("post")
        assert client.get("/path?other").status == 200
    server.open_gate("post")


def test_what_pre_request_raises_fails_the_request(serve):
    server = serve("plain:application", hooks="request_hooks")
    with server.connect() as client:
        assert client.get("/path?refuse").status == 500
        assert client.get("/path?a").status == 200
    server.log.expect("/path", level="ERROR", detail="PermissionError: pre_request refuses")
    assert len(server.wait_notes("post")) == 1, "only for the request that was run"


def test_what_post_request_raises_is_logged_and_harms_nobody(serve):
    server = serve("plain:application", hooks="request_hooks")
    with server.connect() as client:
        assert client.get("/path?fail").body == b"/path?fail"
        assert client.get("/path?a").status == 200
    server.log.expect("the hook post_request of request_hooks failed for GET /path", level="ERROR", detail="KeyError")


@pytest.mark.parametrize(
    "app, target, status, told",
    [
        ("pep3333:application", "/raises-before-start", 500, "500 Internal Server Error|500|None|0"),
        ("pep3333:application", "/raises-after-start", 500, "500 Internal Server Error|500|None|0"),
        ("pep3333:application", "/empty-status?status=204%20No%20Content", 204, "204 No Content|204|None|0"),
    ],
)
def test_post_request_is_told_what_the_client_was(serve, app, target, status, told):
    server = serve(app, hooks="request_hooks")
    assert server.get(target).status == status
    assert server.wait_notes("post")[0].split(" ", 4)[4] == told
    server.log.claim("RuntimeError|raises|failed")


@pytest.mark.parametrize("number", [2, 3])
def test_post_request_may_take_less(serve, number):
    server = serve("plain:application", hooks=f"request_hooks_{number}")
    assert server.get("/path").status == 200
    assert server.wait_notes("post") == ["/path"]


def test_an_asgi_application_has_no_hooks_around_requests_which_is_said(serve):
    server = serve("asgi_plain:application", hooks="request_hooks")
    for hook in ("pre_request", "post_request"):
        server.log.expect(f"the hook {hook} of request_hooks is not called for an ASGI application", level="WARN")
    assert server.get("/hello").status == 200
    assert not server.notes("pre") and not server.notes("post")


@pytest.mark.parametrize("app", ["plain:application", "asgi_plain:application"])
def test_worker_int_is_called_at_sigint_and_the_worker_goes_on(serve, app):
    server = serve(app, hooks="request_hooks")
    server.log.claim("is not called for an ASGI application")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGINT)
    assert server.wait_notes("int") == [f"{worker} True"]
    server.log.expect("the hook worker_int of request_hooks failed: SystemExit: 7", level="ERROR")
    assert server.get("/hello").status == 200
    assert server.workers() == [worker]


def test_worker_int_is_called_at_sigquit_which_ends_the_worker(serve):
    server = serve("plain:application", hooks="request_hooks")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGQUIT)
    assert server.wait_notes("int") == [f"{worker} True"]
    wait_until(lambda: server.workers() and worker not in server.workers(), lambda: f"another worker: {server.workers()}")
    server.log.claim("worker_int|worker")
    assert server.get("/hello").status == 200


def test_worker_abort_is_called_before_a_request_is_interrupted(serve):
    server = serve("stuck:application", hooks="request_hooks", timeout=1)
    (worker,) = server.workers()
    key = server.key()
    assert server.get(f"/busy?key={key}").status == 504
    assert server.wait_notes(key, 3)[-1] == "finally"
    assert server.wait_notes("abort") == [f"{worker} True"]
    server.log.expect("the hook worker_abort of request_hooks failed: ValueError", level="ERROR")
    server.log.claim("timeout|stacks|RequestTimeout|ended")
