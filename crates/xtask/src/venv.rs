//! Python virtual environments under `target/venv`, made once and kept until what they were made from changes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};

use crate::{packages, workspace};

/// Written last: the requirements and the interpreter that the environment was made from.
const STAMP: &str = "made-from.txt";

/// Prints the interpreter's identity; fails where it is too old, or cannot make virtual environments.
const PROBE: &str =
    "import ensurepip, sys, venv; assert sys.version_info >= (3, 9); print(sys.base_prefix, sys.version)";

/// A virtual environment that is ready to use.
pub(crate) struct Venv {
    directory: PathBuf,
}

impl Venv {
    /// The environment `name` with what the pip requirements file lists: made when it is missing, and made anew when the
    /// file or the interpreter has changed.
    pub(crate) fn from_file(name: &str, requirements: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
        Self::new(name, &text)
    }

    /// The same with the text of a pip requirements file.
    pub(crate) fn new(name: &str, requirements: &str) -> Result<Self> {
        let parent = workspace::target_directory("venv")?;
        // Two commands may want the same environment at once: one makes it, the other waits.
        let lock = File::create(parent.join(format!("{name}.lock")))?;
        lock.lock().with_context(|| format!("cannot lock {}/{name}.lock", parent.display()))?;

        let python = find_python()?;
        let stamp = format!("{}\n{requirements}", python.identity);
        let venv = Self { directory: parent.join(name) };
        let stamp_file = venv.directory.join(STAMP);
        if fs::read_to_string(&stamp_file).is_ok_and(|made_from| made_from == stamp) {
            return Ok(venv);
        }
        venv.make(&python.path, requirements)?;
        fs::write(&stamp_file, stamp).with_context(|| format!("cannot write {}", stamp_file.display()))?;
        Ok(venv)
    }

    /// A program of the environment, such as `python` or `gunicorn`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }

    /// `name==version` of each package, as pip lists them.
    pub(crate) fn freeze(&self) -> Result<Vec<String>> {
        let output = Command::new(self.program("python")).args(["-m", "pip", "freeze"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    fn make(&self, python: &Path, requirements: &str) -> Result<()> {
        println!("making the virtual environment {}", self.directory.display());
        workspace::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&self.directory))?;
        let list = self.directory.join("requirements.txt");
        fs::write(&list, requirements)?;
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
        workspace::run(&mut pip)
    }
}

struct Python {
    path: PathBuf,
    identity: String,
}

/// The first `python3` on the path that can make virtual environments; Debian's own is completed when none can.
fn find_python() -> Result<Python> {
    if let Some(python) = capable_python() {
        return Ok(python);
    }
    packages::install(&["python3", "python3-venv"])
        .context("no python3 (3.9 or newer) here can make virtual environments")?;
    capable_python().ok_or_else(|| {
        anyhow!("python3-venv is installed, and still no python3 on the path can make virtual environments")
    })
}

fn capable_python() -> Option<Python> {
    let probe = |path: PathBuf| {
        let output =
            Command::new(&path).args([OsStr::new("-c"), OsStr::new(PROBE)]).stderr(Stdio::null()).output().ok()?;
        let identity = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(Python { path, identity })
    };
    packages::find_programs("python3").into_iter().find_map(probe)
}
