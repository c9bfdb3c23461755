//! What an instance knows while it sleeps. systemd empties its store of descriptors when the service leaves, so what was counted and what the
//! instance was like is left in a file of its cache directory (`CacheDirectory=`), which the next start takes away.
//!
//! The file is `.hostler-asleep`: magic "HOSTLERS", u32 length of what was counted (little-endian), that as JSON, then what it was like (`past`).
//! The application may write there, too: what is read is checked, and nothing but a plain file is opened.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use hostler_router::Statistics;
use hostler_systemd::Environment;
use rustix::fs::{Mode, OFlags, open};

use super::kept::{self, Before, STATISTICS_ROOM};
use super::past;

const FILE: &str = ".hostler-asleep";
const MAGIC: [u8; 8] = *b"HOSTLERS";
/// A longer file is not ours.
const MOST: u64 = STATISTICS_ROOM + past::ROOM + 64;

/// Where the file is, for a service that has a cache directory.
pub(super) fn place(environment: &Environment) -> Option<PathBuf> {
    let directories = environment.get("CACHE_DIRECTORY")?.to_str()?;
    // Several are separated by colons (systemd.exec(5)); the first is the instance's own.
    let first = directories.split(':').next().filter(|first| first.starts_with('/'))?;
    environment.get("NOTIFY_SOCKET").map(|_| Path::new(first).join(FILE))
}

/// Leaves it for the next start.
///
/// # Errors
/// When the file cannot be written; then there is none.
pub(super) fn leave(place: &Path, statistics: &Statistics, past: &[u8]) -> io::Result<()> {
    let statistics = serde_json::to_vec(statistics)?;
    let length = u32::try_from(statistics.len()).map_err(io::Error::other)?;
    let unfinished = place.with_extension("new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let written = || {
        let mut file = File::from(open(&unfinished, flags, Mode::RUSR | Mode::WUSR)?);
        for part in [&MAGIC[..], &length.to_le_bytes(), &statistics, past] {
            file.write_all(part)?;
        }
        std::fs::rename(&unfinished, place)
    };
    written().inspect_err(|_| {
        // Whatever was begun; there may be nothing.
        let _removed = std::fs::remove_file(&unfinished);
    })
}

/// Takes what was left, and removes it: it is true of one start only. What cannot be used is told of.
pub(super) fn take(place: &Path) -> Before {
    let read = || {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(place, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes)?;
        std::fs::remove_file(place)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => parts(&bytes).unwrap_or_else(|| {
            tracing::warn!(file = %place.display(), "what was kept while the instance slept is not what was left: it begins anew");
            Before::default()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Before::default(),
        Err(error) => {
            tracing::warn!(file = %place.display(), %error, "what was kept while the instance slept cannot be had: it begins anew");
            Before::default()
        }
    }
}

fn parts(bytes: &[u8]) -> Option<Before> {
    let rest = bytes.strip_prefix(&MAGIC).filter(|_| bytes.len() as u64 <= MOST)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (statistics, past) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some(Before { statistics: kept::counted(statistics), past: kept::remembered(past) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use hostler_bus::EventKind;

    use super::super::events::Events;
    use super::super::past::Ending;
    use super::super::samples::Spans;
    use super::*;

    fn past() -> Vec<u8> {
        let mut events = Events::default();
        events.add(EventKind::Asleep, 1, "asleep");
        past::write(Ending::Asleep, 9, &Spans::default(), &events)
    }

    #[test]
    fn what_is_left_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(FILE);
        let statistics = Statistics { accepted: 12, ..Statistics::default() };
        assert!(take(&place).is_empty());
        leave(&place, &statistics, &past()).unwrap();
        leave(&place, &statistics, &past()).unwrap();
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let before = take(&place);
        assert_eq!(before.statistics, Some(statistics));
        assert_eq!(before.past.map(|past| (past.ending, past.events.len())), Some((Ending::Asleep, 1)));
        assert!(take(&place).is_empty());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_another_left_there_is_not_taken_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(FILE);
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        symlink(&secret, &place).unwrap();
        assert!(take(&place).is_empty() && secret.exists());
        std::fs::remove_file(&place).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &place, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(take(&place).is_empty(), "and nobody waits for it");
        std::fs::remove_file(&place).unwrap();
        leave(&place, &Statistics::default(), &past()).unwrap();
        let whole = std::fs::read(&place).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&place, &whole[..length]).unwrap();
            assert!(take(&place).past.is_none(), "{length}");
        }
        assert!(leave(&directory.path().join("absent/file"), &Statistics::default(), &past()).is_err());
    }

    #[test]
    fn only_a_service_has_a_place() {
        let of = |variables: &[(&str, &str)]| -> Option<PathBuf> {
            place(&variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
        };
        let notify = ("NOTIFY_SOCKET", "/run/systemd/notify");
        let cache = ("CACHE_DIRECTORY", "/var/cache/hostler/shop:/var/cache/other");
        assert_eq!(of(&[notify, cache]), Some(PathBuf::from("/var/cache/hostler/shop/.hostler-asleep")));
        assert_eq!((of(&[cache]), of(&[notify]), of(&[notify, ("CACHE_DIRECTORY", "")])), (None, None, None));
    }
}
