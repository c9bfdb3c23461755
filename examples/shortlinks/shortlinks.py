"""Short links: one Flask file, one sqlite table."""

import csv
import io
import os
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)

# Where somebody says; as a service of systemd, where systemd has it write (StateDirectory= of systemd.exec(5)); else beside the code.
STATE_DIRECTORY = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
DATA_DIR = Path(os.environ.get("SHORTLINKS_DATA") or STATE_DIRECTORY or Path(__file__).parent / "data")
DATA_DIR.mkdir(parents=True, exist_ok=True)
SCHEMA = """
CREATE TABLE IF NOT EXISTS link (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    followed INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


def connect():
    # Several workers write to one file: they wait for each other.
    connection = sqlite3.connect(DATA_DIR / "links.sqlite3", timeout=20)
    connection.row_factory = sqlite3.Row
    return connection


with connect() as at_start:
    at_start.execute(SCHEMA)


def database():
    """The request's own connection."""
    if "database" not in g:
        g.database = connect()
    return g.database


@app.teardown_appcontext
def close_database(error):
    if "database" in g:
        g.database.close()


@app.get("/")
def index():
    links = database().execute("SELECT * FROM link ORDER BY created DESC, name LIMIT 100").fetchall()
    return render_template("index.html", links=links, worker=os.getpid())


@app.post("/")
def make():
    url = request.form.get("url", "").strip()
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.netloc:
        abort(400, "A link starts with http:// or https:// and names a host.")
    name = secrets.token_urlsafe(4)
    with database() as transaction:
        transaction.execute("INSERT INTO link (name, url) VALUES (?, ?)", (name, url))
    if request.accept_mimetypes.best == "text/html":
        return redirect(url_for("index"), code=303)
    return url_for("follow", name=name, _external=True) + "\n", 201, {"Content-Type": "text/plain; charset=utf-8"}


@app.get("/<name>")
def follow(name):
    with database() as transaction:
        transaction.execute("UPDATE link SET followed = followed + 1 WHERE name = ?", (name,))
    link = database().execute("SELECT url FROM link WHERE name = ?", (name,)).fetchone()
    if link is None:
        abort(404, "There is no such link.")
    return redirect(link["url"])


@app.get("/links.json")
def as_json():
    return jsonify([dict(link) for link in database().execute("SELECT * FROM link ORDER BY name")])


@app.get("/links.csv")
def as_csv():
    """Streamed: the table may be longer than memory."""

    def rows():
        connection = connect()
        try:
            cursor = connection.execute("SELECT name, url, followed, created FROM link ORDER BY name")
            yield csv_line(column[0] for column in cursor.description)
            for row in cursor:
                yield csv_line(row)
        finally:
            connection.close()

    return Response(rows(), mimetype="text/csv")


def csv_line(values):
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
