"""Developing with --reload: changes serve by themselves, broken code is shown in the browser and harms nothing else."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

import processes
from deadline import wait_until

WSGI = """
import time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    if environ["PATH_INFO"] == "/stream":
        return stream()
    return [{body!r}]
def stream():
    while True:
        yield b"data: x\\n\\n"
        time.sleep(0.05)
"""
ASGI = """
import asyncio
async def application(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}})
    while scope["path"] == "/stream":
        await send({{"type": "http.response.body", "body": b"data: x\\n\\n", "more_body": True}})
        await asyncio.sleep(0.05)
    await send({{"type": "http.response.body", "body": {body!r}}})
"""
SOURCES = pytest.mark.parametrize("source", [WSGI, ASGI], ids=["wsgi", "asgi"])
BROKEN = "import os\n\ndef view(:\n    pass\n"
PAGE = """
import os
def application(environ, start_response):
    if environ["PATH_INFO"] == "/seen":
        open(os.environ["SEEN"], "w").close()
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<title>mended</title><script>fetch('/seen')</script>"]
"""
NAVIGATION = [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")]


@contextmanager
def at_once(server):
    """What is written meanwhile is seen at one time, as a quick editor's: what it writes within 50 ms is one change, and this process may get
    no processor for longer. The server stands still until all is written."""
    server.send_signal(signal.SIGSTOP)
    wait_until(lambda: processes.state(server.pid) == "T", "it stands still")
    try:
        yield
    finally:
        server.send_signal(signal.SIGCONT)


class Site:
    """A project that is edited, and the server that watches it."""

    def __init__(self, serve, tmp_path, source=WSGI, text=None, ready=True, directory="project", **options):
        self.directory = tmp_path / directory
        self.directory.mkdir(exist_ok=True)
        self.file = self.directory / "site_of_test.py"
        self.source = source
        self.file.write_text(text or source.format(body=b"one"))
        options = {"chdir": self.directory, "reload": True, **options}
        self.server = serve("site_of_test:application", ready=ready, **options)
        self.reloads = 0
        if ready is False:
            self.log_has("listening", 1)

    def log_has(self, text, count):
        """Waits until so many records of the log have it."""
        log = self.server.log
        log.wait(lambda: sum(text in r.message for r in log.records) >= count, f"{count} times {text!r}")

    def changes(self):
        """Of each change that was told: which file, and how many files."""
        told = (re.match(r"files changed path=(\S+) files=(\d+)", r.message) for r in self.server.log.records)
        return [(match[1], int(match[2])) for match in told if match]

    def save(self, text, file=None):
        with at_once(self.server):
            (file or self.file).write_text(text)

    def write(self, body):
        self.save(self.source.format(body=body))

    def save_by_renaming(self, body):
        """At no time the file is there in part."""
        beside = self.directory / ".site_of_test.py.tmp"
        beside.write_text(self.source.format(body=body))
        beside.rename(self.file)

    def reloaded(self):
        """Waits for one more reload that succeeded."""
        self.reloads += 1
        self.log_has("the next generation serves", self.reloads)

    def broken(self, count=1):
        self.log_has("the reload failed", count)
        self.server.log.claim("the reload failed")

    def get(self, target="/", headers=()):
        return self.server.get(target, headers=list(headers))

    def page(self):
        return self.get(headers=NAVIGATION)


@pytest.fixture
def site(serve, tmp_path):
    return lambda **options: Site(serve, tmp_path, **options)


@SOURCES
def test_a_saved_change_serves(site, source):
    made = site(source=source, workers=2)
    assert made.get().body == b"one"
    made.write(b"two")
    made.reloaded()
    assert made.get().body == b"two"
    assert made.changes() == [("site_of_test.py", 1)]


def test_editors_that_save_by_renaming(site):
    made = site()
    for body in (b"two", b"three"):
        made.save_by_renaming(body)
        made.reloaded()
        assert made.get().body == body
    # As vim does it: the old file goes away first.
    with at_once(made.server):
        made.file.rename(made.directory / "site_of_test.py~")
        made.file.write_text(made.source.format(body=b"four"))
    made.reloaded()
    wait_until(lambda: made.get().body == b"four", "the last save serves")


def test_rapid_changes_end_with_the_last(site):
    made = site()
    for number in range(30):
        made.save_by_renaming(b"v%d" % number)
    wait_until(lambda: made.get().body == b"v29", "the last save serves")


def test_saves_within_a_second_are_told_apart(site):
    """Python's caches would take the one for the other: the same second, the same size."""
    made = site()
    for body in (b"two", b"thr", b"fou", b"fiv"):
        made.write(body)
        made.reloaded()
        assert made.get().body == body


def test_many_files_at_once_are_one_reload(site):
    made = site()
    staged = made.directory.parent / "staged"
    staged.mkdir()
    for number in range(200):
        (staged / f"module{number}.py").write_text("x = 1\n")
    with at_once(made.server):
        for number in range(200):
            (staged / f"module{number}.py").rename(made.directory / f"module{number}.py")
    made.reloaded()
    made.save("x = 1\n", made.directory / "last.py")
    made.reloaded()
    assert [files for _, files in made.changes()] == [200, 1]


def test_new_directories_and_files(site):
    made = site()
    deep = made.directory / "shop" / "views"
    with at_once(made.server):
        deep.mkdir(parents=True)
        (deep / "names.py").write_text('NAME = b"two"\n')
    made.reloaded()
    made.save(
        "from shop.views.names import NAME\n" + made.source.format(body=b"x").replace("b'x'", "NAME")
    )
    made.reloaded()
    assert made.get().body == b"two"
    made.save('NAME = b"three"\n', deep / "names.py")
    made.reloaded()
    assert made.get().body == b"three"
    with at_once(made.server):
        shutil.rmtree(made.directory / "shop")
    made.broken()
    with at_once(made.server):
        deep.mkdir(parents=True)
        (deep / "names.py").write_text('NAME = b"four"\n')
    made.reloaded()
    assert made.get().body == b"four"


def test_what_does_not_matter_causes_nothing(site):
    made = site(reload_exclude=["generated", "scratch_*.py"])
    for place in (".git", "__pycache__", "node_modules/x", "generated", "env"):
        (made.directory / place).mkdir(parents=True)
    (made.directory / "env" / "pyvenv.cfg").touch()
    names = (".git/a.py", "__pycache__/a.py", "node_modules/x/a.py", "generated/a.py", "scratch_1.py", "db.sqlite3", "a.pyc")
    for name in (*names, ".#a.py", "a.py~", ".a.py.swp", "4913", "page.html"):
        (made.directory / name).write_text("x")
    made.file.chmod(0o755)
    # What is told next is the next change that matters.
    made.write(b"two")
    made.reloaded()
    assert made.get().body == b"two"
    assert made.changes() == [("site_of_test.py", 1)]


def test_more_files_by_setting(site, tmp_path):
    extra = tmp_path / "extra.conf"
    extra.write_text("x")
    made = site(reload_extra_file=[extra], reload_include=["*.html"])
    made.save("longer", extra)
    made.reloaded()
    with at_once(made.server):
        (made.directory / "templates").mkdir()
        (made.directory / "templates" / "page.html").write_text("x")
    made.reloaded()


def test_modules_from_elsewhere_are_watched(site, tmp_path):
    """As an editable installation is."""
    library = tmp_path / "library"
    (library / "shared").mkdir(parents=True)
    (library / "shared" / "__init__.py").write_text("")
    (library / "shared" / "names.py").write_text('NAME = b"one"\n')
    text = "from shared.names import NAME\n" + WSGI.format(body=b"x").replace("b'x'", "NAME")
    made = site(text=text, environment={"PYTHONPATH": str(library)})
    assert made.get().body == b"one"

    def saved(text):
        made.save(text, library / "shared" / "names.py")

    saved('NAME = b"two, longer"\n')
    made.reloaded()
    assert made.get().body == b"two, longer"
    saved("NAME =\n")
    made.broken()
    saved('NAME = b"three"\n')
    made.reloaded()
    assert made.get().body == b"three"


def test_polling(site):
    made = site(reload_engine="poll")
    made.write(b"two, of another length")
    made.reloaded()
    with at_once(made.server):
        (made.directory / "new").mkdir()
        (made.directory / "new" / "module.py").write_text("x = 1\n")
    made.reloaded()


@SOURCES
def test_broken_code_is_shown_to_browsers_and_harms_nothing_else(site, source):
    made = site(source=source, workers=2)
    made.save(BROKEN)
    made.broken()
    answer = made.page()
    assert answer.status == 500
    assert answer.header("content-type") == "text/html; charset=utf-8"
    text = answer.body.decode()
    assert "def view(:" in text and "SyntaxError" in text
    for others in ([], [("Accept", "application/json")], [("Sec-Fetch-Mode", "cors")]):
        answer = made.get("/api", others)
        assert (answer.status, answer.body) == (200, b"one"), others
    record = next(r for r in made.server.log.records if "the reload failed" in r.message)
    made.server.log.wait(lambda: record.detail and record.detail[-1].strip() == f"at {made.file}:3", "the place")
    assert sum("SyntaxError" in line for line in made.server.log.lines if line.startswith("  ")) == 1, "once"
    made.write(b"two")
    made.reloaded()
    assert (made.page().status, made.page().body) == (200, b"two")


def test_a_page_can_ask_whether_its_failure_stands(site):
    made = site()
    made.save(BROKEN)
    made.broken()
    number = made.page().header("hostler-failure")
    asks = [("Hostler-Failure", number), ("Sec-Fetch-Mode", "cors")]
    with made.server.connect() as client:
        assert client.get("/", method="HEAD", headers=asks).header("hostler-failure") == number
    made.save("raise ValueError('another')\n")
    made.broken(2)
    assert made.page().header("hostler-failure") not in (None, number)
    made.write(b"two")
    made.reloaded()
    assert made.get(headers=asks).header("hostler-failure") is None


@pytest.mark.parametrize("text", [BROKEN, "import os; os._exit(3)", "import no_such_module_of_anybody"])
def test_a_start_with_broken_code_waits_for_a_change(site, text):
    made = site(text=text, ready=False)
    made.log_has("it is loaded anew when a file changes", 1)
    made.server.log.claim("the application could not be loaded|no worker could be started|worker")
    assert made.page().status == 500
    answer = made.get("/api")
    assert (answer.status, answer.header("content-type")) == (500, "text/plain; charset=utf-8")
    made.save("raise ValueError('still')\n")
    made.broken()
    assert b"still" in made.page().body
    assert b"still" in made.get("/api").body
    made.write(b"two")
    made.reloaded()
    assert made.page().body == b"two"
    assert made.get("/api").body == b"two"


def test_a_stop_while_nothing_serves(site):
    made = site(text=BROKEN, ready=False)
    made.log_has("it is loaded anew when a file changes", 1)
    made.server.log.claim("could not be loaded")
    made.server.send_signal(signal.SIGTERM)
    made.server.assert_ended(0)


def test_a_first_import_that_hangs_is_overtaken(site, tmp_path):
    begun = tmp_path / "begun"
    made = site(text=f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(60)\n", ready=None)
    wait_until(begun.exists, "the import has begun")
    made.write(b"two")
    made.reloaded()
    assert made.page().body == b"two"


@SOURCES
def test_an_open_stream_keeps_nobody_waiting(site, source):
    made = site(source=source)
    with made.server.connect() as client:
        client.request("/stream")
        assert client.head().status == 200
        for number in range(4):
            made.write(b"v%d" % number)
            made.reloaded()
            assert made.get().body == b"v%d" % number
        made.log_has("the former generation is gone", 1)
    made.server.log.claim("the connection|stop|worker")


def test_ctrl_c_is_not_kept_waiting_by_a_stream(site):
    made = site(source=ASGI)
    with made.server.connect() as client:
        client.request("/stream")
        assert client.head().status == 200
        began = time.monotonic()
        made.server.send_signal(signal.SIGINT)
        made.server.log.claim("graceful_timeout")
        assert made.server.process.wait(20) == 0
    assert time.monotonic() - began < 10, "the default of graceful_timeout is 30 s"
    made.server.assert_ended(0)


def test_a_project_behind_a_link(serve, tmp_path):
    """As releases are put in place: the link leads elsewhere from one moment to the next."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site_of_test.py").write_text(WSGI.format(body=name.encode()))
    (tmp_path / "current").symlink_to("first")
    made = Site(serve, tmp_path, directory="current", text=WSGI.format(body=b"first"))
    made.save(WSGI.format(body=b"edited"), tmp_path / "first" / "site_of_test.py")
    made.reloaded()
    assert made.get().body == b"edited"
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").rename(tmp_path / "current")
    made.reloaded()
    assert made.get().body == b"second"
    made.save(WSGI.format(body=b"third"), tmp_path / "second" / "site_of_test.py")
    made.reloaded()
    assert made.get().body == b"third"


def test_the_file_of_settings_is_watched(serve, tmp_path):
    (tmp_path / "site_of_test.py").write_text(WSGI.format(body=b"one"))
    file = tmp_path / "site.toml"
    text = f'app = "site_of_test:application"\nchdir = "{tmp_path}"\nbind = "127.0.0.1:0"\npython = "{sys.executable}"\n'
    file.write_text(text)
    server = serve(arguments=["serve", file, "--reload"])
    with at_once(server):
        file.write_text(text + "no_such_key = 1\n")
    server.log.expect("the reload failed.*no_such_key")
    answer = server.get(headers=NAVIGATION)
    assert answer.status == 500 and b"no_such_key" in answer.body
    with at_once(server):
        file.write_text(text + 'env = ["A=b"]\n')
    server.log.expect("the next generation serves")
    assert server.get(headers=NAVIGATION).body == b"one"


def test_a_pattern_that_cannot_be_read_is_a_mistake(hostler, tmp_path):
    (tmp_path / "site_of_test.py").write_text(WSGI.format(body=b"one"))
    for verb in ("run", "check"):
        command = hostler(verb, "--reload", "--reload-exclude", "[a", "--python", sys.executable, "-b", "127.0.0.1:0", "site_of_test")
        assert command.wait() == 64
        assert any("`[a` is not a pattern" in line for line in command.log.lines), command.describe()


def test_a_page_loads_itself_anew_in_a_browser(site, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if not browser:
        pytest.skip("no browser: install the package chromium")
    seen, access = tmp_path / "seen", tmp_path / "access.log"
    made = site(text=BROKEN, ready=False, access_logfile=access, environment={"SEEN": str(seen)})
    made.server.log.claim("could not be loaded")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server"]
    arguments += [f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [browser, *arguments, "http://{}:{}/".format(*made.server.address)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    try:
        wait_until(lambda: '"GET / HTTP/1.1" 500' in access.read_text(), "the page is shown", 60)
        made.save("raise ValueError('another mistake')\n")
        made.broken()
        wait_until(lambda: access.read_text().count('"GET / HTTP/1.1" 500') == 2, "the other page is shown", 60)
        made.save(PAGE)
        wait_until(seen.exists, "the application's page is shown", 60)
    finally:
        process.terminate()
        process.wait(30)
    assert access.read_text().count('"GET / HTTP/1.1" 500') == 2, "no more than needed"
