//! What an instance was like over the last day, and what happened to it, as bytes: with them it outlives the server process. They are in systemd's
//! store of descriptors (`kept`), in the file of an instance that sleeps (`slept`), and go to a successor (`upgrade`).
//!
//! ```text
//! 0     magic "HOSTLERP", u32 version, u32 ending, u64 when it was written             all numbers little-endian
//! 24    u64 number of the minute under way
//! 32    u32 count of spans of ten seconds, then each: u64 number of its minute, and the span (112 bytes)
//!       u32 count of spans of a minute, then each: the same
//!       u32 count of gaps, then each: u64 from, u64 to, u32 why
//!       u32 count of events, then each: u64 when, u64 generation, the texts of kind and message (u32 length, UTF-8)
//! ```
//!
//! Times are in microseconds since 1970. A span has the fields of [`Sample`] in their order. Who changes anything here raises [`VERSION`]: what
//! another version wrote is refused, and so is all that is not as it should be. That what is read was written whole, `Blob` sees to.

use std::collections::VecDeque;

use hostler_bus::{Absence, Event, EventKind, Gap, Sample};
use thiserror::Error;

use super::events::{self, Events};
use super::samples::{self, Numbered, Spans};

const MAGIC: [u8; 8] = *b"HOSTLERP";
/// Of this layout.
const VERSION: u32 = 1;
/// No text of an event is longer, in bytes: a message is cut by characters.
const TEXT_MOST: usize = (events::MESSAGE_LIMIT + 1) * 4;
/// All that can be written, in bytes, and a little more.
pub(super) const ROOM: u64 = 1024 * 1024;

/// How the process ended that wrote it, as it told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not at all: it ran when it wrote that, and was killed or crashed if it does not run now.
    #[default]
    Running,
    /// It was told to stop.
    Stopped,
    /// It left, as nobody was connected.
    Asleep,
    /// Another process took its place without a gap.
    HandedOver,
}

/// What was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Past {
    pub(super) ending: Ending,
    pub(super) at_us: u64,
    pub(super) spans: Spans,
    pub(super) events: VecDeque<Event>,
}

/// Why bytes are no past.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    #[error("it begins otherwise")]
    Foreign,
    #[error("version {0} of Hostler's layout wrote it, and this is version {VERSION}")]
    Version(u32),
    #[error("{0}")]
    Torn(&'static str),
}

impl Ending {
    const ALL: [Self; 4] = [Self::Running, Self::Stopped, Self::Asleep, Self::HandedOver];

    /// Why nobody served after that; `None` where somebody did.
    pub(super) fn absence(self) -> Option<Absence> {
        match self {
            Self::Running => Some(Absence::Crashed),
            Self::Stopped => Some(Absence::Restarted),
            Self::Asleep => Some(Absence::Asleep),
            Self::HandedOver => None,
        }
    }
}

/// Writes it out; at most [`ROOM`] bytes.
pub(super) fn write(ending: Ending, at_us: u64, spans: &Spans, events: &Events) -> Vec<u8> {
    let count = spans.short.len() + spans.long.len();
    let mut out = Vec::with_capacity(4096 + count * (size_of::<Sample>() + 8));
    out.extend(MAGIC);
    VERSION.put(&mut out);
    (ending as u32).put(&mut out);
    at_us.put(&mut out);
    spans.minute.put(&mut out);
    for all in [&spans.short, &spans.long] {
        put_count(all.len(), &mut out);
        for Numbered { minute, sample } in all {
            minute.put(&mut out);
            put_sample(sample, &mut out);
        }
    }
    put_count(spans.gaps.len(), &mut out);
    for Gap { from_us, to_us, why } in &spans.gaps {
        from_us.put(&mut out);
        to_us.put(&mut out);
        (*why as u32).put(&mut out);
    }
    put_count(events.all().len(), &mut out);
    for Event { kind, at_us, generation, message } in events.all() {
        at_us.put(&mut out);
        generation.put(&mut out);
        for text in [kind.as_str(), message] {
            put_count(text.len(), &mut out);
            out.extend(text.as_bytes());
        }
    }
    out
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// It is something else, or of another version, or not whole.
pub(super) fn read(bytes: &[u8]) -> Result<Past, Unreadable> {
    let mut left = Left(bytes);
    if left.take(MAGIC.len()) != Ok(&MAGIC[..]) {
        return Err(Unreadable::Foreign);
    }
    let version: u32 = left.get()?;
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let ending = Ending::ALL.get(left.get::<u32>()? as usize).copied();
    let ending = ending.ok_or(Unreadable::Torn("its ending is none that there is"))?;
    let at_us = left.get()?;
    let minute = left.get()?;
    let short = left.all(samples::SHORT_MOST, Left::numbered)?;
    let long = left.all(samples::LONG, Left::numbered)?;
    let ordered = |all: &VecDeque<Numbered>, last: u64| {
        all.iter().map(|one| one.minute).is_sorted() && all.back().is_none_or(|one| one.minute <= last)
    };
    if !ordered(&short, minute) || !ordered(&long, minute.saturating_sub(1)) {
        return Err(Unreadable::Torn("its minutes do not follow each other"));
    }
    let gaps = left.all(samples::GAPS, Left::gap)?;
    let events = left.all(events::KEPT, Left::event)?;
    if !left.0.is_empty() {
        return Err(Unreadable::Torn("more follows than it says"));
    }
    Ok(Past { ending, at_us, spans: Spans { short, long, gaps, minute }, events })
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    // What is kept has bounds far below.
    u32::try_from(count).unwrap_or(u32::MAX).put(out);
}

/// What can be written and read.
trait Plain: Sized {
    fn put(self, out: &mut Vec<u8>);
    fn get(left: &mut Left<'_>) -> Result<Self, Unreadable>;
}

macro_rules! numbers {
    ($($number:ty)+) => {$(
        impl Plain for $number {
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn get(left: &mut Left<'_>) -> Result<Self, Unreadable> {
                let (first, rest) = left.0.split_first_chunk().ok_or(TOO_SHORT)?;
                left.0 = rest;
                Ok(Self::from_le_bytes(*first))
            }
        }
    )+};
}

numbers! { u32 u64 f64 }

macro_rules! sample {
    ($($field:ident)+) => {
        fn put_sample(sample: &Sample, out: &mut Vec<u8>) {
            // One that is added changes the layout.
            let Sample { $($field),+ } = *sample;
            $($field.put(out);)+
        }

        impl Left<'_> {
            fn sample(&mut self) -> Result<Sample, Unreadable> {
                let sample = Sample { $($field: self.get()?),+ };
                let times = [sample.seconds, sample.cpu_seconds];
                if times.iter().all(|time| time.is_finite() && *time >= 0.0) {
                    Ok(sample)
                } else {
                    Err(Unreadable::Torn("a time in it is none"))
                }
            }
        }
    };
}

sample! {
    at_us seconds responses_1xx responses_2xx responses_3xx responses_4xx responses_5xx p50_us p95_us p99_us queue_p95_us queued in_flight
    connections workers_busy workers_ready workers_wanted memory_bytes cpu_seconds generation
}

const TOO_SHORT: Unreadable = Unreadable::Torn("it ends before its end");

/// What is left to be read.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (first, rest) = self.0.split_at_checked(count).ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(first)
    }

    fn get<T: Plain>(&mut self) -> Result<T, Unreadable> {
        T::get(self)
    }

    fn all<T>(
        &mut self,
        most: usize,
        one: impl Fn(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<VecDeque<T>, Unreadable> {
        let count = self.get::<u32>()? as usize;
        if count > most {
            return Err(Unreadable::Torn("there is more of it than is ever kept"));
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn numbered(&mut self) -> Result<Numbered, Unreadable> {
        Ok(Numbered { minute: self.get()?, sample: self.sample()? })
    }

    fn gap(&mut self) -> Result<Gap, Unreadable> {
        let (from_us, to_us, why): (_, _, u32) = (self.get()?, self.get()?, self.get()?);
        let why = Absence::ALL.iter().find(|absence| **absence as u32 == why);
        Ok(Gap { from_us, to_us, why: *why.ok_or(Unreadable::Torn("a gap has no reason that is known"))? })
    }

    fn event(&mut self) -> Result<Event, Unreadable> {
        let (at_us, generation) = (self.get()?, self.get()?);
        let (kind, message) = (EventKind::from(self.text()?), self.text()?.to_owned());
        Ok(Event { kind, at_us, generation, message })
    }

    fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = self.get::<u32>()? as usize;
        if length > TEXT_MOST {
            return Err(Unreadable::Torn("a text is longer than any that is kept"));
        }
        str::from_utf8(self.take(length)?).map_err(|_| Unreadable::Torn("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_us: u64) -> Sample {
        Sample {
            at_us,
            seconds: 10.0,
            responses_2xx: 7,
            p99_us: 9,
            cpu_seconds: 0.25,
            generation: 3,
            ..Sample::default()
        }
    }

    fn example() -> (Spans, Events) {
        let short = (1..=20).map(|number| Numbered { minute: number / 6, sample: sample(number) }).collect();
        let long = (0..3).map(|minute| Numbered { minute, sample: sample(minute) }).collect();
        let gaps = [Gap { from_us: 4, to_us: 9, why: Absence::Asleep }].into();
        let mut events = Events::default();
        events.add(EventKind::Started, 1, "it began");
        events.add(EventKind::WorkerDied, 2, &"é".repeat(1000));
        (Spans { short, long, gaps, minute: 3 }, events)
    }

    #[test]
    fn what_is_written_is_read() {
        let (spans, events) = example();
        for ending in Ending::ALL {
            let past = read(&write(ending, 77, &spans, &events)).unwrap();
            assert_eq!((past.ending, past.at_us, &past.spans), (ending, 77, &spans));
            assert_eq!(past.events, *events.all());
        }
        let nothing = read(&write(Ending::Running, 0, &Spans::default(), &Events::default())).unwrap();
        assert_eq!(nothing, Past::default());
    }

    #[test]
    fn the_most_that_is_kept_fits() {
        let numbered = |count| (0..count).map(|_| Numbered { minute: 0, sample: sample(1) }).collect();
        let gap = Gap { from_us: 0, to_us: 1, why: Absence::Crashed };
        let gaps = std::iter::repeat_n(gap, samples::GAPS).collect();
        let spans = Spans { short: numbered(samples::SHORT_MOST), long: numbered(samples::LONG), gaps, minute: 1 };
        let mut events = Events::default();
        (0..events::KEPT * 2).for_each(|_| events.add(EventKind::ReloadFailed, 1, &"😀".repeat(1000)));
        let bytes = write(Ending::Running, 1, &spans, &events);
        assert!((bytes.len() as u64) < ROOM, "{}", bytes.len());
        assert_eq!(read(&bytes).unwrap().events.len(), events::KEPT);
    }

    #[test]
    fn what_is_foreign_torn_or_of_another_version_is_refused() {
        let (spans, events) = example();
        let whole = write(Ending::Asleep, 77, &spans, &events);
        assert_eq!(read(b"{\"statuses\":[0]}"), Err(Unreadable::Foreign));
        assert_eq!(read(b""), Err(Unreadable::Foreign));
        let mut other = whole.clone();
        other[8] = 9;
        assert_eq!(
            read(&other).unwrap_err().to_string(),
            "version 9 of Hostler's layout wrote it, and this is version 1"
        );
        for length in 8..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(Unreadable::Torn(_))), "{length}");
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert_eq!(read(&longer), Err(Unreadable::Torn("more follows than it says")));
    }

    /// Each byte, with each of some values: it is read or refused, and what is read is within the bounds.
    #[test]
    fn no_byte_can_be_such_that_it_panics() {
        let (spans, events) = example();
        let whole = write(Ending::Stopped, 77, &spans, &events);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Ok(past) = read(&bytes) {
                    assert!(past.spans.short.len() <= samples::SHORT_MOST && past.events.len() <= events::KEPT);
                    assert!(past.spans.short.iter().all(|one| one.sample.seconds >= 0.0));
                }
            }
        }
    }
}
