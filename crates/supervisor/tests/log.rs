//! What reaches the log. A binary of its own: `tracing` remembers whether anybody wants an event for the whole process, and may
//! ask the thread of a test that has no log.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

mod fake;

use std::sync::{Arc, Mutex};

use fake::{Running, kill, options, python};
use hostler_supervisor::{Notice, Options, WorkerState, WorkerStatus};

#[tokio::test]
async fn what_a_worker_logs_arrives_with_its_fields() {
    let python = python("what_a_worker_logs_arrives_with_its_fields");
    let Some(python) = python else { return };
    let program = r#"
send({"log": {"severity": "error", "message": "500 on /", "detail": "Traceback", "request_id": "r1"}})
send({"log": {"severity": "warning", "message": "odd", "detail": None, "request_id": None}})
ready()
receive()
"#;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
    // The whole runtime of this test is on this thread, and so is the log.
    let guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let mut running = Running::start(Options { places: 2, ..options(&python, 1, program) });
    running.until(|notice| *notice == Notice::AllReady).await;
    let pid = running.pid(0).unwrap();
    kill(pid);
    running.until(|notice| matches!(notice, Notice::WorkerDied { .. })).await;
    let is_ready = |worker: &WorkerStatus| worker.state == WorkerState::Ready;
    running.observe("another process", |workers| is_ready(&workers[0]) && workers[0].pid != Some(pid)).await;
    let second = running.pid(0).unwrap();
    // The second is asked for before the first can be over.
    let twice = tokio::join!(running.handle.recycle(0), running.handle.recycle(0));
    assert_eq!(twice, (Ok(()), Ok(())));
    running.observe("its replacement", |workers| is_ready(&workers[1]) && workers[0].pid.is_none()).await;
    running.stop(true).await;
    drop(guard);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let about_it: Vec<_> = text.lines().filter(|line| line.contains(&pid.to_string())).collect();
    let expected = [
        format!("ERROR 500 on / worker=0 pid={pid} request_id=\"r1\" detail=\"Traceback\""),
        format!(" WARN odd worker=0 pid={pid}"),
    ];
    assert_eq!(about_it[..2], expected, "{text}");
    assert!(about_it[2].starts_with(&format!("ERROR worker 0 (pid {pid}) was killed by SIGKILL")), "{text}");
    let recycled: Vec<_> = text.lines().filter(|line| line.contains("recycled")).collect();
    let line = format!(
        " INFO a worker is recycled; it serves until its replacement is ready worker=0 pid={second} reason=it was asked for"
    );
    assert_eq!(recycled, [line], "{text}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
