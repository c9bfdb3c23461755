//! `cargo xtask demo`: sets up one of the examples and serves it with Hostler in the foreground.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::venv::Venv;
use crate::workspace::{self, Extent, Profile};

const USUAL_PORT: u16 = 8000;
/// How long the example may take until it answers its first request.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Sets up and serves the example that `arguments` name until it is stopped with Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (example, port) = parse(arguments)?;
    let bind = free_address(port)?;
    let hostler = workspace::build_hostler(Profile::Bench, Extent::Server)?;
    let directory = workspace::root().join("examples").join(example.name);
    let venv = Venv::from_file(example.name, &directory.join("requirements.txt"))?;
    let data = workspace::target_directory("demo")?.join(example.name);
    fs::create_dir_all(&data).with_context(|| format!("cannot create the directory {}", data.display()))?;
    for step in example.set_up {
        let mut command = Command::new(venv.program("python"));
        command.args(*step).current_dir(&directory).env(example.data_variable, &data);
        workspace::run(&mut command)?;
    }

    let mut command = Command::new(hostler);
    command.args(["run", "--bind", &bind, "--workers", "2", "--threads", "4", "--python"]).arg(venv.program("python"));
    command.arg("--chdir").arg(&directory).args(["--access-logfile", "-", example.application]);
    command.env(example.data_variable, &data);
    serve(&mut command, example, &bind, &data)
}

/// One of the applications in `examples`.
struct Example {
    name: &'static str,
    application: &'static str,
    /// The environment variable that tells the application where to keep its data.
    data_variable: &'static str,
    /// Arguments for the environment's Python, run one after the other before serving.
    set_up: &'static [&'static [&'static str]],
    /// What to try, with `{url}` for the place.
    try_this: &'static str,
}

const EXAMPLES: [Example; 2] = [
    Example {
        name: "notes",
        application: "notes.wsgi:application",
        data_variable: "NOTES_DATA",
        set_up: &[
            &["manage.py", "migrate", "--verbosity", "0"],
            &["manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            &["manage.py", "prepare_demo"],
        ],
        try_this: "  {url}/           the notes: write some, attach files
  {url}/admin/     Django's admin: user demo, password demo
  {url}/about/     the request's id and the worker that served it
  curl -N {url}/countdown/                         a page that streams
  curl -i -H 'X-Request-Id: abc' {url}/about/      your own request id
  curl -F title=Hi -F attachment=@Cargo.toml {url}/api/notes/    an upload",
    },
    Example {
        name: "shortlinks",
        application: "shortlinks:app",
        data_variable: "SHORTLINKS_DATA",
        set_up: &[],
        try_this: "  {url}/           make and follow short links
  curl -i -d url=https://www.python.org/ {url}/    make one
  curl {url}/links.json                            list them
  curl -N {url}/links.csv                          the same, streamed",
    },
];

fn parse(arguments: &[String]) -> Result<(&'static Example, Option<u16>)> {
    let mut example = &EXAMPLES[0];
    let mut port = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--port" {
            let value = rest.next().ok_or_else(|| anyhow!("demo: --port needs a number"))?;
            port = value.parse().map(Some).with_context(|| format!("demo: {value:?} is not a port number"))?;
        } else {
            let known = EXAMPLES.iter().find(|example| example.name == argument);
            example = known
                .ok_or_else(|| anyhow!("demo: there is no example {argument:?}; there are notes and shortlinks"))?;
        }
    }
    Ok((example, port))
}

/// Where to serve: at the port that was asked for, else at the first free one from the usual port on.
fn free_address(port: Option<u16>) -> Result<String> {
    let ports = port.map_or(USUAL_PORT..=USUAL_PORT + 99, |port| port..=port);
    let addresses: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    let free = addresses.iter().find(|address| TcpListener::bind(address).is_ok());
    free.cloned().ok_or_else(|| anyhow!("demo: {} is in use; choose another port with --port", addresses[0]))
}

/// Runs the server as a child, so that we can say when it answers. It gets its own process group: Ctrl-C then reaches
/// only us, and the signal that we pass on comes once.
fn serve(command: &mut Command, example: &Example, bind: &str, data: &Path) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot watch for Ctrl-C")?;
    let mut server =
        command.process_group(0).spawn().with_context(|| format!("cannot start {}", workspace::shown(command)))?;
    let pid = Pid::from_child(&server);
    thread::spawn(move || {
        for _ in signals.forever() {
            // A server that has just ended cannot be signalled, and needs no signal.
            let _ = kill_process(pid, Signal::TERM);
        }
    });

    if answers(&mut server, bind)? {
        let url = format!("http://{bind}");
        println!("\n{} is served at {url}/\n{}", example.name, example.try_this.replace("{url}", &url));
        println!("  its data: {}\nCtrl-C stops it; from elsewhere: kill {}\n", data.display(), server.id());
    }
    let status = server.wait()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Waits until the server answers a request. False when it was stopped before that.
fn answers(server: &mut Child, bind: &str) -> Result<bool> {
    let began = Instant::now();
    while began.elapsed() < START_LIMIT {
        if let Some(status) = server.try_wait()? {
            if status.success() {
                return Ok(false);
            }
            bail!("the server ended with {status} before it answered; its messages are above.");
        }
        if first_line(bind).is_ok_and(|line| line.starts_with("HTTP/1.1 200")) {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.kill()?;
    bail!("the server did not answer on {bind} within {} s; its messages are above", START_LIMIT.as_secs())
}

fn first_line(bind: &str) -> Result<String> {
    let mut stream = TcpStream::connect(bind)?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {bind}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(64).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_its_files() {
        let examples = workspace::root().join("examples");
        for example in &EXAMPLES {
            for file in ["README.md", "requirements.txt"] {
                assert!(examples.join(example.name).join(file).is_file(), "examples/{}/{file}", example.name);
            }
        }
    }

    #[test]
    fn an_unknown_example_is_named() {
        let error = parse(&["blog".to_owned()]).err().unwrap();
        assert!(error.to_string().contains("blog"), "{error}");
    }
}
