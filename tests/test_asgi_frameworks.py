"""FastAPI, Starlette, Django with Channels, Litestar and Quart, used through httpx, websockets and a browser."""

import contextlib
import json
import os
import random
import shutil
import subprocess

import httpx
import pytest
import websockets.sync.client

from deadline import wait_until

DATA = random.Random(7).randbytes(300_000)
SECONDS = 15
SITES = {
    "fastapi": "asgi_fastapi:app",
    "starlette": "asgi_starlette:app",
    "marked": "asgi_starlette:marked",
    "django": "asgi_django.asgi:application",
    "litestar": "asgi_litestar:app",
    "quart": "asgi_quart:app",
}
NUMBERS = "".join(f"{number}," for number in range(1000))


@pytest.fixture(scope="module")
def sites(serve_module, tmp_path_factory):
    """Starts each site once, when it is first asked for. One worker: some keep what they know in its memory."""
    directory = tmp_path_factory.mktemp("sites")
    (directory / "static").mkdir()
    (directory / "static" / "data").write_bytes(DATA)
    (directory / "static" / "page.html").write_text("<p>static</p>")
    started = {}

    def site(name):
        if name not in started:
            started[name] = serve_module(SITES[name], directory=directory, workers=1)
        return started[name]

    return site


def client(server):
    """An httpx client of this server, without what the environment says of proxies."""
    return httpx.Client(base_url="http://{}:{}".format(*server.address), timeout=SECONDS, trust_env=False)


def connect(server, path="/socket", **options):
    address = f"ws://127.0.0.1:{server.port}{path}"
    return websockets.sync.client.connect(address, proxy=None, open_timeout=SECONDS, **options)


# What several of them do


@pytest.mark.parametrize(
    "name, path, text",
    [
        ("fastapi", "/?q=%C3%A9", '{"q":"\xe9"}'),
        ("fastapi", "/threaded?q=x", '{"q":"x"}'),
        ("starlette", "/hello?q=%C3%A9", "hello \xe9"),
        ("marked", "/hello?q=x", "hello x"),
        ("django", "/?q=%C3%A9", "django \xe9"),
        ("django", "/threaded?q=x", "threaded x"),
        ("litestar", "/?q=%C3%A9", "Litestar \xe9"),
        ("litestar", "/threaded?q=x", "x"),
        ("quart", "/?q=%C3%A9", "Quart \xe9"),
    ],
)
def test_page(sites, name, path, text):
    with client(sites(name)) as http:
        for _ in range(3):
            response = http.get(path)
            assert (response.status_code, response.text) == (200, text)


@pytest.mark.parametrize("name, path", [("starlette", "/echo"), ("marked", "/echo"), ("django", "/body"), ("quart", "/body")])
def test_body(sites, name, path):
    def blocks():
        for at in range(0, len(DATA), 10_000):
            yield DATA[at : at + 10_000]

    with client(sites(name)) as http:
        assert http.post(path, content=DATA).content == DATA
        assert http.post(path, content=blocks()).content == DATA


@pytest.mark.parametrize("name", ["fastapi", "django", "litestar", "quart"])
def test_streaming(sites, name):
    with client(sites(name)) as http, http.stream("GET", "/streaming") as response:
        assert response.status_code == 200
        assert "".join(response.iter_text()) == NUMBERS


@pytest.mark.parametrize("name", ["starlette", "litestar", "quart"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_socket(sites, name, compression):
    with connect(sites(name), compression=compression) as websocket:
        for text in ("hello", "h\xe9 \u2713", "x" * 200_000, ""):
            websocket.send(text)
            assert websocket.recv(SECONDS) == text


@pytest.mark.parametrize("name", ["fastapi", "starlette", "django", "litestar", "quart"])
def test_not_found(sites, name):
    with client(sites(name)) as http:
        assert http.get("/missing").status_code == 404
    sites(name).log.claim("Not Found")


@pytest.mark.parametrize("name", ["fastapi", "litestar"])
def test_validation(sites, name):
    horse = {"name": "Rocinante", "age": 12}
    with client(sites(name)) as http:
        response = http.post("/horses", json=horse)
        assert (response.status_code, response.json()) == (201, horse)
        assert http.post("/horses", json={"name": "x", "age": "old"}).status_code in (400, 422)
        assert http.post("/horses", content=b"{").status_code in (400, 422)


# FastAPI


def test_fastapi_dependencies(sites):
    server = sites("fastapi")
    with client(server) as http:
        response = http.get("/guarded", headers={"X-Token": "secret"})
        assert response.json() == {"token": "secret"}
        assert server.wait_notes("dependency") == ["closed"]
        assert http.get("/guarded", headers={"X-Token": "wrong"}).status_code == 401
        assert http.get("/guarded").status_code == 422


def test_fastapi_lifespan_state(sites):
    server = sites("fastapi")
    assert server.notes("fastapi") == ["startup"]
    with client(server) as http:
        assert http.get("/state").json() == ["Bucephalus"]
    with connect(server) as websocket:
        websocket.send("hello")
        assert json.loads(websocket.recv(SECONDS)) == {"said": "hello", "horses": ["Bucephalus"]}


def test_fastapi_background_tasks(sites):
    server = sites("fastapi")
    key = server.key()
    with client(server) as http:
        assert http.get(f"/background?key={key}").json() == {"answered": True}
    assert server.wait_notes(key, 2) == ["done", "done in a thread"]


def test_fastapi_upload(sites):
    with client(sites("fastapi")) as http:
        response = http.post("/upload", files={"file": ("up.bin", DATA)})
        assert response.json() == {"name": "up.bin", "size": len(DATA)}


def test_fastapi_failing_view(sites):
    server = sites("fastapi")
    with client(server) as http:
        response = http.get("/failing")
        assert response.status_code == 500
        assert "ValueError" not in response.text
        assert http.get("/").status_code == 200
    server.log.expect("", level="ERROR", detail="ValueError: a view failed")


# Starlette


@pytest.mark.parametrize("name", ["starlette", "marked"])
def test_starlette_static_files(sites, name):
    """Sent by their path where no middleware is in the way."""
    with client(sites(name)) as http:
        response = http.get("/static/data")
        assert response.content == DATA
        assert http.get("/static/data", headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
        assert http.get("/static/data", headers={"Range": "bytes=1000-1999"}).content == DATA[1000:2000]
        assert http.head("/static/data").headers["Content-Length"] == str(len(DATA))
        assert http.get("/static/page.html").text == "<p>static</p>"
        assert http.get("/static/missing").status_code == 404
        response = http.get("/file")
        assert response.content == DATA
        assert "caf%C3%A9.bin" in response.headers["Content-Disposition"]


def test_starlette_middleware(sites):
    with client(sites("marked")) as http:
        response = http.get("/")
        assert response.headers["X-Marked"] == "yes"
        assert response.headers["Content-Encoding"] == "gzip"
        assert "EventSource" in response.text


@pytest.mark.parametrize("name", ["starlette", "marked"])
def test_starlette_events(sites, name):
    """The generator is closed when the client leaves, also behind middleware."""
    server = sites(name)
    key = server.key() + name
    with client(server) as http, http.stream("GET", f"/events?key={key}") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert [next(lines) for _ in range(4)] == ["data: event 0", "", "data: event 1", ""]
    assert server.wait_notes(key) == ["closed"]


def test_starlette_close_code(sites):
    server = sites("starlette")
    with connect(server) as websocket:
        websocket.send("hello")
        websocket.recv(SECONDS)
        websocket.close(4321)
    wait_until(lambda: "4321" in server.notes("starlette"), "the application saw the code")


# Django with Channels


def test_channels(sites):
    """What one says in a room, all in it hear, and nobody else."""
    server = sites("django")
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(connect(server, "/rooms/stable")) for _ in range(2))
        other = stack.enter_context(connect(server, "/rooms/meadow"))
        for websocket in (first, second, other):
            assert websocket.recv(SECONDS) == "joined"
        first.send("h\xe9")
        for websocket in (first, second):
            assert json.loads(websocket.recv(SECONDS)) == {"heard": "h\xe9"}
        other.send("hay")
        assert json.loads(other.recv(SECONDS)) == {"heard": "hay"}


def test_channels_without_a_route(sites):
    server = sites("django")
    with pytest.raises(websockets.exceptions.InvalidStatus) as fault:
        connect(server, "/nowhere").__enter__()
    assert fault.value.response.status_code in (403, 500)
    server.log.claim("No route found|nowhere")


# Litestar


def test_litestar_events(sites):
    with client(sites("litestar")) as http:
        response = http.get("/events")
        lines = [line for line in response.text.splitlines() if line.startswith("data:")]
        assert lines == [f"data: event {number}" for number in range(5)]


# Quart


def test_quart_form(sites):
    with client(sites("quart")) as http:
        assert http.post("/form", data={"text": "h\xe9"}).text == "posted h\xe9"


# A browser


def browser():
    """A Chromium on the path, by any of its names."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    return pytest.skip("no browser: install the package chromium")


def test_a_browser(sites, tmp_path):
    """A page with fetch, EventSource and WebSocket, which reports what it saw."""
    server = sites("starlette")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server"]
    arguments += [f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0"]
    address = "http://{}:{}/".format(*server.address)
    process = subprocess.Popen(
        [browser(), *arguments, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    try:
        wait_until(lambda: server.notes("report"), "the page's report", 60)
    finally:
        process.terminate()
        process.wait(SECONDS)
    found = json.loads(server.notes("report")[0])
    assert "fault" not in found, found
    assert found["fetch"] == "h\xe9llo"
    assert found["events"] == [f"event {number}" for number in range(5)]
    assert found["socket"] == [4000, True]
    assert found["length"] == len("caf\xe9 \u2713 ") + 100_000
    assert found["extensions"].startswith("permessage-deflate")
