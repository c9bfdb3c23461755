"""The command: clear answers to bad input, finding the application and its Python, `check` and `serve`."""

import json
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from server import BINARY

USAGE, DATA, BOOT = 64, 65, 69

HELLO = """def {name}(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'{name}']
"""


def write(directory, files):
    """Makes files; their texts may be indented."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def ended(command):
    """The exit code and all that was said."""
    code = command.wait()
    return code, "\n".join(command.output.lines + command.log.lines)


# Words and settings

WORDS = [
    (["run", "--worker", "2"], ["--workers"]),
    (["run", "--treads", "2"], ["--treads", "--threads"]),
    (["run", "--acces-logfile", "-"], ["--access-logfile"]),
    (["runn"], ["runn", "run"]),
    (["run", "--workers", "0"], ["workers", "0"]),
    (["run", "--workers", "many"], ["workers", "many"]),
    (["run", "--threads", "0"], ["threads"]),
    (["run", "--timeout", "-1"], ["timeout"]),
    (["run", "--limit-request-line", "1"], ["limit_request_line|limit-request-line"]),
    (["run", "--header-map", "keep"], ["header_map|header-map", "drop", "refuse"]),
    (["run", "--forwarded-allow-ips", "1.2.3"], ["1.2.3"]),
    (["run", "--keep-alive", "forever"], ["forever"]),
    (["run", "not a module:app"], ["not a module"]),
    (["run", "a:b:c"], ["a:b:c"]),
    (["run", "one:app", "two:app"], ["two:app"]),
    (["serve"], ["FILE"]),
    (["serve", "absent.toml"], ["absent.toml", "No such file"]),
    (["serve", "."], [r"\."]),
    (["run", "--chdir", "/absent", "a:b"], ["/absent"]),
    (["run", "--python", "/absent/python", "a:b"], ["/absent/python"]),
    (["run", "--venv", "/absent", "a:b"], ["/absent"]),
    ([], ["run", "check", "serve"]),
]


@pytest.mark.parametrize("arguments, words", WORDS, ids=lambda v: " ".join(v))
def test_bad_words(hostler, arguments, words):
    code, said = ended(hostler(*arguments))
    assert code == USAGE, said
    for word in words:
        assert re.search(word, said), said
    assert "panicked" not in said


FILES = [
    ("worker = 2", ["site.toml:1", "worker", "workers"]),
    ('app = "a:b"\n\nthread = 2', ["site.toml:3", "thread", "threads"]),
    ("workers = 0", ["site.toml:1", "workers"]),
    ('workers = "some"', ["site.toml:1", "workers", "some"]),
    ("workers = 1\nworkers = 2", ["site.toml:2", "duplicate"]),
    ("workers = ", ["site.toml:1"]),
    ("bind = 5", ["site.toml:1", "bind"]),
    ("nonsense_that_is_near_nothing = 1", ["site.toml:1", "nonsense_that_is_near_nothing"]),
]


@pytest.mark.parametrize("text, words", FILES)
def test_bad_file(hostler, tmp_path, text, words):
    write(tmp_path, {"site.toml": text})
    code, said = ended(hostler("serve", "site.toml"))
    assert code == USAGE, said
    for word in words:
        assert word in said, said


def test_all_mistakes_of_a_file_are_told_at_once(hostler, tmp_path):
    write(tmp_path, {"site.toml": 'worker = 2\napp = "a:b"\nthreads = 0\ntimeout = "x"\n'})
    code, said = ended(hostler("serve", "site.toml"))
    assert code == USAGE
    for place in ("site.toml:1", "site.toml:3", "site.toml:4"):
        assert place in said


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help(hostler, arguments):
    command = hostler(*arguments)
    assert command.wait() == 0
    assert command.output.lines and not command.log.lines


# The application

BROKEN = {
    "the module is missing": ({"other.py": HELLO.format(name="app")}, "absent:app", ["absent"], False),
    "the attribute is missing": (
        {"webshop.py": HELLO.format(name="apple") + HELLO.format(name="handler")},
        "webshop:app",
        ["app", "webshop", "apple|handler"],
        False,
    ),
    "a syntax error": (
        {"broken.py": "def app(:\n    pass\n"},
        "broken:app",
        ["SyntaxError", "broken.py", "line 1", r"def app\(:"],
        False,
    ),
    "an exception": (
        {"broken.py": "import os\n1 / 0\n"},
        "broken:app",
        ["ZeroDivisionError", 'broken.py", line 2'],
        True,
    ),
    "a dependency is missing": ({"broken.py": "import absent_dependency\n"}, "broken:app", ["absent_dependency"], True),
    "the module exits": ({"broken.py": "import sys\nsys.exit(3)\n"}, "broken:app", ["SystemExit"], True),
    "not callable": ({"broken.py": "app = 5\n"}, "broken:app", ["int", "callable"], False),
    "the factory raises": (
        {"broken.py": "def create_app():\n    raise KeyError('k')\n"},
        "broken:create_app()",
        ["KeyError"],
        True,
    ),
    "the factory returns nothing": (
        {"broken.py": "def create_app():\n    pass\n"},
        "broken:create_app()",
        ["None"],
        False,
    ),
    "a package's submodule is missing": ({"package/__init__.py": ""}, "package.web:app", ["package.web"], False),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("verb", ["run", "check"])
def test_an_application_that_does_not_import(hostler, tmp_path, name, verb):
    files, app, words, traceback = BROKEN[name]
    write(tmp_path, files)
    bind = ["--bind", "127.0.0.1:0"] if verb == "run" else []
    code, said = ended(hostler(verb, *bind, "--python", sys.executable, app))
    assert code == DATA, said
    for word in words:
        assert re.search(word, said), said
    assert said.count("Traceback") <= 1, "told once"
    if traceback:
        assert "Traceback" in said


def test_with_several_workers_it_ends_as_well(hostler, tmp_path):
    write(tmp_path, {"broken.py": "1 / 0\n"})
    code, said = ended(
        hostler("run", "--bind", "127.0.0.1:0", "--workers", "3", "--python", sys.executable, "broken:app")
    )
    assert code == DATA, said


DYING = {
    "exits": "import os\nos._exit(7)\n",
    "crashes": "import ctypes\nctypes.string_at(0)\n",
    "kills itself": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
}


@pytest.mark.parametrize("name", DYING)
def test_workers_that_die_at_boot(hostler, tmp_path, name):
    write(tmp_path, {"dying.py": DYING[name]})
    command = hostler("run", "--bind", "127.0.0.1:0", "--python", sys.executable, "dying:app")
    code = command.wait(60)
    said = command.describe()
    assert code == BOOT, said
    assert {"exits": "7", "crashes": "SIGSEGV", "kills itself": "SIGKILL"}[name] in said


def test_the_socket_file_is_gone_after_a_failed_start(hostler, tmp_path):
    write(tmp_path, {"broken.py": "1 / 0\n"})
    code, said = ended(hostler("run", "--bind", f"unix:{tmp_path}/app.sock", "--python", sys.executable, "broken:app"))
    assert code == DATA, said
    assert not (tmp_path / "app.sock").exists()


def test_check_of_a_good_application(hostler, tmp_path):
    write(tmp_path, {"webshop.py": HELLO.format(name="app")})
    code, said = ended(hostler("check", "--python", sys.executable, "webshop:app"))
    assert code == 0, said
    assert "webshop:app" in said


def test_check_reads_a_file(hostler, tmp_path):
    write(
        tmp_path,
        {"webshop.py": HELLO.format(name="app"), "site.toml": f'app = "webshop:app"\npython = "{sys.executable}"\n'},
    )
    code, said = ended(hostler("check", "--file", "site.toml"))
    assert code == 0, said


# Discovery

DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/__init__.py": "",
    "shop/settings.py": "SECRET_KEY='x'\nROOT_URLCONF='shop.urls'\nALLOWED_HOSTS=['*']\n",
    "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import re_path\n"
    "urlpatterns = [re_path('', lambda request: HttpResponse('django'))]\n",
    "shop/wsgi.py": "import os\nfrom django.core.wsgi import get_wsgi_application\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n",
}

FLASK = """
    from flask import Flask
    app = Flask(__name__)
    @app.get("/")
    def index():
        return "flask"
"""

FACTORY = """
    from flask import Flask
    def create_app(config=None):
        app = Flask(__name__)
        app.get("/")(lambda: "factory")
        return app
"""

OBVIOUS = {
    "django": (DJANGO, None, b"django", "shop.wsgi:application"),
    "flask in app.py": ({"app.py": FLASK}, None, b"flask", "app:app"),
    "flask in main.py": ({"main.py": FLASK}, None, b"flask", "main:app"),
    "factory": ({"app.py": FACTORY}, None, b"factory", r"app:create_app\(\)"),
    "application in wsgi.py": ({"wsgi.py": HELLO.format(name="application")}, None, b"application", "wsgi:application"),
    "module alone": ({"site_app.py": FLASK}, "site_app", b"flask", "site_app:app"),
    "factory named": ({"made.py": FACTORY}, "made:create_app()", b"factory", None),
}


@pytest.mark.parametrize("name", OBVIOUS)
def test_the_obvious_application(serve, tmp_path, name):
    files, app, answer, took = OBVIOUS[name]
    write(tmp_path, files)
    server = serve(app, chdir=tmp_path)
    assert server.get("/").body == answer
    if took:
        server.log.expect(took, level="INFO")


def test_nothing_obvious(hostler, tmp_path):
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "--python", sys.executable))
    assert code == USAGE, said
    assert "app.py" in said and "hostler run" in said


# Which Python, and its path

REPORT = """
    import json, os, sys
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        report = {"prefix": sys.prefix, "path": sys.path, "cwd": os.getcwd(), "environment": dict(os.environ), "argv": sys.argv}
        return [json.dumps(report).encode()]
"""


def report(server):
    return json.loads(server.get("/").body)


@pytest.fixture(scope="module")
def other_venv(tmp_path_factory):
    path = tmp_path_factory.mktemp("python") / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    return path


def test_venv_option(serve, tmp_path, other_venv):
    write(tmp_path, {"app.py": REPORT})
    assert report(serve("app:app", chdir=tmp_path, python=None, venv=other_venv))["prefix"] == str(other_venv)


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_venv_beside_the_application(serve, tmp_path, other_venv, name):
    write(tmp_path, {"app.py": REPORT})
    subprocess.run(["cp", "-a", other_venv, tmp_path / name], check=True)
    server = serve("app:app", chdir=tmp_path, python=None, environment={"VIRTUAL_ENV": sys.prefix})
    assert report(server)["prefix"] == str(tmp_path / name)


def test_venv_of_the_shell(serve, tmp_path, other_venv):
    write(tmp_path, {"app.py": REPORT})
    server = serve("app:app", chdir=tmp_path, python=None, environment={"VIRTUAL_ENV": str(other_venv)})
    assert report(server)["prefix"] == str(other_venv)


def test_venv_without_python(hostler, tmp_path):
    write(tmp_path, {"app.py": REPORT, "broken/pyvenv.cfg": "home = /absent\n", "broken/bin/activate": ""})
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "--venv", "broken", "app:app"))
    assert code == USAGE, said
    assert "broken" in said and "venv" in said


def test_venv_whose_python_is_gone(hostler, tmp_path):
    """What an upgrade of the distribution's Python leaves behind."""
    write(tmp_path, {"app.py": REPORT, ".venv/pyvenv.cfg": "home = /absent\n"})
    (tmp_path / ".venv/bin").mkdir()
    (tmp_path / ".venv/bin/python").symlink_to("/absent/python3.9")
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "app:app"))
    assert code == USAGE, said
    assert ".venv" in said


def test_a_python_that_is_none(hostler, tmp_path):
    write(tmp_path, {"app.py": REPORT})
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "--python", "/bin/true", "app:app"))
    assert code == USAGE, said
    assert "/bin/true" in said


def test_a_python_too_old(hostler, tmp_path):
    launcher = tmp_path / "old-python"
    answer = "import sys; sys.version_info = (3, 6, 15, 'final', 0); exec(sys.argv[-1])"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{answer}" "$@"\n')
    launcher.chmod(0o755)
    write(tmp_path, {"app.py": REPORT})
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "--python", launcher, "app:app"))
    assert code == USAGE, said
    assert "3.6" in said and "3.9" in said and str(launcher) in said


def test_a_python_of_another_architecture(hostler, tmp_path):
    foreign = tmp_path / "foreign-python"
    machine = 0x2A  # EM_SH: nobody serves on it
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes([machine, 0]) + bytes(44))
    foreign.chmod(0o755)
    write(tmp_path, {"app.py": REPORT})
    code, said = ended(hostler("run", "--bind", "127.0.0.1:0", "--python", foreign, "app:app"))
    assert code == USAGE, said
    assert "architecture" in said and str(foreign) in said


def test_search_path_as_under_gunicorn(serve, tmp_path):
    write(tmp_path, {"inner/app.py": REPORT, "extra/x.py": "", "more/x.py": ""})
    inner = str(tmp_path / "inner")
    own = subprocess.run(
        [sys.executable, "-c", "import sys, json; print(json.dumps(sys.path))"],
        stdout=subprocess.PIPE,
        cwd="/",
        check=True,
    )
    own = [entry for entry in json.loads(own.stdout) if entry]
    result = report(serve("app:app", chdir=inner))
    assert result["cwd"] == inner
    assert result["path"] == [inner, *own]
    result = report(serve("app:app", chdir=inner, pythonpath=f"{tmp_path}/extra,{tmp_path}/more"))
    assert sorted(result["path"][:2]) == [f"{tmp_path}/extra", f"{tmp_path}/more"]
    assert result["path"][2:] == [inner, *own]


def test_variables_for_the_workers(serve, tmp_path):
    write(tmp_path, {"app.py": REPORT})
    environment = report(serve("app:app", chdir=tmp_path, env=["A=1", "B=x=y"], environment={"KEPT": "yes"}))[
        "environment"
    ]
    assert (environment["A"], environment["B"], environment["KEPT"]) == ("1", "x=y", "yes")


def test_serve_a_file(serve, tmp_path):
    write(
        tmp_path,
        {
            "app.py": REPORT,
            "site.toml": f"""
                # A comment.
                app = "app:app"
                bind = ["127.0.0.1:0"]
                chdir = "{tmp_path}"
                python = "{sys.executable}"
                workers = 2
                env = {{ FROM_FILE = "yes" }}
            """,
        },
    )
    server = serve(arguments=["serve", str(tmp_path / "site.toml")])
    assert report(server)["environment"]["FROM_FILE"] == "yes"
    server.wait_workers(2)
    server = serve(arguments=["serve", str(tmp_path / "site.toml"), "--workers", "1"])
    server.get("/")
    assert len(server.workers()) == 1, "options win over the file"


def test_the_binary_links_no_python():
    said = subprocess.run(["ldd", BINARY], stdout=subprocess.PIPE, text=True).stdout
    assert "python" not in said


def test_a_pid_file_is_written_and_removed(serve, tmp_path):
    path = tmp_path / "pid"
    server = serve("plain:application", pid=path)
    assert path.read_text().strip() == str(server.pid)
    server.stop()
    assert not path.exists()
