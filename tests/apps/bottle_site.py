"""A Bottle application."""

import hashlib

import bottle

import gate

app = bottle.Bottle()


@app.get("/")
def index():
    return f"bottle {bottle.request.query.q}"


@app.post("/form")
def form():
    return f"posted {bottle.request.forms.getunicode('text')}"


@app.post("/upload")
def upload():
    file = bottle.request.files["file"]
    data = file.file.read()
    return {
        "name": file.raw_filename,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "text": bottle.request.forms.getunicode("text"),
    }


@app.post("/body")
def body():
    return bottle.request.body.read()


@app.get("/streaming")
def streaming():
    for number in range(1000):
        yield f"{number},"


@app.get("/file")
def file():
    return bottle.static_file("data", root=str(gate.DIRECTORY), mimetype="application/octet-stream")


@app.get("/absolute")
def absolute():
    return bottle.request.urlparts._replace(path="/there", query="").geturl()


@app.get("/failing")
def failing():
    raise RuntimeError("a view failed")
