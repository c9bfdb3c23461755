//! The file with the server's process id. It is one server's at a time: while the process in it lives it is left alone, and only what holds the own
//! number is removed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// More is no process number.
const LONGEST: u64 = 64;

/// The file, while it is this process's.
pub(super) struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Writes it; without a path there is none. What a process left there that is gone is replaced, in one step.
    ///
    /// # Errors
    /// When it belongs to a process that runs, or is no such file, or cannot be written; for people.
    pub(super) fn write(path: Option<&Path>) -> Result<Self, String> {
        let Some(given) = path else { return Ok(Self(None)) };
        let failed = |error: io::Error| format!("pidfile {} cannot be written: {error}", given.display());
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(given).or_else(|_| std::path::absolute(given)).map_err(failed)?;
        match read(&path).map_err(failed)? {
            Content::Nothing => {}
            Content::Process(pid) if pid.as_raw_nonzero().get().unsigned_abs() == std::process::id() => {}
            Content::Process(pid) => {
                if let Some(name) = living(pid) {
                    return Err(format!(
                        "pidfile {} is that of process {pid} ({name}), which runs: stop it, or name another file; if that is no server, \
                         the file was left over, and is to be removed",
                        given.display()
                    ));
                }
            }
            Content::Other => {
                return Err(format!(
                    "pidfile {} is there already, and holds no process number: name another file, or remove it",
                    given.display()
                ));
            }
        }
        replace(&path).map_err(failed)?;
        Ok(Self(Some(path)))
    }

    /// Removes it now, unless another process has put its number there.
    pub(super) fn remove(&mut self) {
        if let Some(path) = self.0.take()
            && let Ok(Content::Process(pid)) = read(&path)
            && pid.as_raw_nonzero().get().unsigned_abs() == std::process::id()
        {
            // It may be gone already, which is what is wanted.
            let _removed = fs::remove_file(path);
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What is in such a file.
enum Content {
    /// There is none, or it is empty.
    Nothing,
    Process(Pid),
    /// Something that no server wrote.
    Other,
}

fn read(path: &Path) -> io::Result<Content> {
    match fs::metadata(path) {
        // Opening another kind might wait, or do something.
        Ok(found) if !found.is_file() => return Ok(Content::Other),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Nothing),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let number = text.trim().parse().ok().filter(|number| *number > 0).and_then(Pid::from_raw);
    Ok(match number {
        Some(pid) => Content::Process(pid),
        None if text.trim().is_empty() => Content::Nothing,
        None => Content::Other,
    })
}

/// The name of a process that lives. One that only waits for its parent to take note of its end does not.
fn living(pid: Pid) -> Option<String> {
    match test_kill_process(pid) {
        // Another user's.
        Ok(()) | Err(Errno::PERM) => {}
        Err(_) => return None,
    }
    // `4711 (name) S 1 …`: the name may have spaces and brackets (proc_pid_stat(5)).
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (before, state) = stat.rsplit_once(')').unwrap_or_default();
    if state.trim_start().starts_with(['Z', 'X']) {
        return None;
    }
    Some(before.split_once('(').map_or_else(|| "of an unknown name".to_owned(), |(_, name)| name.to_owned()))
}

/// Puts the own number there, whole or not at all.
fn replace(path: &Path) -> io::Result<()> {
    let own = std::process::id();
    let text = format!("{own}\n");
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let beside = path.with_file_name(format!(".{}.{own}", name.to_string_lossy()));
    let written = || {
        // Of a process that had this number before, and was killed in between.
        let _left_over = fs::remove_file(&beside);
        File::create_new(&beside)?.write_all(text.as_bytes())?;
        fs::rename(&beside, path)
    };
    match written() {
        // A file that was made for this user in a directory that is not.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => fs::write(path, text),
        Err(error) => {
            let _left_over = fs::remove_file(&beside);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn own() -> String {
        format!("{}\n", std::process::id())
    }

    /// A process that lives until its standard input is closed.
    fn other() -> Child {
        let _alone = crate::CHILDREN.write();
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn it_is_written_and_removed_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let mut child = other();
        let dead = format!("{}\n", child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        for before in [None, Some(String::new()), Some(own()), Some(dead)] {
            if let Some(before) = &before {
                fs::write(&path, before).unwrap();
            }
            let written = PidFile::write(Some(&path)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), own(), "{before:?}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
            drop(written);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn that_of_a_process_that_runs_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let mut child = other();
        let theirs = format!("{}\n", child.id());
        fs::write(&path, &theirs).unwrap();
        let refused = PidFile::write(Some(&path)).err().unwrap();
        let said = format!("is that of process {} (cat), which runs: stop it", child.id());
        assert!(refused.contains(&said) && refused.contains(path.to_str().unwrap()), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);

        // One that has ended and that nobody has asked about yet does not run.
        drop(child.stdin.take());
        let pidfd = rustix::process::pidfd_open(Pid::from_child(&child), rustix::process::PidfdFlags::empty()).unwrap();
        rustix::event::poll(&mut [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)], None).unwrap();
        let written = PidFile::write(Some(&path)).unwrap();
        child.wait().unwrap();

        // Another takes the name meanwhile: it is theirs.
        fs::write(&path, &theirs).unwrap();
        drop(written);
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    }

    #[test]
    fn what_is_no_pidfile_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.py");
        for text in ["import os\n", "0\n", "-1\n", "12 13\n"] {
            fs::write(&path, text).unwrap();
            let refused = PidFile::write(Some(&path)).err().unwrap();
            assert!(refused.contains("holds no process number"), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(PidFile::write(Some(Path::new("/dev/null"))).is_err());
        let absent = PidFile::write(Some(&directory.path().join("absent/pid"))).err().unwrap();
        assert!(absent.contains("cannot be written: No such file"), "{absent}");
    }

    #[test]
    fn a_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("pid"), directory.path().join("link"));
        fs::write(&path, "").unwrap();
        symlink(&path, &link).unwrap();
        let written = PidFile::write(Some(&link)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own());
        assert!(link.is_symlink());
        drop(written);
        assert!(link.is_symlink() && !path.exists());
    }
}
