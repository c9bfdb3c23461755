"""`hostler import`: settings of gunicorn, uvicorn and uWSGI become Hostler's, and nothing is lost without a word."""

import os
import subprocess
import sys
import tomllib

import pytest

from server import BINARY

USAGE = 64
APP = """def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [environ['wsgi.multithread'] and b'threads' or b'alone']
"""


class Imported:
    def __init__(self, ended):
        self.code, self.output, self.told = ended.returncode, ended.stdout, ended.stderr

    @property
    def settings(self):
        return tomllib.loads(self.output)

    def why(self, what):
        """What is told of a setting."""
        (line,) = [line for line in self.told.splitlines() if line.strip().removeprefix("hostler:").strip().startswith(what)]
        return line


@pytest.fixture
def run(tmp_path):
    """`run("gunicorn.conf.py")`: in a directory of its own, with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    directory = tmp_path / "site"
    directory.mkdir()

    def imported(*arguments, code=0, **environment):
        ended = subprocess.run(
            [BINARY, "import", *map(str, arguments)],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == code, ended.stderr
        assert "panicked" not in ended.stderr
        return Imported(ended)

    imported.home, imported.directory = home, directory
    return imported


def test_what_was_imported_serves(run, serve):
    """From the file of gunicorn to an answer."""
    (run.directory / "shop.py").write_text(APP)
    (run.directory / "gunicorn.conf.py").write_text("bind = '127.0.0.1:0'\nthreads = 4\nwsgi_app = 'shop:app'\n")
    imported = run("gunicorn.conf.py")
    assert imported.told == "", "all of it was carried over"
    assert imported.settings == {
        "app": "shop:app",
        "chdir": str(run.directory),
        "bind": ["127.0.0.1:0"],
        "threads": 4,
    }
    path = run.directory / "shop.toml"
    path.write_text(imported.output)
    server = serve(arguments=["serve", path, "--python", sys.executable])
    assert server.get("/").body == b"threads"


def test_a_command_line(run):
    words = ["gunicorn", "-w", "3", "-k", "gthread", "--timeout=90", "--keyfile", "x", "--certfile", "y", "--statsd-host", "h:1", "a:b"]
    imported = run("--", *words)
    assert imported.settings == {"app": "a:b", "chdir": str(run.directory), "workers": 3, "timeout": 90}
    assert "speaks TLS" in imported.why("keyfile = x (the command line)")
    assert "metrics_bind" in imported.why("statsd_host")
    assert run(" ".join(words)).output == imported.output, "in one word"


def test_all_settings_of_gunicorn_are_known(run):
    """Each of the options that `gunicorn --help` of this version shows, with its long name."""
    options = """--access-logfile --access-logformat --asgi-disconnect-grace-period --asgi-lifespan --asgi-loop --backlog --bind --ca-certs
        --cert-reqs --certfile --chdir --ciphers --config --control-socket --control-socket-mode --dirty-app --dirty-graceful-timeout
        --dirty-threads --dirty-timeout --dirty-workers --dogstatsd-tags --env --error-logfile --log-file --forwarded-allow-ips
        --forwarder-headers --graceful-timeout --group --header-map --http-parser --http-protocols --http2-cleartext
        --http2-initial-window-size --http2-max-concurrent-streams --http2-max-frame-size --http2-max-header-list-size --keep-alive
        --keyfile --limit-request-field_size --limit-request-fields --limit-request-line --log-config --log-config-json --log-level
        --log-syslog-facility --log-syslog-prefix --log-syslog-to --logger-class --max-requests --max-requests-jitter --name --paste
        --paste-global --pid --protocol --proxy-allow-from --proxy-protocol --pythonpath --reload-engine --reload-extra-file
        --root-path --ssl-version --statsd-host --statsd-prefix --threads --timeout --umask --user --uwsgi-allow-from
        --websocket-max-message-size --worker-class --worker-connections --worker-tmp-dir --workers""".split()
    (run.directory / "x").write_text("")
    for option in options:
        imported = run("--", "gunicorn", option, "x", "a:b")
        assert "does not know it" not in imported.told, option
        assert imported.settings["app"] == "a:b", f"{option} has a value"


def test_a_configuration_is_run_with_limits(run):
    """It is a program: what it prints, starts or breaks does no harm."""
    configuration = run.directory / "gunicorn.conf.py"
    configuration.write_text("import os, sys\nprint('{}')\nos.system('echo {}')\nworkers = 3\n")
    assert run("gunicorn.conf.py").settings["workers"] == 3
    configuration.write_text("import sys\nsys.exit(3)\n")
    assert "could not run it" in run("gunicorn.conf.py", code=USAGE).told
    configuration.write_text("import resource, signal\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass\n")
    assert "could not run it (signal: 9" in run("gunicorn.conf.py", code=USAGE).told
    configuration.write_text("workers = 3\n\n\nworkers = workers / 0\n")
    assert "gunicorn.conf.py: python3 could not run it (exit status: 1): ZeroDivisionError" in run("gunicorn.conf.py", code=USAGE).told


def test_root_does_not_run_what_another_wrote(run):
    if os.geteuid() != 0:
        pytest.skip("it takes root to give files away")
    configuration = run.directory / "gunicorn.conf.py"
    configuration.write_text("import os\nworkers = os.getuid()\nthreads = len([n for n in os.environ if 'SECRET' in n]) + 2\n")
    os.chown(configuration, 7, 7)
    for path in [run.directory, *run.directory.parents][:4]:
        path.chmod(0o755)
    settings = run("gunicorn.conf.py", SECRET_OF_ROOT="x").settings
    assert (settings["workers"], settings["threads"]) == (7, 2)


UWSGI = """[uwsgi]
chdir = {directory}
module = shop.wsgi:application
processes = 4
socket = 127.0.0.1:3031
harakiri = 20
static-map = /static=/srv/static
emperor-stats = x
vacuum = true
"""


def test_a_file_of_uwsgi(run):
    (run.directory / "shop.ini").write_text(UWSGI.format(directory=run.directory))
    imported = run("shop.ini")
    assert imported.settings == {
        "app": "shop.wsgi:application",
        "chdir": str(run.directory),
        "bind": ["127.0.0.1:3031"],
        "workers": 4,
        "timeout": 20,
    }
    assert "proxy_pass takes the place of uwsgi_pass" in imported.why("socket (")
    assert "nginx does" in imported.why("static-map = /static=/srv/static")
    assert "not known" in imported.why("emperor-stats = x")
    assert "systemd does that" in imported.why("vacuum (")


UNIT = """[Unit]
After=network.target redis.service
[Service]
User=daemon
WorkingDirectory={directory}
Environment=DJANGO_SECRET_KEY=x
EnvironmentFile=/etc/shop.env
ExecStart={directory}/venv/bin/gunicorn --bind unix:/run/shop.sock -w 2 shop.wsgi
MemoryMax=1G
"""


def test_a_unit_becomes_an_instance(run, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    unit = run.directory / "shop.service"
    unit.write_text(UNIT.format(directory="/srv/shop"))
    ended = run("shop.service", "--name", "shop", "--root", root)
    settings = tomllib.loads((root / "etc/hostler/shop.toml").read_text())
    assert settings == {
        "app": "shop.wsgi",
        "chdir": "/srv/shop",
        "venv": "/srv/shop/venv",
        "env": ["DJANGO_SECRET_KEY=x"],
        "workers": 2,
    }
    account = (root / "etc/systemd/system/hostler@shop.service.d/20-account.conf").read_text()
    assert "\nUser=daemon\n" in account and "\nEnvironmentFile=/etc/shop.env\n" in account
    assert "\nListenStream=/run/shop.sock\n" in (root / "etc/systemd/system/hostler@shop.socket.d/10-address.conf").read_text()
    assert "everybody on this machine can read the settings" in ended.why("env DJANGO_SECRET_KEY")
    assert "systemctl edit" in ended.why("MemoryMax=1G")
    assert "After=redis.service" in ended.told
    assert "nothing to write" in run("shop.service", "--name", "shop", "--root", root).output

    alone = run("shop.service")
    assert alone.settings["bind"] == ["unix:/run/shop.sock"]
    assert "--name NAME writes it" in alone.why("User=daemon")
    assert "--name NAME writes it" in alone.why("EnvironmentFile=/etc/shop.env")


def test_dry_run_writes_nothing(run, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    said = run("--name", "shop", "--root", root, "--dry-run", "--", "gunicorn", "-b", ":80", "a:b").output
    assert "would write /etc/hostler/shop.toml:" in said and "    ListenStream=80" in said
    assert list(root.iterdir()) == []


WRONG = [
    (["absent.ini"], "absent.ini: No such file"),
    (["nginx.conf"], "nothing which can be imported"),
    (["--", "nginx", "-g", "x"], "nothing which can be imported"),
    (["--name", "a/b", "gunicorn a:b"], "has `/` in it"),
    (["--enable", "gunicorn a:b"], "give it a name with --name NAME"),
    (["gunicorn -c absent.py a:b"], "absent.py: No such file"),
    ([], "SOURCE"),
]


@pytest.mark.parametrize("words, told", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_words(run, words, told):
    imported = run(*words, code=USAGE)
    assert told in imported.told and imported.output == ""
