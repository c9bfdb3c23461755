//! Statistics in the form of uWSGI's stats server, which uwsgitop and the collectors written for it read.
//!
//! Units are uWSGI's: `avg_rt` and `running_time` in microseconds, memory in bytes, times in seconds since 1970. What uWSGI counts and Hostler does
//! not know (signals, offloaded requests, spooler) is left out, or 0 where uwsgitop wants a number. `exceptions` are requests that were answered
//! with 500 or more, or cut off.

use std::time::{Duration, SystemTime};

use hostler_supervisor::WorkerState;
use serde::Serialize;

use super::{Snapshot, WorkerSnapshot};

#[derive(Serialize)]
struct Stats<'a> {
    version: String,
    listen_queue: u32,
    listen_queue_errors: u64,
    signal_queue: u32,
    load: u32,
    pid: u32,
    uid: u32,
    gid: u32,
    cwd: &'a str,
    workers: Vec<Worker<'a>>,
}

#[derive(Serialize)]
struct Worker<'a> {
    id: u32,
    pid: u32,
    accepting: u8,
    requests: u64,
    delta_requests: u64,
    exceptions: u64,
    harakiri_count: u64,
    signals: u32,
    signal_queue: u32,
    status: &'static str,
    rss: u64,
    vsz: u64,
    running_time: u64,
    last_spawn: u64,
    respawn_count: u64,
    tx: u64,
    avg_rt: u64,
    apps: [App<'a>; 1],
    cores: Vec<Core<'a>>,
}

#[derive(Serialize)]
struct App<'a> {
    id: u32,
    modifier1: u32,
    mountpoint: &'static str,
    startup_time: u64,
    requests: u64,
    exceptions: u64,
    chdir: &'a str,
}

/// One request that runs. uWSGI calls a thread a core.
#[derive(Serialize)]
struct Core<'a> {
    id: usize,
    requests: u64,
    in_request: u8,
    vars: Vec<String>,
    req_info: RequestInfo<'a>,
}

#[derive(Serialize)]
struct RequestInfo<'a> {
    request_id: &'a str,
    request_start: u64,
}

/// The statistics as JSON.
pub(super) fn json(snapshot: &Snapshot) -> String {
    let stats = Stats {
        version: format!("hostler {}", snapshot.observed.version),
        listen_queue: snapshot.observed.queued,
        listen_queue_errors: 0,
        signal_queue: 0,
        load: snapshot.observed.in_flight,
        pid: snapshot.observed.pid,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        cwd: &snapshot.directory,
        workers: snapshot.workers.iter().map(|worker| self::worker(snapshot, worker)).collect(),
    };
    // Plain numbers and texts: they can be written.
    serde_json::to_string(&stats).unwrap_or_default()
}

fn worker<'a>(snapshot: &'a Snapshot, worker: &'a WorkerSnapshot) -> Worker<'a> {
    let WorkerSnapshot { status, tally, running, .. } = worker;
    Worker {
        id: u32::from(status.worker) + 1,
        pid: status.pid.unwrap_or(0),
        accepting: u8::from(status.state == WorkerState::Ready),
        requests: tally.requests,
        delta_requests: status.served,
        exceptions: tally.failed,
        harakiri_count: status.restarts.timed_out,
        signals: 0,
        signal_queue: 0,
        status: match status.state {
            WorkerState::Ready if running.is_empty() => "idle",
            WorkerState::Ready | WorkerState::Retiring => "busy",
            WorkerState::Starting | WorkerState::Absent | WorkerState::Backoff | WorkerState::Killed => "cheap",
        },
        rss: status.usage.as_ref().and_then(|usage| usage.memory).unwrap_or(0),
        vsz: 0,
        running_time: tally.application_ns / 1000,
        last_spawn: seconds_ago(status.since.elapsed()),
        respawn_count: status.restarts.total(),
        tx: tally.sent_bytes,
        avg_rt: tally.application_ns.checked_div(tally.requests).unwrap_or(0) / 1000,
        apps: [App {
            id: 0,
            modifier1: 0,
            mountpoint: "",
            startup_time: 0,
            requests: tally.requests,
            exceptions: tally.failed,
            chdir: &snapshot.directory,
        }],
        cores: running
            .iter()
            .enumerate()
            .map(|(id, request)| Core {
                id,
                requests: 1,
                in_request: 1,
                vars: vec![
                    format!("REQUEST_METHOD={}", request.method),
                    format!("REQUEST_URI={}", request.target),
                    format!("REQUEST_ID={}", request.id),
                ],
                req_info: RequestInfo {
                    request_id: &request.id,
                    request_start: seconds_ago(Duration::from_nanos(request.running_for_ns.unwrap_or(0))),
                },
            })
            .collect(),
    }
}

/// The moment that was so long ago, in seconds since 1970.
fn seconds_ago(age: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_secs()
}
