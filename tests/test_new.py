"""`hostler new` and `hostler remove`: what is written for a project, what is left alone, and what the words say.

Nothing here touches the machine: all is written below a directory (`--root`). What systemd does with it is in
`systemd/test_creating.py`."""

import os
import socket
import subprocess
import sys
import tomllib
from textwrap import dedent

import pytest

from server import BINARY, ROOT

USAGE, FAILED = 64, 1

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
DJANGO = {
    "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/settings.py": "STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'collected'\n",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
}


class Place:
    """A directory that stands for `/`, with a project at `/srv/shop`, and a home at `/home/me`."""

    def __init__(self, directory):
        self.root = directory / "root"
        self.home = self.root / "home/me"
        self.project = self.root / "srv/shop"
        for path in (self.project, self.home):
            path.mkdir(parents=True)

    def write(self, files, base=None):
        for name, text in files.items():
            path = (base or self.root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def run(self, *arguments, code=0, cwd=None, **environment):
        """The command with its two streams as one text."""
        variables = {"PATH": os.environ["PATH"], "HOME": "/home/me", **environment}
        ended = subprocess.run(
            [BINARY, *map(str, arguments)],
            cwd=cwd or self.project,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert ended.returncode == code, ended.stdout
        assert "panicked" not in ended.stdout
        return ended.stdout

    def new(self, *arguments, **options):
        return self.run("new", "shop", "--root", self.root, "--directory", "/srv/shop", *arguments, **options)

    def remove(self, *arguments, **options):
        return self.run("remove", "shop", "--root", self.root, *arguments, **options)

    def files(self):
        """All files and links but the project's, with their contents."""
        found = {}
        for base in ("etc", "var", "home"):
            for path in sorted((self.root / base).rglob("*")):
                name = str(path.relative_to(self.root))
                if path.is_symlink():
                    found[name] = f"-> {path.readlink()}"
                elif path.is_file():
                    found[name] = path.read_text()
        return found


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def site(place):
    """With a site of Flask."""
    place.write({"app.py": FLASK}, place.project)
    return place


SETTINGS = "etc/hostler/shop.toml"
SOCKET = "etc/systemd/system/hostler@shop.socket.d/10-address.conf"
PROFILE = "etc/systemd/system/hostler@shop.service.d/10-profile.conf"
ACCOUNT = "etc/systemd/system/hostler@shop.service.d/20-account.conf"


def test_a_django_project(place):
    place.write(DJANGO, place.project)
    place.write({".venv/pyvenv.cfg": "version = 3.12.1\n", ".venv/bin/python": ""}, place.project)
    said = place.new()
    assert "an application of Django, shop.wsgi:application" in said
    assert "location /static/ { alias /srv/shop/collected/; }  # after: python manage.py collectstatic" in said
    assert "proxy_pass http://unix:/run/hostler/shop.sock;" in said
    files = place.files()
    assert list(files) == [SETTINGS], "the template says the rest"
    settings = tomllib.loads(files[SETTINGS])
    assert settings == {
        "app": "shop.wsgi:application",
        "chdir": "/srv/shop",
        "venv": "/srv/shop/.venv",
        "workers": "auto",
    }


def test_what_was_written_is_what_hostler_takes(site):
    """The file and all that it offers, put in force."""
    site.new()
    text = site.files()[SETTINGS].replace("/srv/shop", str(site.project))
    offered = "".join(line[1:] if line[:1] == "#" and line[1:2].isalpha() else line for line in text.splitlines(keepends=True))
    site.write({"offered.toml": offered, "app.py": "def app(environ, start_response): ..."}, site.project)
    assert offered.count(" = ") > text.count("\n#") / 4
    said = site.run("check", "--file", "offered.toml", "--python", sys.executable, "--bind", "127.0.0.1:0")
    assert "app:app imports" in said


def test_an_address_that_somebody_has_is_told(site):
    """Only told: nothing is to be started. What an image listens on nobody knows."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        new = ["new", "shop", "--user", "--dry-run", "--directory", site.project, "--bind", address]
        said = site.run(*new, XDG_CONFIG_HOME=str(site.root / "etc"))
        [note] = [line for line in said.splitlines() if "note:" in line]
        assert note.startswith(f"  note: hostler@shop.socket cannot listen on {address}: ") and f"process {os.getpid()}" in note, said
        assert "cannot listen" not in site.new("--bind", address)


def test_a_second_run_changes_nothing_and_says_so(site):
    site.new("--bind", "127.0.0.1:9000")
    before = {path: path.stat().st_mtime_ns for path in site.root.rglob("*")}
    said = site.new("--bind", "127.0.0.1:9000")
    assert "nothing to write" in said and "wrote" not in said
    assert {path: path.stat().st_mtime_ns for path in site.root.rglob("*")} == before


def test_drop_ins_say_what_differs(site):
    profile = site.root / "usr/lib/hostler/profiles/strict.conf"
    site.write({profile: "[Service]\n"})
    (site.root / "srv/data").mkdir()
    bind = ["--bind", "localhost:9000", "--bind", "unix:/run/x.sock"]
    site.new(*bind, "--profile", "strict", "--run-as", "deploy:web", "--writable", "/srv/data")
    files = site.files()
    assert list(files) == [SETTINGS, PROFILE, ACCOUNT, SOCKET]
    assert files[SOCKET].endswith("ListenStream=\nListenStream=127.0.0.1:9000\nListenStream=/run/x.sock\n")
    assert files[PROFILE] == "-> /usr/lib/hostler/profiles/strict.conf"
    for line in ("DynamicUser=no", "User=deploy", "Group=web", 'ReadWritePaths="/srv/data"'):
        assert f"\n{line}\n" in files[ACCOUNT]
    site.new()
    assert list(site.files()) == [SETTINGS], "what is no longer asked for goes"
    site.remove()
    assert site.files() == {}


def with_templates(site, replaced=""):
    """The units of this tree, as a package installs them; with another command for one that is not in the image."""
    for path in (ROOT / "systemd/system").iterdir():
        text = path.read_text()
        site.write({f"usr/lib/systemd/system/{path.name}": text.replace("/usr/bin/hostler", replaced) if replaced else text})


def test_units_are_what_systemd_takes(site):
    """By systemd's own verdict on the drop-ins."""
    with_templates(site, "/bin/sh")
    bind = ["--bind", ":9000", "--bind", "[::1]:9001", "--bind", "unix:@x"]
    said = site.new(*bind, "--run-as", "root", "--writable", "/srv/shop")
    assert "template" not in said
    site.write({"bin/sh": "#!/bin/sh\n", "etc/passwd": "root:x:0:0::/:/bin/sh\n"})
    (site.root / "bin/sh").chmod(0o755)
    command = ["systemd-analyze", f"--root={site.root}", "verify", "hostler@shop.socket", "hostler@shop.service"]
    verdict = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()
    # Of the templates, older versions say that they do not know some keys.
    assert not [line for line in verdict if "10-address" in line or "20-account" in line], verdict
    (site.root / SOCKET).write_text("[Socket]\nListenStreams=x\n")
    verdict = subprocess.run(command, capture_output=True, text=True).stderr
    assert "10-address" in verdict, "the verdict is on them"


def test_enabled_in_an_image(site):
    """systemctl works on the files of an image, as image builders use it."""
    with_templates(site)
    said = site.new("--enable")
    assert f"running systemctl --root={site.root} enable hostler@shop.socket" in said
    wants = site.root / "etc/systemd/system/sockets.target.wants/hostler@shop.socket"
    assert wants.is_symlink()
    assert "nothing to write" in site.new("--enable")
    site.remove()
    assert not wants.is_symlink() and site.files() == {}


def test_what_a_person_changed_is_refused_kept_or_copied(site):
    site.new()
    path = site.root / SETTINGS
    theirs = path.read_text().replace('workers = "auto"', "workers = 7")
    path.write_text(theirs)
    said = site.new("--bind", ":9000", code=FAILED)
    assert '-workers = 7' in said and '+workers = "auto"' in said and "--force" in said
    assert site.files() == {SETTINGS: theirs}, "not even the other files were written"
    assert "left /etc/hostler/shop.toml" in site.remove()
    assert site.files() == {SETTINGS: theirs}
    said = site.new("--force")
    assert f"kept as {path}.old" in said
    assert site.files()[SETTINGS + ".old"] == theirs
    assert "workers = \"auto\"" in path.read_text()


def test_purge_takes_all(site):
    site.new("--bind", ":9000")
    site.write(
        {
            "etc/systemd/system/hostler@shop.service.d/override.conf": "[Service]\n",
            "var/lib/private/hostler/shop/db": "x",
            "var/log/hostler/shop/log": "x",
            "var/lib/hostler/blog/db": "stays",
        }
    )
    (site.root / SETTINGS).write_text("mine = true\n")
    said = site.remove("--purge", "--dry-run")
    assert "would remove /var/lib/private/hostler/shop" in said and len(site.files()) == 6
    site.remove("--purge")
    assert site.files() == {"var/lib/hostler/blog/db": "stays"}
    assert "nothing to remove" in site.remove("--purge")


def test_dry_run_shows_all_and_changes_nothing(site):
    said = site.new("--dry-run", "--bind", ":9000", "--enable")
    for part in ("would write /etc/hostler/shop.toml:", "    app = \"app:app\"", "    ListenStream=9000", "would run systemctl"):
        assert part in said
    assert site.files() == {}
    site.new("--bind", ":9000")
    before = site.files()
    assert "would remove /etc/hostler/shop.toml" in site.remove("--dry-run")
    assert site.files() == before


def test_an_instance_of_a_user(site):
    said = site.new("--user")
    files = site.files()
    socket = "home/me/.config/systemd/user/hostler@shop.socket.d/10-address.conf"
    assert list(files) == ["home/me/.config/hostler/shop.toml", socket]
    (stream,) = [line for line in files[socket].splitlines() if line.startswith("ListenStream=1")]
    address = stream.removeprefix("ListenStream=")
    assert f"curl http://{address}/" in said and "systemctl --user enable --now hostler@shop.socket" in said
    assert "nothing to write" in site.new("--user"), "the port is kept"
    site.run("new", "blog", "--user", "--root", site.root, "--directory", "/srv/shop")
    assert address not in site.files()[socket.replace("shop", "blog")], "each has a port of its own"
    site.remove("--user")
    site.run("remove", "blog", "--user", "--root", site.root)
    assert site.files() == {}


def test_what_is_found_serves(site, serve):
    """The written file, with an address in place of a passed socket."""
    site.write({"app.py": FLASK + "@app.get('/')\ndef index(): return 'found'\n"}, site.project)
    site.new()
    settings = {"python": sys.executable, "bind": "127.0.0.1:0", "chdir": site.project, "workers": "1"}
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    server = serve(arguments=["serve", site.root / SETTINGS, *options])
    assert server.get("/").body == b"found"


NAMES = [
    ("a/b", "take letters, digits, `-`, `_` and `.`, as in `a-b`"),
    ("../x", "has `/` in it"),
    ("shop.toml", "give the name alone, `shop`"),
    ("x" * 65, "longer than 64 characters"),
    ("a b", "as in `a-b`"),
    ("%n", "has `%` in it"),
    ("ü", "has `ü` in it"),
]


def test_who_reads_no_more_stops_nothing(site):
    """`hostler new shop | head -1`: what is begun is done, and not with a panic."""
    for arguments, expected in [(["new", "shop", "--directory", "/srv/shop"], True), (["remove", "shop"], False)]:
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [BINARY, *arguments, "--root", site.root],
            cwd=site.project, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
        )
        os.close(writing)
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        assert (SETTINGS in site.files()) == expected


@pytest.mark.parametrize("name, words", NAMES, ids=lambda value: value[:10])
def test_names(site, name, words):
    for verb in ("new", "remove"):
        assert words in site.run(verb, name, "--root", site.root, code=USAGE)
    assert site.files() == {}


def test_what_confines_it_is_a_setting_and_a_link(site):
    directory = site.root / "usr/lib/hostler/profiles"
    site.write({directory / f"{name}.conf": "[Service]\n" for name in ("compat", "no-network")})
    shown = site.new("--profile", "compat", "--no-network", "--dry-run")
    network = "etc/systemd/system/hostler@shop.service.d/20-no-network.conf"
    for line in ("profile = \"compat\"", "network = false", f"/{PROFILE}", f"/{network}"):
        assert line in shown, shown
    assert site.files() == {}
    site.new("--profile", "compat", "--no-network")
    files = site.files()
    assert list(files) == [SETTINGS, PROFILE, network]
    assert '\nprofile = "compat"\n' in files[SETTINGS] and "\nnetwork = false\n" in files[SETTINGS]
    assert files[network] == "-> /usr/lib/hostler/profiles/no-network.conf"
    assert "nothing to write" in site.new("--profile", "compat", "--no-network")
    site.new("--no-network")
    assert list(site.files()) == [SETTINGS, network] and "profile =" not in site.files()[SETTINGS]
    site.remove()
    assert site.files() == {}


WRONG = [
    (["--bind", "example.org:80"], "give the address that example.org has"),
    (["--bind", "fd://3"], "systemd opens the sockets itself"),
    (["--bind", "unix:x.sock"], "a path for a socket unit is absolute"),
    (["--bind", ":80", "--bind", ":80"], ":80 is given twice"),
    (["--app", "not a module"], "--app "),
    (["--directory", "/absent"], "there is no such directory"),
    (["--directory", "/"], "--app package.module:attribute"),
    (["--run-as", "a b"], "USER or USER:GROUP"),
    (["--writable", "/absent"], "it does not exist"),
    (["--profile", "strict"], "Is Hostler's package installed?"),
    (["--profile", "lax"], "strict"),
    (["--start"], "systemd does not run here"),
    (["--user", "--system"], "cannot be used with"),
    (["--user", "--profile", "strict"], "profiles are for instances of the system"),
    (["--user", "--no-network"], "network = false: profiles are for instances of the system"),
    (["--no-network"], "Is Hostler's package installed?"),
    (["--user", "--run-as", "root"], "--run-as is for instances of the system"),
]


@pytest.mark.parametrize("words, told", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_words_write_nothing(site, words, told):
    base = [] if "--directory" in words else ["--directory", "/srv/shop"]
    assert told in site.run("new", "shop", "--root", site.root, *base, *words, code=USAGE)
    assert site.files() == {}


def test_a_broken_environment_is_told(site):
    site.write({".venv/pyvenv.cfg": "version = 3.8.1\n", ".venv/bin/python": ""}, site.project)
    assert "Hostler needs 3.9" in site.new(code=USAGE)
    (site.project / ".venv/bin/python").unlink()
    assert "there is no Python in it. Make it anew: python3 -m venv --clear /srv/shop/.venv" in site.new(code=USAGE)


def test_a_project_that_others_cannot_read(site):
    """Of another user: the service runs as that one. Of root: it is refused."""
    if os.geteuid() != 0:
        pytest.skip("it takes root to give files away")
    site.project.chmod(0o750)
    command = ["new", "shop", "--system", "--dry-run", "--directory", site.project]
    # The directories of pytest are for their owner alone, and that is told first.
    assert "can be read by root alone" in site.run(*command, code=USAGE)
    for path in [*site.project.parents][:6]:
        if path.is_relative_to(site.root.parent.parent.parent):
            path.chmod(0o755)
    os.chown(site.project, 1, 1)
    said = site.run(*command)
    assert "runs as    daemon, to whom" in said and "    User=daemon" in said
    site.project.chmod(0o755)
    assert "a user of its own" in site.run(*command)
