"""Logs of an instance that was started by hand: they are not where the daemon reads."""

import re

import pytest

from test_applying import WSGI, Shop
from test_manage_bus import FAILED, machines, pytestmark  # noqa: F401


@pytest.fixture
def shop(serve, machines):  # noqa: F811
    machine = machines(daemon=False)
    journalctl = machine.directory / "bin" / "journalctl"
    journalctl.write_text("#!/bin/sh\n")
    return Shop(serve, machine, WSGI)


@pytest.mark.parametrize("words", [(), ("--follow",), ("--lines", "3")])
def test_it_is_said_where_they_are(shop, words):
    logs = shop.ask("logs", *words)
    assert logs.code == FAILED and logs.out == "", logs
    assert re.search("shop was started by hand.*its log goes to its standard error", logs.said), logs


def test_a_file_is_named_and_what_the_journal_has_is_shown_first(shop):
    (shop.directory / "bin" / "journalctl").write_text(
        '#!/bin/sh\necho \'{"__REALTIME_TIMESTAMP":"1000000","MESSAGE":"of old","__CURSOR":"c"}\'\n'
    )
    log = shop.directory / "error.log"
    shop.set(f"error_logfile={log}")
    logs = shop.ask("logs", "--follow")
    assert "of old" in logs.out and f"its log goes to {log}" in logs.said, logs
    assert str(log) in shop.ask("status").out
    shop.set("error_logfile=-")
    shop.server.log.expect("the error log goes to")
