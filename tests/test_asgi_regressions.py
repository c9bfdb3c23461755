"""Faults that a review found, each with its story: what handlers leave behind must not reach the requests of others."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from client import Cut
from deadline import wait_until
from websocket_frames import HANDSHAKE, close_frame, opened

APP = "asgi_regressions:application"
LOOPS = ["asyncio", "uvloop"]
HOWS = ["close", "reset"]


@pytest.fixture(scope="module")
def server(serve_module):
    """One worker, so that whatever stays behind is in the next request's way."""
    return serve_module(APP, workers=1)


def leave(client, how):
    client.reset() if how == "reset" else client.close()


def assert_served(server):
    assert server.get("/hello").body == b"hello"


# 1. Watching the client beside the answer


@pytest.mark.parametrize("group", ["asyncio", "anyio"])
@pytest.mark.parametrize("answer", ["body", "pieces", "file", "trailers"])
def test_a_watch_ends_with_the_answer(serve, answer, group):
    """A handler whose task group still waited in receive() when its answer was complete never ended, and kept its slot: with a limit
    of 20, the 21st request got 503."""
    if group == "asyncio" and sys.version_info < (3, 11):
        pytest.skip("asyncio.TaskGroup came with Python 3.11")
    server = serve(APP, workers=1, limit_concurrency=20)
    (server.directory / "whole").write_bytes(b"whole")
    key = server.key()
    clients = [server.connect() for _ in range(30)]
    for number, client in enumerate(clients, 1):
        response = client.get(f"/watching?key={key}&answer={answer}&group={group}")
        assert (response.status, response.body) == (200, b"whole")
        # The answer is out before its handler has ended: the limit is that of handlers.
        server.wait_notes(key, 2 * number)
    assert server.notes(key) == ["http.disconnect", "ended"] * 30


@pytest.mark.parametrize("answer", ["body", "pieces", "large"])
def test_a_watch_does_not_give_up_an_answer_that_is_on_its_way(server, answer):
    """Who watched was told of the end when the last event was taken, not when it was sent: an application that cancels its sender then,
    as Django does, cut an answer that a slow client still read."""
    size, key = 5_000_000, server.key()
    with server.connect(receive_buffer=4096) as client:
        client.request(f"/first-of-two?key={key}&answer={answer}&size={size}")
        body = client.response().body
    assert body == (b"w" * size if answer == "large" else b"whole")
    assert server.wait_notes(key) == ["answer sent"]
    assert_served(server)


# 2. Files


def test_files_that_are_given_up_beside_plain_answers(serve):
    """A file that was still being sent when its client left, or its handler gave it up, went on into the slot that was by then
    another request's: its answer was damaged (502), or had the file's bytes in it."""
    server = serve(APP, workers=1, limit_concurrency=8)
    (server.directory / "large").write_bytes(b"F" * 4_000_000)
    over, faults, counts = threading.Event(), [], {200: 0, 503: 0}
    end = time.monotonic() + 6

    def leaving(target, sizes):
        number = 0
        while not over.is_set():
            try:
                with server.connect() as client:
                    client.request(target, headers=[("Connection", "close")])
                    for _ in range(sizes[number % len(sizes)]):
                        if not client.socket.recv(65_536):
                            break
            except OSError as fault:
                # A reset is what a client gets that is refused while it sends.
                if not isinstance(fault, ConnectionError):
                    faults.append(repr(fault))
            number += 1

    def plain():
        try:
            while time.monotonic() < end:
                with server.connect() as client:
                    response = client.get("/two-blocks", headers=[("Connection", "close")])
                counts[response.status] = counts.get(response.status, 0) + 1
                if response.status == 200 and response.body != b"A" * 100_000:
                    faults.append(f"{len(response.body)} bytes, {response.body.count(b'F')} of the file")
        except Exception as fault:
            faults.append(repr(fault))

    leavers = [
        threading.Thread(target=leaving, args=(target, [1, 2, 10, 40]))
        for target in ["/file?name=large"] * 2 + ["/file?name=large&patience=0.002"] * 2
    ]
    askers = [threading.Thread(target=plain) for _ in range(3)]
    for thread in leavers + askers:
        thread.start()
    for thread in askers:
        thread.join()
    over.set()
    for thread in leavers:
        thread.join()
    server.log.claim("/file|OSError")
    assert not faults, faults[:5]
    assert set(counts) == {200, 503}, counts
    assert counts[200] > 20, counts
    assert not [line for line in server.log.lines if "damaged" in line]
    assert_served(server)


def test_a_file_that_is_given_up_is_cut(server):
    """The rest of a file that its handler does not wait for is dropped with its slot; the client sees that."""
    key = server.key()
    (server.directory / "given-up").write_bytes(b"F" * 20_000_000)
    with server.connect(receive_buffer=4096) as client:
        client.request(f"/file?name=given-up&patience=0.05&key={key}")
        response = client.head()
        assert server.wait_notes(key) == ["given up"]
        with pytest.raises(Cut):
            client.read_body(response)
    server.log.claim("/file")
    assert_served(server)


@pytest.mark.parametrize("writer", [False, True])
def test_a_fifo_is_no_file(server, writer):
    """Opening a FIFO that nobody writes to held up the whole loop; it is a ValueError in the application, as for all that is no file."""
    key, name = server.key(), f"fifo{writer}"
    path = server.directory / name
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR) if writer else None
    try:
        with server.connect() as other:
            other.request(f"/gated?key={key}gate")
            server.wait_notes(f"{key}gate")
            assert server.get(f"/no-file?name={name}&key={key}").status == 500
            assert server.wait_notes(key) == ["ValueError"]
            assert_served(server)
            server.open_gate(f"{key}gate")
            assert other.response().body == b"through"
    finally:
        if held is not None:
            os.close(held)
    server.log.expect("", level="ERROR", detail="is not a regular file")


# 3. Early hints


@pytest.mark.parametrize("mended", [False, True])
@pytest.mark.parametrize(
    ("count", "length", "ring"),
    [(1, 300_000, "256KiB"), (300, 1000, "256KiB"), (65_537, 3, "256KiB"), (65_537, 3, "16MiB"), (65_536, 3, "16MiB")],
)
def test_early_hints_that_are_too_long(serve, count, length, ring, mended):
    """Hints that were longer than the ring waited for room that never came, and the number of links was cut to 16 bits."""
    server = serve(APP, workers=1, response_buffer=ring)
    (worker,) = server.workers()
    key = server.key()
    with server.connect() as client:
        client.request(f"/hints?count={count}&length={length}&key={key}" + ("&mended=1" if mended else ""))
        response = client.response()
        (note,) = server.wait_notes(key)
        assert note.startswith("raised ")
        assert (response.status, response.body == b"hinted") == ((200, True) if mended else (500, False))
        assert response.interim == []
    if not mended:
        server.log.expect("", level="ERROR", detail=r"in hints\b")
    assert_served(server)
    assert server.workers() == [worker]


# 4. What a handler leaves on its task


@pytest.mark.parametrize("loop", LOOPS)
def test_a_timer_that_cancels_a_task_that_is_over(serve, loop):
    """Handlers that do not wait share a task: a watchdog that one had left there cancelled a request of somebody else."""
    server = serve(APP, workers=1, loop=loop)
    key = server.key()
    others, keys = [server.connect() for _ in range(4)], [server.key() for _ in range(4)]
    with server.connect() as client:
        assert client.get(f"/cancel-later?key={key}").body == b"left"
        for other, gated in zip(others, keys, strict=True):
            other.request(f"/gated?key={gated}")
        assert server.wait_notes(key) == ["fired"]
        for other, gated in zip(others, keys, strict=True):
            server.open_gate(gated)
            assert other.response().body == b"through"
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("others", [0, 1, 4])
def test_a_cancellation_of_a_task_that_is_over(serve, loop, others):
    """The same with the requests of others under way for certain, or with none, when only the idle loop could be hit."""
    server = serve(APP, workers=1, loop=loop)
    key, keys = server.key(), [server.key() for _ in range(others)]
    clients = [server.connect() for _ in keys]
    assert server.get(f"/cancel-at-gate?key={key}").body == b"left"
    for client, gated in zip(clients, keys, strict=True):
        client.request(f"/gated?key={gated}")
        server.wait_notes(gated)
    server.open_gate(key)
    assert server.wait_notes(key) == ["fired"]
    for client, gated in zip(clients, keys, strict=True):
        server.open_gate(gated)
        assert client.response().body == b"through"
    for _ in range(3):
        assert_served(server)


def test_a_handler_that_cancels_itself_and_leaves(server):
    """Its task is told of the cancellation with its next step, which was somebody else's request."""
    key = server.key()
    with server.connect() as client:
        assert client.get("/cancel-at-once").body == b"left"
        client.request(f"/gated?key={key}")
        server.wait_notes(key)
        server.open_gate(key)
        assert client.response().body == b"through"
    server.log.claim("/cancel-at-once")


@pytest.mark.parametrize("kind", ["name", "registry"])
def test_marks_on_a_task(server, kind):
    """A name, or an entry in a registry of tasks, that one handler left was the next request's, too."""
    with server.connect() as client:
        for _ in range(5):
            assert client.get(f"/mark?kind={kind}").body == b"marked"
            assert json.loads(client.get("/marks").body) == [False, None]


@pytest.mark.parametrize("beside", [False, True])
def test_a_callback_for_the_end_of_a_task(server, beside):
    """It was called when the task ended that many requests shared: with luck, at the end of the worker."""
    key, gated = server.key(), server.key()
    with server.connect() as client, server.connect() as other:
        assert client.get(f"/callback?key={key}").body == b"left"
        if beside:
            other.request(f"/gated?key={gated}")
        assert server.wait_notes(key) == ["called True"]
        if beside:
            server.open_gate(gated)
            assert other.response().body == b"through"
    assert_served(server)
    assert server.notes(key) == ["called True"]


# 5. Time limits


@pytest.mark.parametrize("leaves", [False, True])
def test_a_time_out_cancels_once(serve, leaves):
    """Each news of the request cancelled it again: a clean-up that took its time was cut off."""
    if sys.version_info < (3, 11):
        pytest.skip("Task.cancelling came with Python 3.11")
    server = serve(APP, workers=1, timeout=1)
    key = server.key()
    with server.connect() as client:
        client.request(f"/cleaning?key={key}")
        assert client.response().status == 504
        server.wait_notes(key, 2)
        if leaves:
            client.close()
        notes = wait_until(
            # Others may be late themselves, where the machine stands still for a moment.
            lambda: len(server.notes(key)) > 2 and server.notes(key) or (server.get("/hello") and None),
            lambda: f"the end of the clean-up: {server.notes(key)}",
        )
    assert notes == ["started", "cleans up", "1"]
    server.log.claim("cleaning|timeout")


# 6. and 7. Ends


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_with_a_task_that_runs_for_ever_and_a_request(serve, loop):
    """The task was waited for with all of graceful_timeout, counted from the request's end: the worker was killed before its
    application could shut down."""
    server = serve(APP, workers=1, graceful_timeout=8, loop=loop)
    key = server.key()
    with server.connect() as client:
        assert client.get("/forever").body == b"left"
        client.request(f"/sleeping?seconds=3&key={key}")
        server.wait_notes(key)
        begin = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert client.response().body == b"slept"
    server.process.wait(20)
    # Counted from the request's end it would be three seconds more than graceful_timeout.
    assert time.monotonic() - begin < 10
    server.log.claim("a task outlived its request")
    server.assert_ended(0)
    assert server.notes("life") == ["shutdown"]


@pytest.mark.parametrize("loop", LOOPS)
def test_an_exit_in_a_background_task(serve, loop):
    """SystemExit goes through every loop: with it went the requests in flight, and later ones waited for a worker that served no more."""
    server = serve(APP, workers=1, timeout=10, loop=loop)
    (before,) = server.workers()
    key, keys = server.key(), [server.key() for _ in range(3)]
    clients, late = [server.connect() for _ in keys], [server.connect() for _ in range(3)]
    assert server.get(f"/exit-in-background?key={key}").body == b"left"
    for client, gated in zip(clients, keys, strict=True):
        client.request(f"/gated?key={gated}")
        server.wait_notes(gated)
    server.open_gate(key)
    assert server.wait_notes(key) == [f"exiting {before}"]
    for client in late:
        client.request("/hello")
    for client, gated in zip(clients, keys, strict=True):
        server.open_gate(gated)
        response = client.response()
        assert (response.status, response.body) == (200, b"through")
    for client in late:
        assert client.response().body == b"hello"
    wait_until(lambda: before not in server.workers(), "the worker is replaced")
    server.wait_workers(1)
    for _ in range(3):
        assert_served(server)
    server.log.claim("worker|SystemExit|never retrieved")


# 8. and 10. WebSockets


@pytest.mark.parametrize("how", HOWS)
def test_a_client_that_leaves_before_its_websocket_is_accepted(server, how):
    """Nothing is read of such a client, and nobody watched whether it was still there: the handler waited for ever."""
    key = server.key()
    client = server.connect()
    client.request(f"/unaccepted?key={key}", headers=HANDSHAKE.items())
    assert server.wait_notes(key) == ["websocket.connect"]
    leave(client, how)
    event = json.loads(server.wait_notes(key, 2)[1])
    assert (event["type"], event["code"]) == ("websocket.disconnect", 1006)
    assert_served(server)
    server.log.claim("unaccepted")


@pytest.mark.parametrize(
    ("leaving", "code", "found"),
    [("no code", None, 1005), ("no code", 1005, 1005), ("code", 1005, 1000), ("vanishes", None, 1006), ("vanishes", 1005, 1006)],
)
def test_a_close_after_a_disconnect_says_nothing(server, leaving, code, found):
    """Frameworks pass on the code that they were told, which may be one that is never sent: it raised, though nothing is sent then."""
    key = server.key()
    with server.connect() as client:
        opened(client, f"/close-as-told?key={key}" + (f"&code={code}" if code else ""))
        server.wait_notes(key)
        if leaving == "vanishes":
            client.close()
        else:
            client.send(close_frame(1000 if leaving == "code" else None))
        assert server.wait_notes(key, 3)[1:] == [str(found), "nothing raised"]
    assert_served(server)


# 11. Events that run Python while they are read


@pytest.mark.parametrize("where", ["headers", "headers with a body", "links", "more_body"])
def test_an_event_that_sends_while_it_is_read(server, where):
    """The call was locked while the application's headers were iterated: one that sent there waited for itself, and the loop with it."""
    key = server.key()
    with server.connect() as client:
        client.request(f"/nested?key={key}&where={where.replace(' ', '+')}")
        try:
            assert client.response().status in (200, 500)
        except Cut:
            pass
    assert server.wait_notes(key) == ["nested"]
    assert_served(server)
    server.log.claim("/nested")


# 12. Task factories


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "kind",
    ["own", *(["eager"] if sys.version_info >= (3, 12) else [])],
)
def test_a_task_factory_of_the_application(serve, kind, loop):
    """The server's own tasks were made by it, too: an eager one ran the next runner inside the handler that had just begun to wait."""
    server = serve(APP, workers=1, timeout=5, loop=loop)
    key, keys = server.key(), [server.key() for _ in range(5)]
    clients = [server.connect() for _ in keys]
    with server.connect() as client:
        assert client.get(f"/factory?kind={kind}").body == kind.encode()
        for _ in range(5):
            assert client.get("/hello").body == b"hello"
            assert client.get("/child").body == (b"OwnTask" if kind == "own" else b"Task")
        for other, gated in zip(clients, keys, strict=True):
            other.request(f"/gated?key={gated}")
            server.wait_notes(gated)
        for other, gated in zip(clients, keys, strict=True):
            server.open_gate(gated)
            assert other.response().body == b"through"
        client.request(f"/patient?key={key}")
        assert client.response().status == 504
        assert server.wait_notes(key, 2) == ["started", "cancelled"]
        assert client.get("/hello").body == b"hello"
    server.log.claim("patient")
