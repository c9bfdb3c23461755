"""Flask, Django with its admin and sqlite, Bottle and Falcon, used through an ordinary HTTP client."""

import hashlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
from http.cookiejar import CookieJar
from threading import Thread
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from server import APPS

DATA = random.Random(7).randbytes(300_000)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SITES = {
    "flask": "flask_site:app",
    "django": "django_site.wsgi:application",
    "bottle": "bottle_site:app",
    "falcon": "falcon_site:application",
}


def prepare(directory):
    """The file that is sent, and Django's database with an administrator."""
    (directory / "data").write_bytes(DATA)
    environment = os.environ | {
        "E2E_DIRECTORY": str(directory),
        "DJANGO_SETTINGS_MODULE": "django_site.settings",
        "DJANGO_SUPERUSER_PASSWORD": "secret",
    }
    for arguments in (
        ["migrate", "--verbosity", "0"],
        ["createsuperuser", "--noinput", "--username", "admin", "--email", "a@b.example", "--verbosity", "0"],
    ):
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=APPS, env=environment, check=True)


@pytest.fixture(scope="module")
def sites(serve_module, tmp_path_factory):
    """Starts each site once, when it is first asked for."""
    directory = tmp_path_factory.mktemp("sites")
    prepare(directory)
    started = {}

    def site(name):
        if name not in started:
            started[name] = serve_module(SITES[name], directory=directory, workers=2, threads=2)
        return started[name]

    return site


@pytest.fixture(params=SITES)
def site(request, sites):
    return request.param, sites(request.param)


def ask(server, path, method="GET", body=None, headers=None):
    """One request with http.client: the answer's status, headers and body."""
    connection = http.client.HTTPConnection(*server.address, timeout=15)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def multipart(fields):
    """A form with a file, as a browser sends it."""
    boundary = "----boundary5a1c"
    parts = []
    for name, value in fields.items():
        disposition = f'form-data; name="{name}"'
        if isinstance(value, bytes):
            disposition += '; filename="up.bin"'
            parts.append(
                f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
                "Content-Type: application/octet-stream\r\n\r\n".encode()
                + value
                + b"\r\n"
            )
        else:
            parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n".encode())
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


# What every framework does


def test_page(site):
    name, server = site
    assert ask(server, "/?q=%C3%A9%20x")[2].decode() == f"{name} \xe9 x"


@pytest.mark.parametrize("name", ["flask", "bottle", "falcon"])
def test_form(sites, name):
    body = urlencode({"text": "h\xe9 & b"}).encode()
    status, _, answer = ask(sites(name), "/form", "POST", body, FORM)
    assert (status, answer.decode()) == (200, "posted h\xe9 & b")


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_upload(site, size):
    _, server = site
    data = random.Random(size).randbytes(size)
    body, headers = multipart({"text": "words", "file": data})
    status, _, answer = ask(server, "/upload", "POST", body, headers)
    assert status == 200, answer
    found = json.loads(answer)
    assert found == {"name": "up.bin", "size": size, "sha256": hashlib.sha256(data).hexdigest(), "text": "words"}


def test_body(site):
    _, server = site
    status, _, answer = ask(server, "/body", "POST", DATA[:1000])
    assert (status, answer) == (200, DATA[:1000])


def test_chunked_body(sites):
    """Only Flask reads a body without Content-Length; it needs wsgi.input_terminated for that."""
    status, _, answer = ask(sites("flask"), "/body", "POST", iter([DATA[:1000], DATA[1000:]]))
    assert (status, answer) == (200, DATA)
    status, _, answer = ask(sites("flask"), "/form", "POST", iter([b"text=", b"words"]), FORM)
    assert (status, answer) == (200, b"posted words")


def test_streaming(site):
    _, server = site
    status, _, answer = ask(server, "/streaming?q=end")
    assert status == 200
    assert answer.startswith(b"0,1,2,") and answer.rstrip(b"end").endswith(b"999,")


def test_file(site):
    _, server = site
    status, headers, answer = ask(server, "/file")
    assert (status, headers["Content-Length"]) == (200, str(len(DATA)))
    assert answer == DATA
    status, headers, answer = ask(server, "/file", "HEAD")
    assert (status, answer) in [(200, b""), (405, b"")], "a framework may not offer HEAD"


def test_absolute_address(site):
    _, server = site
    for proto in ("http", "https"):
        headers = {"Host": "shop.example", "X-Forwarded-Proto": proto}
        assert ask(server, "/absolute", headers=headers)[2].decode() == f"{proto}://shop.example/there"


def test_failing_view(site):
    _, server = site
    status, _, answer = ask(server, "/failing")
    assert status == 500
    assert b"Traceback" not in answer
    # The framework catches it; what it writes to wsgi.errors or standard error is its own choice.
    server.log.claim("/failing|a view failed")
    assert ask(server, "/")[0] == 200


def test_many_at_once(site):
    name, server = site
    faults = []

    def visit(number):
        connection = http.client.HTTPConnection(*server.address, timeout=15)
        for turn in range(15):
            connection.request("GET", f"/?q={number}-{turn}")
            answer = connection.getresponse().read().decode()
            if answer != f"{name} {number}-{turn}":
                faults.append(answer)
        connection.close()

    visitors = [Thread(target=visit, args=(number,)) for number in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not faults


# Flask


def test_flask_range(sites):
    status, headers, answer = ask(sites("flask"), "/file", headers={"Range": "bytes=1000-1999"})
    assert (status, headers["Content-Range"]) == (206, f"bytes 1000-1999/{len(DATA)}")
    assert answer == DATA[1000:2000]


def test_flask_not_modified(sites):
    server = sites("flask")
    tag = ask(server, "/file")[1]["ETag"]
    status, _, answer = ask(server, "/file", headers={"If-None-Match": tag})
    assert (status, answer) == (304, b"")


def test_flask_session(sites):
    server = sites("flask")
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    host, port = server.address
    for count in range(1, 4):
        with opener.open(f"http://{host}:{port}/count", timeout=15) as response:
            assert response.read() == str(count).encode()


def test_flask_json_and_errors(sites):
    server = sites("flask")
    body = json.dumps({"a": ["\xe9"]}).encode()
    status, _, answer = ask(server, "/json", "POST", body, {"Content-Type": "application/json"})
    assert (status, json.loads(answer)) == (200, {"a": ["\xe9"]})
    assert ask(server, "/json", "POST", b"{", {"Content-Type": "application/json"})[0] == 400
    assert ask(server, "/missing")[0] == 404
    assert ask(server, "/form")[0] == 405


# Django


class Browser:
    """Keeps cookies and fills in the token of forms."""

    def __init__(self, server):
        self.base = "http://{}:{}".format(*server.address)
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path):
        with self.opener.open(self.base + path, timeout=15) as response:
            return response.geturl().removeprefix(self.base), response.read().decode()

    def post(self, path, fields):
        data = urlencode(fields).encode()
        with self.opener.open(Request(self.base + path, data), timeout=15) as response:
            return response.geturl().removeprefix(self.base), response.read().decode()

    def submit(self, path, fields):
        """Reads the form, then posts it with its token."""
        _, page = self.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        return self.post(path, {**fields, "csrfmiddlewaretoken": token})


def test_django_form_with_token(sites):
    server = sites("django")
    browser = Browser(server)
    _, token = browser.get("/form")
    assert browser.post("/form", {"text": "h\xe9", "csrfmiddlewaretoken": token})[1] == "posted h\xe9"
    status, _, _ = ask(server, "/form", "POST", urlencode({"text": "x"}), FORM)
    assert status == 403
    server.log.claim("(?i)csrf|forbidden")


def test_django_admin(sites):
    """Logs in, adds a group, finds it in the list, deletes it: sessions and sqlite across two workers."""
    browser = Browser(sites("django"))
    place, page = browser.get("/admin/")
    assert place.startswith("/admin/login/")
    place, page = browser.submit("/admin/login/?next=/admin/", {"username": "admin", "password": "secret"})
    assert place == "/admin/" and "Site administration" in page
    place, page = browser.submit("/admin/auth/group/add/", {"name": "Stable hands"})
    assert place == "/admin/auth/group/" and "Stable hands" in page
    number = re.search(r"/admin/auth/group/(\d+)/change/", page)[1]
    place, page = browser.submit(f"/admin/auth/group/{number}/delete/", {"post": "yes"})
    assert place == "/admin/auth/group/" and "0 groups" in page


def test_django_wrong_password(sites):
    place, page = Browser(sites("django")).submit("/admin/login/", {"username": "admin", "password": "wrong"})
    assert "Please enter the correct" in page


def test_django_file_name(sites):
    _, headers, _ = ask(sites("django"), "/file")
    assert headers["Content-Disposition"] == "attachment; filename*=utf-8''caf%C3%A9.bin"
