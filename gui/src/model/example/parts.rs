//! The example's workers, requests and log.

use hostler_bus::daemon::LogLine;
use hostler_bus::{Phase, Request, Running, Worker, WorkerState};

use super::{NOW_US, SECOND, request_id};

/// Those of generation 7, which serves for 70 seconds, and the last of generation 6 with what it still runs.
pub(super) fn workers() -> Vec<Worker> {
    use WorkerState::{Busy, Idle, Retiring};
    let worker =
        |(place, state): (usize, WorkerState)| Worker {
            place: place as u32,
            pid: if state == Retiring { 4_249 } else { 4_271 + place as u32 },
            generation: if state == Retiring { 6 } else { 7 },
            state,
            since_us: NOW_US - if state == Retiring { 249 } else { 71 } * SECOND,
            requests: if state == Retiring { 2_790 } else { 1_085 + place as u64 * 13 },
            restarts: if place == 2 { [("timed_out".to_owned(), 1)].into() } else { Default::default() },
            memory_bytes: [58, 61, 55, 59, 66][place] << 20,
            cpu_seconds: if state == Retiring { 29.4 } else { 11.6 + place as f64 * 0.3 },
            running: requests().into_iter().find(|request| request.worker == Some(place as u32)).map(|request| {
                Running { id: request.id, method: request.method, target: request.target, age_us: request.age_us }
            }),
        };
    [Busy, Busy, Busy, Idle, Retiring].into_iter().enumerate().map(worker).collect()
}

/// Workers that wait for something to do.
pub(super) fn resting(count: u32, mebibytes: u64) -> Vec<Worker> {
    let worker = |place| Worker {
        place,
        pid: 3_120 + place,
        generation: 7,
        state: WorkerState::Idle,
        since_us: NOW_US - 5_400 * SECOND,
        requests: 3_914 + u64::from(place) * 27,
        memory_bytes: (mebibytes << 20) / u64::from(count + 1),
        cpu_seconds: 96.5,
        ..Worker::default()
    };
    (0..count).map(worker).collect()
}

pub(super) fn requests() -> Vec<Request> {
    let request = |index: u64, method: &str, target: &str, worker: Option<u32>, phase, age_us| Request {
        id: request_id(index),
        method: method.to_owned(),
        target: target.to_owned(),
        worker,
        phase,
        age_us,
    };
    vec![
        request(4, "POST", "/import/suppliers", Some(4), Phase::Running, 74_212_000),
        request(2, "GET", "/catalogue/saddles?page=3&sort=price", Some(2), Phase::Answering, 4_116_000),
        request(0, "GET", "/catalogue/saddles?page=3&sort=price", Some(0), Phase::Running, 84_000),
        request(9, "GET", "/checkout/status", Some(1), Phase::Running, 12_000),
    ]
}

const TRACEBACK: &str = "GET /orders/991 failed: KeyError: 'vat'\nTraceback (most recent call last):\n  File \
                         \"/srv/shop/orders/views.py\", line 118, in show\n    total = order.total(rates['vat'])\n           \
                                 ~~~~~^^^^^^^\nKeyError: 'vat'";

pub(super) fn lines() -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = (0..400_u64).map(line).collect();
    for (index, priority, message) in [
        (120, 4, "worker 2 exceeded its time-out of 30 s at GET /export/all; replaced"),
        (index_of(130), 3, "generation 7 failed: SyntaxError in shop/views.py, line 31"),
        (index_of(70), 5, "generation 7 serves, after 1.34 s"),
        (376, 3, TRACEBACK),
    ] {
        lines[index].priority = priority;
        lines[index].message = message.to_owned();
        lines[index].identifier = if priority == 3 && index == 376 { "python" } else { "hostler" }.to_owned();
    }
    lines
}

/// How many seconds before the end a line was logged: now more of them, now fewer.
fn seconds_ago(index: u64) -> f64 {
    let part = index as f64 / 400.0;
    let wave = |turns: f64| (std::f64::consts::TAU * turns * part).sin();
    280.0 * (1.0 - part + 0.02 * wave(3.0) + 0.004 * wave(17.0))
}

/// The line that was logged so many seconds before the end.
fn index_of(seconds: u64) -> usize {
    (0..400).find(|index| seconds_ago(*index) < seconds as f64).unwrap_or_default() as usize
}

fn line(index: u64) -> LogLine {
    let targets = ["/", "/catalogue/saddles", "/cart", "/orders/991", "/static/app.css", "/checkout/status"];
    let target = targets[(index * 7 % 6) as usize];
    let status = if index.is_multiple_of(31) { 404 } else { 200 };
    let microseconds = 2_000 + index * 7_919 % 60_000;
    let worker = index * 3 % 4;
    let generation = if seconds_ago(index) > 70.0 { 6 } else { 7 };
    LogLine {
        time_us: NOW_US - (seconds_ago(index) * SECOND as f64) as u64,
        priority: 6,
        message: format!("GET {target} {status} {} ms", microseconds / 1_000),
        pid: if generation == 6 { 4_246 } else { 4_271 } + worker as u32,
        identifier: "hostler".to_owned(),
        cursor: format!("s=1;i={index:x}"),
        fields: [
            ("worker", worker.to_string()),
            ("generation", generation.to_string()),
            ("request_id", request_id(index)),
            ("method", "GET".to_owned()),
            ("status", status.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
    }
}
