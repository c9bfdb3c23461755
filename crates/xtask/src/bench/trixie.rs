//! The Python 3.13 of Debian 13 (trixie), made ready under the target directory of whatever Debian this is: its packages are
//! fetched with a package database of their own and unpacked, not installed. It brings its own C library, with which the
//! interpreter is told to run, because an older system's does not do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::packages::{self, Need};
use crate::venv::Venv;
use crate::workspace;

const SOURCE: &str =
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n";
/// Rewrites where an executable looks for its loader and libraries.
const NEEDS: [Need; 1] = [Need::program("patchelf")];
/// Written last: what the environment was made from.
const STAMP: &str = "made-from.txt";

/// The directory of programs of a virtual environment with `requirements` (in pip's words, separated by blanks). Made
/// when it is missing, with the pip of `other`, since Debian parts Python from its own.
pub(super) fn programs(requirements: &str, other: &Venv) -> Result<PathBuf> {
    let directory = workspace::target_directory("trixie")?;
    let (environment, stamp) = (directory.join("venv"), directory.join(STAMP));
    let lock = File::create(directory.join("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", directory.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == requirements) {
        return Ok(environment.join("bin"));
    }
    println!("making a virtual environment of trixie's Python in {}", directory.display());
    packages::ensure(&NEEDS)?;
    let root = directory.join("root");
    unpack(&directory, &root)?;
    let python = root.join("usr/bin/python3.13");
    use_own_libraries(&python, &root)?;
    workspace::run(Command::new(&python).args(["-m", "venv", "--clear", "--without-pip"]).arg(&environment))?;
    let mut pip = Command::new(other.program("python"));
    pip.args(["-m", "pip", "--disable-pip-version-check", "--python"]).arg(environment.join("bin/python"));
    workspace::run(pip.args(["install", "--quiet"]).args(requirements.split_ascii_whitespace()))?;
    fs::write(&stamp, requirements).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(environment.join("bin"))
}

/// Fetches Python and all that it depends on, and unpacks it below `root`.
fn unpack(directory: &Path, root: &Path) -> Result<()> {
    let archives = directory.join("cache/archives");
    for path in [root, &archives.join("partial"), &directory.join("state/lists/partial")] {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    // No package is there, as far as this database knows, so that everything is fetched.
    fs::write(directory.join("status"), "")?;
    fs::write(directory.join("sources.list"), SOURCE)?;
    apt_get(directory, &["update"])?;
    apt_get(directory, &["install", "--download-only", "--no-install-recommends", "python3.13"])?;

    let entries = fs::read_dir(&archives)?.collect::<Result<Vec<_>, _>>()?;
    let packages =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.extension() == Some("deb".as_ref()));
    let mut count = 0;
    for package in packages {
        workspace::run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(root))?;
        count += 1;
    }
    ensure!(count > 0, "apt-get has put no packages into {}", archives.display());
    Ok(())
}

fn apt_get(directory: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    let places = [
        ("Dir::State", "state"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::sourcelist", "sources.list"),
    ];
    for (option, place) in places {
        command.arg("-o").arg(format!("{option}={}", directory.join(place).display()));
    }
    // The system's own sources and pins say nothing here, and the directory need not be open to apt's own user.
    command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Etc::preferencesparts=/dev/null"]);
    command.args(["-o", "Dir::Etc::preferences=/dev/null", "-o", "APT::Sandbox::User=root", "-qq", "-y"]);
    workspace::run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
}

/// Has `python` run with the loader and the libraries of `root`. A search path of the older kind (DT_RPATH, see ld.so(8)) goes
/// before the system's libraries, and holds for what the libraries load as well.
fn use_own_libraries(python: &Path, root: &Path) -> Result<()> {
    let libraries = fs::read_dir(root.join("usr/lib"))?.flatten().map(|entry| entry.path());
    // /usr/lib/x86_64-linux-gnu, or as this machine's kind is called.
    let libraries = libraries.into_iter().find(|path| path.join("libc.so.6").exists());
    let libraries = libraries.with_context(|| format!("no C library below {}", root.display()))?;
    let loaders = [root.join("usr/lib64"), root.join("usr/lib"), libraries.clone()];
    let mut loaders = loaders.iter().filter_map(|place| fs::read_dir(place).ok()).flat_map(|entries| entries.flatten());
    let loader = loaders.find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"ld-linux"));
    let loader = loader.with_context(|| format!("no loader below {}", root.display()))?.path();
    let mut patch = Command::new("patchelf");
    patch.arg("--set-interpreter").arg(loader).arg("--force-rpath").arg("--set-rpath").arg(libraries).arg(python);
    workspace::run(&mut patch)
}
