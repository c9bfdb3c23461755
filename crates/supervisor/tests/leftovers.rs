//! Nothing is left behind: no process, no zombie, no descriptor. A binary of its own, because both are counted for the whole
//! process.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

mod fake;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use fake::{Running, SERVE, options, python};
use hostler_supervisor::{Change, Load, Notice, Options, Scaling, WorkerState, check};

#[test]
fn nothing_is_left() {
    let Some(python) = python("nothing_is_left") else {
        return;
    };
    // What is opened once and stays, like the standard library's own, is there before counting.
    cycle(&python);
    let before = descriptors();
    for _ in 0..3 {
        cycle(&python);
    }
    assert_eq!(descriptors(), before);
    assert_eq!(children(), "");
}

/// Serving with a death, a recycling, a change of the number, questions, and a sleep; a failure at boot, a start that fails, a check.
fn cycle(python: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dies_once = "ready()\nif start['worker'] == 0: os._exit(1)\nreceive()\n";
        let mut running = Running::start(options(python, 2, dies_once));
        running.until(|notice| matches!(notice, Notice::WorkerDied { .. })).await;
        running.stop(true).await;

        let life = Options {
            places: 4,
            scaling: Some(Scaling { min: 0, max: 3 }),
            idle_timeout: Some(Duration::from_millis(10)),
            ..options(python, 2, SERVE)
        };
        let mut running = Running::start(life);
        let mut changes = running.handle.changes();
        running.until(|notice| *notice == Notice::AllReady).await;
        running.handle.recycle(0).await.unwrap();
        running.observe("a replacement", |workers| workers[2].state == WorkerState::Ready).await;
        running.handle.scale(3).await.unwrap();
        assert!(running.handle.sample().await.iter().any(|worker| worker.usage.is_some()));
        // It has not registered the signal, so it dies of it.
        running.handle.stacks(1).await.unwrap_err();
        running.pool.load.lock().unwrap().push_back(Load { last_activity: Some(Instant::now()), ..Load::default() });
        assert_eq!(changes.recv().await, Ok(Change::Asleep));
        running.handle.wake();
        assert_eq!(changes.recv().await, Ok(Change::Awake));
        running.stop(true).await;

        let mut running = Running::start(options(python, 2, "sys.exit(2)"));
        running.ended().await;

        let mut running = Running::start(options("/nonexistent/python".as_ref(), 2, SERVE));
        running.ended().await;
    });
    check(options(python, 1, "ready()")).unwrap();
    check(options(python, 1, "sys.exit(1)")).unwrap_err();
}

fn descriptors() -> BTreeSet<String> {
    // The directory that is being read is among its own entries, and gone by the time its link is read.
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|path| Some(format!("{} {}", path.display(), fs::read_link(&path).ok()?.display())))
        .collect()
}

fn children() -> String {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap()).collect()
}
