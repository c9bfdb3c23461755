//! The systems that the tests of systemd boot: a root directory for each release of Debian, made once with debootstrap and kept
//! under `target/roots`. Nothing changes them afterwards: a test boots an overlay.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::packages::{self, Need, Sign};
use crate::workspace;

/// The releases, oldest first, by the version of their systemd: 252 and 257.
pub(super) const RELEASES: [&str; 2] = ["bookworm", "trixie"];
/// What is in each beside the minimum: a system that boots, users' sessions, another machine's way in, and a Python for the
/// applications.
const PACKAGES: [&str; 12] = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    "polkitd",
    "openssh-server",
    "python3",
    "python3-venv",
    "curl",
    "iproute2",
    "procps",
];
/// What makes and boots them.
const NEEDS: [Need; 3] = [
    Need::program("debootstrap"),
    Need { package: "systemd-container", sign: Sign::Program("systemd-nspawn") },
    // Not everywhere where debootstrap is: Ubuntu has its own keys.
    Need { package: "debian-archive-keyring", sign: Sign::File(KEYRING) },
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Where Debian is had from if this machine's own sources do not say.
const MIRROR: &str = "http://deb.debian.org/debian";
/// Written last: what a root was made from.
const STAMP: &str = "made-from.txt";

/// The directory that holds a directory for each release, whose `root` is the system. Missing ones are made.
///
/// # Errors
/// When a tool is missing and cannot be installed, or Debian cannot be fetched.
pub(super) fn ensure() -> Result<PathBuf> {
    packages::ensure(&NEEDS)?;
    let parent = workspace::target_directory("roots")?;
    // Two commands may want them at once: one makes them, the other waits.
    let lock = File::create(parent.join("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}/lock", parent.display()))?;
    let stamp = PACKAGES.join("\n");
    for release in RELEASES {
        let directory = parent.join(release);
        if fs::read_to_string(directory.join(STAMP)).is_ok_and(|made_from| made_from == stamp) {
            continue;
        }
        println!("making the root of {release} in {}", directory.display());
        // Whoever is stopped half-way leaves this behind, and never half a root in the place of a whole one.
        let new = parent.join(format!("{release}.new"));
        remove(&new)?;
        make(release, &new)?;
        fs::write(new.join(STAMP), &stamp)?;
        remove(&directory)?;
        fs::rename(&new, &directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    Ok(parent)
}

fn make(release: &str, directory: &Path) -> Result<()> {
    let root = directory.join("root");
    fs::create_dir_all(directory)?;
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", "--keyring", KEYRING, "--include"]).arg(PACKAGES.join(","));
    command.arg(release).arg(&root).arg(mirror()).stdout(Stdio::null());
    workspace::run(&mut command).with_context(|| format!("see {}/debootstrap/debootstrap.log", root.display()))?;
    // Started by the test that logs in, and by no other.
    let mut disable = Command::new("systemctl");
    disable.arg(format!("--root={}", root.display())).args(["--quiet", "disable", "ssh.service"]);
    workspace::run(disable.stdout(Stdio::null()).stderr(Stdio::null()))?;
    // Nothing is installed any more.
    for leftover in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        remove(&root.join(leftover))?;
    }
    Ok(())
}

/// Where this machine has its own Debian from; Debian's public address on a machine that runs something else.
fn mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]);
    let output = command.stderr(Stdio::null()).output().map(|output| output.stdout).unwrap_or_default();
    first_of_debian(&String::from_utf8_lossy(&output)).unwrap_or(MIRROR).to_owned()
}

/// The address on the first line that is labelled as Debian itself, not as one of its additions (`Debian-Security`).
fn first_of_debian(lines: &str) -> Option<&str> {
    lines.lines().find_map(|line| line.strip_prefix("Debian ")).map(str::trim).filter(|address| !address.is_empty())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_this_machines_own() {
        let lines = "Debian-Security http://a.example/debian-security/\nDebian http://b.example/debian/\n";
        assert_eq!(first_of_debian(lines), Some("http://b.example/debian/"));
        assert_eq!(first_of_debian("Ubuntu http://c.example/ubuntu/\n"), None);
        assert_eq!(first_of_debian(""), None);
    }
}
