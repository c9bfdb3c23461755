"""Requests and workers: time limits, the queue, threads and processes, and who is held up by whom."""

import os
import re
import signal
import threading
import time

import pytest

import processes
from client import Client, Cut, plain_request
from deadline import let_pass, wait_until

# The time limit of a request where others are to be served within it as well, on a machine that stands still for a moment.
LIMIT = 3


def in_threads(functions):
    """Runs all at once; returns what they returned, in order, and raises the first of their faults."""
    results, faults = [None] * len(functions), []

    def run(index, function):
        try:
            results[index] = function()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


def wait_served(server):
    """Waits until the worker that replaces the only one serves: a request that comes before waits for it no longer than its timeout."""
    wait_until(lambda: server.get("/hello").body == b"hello", lambda: f"it serves again:\n{server.describe()}")


def test_a_request_past_its_timeout_is_504_at_once_and_its_worker_replaced(serve):
    server = serve("deadly:application", workers=2, timeout=LIMIT)
    before = set(server.workers())
    with server.connect() as client:
        start = time.monotonic()
        response = client.get("/sleeping?seconds=60")
        took = time.monotonic() - start
        assert response.status == 504
        # It would have slept for a minute.
        assert LIMIT - 0.1 < took < 4 * LIMIT
        assert client.get("/hello").body == b"hello"
    record = server.log.expect("", detail=r"sleeping")
    assert "/sleeping" in record.message or "/sleeping" in record.text
    wait_until(lambda: len(set(server.workers()) & before) == 1, "the worker is replaced")
    server.wait_workers(2)
    server.log.claim("worker|timeout|sleeping")


def test_a_loop_that_never_yields_is_timed_out_as_well(serve):
    server = serve("deadly:application", workers=1, timeout=LIMIT)
    (before,) = server.workers()
    assert server.get("/stuck-in-a-loop").status == 504
    server.log.expect("", detail="stuck_in_a_loop")
    assert server.get("/hello").body == b"hello"
    assert server.workers() == [before], "the exception ended it"
    server.log.claim("worker|timeout|stuck|RequestTimeout")


def test_a_stopped_process_is_timed_out_as_well(serve):
    """Not even Python runs there; no stack can be had, but the answer comes and the worker goes."""
    server = serve("deadly:application", workers=1, timeout=1, graceful_timeout=1)
    key, (worker,) = server.key(), server.workers()
    with server.connect() as client:
        client.request(f"/gated?gate={key}")
        server.wait_notes(key)
        os.kill(worker, signal.SIGSTOP)
        assert client.response().status == 504
    wait_until(lambda: worker not in server.workers(), "the worker is replaced")
    wait_served(server)
    server.log.claim("worker|timeout|gated")


def test_other_requests_of_a_worker_that_is_replaced_are_finished(serve):
    server = serve("deadly:application", workers=1, threads=4, timeout=8, graceful_timeout=10)
    key, slow, fine = server.key(), server.connect(), server.connect()
    slow.request("/sleeping?seconds=60")
    # It is within its own time when that of the other is over.
    let_pass(4)
    fine.request(f"/gated?gate={key}")
    server.wait_notes(key)
    assert slow.response().status == 504
    server.open_gate(key)
    assert fine.response().body == b"through"
    assert server.get("/hello").body == b"hello"
    server.log.claim("worker|timeout|sleeping")


def test_a_timeout_in_the_middle_of_an_answer_cuts_it(serve):
    server = serve("deadly:application", workers=1, timeout=LIMIT)
    key = server.key()
    with server.connect() as client:
        client.request(f"/dying-in-answer?gate={key}")
        response = client.head()
        client.chunk()
        with pytest.raises(Cut):
            client.read_body(response)
    assert server.get("/hello").body == b"hello"
    server.log.claim("worker|timeout|dying")


DONE_WITH = "timeout after its client was done with it"
# What else may be told of it. A print of stacks that is held up in the middle comes as two.
OF_IT = "worker.*(died|ended|killed|timeout)|died|RequestTimeout|Python stacks"


@pytest.mark.parametrize("how", ["asleep", "busy"])
def test_a_close_that_hangs_after_a_whole_answer_is_timed_out(serve, how):
    """The client had its answer, so nobody waited for the request any more and no time limit was kept: its thread was lost for good."""
    server = serve("deadly:application", workers=1, threads=1, timeout=LIMIT)
    key, (before,) = server.key(), server.workers()
    with server.connect() as client:
        assert client.get(f"/hanging-in-close?key={key}&how={how}").body == b"whole"
        record = server.log.expect(DONE_WITH, level="ERROR")
        assert "hanging-in-close" in record.text
        server.log.expect("", detail=r"in hang\b")
        if how == "asleep":
            wait_until(lambda: before not in server.workers(), "the worker is replaced")
            wait_served(server)
        assert client.get("/hello").body == b"hello", "the connection goes on"
    server.wait_notes(key)
    server.log.claim(OF_IT)


@pytest.mark.parametrize("how", ["asleep", "busy"])
def test_a_request_that_hangs_after_its_client_left_is_timed_out(serve, how):
    """The same for a client that vanished in the middle of its answer."""
    server = serve("deadly:application", workers=1, threads=1, timeout=LIMIT)
    key, (before,) = server.key(), server.workers()
    client = server.connect()
    client.request(f"/hanging-after-the-client?key={key}&how={how}")
    client.head()
    assert client.chunk() == b"first"
    client.reset()
    server.open_gate(key)
    server.wait_notes(key)
    record = server.log.expect(DONE_WITH, level="ERROR")
    assert "hanging-after-the-client" in record.text
    server.log.expect("", detail=r"in hang\b")
    if how == "asleep":
        wait_until(lambda: before not in server.workers(), "the worker is replaced")
        wait_served(server)
    for _ in range(3):
        assert server.get("/hello").body == b"hello"
    server.log.claim(OF_IT)


def test_without_timeout_a_request_may_run_on(serve):
    server = serve("deadly:application", timeout=0)
    assert server.get("/sleeping?seconds=1.5").body == b"slept"


# Many at once


def counted(metrics, name):
    """What the server tells of itself under a name, over all its labels."""
    with Client(metrics) as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}[ {{]", line))


def test_a_full_queue_is_503_with_retry_after(serve, tmp_path):
    metrics = f"{tmp_path}/m"
    options = {"limit_concurrency": 3, "request_id_header": "X-Request-Id", "metrics_bind": f"unix:{metrics}"}
    server = serve("deadly:application", workers=1, threads=1, **options)
    keys = [server.key() for _ in range(3)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/gated?gate={key}")
    wait_until(lambda: counted(metrics, "hostler_requests_in_flight") == 3, "all three run or wait")
    response = server.get("/hello")
    assert response.status == 503
    assert int(response.header("Retry-After")) >= 1
    assert response.header("X-Request-Id")
    for key in keys:
        server.open_gate(key)
    assert [client.response().body for client in clients] == [b"through"] * 3
    # Who has an answer may be told so before its place is free.
    wait_until(lambda: counted(metrics, "hostler_requests_in_flight") == 0, "none runs or waits")
    assert server.get("/hello").status == 200
    server.log.claim("(?i)queue|concurrency|503|full|busy")


def test_a_refusal_has_no_content_for_head(serve):
    server = serve("deadly:application", limit_request_body=10)
    for method, content in [("HEAD", b""), ("POST", b"413 Content Too Large\n")]:
        with server.connect() as client:
            client.send(plain_request("/hello", method=method, headers=[("Content-Length", "100")]))
            head, _, rest = client.rest().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ") and b"\r\nContent-Length: " in head
        assert rest[: len(content) or None] == content


def test_threads_run_requests_at_once(serve):
    server = serve("deadly:application", workers=1, threads=4)
    keys = [server.key() for _ in range(4)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/gated?gate={key}")
    # Each has begun, and none may end.
    assert len({server.wait_notes(key)[0] for key in keys}) == 1
    for key in keys:
        server.open_gate(key)
    assert [client.response().body for client in clients] == [b"through"] * 4


def test_workers_run_requests_at_once(serve):
    server = serve("deadly:application", workers=4, threads=1)
    keys = [server.key() for _ in range(4)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/gated?gate={key}")
    pids = {server.wait_notes(key)[0] for key in keys}
    assert len(pids) == 4, "an idle process before anything else"
    for key in keys:
        server.open_gate(key)
    assert [client.response().status for client in clients] == [200] * 4


def test_an_idle_process_is_preferred_to_a_second_thread(serve, tmp_path):
    metrics = f"{tmp_path}/m"
    server = serve("deadly:application", workers=3, threads=3, metrics_bind=f"unix:{metrics}")
    for _ in range(5):
        # A process that has just answered is idle a moment later, once the thread that did it waits for the next.
        wait_until(lambda: counted(metrics, "hostler_worker_requests_running") == 0, "all are idle")
        wait_until(lambda: all(processes.at_rest(pid) for pid in server.workers()), "all wait")
        keys = [server.key() for _ in range(3)]
        clients = [server.connect() for _ in keys]
        for client, key in zip(clients, keys, strict=True):
            client.request(f"/gated?gate={key}")
            server.wait_notes(key)
        assert len({server.notes(key)[0] for key in keys}) == 3
        for client, key in zip(clients, keys, strict=True):
            server.open_gate(key)
            client.response()


def test_a_slow_request_holds_up_nobody(serve):
    """Kept connections are not bound to a worker: the free one answers them all."""
    server = serve("deadly:application", workers=2, threads=1)
    clients = [server.connect() for _ in range(16)]
    for client in clients:
        client.get("/hello")
    key = server.key()
    slow = server.connect()
    slow.request(f"/gated?gate={key}")
    server.wait_notes(key)
    for _ in range(5):
        for client in clients:
            client.request("/hello")
        for client in clients:
            assert client.response().body == b"hello"
    server.open_gate(key)
    assert slow.response().body == b"through"


def test_slow_clients_occupy_no_worker(serve):
    """A head or a body that is still on its way leaves the only thread free, as far as buffers reach."""
    server = serve("deadly:application", workers=1, threads=1)
    clients = [server.connect() for _ in range(50)]
    for client in clients:
        client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
    assert server.get("/hello").body == b"hello"
    for client in clients:
        client.send(b"\r\n")
    for client in clients:
        assert client.response().body == b"hello"


# The most that a head of 64 KiB can be behind: fields of a size that is let through.
TRICKLED = (
    b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 3000) for n in range(15)) + b"Y: "
)


def trickle(clients, stop):
    """Sends a byte of each head in turn, until told to stop; how many rounds were sent. Not so many that a field becomes too long."""
    for rounds in range(5000):
        for client in clients:
            client.send(b"b")
        if stop.is_set():
            return rounds
    stop.wait()
    return rounds


def test_heads_that_trickle_starve_nobody(serve):
    """Each byte made the server read the whole head so far once more: a hundred clients that sent large heads byte by byte took all of
    the router's time."""
    server = serve("deadly:application", workers=1, router_threads=1, header_timeout=60)
    slow = [server.connect() for _ in range(100)]
    for client in slow:
        client.send(TRICKLED)
    stop, times = threading.Event(), []

    def ask():
        try:
            with server.connect() as client:
                for _ in range(50):
                    start = time.monotonic()
                    assert client.get("/hello").body == b"hello"
                    times.append(time.monotonic() - start)
        finally:
            stop.set()

    rounds, _ = in_threads([lambda: trickle(slow, stop), ask])
    assert rounds > 0, "the load was none"
    # Where it starves each answer is late; one or the other is where the machine stands still for a moment.
    assert sorted(times)[-10] < 2, sorted(times)[-10:]
    # They are slow, and nothing else is wrong with them.
    for client in slow:
        client.send(b"\r\n\r\n")
    for client in slow:
        assert client.response().body == b"hello"


def test_workers_auto(serve):
    server = serve("deadly:application", workers="auto")
    server.wait_workers(len(os.sched_getaffinity(0)))
