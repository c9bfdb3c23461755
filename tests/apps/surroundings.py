"""Shows what `environ` holds."""

import json

from routes import respond


def application(environ, start_response):
    """Every entry as `[type name, value]`; values that JSON cannot carry as their repr."""
    environ["wsgi.input"].read()
    entries = {
        key: [type(value).__name__, value if isinstance(value, (str, bool, tuple)) else repr(value)]
        for key, value in environ.items()
    }
    about = {
        "type": type(environ).__name__,
        "keys": sorted({type(key).__name__ for key in environ}),
        "input": [
            name for name in ("read", "readline", "readlines", "__iter__") if hasattr(environ["wsgi.input"], name)
        ],
        "errors": [name for name in ("write", "writelines", "flush") if hasattr(environ["wsgi.errors"], name)],
        "wrapper": callable(environ["wsgi.file_wrapper"]),
    }
    return respond(start_response, json.dumps({"about": about, "entries": entries}))


def complaining(environ, start_response):
    """Writes to wsgi.errors in every way."""
    errors = environ["wsgi.errors"]
    errors.write("complaint one: caf\xe9 \u2713\n")
    errors.writelines(["complaint two\n", "complaint three\n"])
    print("complaint four", file=errors)
    errors.write("complaint ")
    errors.write("five")
    errors.flush()
    return respond(start_response, "complained")
