"""Access log, request ids, slow requests, the error log, and what goes wrong with the files."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Event, Thread
from urllib.parse import quote

import pytest

from client import Client
from deadline import let_pass, wait_until
from server import APPS, BINARY, option_arguments

# Within quotes, as Apache writes it: quotes and backslashes are escaped.
QUOTED = r'(?:[^"\\]|\\.)*'
COMBINED = re.compile(
    rf'(?P<host>\S+) - (?P<user>\S+) \[(?P<time>\d\d/\w{{3}}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}})\] "(?P<line>{QUOTED})" '
    rf'(?P<status>\d{{3}}) (?P<bytes>\d+|-) "(?P<referer>{QUOTED})" "(?P<agent>{QUOTED})"(?P<rest>.*)'
)


def lines(path, count=1):
    """The lines of a file, once there are `count`."""

    def read():
        found = path.read_text().splitlines() if path.exists() else []
        return found if len(found) >= count else None

    return wait_until(read, lambda: f"{count} lines in {path}: {path.read_text() if path.exists() else 'absent'}")


@pytest.fixture
def logged(serve, tmp_path):
    """A server with a JSON access log, and a function that reads its entries."""
    path = tmp_path / "access.json"
    server = serve("tracing:application", access_logfile=path, access_logformat="json", threads=4)
    return server, lambda count=1: [json.loads(line) for line in lines(path, count)]


# The access log


def test_off_by_default(serve):
    server = serve("tracing:application")
    server.get("/hello")
    server.stop()
    assert server.output.lines == []
    assert not [line for line in server.log.lines if "/hello" in line]


def test_combined(serve, tmp_path):
    path = tmp_path / "access.log"
    server = serve("tracing:application", access_logfile=path)
    server.get("/hello?a=b", headers=[("Referer", "http://from.example/"), ("User-Agent", "agent/1 (x)")])
    server.get("/hello", method="HEAD", version="1.0")
    server.get("/absent", method="POST", body=b"body")
    entries = [COMBINED.fullmatch(line) for line in lines(path, 3)]
    assert all(entries), lines(path, 3)
    assert [entry["line"] for entry in entries] == [
        "GET /hello?a=b HTTP/1.1",
        "HEAD /hello HTTP/1.0",
        "POST /absent HTTP/1.1",
    ]
    assert [entry["status"] for entry in entries] == ["200", "200", "404"]
    assert entries[0]["bytes"] == "5"
    assert entries[1]["bytes"] in ("0", "-")
    assert (entries[0]["host"], entries[0]["user"]) == ("127.0.0.1", "-")
    assert (entries[0]["referer"], entries[0]["agent"]) == ("http://from.example/", "agent/1 (x)")
    assert (entries[1]["referer"], entries[1]["agent"]) == ("-", "-")


def test_combined_to_standard_output(serve):
    server = serve("tracing:application", access_logfile="-")
    server.get("/hello")
    assert COMBINED.fullmatch(server.output.wait_line("/hello").string)


def entry_value(entry, *words):
    """The value of the only key that holds one of the words."""
    keys = [key for key in entry if any(word in key for word in words)]
    assert len(keys) == 1, f"{words} in {entry}"
    return entry[keys[0]]


def test_json(logged):
    server, entries = logged
    server.get("/streamed?q=1", headers=[("User-Agent", 'a"b\\c'), ("X-Request-Id", "abc-123")])
    (entry,) = entries()
    assert entry["status"] == 200
    assert entry["method"] == "GET"
    assert "/streamed" in json.dumps(entry)
    assert 7000 in entry.values(), "bytes sent"
    assert "abc-123" in entry.values()
    assert 'a"b\\c' in entry.values()
    assert "127.0.0.1" in json.dumps(entry)


def test_time_in_the_queue_and_in_the_application_are_told_apart(serve, tmp_path):
    """One request runs while the other waits, as long as the test likes."""
    path, metrics, held = tmp_path / "access.json", f"{tmp_path}/m", 2.0
    options = {"access_logfile": path, "access_logformat": "json", "metrics_bind": f"unix:{metrics}"}
    server = serve("deadly:application", workers=1, threads=1, **options)
    key = server.key()

    def in_flight():
        with Client(metrics) as client:
            return re.search(r"^hostler_requests_in_flight (\d+)", client.get("/metrics").text, re.MULTILINE)[1]

    with server.connect() as runs, server.connect() as waits:
        runs.request(f"/gated?gate={key}")
        server.wait_notes(key)
        waits.request("/hello")
        wait_until(lambda: in_flight() == "2", "one runs, and one waits")
        let_pass(held)
        server.open_gate(key)
        assert (runs.response().body, waits.response().body) == (b"through", b"hello")
    found = {json.loads(line)["target"]: json.loads(line) for line in lines(path, 2)}
    ran, waited = found[f"/gated?gate={key}"], found["/hello"]
    assert held * 1e6 <= entry_value(ran, "application"), found
    assert held * 1e6 <= entry_value(waited, "queue"), found
    assert entry_value(ran, "queue") < entry_value(ran, "application"), found
    assert entry_value(waited, "application") < entry_value(waited, "queue"), found


def test_refused_requests_are_logged_too(logged):
    server, entries = logged
    with server.connect() as client:
        client.send(b"GET /nonsense\r\n\r\n")
        assert client.response().status == 400
    (entry,) = entries()
    assert entry["status"] == 400


def test_what_was_cut_is_logged(logged):
    server, entries = logged
    client = server.connect()
    client.request("/sleeping?seconds=0.3")
    client.reset()
    (entry,) = entries()
    assert "/sleeping" in json.dumps(entry)


HOSTILE = ['a" 200 5 "x', "\t tab", "\x9b31m", "caf\xe9", "back\\slash", "'; drop", "%0d%0aforged"]


@pytest.mark.parametrize("format", ["combined", "json"])
def test_hostile_values_cannot_forge(serve, tmp_path, format):
    path = tmp_path / "access.log"
    server = serve("tracing:application", access_logfile=path, access_logformat=format)
    for value in HOSTILE:
        server.get(
            "/hello?" + quote(value), headers=[("User-Agent", value), ("Referer", value), ("X-Request-Id", value)]
        )
    found = lines(path, len(HOSTILE))
    assert len(found) == len(HOSTILE)
    for line in found:
        assert line.isprintable() or format == "json", repr(line)
        if format == "json":
            assert json.loads(line)["status"] == 200
        else:
            entry = COMBINED.fullmatch(line)
            assert entry and entry["status"] == "200", line


# Request ids


def test_a_request_id_is_made_and_given_back(logged):
    server, entries = logged
    responses = [server.get("/request-id") for _ in range(3)]
    ids = [response.header("X-Request-Id") for response in responses]
    assert [response.text for response in responses] == ids, "the same in environ"
    assert len(set(ids)) == 3 and all(len(i) >= 16 for i in ids)
    assert [set(entry.values()) & set(ids) for entry in entries(3)] == [{i} for i in ids]


@pytest.mark.parametrize("value", ["abc", "0123456789abcdef-ABC_x.y:z/+=@", "x" * 64])
def test_a_sane_request_id_is_kept(logged, value):
    server, entries = logged
    response = server.get("/request-id", headers=[("X-Request-Id", value)])
    assert (response.text, response.header("X-Request-Id")) == (value, value)
    assert value in entries()[0].values()


@pytest.mark.parametrize("value", ["", "a b", 'a"b', "a\tb", "caf\xe9", "x" * 2000, "<script>", "a\\b", "a\x9bb"])
def test_another_request_id_is_replaced(logged, value):
    server, entries = logged
    response = server.get("/request-id", headers=[("X-Request-Id", value)])
    made = response.header("X-Request-Id")
    assert made and made != value and response.text == made
    assert made in entries()[0].values()


def test_two_request_ids_are_not_joined(logged):
    server, _ = logged
    response = server.get("/request-id", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")])
    assert response.text == response.header("X-Request-Id")
    assert "," not in response.text


def test_request_id_off(serve):
    server = serve("tracing:application", request_id_header="")
    response = server.get("/request-id")
    assert (response.text, response.header("X-Request-Id")) == ("none", None)
    assert server.get("/request-id", headers=[("X-Request-Id", "a b")]).text == "a b"


def test_another_header_for_the_request_id(serve):
    server = serve("tracing:application", request_id_header="X-Correlation-Id")
    response = server.get("/hello", headers=[("X-Correlation-Id", "abc")])
    assert response.header("X-Correlation-Id") == "abc"


def test_errors_of_the_router_carry_the_request_id(logged):
    server, entries = logged
    response = server.get("/failing", headers=[("X-Request-Id", "failing-1")])
    assert (response.status, response.header("X-Request-Id")) == (500, "failing-1")
    record = server.log.expect("", level="ERROR", detail="ValueError")
    assert "failing-1" in record.message
    assert "failing-1" in entries()[0].values()


# The error log


def test_tracebacks_are_in_one_piece(serve):
    server = serve("tracing:application", workers=4, threads=2)
    requests = [Thread(target=server.get, args=("/failing",)) for _ in range(24)]
    for request in requests:
        request.start()
    for request in requests:
        request.join()
    for _ in requests:
        record = server.log.expect("", level="ERROR", detail="third line")
        assert len(re.findall("Traceback", record.text)) == 1
        assert len(re.findall("in deep", record.text)) >= 3
    assert not [r for r in server.log.records if r.message == "forged"], "the exception's text forged a record"


def test_the_error_log_in_a_file(serve, tmp_path):
    path = tmp_path / "error.log"
    server = serve("tracing:application", error_logfile=path, ready=False)
    wait_until(lambda: server.addresses, "the server listens")
    assert server.get("/failing").status == 500
    wait_until(lambda: "ValueError" in path.read_text(), "the traceback is in the file")
    server.stop()
    assert server.log.lines == []


def test_what_the_application_prints_comes_through(serve):
    server = serve("tracing:application")
    server.get("/printing")
    server.output.wait_line("printed by the application")


@pytest.mark.parametrize("level, told", [("error", False), ("debug", True)])
def test_level(serve, tmp_path, level, told):
    path = tmp_path / "error.log"
    server = serve("tracing:application", log_level=level, error_logfile=path, ready=False)
    wait_until(lambda: server.addresses, "the server listens")
    assert server.get("/hello").status == 200
    server.stop()
    assert bool(path.read_text()) == told


def test_slow_requests(serve):
    server = serve("tracing:application", slow_request=4)
    server.get("/hello")
    server.get("/sleeping?seconds=4.1", headers=[("X-Request-Id", "slow-1")])
    record = server.log.expect("slow")
    assert "/sleeping" in record.message and "slow-1" in record.message
    assert not [r for r in server.log.records if "/hello" in r.message]


def test_slow_requests_are_not_logged_by_default(serve):
    server = serve("tracing:application")
    server.get("/sleeping?seconds=0.3")
    server.stop()
    assert not [line for line in server.log.lines if "/sleeping" in line]


# Files


def test_reopen(serve, tmp_path):
    access, errors = tmp_path / "access.log", tmp_path / "error.log"
    server = serve("tracing:application", access_logfile=access, error_logfile=errors, ready=False)
    wait_until(lambda: server.addresses, "the server listens")
    server.get("/hello?before")
    lines(access)
    access.rename(tmp_path / "access.1")
    errors.rename(tmp_path / "error.1")
    server.send_signal(signal.SIGUSR1)
    # A file may be there a moment before it is written on.
    wait_until(lambda: access.exists() and errors.exists() and "reopened" in errors.read_text(), "the files are there again")
    server.get("/hello?after")
    server.get("/failing")
    assert "after" in lines(access)[0]
    wait_until(lambda: "ValueError" in errors.read_text(), "the error log goes on in the new file")
    assert "before" in (tmp_path / "access.1").read_text()
    assert "after" not in (tmp_path / "access.1").read_text()


def test_reopen_without_files_hurts_nobody(serve):
    server = serve("tracing:application", access_logfile="-")
    server.send_signal(signal.SIGUSR1)
    server.get("/hello")
    server.output.wait_line("/hello")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this machine has no /dev/full")
@pytest.mark.parametrize("options", [{"access_logfile": "/dev/full"}, {"error_logfile": "/dev/full"}])
def test_a_full_disk_costs_lines_and_nothing_else(serve, options):
    server = serve("tracing:application", ready=False, **options)
    wait_until(lambda: server.addresses, "the server listens")
    with server.connect() as client:
        for _ in range(200):
            assert client.get("/hello").body == b"hello"
    assert server.get("/failing").status == 500
    server.log.claim("")
    server.stop()


def test_a_log_file_that_cannot_be_opened(hostler, tmp_path):
    command = hostler("run", "--access-logfile", tmp_path / "absent" / "access.log", "--bind", "127.0.0.1:0", "a:b")
    assert command.wait() != 0
    assert str(tmp_path / "absent") in command.describe()


def test_a_reader_of_standard_output_that_is_gone(serve):
    """`hostler run --access-logfile - | head`: the end of the pipe is no reason to stop serving."""
    reading, writing = os.pipe()
    server = serve("tracing:application", access_logfile="-", stdout=writing)
    os.close(writing)
    os.close(reading)
    server.get("/hello")
    server.log.expect("cannot be written", level="WARN")
    server.take_baseline()  # to tell of it, standard error is opened once more
    for _ in range(50):
        assert server.get("/hello").body == b"hello"
    server.log.claim("")


# On a terminal


@pytest.fixture
def on_a_terminal(tmp_path):
    """What a server writes to a terminal while it answers one request with an error; an environment beside the own."""

    def run(**environment):
        controller, terminal = pty.openpty()
        written, ended = [], Event()

        def read():
            # EIO: nobody has the other end any more.
            with suppress(OSError):
                while piece := os.read(controller, 65536):
                    written.append(piece)
            ended.set()

        reader = Thread(target=read, daemon=True)
        reader.start()
        options = option_arguments({"bind": f"unix:{tmp_path}/log.sock", "chdir": APPS, "python": sys.executable})
        server = subprocess.Popen(
            [BINARY, "run", *options, "tracing:application"],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "NO_COLOR": "", **environment},
        )
        os.close(terminal)
        try:
            wait_until(lambda: b"listening on" in b"".join(written), lambda: f"it listens: {written}")
            with Client(f"{tmp_path}/log.sock") as client:
                assert client.get("/failing").status == 500
            wait_until(lambda: b"ValueError" in b"".join(written), lambda: f"a traceback: {written}")
            server.send_signal(signal.SIGTERM)
            assert server.wait(15) == 0
            assert ended.wait(15)
        finally:
            server.kill()
            server.wait()
            os.close(controller)
        return b"".join(written).decode().replace("\r\n", "\n")

    return run


START = r"\x1b\[2m\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[\d+\]\x1b\[0m"


def test_lines_on_a_terminal_have_colours(on_a_terminal):
    told = on_a_terminal()
    assert re.search(rf"^{START} \x1b\[32mINFO\x1b\[0m listening on ", told, re.MULTILINE), told
    assert re.search(rf"^{START} \x1b\[31mERROR\x1b\[0m ", told, re.MULTILINE), told
    assert re.search(r"^  \x1b\[1;31mValueError: first line", told, re.MULTILINE), "what was raised stands out"


def test_without_colours_where_they_are_not_wanted(on_a_terminal):
    """no-color.org: any value that is not empty."""
    told = on_a_terminal(NO_COLOR="1")
    assert "listening on" in told and "\x1b" not in told


# A log that nobody takes


@pytest.mark.parametrize("kind", ["fifo", "stdout"])
def test_a_reader_that_stands_still_holds_up_no_request(serve, tmp_path, kind):
    """What it does not take is kept up to a limit, then lost, counted and told; when it goes on, so does the log."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    metrics = f"{tmp_path}/m"
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY) if kind == "stdout" else None
    server = serve(
        "tracing:application",
        access_logfile=path if kind == "fifo" else "-",
        stdout=writer,
        metrics_bind=f"unix:{metrics}",
        limit_request_line=16_000,
    )

    def lost():
        with Client(metrics) as client:
            text = client.get("/metrics").text
        return int(re.search(r"^hostler_log_records_lost_total (\d+)", text, re.MULTILINE)[1])

    client, asked = server.connect(), 0

    def ask(count):
        nonlocal asked
        for _ in range(count):
            asked += 1
            assert client.get("/absent?" + "x" * 12_000).status == 404

    ask(200)
    assert lost() > 0
    server.log.expect("the log .* cannot be written, records are being lost: its reader is too slow", level="WARN")
    taken = 0

    def goes_on():
        nonlocal taken
        try:
            while block := os.read(reader, 1 << 20):
                taken += block.count(b"\n")
        except BlockingIOError:
            ask(3)
            return any("can be written again, lost records" in line for line in server.log.lines)

    wait_until(goes_on, lambda: f"the log goes on; lines taken: {taken}")
    server.log.expect("can be written again, lost records", level="WARN")
    assert 0 < taken <= asked - lost()
    # What says such things on standard error has a descriptor of its own from the first time on.
    client.close()
    server.take_baseline()
    server.stop()
    os.close(reader)
    if writer:
        os.close(writer)


# A stop by force


@pytest.mark.parametrize("how", ["at the end of graceful_timeout", "told twice"])
@pytest.mark.parametrize("app, stream", [("pep3333:application", "/blocks?count=2"), ("asgi_plain:application", "/gated-body?")])
def test_what_a_stop_cuts_off_is_in_the_access_log(serve, tmp_path, app, stream, how):
    """Streams and requests that still ran had no line."""
    path = tmp_path / "access.json"
    twice = how == "told twice"
    server = serve(
        app, access_logfile=path, access_logformat="json", threads=2, graceful_timeout=60 if twice else 0.5, timeout=0
    )
    key = server.key()
    client = server.connect()
    client.request(f"{stream}&gate={key}")
    assert client.head().status == 200
    assert client.chunk()
    server.send_signal(signal.SIGTERM)
    server.log.expect("stopping", level="INFO")
    if twice:
        server.send_signal(signal.SIGTERM)
    # The client stays to the end.
    server.process.wait(20)
    (entry,) = [json.loads(line) for line in lines(path)]
    assert (entry["status"], entry["outcome"]) == (200, "cut_off")
    assert entry["target"].startswith(stream) and entry["bytes"] > 0 and entry["worker"] is not None
    server.log.claim("cut off|killed|second time|graceful_timeout|worker|gate|task")
    server.assert_ended(0)
