//! What each plot shows: its lines, what they are called, and their colours by the tokens.

use super::chart::{Chart, Form, Series};
use crate::model::Sample;
use crate::views::overview::scale::Quantity;
use crate::views::overview::track::Track;

/// A time of which 0 means that no request ended then.
fn time(microseconds: u64) -> Option<f64> {
    (microseconds > 0).then_some(microseconds as f64)
}

/// The plots, from the most looked at.
pub(super) fn charts(track: &Track) -> Vec<Chart> {
    let series = |name, color, form, value| Series { name, color, form, value };
    let mut classes = vec![
        series("5xx", 3, Form::Stacked, |sample: &Sample| Some(sample.rates[4])),
        series("4xx", 2, Form::Stacked, |sample: &Sample| Some(sample.rates[3])),
        series("3xx", 1, Form::Stacked, |sample: &Sample| Some(sample.rates[2])),
        series("2xx", 0, Form::Stacked, |sample: &Sample| Some(sample.rates[1])),
    ];
    if track.most(|sample| sample.rates[0]) > 0.0 {
        classes.push(series("WebSocket", 4, Form::Stacked, |sample: &Sample| Some(sample.rates[0])));
    }
    vec![
        Chart { title: "Requests", quantity: Quantity::Rate, series: classes },
        Chart {
            title: "Latency",
            quantity: Quantity::Time,
            series: vec![
                series("p50", 0, Form::Area, |sample: &Sample| time(sample.p50_us)),
                series("p95", 1, Form::Line, |sample: &Sample| time(sample.p95_us)),
                series("p99", 4, Form::Line, |sample: &Sample| time(sample.p99_us)),
            ],
        },
        Chart {
            title: "Workers and queue",
            quantity: Quantity::Count,
            series: vec![
                series("busy", 1, Form::Area, |sample: &Sample| Some(f64::from(sample.busy))),
                series("ready", 5, Form::Dashed, |sample: &Sample| Some(f64::from(sample.ready))),
                series("queued", 2, Form::Line, |sample: &Sample| Some(f64::from(sample.queued))),
            ],
        },
        Chart {
            title: "CPU",
            quantity: Quantity::Cores,
            series: vec![series("all processes, 100 % is one core", 0, Form::Area, |sample: &Sample| sample.cpu)],
        },
        Chart {
            title: "Memory",
            quantity: Quantity::Bytes,
            series: vec![series("all processes", 4, Form::Area, |sample: &Sample| {
                (sample.memory_bytes > 0).then_some(sample.memory_bytes as f64)
            })],
        },
    ]
}
