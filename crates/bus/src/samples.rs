//! The answer to `Samples`: what an instance was like over the last day, for whoever draws it.

use serde::{Deserialize, Serialize};
use zbus::zvariant::Type;

use crate::status::Event;
use crate::wire;
use crate::words::Absence;

macro_rules! samples {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty,)+) => {
        /// What an instance did in one span of time.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Sample {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        /// What an instance did, span by span: each field is a column, and all have one value for each span, the oldest first.
        /// The spans follow each other: of 10 seconds in the last hour, of a minute before that. Where its server did not run there is no span, but a gap that says
        /// why; a span that went on after a shorter gap than a minute is told as one. Spans, gaps and events go on over a restart, a crash, an upgrade and a sleep of
        /// the server where systemd keeps them for it (`FileDescriptorStoreMax=`); without systemd they begin anew with it.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
        #[zvariant(signature = "dict")]
        #[serde(default)]
        pub struct Samples {
            $($(#[doc = $doc])+ #[serde(with = "wire")] pub $name: Vec<$type>,)+
            /// What happened in that time, the latest last; 256 at most.
            #[serde(with = "wire")]
            pub events: Vec<Event>,
            /// When its server did not run in that time, the latest last.
            #[serde(with = "wire")]
            pub gaps: Vec<Gap>,
        }

        impl Samples {
            /// Adds one, after all that are there.
            pub fn push(&mut self, sample: &Sample) {
                $(self.$name.push(sample.$name);)+
            }

            /// One by its number; `None` past the last. What a column lacks, as those of an older version do, is 0.
            #[must_use]
            pub fn get(&self, number: usize) -> Option<Sample> {
                (number < self.len()).then(|| Sample {
                    $($name: self.$name.get(number).copied().unwrap_or_default(),)+
                })
            }
        }
    };
}

samples! {
    /// When the span ended, in microseconds since 1970 (UTC).
    at_us: u64,
    /// How long it was, in seconds.
    seconds: f64,
    /// WebSockets that ended in it.
    responses_1xx: u32,
    /// Requests that were answered with a status of 200 to 299 in it.
    responses_2xx: u32,
    /// Those with 300 to 399.
    responses_3xx: u32,
    /// Those with 400 to 499; and those whose client left before the answer.
    responses_4xx: u32,
    /// Those with 500 to 599.
    responses_5xx: u32,
    /// The median time of the requests that ended in it, in microseconds; 0 when there were none, as in the three that follow.
    p50_us: u32,
    /// The time that 95 of 100 of them did not exceed, in microseconds.
    p95_us: u32,
    /// The time that 99 of 100 of them did not exceed, in microseconds.
    p99_us: u32,
    /// For how long 95 of 100 of them waited at most until a worker took them, in microseconds.
    queue_p95_us: u32,
    /// Requests that waited for a worker when it ended. In a span of a minute the most at any of its six moments, as in the three that follow.
    queued: u32,
    /// Requests that a worker ran when it ended.
    in_flight: u32,
    /// Connections of clients that were open when it ended.
    connections: u32,
    /// Workers that ran at least one request when it ended.
    workers_busy: u32,
    /// Workers that could take requests when it ended.
    workers_ready: u32,
    /// Workers that there should have been when it ended.
    workers_wanted: u32,
    /// Memory of all its processes (PSS), as last measured: once a minute, and oftener while somebody looks at the status.
    memory_bytes: u64,
    /// Processor time that its processes used in it, in seconds.
    cpu_seconds: f64,
    /// The generation that served when it ended.
    generation: u64,
}

/// A time in which the server process of an instance did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Gap {
    /// When it ended, or was last known to run, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub from_us: u64,
    /// When it served again.
    #[serde(with = "wire")]
    pub to_us: u64,
    /// Why it did not run.
    #[serde(with = "wire")]
    pub why: Absence,
}

impl Samples {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at_us.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at_us.is_empty()
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Sample> {
        (0..self.len()).filter_map(|number| self.get(number))
    }
}

impl Sample {
    /// Requests that were answered in the span.
    #[must_use]
    pub fn responses(&self) -> u64 {
        [self.responses_1xx, self.responses_2xx, self.responses_3xx, self.responses_4xx, self.responses_5xx]
            .into_iter()
            .map(u64::from)
            .sum()
    }

    /// Requests that were answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.responses() as f64 / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_as_rows() {
        let one = Sample { at_us: 7, seconds: 10.0, responses_2xx: 30, responses_5xx: 5, ..Sample::default() };
        let mut samples = Samples::default();
        assert!(samples.is_empty() && samples.get(0).is_none());
        samples.push(&one);
        samples.push(&Sample { at_us: 8, ..one });
        assert_eq!(samples.iter().map(|sample| sample.at_us).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(samples.get(0), Some(one));
        assert!((one.rate() - 3.5).abs() < 1e-9 && Sample::default().rate() == 0.0);
        // An older version has fewer columns.
        samples.connections.clear();
        assert_eq!(samples.iter().count(), 2);
    }
}
