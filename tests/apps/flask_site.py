"""A Flask application: forms, uploads, sessions, streams, files."""

import hashlib

from flask import Flask, Response, abort, jsonify, request, send_file, session, stream_with_context

import gate

app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def index():
    return f"flask {request.args.get('q', '')}"


@app.post("/form")
def form():
    return f"posted {request.form['text']}"


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return jsonify(
        name=file.filename, size=len(data), sha256=hashlib.sha256(data).hexdigest(), text=request.form["text"]
    )


@app.post("/body")
def body():
    return Response(request.get_data(), mimetype="application/octet-stream")


@app.post("/json")
def as_json():
    return jsonify(request.get_json())


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/streaming")
def streaming():
    def blocks():
        for number in range(1000):
            yield f"{number},{request.args['q'] if number == 999 else ''}"

    return Response(stream_with_context(blocks()), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(gate.DIRECTORY / "data", mimetype="application/octet-stream", conditional=True)


@app.get("/absolute")
def absolute():
    return request.url_root + "there"


@app.get("/missing")
def missing():
    abort(404)


@app.get("/failing")
def failing():
    raise RuntimeError("a view failed")
