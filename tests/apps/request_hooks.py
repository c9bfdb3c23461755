"""Hooks of gunicorn around requests and for signals: they note what they are given, and fail where a request asks for it."""

import sys
import threading

import gate


def shown(response):
    length = dict(response.headers).get("Content-Length")
    return f"{response.status}|{response.status_code}|{length}|{response.sent}"


def pre_request(worker, req):
    gate.note("pre", f"{worker.pid} {req.method} {req.uri} {req.path} {req.query} {req.scheme} {req.remote_addr[0]} {req.version}")
    if "refuse" in req.query:
        raise PermissionError("pre_request refuses")


def post_request(worker, req, environ, resp):
    headers = dict(req.headers)
    gate.note("post", f"{req.method} {environ['PATH_INFO']} {headers['HOST']} {headers.get('X-ASKED')} {shown(resp)}")
    if "wait" in req.query:
        gate.wait("post")
    if "fail" in req.query:
        raise KeyError("post_request fails")


def worker_int(worker):
    gate.note("int", f"{worker.pid} {threading.current_thread() is threading.main_thread()}")
    raise SystemExit(7)


def worker_abort(worker):
    frames = [frame.f_code.co_name for frame in sys._current_frames().values()]
    gate.note("abort", f"{worker.pid} {'spin' in frames}")
    raise ValueError("worker_abort fails")
