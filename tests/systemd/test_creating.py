"""`hostler new`, `import` and `remove` where systemd runs: from a directory with a project to an answer, and back to nothing."""

from client import Client
from deadline import wait_until
from instance import APPS

SERVICE, SOCKET = "hostler@shop.service", "hostler@shop.socket"
FILES = ["/etc/hostler/shop.toml", f"/etc/systemd/system/{SOCKET}.d", f"/etc/systemd/system/{SERVICE}.d"]


def answer(machine, address=None):
    """The status of one request, over the unix socket or to an address of the system's loopback."""
    if address is None:
        with Client(str(machine.path("/run/hostler/shop.sock")), timeout=30) as client:
            return client.get("/").status
    with machine.tcp_socket(30) as connection:
        connection.connect(address)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        return int(connection.recv(100).split()[1])


def project(machine, directory="/srv/shop"):
    machine.push(APPS, directory)
    machine.write(f"{directory}/app.py", "from shop import application\n")
    machine.write(f"{directory}/version.txt", "one")


def removed(machine):
    """After `hostler remove`: nothing runs, and nothing is left."""
    said = machine.run("hostler", "remove", "shop")
    assert "running systemctl disable --now" in said
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    assert machine.show(SOCKET, "ActiveState") == "inactive"
    assert machine.result("systemctl", "is-enabled", SOCKET).stdout.strip() == "disabled"
    assert not [path for path in FILES if machine.path(path).exists()]
    assert "nothing to remove" in machine.run("hostler", "remove", "shop")


def test_from_a_directory_to_an_answer(machine):
    project(machine)
    said = machine.run("hostler", "new", "shop", "--directory", "/srv/shop", "--enable", "--start")
    assert f"running systemctl enable --now {SOCKET}" in said and "template" not in said
    assert machine.systemctl("is-enabled", SOCKET).strip() == "enabled"
    assert answer(machine) == 200
    wait_until(lambda: machine.show(SERVICE, "ActiveState") == "active", "the service says that it is ready", 60)
    again = machine.run("hostler", "new", "shop", "--directory", "/srv/shop", "--enable", "--start")
    assert "nothing to write" in again and "daemon-reload" not in again.split("next:")[0]
    assert answer(machine) == 200
    removed(machine)


HOLDER = "import socket, sys; held = socket.create_server(('127.0.0.1', 9000)); print('held', flush=True); sys.stdin.read()"


def test_an_address_that_somebody_has_is_told_before_anything_is_written(machine):
    project(machine)
    new = ["hostler", "new", "shop", "--directory", "/srv/shop", "--bind", "127.0.0.1:9000"]
    with machine.start("python3", "-c", HOLDER) as holder:
        assert holder.stdout.readline() == "held\n"
        for more in ([], ["--dry-run"]):
            refused = machine.result(*new, "--start", *more)
            assert refused.returncode == 64, refused
            assert "hostler: cannot listen on 127.0.0.1:9000: " in refused.stdout and "in use by" in refused.stdout, refused.stdout
            assert "nothing was written. Name another address with --bind" in refused.stdout
            assert not [path for path in FILES if machine.path(path).exists()]
        # It may be gone when the instance is started.
        assert f"note: {SOCKET} cannot listen on 127.0.0.1:9000: " in machine.run(*new)
        holder.stdin.close()
    machine.run(*new, "--start")
    assert answer(machine, ("127.0.0.1", 9000)) == 200
    assert "cannot listen" not in machine.run(*new, "--start"), "it has its address itself"
    # A socket file systemd would take from whoever has it, and a connection would start what is behind it.
    machine.write("/etc/systemd/system/other.socket", "[Socket]\nListenStream=/run/other.sock\n")
    machine.write("/etc/systemd/system/other.service", "[Service]\nExecStart=/bin/false\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "other.socket")
    refused = machine.result("hostler", "new", "web", "--directory", "/srv/shop", "--bind", "unix:/run/other.sock", "--start")
    assert refused.returncode == 64 and "/run/other.sock: it is in use by other.socket\n" in refused.stdout, refused
    assert machine.show("other.service", "ActiveState") == "inactive" and machine.show("other.socket", "ActiveState") == "active"
    machine.systemctl("stop", "other.socket")
    removed(machine)


def test_one_that_failed_is_forgotten_with_its_files(machine):
    project(machine)
    machine.run("hostler", "new", "shop", "--directory", "/srv/shop")
    machine.run("rm", "--recursive", "/srv/shop")
    assert machine.result("hostler", "start", "shop").returncode == 1
    wait_until(lambda: machine.show(SERVICE, "ActiveState") == "failed", "the service fails", 60)
    machine.systemctl("stop", SOCKET)
    said = machine.run("hostler", "remove", "shop")
    assert f"running systemctl reset-failed {SERVICE}" in said, said
    assert "shop" not in machine.run("hostler", "list")
    assert not machine.systemctl("list-units", "--all", "--plain", "--no-legend", "hostler@*").strip()


def test_with_all_that_differs(machine):
    """A project that only its owner can read, an address, and the strict profile."""
    machine.add_user("deploy")
    project(machine)
    machine.run("chown", "--recursive", "deploy:", "/srv/shop")
    machine.path("/srv/shop").chmod(0o750)
    said = machine.run(
        *("hostler", "new", "shop", "--directory", "/srv/shop", "--bind", "127.0.0.1:9000", "--profile", "strict"), "--start"
    )
    assert "runs as    deploy, to whom /srv/shop belongs" in said
    assert answer(machine, ("127.0.0.1", 9000)) == 200
    pid = machine.show(SERVICE, "MainPID")
    assert machine.run("ps", "-o", "user=", "-p", pid).strip() == "deploy"
    assert machine.show(SERVICE, "MemoryDenyWriteExecute") == "yes"
    assert not machine.path("/run/hostler/shop.sock").exists(), "the template's own address"
    removed(machine)


def test_each_instance_has_a_user_of_its_own(machine):
    """systemd would name a user for the template, and so one for all: each could then control and read the others. Neither has a name that
    makes no user's name the one of another."""
    users = {}
    for name in ("shop", "web", "shop.example.org", "an-instance-with-a-rather-long-name"):
        project(machine, f"/srv/{name}")
        machine.run("hostler", "new", name, "--directory", f"/srv/{name}", "--start")
        with Client(str(machine.path(f"/run/hostler/{name}.sock")), timeout=30) as client:
            assert client.get("/").status == 200
        pid = machine.show(f"hostler@{name}.service", "MainPID")
        users[name] = machine.run("ps", "-o", "uid=", "-p", pid).strip()
    assert len(set(users.values())) == len(users) and "0" not in users.values(), users
    other = ["setpriv", f"--reuid={users['web']}", f"--regid={users['web']}", "--clear-groups"]
    refused = machine.result(*other, "hostler", "status", "--socket", "/run/hostler/shop/control.sock")
    assert refused.returncode == 77 and "permission denied" in refused.stdout, refused
    for name in users:
        machine.run("hostler", "remove", name)


def test_a_unit_of_gunicorn_becomes_an_instance(machine):
    project(machine)
    machine.write("/etc/shop.env", "FROM_FILE=yes\n")
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nUser=daemon\nWorkingDirectory=/srv/shop\nEnvironmentFile=/etc/shop.env\n"
        "ExecStart=/usr/bin/gunicorn -w 2 -b 127.0.0.1:9000 shop:application\n",
    )
    machine.run("hostler", "import", "--name", "shop", "--start", "/etc/systemd/system/shop.service")
    assert answer(machine, ("127.0.0.1", 9000)) == 200
    pid = machine.show(SERVICE, "MainPID")
    assert machine.run("ps", "-o", "user=", "-p", pid).strip() == "daemon"
    assert "FROM_FILE=yes" in machine.path(f"/proc/{pid}/environ").read_text()
    removed(machine)


def test_an_instance_of_a_user(machine):
    machine.add_user("me")
    project(machine, "/home/me/shop")
    machine.run("chown", "--recursive", "me:", "/home/me/shop")
    said = machine.run("hostler", "new", "shop", "--directory", "/home/me/shop", "--enable", "--start", user="me")
    assert "curl http://127.0.0.1:8000/" in said
    assert answer(machine, ("127.0.0.1", 8000)) == 200
    assert "nothing to write" in machine.run("hostler", "new", "shop", "--directory", "/home/me/shop", "--enable", "--start", user="me")
    assert answer(machine, ("127.0.0.1", 8000)) == 200
    machine.run("hostler", "remove", "shop", user="me")
    assert machine.show(SERVICE, "ActiveState", "me") == "inactive"
    assert not machine.path("/home/me/.config/hostler/shop.toml").exists()
    assert "nothing to remove" in machine.run("hostler", "remove", "shop", user="me")
