"""The cases of the Autobahn test suite, as classes that Python 3 can run.

The suite on PyPI is Python 2 source. It is fetched by pip into a directory of the virtual environment, once, and translated when it is
imported: a handful of substitutions, listed below, and one convention: what was a byte string stays a `str`, of which each
character is a byte (latin-1). The driver (client.py) encodes what the cases send and decodes what they are given.
"""

import binascii
import builtins
import hashlib
import re
import subprocess
import sys
import tarfile
import types
from pathlib import Path

from autobahn.websocket.utf8validator import Utf8Validator

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
NAME = "autobahntestsuite"

# What Python 2 understood and Python 3 does not, in the files of cases that are run.
SUBSTITUTIONS = [
    (r"(?m)^(\s*)print (.*)$", r"\1print(\2)"),
    (r"\(object, Case, \)", "(Case,)"),
    (r"\bxrange\b", "range"),
    (r"len\(self\.payload\) / ", "len(self.payload) // "),
    # autobahn's own names have changed since.
    (r"\b(request|accept)NoContextTakeover\b", r"\1_no_context_takeover"),
    (r"\b(request|accept)MaxWindowBits\b", r"\1_max_window_bits"),
]


def fetched():
    """The directory of the suite's source; fetched when it is not there yet."""
    wanted = REQUIREMENTS.read_text()
    stamp = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    cache = Path(sys.prefix) / "share" / f"{NAME}-{stamp}"
    if not cache.exists():
        partial = cache.with_name(f"{cache.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        command = ["pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([sys.executable, "-m", *command, "-r", REQUIREMENTS, "-d", partial], check=True)
        (archive,) = partial.glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(partial, filter="data")
        archive.unlink()
        partial.rename(cache)
    (found,) = cache.glob(f"{NAME}-*/{NAME}")
    return found


class LatinValidator(Utf8Validator):
    """autobahn's, for text of which each character is a byte."""

    def validate(self, text):
        return super().validate(text.encode("latin-1"))


def stand_ins(source):
    """Modules that the cases import by name and that are not what they were; `case9_9_1` is in no list of cases."""
    hexed = types.ModuleType("binascii")
    hexed.b2a_hex = lambda data: binascii.b2a_hex(data if isinstance(data, bytes) else data.encode("latin-1")).decode()
    hexed.hexlify = binascii.hexlify
    resources = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda _, name: str(source / name)
    validator = types.ModuleType("autobahn.websocket.utf8validator")
    validator.Utf8Validator = LatinValidator
    return {
        "binascii": hexed,
        "pkg_resources": resources,
        "autobahn.websocket.utf8validator": validator,
        "case9_9_1": types.ModuleType("case9_9_1"),
    }


class Importer:
    """`import` as the suite's files need it: their siblings by bare name, the stand-ins, then everybody's."""

    def __init__(self, source):
        self.directory = source / "case"
        self.modules = stand_ins(source)
        self.builtins = {**vars(builtins), "__import__": self.find, "unichr": chr}

    def find(self, name, *arguments):
        if name in self.modules:
            return self.modules[name]
        path = self.directory / f"{name}.py"
        return self.load(name, path) if path.exists() else builtins.__import__(name, *arguments)

    def load(self, name, path):
        module = self.modules[name] = types.ModuleType(name)
        module.__dict__["__builtins__"] = self.builtins
        text = path.read_text("latin-1")
        for pattern, replacement in SUBSTITUTIONS:
            text = re.sub(pattern, replacement, text)
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
        return module


def load():
    """All cases in the order of the suite: pairs of an id such as "6.4.1" and a class."""
    importer = Importer(fetched())
    index = importer.load("index", importer.directory / "__init__.py")
    # Pickles of equal values need not be equal in Python 3.
    index.Case.compare = lambda _, one, other: one == other
    return [(case.__name__.removeprefix("Case").replace("_", "."), case) for case in index.Cases]
