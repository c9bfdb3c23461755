"""Where clients connect to: TCP v4 and v6, unix sockets, abstract ones, and sockets that were passed on."""

import grp
import os
import pwd
import re
import shutil
import socket
import stat
import sys
from pathlib import Path

import pytest

import processes
from client import Client
from server import APPS, option_arguments

UNAVAILABLE = 71


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def hello(address):
    with Client(address) as client:
        return client.get("/hello").body


def run(hostler, bind, **options):
    options = {"bind": bind, "chdir": APPS, "python": sys.executable, **options}
    wrapper = options.pop("wrapper", ())
    return hostler("run", *option_arguments(options), "plain:application", wrapper=wrapper)


def assert_unavailable(command, *words):
    assert command.wait() == UNAVAILABLE, command.describe()
    for word in words:
        assert word in command.describe(), command.describe()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_several_at_once(serve, tmp_path):
    path, name = str(tmp_path / "app.sock"), f"@hostler-test-{os.getpid()}"
    server = serve("plain:application", bind=["127.0.0.1:0", "[::1]:0", f"unix:{path}", f"unix:{name}"])
    hosts = {host for host, _ in server.addresses}
    assert hosts == {"127.0.0.1", "::1"}
    for address in [*server.addresses, path, "\0" + name[1:]]:
        assert hello(address) == b"hello"


def test_all_addresses(serve):
    server = serve("plain:application", bind=":0")
    ((_, port),) = {(0, port) for _, port in server.addresses}
    assert hello(("127.0.0.1", port)) == b"hello"
    if has_ipv6():
        assert hello(("::1", port)) == b"hello"


def test_a_name_is_resolved(serve):
    server = serve("plain:application", bind="localhost:0")
    assert hello(server.address) == b"hello"


def test_the_log_says_where_it_listens(serve):
    server = serve("plain:application")
    server.log.expect(f"127.0.0.1:{server.port}", level="INFO")


# Unix sockets


@pytest.mark.parametrize("options, mode", [({"unix_socket_mode": "640"}, 0o640), ({"umask": "027"}, 0o750), ({}, None)])
def test_mode_of_a_unix_socket(serve, tmp_path, options, mode):
    path = tmp_path / "app.sock"
    serve("plain:application", bind=f"unix:{path}", **options)
    if mode is None:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o777 & ~mask
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == mode
    assert hello(str(path)) == b"hello"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_of_a_unix_socket(serve, tmp_path):
    path = tmp_path / "app.sock"
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    serve("plain:application", bind=f"unix:{path}", unix_socket_owner=f"nobody:{group}")
    assert (path.stat().st_uid, path.stat().st_gid) == (pwd.getpwnam("nobody").pw_uid, grp.getgrnam(group).gr_gid)


def test_a_stale_socket_file_is_taken_over(serve, tmp_path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    serve("plain:application", bind=f"unix:{path}")
    assert hello(str(path)) == b"hello"


def test_a_live_socket_file_is_left_alone(serve, hostler, tmp_path):
    path = tmp_path / "app.sock"
    first = serve("plain:application", bind=f"unix:{path}")
    assert_unavailable(run(hostler, f"unix:{path}"), str(path), str(first.pid))
    assert hello(str(path)) == b"hello"


def test_a_file_that_is_no_socket_is_left_alone(hostler, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    assert_unavailable(run(hostler, f"unix:{path}"), str(path), "not a socket")
    assert path.read_text() == "data"


def test_a_socket_file_of_somebody_else_is_not_removed_at_the_end(serve, tmp_path):
    path = tmp_path / "app.sock"
    server = serve("plain:application", bind=f"unix:{path}")
    path.unlink()
    server.socket_files.clear()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        server.stop()
        assert path.exists()


def test_a_missing_directory(hostler, tmp_path):
    assert_unavailable(run(hostler, f"unix:{tmp_path}/absent/app.sock"), f"{tmp_path}/absent")


def test_a_path_too_long(hostler, tmp_path):
    command = run(hostler, f"unix:{tmp_path}/{'x' * 120}")
    assert command.wait() in (64, UNAVAILABLE)
    assert "x" * 120 in command.describe()


# Passed on


def test_a_passed_tcp_socket(serve):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        server = serve("plain:application", bind=f"fd://{passed.fileno()}", pass_fds=[passed.fileno()])
        address = passed.getsockname()
        assert hello(address) == b"hello"
        server.stop()
        # Not shut down: whoever passed it can go on with it.
        with socket.create_connection(address):
            passed.settimeout(5)
            passed.accept()[0].close()


def test_a_passed_unix_socket_is_not_unlinked(serve, tmp_path):
    path = tmp_path / "passed.sock"
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(path))
        passed.listen()
        server = serve("plain:application", bind=f"fd://{passed.fileno()}", pass_fds=[passed.fileno()])
        assert hello(str(path)) == b"hello"
        server.stop()
        assert path.exists()


def test_workers_do_not_inherit_the_sockets(serve):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        server = serve("plain:application", bind=[f"fd://{passed.fileno()}", "127.0.0.1:0"], pass_fds=[passed.fileno()])
        for worker in server.workers():
            assert processes.listening(worker) == set()


def test_a_descriptor_that_is_not_open(hostler):
    command = run(hostler, "fd://77")
    assert command.wait() in (64, UNAVAILABLE)
    assert "fd://77" in command.describe()


def test_a_descriptor_that_is_no_socket(hostler, tmp_path):
    with open(tmp_path / "file", "w") as file:
        options = {"bind": f"fd://{file.fileno()}", "chdir": APPS, "python": sys.executable}
        command = hostler("run", *option_arguments(options), "plain:application", pass_fds=[file.fileno()])
        assert command.wait() in (64, UNAVAILABLE)
        assert f"fd://{file.fileno()}" in command.describe()


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "127.0.0.1:8001"])
def test_a_bind_and_a_socket_of_systemd_that_do_not_fit_are_both_named(hostler, tmp_path, address):
    """The first is the default, which is meant all the same when it is given."""
    path = tmp_path / "passed.sock"
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(path))
        passed.listen()
        number = passed.fileno()
        starter = f'exec 3<&{number} {number}<&-; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec "$0" "$@"'
        options = {"bind": address, "chdir": APPS, "python": sys.executable}
        words = ["run", *option_arguments(options), "plain:application"]
        command = hostler(*words, wrapper=["bash", "-c", starter], pass_fds=[number])
        assert command.wait() == 64
    told = command.describe()
    assert f'bind = "{address}"' in told and str(path) in told, told


# Refused


def test_a_port_in_use_says_by_whom(serve, hostler):
    first = serve("plain:application")
    command = run(hostler, f"127.0.0.1:{first.port}")
    assert_unavailable(command, f"127.0.0.1:{first.port}", str(first.pid), "hostler")
    assert hello(first.address) == b"hello"


def test_when_one_cannot_be_had_none_is_left(serve, hostler, tmp_path):
    first = serve("plain:application")
    path = tmp_path / "app.sock"
    assert_unavailable(run(hostler, [f"unix:{path}", f"127.0.0.1:{first.port}"]), str(first.port))
    assert not path.exists()


@pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"),
    reason="root may bind any port, and setpriv is not there to take that away",
)
@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81,
    reason="everybody may bind low ports here",
)
def test_no_permission(hostler):
    wrapper = (
        ["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"]
        if os.geteuid() == 0
        else []
    )
    command = run(hostler, "127.0.0.1:81", wrapper=wrapper)
    assert_unavailable(command, "127.0.0.1:81")
    assert re.search("(?i)permi|capab", command.describe())


def test_an_address_of_another_machine(hostler):
    assert_unavailable(run(hostler, "192.0.2.1:0"), "192.0.2.1")


NO_ADDRESSES = {
    "nonsense": 'cannot listen on nonsense: "nonsense" has no port',
    "127.0.0.1:port": 'cannot listen on 127.0.0.1:port: "port" is not a port (0 to 65535)',
    "127.0.0.1:99999": 'cannot listen on 127.0.0.1:99999: "99999" is not a port (0 to 65535)',
    "unix:": 'cannot listen on unix:: no path follows "unix:"',
    "fd://x": 'cannot listen on fd://x: "x" is not a number of a descriptor',
    "[::1": "cannot listen on [::1: the bracket is not closed",
    "": "bind names no address: there would be nothing to listen on",
}


@pytest.mark.parametrize(("bind", "told"), NO_ADDRESSES.items())
def test_what_is_no_address(hostler, bind, told):
    command = run(hostler, bind)
    assert command.wait() == 64, command.describe()
    assert told in command.describe(), command.describe()
