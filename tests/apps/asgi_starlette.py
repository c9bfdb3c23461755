"""A Starlette application: static files, middleware, events sent by the server, and the page that a browser tries all of it from."""

import asyncio

import gate
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

PAGE = """<!doctype html><title>waiting</title><script>
const seen = {};
const socket = () => new Promise((done, failed) => {
  const connection = new WebSocket(`ws://${location.host}/socket`);
  connection.onopen = () => connection.send("caf\u00e9 \u2713 " + "x".repeat(100000));
  connection.onmessage = event => { seen.extensions = connection.extensions; seen.length = event.data.length; connection.close(4000, "enough"); };
  connection.onclose = event => done([event.code, event.wasClean]);
  connection.onerror = () => failed("WebSocket");
});
const events = () => new Promise((done, failed) => {
  const source = new EventSource("/events"), found = [];
  source.onmessage = event => { found.push(event.data); if (found.length == 5) { source.close(); done(found); } };
  source.onerror = () => failed("EventSource");
});
const posted = async () => (await fetch("/echo", {method: "POST", body: "h\u00e9llo"})).text();
const all = async () => {
  try {
    seen.fetch = await posted();
    seen.events = await events();
    seen.socket = await socket();
  } catch (fault) { seen.fault = String(fault); }
  await fetch("/report", {method: "POST", body: JSON.stringify(seen)});
};
all();
</script>"""


class Marking(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Marked"] = "yes"
        return response


async def page(request):
    return HTMLResponse(PAGE)


async def hello(request):
    return PlainTextResponse("hello " + request.query_params.get("q", ""))


async def echo(request):
    return PlainTextResponse(await request.body())


async def events(request):
    async def produce():
        try:
            for number in range(int(request.query_params.get("count", "1000"))):
                yield f"data: event {number}\n\n"
                await asyncio.sleep(0.005)
        finally:
            if key := request.query_params.get("key"):
                gate.note(key, "closed")

    return StreamingResponse(produce(), media_type="text/event-stream")


async def report(request):
    gate.note("report", (await request.body()).decode())
    return PlainTextResponse("")


async def file(request):
    return FileResponse(gate.DIRECTORY / "static" / "data", filename="caf\xe9.bin")


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket, data):
        await websocket.send_text(data)

    async def on_disconnect(self, websocket, close_code):
        gate.note("starlette", close_code)


app = Starlette(
    routes=[
        Route("/", page),
        Route("/hello", hello),
        Route("/echo", echo, methods=["POST"]),
        Route("/events", events),
        Route("/report", report, methods=["POST"]),
        Route("/file", file),
        WebSocketRoute("/socket", Echo),
        Mount("/static", StaticFiles(directory=gate.DIRECTORY / "static")),
    ],
)
marked = Starlette(
    routes=app.routes,
    middleware=[Middleware(Marking), Middleware(GZipMiddleware, minimum_size=500)],
)
