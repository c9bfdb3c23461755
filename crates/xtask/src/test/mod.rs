//! `cargo xtask test`: every test of the project, in steps, with one table at the end. A step that fails does not stop
//! the others; a step or a test that cannot run on this machine is named.

mod junit;
mod pytest;
mod roots;

use std::fmt::{self, Display};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::packages::{self, Need, Sign};
use crate::workspace::{self, Extent, Profile};

/// Runs what `arguments` ask for: names of parts, `--no-skip`, and after `--` arguments for the tool of the one part.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let mut steps = Steps::default();
    if options.has(Part::Rust) {
        rust(&mut steps, &options.passed_on);
    }
    if options.has(Part::Loom) {
        loom(&mut steps, &options.passed_on);
    }
    if options.has(Part::Python) {
        pytest::end_to_end(&mut steps, options.extent(), &options.passed_on);
    }
    if options.has(Part::Systemd) {
        pytest::systemd(&mut steps, options.extent(), &options.passed_on);
    }
    println!("\n{steps}");
    Ok(steps.verdict(options.no_skip))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Rust,
    Python,
    Loom,
    Systemd,
}

struct Options {
    /// Empty: all of them.
    parts: Vec<Part>,
    no_skip: bool,
    passed_on: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { parts: Vec::new(), no_skip: false, passed_on: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "rust" => options.parts.push(Part::Rust),
                "python" => options.parts.push(Part::Python),
                "loom" => options.parts.push(Part::Loom),
                "systemd" => options.parts.push(Part::Systemd),
                "--no-skip" => options.no_skip = true,
                "--" => options.passed_on = rest.by_ref().cloned().collect(),
                unknown => bail!("test: {unknown:?} is neither a part (rust, python, loom, systemd) nor --no-skip"),
            }
        }
        if !options.passed_on.is_empty() && options.parts.len() != 1 {
            bail!(
                "test: arguments after -- need exactly one part before it, for example: cargo xtask test python -- -k upload"
            );
        }
        Ok(options)
    }

    fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// What the parts together need built: one extent for all, as another one has other features and is built again.
    fn extent(&self) -> Extent {
        if self.has(Part::Rust) {
            Extent::Tests
        } else if self.has(Part::Python) {
            Extent::Desktop
        } else {
            Extent::Server
        }
    }
}

/// A bus of one's own and clients that are not ours; what distributions look through a desktop application's files with.
const RUST_NEEDS: [Need; 5] = [
    Need { package: "desktop-file-utils", sign: Sign::Program("desktop-file-validate") },
    Need { package: "appstream", sign: Sign::Program("appstreamcli") },
    Need::program("dbus-daemon"),
    Need { package: "libglib2.0-bin", sign: Sign::Program("gdbus") },
    Need { package: "systemd", sign: Sign::Program("busctl") },
];

/// Formatting, lints and the tests of the crates. With arguments for `cargo test`, only those.
fn rust(steps: &mut Steps, passed_on: &[String]) {
    if !passed_on.is_empty() {
        steps.run("cargo test", || passed(workspace::cargo().arg("test").args(passed_on)));
        return;
    }
    steps.run("rustfmt", || match component("fmt", "rustfmt") {
        Some(missing) => Ok(missing),
        None => passed(workspace::cargo().args(["fmt", "--all", "--check"])),
    });
    steps.run("clippy", || match component("clippy", "clippy") {
        Some(missing) => Ok(missing),
        None => {
            // With the pictures of the manager, which are built for this feature alone.
            let all = ["clippy", "--workspace", "--all-targets", "--features", "hostler-manager/example"];
            passed(workspace::cargo().args(all).args(["--", "-D", "warnings"]))
        }
    });
    steps.run("Debian packages", || {
        Ok(match packages::ensure(&RUST_NEEDS) {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                Outcome::Skipped(vec![format!("what the tests of hostlerd and of the desktop files need: {error:#}")])
            }
        })
    });
    steps.run("cargo test", || {
        // Tests of the manager start the commands, and build them only if nobody did.
        let hostler = workspace::build_hostler(Profile::Dev, Extent::Tests)?;
        passed(workspace::cargo().args(["test", "--workspace", "--no-fail-fast"]).env("HOSTLER", hostler))
    });
}

/// Every interleaving of the exchange's atomics that loom can think of. Built apart, because `--cfg loom` changes
/// every crate, and optimised, because the search is long; the slow link of the release profile buys nothing here.
fn loom(steps: &mut Steps, passed_on: &[String]) {
    let mut command = workspace::cargo();
    command.args(["test", "-p", "hostler-exchange", "--release", "--lib"]);
    if workspace::root().join("crates/exchange/tests/loom.rs").exists() {
        command.args(["--test", "loom"]);
    }
    command.arg("--target-dir").arg(workspace::target().join("loom"));
    command.env("RUSTFLAGS", "--cfg loom");
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    steps.run("loom", || {
        passed(command.arg("--").args(passed_on))?;
        // A wrong `cfg` would leave no test at all, which looks just as good as all of them passing.
        let listed = command.arg("--list").stderr(Stdio::null()).output()?;
        let is_test = |line: &str| line.ends_with(": test");
        Ok(if String::from_utf8_lossy(&listed.stdout).lines().any(is_test) {
            Outcome::Passed
        } else {
            Outcome::Skipped(vec!["crates/exchange has no test under --cfg loom".to_owned()])
        })
    });
}

/// Adds a component of the Rust toolchain when cargo cannot call it; says what is skipped when that fails.
fn component(subcommand: &str, name: &str) -> Option<Outcome> {
    let answers = || {
        let mut command = workspace::cargo();
        command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        workspace::run(&mut command).is_ok()
    };
    if answers() {
        return None;
    }
    // The outcome is seen by asking again: without rustup the command cannot even start.
    let _ = workspace::run(Command::new("rustup").args(["component", "add", name]));
    (!answers()).then(|| Outcome::Skipped(vec![format!("{name}: install it with: rustup component add {name}")]))
}

fn passed(command: &mut Command) -> Result<Outcome> {
    workspace::run(command).map(|()| Outcome::Passed)
}

enum Outcome {
    Passed,
    Failed(String),
    /// What was skipped, each with its reason.
    Skipped(Vec<String>),
}

struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// What was run, in order. Shown as the table at the end.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<Outcome>) {
        println!("\n== {name}");
        let began = Instant::now();
        let outcome = work().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        self.0.push(Step { name, outcome, took: began.elapsed() });
    }

    fn verdict(&self, no_skip: bool) -> ExitCode {
        let is_good = |step: &Step| match step.outcome {
            Outcome::Passed => true,
            Outcome::Failed(_) => false,
            Outcome::Skipped(_) => !no_skip,
        };
        if self.0.iter().all(is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Display for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { name, outcome, took } in &self.0 {
            let result = match outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed(_) => "FAILED".to_owned(),
                Outcome::Skipped(what) => format!("skipped {}", what.len()),
            };
            writeln!(out, "{name:<22} {result:<12} {:>7.1} s", took.as_secs_f64())?;
        }
        for Step { name, outcome, .. } in &self.0 {
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed(why) => writeln!(out, "failed: {name}: {why}")?,
                Outcome::Skipped(what) => what.iter().try_for_each(|what| writeln!(out, "skipped: {name}: {what}"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn no_part_means_all_parts() {
        let options = parse(&["--no-skip"]).unwrap();
        assert!(options.no_skip && options.has(Part::Rust) && options.has(Part::Python) && options.has(Part::Loom));
    }

    #[test]
    fn one_extent_serves_all_parts_of_a_run() {
        assert_eq!(parse(&[]).unwrap().extent(), Extent::Tests);
        assert_eq!(parse(&["python", "systemd"]).unwrap().extent(), Extent::Desktop);
        assert_eq!(parse(&["systemd"]).unwrap().extent(), Extent::Server);
    }

    #[test]
    fn arguments_for_a_tool_need_one_part() {
        assert_eq!(parse(&["python", "--", "-k", "upload"]).unwrap().passed_on, ["-k", "upload"]);
        assert!(parse(&["--", "-k", "upload"]).is_err());
        assert!(parse(&["rust", "python", "--", "x"]).is_err());
    }

    #[test]
    fn a_skip_fails_only_where_it_is_forbidden() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(Outcome::Skipped(vec!["nothing here".to_owned()])));
        assert_eq!(steps.verdict(false), ExitCode::SUCCESS);
        assert_eq!(steps.verdict(true), ExitCode::FAILURE);
    }
}
