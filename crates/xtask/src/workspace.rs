//! Where things are in the workspace, and how cargo is called there. Does not know what is built or why.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The directory that holds the root `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.ancestors().nth(2).map_or_else(|| own.clone(), PathBuf::from)
}

/// Cargo's target directory: `$CARGO_TARGET_DIR`, else `target` in the workspace.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(chosen) => root().join(chosen),
        None => root().join("target"),
    }
}

/// A directory under [`target`], created when it is missing.
pub(crate) fn target_directory(name: &str) -> Result<PathBuf> {
    let path = target().join(name);
    fs::create_dir_all(&path).with_context(|| format!("cannot create the directory {}", path.display()))?;
    Ok(path)
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// The two profiles that xtask builds Hostler with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// Quick to build: for tests.
    Dev,
    /// Quick to run: for the demo and the benchmarks.
    Bench,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Bench => "bench",
        }
    }

    /// Cargo names the directories of these two profiles otherwise than the profiles.
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Bench => "release",
        }
    }
}

/// What is built of Hostler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What a server needs.
    Server,
    /// That, and the desktop application.
    Desktop,
    /// All of the workspace and its tests. What tests depend on adds features to shared dependencies: whoever runs
    /// `cargo test` as well builds half as much if the commands are built with the same ones.
    Tests,
}

/// The packages of [`Extent::Server`].
const SERVER: [&str; 6] = ["-p", "hostler", "-p", "hostler-worker", "-p", "hostlerd"];

/// Builds the `hostler` command, the Python extension, the daemon `hostlerd`, and `hostler-manager` if it is wanted,
/// which cargo puts beside each other, and returns the path of the command.
pub(crate) fn build_hostler(profile: Profile, extent: Extent) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--profile", profile.name()]);
    match extent {
        Extent::Server => command.args(SERVER),
        Extent::Desktop => command.args(SERVER).args(["-p", "hostler-manager"]),
        Extent::Tests => command.args(["--workspace", "--lib", "--bins", "--tests"]),
    };
    run(&mut command)?;
    Ok(target().join(profile.directory()).join("hostler"))
}

/// Runs `command` with our own input and output. An exit code other than zero is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// The command as a person would type it, without quoting.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
