"""What PEP 3333 forbids is answered with 500, told in the log, and costs nothing else."""

import ast
from urllib.parse import quote

import pytest

from server import APPS


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("faulty:application")


def table(name):
    """The keys of a table of apps/faulty.py, which only runs in a worker."""
    for node in ast.parse((APPS / "faulty.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return [key.value for key in node.value.keys]
    raise KeyError(name)


def assert_500(server, target):
    with server.connect() as client:
        response = client.get(target)
        assert response.status == 500, response
        assert response.all("X-Forged") == []
        assert b"Traceback" not in response.body, "the client learns nothing of the inside"
    record = server.log.expect("", level="ERROR")
    assert server.get("/hello").body == b"hello"
    return record


# What the record must name.
RETURNED = {
    "none": "None",
    "text": "str",
    "number": "int",
    "list of text": "str",
    "list of numbers": "int",
    "list of none": "None",
    "generator of text": "str",
    "dict of text": "str",
}


@pytest.mark.parametrize("fault", table("RETURNS"))
def test_bad_return(server, fault):
    record = assert_500(server, "/returning?fault=" + quote(fault))
    assert RETURNED[fault] in record.text


@pytest.mark.parametrize("fault", table("HEADS"))
@pytest.mark.parametrize("how", ["starting", "restarting"])
def test_bad_head(server, fault, how):
    record = assert_500(server, f"/{how}?fault=" + quote(fault))
    assert "Traceback" in record.text and f"in {how}" in record.text
    if fault[0].isupper() and " " not in fault:
        assert fault.lower() in record.text.lower(), "the record names the header"


def test_start_response_without_arguments(server):
    assert "Traceback" in assert_500(server, "/calling").text
