//! A user's session of the test's own: a bus, hostlerd on it, and one instance, `shop`, that serves a real application.
//! Nothing is systemd's: the instance was started by hand, and what it logs is read by a journalctl of the test's.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything may take on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// The application: answers with its version, `/slow` after a while; says in its log which request it was.
pub(crate) const APPLICATION: &str = r#"
import sys, time
VERSION = "one"

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.3)
    if path.startswith("/say/"):
        print("said", path[5:], file=environ["wsgi.errors"], flush=True)
    start_response("200 OK", [("Content-Length", str(len(VERSION)))])
    return [VERSION.encode()]
"#;

/// journalctl(1), as far as hostlerd calls it, over the file that the instance logs into. It ends with its reader.
const JOURNALCTL: &str = r#"#!/usr/bin/env python3
import json, os, select, subprocess, sys
options = dict((word + "=").split("=")[:2] for word in sys.argv[1:])
follow = "--follow" in options
after, most = int(options.get("--after-cursor", 0)), int(options.get("--priority", 7))
tail = subprocess.Popen(["tail", "-n", "+1", *(["-f"] if follow else []), LOG], stdout=subprocess.PIPE)
poll = select.poll()
poll.register(1, 0)
poll.register(tail.stdout, select.POLLIN)
number, rest, entries = 0, b"", []
while all(descriptor != 1 for descriptor, _ in poll.poll()):
    chunk = os.read(tail.stdout.fileno(), 65536)
    if not chunk:
        break
    *lines, rest = (rest + chunk).split(b"\n")
    for line in map(bytes.decode, lines):
        number += 1
        level = next((level for word, level in (("ERROR", 3), ("WARN", 4), ("DEBUG", 7)) if f" {word} " in line), 6)
        entry = {"__REALTIME_TIMESTAMP": str(1795000000000000 + number * 1000), "__CURSOR": str(number), "MESSAGE": line,
                 "PRIORITY": str(level), "SYSLOG_IDENTIFIER": "hostler", "_PID": "1"}
        if number > after and level <= most:
            entries.append(entry)
            if follow:
                print(json.dumps(entry), flush=True)
tail.kill()
wanted = options.get("--lines", "all")
for entry in [] if follow else entries if wanted in ("all", "") else entries[-int(wanted):]:
    print(json.dumps(entry))
"#;

/// The directory with the built commands: that of `$HOSTLER`, else they are built now, and stand beside this test.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(hostler) = std::env::var_os("HOSTLER") {
            return PathBuf::from(hostler).parent().expect("$HOSTLER is the path of the command").to_owned();
        }
        // The same that `cargo xtask` builds for the other tests, so that dependencies are built once.
        let packages = ["hostler", "hostler-worker", "hostlerd", "hostler-manager"];
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]);
        command.args(packages.iter().flat_map(|package| ["-p", package]));
        assert!(command.status().unwrap().success(), "hostler cannot be built");
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().to_owned()
    })
}

/// A process that is killed with its owner, unless it has ended.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The session.
pub(crate) struct Session {
    // Those that need the others end before them.
    daemon: Option<Running>,
    instance: Option<Running>,
    bus: Option<Running>,
    directory: tempfile::TempDir,
}

impl Session {
    /// One with everything running.
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("hm-").tempdir().unwrap();
        let mut session = Self { daemon: None, instance: None, bus: None, directory };
        for place in ["bin", "settings", "state", "run/shop"] {
            fs::create_dir_all(session.path(place)).unwrap();
        }
        let journalctl = session.path("bin/journalctl");
        fs::write(&journalctl, JOURNALCTL.replace("LOG]", &format!("{:?}]", session.path("shop.log")))).unwrap();
        fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).unwrap();
        session.write_application(APPLICATION);
        let settings = format!(
            "app = \"shop:app\"\nchdir = \"{0}\"\nbind = \"unix:{0}/shop.sock\"\n\
             control_socket = \"{0}/run/shop/control.sock\"\nworkers = 2 # two\n",
            session.directory.path().display()
        );
        fs::write(session.settings(), settings).unwrap();
        session.start_bus();
        session.start_instance();
        session.start_daemon();
        session
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The settings file of the instance.
    pub(crate) fn settings(&self) -> PathBuf {
        self.path("settings/shop.toml")
    }

    /// Puts another application in its place; it is served after a reload.
    pub(crate) fn write_application(&self, text: &str) {
        fs::write(self.path("shop.py"), text).unwrap();
    }

    /// The address of the bus.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.path("bus").display())
    }

    pub(crate) fn start_bus(&mut self) {
        let configuration = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
             <listen>{}</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow send_destination=\"*\" \
             eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            self.address()
        );
        let file = self.path("bus.conf");
        fs::write(&file, configuration).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", file.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus-daemon)");
        let mut line = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("unix:"), "dbus-daemon did not start: {line:?}");
        self.bus = Some(Running(bus));
    }

    pub(crate) fn end_bus(&mut self) {
        self.bus = None;
        let _ = fs::remove_file(self.path("bus"));
    }

    /// Starts hostlerd, and waits until it has its name.
    pub(crate) fn start_daemon(&mut self) {
        let mut command = Command::new(built().join("hostlerd"));
        command.arg("--user");
        for (option, place) in [("--settings", "settings"), ("--state", "state"), ("--runtime", "run")] {
            command.arg(option).arg(self.path(place));
        }
        let path = std::env::var("PATH").unwrap();
        let mut daemon = command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.directory.path())
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains(" ready "));
        assert!(ready.is_some(), "hostlerd ended before it was ready");
        // It goes on saying things.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("hostlerd: {line}")));
        self.daemon = Some(Running(daemon));
    }

    /// Kills hostlerd.
    pub(crate) fn end_daemon(&mut self) {
        self.daemon = None;
    }

    /// Starts the instance, and waits until it serves.
    pub(crate) fn start_instance(&mut self) {
        let log = fs::File::create(self.path("shop.log")).unwrap();
        let instance = Command::new(built().join("hostler"))
            .arg("serve")
            .arg(self.settings())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.instance = Some(Running(instance));
        let end = Instant::now() + LIMIT;
        // The socket is there before the application is.
        while !self.log().contains("listening on") {
            assert!(Instant::now() < end, "the instance does not serve:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// Ends the instance as a person does, so that it takes its workers along.
    pub(crate) fn end_instance(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            let _ = Command::new("kill").arg(instance.0.id().to_string()).status();
            let _ = instance.0.wait();
        }
    }

    /// Adds a line to its log.
    pub(crate) fn append_log(&self, line: &str) {
        let mut log = fs::OpenOptions::new().append(true).open(self.path("shop.log")).unwrap();
        writeln!(log, "{line}").unwrap();
    }

    /// What the instance has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("shop.log")).unwrap_or_default()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_instance();
        if std::thread::panicking() {
            println!("the instance logged:\n{}", self.log());
        }
    }
}
