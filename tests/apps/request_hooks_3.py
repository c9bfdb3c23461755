"""A `post_request` with 3 parameters, as gunicorn takes it as well."""

import gate


def post_request(worker, req, environ):
    gate.note("post", req.path)
