//! The driver with real processes: small Python programs that speak the channel's protocol.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

mod fake;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake::{PATIENCE, Running, SERVE, kill, options, python, set};
use hostler_channel::Interface;
use hostler_supervisor::{
    BOOTSTRAP, Ended, Extension, Failure, Groups, Notice, Options, OutOfMemory, WorkerState, check,
};

/// Ends the test, said by name, when there is no Python.
macro_rules! python_or_skip {
    ($test:literal) => {
        match python($test) {
            Some(python) => python,
            None => return,
        }
    };
}

#[tokio::test]
async fn workers_become_ready_and_stop_when_told() {
    let python = python_or_skip!("workers_become_ready_and_stop_when_told");
    let mut running = Running::start(options(&python, 2, SERVE));
    let Notice::Ready { loaded, .. } = running.next().await else { panic!("not ready") };
    assert_eq!((loaded.interface, loaded.python.as_str()), (Interface::Wsgi, "3.11.7"));
    assert_eq!(running.next().await, Notice::AllReady);
    assert!(running.handle.workers().iter().all(|status| status.state == WorkerState::Ready));
    let calls = running.stop(true).await;
    for call in ["prepare 0", "prepare 1", "retire 0", "retire 1", "recover 0", "recover 1"] {
        assert_eq!(calls.iter().filter(|made| *made == call).count(), 1, "{call} in {calls:?}");
    }
}

#[tokio::test]
async fn a_worker_finds_its_descriptors_environment_and_place() {
    let python = python_or_skip!("a_worker_finds_its_descriptors_environment_and_place");
    let directory = tempfile::tempdir().unwrap();
    let program = r#"
import stat
def kind(number):
    mode = os.fstat(number).st_mode
    return "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else os.readlink("/proc/self/fd/%d" % number)
numbers = sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name))
found = {
    "kinds": [kind(number) for number in (0, 3, 4, 5, 6)],
    "beyond": [number for number in numbers if number > 6],
    "worker": start["worker"], "directory": os.getcwd(),
    "environment": {name: value for name, value in os.environ.items() if name not in ("PATH", "LC_CTYPE")},
}
send({"failed": {"message": json.dumps(found, sort_keys=True), "traceback": None}})
"#;
    let mut options = options(&python, 1, program);
    options.directory = directory.path().to_owned();
    for name in ["FDSTORE", "LISTEN_FDS", "LISTEN_PID", "MEMORY_PRESSURE_WATCH", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        set(&mut options, name, "1");
    }
    set(&mut options, "LISTEN_ADDRESS", "of the application");
    let mut running = Running::start(options);
    let Notice::Failed(Failure::Import { message, .. }) = running.next().await else { panic!("no answer") };
    // Whatever the tests themselves inherited is no doing of the supervisor's.
    let expected = format!(
        r#"{{"beyond": {:?}, "directory": "{}", "environment": {{"LISTEN_ADDRESS": "of the application", "MARK": "kept"}}, "kinds": ["/dev/null", "socket", "/dev/null", "pipe", "pipe"], "worker": 0}}"#,
        inheritable_beyond(6),
        directory.path().display()
    );
    assert_eq!(message, expected);
    running.ended().await;
}

#[tokio::test]
async fn an_application_that_does_not_import_ends_it_once_with_the_traceback() {
    let python = python_or_skip!("an_application_that_does_not_import_ends_it_once_with_the_traceback");
    let program = r#"
if start["worker"] == 0:
    send({"failed": {"message": "no module named site", "traceback": "Traceback: ..."}})
    sys.exit(1)
receive()
"#;
    let mut running = Running::start(options(&python, 3, program));
    let failure = Failure::Import { message: "no module named site".into(), traceback: Some("Traceback: ...".into()) };
    assert_eq!(running.next().await, Notice::Failed(failure));
    let calls = running.ended().await;
    assert_eq!(calls.iter().filter(|call| call.starts_with("prepare")).count(), 3, "{calls:?}");
}

#[tokio::test]
async fn dying_at_boot_three_times_is_the_end() {
    let python = python_or_skip!("dying_at_boot_three_times_is_the_end");
    let mut running = Running::start(options(&python, 1, "os.kill(os.getpid(), signal.SIGSEGV)"));
    for _ in 0..3 {
        let Notice::WorkerDied { status, .. } = running.next().await else { panic!("not a death") };
        assert_eq!(status, Ended::Signaled(11));
    }
    let Notice::Failed(Failure::DiedAtBoot { detail }) = running.next().await else { panic!("not failed") };
    assert!(detail.ends_with("was killed by SIGSEGV"), "{detail}");
    running.ended().await;
}

#[tokio::test]
async fn a_python_that_is_not_there_is_named() {
    let mut options = options("/nonexistent/bin/python".as_ref(), 2, SERVE);
    let mut running = Running::start(options.clone());
    let Notice::Failed(Failure::DiedAtBoot { detail }) = running.next().await else { panic!("not failed") };
    assert!(detail.starts_with("/nonexistent/bin/python cannot be run: No such file"), "{detail}");
    running.ended().await;

    options.directory = "/nonexistent/site".into();
    let Err(Failure::DiedAtBoot { detail }) = check(options) else { panic!("not failed") };
    assert!(detail.starts_with("the working directory /nonexistent/site cannot be entered: No such"), "{detail}");
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced_after_recovery() {
    let python = python_or_skip!("a_worker_that_is_killed_is_replaced_after_recovery");
    let mut running = Running::start(options(&python, 2, SERVE));
    running.until(|notice| *notice == Notice::AllReady).await;
    let first = running.pid(1).unwrap();
    kill(first);
    let Notice::WorkerDied { worker, pid, status, requests, description } = running.next().await else {
        panic!("not a death")
    };
    assert_eq!((worker, pid, status, requests), (1, first, Ended::Signaled(9), 2));
    assert!(description.contains("was killed by SIGKILL while it ran 2 requests"), "{description}");
    let second = wait_for_ready(&running, 1).await;
    assert_ne!(first, second);
    let calls = running.stop(true).await;
    let of_worker_1: Vec<_> = calls.iter().filter(|call| call.ends_with('1')).map(String::as_str).collect();
    assert_eq!(of_worker_1, ["prepare 1", "recover 1", "prepare 1", "retire 1", "recover 1"]);
}

#[tokio::test]
async fn what_a_worker_says_before_it_dies_is_heard() {
    let python = python_or_skip!("what_a_worker_says_before_it_dies_is_heard");
    // Not a message at all, then many, then the end at once.
    let program = r#"
channel.send(b"{")
for number in range(50):
    send({"log": {"severity": "info", "message": "number %d" % number, "detail": None, "request_id": None}})
ready()
os._exit(3)
"#;
    let mut running = Running::start(options(&python, 1, program));
    assert!(matches!(running.next().await, Notice::Ready { .. }));
    let died = running.until(|notice| matches!(notice, Notice::WorkerDied { .. })).await;
    assert!(matches!(died, Notice::WorkerDied { status: Ended::Exited(3), .. }), "{died:?}");
    running.stop(false).await;
}

#[tokio::test]
async fn a_worker_that_ignores_everything_is_killed_in_the_end() {
    let python = python_or_skip!("a_worker_that_ignores_everything_is_killed_in_the_end");
    let program = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nready()\nwhile True: time.sleep(60)\n";
    let mut options = options(&python, 1, program);
    options.graceful_timeout = Duration::from_millis(50);
    let mut running = Running::start(options);
    running.until(|notice| *notice == Notice::AllReady).await;
    let began = Instant::now();
    running.stop(true).await;
    assert!(began.elapsed() >= Duration::from_millis(1050), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_second_stop_does_not_wait() {
    let python = python_or_skip!("a_second_stop_does_not_wait");
    let mut running = Running::start(options(&python, 2, "ready()\nwhile True: time.sleep(60)\n"));
    running.until(|notice| *notice == Notice::AllReady).await;
    let began = Instant::now();
    running.handle.stop(true);
    running.stop(true).await;
    assert!(began.elapsed() < PATIENCE, "waited for graceful_timeout");
}

#[tokio::test]
async fn a_worker_is_told_of_a_request_past_its_timeout_and_replaced_if_that_does_not_help() {
    let python = python_or_skip!("a_worker_is_told_of_a_request_past_its_timeout_and_replaced_if_that_does_not_help");
    let directory = tempfile::tempdir().unwrap();
    let program = r#"
ready()
open("told", "a").write(json.dumps(receive()) + "\n")
while True: time.sleep(60)
"#;
    let mut options = options(&python, 1, program);
    options.directory = directory.path().to_owned();
    let mut running = Running::start(options);
    running.until(|notice| *notice == Notice::AllReady).await;
    let first = running.pid(0).unwrap();
    *running.pool.looks_after.lock().unwrap() = Some(directory.path().join("told"));
    // The pool of these tests knows no loop that turns.
    running.handle.timed_out(0, None, Duration::from_secs(30));
    running.handle.timed_out(7, None, Duration::from_secs(30));
    let Notice::WorkerDied { description, .. } = running.next().await else { panic!("not a death") };
    assert!(description.contains("killed because a request ran past its timeout"), "{description}");
    assert_ne!(wait_for_ready(&running, 0).await, first);
    let told = std::fs::read_to_string(directory.path().join("told")).unwrap();
    assert!(told.contains("interrupt") && told.contains("30"), "{told}");
    running.stop(false).await;
}

#[tokio::test]
async fn a_worker_that_is_not_ready_in_time_counts_as_dead_at_boot() {
    let python = python_or_skip!("a_worker_that_is_not_ready_in_time_counts_as_dead_at_boot");
    let mut options = options(&python, 3, "time.sleep(60)");
    options.boot_timeout = Duration::from_millis(300);
    let mut running = Running::start(options);
    let failed = running.until(|notice| matches!(notice, Notice::Failed(_))).await;
    let Notice::Failed(Failure::DiedAtBoot { detail }) = failed else { panic!("{failed:?}") };
    assert!(detail.ends_with("was not ready in time and was killed"), "{detail}");
    running.ended().await;
}

#[test]
fn check_reports_what_it_found() {
    let python = python_or_skip!("check_reports_what_it_found");
    let program = "assert start['check_only']\nos.fstat(5)\nready()\n";
    let checked = check(options(&python, 1, program)).unwrap();
    assert_eq!((checked.interface, checked.python.as_str()), (Interface::Wsgi, "3.11.7"));

    let failed = check(options(&python, 1, "send({'failed': {'message': 'no', 'traceback': 'why'}})"));
    assert_eq!(failed, Err(Failure::Import { message: "no".into(), traceback: Some("why".into()) }));

    let Err(Failure::DiedAtBoot { detail }) = check(options(&python, 1, "sys.exit(4)")) else { panic!("not failed") };
    assert!(detail.ends_with("exited with status 4"), "{detail}");

    // A child of the process that holds the channel open does not keep us waiting.
    let directory = tempfile::tempdir().unwrap();
    let program = r#"
child = os.fork()
if child == 0: time.sleep(600)
open("child", "w").write(str(child))
os._exit(0)
"#;
    let mut forks = options(&python, 1, program);
    forks.directory = directory.path().to_owned();
    let Err(Failure::DiedAtBoot { detail }) = check(forks) else { panic!("not failed") };
    kill(std::fs::read_to_string(directory.path().join("child")).unwrap().parse().unwrap());
    assert!(detail.ends_with("exited with status 0"), "{detail}");

    let mut slow = options(&python, 1, "time.sleep(60)");
    slow.boot_timeout = Duration::from_millis(100);
    let Err(Failure::DiedAtBoot { detail }) = check(slow) else { panic!("not failed") };
    assert!(detail.ends_with("was not ready in time and was killed"), "{detail}");
}

#[test]
fn the_bootstrap_says_when_the_extension_does_not_fit() {
    let python = python_or_skip!("the_bootstrap_says_when_the_extension_does_not_fit");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("_hostler.so");
    std::fs::write(&path, "no library").unwrap();
    let mut options = options(&python, 1, "");
    options.bootstrap = None;
    options.extension = Some(Extension::open(path.clone()).unwrap());
    let expected = format!(" cannot load Hostler's extension: {}: file too short (needed: ", path.display());
    // Where it is loaded from once it is gone is nothing that anybody could look at.
    for step in ["it stands there", "it was removed"] {
        let Err(Failure::Import { message, .. }) = check(options.clone()) else { panic!("not failed: {step}") };
        assert!(message.starts_with("Python 3.") && message.contains(&expected), "{step}: {message}");
        let _removed = std::fs::remove_file(&path);
    }
}

/// A program that does what [`BOOTSTRAP`] does, but loads a file of Python for the extension: this one, whose function `main` answers with what it
/// finds. What it has open is told as the number, and whether a process that it starts would have it as well.
fn of_python(module: &str) -> (String, String) {
    let prelude = r#"
import json, os, sys
def answer(found):
    os.write(3, json.dumps({"failed": {"message": json.dumps(found), "traceback": None}}).encode())
def beyond(number):
    return {n: os.get_inheritable(n) for n in map(int, os.listdir("/proc/self/fd")) if n > number and os.path.exists("/proc/self/fd/%d" % n)}
"#;
    (BOOTSTRAP.replace("ExtensionFileLoader", "SourceFileLoader"), format!("{prelude}{module}"))
}

/// The bootstrap with a Python file in the extension's place: what the application will find when it is imported.
#[test]
fn the_bootstrap_leaves_no_trace() {
    let python = python_or_skip!("the_bootstrap_leaves_no_trace");
    let directory = tempfile::tempdir().unwrap();
    // Would be imported instead of the standard library's, were the working directory on sys.path.
    std::fs::write(directory.path().join("os.py"), "raise SystemExit('the wrong os')").unwrap();
    std::fs::write(directory.path().join("importlib.py"), "raise SystemExit('the wrong importlib')").unwrap();
    let extension = directory.path().join("_hostler.py");
    let (bootstrap, module) = of_python(
        r#"
def main():
    umask = os.umask(0)
    import __main__
    names = sorted(name for name in vars(__main__) if not name.startswith("__"))
    open_ones = [os.get_inheritable(number) for number in (3, 4, 5)]
    answer([sys.argv, "" in sys.path, oct(umask), names, sys.modules["_hostler"].__name__, open_ones, 6 in beyond(5)])
"#,
    );
    std::fs::write(&extension, module).unwrap();
    std::fs::set_permissions(&extension, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut options = options(&python, 1, "");
    options.bootstrap = Some(bootstrap);
    options.directory = directory.path().to_owned();
    options.extension = Some(Extension::open(extension).unwrap());
    options.umask = Some(0o027);
    let Err(Failure::Import { message, .. }) = check(options) else { panic!("not failed") };
    assert_eq!(message, r#"[["hostler"], false, "0o27", ["main"], "_hostler", [false, false, false], false]"#);
}

/// At whatever moment another takes its path, or it goes, and even if that is while it is loaded.
#[test]
fn the_extension_that_was_opened_is_the_one_that_runs() {
    let python = python_or_skip!("the_extension_that_was_opened_is_the_one_that_runs");
    let directory = tempfile::tempdir().unwrap();
    let (path, next) = (directory.path().join("_hostler.py"), directory.path().join("next.py"));
    let (bootstrap, ours) = of_python(
        r#"
import __main__
next = os.path.join(os.path.dirname(__spec__.origin), "next.py")
if os.path.exists(next):
    os.replace(next, __spec__.origin)
def main():
    module = sys.modules["_hostler"]
    names = {module.__file__, module.__spec__.origin, module.__loader__.path}
    answer(["ours", sorted(names), beyond(5).get(6)])
"#,
    );
    let of_others = "def main():\n    raise SystemExit('that of another server')\n";
    let mut options = options(&python, 1, "");
    options.bootstrap = Some(bootstrap);
    let cases: [(&str, &dyn Fn(), &str); 5] = [
        ("it stands there", &|| (), "null"),
        ("another follows while it is loaded", &|| std::fs::write(&next, of_others).unwrap(), "false"),
        ("another stands there", &|| (), "false"),
        ("what stands there does not load", &|| std::fs::write(&path, "(").unwrap(), "false"),
        ("nothing stands there", &|| std::fs::remove_file(&path).unwrap(), "false"),
    ];
    std::fs::write(&path, ours).unwrap();
    options.extension = Some(Extension::open(path.clone()).unwrap());
    for (case, make, held) in cases {
        make();
        let Err(Failure::Import { message, .. }) = check(options.clone()) else { panic!("not failed: {case}") };
        // Its descriptor is kept where it was loaded from that, and got to nobody else in any case.
        assert_eq!(message, format!(r#"["ours", ["{}"], {held}]"#, path.display()), "{case}");
    }
}

/// Our descriptors above `number` that are not close-on-exec.
fn inheritable_beyond(number: i32) -> Vec<i32> {
    let names = std::fs::read_dir("/proc/self/fdinfo").unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<i32> = names
        .filter(|entry| {
            let info = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            flags.is_some_and(|flags| u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0)
        })
        .map(|entry| entry.file_name().to_str().unwrap().parse().unwrap())
        .filter(|found| *found > number)
        .collect();
    found.sort_unstable();
    found
}

/// The handle tells states, not changes: asking again is all that can be done.
async fn wait_for_ready(running: &Running, worker: u16) -> u32 {
    let ready = async {
        loop {
            let status = running.handle.workers().swap_remove(usize::from(worker));
            match (status.state, status.pid) {
                (WorkerState::Ready, Some(pid)) => return pid,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("ready in time")
}

/// Groups in which the kernel kills for want of memory whatever dies.
#[derive(Debug)]
struct Short(OutOfMemory);

impl Groups for Short {
    fn join(&self, _worker: u16, _pid: u32) {}

    fn leave(&self, _worker: u16, _pid: u32) -> Option<OutOfMemory> {
        Some(self.0)
    }
}

#[tokio::test]
async fn a_worker_that_the_kernel_killed_is_told_of_with_what_it_served() {
    let python = python_or_skip!("a_worker_that_the_kernel_killed_is_told_of_with_what_it_served");
    let shortage = OutOfMemory::Own { limit: 64 << 20 };
    let mut running = Running::start(Options { groups: Some(Arc::new(Short(shortage))), ..options(&python, 1, SERVE) });
    running.until(|notice| matches!(notice, Notice::Ready { .. })).await;
    kill(running.pid(0).unwrap());
    let died = running.until(|notice| matches!(notice, Notice::WorkerDied { .. })).await;
    let Notice::WorkerDied { description, requests, .. } = died else { panic!("not a death") };
    assert!(
        description.ends_with(
            "was killed by the kernel, as its memory went over its limit of 64 MiB, while it served GET /take (r-1), \
             GET /take (r-1)"
        ),
        "{description}"
    );
    assert_eq!((requests, running.handle.restarts().out_of_memory), (2, 1));
    running.observe("another in its place", |workers| workers[0].state == WorkerState::Ready).await;
    let calls = running.stop(true).await;
    let place = |wanted: &str| calls.iter().position(|call| call == wanted).unwrap();
    assert!(place("describe 0") < place("recover 0"), "asked while the shared memory still has them: {calls:?}");
}
