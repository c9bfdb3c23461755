//! What is done in which order while memory is short: first what costs nobody anything. Pure: the caller does it, and says when it was done.

use std::time::Duration;

use tokio::time::Instant;

/// How long what was done is given to help, before the next is.
const GAP: Duration = Duration::from_secs(3);
/// Without a word of systemd for so long, memory is not short any more.
const CALM: Duration = Duration::from_secs(60);

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Workers collect their garbage.
    Collect,
    /// The worker that uses far more than the others is replaced.
    Recycle,
    /// Who has nothing to do goes before its time.
    Sleep,
}

/// How far it went. All steps in turn while memory stays short, the last one again and again, and all anew a minute after the first.
#[derive(Default)]
pub(super) struct Relief {
    heard: Option<Instant>,
    done: Option<(Step, Instant)>,
    /// When it was last begun with the first step.
    began: Option<Instant>,
}

impl Relief {
    /// Systemd says `now` that memory is short: what is to be done, if anything, and whether that is done again.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Step, bool)> {
        let within = |since: Option<Instant>, limit| since.is_some_and(|since| now.duration_since(since) < limit);
        let goes_on = within(self.heard.replace(now), CALM) && within(self.began, CALM);
        if within(self.done.map(|(_, at)| at), GAP) {
            return None;
        }
        let before = self.done.map(|(step, _)| step).filter(|_| goes_on);
        let step = match before {
            None => Step::Collect,
            Some(Step::Collect) => Step::Recycle,
            Some(Step::Recycle | Step::Sleep) => Step::Sleep,
        };
        if step == Step::Collect {
            self.began = Some(now);
        }
        Some((step, before == Some(step)))
    }

    /// That was done, at `now`.
    pub(super) fn did(&mut self, step: Step, now: Instant) {
        self.done = Some((step, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_waits_for_the_one_before_to_help_and_all_begin_again_after_a_minute() {
        let (mut relief, began) = (Relief::default(), Instant::now());
        let mut told = |seconds| {
            let now = began + Duration::from_secs(seconds);
            let step = relief.next(now);
            if let Some((step, _)) = step {
                relief.did(step, now);
            }
            step
        };
        let told: Vec<(u64, (Step, bool))> = (0..=66).filter_map(|second| Some((second, told(second)?))).collect();
        assert_eq!(told[..3], [(0, (Step::Collect, false)), (3, (Step::Recycle, false)), (6, (Step::Sleep, false))]);
        assert!(told[3..20].iter().zip(3..).all(|(one, number)| *one == (number * 3, (Step::Sleep, true))), "{told:?}");
        assert_eq!(
            told[20..],
            [(60, (Step::Collect, false)), (63, (Step::Recycle, false)), (66, (Step::Sleep, false))]
        );
    }

    #[test]
    fn after_a_calm_it_begins_with_the_first() {
        let (mut relief, began) = (Relief::default(), Instant::now());
        for second in [0, 61, 122] {
            let now = began + Duration::from_secs(second);
            assert_eq!(relief.next(now), Some((Step::Collect, false)));
            relief.did(Step::Collect, now);
        }
    }
}
