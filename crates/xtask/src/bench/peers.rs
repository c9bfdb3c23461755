//! The servers that are compared, and how each is told to do the same job. A setting that a peer's own documents would
//! not choose for the job does not belong here: the comparison is with the peer at its best.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::venv::Venv;

/// One server in one setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Server {
    Hostler,
    /// A bare C loop: one process a worker, no threads.
    Bjoern,
    /// Granian as it comes: its own choice of threads and runtime.
    Granian,
    /// Granian with one thread for the application, on its single-threaded runtime.
    GranianOneSt,
    /// The same on its multi-threaded runtime.
    GranianOneMt,
    /// gunicorn with its thread workers.
    Gunicorn,
}

impl Server {
    pub(super) const ALL: [Self; 6] =
        [Self::Hostler, Self::Bjoern, Self::Granian, Self::GranianOneSt, Self::GranianOneMt, Self::Gunicorn];

    /// The name in tables, and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hostler => "hostler",
            Self::Bjoern => "bjoern",
            Self::Granian => "granian",
            Self::GranianOneSt => "granian-1-st",
            Self::GranianOneMt => "granian-1-mt",
            Self::Gunicorn => "gunicorn",
        }
    }

    /// The command that serves as `job` says, on 127.0.0.1.
    pub(super) fn command(self, tools: &Tools, job: &Job, port: u16) -> Command {
        let application = format!("{}:application", job.module);
        let bind = format!("127.0.0.1:{port}");
        let workers = job.workers.to_string();
        let mut command = match self {
            Self::Hostler => {
                let mut command = Command::new(&tools.hostler);
                command.args([
                    "run",
                    "--bind",
                    &bind,
                    "--workers",
                    &workers,
                    "--threads",
                    &job.threads.to_string(),
                    "--chdir",
                ]);
                command.arg(&tools.applications).arg("--python").arg(tools.venv.program("python")).arg(&application);
                command
            }
            Self::Bjoern => {
                let mut command = Command::new(tools.venv.program("python"));
                command.arg(tools.applications.join("bjoern_server.py")).args([
                    &application,
                    &port.to_string(),
                    &workers,
                ]);
                command
            }
            Self::Granian | Self::GranianOneSt | Self::GranianOneMt => {
                let mut command = Command::new(tools.venv.program("granian"));
                command.args(["--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning"]);
                command.args(["--port", &port.to_string(), "--workers", &workers]).args(self.granian_threads());
                // What it does not take at once waits in the listener's queue; the default would not hold the idle connections.
                if job.connections > 1000 {
                    let room = (job.connections * 2).to_string();
                    command.args(["--backlog", &room, "--backpressure", &room]);
                }
                command.arg(&application);
                command
            }
            Self::Gunicorn => {
                let mut command = Command::new(tools.venv.program("gunicorn"));
                command.args([
                    "--worker-class",
                    "gthread",
                    "--bind",
                    &bind,
                    "--workers",
                    &workers,
                    "--threads",
                    &job.threads.to_string(),
                ]);
                command.args(["--no-control-socket", "--log-level", "warning", &application]);
                command
            }
        };
        command.current_dir(&tools.applications).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn granian_threads(self) -> &'static [&'static str] {
        match self {
            Self::GranianOneSt => &["--blocking-threads", "1", "--runtime-mode", "st"],
            Self::GranianOneMt => &["--blocking-threads", "1", "--runtime-mode", "mt"],
            _ => &[],
        }
    }
}

/// What a server is to serve, and with how much.
#[derive(Clone, Copy)]
pub(super) struct Job {
    /// The module in the directory of applications; its attribute is `application`.
    pub(super) module: &'static str,
    pub(super) workers: u32,
    /// Of each worker, where the server's setting says nothing else.
    pub(super) threads: u32,
    /// How many connections there will be at once.
    pub(super) connections: u32,
}

/// Where the servers and the applications are.
pub(super) struct Tools {
    pub(super) hostler: PathBuf,
    pub(super) venv: Venv,
    pub(super) applications: PathBuf,
}

impl Tools {
    /// The place of the applications in the source tree.
    pub(super) fn applications(root: &Path) -> PathBuf {
        root.join("crates/xtask/src/bench/apps")
    }
}
