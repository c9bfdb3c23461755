"""The examples as a service of systemd has them: they write where `STATE_DIRECTORY` says, and nowhere else."""

import os
import subprocess
import sys

import pytest

from server import ROOT

# What is printed comes from a table, which has to be there.
SHORTLINKS = "import shortlinks; print(shortlinks.app.test_client().get('/links.json').get_data(as_text=True))"
NOTES = (
    "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'notes.settings'; django.setup();"
    "from notes.tables import make_missing; make_missing(); make_missing();"
    "from notes.models import Note; print(Note.objects.count())"
)


@pytest.mark.parametrize(("name", "program", "database"), [
    ("shortlinks", SHORTLINKS, "links.sqlite3"),
    ("notes", NOTES, "notes.sqlite3"),
])
def test_an_example_keeps_its_data_where_systemd_lets_it_write(tmp_path, name, program, database):
    example = ROOT / "examples" / name
    before = set(example.rglob("*"))
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": f"{tmp_path}:/absent"}
    ended = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=example, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() in ("[]", "0"), ended.stdout
    assert (tmp_path / database).stat().st_size > 0
    assert set(example.rglob("*")) == before
