//! One window for one person, over a bus of the test's own: the second start and foreign launchers reach the first.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hostler_manager::app::ID;
use hostler_manager::application::{Application, Begun, Call, begin};

const LIMIT: Duration = Duration::from_secs(120);

/// dbus-daemon(1) as a session has it.
struct Bus {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Bus {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (process, address) = Self::launch(&directory);
        Self { process, address, directory }
    }

    fn launch(directory: &tempfile::TempDir) -> (Child, String) {
        let mut process = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--address=unix:path={}/bus", directory.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus-daemon)");
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon did not start: {address:?}");
        // Without the bus's own number, which the next daemon at this address has not.
        let (place, _) = address.split_once(",guid=").unwrap();
        (process, place.to_owned())
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let _ = std::fs::remove_file(self.directory.path().join("bus"));
    }

    fn begin(&self, calls: Vec<Call>) -> Begun {
        begin(calls, Some(self.address.clone()))
    }

    fn first(&self) -> Application {
        match self.begin(vec![Call::Activate]) {
            Begun::Here(application) => application,
            Begun::Elsewhere => panic!("there is another on a bus of our own"),
        }
    }

    /// A method of the application, as a launcher calls it.
    fn gdbus(&self, method: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("gdbus");
        command.args(["call", "--address", &self.address, "--dest", ID, "--object-path", "/org/hostler/Manager"]);
        command.arg("--method").arg(format!("org.freedesktop.Application.{method}")).args(arguments);
        command.output().expect("gdbus is installed (Debian: libglib2.0-bin)")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The next calls, once there are so many.
fn calls(application: &Application, count: usize) -> Vec<Call> {
    let end = Instant::now() + LIMIT;
    let mut calls = Vec::new();
    while calls.len() < count {
        assert!(Instant::now() < end, "{count} calls: {calls:?}");
        match application.try_next() {
            Some(call) => calls.push(call),
            None => std::thread::yield_now(),
        }
    }
    calls
}

#[test]
fn the_second_start_is_shown_by_the_first() {
    let bus = Bus::start();
    let first = bus.first();
    for wanted in [
        vec![Call::Activate],
        vec![Call::Open(vec!["hostler://app/shop/logs".to_owned()])],
        vec![Call::Connect { host: "web1".to_owned(), user: true }, Call::Show { user: true }],
        vec![Call::Connect { host: "admin@web1".to_owned(), user: false }, Call::Show { user: false }],
    ] {
        assert!(matches!(bus.begin(wanted.clone()), Begun::Elsewhere), "{wanted:?}");
        assert_eq!(calls(&first, wanted.len()), wanted);
    }
    assert_eq!(first.try_next(), None);
}

#[test]
fn launchers_call_it_and_are_told_what_is_wrong() {
    let bus = Bus::start();
    let first = bus.first();
    for (method, arguments, call) in [
        ("Activate", vec!["{'activation-token': <'t'>}"], Call::Activate),
        ("Open", vec!["['hostler://app/a', 'x']", "{}"], Call::Open(vec!["hostler://app/a".into(), "x".into()])),
        ("ActivateAction", vec!["computer", "[]", "{}"], Call::Show { user: false }),
    ] {
        let output = bus.gdbus(method, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(calls(&first, 1), [call]);
    }
    for arguments in [
        ["quit", "[]", "{}"],
        ["user", "[<1>]", "{}"],
        ["connect", "[]", "{}"],
        ["connect", "[<('user', '-oProxyCommand=x')>]", "{}"],
        ["connect", "[<('nobody', 'web1')>]", "{}"],
    ] {
        let output = bus.gdbus("ActivateAction", &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("connect") && said.contains("(ss)"), "{arguments:?}: {said}");
    }
    assert_eq!(first.try_next(), None);
}

#[test]
fn calls_that_nobody_takes_are_bounded() {
    let bus = Bus::start();
    let first = bus.first();
    let mut taken = 0;
    let said = loop {
        let output = bus.gdbus("Activate", &["{}"]);
        if !output.status.success() {
            break String::from_utf8_lossy(&output.stderr).into_owned();
        }
        taken += 1;
        assert!(taken < 100);
    };
    assert!(said.contains("LimitsExceeded") && said.contains("try again"), "{said}");
    assert_eq!(calls(&first, taken).len(), taken);
    // A start that is refused so opens a window of its own.
    assert!(bus.gdbus("Activate", &["{}"]).status.success());
}

#[test]
fn without_a_bus_there_is_a_window_all_the_same() {
    let address = "unix:path=/nonexistent/bus".to_owned();
    assert!(matches!(begin(vec![Call::Activate], Some(address)), Begun::Here(_)));
}

#[test]
fn the_name_is_claimed_again_when_the_bus_comes_back() {
    let mut bus = Bus::start();
    let first = bus.first();
    bus.end();
    let (process, _) = Bus::launch(&bus.directory);
    bus.process = process;
    let limit = LIMIT.as_secs().to_string();
    let claimed = Command::new("gdbus").args(["wait", "--address", &bus.address, "--timeout", &limit, ID]).status();
    assert!(claimed.unwrap().success(), "the name was not claimed again");
    assert!(matches!(bus.begin(vec![Call::Activate]), Begun::Elsewhere));
    assert_eq!(calls(&first, 1), [Call::Activate]);
}
