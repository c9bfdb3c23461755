"""What the specification forbids raises in the application, is answered with 500 or a cut, is told in the log, and costs nothing else."""

import ast
from urllib.parse import quote

import pytest

from client import Cut
from server import APPS


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_faulty:application")


def table(name):
    """The keys of a table of apps/asgi_faulty.py, which only runs in a worker."""
    for node in ast.parse((APPS / "asgi_faulty.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return [key.value for key in node.value.keys]
    raise KeyError(name)


def assert_served(server):
    assert server.get("/hello").body == b"hello"


def expect_traceback(server, function):
    """One record of an error with the application's own line in it."""
    record = server.log.expect("", level="ERROR", detail=rf"in {function}\b")
    assert "Traceback" in record.text
    return record


def assert_500(server, target):
    """The client gets a whole 500 and learns nothing of the inside."""
    with server.connect() as client:
        response = client.get(target)
    assert response.status == 500, response
    assert response.all("x-forged") == []
    assert b"Traceback" not in response.body
    assert b"TypeError" not in response.body and b"ValueError" not in response.body


@pytest.mark.parametrize("fault", table("BEGINNINGS"))
def test_a_bad_beginning(server, fault):
    key = server.key()
    assert_500(server, f"/beginning?key={key}&fault=" + quote(fault))
    (note,) = server.wait_notes(key)
    assert note.startswith("raised "), "where the fault is, not later"
    expect_traceback(server, "beginning")
    assert_served(server)


def test_functions_called_with_what_they_do_not_take(server):
    assert server.get("/miscalling").body == b"send send receive"


def test_a_send_that_was_kept_is_of_no_use_to_the_next_request(serve):
    server = serve("asgi_faulty:application", workers=1)
    assert [server.get("/keeping").body for _ in range(3)] == [b"NoneType", b"RuntimeError", b"RuntimeError"]


@pytest.mark.parametrize("fault", table("BEGINNINGS"))
def test_a_bad_beginning_that_is_mended(server, fault):
    """Nothing of the refused event is left."""
    with server.connect() as client:
        response = client.get("/mended?fault=" + quote(fault))
        assert (response.status, response.body) == (200, b"mended")
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("fault", table("CONTINUATIONS"))
def test_a_bad_continuation(server, fault):
    key = server.key()
    with server.connect() as client:
        client.request(f"/continuation?key={key}&fault=" + quote(fault))
        response = client.failed_response()
        assert response is None or response.status == 500 or response.body == b"first"
    (note,) = server.wait_notes(key)
    assert note.startswith("raised ")
    expect_traceback(server, "continuation")
    assert_served(server)


# Exceptions


def test_an_exception_before_the_head(server):
    assert_500(server, "/raising?where=before+the+head")
    assert "ValueError: before the head" in expect_traceback(server, "raising").text
    assert_served(server)


@pytest.mark.parametrize("where", ["after the head", "in the body"])
def test_an_exception_in_the_answer(server, where):
    """A head that was not sent yet may be replaced."""
    with server.connect() as client:
        client.request("/raising?where=" + quote(where))
        response = client.failed_response()
        assert response is None or response.status == 500 or b"first".startswith(response.body)
    assert f"ValueError: {where}" in expect_traceback(server, "raising").text
    assert_served(server)


def test_an_exception_after_the_answer(server):
    """The client has all it can get."""
    with server.connect() as client:
        assert client.get("/raising?where=after+all").body == b"firstlast"
    assert "ValueError: after all" in expect_traceback(server, "raising").text
    assert_served(server)


@pytest.mark.parametrize("kind", ["cancelled", "generator", "stop", "group"])
def test_exceptions_that_are_none_for_the_loop(server, kind):
    """They concern one request. CancelledError is what a handler ends with that was cancelled: no error, but no answer either."""
    assert_500(server, f"/raising-odd?kind={kind}")
    server.log.expect("", level=None if kind == "cancelled" else "ERROR")
    server.log.claim("raising-odd|raising_odd")
    assert_served(server)


@pytest.mark.parametrize("kind", ["exit", "interrupt"])
def test_exceptions_that_end_a_process(serve, kind):
    """asyncio lets SystemExit and KeyboardInterrupt through the loop. One request must not end a worker with all that it runs."""
    server = serve("asgi_faulty:application", workers=1)
    (worker,) = server.workers()
    with server.connect() as client:
        try:
            assert client.get(f"/raising-odd?kind={kind}").status in (500, 502)
        except Cut as cut:
            assert cut.response is None
    assert_served(server)
    assert server.workers() == [worker]
    server.log.claim("raising-odd|raising_odd|SystemExit|KeyboardInterrupt")


@pytest.mark.parametrize("where", ["before the head", "after the head", "in the body"])
def test_returning_without_a_whole_answer(server, where):
    with server.connect() as client:
        client.request("/returning?where=" + quote(where))
        response = client.failed_response()
        if where == "before the head":
            assert response is not None and response.status == 500
        else:
            assert response is None or response.status == 500 or b"first".startswith(response.body)
    server.log.expect("", level="ERROR")
    assert_served(server)


def test_going_on_after_the_answer(server):
    """"Any further messages on the channel will be ignored", or refused; they do not stand before the next answer."""
    with server.connect() as client:
        assert client.get("/excessive").body == b"whole"
        try:
            assert client.get("/hello").body == b"hello"
        except (Cut, BrokenPipeError, ConnectionResetError):
            assert_served(server)
    server.log.claim("excessive")


# Applications that are none


@pytest.mark.parametrize("name", ["two", "plain_function"])
def test_an_application_of_another_shape(serve, name):
    """It is found out by the first request."""
    server = serve(f"asgi_faulty:{name}", interface="asgi", lifespan="off")
    assert server.get("/").status == 500
    server.log.expect("", level="ERROR")
    server.log.claim("TypeError")
