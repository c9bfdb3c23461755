//! Counters and histograms as Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use hostler_bus::Observed;
use hostler_router::{Histogram, Statistics};
use hostler_supervisor::Restarts;

/// The upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// All of it.
pub(super) fn text(observed: &Observed, statistics: &Statistics, restarts: &Restarts, up: bool) -> String {
    let mut text = Text(String::new());
    text.gauge("hostler_up", "Whether the instance serves.", f64::from(u8::from(up)));
    text.gauge("hostler_generation", "The generation that serves.", observed.generation as f64);
    text.gauge("hostler_workers_ready", "Workers that take requests.", f64::from(observed.workers_ready));
    text.gauge("hostler_workers_wanted", "Workers there should be.", f64::from(observed.workers_wanted));
    text.gauge("hostler_requests_queued", "Requests that wait for a worker.", f64::from(observed.queued));
    text.gauge("hostler_requests_in_flight", "Requests that wait or run.", f64::from(observed.in_flight));
    text.gauge("hostler_connections", "Connections that are open.", statistics.connections as f64);
    text.gauge("hostler_websockets", "WebSockets that are open.", statistics.websockets as f64);
    text.counter("hostler_connections_accepted_total", "Connections that were accepted.", &[("", statistics.accepted)]);
    text.counter("hostler_received_bytes_total", "Bytes of request bodies and messages.", &[("", statistics.bytes_in)]);
    text.counter("hostler_sent_bytes_total", "Bytes of answers.", &[("", statistics.bytes_out)]);
    let statuses: Vec<(String, u64)> = (1..statistics.statuses.len())
        .map(|class| (format!("{{status=\"{class}xx\"}}"), statistics.statuses[class]))
        .collect();
    text.counter("hostler_requests_total", "Requests that were answered.", &borrowed(&statuses));
    let outcomes: Vec<(String, u64)> = Statistics::OUTCOMES
        .iter()
        .zip(statistics.outcomes)
        .map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), count))
        .collect();
    text.counter("hostler_request_outcomes_total", "How requests ended.", &borrowed(&outcomes));
    let Restarts {
        crashed,
        timed_out,
        max_requests,
        max_lifetime,
        max_memory,
        by_hand,
        killed_at_stop,
        failed_at_boot,
    } = *restarts;
    let causes: Vec<(String, u64)> = [
        ("crashed", crashed),
        ("timed_out", timed_out),
        ("max_requests", max_requests),
        ("max_lifetime", max_lifetime),
        ("max_memory", max_memory),
        ("by_hand", by_hand),
        ("killed_at_stop", killed_at_stop),
        ("failed_at_boot", failed_at_boot),
    ]
    .map(|(cause, count)| (format!("{{cause=\"{cause}\"}}"), count))
    .into();
    text.counter("hostler_worker_restarts_total", "Workers that were replaced.", &borrowed(&causes));
    text.histogram("hostler_queue_seconds", "How long requests waited for a worker.", &statistics.queue_time);
    text.histogram(
        "hostler_application_seconds",
        "How long the application ran a request.",
        &statistics.application_time,
    );
    text.0
}

fn borrowed(values: &[(String, u64)]) -> Vec<(&str, u64)> {
    values.iter().map(|(labels, value)| (labels.as_str(), *value)).collect()
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

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.begin(name, "gauge", help);
        self.line(format_args!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        self.begin(name, "counter", help);
        for (labels, value) in values {
            self.line(format_args!("{name}{labels} {value}"));
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
