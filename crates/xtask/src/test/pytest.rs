//! The parts that pytest runs: the end-to-end tests of the built server, and those on systems that systemd boots.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Outcome, Steps, junit, roots};
use crate::install;
use crate::packages::{self, Need, Sign};
use crate::screen;
use crate::venv::Venv;
use crate::workspace::{self, Extent, Profile};

/// The directory of those that need a system of their own.
const SYSTEMD: &str = "systemd";

/// What each of them needs.
struct Prepared {
    hostler: PathBuf,
    venv: Venv,
}

impl Prepared {
    /// Builds the server, and makes the virtual environment; `None` when the steps that failed say all.
    fn new(steps: &mut Steps, extent: Extent) -> Option<Self> {
        let mut hostler = None;
        steps.run("build hostler", || {
            hostler = Some(workspace::build_hostler(Profile::Dev, extent)?);
            Ok(Outcome::Passed)
        });
        let mut venv = None;
        steps.run("virtual environment", || {
            Ok(match Venv::from_file("tests", &tests().join("requirements.txt")) {
                Ok(made) => {
                    venv = Some(made);
                    Outcome::Passed
                }
                Err(error) => Outcome::Skipped(vec![format!("all of pytest: {error:#}")]),
            })
        });
        Some(Self { hostler: hostler?, venv: venv? })
    }

    /// Runs pytest, and reads which tests it skipped from the report called `name`.
    fn run(
        &self,
        name: &str,
        arguments: &[&OsStr],
        passed_on: &[String],
        environment: &[(&str, &Path)],
    ) -> Result<Outcome> {
        let report = workspace::target_directory("test")?.join(format!("{name}.xml"));
        let mut command = Command::new(self.venv.program("python"));
        command.args(["-m", "pytest", "-rs", "--junit-xml"]).arg(&report).args(arguments).args(passed_on);
        command.current_dir(tests()).env("HOSTLER", &self.hostler).envs(environment.iter().copied());
        workspace::run(&mut command)?;
        Ok(match junit::skipped(&fs::read_to_string(&report)?) {
            names if names.is_empty() => Outcome::Passed,
            names => Outcome::Skipped(names),
        })
    }
}

/// The built `hostler` with real applications.
pub(super) fn end_to_end(steps: &mut Steps, extent: Extent, passed_on: &[String]) {
    let Some(prepared) = Prepared::new(steps, extent) else { return };
    // Tests that miss one of these are skipped by name.
    steps.run("Debian packages", || {
        let mut needs = vec![
            Need::program("chromium"),
            Need::program("dbus-daemon"),
            Need { package: "systemd", sign: Sign::Program("systemd-stdio-bridge") },
            // The manager's window, its keys, its pictures, and its words for screen readers.
            Need::program("xdotool"),
            Need::program("scrot"),
            Need { package: "at-spi2-core", sign: Sign::File("/usr/libexec/at-spi-bus-launcher") },
        ];
        needs.extend(screen::NEEDS);
        Ok(match packages::ensure(&needs) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Skipped(vec![format!("{error:#}")]),
        })
    });
    steps.run("pytest", || prepared.run("pytest", &["--ignore".as_ref(), SYSTEMD.as_ref()], passed_on, &[]));
}

/// The installed tree on real systems: systemd as the first process of each release that is supported.
pub(super) fn systemd(steps: &mut Steps, extent: Extent, passed_on: &[String]) {
    let mut roots = None;
    steps.run("roots of Debian", || {
        if !rustix::process::geteuid().is_root() {
            return Ok(Outcome::Skipped(vec!["all of systemd: it takes root to boot a system".to_owned()]));
        }
        Ok(match roots::ensure() {
            Ok(made) => {
                roots = Some(made);
                Outcome::Passed
            }
            Err(error) => Outcome::Skipped(vec![format!("all of systemd: {error:#}")]),
        })
    });
    let Some(roots) = roots else { return };
    let Some(prepared) = Prepared::new(steps, extent) else { return };
    steps.run("systemd", || {
        let tree = workspace::target_directory("test/installed")?;
        fs::remove_dir_all(&tree)?;
        install::tree(&prepared.hostler, &tree, Path::new("/usr"))?;
        let environment = [("HOSTLER_ROOTS", roots.as_path()), ("HOSTLER_TREE", tree.as_path())];
        // Arguments such as -k do not name files, but files may be among them.
        let arguments: &[&OsStr] = if names_a_file(passed_on) { &[] } else { &[SYSTEMD.as_ref()] };
        prepared.run("systemd", arguments, passed_on, &environment)
    });
}

fn names_a_file(passed_on: &[String]) -> bool {
    passed_on.iter().any(|argument| argument.starts_with("systemd/"))
}

fn tests() -> PathBuf {
    workspace::root().join("tests")
}
