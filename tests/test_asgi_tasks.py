"""A handler is a task in a context of its own: cancellation, time limits, anyio; and what becomes of tasks that outlive it."""

import json
import signal
import time

import pytest

from client import chunked


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_tasks:application")


def test_surroundings(server):
    found = json.loads(server.get("/surroundings").body)
    loop, pid = found.pop("loop"), found.pop("pid")
    assert loop in ("asyncio", "uvloop")
    assert pid in server.workers()
    assert found.pop("library") == "asyncio"
    assert found == dict.fromkeys(["task", "known", "coroutine", "running", "main", "same", "same_after_receive"], True)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_loop_that_is_asked_for(serve, loop):
    server = serve("asgi_tasks:application", loop=loop)
    assert json.loads(server.get("/surroundings").body)["loop"] == loop


def test_uvloop_where_the_application_has_it(serve):
    pytest.importorskip("uvloop")
    assert json.loads(serve("asgi_tasks:application").get("/surroundings").body)["loop"] == "uvloop"


def test_contexts_do_not_leak(server):
    """Neither to the next request, nor to one that runs meanwhile; child tasks and threads have the handler's."""
    with server.connect() as client:
        for number in range(5):
            found = json.loads(client.get(f"/context?value={number}", method="POST", body=b"x").body)
            assert found == ["none", str(number), str(number), str(number)]
    clients = [server.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.request(f"/context?value={number}", "POST", [("Content-Length", "1")])
    for client in clients:
        client.send(b"x")
    for number, client in enumerate(clients):
        assert json.loads(client.response().body) == ["none", str(number), str(number), str(number)]


def test_waits_that_end_early_lose_nothing(server):
    """receive can be cancelled in every way, and the body is whole all the same."""
    key, body = server.key(), b"whole body"
    with server.connect() as client:
        client.request(f"/waits?key={key}", "POST", [("Transfer-Encoding", "chunked")])
        assert json.loads(server.wait_notes(key)[0]) == ["wait_for", "timeout", "anyio", "task"]
        client.send(chunked([body]))
        assert client.response().body == body


def test_anyio(server):
    assert json.loads(server.get("/anyio-all").body) == [0, 1, 2, 3, 4, True, "thread"]


def test_a_cancel_scope_that_ends_when_the_client_leaves(server):
    key = server.key()
    client = server.connect()
    client.request(f"/watched?key={key}")
    client.head()
    client.chunk()
    client.close()
    assert server.wait_notes(key) == ["http.disconnect"]


def test_two_tasks_that_send(server):
    """Blocks are whole, whatever their order."""
    body = server.get("/at-once").body
    blocks = [body[at : at + 5000] for at in range(0, len(body), 5000)]
    assert sorted(blocks) == [b"a" * 5000] * 200 + [b"b" * 5000] * 200


def test_an_answer_from_another_task(server):
    with server.connect() as client:
        for _ in range(3):
            assert client.get("/answering-task", method="POST", body=b"data").body == b"data"


def test_a_task_that_outlives_its_handler(server):
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/outlived?key={key}").body == b"answered"
        assert client.get("/hello").body == b"hello"
        server.open_gate(key)
        assert server.wait_notes(key) == ["finished"]


def test_a_handler_that_goes_on_after_its_answer(server):
    """It holds up neither its connection nor anybody else."""
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/background?key={key}").body == b"answered"
        assert server.wait_notes(key) == ["started"]
        for _ in range(10):
            assert client.get("/hello").body == b"hello"
        assert server.get("/hello").body == b"hello"
        server.open_gate(key)
        assert server.wait_notes(key, 2) == ["started", "finished"]


def test_a_handler_that_goes_on_when_its_client_left(server):
    """Its answer is complete: it is not cancelled."""
    key = server.key()
    client = server.connect()
    assert client.get(f"/background?key={key}").body == b"answered"
    client.close()
    server.wait_notes(key)
    assert server.get("/hello").body == b"hello"
    server.open_gate(key)
    assert server.wait_notes(key, 2) == ["started", "finished"]


def test_a_task_that_fails_unheard(server):
    """asyncio's own report of it reaches the log; nothing else happens."""
    assert server.get("/failing-task").body == b"answered"
    assert server.get("/hello").body == b"hello"
    server.log.wait_line("nobody asks for this")
    server.log.claim("nobody asks for this|never retrieved")


def test_subprocesses(server):
    for _ in range(3):
        assert server.get("/subprocess").body == b"from a child\n"


# At a stop


def test_a_stop_waits_for_background_tasks(serve):
    server = serve("asgi_tasks:application", graceful_timeout=20)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/background?key={key}").body == b"answered"
    server.wait_notes(key)
    server.send_signal(signal.SIGTERM)
    server.log.expect("stop|shut|signal|SIGTERM", level="INFO")
    server.open_gate(key)
    server.assert_ended(0)
    assert server.notes(key) == ["started", "finished"]


def test_a_stop_cancels_background_tasks_after_graceful_timeout(serve):
    server = serve("asgi_tasks:application", graceful_timeout=1)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/background?key={key}").body == b"answered"
    server.wait_notes(key)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert 0.9 < time.monotonic() - start < 8
    server.log.claim("")
    server.assert_ended(0)
    assert "finished" not in server.notes(key)


def test_a_stop_with_a_task_that_cannot_be_cancelled(serve):
    server = serve("asgi_tasks:application", graceful_timeout=1)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/stubborn?key={key}").body == b"answered"
    server.wait_notes(key)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert time.monotonic() - start < 9
    server.log.claim("")
    server.assert_ended(0)


def test_a_stop_with_a_task_that_outlived_its_handler(serve):
    """Nobody promised it anything: it is waited for or cancelled, but not just dropped."""
    server = serve("asgi_tasks:application", graceful_timeout=2)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/outlived?key={key}").body == b"answered"
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert server.notes(key) in (["cancelled"], ["finished"])
    # It is cancelled shortly before that time is over.
    server.log.claim("outlived|task|did not finish within graceful_timeout")
    server.assert_ended(0)


def test_a_stop_waits_only_a_moment_for_a_task_that_outlived_its_handler(serve):
    """It cost each stop nine tenths of graceful_timeout."""
    server = serve("asgi_tasks:application", graceful_timeout=60)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/outlived?key={key}").body == b"answered"
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(20)
    assert 1.9 < time.monotonic() - start < 10
    assert server.notes(key) == ["cancelled"]
    server.log.expect(r"a task outlived its request, and the time for such tasks: .*later.* is cancelled", level="WARN")
    server.assert_ended(0)


def test_a_stop_gives_a_task_that_outlived_its_handler_that_moment(serve):
    server = serve("asgi_tasks:application", graceful_timeout=60)
    key = server.key()
    with server.connect() as client:
        assert client.get(f"/outlived?key={key}").body == b"answered"
    server.send_signal(signal.SIGTERM)
    server.log.expect("stopping", level="INFO")
    server.open_gate(key)
    server.assert_ended(0)
    assert server.notes(key) == ["finished"]
