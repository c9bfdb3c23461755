//! The entries of the line of time: revisions of the settings and happenings, the latest first.

use hostler_bus::daemon::RevisionInfo;

use crate::model::{Happening, HappeningKind};

/// What one may ask for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes of settings.
    Settings,
    /// New code: generations that were made, thrown away or taken back, and other versions of the server.
    Deploy,
    /// Processes that began or ended.
    Process,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entry<'a> {
    /// The settings were changed.
    Revision(&'a RevisionInfo),
    /// Something else happened.
    Happening(&'a Happening),
}

impl Entry<'_> {
    /// When, in microseconds since 1970 (UTC).
    pub(super) fn at_us(&self) -> u64 {
        match self {
            Self::Revision(revision) => revision.at_us,
            Self::Happening(happening) => happening.at_us,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Revision(_) => Kind::Settings,
            Self::Happening(happening) => match happening.kind {
                HappeningKind::Configured => Kind::Settings,
                HappeningKind::Reloaded
                | HappeningKind::ReloadFailed
                | HappeningKind::RolledBack
                | HappeningKind::Upgraded => Kind::Deploy,
                _ => Kind::Process,
            },
        }
    }
}

/// The entries of a kind, or all, the latest first.
pub(super) fn entries<'a>(
    revisions: &'a [RevisionInfo],
    happenings: &'a [Happening],
    kind: Option<Kind>,
) -> Vec<Entry<'a>> {
    // A change is told by its revision, which says more; without revisions by what happened.
    let told_twice = |each: &&Happening| each.kind == HappeningKind::Configured && !revisions.is_empty();
    let happenings = happenings.iter().filter(|each| !told_twice(each)).map(Entry::Happening);
    let mut entries: Vec<Entry<'_>> = revisions.iter().map(Entry::Revision).chain(happenings).collect();
    entries.retain(|entry| kind.is_none_or(|kind| entry.kind() == kind));
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at_us()));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_one_line_of_time() {
        let revisions = [10, 30].map(|at_us| RevisionInfo { at_us, ..RevisionInfo::default() });
        let happening = |at_us, kind| Happening { at_us, kind, message: String::new() };
        let happenings = [
            happening(20, HappeningKind::Reloaded),
            happening(31, HappeningKind::Configured),
            happening(40, HappeningKind::Slept),
            happening(50, HappeningKind::Upgraded),
        ];
        let times = |kind| -> Vec<u64> { entries(&revisions, &happenings, kind).iter().map(Entry::at_us).collect() };
        assert_eq!(times(None), [50, 40, 30, 20, 10]);
        assert_eq!(times(Some(Kind::Settings)), [30, 10]);
        assert_eq!(times(Some(Kind::Deploy)), [50, 20], "new code and a new server");
        assert_eq!(times(Some(Kind::Process)), [40]);
        assert_eq!(entries(&[], &happenings, Some(Kind::Settings)).len(), 1, "without revisions it is told after all");
    }
}
