//! The commands by which systemd takes notice. Where systemd does not run (a container, an image), files are all there is, and
//! enabling is done by the command on the files.

use std::ffi::OsStr;
use std::io::stderr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use hostler_instances::{Places, Scope};

use super::{Refusal, Report, Target};

/// Whether this directory is there says whether systemd runs the system (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// What there is to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Systemd {
    /// It runs.
    Runs,
    /// It does not run here; its command is installed or is not.
    Sleeps { installed: bool },
    /// The files are those of an image.
    Image,
}

/// The systemd of a scope.
#[derive(Debug)]
pub(crate) struct Manager<'a> {
    places: &'a Places,
    systemd: Systemd,
}

impl<'a> Manager<'a> {
    pub(crate) fn of(target: &'a Target) -> Result<Self, Refusal> {
        let systemd = if target.places.is_image() {
            Systemd::Image
        } else if Path::new(BOOTED).is_dir() {
            Systemd::Runs
        } else {
            Systemd::Sleeps { installed: installed(target.search_path.as_deref()) }
        };
        let manager = Self { places: &target.places, systemd };
        if target.start && systemd != Systemd::Runs {
            return Err(Refusal::usage(
                "--start: systemd does not run here, so that nothing can be started. Leave it out; --enable has the instance \
                 started when the system boots",
            ));
        }
        Ok(manager)
    }

    /// Whether there is somebody to ask.
    pub(crate) fn runs(&self) -> bool {
        self.systemd == Systemd::Runs
    }

    /// That files of units changed.
    pub(crate) fn notice(&self) -> Vec<Vec<String>> {
        if self.runs() { vec![self.command(&["daemon-reload"])] } else { Vec::new() }
    }

    /// That a socket is to listen, from the next boot on, from now on, or both.
    pub(crate) fn begin(&self, socket: &str, enable: bool, start: bool) -> Result<Vec<Vec<String>>, Refusal> {
        let words: &[&str] = match (enable, start) {
            (true, true) => &["enable", "--now", socket],
            (true, false) => &["enable", socket],
            (false, true) => &["start", socket],
            (false, false) => return Ok(Vec::new()),
        };
        self.can_enable()?;
        Ok(vec![self.command(words)])
    }

    /// That the units are stopped, and no longer started at boot.
    pub(crate) fn end(&self, units: &[&str]) -> Vec<Vec<String>> {
        match self.systemd {
            Systemd::Runs => vec![self.command(&[&["disable", "--now"], units].concat())],
            Systemd::Sleeps { installed: true } | Systemd::Image if self.can_enable().is_ok() => {
                vec![self.command(&[&["disable"], units].concat())]
            }
            _ => Vec::new(),
        }
    }

    /// That systemd forgets how these units failed: it would go on listing them, though nothing of them is there any more.
    pub(crate) fn forget(&self, units: &[&str]) -> Vec<Vec<String>> {
        let failed: Vec<&str> = units.iter().copied().filter(|unit| self.runs() && self.has_failed(unit)).collect();
        // A unit that is not loaded could not be named here.
        if failed.is_empty() { Vec::new() } else { vec![self.command(&[&["reset-failed"], &failed[..]].concat())] }
    }

    fn has_failed(&self, unit: &str) -> bool {
        let words = self.command(&["is-failed", "--quiet", unit]);
        let Some((program, words)) = words.split_first() else { return false };
        Command::new(program).args(words).status().is_ok_and(|status| status.success())
    }

    fn can_enable(&self) -> Result<(), Refusal> {
        match self.systemd {
            Systemd::Sleeps { installed: false } => {
                Err(Refusal::usage("--enable: there is no systemctl in $PATH. Install systemd, or leave --enable out"))
            }
            Systemd::Image if self.places.scope() == Scope::User => Err(Refusal::usage(
                "--enable: units of a user cannot be enabled in an image. Leave it out; the user enables them: systemctl --user enable",
            )),
            _ => Ok(()),
        }
    }

    /// `systemctl`, for this scope.
    pub(crate) fn command(&self, words: &[&str]) -> Vec<String> {
        let mut command = vec!["systemctl".to_owned()];
        if self.places.is_image() {
            command.push(format!("--root={}", self.places.root().display()));
        }
        if self.places.scope() == Scope::User {
            command.push("--user".to_owned());
        }
        command.extend(words.iter().map(|&word| word.to_owned()));
        command
    }
}

fn installed(search_path: Option<&OsStr>) -> bool {
    search_path.is_some_and(|path| std::env::split_paths(path).any(|directory| directory.join("systemctl").is_file()))
}

/// Runs commands, each only if the one before it did what it should.
pub(crate) fn run(commands: &[Vec<String>], report: &mut Report) -> Result<(), Refusal> {
    for command in commands {
        let line = command.join(" ");
        report.command(command);
        let (program, words) = command.split_first().ok_or_else(|| Refusal::system("no command"))?;
        let mut command = Command::new(program);
        command.args(words);
        if report.is_for_a_program() {
            // Standard output is for the answer.
            let errors = stderr()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| Refusal::system(format!("standard error: {error}")))?;
            command.stdout(Stdio::from(errors));
        }
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(Refusal::system(format!(
                    "`{line}` failed ({status}), and what comes after it was not done. When the cause is mended, run this again"
                )));
            }
            Err(error) => {
                return Err(Refusal::system(format!(
                    "`{line}` cannot be run: {error}. What comes after it was not done"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(places: &Places, systemd: Systemd) -> Manager<'_> {
        Manager { places, systemd }
    }

    fn lines(commands: Vec<Vec<String>>) -> Vec<String> {
        commands.iter().map(|command| command.join(" ")).collect()
    }

    #[test]
    fn systemd_is_told_in_its_scope() {
        let system = Places::system(Path::new("/"), Path::new("/usr"));
        let user = Places::user(Path::new("/"), Path::new("/usr"), Path::new("/c"), Path::new("/r"));
        let image = Places::system(Path::new("/image"), Path::new("/usr"));
        let runs = manager(&system, Systemd::Runs);
        assert_eq!(lines(runs.notice()), ["systemctl daemon-reload"]);
        assert_eq!(lines(runs.begin("s", true, true).unwrap()), ["systemctl enable --now s"]);
        assert_eq!(lines(runs.begin("s", false, true).unwrap()), ["systemctl start s"]);
        assert_eq!(lines(runs.begin("s", false, false).unwrap()), [""; 0]);
        assert_eq!(lines(runs.end(&["s", "t"])), ["systemctl disable --now s t"]);
        let runs = manager(&user, Systemd::Runs);
        assert_eq!(lines(runs.begin("s", true, false).unwrap()), ["systemctl --user enable s"]);
        let image = manager(&image, Systemd::Image);
        assert_eq!(lines(image.notice()), [""; 0]);
        assert_eq!(lines(image.begin("s", true, false).unwrap()), ["systemctl --root=/image enable s"]);
        assert_eq!(lines(image.end(&["s"])), ["systemctl --root=/image disable s"]);
    }

    #[test]
    fn without_systemd_there_is_little_to_do() {
        let system = Places::system(Path::new("/"), Path::new("/usr"));
        let sleeps = manager(&system, Systemd::Sleeps { installed: false });
        assert_eq!((lines(sleeps.notice()), lines(sleeps.end(&["s"]))), (Vec::new(), Vec::new()));
        assert!(sleeps.begin("s", true, false).unwrap_err().message.contains("no systemctl in $PATH"));
        let sleeps = manager(&system, Systemd::Sleeps { installed: true });
        assert_eq!(lines(sleeps.begin("s", true, false).unwrap()), ["systemctl enable s"]);
    }
}
