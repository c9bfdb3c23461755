//! Which part of the range all plots show, and the moment in it that is looked at: chosen by the pointer, by keys or by
//! commands, the same for all plots. Moments are in seconds since 1970 (UTC).

use jiff::tz::TimeZone;

use super::scale::second_mark;
use super::track::Range;

/// How much of what is shown a step to an earlier or later time goes by.
const STEP: f64 = 0.5;
/// How many samples are shown at least.
const LEAST_SAMPLES: f64 = 10.0;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    /// Where it begins.
    pub(super) first: f64,
    /// Where it ends, later than that.
    pub(super) last: f64,
}

impl Span {
    /// A range that ends at a moment, in microseconds since 1970.
    #[must_use]
    pub(super) fn of(range: Range, now_us: u64) -> Self {
        let last = now_us as f64 / 1e6;
        Self { first: last - range.seconds() as f64, last }
    }

    /// How long it is.
    #[must_use]
    pub(super) fn length(self) -> f64 {
        self.last - self.first
    }

    /// The moment at a part of it: 0 for its beginning, 1 for its end.
    #[must_use]
    pub(super) fn at(self, part: f64) -> f64 {
        self.first + part.clamp(0.0, 1.0) * self.length()
    }

    /// At which part of it a moment is; none outside of it.
    #[must_use]
    pub(super) fn part(self, moment: f64) -> Option<f64> {
        let part = (moment - self.first) / self.length();
        (0.0..=1.0).contains(&part).then_some(part)
    }

    /// From when until when, as a clock shows it.
    #[must_use]
    pub(super) fn words(self, zone: &TimeZone) -> String {
        format!("{} – {}", second_mark(self.first, zone), second_mark(self.last, zone))
    }

    /// One of a length about a moment, within the whole as far as it fits.
    fn about(middle: f64, length: f64, whole: Self) -> Self {
        let first = (middle - length / 2.0).min(whole.last - length).max(whole.first.min(middle - length / 2.0));
        Self { first, last: first + length }
    }
}

/// What a person does with the plots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Input {
    /// The pointer is over a moment.
    Points(f64),
    /// A moment is to be kept on screen.
    Keeps(f64),
    /// A span begins to be drawn.
    Begins(f64),
    /// It goes to here.
    Draws(f64),
    /// It is to be shown.
    Drops,
    /// The whole range is wanted back.
    Resets,
    /// The lines of the log from a moment on are wanted.
    Opens(f64),
}

/// How the plots are changed by commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Half of the time, and twice as large.
    Closer,
    /// Twice the time.
    Wider,
    /// What was before.
    Earlier,
    /// What came after.
    Later,
    /// The whole range.
    Whole,
}

/// What is looked at, while the window is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passing {
    /// What is shown of the range; all of it without.
    zoom: Option<Span>,
    /// The moment that is kept on screen.
    kept: Option<f64>,
    /// The part of what is shown that the pointer is over, in millionths: no moment, as what is shown moves on with the time,
    /// and a pointer that rests is no reason to draw again.
    pointed: Option<u32>,
    /// The span that is being drawn, from where the pointer was pressed to where it is.
    drawn: Option<(f64, f64)>,
}

impl Passing {
    /// Whether less than the range is shown.
    #[must_use]
    pub fn is_zoomed(&self) -> bool {
        self.zoom.is_some()
    }

    /// The moment that is kept on screen.
    #[must_use]
    pub(super) fn kept(&self) -> Option<f64> {
        self.kept
    }

    /// The moment whose values are shown in a span; the latest without one.
    #[must_use]
    pub(super) fn cursor(&self, span: Span) -> Option<f64> {
        self.pointed.map(|part| span.at(f64::from(part) / 1e6)).or(self.kept)
    }

    fn point(&mut self, moment: f64, span: Span) {
        self.pointed = span.part(moment).map(|part| (part * 1e6).round() as u32);
    }

    /// The span that is being drawn.
    #[must_use]
    pub(super) fn drawn(&self) -> Option<Span> {
        self.drawn.map(|(from, to)| Span { first: from.min(to), last: from.max(to) })
    }

    /// What is shown of a range.
    #[must_use]
    pub(super) fn span(&self, range: Range, now_us: u64) -> Span {
        self.zoom.unwrap_or_else(|| Span::of(range, now_us))
    }

    /// Lets go of the kept moment.
    pub(super) fn release(&mut self) {
        self.kept = None;
    }

    /// Shows a whole range again.
    pub(super) fn reset(&mut self) {
        (self.zoom, self.drawn) = (None, None);
    }

    /// Notes that the pointer is over no plot.
    pub(super) fn leave(&mut self) {
        self.pointed = None;
    }

    /// Takes what a person does.
    pub(super) fn take(&mut self, input: Input, range: Range, now_us: u64) {
        let span = self.span(range, now_us);
        match input {
            Input::Points(moment) => self.point(moment, span),
            Input::Keeps(moment) => self.kept = Some(moment),
            Input::Begins(moment) => self.drawn = Some((moment, moment)),
            Input::Draws(moment) => {
                self.point(moment, span);
                self.drawn = self.drawn.map(|(from, _)| (from, moment));
            }
            Input::Drops => {
                if let Some(drawn) = self.drawn().filter(|drawn| drawn.length() > 0.0) {
                    self.show(drawn, range, now_us);
                }
                self.drawn = None;
            }
            Input::Resets => {
                // Both clicks kept a moment.
                self.release();
                self.reset();
            }
            Input::Opens(_) => {}
        }
    }

    /// Carries out a command.
    pub(super) fn change(&mut self, change: Change, range: Range, now_us: u64) {
        let (span, whole) = (self.span(range, now_us), Span::of(range, now_us));
        let middle = (span.first + span.last) / 2.0;
        let near = self.kept.filter(|kept| span.part(*kept).is_some()).unwrap_or(middle);
        let moved = |by: f64| Span { first: span.first + by, last: span.last + by };
        match change {
            Change::Closer => self.show(Span::about(near, span.length() / 2.0, span), range, now_us),
            Change::Wider if span.length() * 2.0 >= whole.length() => self.reset(),
            Change::Wider => self.show(Span::about(middle, span.length() * 2.0, whole), range, now_us),
            Change::Earlier => self.show(moved(-span.length() * STEP), range, now_us),
            Change::Later => self.show(moved(span.length() * STEP), range, now_us),
            Change::Whole => self.reset(),
        }
    }

    /// Shows a span: not longer than the range, not later than now, not earlier than what is kept of an instance, and not so
    /// short that there are next to no samples in it.
    fn show(&mut self, span: Span, range: Range, now_us: u64) {
        let whole = Span::of(range, now_us);
        let kept = Span::of(Range::Day, now_us);
        let length = span.length().max(least(whole.last - span.first)).min(whole.length());
        let first = ((span.first + span.last - length) / 2.0).min(kept.last - length).max(kept.first);
        let shown = Span { first, last: first + length };
        // The range as it is moves on with the time.
        self.zoom = (length < whole.length() || shown.last < whole.last).then_some(shown);
    }
}

/// How long a span that began so many seconds ago is at least: its samples are one, ten or sixty seconds apart.
fn least(ago: f64) -> f64 {
    let apart = match ago {
        ago if ago <= 600.0 => 1.0,
        ago if ago <= 3_600.0 => 10.0,
        _ => 60.0,
    };
    apart * LEAST_SAMPLES
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 100_000_000_000;
    const NOW: f64 = 100_000.0;

    fn draw(looking: &mut Passing, from: f64, to: f64) {
        for input in [Input::Begins(from), Input::Draws((from + to) / 2.0), Input::Draws(to), Input::Drops] {
            looking.take(input, Range::Minutes5, NOW_US);
        }
    }

    fn shown(looking: &Passing) -> (f64, f64) {
        let span = looking.span(Range::Minutes5, NOW_US);
        (NOW - span.first, NOW - span.last)
    }

    #[test]
    fn a_drawn_span_is_shown_whichever_way_it_was_drawn() {
        let mut looking = Passing::default();
        assert_eq!(shown(&looking), (300.0, 0.0));
        draw(&mut looking, NOW - 100.0, NOW - 40.0);
        assert_eq!(shown(&looking), (100.0, 40.0));
        draw(&mut looking, NOW - 50.0, NOW - 90.0);
        assert_eq!(shown(&looking), (90.0, 50.0));
        assert!(looking.is_zoomed() && looking.drawn().is_none());
        looking.take(Input::Keeps(NOW - 60.0), Range::Minutes5, NOW_US);
        looking.take(Input::Resets, Range::Minutes5, NOW_US);
        assert_eq!((shown(&looking), looking.kept()), ((300.0, 0.0), None));
    }

    #[test]
    fn what_is_drawn_has_some_samples() {
        let mut looking = Passing::default();
        draw(&mut looking, NOW - 61.0, NOW - 59.0);
        assert_eq!(shown(&looking), (65.0, 55.0));
        draw(&mut looking, NOW - 1.0, NOW);
        assert_eq!(shown(&looking), (10.0, 0.0), "nothing is later than now");
        draw(&mut looking, NOW - 20.0, NOW - 20.0);
        assert_eq!(shown(&looking), (10.0, 0.0), "a pointer that was not moved draws nothing");
    }

    #[test]
    fn commands_go_closer_and_wider_and_through_the_time() {
        let mut looking = Passing::default();
        let mut change = |change| {
            looking.change(change, Range::Minutes5, NOW_US);
            shown(&looking)
        };
        assert_eq!(change(Change::Closer), (225.0, 75.0));
        assert_eq!(change(Change::Later), (150.0, 0.0));
        assert_eq!(change(Change::Later), (150.0, 0.0));
        assert_eq!(change(Change::Closer), (112.5, 37.5));
        assert_eq!(change(Change::Earlier), (150.0, 75.0));
        assert_eq!(change(Change::Wider), (187.5, 37.5));
        assert_eq!(change(Change::Wider), (300.0, 0.0));
        assert_eq!(change(Change::Earlier), (450.0, 150.0), "further back than the range");
        assert_eq!(change(Change::Whole), (300.0, 0.0));
        assert!(!looking.is_zoomed());
    }

    #[test]
    fn the_kept_moment_stays_in_sight() {
        let mut looking = Passing::default();
        looking.take(Input::Keeps(NOW - 280.0), Range::Minutes5, NOW_US);
        for _ in 0..8 {
            looking.change(Change::Closer, Range::Minutes5, NOW_US);
        }
        let (first, last) = shown(&looking);
        assert!(first >= 280.0 && last <= 280.0 && first - last == 10.0, "{first} {last}");
        let span = looking.span(Range::Minutes5, NOW_US);
        assert_eq!(looking.cursor(span), Some(NOW - 280.0));
        let pointed = span.at(0.25);
        looking.take(Input::Points(pointed), Range::Minutes5, NOW_US);
        let cursor = looking.cursor(span).unwrap_or_default();
        assert!((cursor - pointed).abs() < 1e-3, "the pointer is nearer than what was kept: {cursor}");
        looking.leave();
        assert_eq!(looking.cursor(span), looking.kept());
    }

    #[test]
    fn a_pointer_that_rests_changes_nothing() {
        let mut looking = Passing::default();
        let mut frame = |now_us: u64| {
            let moment = looking.span(Range::Minutes5, now_us).at(0.3);
            looking.leave();
            looking.take(Input::Points(moment), Range::Minutes5, now_us);
            looking.clone()
        };
        let first = frame(NOW_US);
        for later in 1..200 {
            assert_eq!(frame(NOW_US + later * 16_667), first);
        }
    }
}
