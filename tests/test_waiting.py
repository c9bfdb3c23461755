"""Clients that wait in a passed socket for a server that cannot start are answered before it ends, and the socket goes on listening."""

import json
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest

from client import Client
from server import option_arguments

BROKEN = "raise ValueError('said in the traceback')"
DEADLY = "import os; os._exit(3)"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
# More than a socket takes at once, so that something is left unread when the head is answered.
LARGE = b"x" * 300_000


class Passed:
    """A listening socket, and a command that is started with it as systemd would."""

    def __init__(self, hostler, tmp_path, listener):
        self.hostler = hostler
        self.directory = tmp_path
        self.listener = listener
        self.address = listener.getsockname()

    def serve(self, source, name="http", **options):
        (self.directory / "shop.py").write_text(source)
        number = self.listener.fileno()
        starter = f'exec 3<&{number} {number}<&-; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec "$0" "$@"'
        options = {"chdir": self.directory, "python": sys.executable, **options}
        words = ["run", *option_arguments(options), "shop:application"]
        return self.hostler(*words, wrapper=["bash", "-c", starter], pass_fds=[number])


@pytest.fixture(params=["tcp", "unix"])
def passed(request, hostler, tmp_path):
    with socket.socket(socket.AF_INET if request.param == "tcp" else socket.AF_UNIX) as listener:
        listener.bind(("127.0.0.1", 0) if request.param == "tcp" else str(tmp_path / "passed.sock"))
        listener.listen(100)
        yield Passed(hostler, tmp_path, listener)


@contextmanager
def waiting(passed, *requests):
    """Clients that have sent their requests before anybody accepts."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(passed.address)) for _ in requests]
        for client, request in zip(clients, requests, strict=True):
            client.request(**request)
        yield clients


def assert_unavailable(answer):
    assert answer.status == 503, answer
    assert int(answer.header("retry-after")) > 0
    assert answer.header("connection") == "close" and answer.header("date")


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        (BROKEN, {}, 65),
        (DEADLY, {}, 69),
        ("", {"no-such-option": "1"}, 64),
        ("", {"workers": "many"}, 64),
        ("", {"chdir": "/no/such/directory"}, 64),
        ("", {"bind": "127.0.0.1:1"}, 64),
    ],
    ids=["import", "boot", "words", "settings", "directory", "bind"],
)
def test_all_are_answered_and_the_socket_goes_on(passed, source, options, code):
    with waiting(passed, {}, {"target": "/other", "version": "1.0"}) as clients:
        command = passed.serve(source, **options)
        for client in clients:
            answer = client.response()
            assert_unavailable(answer)
            client.expect_end()
            assert b"said" not in answer.body and b"/no/such" not in answer.body
        assert command.wait() == code, command.describe()
    # Nobody waits any more, and the next one does.
    passed.listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        passed.listener.accept()
    with Client(passed.address):
        passed.listener.accept()[0].close()


def test_each_is_answered_in_what_it_takes(passed):
    page, plain = {"headers": [("Accept", BROWSER)]}, {}
    takes_json, handshake = {"headers": [("Accept", "application/json")]}, {"headers": HANDSHAKE}
    head, upload = {"method": "HEAD"}, {"method": "POST", "body": b"x" * 10_000}
    with waiting(passed, page, plain, takes_json, handshake, head, upload) as clients:
        command = passed.serve(BROKEN)
        methods = ["GET", "GET", "GET", "GET", "HEAD", "POST"]
        answers = [client.response(method) for client, method in zip(clients, methods, strict=True)]
        assert command.wait() == 65
    for answer in answers:
        assert_unavailable(answer)
    types = [answer.header("content-type") for answer in answers]
    assert types[:3] == ["text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"]
    assert answers[0].text.startswith("<!DOCTYPE html>")
    assert answers[1].text.startswith("The application cannot be started.")
    assert json.loads(answers[2].body)["error"] == "unavailable"
    assert answers[4].body == b"" and answers[5].body


def test_the_reason_is_for_who_develops(passed):
    with waiting(passed, {}) as (client,):
        command = passed.serve(BROKEN, debug=True)
        assert "said in the traceback" in client.response().text
        assert command.wait() == 65


def test_a_large_body_is_no_reason_for_a_reset(passed):
    with waiting(passed, {}) as (first,), Client(passed.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        # It may be sending still when it is answered, and is not waited for longer than a moment then.
        sending = threading.Thread(target=client.send, args=(LARGE,))
        sending.start()
        command = passed.serve(BROKEN)
        assert_unavailable(first.response())
        assert_unavailable(client.response())
        sending.join()
        assert command.wait() == 65


def test_who_says_nothing_or_nonsense_keeps_nobody(passed):
    with waiting(passed, {}) as (client,), Client(passed.address) as silent, Client(passed.address) as nonsense, Client(
        passed.address
    ) as slow:
        nonsense.send(b"\x16\x03\x01 no HTTP\r\n\r\n")
        slow.send(b"GET / HTTP/1.1\r\nHost:")
        command = passed.serve(BROKEN)
        assert_unavailable(client.response())
        assert_unavailable(nonsense.response())
        assert_unavailable(slow.response())
        silent.expect_end()
        assert command.wait() == 65


def test_more_than_are_answered_at_once(passed):
    passed.listener.listen(2000)
    with waiting(passed, *[{}] * 600) as clients:
        for client in clients:
            # Nobody has to wait whether more comes: the time for all of them is short.
            client.socket.shutdown(socket.SHUT_WR)
        command = passed.serve(BROKEN)
        for client in clients:
            assert_unavailable(client.response())
        assert command.wait() == 65
    assert "who waited for the start was answered 503 clients=600" in command.describe()


def test_a_socket_for_something_else_is_left_alone(passed):
    with waiting(passed, {}) as (client,):
        assert passed.serve("", name="https").wait() == 64
        passed.listener.setblocking(False)
        accepted, _ = passed.listener.accept()
        with accepted:
            accepted.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert client.response().status == 204


def test_one_of_its_own_closes_with_it(hostler, tmp_path):
    """Nobody would start the server again: who connected to it is refused, as before."""
    (tmp_path / "shop.py").write_text(BROKEN)
    options = {"chdir": tmp_path, "python": sys.executable, "bind": f"unix:{tmp_path}/own.sock"}
    command = hostler("run", *option_arguments(options), "shop:application")
    assert command.wait() == 65
    assert "was answered" not in command.describe() and not (tmp_path / "own.sock").exists()
