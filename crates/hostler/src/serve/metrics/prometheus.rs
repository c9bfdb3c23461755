//! Counters and histograms as Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use hostler_router::{Histogram, Statistics};

use super::{Snapshot, WorkerSnapshot, is_up};

/// The upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// All of it.
pub(in crate::serve) fn text(snapshot: &Snapshot) -> String {
    let Snapshot { configured, observed, statistics, restarts, limits, .. } = snapshot;
    let mut text = Text(String::new());
    let about = labels(&[
        ("version", &observed.version),
        ("python", &observed.python),
        ("application", &configured.application),
        ("instance_name", &configured.name),
    ]);
    text.samples("hostler_info", "gauge", "What serves.", [(about, 1.0)]);
    text.gauge("hostler_up", "Whether requests are served.", f64::from(u8::from(is_up(observed.state))));
    text.gauge("hostler_start_time_seconds", "When the instance began to serve.", observed.since_us as f64 / 1e6);
    text.gauge("hostler_generation", "The generation that serves.", observed.generation as f64);
    text.gauge("hostler_workers_ready", "Workers that take requests.", f64::from(observed.workers_ready));
    text.gauge("hostler_workers_wanted", "Workers there should be.", f64::from(observed.workers_wanted));
    text.gauge("hostler_requests_queued", "Requests that wait for a worker.", f64::from(observed.queued));
    text.gauge(
        "hostler_requests_in_flight",
        "Requests that wait or run.",
        f64::from(observed.in_flight + observed.queued),
    );
    text.gauge("hostler_connections", "Connections that are open.", statistics.connections as f64);
    text.gauge("hostler_websockets", "WebSockets that are open.", statistics.websockets as f64);
    let (requests, websockets) = *limits;
    text.gauge("hostler_requests_limit", "Requests that may wait or run (limit_concurrency).", f64::from(requests));
    text.gauge("hostler_websockets_limit", "WebSockets that may be open (limit_websockets).", f64::from(websockets));
    text.counter("hostler_connections_accepted_total", "Connections that were accepted.", statistics.accepted);
    text.counter("hostler_received_bytes_total", "Bytes read from clients.", statistics.bytes_in);
    text.counter("hostler_sent_bytes_total", "Bytes written to clients.", statistics.bytes_out);
    let statuses = (1..statistics.statuses.len())
        .map(|class| (labels(&[("status", &format!("{class}xx"))]), statistics.statuses[class] as f64));
    text.samples("hostler_requests_total", "counter", "Requests that were answered.", statuses);
    let outcomes = Statistics::OUTCOMES.iter().zip(statistics.outcomes);
    let outcomes = outcomes.map(|(outcome, count)| (labels(&[("outcome", outcome)]), count as f64));
    text.samples("hostler_request_outcomes_total", "counter", "How requests ended.", outcomes);
    let causes = restarts.by_cause().map(|(cause, count)| (labels(&[("cause", cause)]), count as f64));
    text.samples("hostler_worker_restarts_total", "counter", "Workers that were replaced.", causes);
    let lost = "Records that the access log and the error log lost, as nobody took them.";
    text.counter("hostler_log_records_lost_total", lost, hostler_log::records_lost());
    let relieved = &snapshot.relieved;
    text.counter("hostler_memory_pressure_total", "How often systemd said that memory is short.", relieved.told);
    let steps = [("collect", relieved.collected), ("recycle", relieved.recycled), ("sleep", relieved.slept)];
    let steps = steps.map(|(step, count)| (labels(&[("step", step)]), count as f64));
    text.samples("hostler_memory_relief_total", "counter", "What was done about it.", steps);
    let freed = "Bytes that workers gave back when they collected their garbage for it.";
    text.counter("hostler_memory_freed_bytes_total", freed, relieved.freed_bytes);
    if let Some(last) = &observed.last_reload {
        let succeeded = f64::from(u8::from(last.succeeded));
        text.gauge("hostler_last_reload_succeeded", "Whether the last reload succeeded.", succeeded);
        text.gauge("hostler_last_reload_time_seconds", "When that was.", last.at_us as f64 / 1e6);
    }
    text.workers(&snapshot.workers);
    text.histogram("hostler_queue_seconds", "How long requests waited for a worker.", &statistics.queue_time);
    text.histogram(
        "hostler_application_seconds",
        "How long the application ran a request.",
        &statistics.application_time,
    );
    text.0
}

/// Labels with their braces; a value may be anything.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", all.join(","))
}

struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn samples(&mut self, name: &str, kind: &str, help: &str, values: impl IntoIterator<Item = (String, f64)>) {
        self.begin(name, kind, help);
        for (labels, value) in values {
            self.line(format_args!("{name}{labels} {value}"));
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.samples(name, "gauge", help, [(String::new(), value)]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.samples(name, "counter", help, [(String::new(), value as f64)]);
    }

    /// Each place by its number. What its processes did in all is a counter, what the present one uses is not.
    fn workers(&mut self, workers: &[WorkerSnapshot]) {
        type Value = fn(&WorkerSnapshot) -> Option<f64>;
        let told: [(&str, &str, &str, Value); 7] = [
            ("hostler_worker_requests_total", "counter", "Requests that a worker's place served.", |worker| {
                Some(worker.tally.requests as f64)
            }),
            ("hostler_worker_failed_requests_total", "counter", "Requests among them that failed.", |worker| {
                Some(worker.tally.failed as f64)
            }),
            ("hostler_worker_sent_bytes_total", "counter", "Bytes of answers' bodies.", |worker| {
                Some(worker.tally.sent_bytes as f64)
            }),
            ("hostler_worker_application_seconds_total", "counter", "How long it ran requests.", |worker| {
                Some(worker.tally.application_ns as f64 / 1e9)
            }),
            ("hostler_worker_requests_running", "gauge", "Requests that it runs.", |worker| {
                Some(worker.running.len() as f64)
            }),
            ("hostler_worker_memory_bytes", "gauge", "Memory of its process (PSS).", |worker| {
                Some(worker.status.usage?.memory? as f64)
            }),
            ("hostler_worker_cpu_seconds", "gauge", "Processor time of its process.", |worker| {
                Some(worker.status.usage?.cpu.as_secs_f64())
            }),
        ];
        for (name, kind, help, value) in told {
            let values = workers.iter().filter_map(|worker| {
                let (place, generation) = (worker.status.worker.to_string(), worker.generation.to_string());
                Some((labels(&[("worker", &place), ("generation", &generation)]), value(worker)?))
            });
            self.samples(name, kind, help, values);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.begin(name, "histogram", help);
        for bound in BUCKETS {
            let below = histogram.at_most((bound * 1e9) as u64);
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", histogram.count()));
        self.line(format_args!("{name}_sum {}", histogram.sum_ns() as f64 / 1e9));
        self.line(format_args!("{name}_count {}", histogram.count()));
    }
}
