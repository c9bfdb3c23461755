"""How a server ends: what runs is finished, what waits is served, nothing is left."""

import os
import signal
import time

import pytest

import processes
from client import Cut
from deadline import wait_until

UNFINISHED = "workers did not finish within graceful_timeout; they are killed"
CUT_OFF = "requests still ran at the end of graceful_timeout, and were cut off"
KILLED = "was killed by SIGKILL while it ran 1 request"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_runs(serve, number):
    server = serve("deadly:application", workers=1, threads=2, graceful_timeout=20)
    key = server.key()
    running, streaming, idle = server.connect(), server.connect(), server.connect()
    idle.get("/hello")
    running.request(f"/gated?gate={key}")
    server.wait_notes(key)
    streaming.request("/streaming?count=50")
    streamed = streaming.head()
    address = server.address
    server.send_signal(number)
    idle.expect_end()

    def refused():
        try:
            server.connect(address).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(refused, "new connections are refused")
    streaming.read_body(streamed)
    assert streamed.body == b"block" * 50
    server.open_gate(key)
    response = running.response()
    assert (response.body, response.header("Connection")) == (b"through", "close")
    running.expect_end()
    server.assert_ended(0)


def test_a_stop_serves_what_is_queued(serve):
    server = serve("deadly:application", workers=1, threads=1, graceful_timeout=20)
    keys = [server.key() for _ in range(3)]
    clients = [server.connect() for _ in keys]
    for client, key in zip(clients, keys, strict=True):
        client.request(f"/gated?gate={key}")
        server.wait_notes(keys[0])
    server.send_signal(signal.SIGTERM)
    for key in keys:
        server.open_gate(key)
    assert [client.response().status for client in clients] == [200] * 3
    server.assert_ended(0)


def test_a_stop_waits_no_longer_than_graceful_timeout(serve):
    server = serve("deadly:application", workers=1, graceful_timeout=1)
    key = server.key()
    client = server.connect()
    client.request(f"/stubborn?key={key}")
    server.wait_notes(key)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    try:
        assert client.response().status in (502, 503, 504)
    except Cut:
        pass  # as good
    server.process.wait(10)
    assert time.monotonic() - start < 6
    server.log.expect(CUT_OFF, level="WARN")
    server.log.expect(KILLED, level="ERROR")
    server.assert_ended(0)


GRACEFUL_SECONDS = 4
# A worker that does not end has another second between SIGTERM and SIGKILL; twice the time is what must not be.
AT_MOST_SECONDS = 1.9 * GRACEFUL_SECONDS

# What is asked, the status it gets, and what the log says beside the end of the worker. What hangs in close() has sent its whole answer before.
HANGING = {
    "in the application": ("/stubborn?key={key}", None, CUT_OFF),
    "in close": ("/hanging-in-close?key={key}", 200, UNFINISHED),
    "in close, after a slow answer": ("/hanging-in-close?key={key}&seconds=2", 200, UNFINISHED),
}


@pytest.mark.parametrize("name", HANGING)
def test_a_stop_with_a_hanging_request_takes_graceful_timeout_once(serve, name):
    """First the connections were given graceful_timeout to end, then the workers were given the same again: an operator who allows
    thirty seconds waited for sixty, and systemd's TimeoutStopSec fell between."""
    target, status, told = HANGING[name]
    server = serve("deadly:application", workers=1, threads=2, graceful_timeout=GRACEFUL_SECONDS, timeout=30)
    key = server.key()
    client = server.connect()
    client.request(target.format(key=key))
    server.wait_notes(key)
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    if status:
        # It leaves when it has its answer, as clients do: from then on nothing but the worker is waited for.
        assert client.response().status == status
        client.close()
    server.process.wait(5 * GRACEFUL_SECONDS)
    took = time.monotonic() - start
    server.log.expect(told, level="WARN")
    server.log.expect(KILLED, level="ERROR")
    server.assert_ended(0)
    assert took < AT_MOST_SECONDS


def test_a_request_past_its_timeout_does_not_hold_up_a_stop(serve):
    """It was answered, and nobody waits for it: its worker need not have the rest of graceful_timeout."""
    server = serve("deadly:application", workers=1, threads=2, graceful_timeout=60, timeout=2)
    key = server.key()
    with server.connect() as client:
        client.request(f"/stubborn?key={key}")
        server.wait_notes(key)
        start = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert client.response().status == 504
    server.process.wait(40)
    assert time.monotonic() - start < 30
    server.log.expect("a request ran past its timeout: it is interrupted", level="ERROR")
    server.log.expect("what ran past its timeout cannot be ended; its worker is killed", level="WARN")
    server.log.expect("was killed because a request ran past its timeout while it ran 1 request", level="ERROR")
    server.log.claim("the Python stacks of a worker")
    server.assert_ended(0)


def test_a_second_signal_ends_at_once(serve):
    server = serve("deadly:application", workers=2, graceful_timeout=60)
    key = server.key()
    client = server.connect()
    client.request(f"/stubborn?key={key}")
    server.wait_notes(key)
    server.send_signal(signal.SIGTERM)
    server.log.expect("stop|shut|signal|SIGTERM", level="INFO")
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    # The first allows sixty seconds.
    assert time.monotonic() - start < 8
    server.log.expect("told to stop a second time: what runs is cut off", level="WARN")
    server.log.expect(KILLED, level="ERROR")
    server.assert_ended(server.process.returncode)


def test_a_stop_with_nothing_to_do_is_quick(serve):
    server = serve("deadly:application", workers=2, graceful_timeout=60, keep_alive=60)
    client = server.connect()
    client.get("/hello")
    start = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.process.wait(20)
    # Neither of the limits is waited for.
    assert time.monotonic() - start < 10
    server.assert_ended(0)


def test_workers_do_not_outlive_a_killed_server(serve):
    server = serve("deadly:application", workers=3)
    server.ended = True
    server.send_signal(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL  # asserts that no process is left


def test_a_terminal_interrupt_reaches_workers_and_is_ignored_there(serve):
    """Ctrl-C goes to the whole process group; the workers leave it to the server."""
    server = serve("deadly:application", workers=2, graceful_timeout=20)
    key = server.key()
    client = server.connect()
    client.request(f"/gated?gate={key}")
    server.wait_notes(key)
    os.killpg(server.pid, signal.SIGINT)
    server.log.expect("stop|shut|signal|SIGINT", level="INFO")
    server.open_gate(key)
    assert client.response().body == b"through"
    server.assert_ended(0)


# Other signals, and other times


@pytest.mark.parametrize("target", ["/gated?gate={key}", "/gated-in-close?gate={key}"])
def test_the_logs_can_be_reopened_while_a_stop_waits(serve, tmp_path, target):
    """logrotate does not know that the server stops: what it moved away must not be written on, however long the end takes. With the
    answer sent and only close() still running, no connection is left, and nothing but the worker is waited for."""
    access, errors = tmp_path / "access.log", tmp_path / "error.log"
    server = serve(
        "deadly:application", access_logfile=access, error_logfile=errors, graceful_timeout=20, threads=2, ready=False
    )
    wait_until(lambda: server.addresses, "the server listens")
    key = server.key()
    client = server.connect()
    client.request(target.format(key=key))
    server.wait_notes(key)
    if "close" in target:
        assert client.response().body == b"whole"
        client.close()
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in errors.read_text(), "the stop began")
    if "close" in target:
        wait_until(lambda: not processes.threads(server.pid, "router-"), "the router ended")
    for path in (access, errors):
        path.rename(f"{path}.1")
    server.send_signal(signal.SIGUSR1)
    # A file may be there a moment before it is written on.
    wait_until(lambda: access.exists() and errors.exists() and "reopened" in errors.read_text(), "the files are there again")
    server.open_gate(key)
    if "close" not in target:
        assert client.response().body == b"through"
    server.assert_ended(0)
    assert "stopped" in errors.read_text()
    if "close" not in target:
        assert "gated" in access.read_text()
    assert "stopped" not in (tmp_path / "error.log.1").read_text()


def test_other_signals_do_not_cut_a_stop_short(serve):
    server = serve("deadly:application", graceful_timeout=20)
    key = server.key()
    client = server.connect()
    client.request(f"/gated?gate={key}")
    server.wait_notes(key)
    server.send_signal(signal.SIGTERM)
    server.log.expect("stopping", level="INFO")
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
        server.send_signal(number)
    server.log.wait_line("logs were reopened")
    server.open_gate(key)
    assert client.response().body == b"through"
    server.log.claim("SIGHUP")
    server.assert_ended(0)


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_application_is_imported(serve, tmp_path, number, deaf):
    """It is no failure, it leaves neither the socket file nor the pid file, and does not wait for the import, which may take long and be deaf."""
    directory = tmp_path / "server"
    directory.mkdir()
    if deaf:
        (directory / "deaf.gate").touch()
    pidfile = tmp_path / "pid"
    bind = ["127.0.0.1:0", f"unix:{tmp_path}/app.sock"]
    server = serve("booting:application", directory=directory, bind=bind, workers=2, pid=pidfile, ready=False)
    server.wait_notes("boot", 2)
    start = time.monotonic()
    server.send_signal(number)
    server.assert_ended(0)
    # The import never ends by itself, and graceful_timeout is 30 s.
    assert time.monotonic() - start < 12
    assert not pidfile.exists()


def test_a_stop_before_anything_runs_leaves_nothing(serve, tmp_path):
    """While it still asks the Python what it is, there is nothing to finish: it may as well die of the signal."""
    server = serve("booting:application", bind=f"unix:{tmp_path}/app.sock", ready=False)
    wait_until(lambda: processes.children(server.pid) or server.process.poll() is not None, "it starts something")
    server.send_signal(signal.SIGTERM)
    server.process.wait(10)
    assert server.process.returncode in (0, -signal.SIGTERM)
    server.assert_ended(server.process.returncode)


def test_a_stop_while_a_worker_starts_is_quiet(serve):
    """What is told to end before it is ready is no event for the log."""
    server = serve("deadly:application", workers=2)
    for _ in range(3):
        worker = server.workers()[0]
        os.kill(worker, signal.SIGKILL)
        server.log.expect(f"worker.*{worker}.*SIGKILL")
    server.send_signal(signal.SIGTERM)
    server.log.claim("keeps dying|killed from outside")
    server.assert_ended(0)


def test_a_pidfile_is_one_servers(serve, hostler, tmp_path):
    """A second one is refused and leaves it alone; one that was left over by a server that was killed is taken."""
    pidfile = tmp_path / "pid"
    first = serve("plain:application", pid=pidfile)
    assert pidfile.read_text() == f"{first.pid}\n"
    for app in ["plain:application", "no_such_module:application"]:
        second = hostler("run", "--bind", "127.0.0.1:0", "--pid", pidfile, app)
        assert second.wait() == 71
        second.log.wait_line(f"pidfile {pidfile} is that of process {first.pid} .hostler., which runs: stop it")
        assert pidfile.read_text() == f"{first.pid}\n"
    assert first.get("/hello").status == 200
    os.kill(first.pid, signal.SIGKILL)
    first.assert_ended(-signal.SIGKILL)
    assert pidfile.read_text() == f"{first.pid}\n"
    third = serve("plain:application", pid=pidfile)
    assert pidfile.read_text() == f"{third.pid}\n"
    third.stop()
    assert not pidfile.exists()
