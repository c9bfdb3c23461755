//! What people are shown, for fixed answers.

use hostler_bus::{Configured, Observed, Running};

use super::*;
use crate::manage::line::Paint;

const NOW_US: u64 = 1_700_000_000_000_000;
const SECOND_US: u64 = 1_000_000;

fn shown(lines: &[Line]) -> String {
    let paint = Paint::of(|_| false, false);
    lines.iter().map(|line| line.painted(paint) + "\n").collect()
}

fn shop() -> Status {
    Status {
        configured: Configured {
            name: "shop".to_owned(),
            application: "shop.wsgi:application".to_owned(),
            binds: vec!["http://127.0.0.1:8000".to_owned(), "unix:/run/shop.sock".to_owned()],
            workers_min: 2,
            workers_max: 8,
            threads: 2,
            interface: "wsgi".to_owned(),
            error_log: "/var/log/hostler/shop.log".to_owned(),
            settings_file: Some("/etc/hostler/shop.toml".to_owned()),
        },
        observed: Observed {
            state: State::Serving,
            since_us: NOW_US - 11_520 * SECOND_US,
            pid: 77,
            version: "0.1.0".to_owned(),
            python: "3.11.2".to_owned(),
            event_loop: None,
            generation: 3,
            last_reload: Some(LastReload {
                at_us: NOW_US - 300 * SECOND_US,
                succeeded: false,
                generation: 4,
                seconds: 1.5,
                message: "SyntaxError: invalid syntax".to_owned(),
            }),
            workers_ready: 3,
            workers_wanted: 4,
            workers_reason: "requests waited 120 ms in the queue for 3 s".to_owned(),
            failure: String::new(),
            trouble: String::new(),
            queued: 0,
            in_flight: 3,
            requests_total: 12_345,
            requests_per_second: 12.5,
            p50_us: 1_200,
            p95_us: 8_000,
            p99_us: 20_400,
            connections: 15,
            memory_bytes: 125_829_120,
            cpu_seconds: 90.0,
            framework: "Django".to_owned(),
            workers_busy: 2,
            last_error: Some(LastError {
                at_us: NOW_US - 60 * SECOND_US,
                message: "the application failed: ValueError: x".to_owned(),
            }),
            restarts: [("crashed".to_owned(), 2), ("timed_out".to_owned(), 1)].into(),
            events: Vec::new(),
            awaits_restart: vec!["backlog".to_owned(), "bind".to_owned()],
            responses: [("2xx".to_owned(), 12_300), ("4xx".to_owned(), 0), ("5xx".to_owned(), 45)].into(),
        },
    }
}

#[test]
fn an_instance() {
    let expected = "\
shop  serving for 3h 12m

configured
  application  shop.wsgi:application (Django, wsgi)
  listens on   http://127.0.0.1:8000, unix:/run/shop.sock
  workers      2 to 8, 2 threads each
  settings     /etc/hostler/shop.toml
  log          /var/log/hostler/shop.log

observed
  workers      3 of 4 ready, requests waited 120 ms in the queue for 3 s
  generation   3
  last reload  failed 5m 0s ago after 1.5 s: SyntaxError: invalid syntax
  for restart  changed, not in effect: backlog, bind
  last error   1m 0s ago: the application failed: ValueError: x
  restarts     2 crashed, 1 timed_out
  requests     12,345 answered, 12.5/s, 3 running, 0 queued
  answers      12,300 2xx, 45 5xx
  times        p50 1.2 ms, p95 8 ms, p99 20.4 ms over the last minute
  connections  15
  memory       120 MiB
  processor    1m 30s used
  process      77, hostler 0.1.0, Python 3.11.2
";
    assert_eq!(shown(&status(&shop(), NOW_US)), expected);
}

#[test]
fn an_instance_with_less_to_say() {
    let mut shop = shop();
    shop.configured.workers_max = 2;
    shop.configured.threads = 1;
    shop.configured.settings_file = None;
    shop.observed.last_reload = None;
    shop.observed.workers_reason = "as set".to_owned();
    shop.observed.failure = "the application could not be loaded: no module".to_owned();
    shop.observed.event_loop = Some("uvloop".to_owned());
    let text = shown(&status(&shop, NOW_US));
    for line in [
        "  workers      2, 1 thread each\n",
        "  settings     from options\n",
        "4 ready\n",
        "  broken       the application could not be loaded: no module\n",
        "Python 3.11.2, uvloop\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("last reload"));
    shop.observed.last_error = Some(LastError { at_us: NOW_US, message: String::new() });
    shop.observed.framework = String::new();
    let text = shown(&status(&shop, NOW_US));
    assert!(text.contains("  last error   0s ago: see its log\n") && text.contains("application (wsgi)\n"), "{text}");
    shop.observed.last_reload =
        Some(LastReload { at_us: NOW_US, succeeded: true, seconds: 0.25, ..LastReload::default() });
    assert!(shown(&status(&shop, NOW_US)).contains("  last reload  succeeded 0s ago after 250 ms\n"));
}

#[test]
fn its_workers() {
    let all = [
        Worker {
            place: 0,
            pid: 81,
            generation: 3,
            state: WorkerState::Busy,
            since_us: NOW_US - 90 * SECOND_US,
            requests: 4_321,
            restarts: [("crashed".to_owned(), 1), ("timeout".to_owned(), 2)].into(),
            memory_bytes: 31_457_280,
            cpu_seconds: 12.5,
            running: Some(Running {
                id: "7".to_owned(),
                method: "GET".to_owned(),
                target: "/slow\x1b[2J".to_owned(),
                age_us: 2_500_000,
            }),
        },
        Worker { place: 11, generation: 3, state: WorkerState::Waiting, ..Worker::default() },
    ];
    let expected = "\
WORKER  PID  STATE    GEN      UP  REQUESTS     CPU  MEMORY  RESTARTS              RUNNING
     0   81  busy       3  1m 30s     4,321  12.5 s  30 MiB  1 crashed, 2 timeout  2.5 s GET /slow\\u{1b}[2J
    11    -  waiting    3       -         0       -       -  -
";
    assert_eq!(shown(&workers(&all, NOW_US)), expected);
    assert_eq!(shown(&workers(&[], NOW_US)), "no workers\n");
}

#[test]
fn its_requests() {
    let request = |id: &str, worker, phase, age_us| Request {
        id: id.to_owned(),
        method: "GET".to_owned(),
        target: "/basket".to_owned(),
        worker,
        phase,
        age_us,
    };
    let all = [
        request("12", Some(3), Phase::Answering, 61_000_000),
        request("1234", Some(11), Phase::Running, 12_000),
        request("1235", None, Phase::Queued, 850),
    ];
    let expected = "\
\x20  AGE  PHASE      WORKER  ID    METHOD  TARGET
 1m 1s  answering       3  12    GET     /basket
 12 ms  running        11  1234  GET     /basket
850 µs  queued          -  1235  GET     /basket
";
    assert_eq!(shown(&requests(&all)), expected);
    assert_eq!(shown(&requests(&[])), "no requests\n");
}

#[test]
fn what_was_done() {
    let done = Reloaded { generation: 4, seconds: 2.25 };
    assert_eq!(shown(&reloaded("reloaded", &done)), "reloaded: generation 4 serves, after 2.2 s\n");
}
