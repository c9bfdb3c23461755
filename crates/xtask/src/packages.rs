//! Programs and headers that come from the distribution: finds out what is missing, and installs it when it may.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace;

/// Something that a step needs from the distribution.
pub(crate) struct Need {
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    /// How to see that it is there.
    pub(crate) sign: Sign,
}

/// How to see that a package is there, however it came.
pub(crate) enum Sign {
    /// A program of this name on the path.
    Program(&'static str),
    /// A file at this path.
    File(&'static str),
    /// A library of this file name that programs can load.
    Library(&'static str),
}

impl Need {
    /// A package that brings the program of the same name.
    pub(crate) const fn program(name: &'static str) -> Self {
        Self { package: name, sign: Sign::Program(name) }
    }

    fn is_met(&self) -> bool {
        match self.sign {
            Sign::Program(name) => find_program(name).is_some(),
            Sign::File(path) => Path::new(path).exists(),
            Sign::Library(name) => loadable(name),
        }
    }
}

/// Makes sure that all of `needs` are there: installs the missing ones as root on Debian, else names them with the
/// command that installs them.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs.iter().filter(|need| !need.is_met()).map(|need| need.package).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Installs Debian packages.
///
/// # Errors
/// When we are not root, when there is no apt-get, or when it fails: the message has the command to run by hand.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if find_program("apt-get").is_none() {
        bail!("missing: {names} (Debian's names); install them with this system's package manager");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {names}; install with: sudo apt-get install {names}");
    }
    println!("installing {names}");
    // A fresh image has no package lists, an old one has stale ones: they are fetched when the first try fails.
    if apt_get(&["install"], packages).is_ok() {
        return Ok(());
    }
    apt_get(&["update"], &[])?;
    apt_get(&["install"], packages)
}

/// The first executable file of this name on the path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find_programs(name).into_iter().next()
}

/// All executable files of this name on the path, in its order.
pub(crate) fn find_programs(name: &str) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt;

    // Debian keeps servers such as nginx in a directory that is not on every user's path.
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let is_executable =
        |file: &PathBuf| file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    places.map(|place| place.join(name)).filter(is_executable).collect()
}

/// Whether the loader knows a library (ldconfig(8)).
fn loadable(name: &str) -> bool {
    let Some(ldconfig) = find_program("ldconfig") else { return false };
    let Ok(output) = Command::new(ldconfig).arg("--print-cache").stderr(Stdio::null()).output() else { return false };
    String::from_utf8_lossy(&output.stdout).lines().any(|line| line.split_whitespace().next() == Some(name))
}

fn apt_get(verb: &[&str], packages: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-qq", "-y", "--no-install-recommends"]).args(verb).args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    workspace::run(&mut command)
}
