//! `gunicorn.conf.py`: a program. It is run by the project's Python in a process of its own, with limits, by the user whom the file
//! belongs to where root asks, and what it leaves behind is read.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::rule::Given;
use hostler_project::probe::{ended_within, text};

/// How long the file may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Runs the file as gunicorn does, and writes what it binds to standard output, where nothing else may come.
const QUESTION: &str = r#"
import json, os, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
path = sys.argv[1]
sys.path.insert(0, os.getcwd())
bound = {"__builtins__": __builtins__, "__name__": "__config__", "__file__": path, "__doc__": None, "__package__": None}
with open(path, "rb") as file:
    exec(compile(file.read(), path, "exec"), bound)
def plain(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [str(item) for item in value]
    if isinstance(value, dict):
        return ["%s=%s" % pair for pair in value.items()]
    return "a " + ("function" if callable(value) else type(value).__name__)
json.dump({name: plain(value) for name, value in bound.items() if not name.startswith("_")
           and type(value).__name__ != "module"}, answer)
answer.close()
os._exit(0)
"#;

/// The names that a file binds, and their values. The error says why there are none.
pub(crate) fn read(
    python: &Path,
    path: &Path,
    directory: &Path,
    environment: &[(String, String)],
) -> Result<Vec<(String, Given)>, String> {
    let mut command = Command::new(python);
    command
        .args(["-E", "-s", "-B", "-c", QUESTION])
        .arg(path)
        .current_dir(directory)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    path.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    // Whoever may write the file, or the Python, is not to be root by it, nor to see root's environment.
    let owners = [path, python, directory].into_iter().filter_map(|path| path.symlink_metadata().ok());
    if let Some(owner) = owners.into_iter().find(|owner| owner.uid() != 0).filter(|_| nix::unistd::geteuid().is_root())
    {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").uid(owner.uid()).gid(owner.gid());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
    }
    let mut child = command.spawn().map_err(|error| format!("{} cannot be run: {error}", python.display()))?;
    let ended = ended_within(&child, TIME_LIMIT);
    // What it started goes with it; if all have ended, there is nobody to kill.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait().map_err(|error| error.to_string())?;
    if !ended.map_err(|error| error.to_string())? {
        return Err(format!("it did not come to its end within {} s, or said too much", TIME_LIMIT.as_secs()));
    }
    let answer: Option<Value> = serde_json::from_str(&text(child.stdout.take())).ok();
    let Some(Value::Object(names)) = answer else {
        let errors = text(child.stderr.take());
        let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        return Err(format!("{} could not run it ({status}): {last}", python.display()));
    };
    Ok(names.into_iter().map(|(name, value)| (name, given(value))).collect())
}

fn given(value: Value) -> Given {
    match value {
        Value::Null => Given::Nothing,
        Value::Bool(truth) => Given::Truth(truth),
        Value::Number(number) => number.as_f64().map_or(Given::Nothing, Given::Number),
        Value::String(text) => Given::Text(text),
        Value::Array(items) => {
            let text = |item: Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            Given::List(items.into_iter().map(text).collect())
        }
        Value::Object(_) => Given::Nothing,
    }
}

/// The Python that a project's files are for: that of the environment, else `python3`.
pub(crate) fn python(venv: Option<&Path>) -> PathBuf {
    venv.map(|venv| venv.join("bin/python"))
        .filter(|python| python.is_file())
        .unwrap_or_else(|| PathBuf::from("python3"))
}
