//! The management verbs as a person meets them: the built command, and an instance that is played by this test behind a
//! real control socket.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hostler_bus::{
    Applied, Condition, Control, Error, LogLevel, Reloaded, Request, Result, Samples, Server, Status, Upgraded, Worker,
    WorkerState, serve,
};
use tokio::process::Command;
use tokio::sync::watch;

#[derive(Default)]
struct Played {
    condition: watch::Sender<Condition>,
    broken: bool,
    asked: Mutex<Vec<String>>,
}

impl Played {
    fn note(&self, asked: String) -> Result<()> {
        self.asked.lock().unwrap().push(asked);
        Ok(())
    }
}

#[async_trait]
impl Control for Played {
    fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    async fn status(&self) -> Result<Status> {
        let mut status = Status::default();
        status.configured.name = "shop".to_owned();
        Ok(status)
    }

    async fn samples(&self, _: u64) -> Result<Samples> {
        Ok(Samples::default())
    }

    async fn apply_settings(&self) -> Result<Applied> {
        Ok(Applied::default())
    }

    async fn workers(&self) -> Result<Vec<Worker>> {
        let worker = |place, pid| Worker { place, pid, state: WorkerState::Idle, ..Worker::default() };
        Ok(vec![worker(0, 80), worker(1, 81), worker(2, 0)])
    }

    async fn requests(&self) -> Result<Vec<Request>> {
        Ok(Vec::new())
    }

    async fn stacks(&self, worker: u32) -> Result<String> {
        if worker == 0 { Ok("Thread 0x1:\n  File \"\x1b[2J\"\n".to_owned()) } else { Err(Error::NoWorker { worker }) }
    }

    async fn reload(&self) -> Result<Reloaded> {
        if self.broken {
            let traceback = "Traceback (most recent call last):\nSyntaxError: invalid syntax\n".to_owned();
            return Err(Error::ReloadFailed { reason: "shop:app does not import".to_owned(), traceback });
        }
        Ok(Reloaded { generation: 4, seconds: 0.5 })
    }

    async fn rollback(&self) -> Result<Reloaded> {
        Err(Error::Refused { reason: "there is no generation to go back to".to_owned() })
    }

    async fn cancel_reload(&self) -> Result<()> {
        Ok(())
    }

    async fn upgrade(&self) -> Result<Upgraded> {
        if self.broken {
            return Err(Error::ReloadFailed { reason: "it ended".to_owned(), traceback: String::new() });
        }
        Ok(Upgraded { pid: 4712, seconds: 0.5, version: "1.2.3".to_owned() })
    }

    async fn scale(&self, workers: u32) -> Result<()> {
        self.note(format!("scale {workers}"))
    }

    async fn recycle(&self, worker: u32) -> Result<()> {
        self.note(format!("recycle {worker}"))
    }

    async fn log_level(&self) -> Result<LogLevel> {
        Ok(LogLevel::Info)
    }

    async fn set_log_level(&self, level: LogLevel) -> Result<()> {
        self.note(format!("log level {level}"))
    }

    async fn metrics(&self) -> Result<String> {
        Ok(String::new())
    }
}

/// The command with a directory for runtime files of its own, so that it finds no instance of the machine.
async fn hostler(runtime_directory: &Path, line: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_hostler"))
        .args(line.split_whitespace())
        .env("RUNTIME_DIRECTORY", runtime_directory)
        .output()
        .await
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn play(directory: &Path, broken: bool) -> (Arc<Played>, Server) {
    let played = Arc::new(Played { broken, ..Played::default() });
    let server = serve(&directory.join("control.sock"), played.clone()).unwrap();
    (played, server)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn answers_and_orders() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let (played, server) = play(at, false);
        let (code, out, err) = hostler(at, "status").await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with("shop  unknown\n") && !out.contains('\x1b'), "{out}");
        let (_, out, _) = hostler(at, "status --json").await;
        assert!(out.starts_with("{\n  \"configured\": {\n    \"name\": \"shop\",\n"), "{out}");
        let (_, out, _) = hostler(at, "workers").await;
        assert_eq!(out.lines().count(), 4);
        assert_eq!(hostler(at, "requests").await, (0, "no requests\n".to_owned(), String::new()));
        assert_eq!(hostler(at, "requests --json").await.1, "[]\n");
        assert_eq!(hostler(at, "reload").await.1, "reloaded: generation 4 serves, after 500 ms\n");
        assert_eq!(hostler(at, "reload --json").await.1, "{\n  \"generation\": 4,\n  \"seconds\": 0.5\n}\n");
        assert_eq!(hostler(at, "log-level").await.1, "info\n");
        for (line, told) in [
            ("log-level debug", "it logs from debug on\n"),
            ("scale 3", "it is to have 3 workers\n"),
            ("recycle 1", "worker 1 is being replaced\n"),
        ] {
            assert_eq!(hostler(at, line).await, (0, told.to_owned(), String::new()), "{line}");
        }
        assert_eq!(*played.asked.lock().unwrap(), ["log level debug", "scale 3", "recycle 1"]);
        assert_eq!(hostler(at, "stacks 0").await.1, "Thread 0x1:\n  File \"\\u{1b}[2J\"\n");
        let (code, out, err) = hostler(at, "stacks").await;
        assert!(out.starts_with("worker 0 (pid 80, generation 0):\nThread"), "{out}");
        assert!(
            code == 1 && err.starts_with("hostler: worker 1 (pid 81, generation 0): there is no worker 1"),
            "{err}"
        );
        let socket = at.join("control.sock");
        assert_eq!(hostler(Path::new("/absent"), &format!("log-level --socket {}", socket.display())).await.0, 0);
        server.stop().await;
    });
}

#[test]
fn failures_have_their_codes() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let (code, out, err) = hostler(at, "status").await;
        assert_eq!((code, out.as_str()), (69, ""));
        let told = format!("hostler: no instance is running here: {}/control.sock is not there; see", at.display());
        assert!(err.starts_with(&told), "{err}");
        let (_played, server) = play(at, true);
        let (code, out, err) = hostler(at, "reload --json").await;
        assert_eq!((code, out.as_str()), (1, ""));
        let told = "hostler: not reloaded, the generation before goes on: shop:app does not import\n\
                    Traceback (most recent call last):\nSyntaxError: invalid syntax\n";
        assert_eq!(err, told);
        let refused = "hostler: there is no generation to go back to\n".to_owned();
        assert_eq!(hostler(at, "rollback").await, (1, String::new(), refused));
        assert_eq!(hostler(at, "scale").await.0, 64);
        let (code, _, err) = hostler(at, "top").await;
        assert!(code == 64 && err.starts_with("hostler: `hostler top` needs a terminal"), "{err}");
        server.stop().await;
        assert_eq!(hostler(at, "workers").await.0, 69);
    });
}
