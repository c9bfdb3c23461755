"""Shows what a scope holds."""

import json

from asgi_routes import read_body, respond, serve_lifespan


def described(value):
    """A value as JSON can carry it: bytes as `{"bytes": latin-1 text}`, the rest with its shape kept."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return {"other": repr(value)}


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await serve_lifespan(receive, send)
        return
    text = json.dumps(
        {
            "scope": {key: described(value) for key, value in scope.items() if key != "headers"},
            "headers": [[described(name), described(value)] for name, value in scope["headers"]],
            "type": type(scope).__name__,
        }
    )
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
        return
    await read_body(receive)
    await respond(send, text)


async def careless(scope, receive, send):
    """Changes what is its own to change: the next scope must know nothing of it."""
    if scope["type"] == "lifespan":
        await serve_lifespan(receive, send)
        return
    marks = [name for name, place in (("scope", scope), ("state", scope["state"])) if "mark" in place]
    marks += ["headers"] if any(name == b"x-mark" for name, _ in scope["headers"]) else []
    scope["mark"] = scope["state"]["mark"] = "left behind"
    if isinstance(scope["headers"], list):
        scope["headers"].append((b"x-mark", b"1"))
    await respond(send, json.dumps(marks))
