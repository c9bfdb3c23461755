//! The example's workers, requests and log.

use hostler_bus::daemon::LogLine;
use hostler_bus::{Phase, Request, Running, Worker, WorkerState};

use super::{NOW_US, SECOND};

pub(super) fn workers() -> Vec<Worker> {
    let states =
        [WorkerState::Busy, WorkerState::Idle, WorkerState::Busy, WorkerState::Starting, WorkerState::Retiring];
    let worker = |(place, state): (usize, WorkerState)| Worker {
        place: place as u32,
        pid: 4_250 + place as u32,
        generation: if state == WorkerState::Retiring { 6 } else { 7 },
        state,
        since_us: NOW_US - (70 + place as u64 * 311) * SECOND,
        requests: 18_211 * (5 - place as u64),
        restarts: if place == 2 { [("timed_out".to_owned(), 1)].into() } else { Default::default() },
        memory_bytes: (58 + place as u64 * 7) << 20,
        cpu_seconds: 212.5 / (1.0 + place as f64),
        running: (state == WorkerState::Busy || state == WorkerState::Retiring).then(|| Running {
            id: format!("01JD{place}"),
            method: "GET".to_owned(),
            target: "/catalogue/saddles?page=3&sort=price".to_owned(),
            age_us: 84_000 * (1 + place as u64 * place as u64 * 12),
        }),
    };
    states.into_iter().enumerate().map(worker).collect()
}

pub(super) fn requests() -> Vec<Request> {
    let request = |index: u64, method: &str, target: &str, worker: Option<u32>, phase, age_us| Request {
        id: format!("01JD{index}"),
        method: method.to_owned(),
        target: target.to_owned(),
        worker,
        phase,
        age_us,
    };
    vec![
        request(4, "POST", "/import/suppliers", Some(4), Phase::Running, 16_212_000),
        request(2, "GET", "/catalogue/saddles?page=3&sort=price", Some(2), Phase::Answering, 4_116_000),
        request(0, "GET", "/catalogue/saddles?page=3&sort=price", Some(0), Phase::Running, 84_000),
        request(9, "GET", "/checkout/status", None, Phase::Queued, 12_000),
    ]
}

const TRACEBACK: &str = "GET /orders/991 failed: KeyError: 'vat'\nTraceback (most recent call last):\n  File \
                         \"/srv/shop/orders/views.py\", line 118, in show\n    total = order.total(rates['vat'])\n           \
                                 ~~~~~^^^^^^^\nKeyError: 'vat'";

pub(super) fn lines() -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = (0..400_u64).map(line).collect();
    for (index, priority, message) in [
        (120, 4, "worker 2 exceeded its time-out of 30 s at GET /export/all; replaced"),
        (260, 3, "generation 7 failed: SyntaxError in shop/views.py, line 31"),
        (371, 3, TRACEBACK),
        (398, 5, "generation 7 serves after 1.34 s"),
    ] {
        lines[index].priority = priority;
        lines[index].message = message.to_owned();
        lines[index].identifier = if priority == 3 && index == 371 { "python" } else { "hostler" }.to_owned();
    }
    lines
}

fn line(index: u64) -> LogLine {
    let targets = ["/", "/catalogue/saddles", "/cart", "/orders/991", "/static/app.css", "/checkout/status"];
    let target = targets[(index * 7 % 6) as usize];
    let status = if index.is_multiple_of(31) { 404 } else { 200 };
    let microseconds = 2_000 + index * 7_919 % 60_000;
    let worker = index * 3 % 4;
    LogLine {
        time_us: NOW_US - (400 - index) * 700_000,
        priority: 6,
        message: format!("GET {target} {status} {} ms", microseconds / 1_000),
        pid: 4_250 + worker as u32,
        identifier: "hostler".to_owned(),
        cursor: format!("s=1;i={index:x}"),
        fields: [
            ("worker", worker.to_string()),
            ("generation", "7".to_owned()),
            ("request_id", format!("01JD{index}")),
            ("method", "GET".to_owned()),
            ("status", status.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
    }
}
