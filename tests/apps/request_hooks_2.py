"""A `post_request` with 2 parameters, as gunicorn takes it as well."""

import gate


def post_request(worker, req):
    gate.note("post", req.path)
