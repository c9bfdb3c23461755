//! A worker that is a few lines of Python, and shared memory that only keeps a record of what was asked of it.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostler_channel::{EventLoop, Interface, Lifespan, WorkerStart};
use hostler_supervisor::{Handle, Load, Look, Notice, Options, Pool, Supervisor, WorkerStatus};
use tokio::sync::mpsc;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What every fake worker begins with.
const PRELUDE: &str = r#"
import json, os, signal, socket, sys, time
channel = socket.socket(fileno=3)
def receive():
    packet = channel.recv(200000)
    return json.loads(packet) if packet else None
def send(message):
    channel.send(json.dumps(message).encode())
def ready():
    send({"ready": {"interface": "wsgi", "python": "3.11.7", "event_loop": None, "sources": []}})
start = receive()["start"]
"#;

/// Serves until it is told to stop, or the server is gone.
pub(crate) const SERVE: &str = "ready()\nreceive()\n";

/// The real interpreter behind `python3`; `None`, said by name, when the machine has none.
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    match found {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap().trim().into()),
        _ => {
            eprintln!("skipped: {test}: no python3 on this machine");
            None
        }
    }
}

/// Options for `workers` processes that run `program`.
pub(crate) fn options(python: &Path, workers: u16, program: &str) -> Options {
    Options {
        python: python.to_owned(),
        directory: "/".into(),
        environment: vec![
            ("MARK".into(), "kept".into()),
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
        ],
        workers,
        start: WorkerStart {
            instance: "site".into(),
            worker: u16::MAX,
            threads: 1,
            router_threads: 1,
            app: "site:app".into(),
            interface: Interface::Auto,
            event_loop: EventLoop::Auto,
            lifespan: Lifespan::Auto,
            graceful_timeout: PATIENCE,
            worker_doorbells: 0,
            python_path: vec![],
            root_path: String::new(),
            multiprocess: workers > 1,
            report_sources: false,
            check_only: false,
            hooks: None,
            generation: 1,
            age: 0,
        },
        graceful_timeout: PATIENCE,
        boot_timeout: PATIENCE,
        umask: None,
        bootstrap: Some(format!("{PRELUDE}{program}")),
        ..Options::default()
    }
}

/// Sets a variable of the worker's environment.
pub(crate) fn set(options: &mut Options, name: &str, value: impl Into<OsString>) {
    options.environment.push((name.into(), value.into()));
}

/// Keeps a record; hands out `/dev/null` and two pipes' ends, recognisable by what they are.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) running: usize,
    pub(crate) served: AtomicU64,
    /// What is told of the load, one after the other; the last again and again.
    pub(crate) load: Mutex<VecDeque<Load>>,
    /// A file: nobody looks at a worker before something is in it.
    pub(crate) looks_after: Mutex<Option<PathBuf>>,
}

impl Record {
    fn note(&self, what: &str, worker: u16) {
        self.calls.lock().unwrap().push(format!("{what} {worker}"));
    }
}

impl Pool for Record {
    fn prepare(&self, worker: u16, _edition: u64) -> io::Result<()> {
        self.note("prepare", worker);
        Ok(())
    }

    fn descriptors(&self, _worker: u16) -> io::Result<Vec<OwnedFd>> {
        let (reading, writing) = io::pipe()?;
        Ok(vec![File::open("/dev/null")?.into(), reading.into(), writing.into()])
    }

    fn served(&self, _worker: u16) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    fn look(&self, _worker: u16) -> Look {
        let after = self.looks_after.lock().unwrap();
        while after.as_ref().is_some_and(|file| file.metadata().map_or(0, |data| data.len()) == 0) {
            // The driver waits with us: a worker that gets no processor is given up no sooner than it was told.
            std::thread::sleep(Duration::from_millis(5));
        }
        Look::default()
    }

    fn load(&self) -> Load {
        let mut load = self.load.lock().unwrap();
        if load.len() > 1 { load.pop_front().unwrap() } else { load.front().cloned().unwrap_or_default() }
    }

    fn describe_running(&self, worker: u16) -> Vec<String> {
        self.note("describe", worker);
        vec!["GET /take (r-1)".to_owned(); self.running]
    }

    fn recover(&self, worker: u16, _crashed: bool) -> usize {
        self.note("recover", worker);
        self.running
    }

    fn retire(&self, worker: u16) {
        self.note("retire", worker);
    }
}

/// Sends SIGKILL.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// A running supervisor under test.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) pool: Arc<Record>,
    notices: mpsc::Receiver<Notice>,
}

impl Running {
    pub(crate) fn start(options: Options) -> Self {
        let pool = Arc::new(Record { running: 2, ..Record::default() });
        let (sender, notices) = mpsc::channel(8);
        let handle = Supervisor::spawn(options, Arc::clone(&pool) as Arc<dyn Pool>, sender);
        Self { handle, pool, notices }
    }

    pub(crate) async fn next(&mut self) -> Notice {
        tokio::time::timeout(PATIENCE, self.notices.recv()).await.expect("a notice in time").expect("a notice")
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&Notice) -> bool) -> Notice {
        loop {
            let notice = self.next().await;
            if wanted(&notice) {
                return notice;
            }
        }
    }
    pub(crate) fn pid(&self, worker: u16) -> Option<u32> {
        self.handle.workers().get(usize::from(worker)).and_then(|status| status.pid)
    }

    /// Waits until what is observed of the places is as wanted.
    pub(crate) async fn observe(&self, what: &str, wanted: impl Fn(&[WorkerStatus]) -> bool) {
        // The handle tells states, not changes: asking again is all that can be done.
        let seen = async {
            while !wanted(&self.handle.workers()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            panic!("not seen: {what}; {:#?}", self.handle.workers());
        }
    }

    /// Stops, and waits until everything is gone.
    pub(crate) async fn stop(mut self, graceful: bool) -> Vec<String> {
        self.handle.stop(graceful);
        self.ended().await
    }

    pub(crate) async fn ended(&mut self) -> Vec<String> {
        tokio::time::timeout(PATIENCE, self.handle.stopped()).await.expect("stopped in time");
        self.until(|notice| *notice == Notice::Stopped).await;
        assert!(self.handle.workers().iter().all(|status| status.pid.is_none()));
        self.pool.calls.lock().unwrap().clone()
    }
}
