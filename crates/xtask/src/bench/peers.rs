//! The servers that are compared, and how each is told to do the same job. A setting that a peer's own documents would
//! not choose for the job does not belong here: the comparison is with the peer at its best.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    /// uvicorn with uvloop and httptools, its fastest parts; WebSockets by the package websockets.
    Uvicorn,
    /// The same with the newer interface of that package, which does no I/O of its own.
    UvicornSansIo,
    /// The same with WebSockets by wsproto.
    UvicornWsproto,
    /// Granian's ASGI on uvloop, on its single-threaded runtime.
    GranianAsgiSt,
    /// The same on its multi-threaded runtime.
    GranianAsgiMt,
    /// With handlers driven by Granian itself in place of asyncio's tasks, which Python below 3.12 allows.
    GranianRustSt,
    /// The same on its multi-threaded runtime.
    GranianRustMt,
}

impl Server {
    pub(super) const ALL: [Self; 13] = [
        Self::Hostler,
        Self::Bjoern,
        Self::Granian,
        Self::GranianOneSt,
        Self::GranianOneMt,
        Self::Gunicorn,
        Self::Uvicorn,
        Self::UvicornSansIo,
        Self::UvicornWsproto,
        Self::GranianAsgiSt,
        Self::GranianAsgiMt,
        Self::GranianRustSt,
        Self::GranianRustMt,
    ];

    /// The name in tables, and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hostler => "hostler",
            Self::Bjoern => "bjoern",
            Self::Granian => "granian",
            Self::GranianOneSt => "granian-1-st",
            Self::GranianOneMt => "granian-1-mt",
            Self::Gunicorn => "gunicorn",
            Self::Uvicorn => "uvicorn",
            Self::UvicornSansIo => "uvicorn-sansio",
            Self::UvicornWsproto => "uvicorn-wsproto",
            Self::GranianAsgiSt => "granian-asgi-st",
            Self::GranianAsgiMt => "granian-asgi-mt",
            Self::GranianRustSt => "granian-rust-st",
            Self::GranianRustMt => "granian-rust-mt",
        }
    }

    /// The command that serves as `job` says, on 127.0.0.1.
    pub(super) fn command(self, tools: &Tools, job: &Job, port: u16) -> Command {
        let mut command = match self {
            Self::Hostler => hostler(tools, job, port),
            Self::Bjoern => {
                let mut command = Command::new(tools.program("python"));
                command.arg(tools.applications.join("bjoern_server.py"));
                command.args([&job.application(), &port.to_string(), &job.workers.to_string()]);
                command
            }
            Self::Granian => granian(tools, job, port, &["--interface", "wsgi", "--no-ws"]),
            Self::GranianOneSt => granian(tools, job, port, &with_words(WSGI_ONE, &["--runtime-mode", "st"])),
            Self::GranianOneMt => granian(tools, job, port, &with_words(WSGI_ONE, &["--runtime-mode", "mt"])),
            Self::Gunicorn => gunicorn(tools, job, port),
            Self::Uvicorn => uvicorn(tools, job, port, "websockets"),
            Self::UvicornSansIo => uvicorn(tools, job, port, "websockets-sansio"),
            Self::UvicornWsproto => uvicorn(tools, job, port, "wsproto"),
            Self::GranianAsgiSt => granian(tools, job, port, &with_words(ASGI, &["--runtime-mode", "st"])),
            Self::GranianAsgiMt => granian(tools, job, port, &with_words(ASGI, &["--runtime-mode", "mt"])),
            Self::GranianRustSt => granian(tools, job, port, &with_words(ASGI_RUST, &["--runtime-mode", "st"])),
            Self::GranianRustMt => granian(tools, job, port, &with_words(ASGI_RUST, &["--runtime-mode", "mt"])),
        };
        command.current_dir(&tools.applications).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// What Granian is told for WSGI on one thread a worker, and for ASGI.
const WSGI_ONE: &[&str] = &["--interface", "wsgi", "--no-ws", "--blocking-threads", "1"];
const ASGI: &[&str] = &["--interface", "asgi", "--loop", "uvloop"];
const ASGI_RUST: &[&str] = &["--interface", "asgi", "--loop", "uvloop", "--task-impl", "rust"];

/// More connections than this need room that servers do not give by default.
const MANY_CONNECTIONS: u32 = 1000;

fn with_words<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [words, more].concat()
}

fn hostler(tools: &Tools, job: &Job, port: u16) -> Command {
    let mut command = Command::new(&tools.hostler);
    command.args(["run", "--bind", &bind(port)]);
    match job.life {
        Life::Plain => command.args(["--workers", &job.workers.to_string()]),
        Life::Preload => command.args(["--workers", &job.workers.to_string(), "--preload"]),
        Life::Sleeps => command.args(["--workers", &format!("0..{}", job.workers), "--idle-timeout", "1"]),
    };
    match job.interface {
        Interface::Wsgi => command.args(["--threads", &job.threads.to_string()]),
        // A WebSocket or a stream is a request for as long as it is open; this is the most that the setting allows.
        Interface::Asgi if job.connections > MANY_CONNECTIONS => command.args(["--limit-concurrency", "16384"]),
        Interface::Asgi => &mut command,
    };
    command.arg("--chdir").arg(&tools.applications).arg("--python").arg(tools.program("python"));
    command.arg(job.application());
    command
}

fn gunicorn(tools: &Tools, job: &Job, port: u16) -> Command {
    let mut command = Command::new(tools.program("gunicorn"));
    command.args(["--worker-class", "gthread", "--bind", &bind(port), "--workers", &job.workers.to_string()]);
    command.args(["--threads", &job.threads.to_string()]);
    if job.life == Life::Preload {
        command.arg("--preload");
    }
    command.args(["--no-control-socket", "--log-level", "warning", &job.application()]);
    command
}

fn granian(tools: &Tools, job: &Job, port: u16, setting: &[&str]) -> Command {
    let mut command = Command::new(tools.program("granian"));
    command.args(["--http", "1", "--log-level", "warning", "--port", &port.to_string()]);
    command.args(["--workers", &job.workers.to_string()]).args(setting);
    // What it does not take at once waits in the listener's queue; the default would not hold the idle connections.
    if job.connections > MANY_CONNECTIONS {
        let room = (job.connections * 2).to_string();
        command.args(["--backlog", &room, "--backpressure", &room]);
    }
    command.arg(job.application());
    command
}

fn uvicorn(tools: &Tools, job: &Job, port: u16, web_sockets: &str) -> Command {
    let mut command = Command::new(tools.program("uvicorn"));
    command.args(["--loop", "uvloop", "--http", "httptools", "--ws", web_sockets, "--port", &port.to_string()]);
    command.args(["--workers", &job.workers.to_string(), "--no-access-log", "--log-level", "warning"]);
    command.arg(job.application());
    command
}

fn bind(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// What a server is to serve, and with how much.
#[derive(Clone, Copy)]
pub(super) struct Job {
    /// The module in the directory of applications; its attribute is `application`.
    pub(super) module: &'static str,
    pub(super) interface: Interface,
    pub(super) workers: u32,
    /// Of each worker of a WSGI application, where the server's setting says nothing else.
    pub(super) threads: u32,
    /// How many connections there will be at once.
    pub(super) connections: u32,
    pub(super) life: Life,
}

impl Job {
    /// How many processes the server has at least when it is at rest.
    pub(super) fn least_processes(&self) -> u32 {
        match self.life {
            Life::Plain | Life::Preload => self.workers,
            // The first one alone, when it was at rest for long enough.
            Life::Sleeps => 1,
        }
    }

    fn application(&self) -> String {
        format!("{}:application", self.module)
    }
}

/// How the workers come and go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// As many as were asked for, each of which imports the application.
    Plain,
    /// The same, forked by a process that has imported it.
    Preload,
    /// From none up to as many as were asked for; all go after a second without requests. Hostler alone can.
    Sleeps,
}

/// What the application speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Wsgi,
    Asgi,
}

/// Where the servers and the applications are.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) hostler: PathBuf,
    /// The programs of the Python environment that the peers are installed in; the application runs in it.
    pub(super) programs: PathBuf,
    pub(super) applications: PathBuf,
}

impl Tools {
    /// A program of the Python environment, such as `python` or `gunicorn`.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The place of the applications in the source tree.
    pub(super) fn applications(root: &Path) -> PathBuf {
        root.join("crates/xtask/src/bench/apps")
    }
}
