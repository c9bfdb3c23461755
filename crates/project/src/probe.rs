//! Asks an interpreter what it is, by running it once.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;

/// How long an interpreter may take to start. A cold disk takes a second or two.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// As much of its output as is looked at, each of standard output and standard error: what a pipe holds (pipe(7)).
const OUTPUT_LIMIT: u64 = 65_536;

/// Works with any Python from 2.7 on, so that an old one can say that it is old. `_multiarch` is what the interpreter
/// was built for; `platform.machine()` is only what the kernel is.
const QUESTION: &str = r#"
import json, platform, struct, sys
build = getattr(getattr(sys, "implementation", None), "_multiarch", "") or platform.machine()
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "implementation": platform.python_implementation().lower(),
    "pointer_bits": struct.calcsize("P") * 8,
    "machine": build.split("-")[0],
    "free_threaded": "t" in getattr(sys, "abiflags", ""),
    "prefix": sys.prefix,
    "base_prefix": getattr(sys, "base_prefix", sys.prefix),
    "executable": sys.executable,
}))
"#;

/// What an interpreter says of itself.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// As `sys.version_info`: major, minor, micro.
    pub version: (u32, u32, u32),
    /// As `sys.implementation.name`.
    pub implementation: String,
    /// 32 or 64.
    pub pointer_bits: u32,
    /// As `platform.machine()`.
    pub machine: String,
    /// Whether it has no global lock.
    pub free_threaded: bool,
    /// As `sys.prefix`.
    pub prefix: PathBuf,
    /// As `sys.base_prefix`.
    pub base_prefix: PathBuf,
    /// `sys.executable`: what is behind a launcher such as a shim of pyenv.
    pub executable: Option<PathBuf>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("{0}. There is no such interpreter")]
    Missing(io::Error),
    #[error("{0}. The file is not executable, or a directory on its way may not be entered")]
    Denied(io::Error),
    #[error("{0}. It is no program of this machine: another architecture, or no program at all")]
    Format(io::Error),
    #[error("cannot be run: {0}")]
    Run(io::Error),
    #[error("did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("does not answer as a Python does ({ended}){}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Nonsense { ended: String, said: String },
}

/// Runs the interpreter and reads its answer. Neither the environment (`-E`, `-s`) nor the current directory can put
/// other modules in the place of Python's own; `-I` would say the same, but Python 2 does not know it.
pub fn ask(python: &Path) -> Result<Answer, Error> {
    ask_within(python, TIME_LIMIT)
}

fn ask_within(python: &Path, limit: Duration) -> Result<Answer, Error> {
    let mut child = Command::new(python)
        .args(["-E", "-s", "-c", QUESTION])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Error::Missing(error),
            Some(rustix::io::Errno::ACCESS) => Error::Denied(error),
            Some(rustix::io::Errno::NOEXEC) => Error::Format(error),
            _ => Error::Run(error),
        })?;
    let ended = ended_within(&child, limit);
    if !matches!(ended, Ok(true)) {
        // It may have ended meanwhile, so a failure to kill it means nothing.
        let _ = child.kill();
    }
    let status = child.wait().map_err(Error::Run)?;
    if !ended.map_err(Error::Run)? {
        return Err(Error::Slow(limit));
    }
    let output = text(child.stdout.take());
    let answer = output.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    answer.ok_or_else(|| {
        let errors = text(child.stderr.take());
        // The last line of a traceback is the one that says what is wrong.
        let said = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        Error::Nonsense { ended: status.to_string(), said }
    })
}

/// Whether a process ends within `limit`.
pub fn ended_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    let mut descriptors = [PollFd::new(&process, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut descriptors, Some(&limit)))? > 0)
}

/// What a process that has ended left in a pipe. A child of it may hold the pipe open, so the end is not waited for.
pub fn text(pipe: Option<impl Read + AsFd>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe
        && rustix::io::ioctl_fionbio(&pipe, true).is_ok()
    {
        // An error is the end of what is there; what was read before it is kept.
        let _ = pipe.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Held by tests that write executables and run them. Without it, a fork in one test could inherit the descriptor that
/// another writes its script through, and execve(2) would answer ETXTBSY.
#[cfg(test)]
pub static EXECUTABLES: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn ask_script(text: &str, limit: Duration) -> Result<Answer, Error> {
        let _alone = EXECUTABLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("python");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        ask_within(&path, limit)
    }

    #[test]
    fn the_python_of_this_machine_answers() {
        let Some(path) =
            ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().map(Path::new).find(|path| path.exists())
        else {
            eprintln!("skipped: no python3 here");
            return;
        };
        let _alone = EXECUTABLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let answer = ask(path).unwrap();
        assert_eq!(
            (answer.version.0, answer.implementation.as_str(), answer.pointer_bits),
            (3, "cpython", usize::BITS)
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let error = ask_script("#!/bin/sh\nexec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Slow(_)), "{error}");
        // One that writes more than a pipe holds does not end either.
        let error = ask_script("#!/bin/sh\nexec yes", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Slow(_)), "{error}");
    }

    #[test]
    fn a_child_that_keeps_the_pipe_is_not_waited_for() {
        let error = ask_script("#!/bin/sh\nsleep 3 &\necho hello", TIME_LIMIT).unwrap_err();
        assert!(matches!(error, Error::Nonsense { .. }), "{error}");
    }

    #[test]
    fn other_programs_are_told_with_what_they_say() {
        let error =
            ask_script("#!/bin/sh\necho first >&2\necho 'ImportError: no json' >&2\nexit 1", TIME_LIMIT).unwrap_err();
        assert_eq!(error.to_string(), "does not answer as a Python does (exit status: 1): ImportError: no json");
        let error = ask_script("not a program\0", TIME_LIMIT).unwrap_err();
        assert!(matches!(error, Error::Format(_)), "{error}");
    }
}
