//! What is asked of an instance that runs, through its control socket: `hostler status`, `reload`, `top` and their
//! like. It finds the instance, asks, and shows the answer; what the instance does about it is not known here. What is asked
//! of an instance by its name goes to the daemon that manages it ([`daemon`]).

pub(crate) mod all;
pub(crate) mod daemon;
mod find;
mod line;
mod show;
mod table;
mod top;
pub(crate) mod units;
pub(crate) mod words;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hostler_bus::{Error, InstanceProxy, LogLevel, Places, Unreachable, connect, daemon as bus};
use serde::Serialize;

use crate::{FAILED, INTERNAL, UNAVAILABLE, USAGE, say};
use hostler_project::Surroundings;

use line::{Line, Paint, harmless};
use words::SOCKET;

/// How long an instance may take for an answer that it has at hand.
const QUICK: Duration = Duration::from_secs(10);
/// How long is waited for a server that is being started anew, and how often is looked.
const RETURNS_WITHIN: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long it may take for one that a worker has to give.
const SLOW: Duration = Duration::from_secs(60);

/// What is asked, and of whom.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    /// The control socket; without it, that of the only instance there is.
    pub(crate) socket: Option<PathBuf>,
    /// Whether the answer is for a program.
    pub(crate) json: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Status,
    Reload,
    Rollback,
    Upgrade,
    Workers,
    Requests,
    Stacks(Option<u32>),
    Scale(u32),
    Recycle(u32),
    LogLevel(Option<LogLevel>),
    /// As often as is said, for a program.
    Top(Option<u32>),
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Choice(#[from] find::NoChoice),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Instance(#[from] Error),
    #[error(transparent)]
    Daemon(#[from] bus::Error),
    #[error("{name} is {state}: {why}; `hostler start {name}` starts it")]
    NotRunning { name: String, state: String, why: String },
    #[error("the instance did not answer within {} seconds; is it suspended?", .0.as_secs())]
    Late(Duration),
    #[error("`hostler top` needs a terminal; with --json it does not, nor do `hostler status` and `hostler workers`")]
    NoTerminal,
    #[error("terminal: {0}")]
    Terminal(std::io::Error),
    #[error("the answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It was told of already.
    #[error("")]
    Told,
}

impl Failed {
    /// Whether it may be otherwise in a moment: as while the server process is being started anew.
    fn passes(&self) -> bool {
        match self {
            Self::Unreachable(error) => passes(error),
            Self::Instance(error) => matches!(error, Error::Lost(_)),
            Self::Daemon(error) => {
                matches!(error, bus::Error::Refused { .. } | bus::Error::Instance(Error::Lost(_)) | bus::Error::Lost(_))
            }
            Self::NotRunning { state, .. } => {
                matches!(state.as_str(), "starting" | "stopping" | "serving" | "reloading")
            }
            Self::Late(_) => true,
            _ => false,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Choice(find::NoChoice::Several(_)) | Self::NoTerminal => USAGE,
            Self::Unreachable(Unreachable::NotAllowed(_)) => daemon::NOT_ALLOWED,
            Self::Choice(find::NoChoice::Nobody(_)) | Self::Unreachable(_) | Self::Late(_) => UNAVAILABLE,
            Self::Daemon(error) => daemon::code(error),
            Self::Terminal(_) | Self::Json(_) => INTERNAL,
            Self::Instance(_) | Self::NotRunning { .. } | Self::Told => FAILED,
        }
    }
}

/// Asks, and shows the answer.
pub(crate) fn run(request: &Request, surroundings: &Surroundings) -> ExitCode {
    to_the_end(answered(request, surroundings))
}

/// Does it, on an event loop of its own.
fn to_the_end(doing: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("no event loop can be had: {error}"));
            return ExitCode::from(INTERNAL);
        }
    };
    let code = runtime.block_on(doing);
    // Nothing that still runs is waited for, as a read of the keyboard.
    runtime.shutdown_background();
    code
}

/// Asks, shows the answer, or tells why there is none.
async fn answered(request: &Request, surroundings: &Surroundings) -> ExitCode {
    match answer(request, surroundings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            tell(request.verb, &failed);
            ExitCode::from(failed.code())
        }
    }
}

fn tell(verb: Verb, failed: &Failed) {
    let words = harmless(&failed.to_string());
    match failed {
        Failed::Told => {}
        Failed::Instance(Error::ReloadFailed { traceback, .. }) => {
            say(&match verb {
                Verb::Upgrade => format!("not upgraded, the server before goes on: {words}"),
                Verb::Rollback => format!("not rolled back, the current generation goes on: {words}"),
                _ => format!("not reloaded, the generation before goes on: {words}"),
            });
            if !traceback.is_empty() {
                crate::complain(harmless(traceback).trim_end());
            }
        }
        _ => say(&words),
    }
}

/// The same of a control socket that nobody answers on.
fn passes(error: &Unreachable) -> bool {
    matches!(error, Unreachable::NobodyAnswers(_) | Unreachable::NotThere(_) | Unreachable::HungUp(_))
}

/// Connects, and waits a moment for a server that was killed: its socket is there, and nobody listens on it yet. With `absent` it waits for the
/// socket, too: between two servers of an upgrade there is none.
async fn reach(socket: &Path, absent: bool) -> Result<InstanceProxy<'static>, Unreachable> {
    let patience = tokio::time::Instant::now() + RETURNS_WITHIN;
    loop {
        match connect(socket).await {
            Err(error) if passes(&error) && (absent || socket.exists()) && tokio::time::Instant::now() < patience => {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            other => return other,
        }
    }
}

async fn answer(request: &Request, surroundings: &Surroundings) -> Result<(), Failed> {
    let places = Places::of_environment(|name| surroundings.variable(name).map(ToOwned::to_owned));
    let socket = match &request.socket {
        Some(path) => surroundings.absolute(path),
        None => find::only(&places).await?,
    };
    let instance = reach(&socket, false).await?;
    let paint = Paint::of(|name| surroundings.variable(name).is_some(), std::io::stdout().is_terminal());
    match request.verb {
        Verb::Status => {
            let status = within(QUICK, instance.status()).await?;
            print(request, &status, |status| show::status(status, now_us()), paint)
        }
        Verb::Workers => {
            let workers = within(QUICK, instance.workers()).await?;
            print(request, &workers, |workers| show::workers(workers, now_us()), paint)
        }
        Verb::Requests => {
            let requests = within(QUICK, instance.requests()).await?;
            print(request, &requests, |requests| show::requests(requests), paint)
        }
        Verb::Reload => print(request, &instance.reload().await?, |done| show::reloaded("reloaded", done), paint),
        Verb::Rollback => {
            print(request, &instance.rollback().await?, |done| show::reloaded("rolled back", done), paint)
        }
        Verb::Upgrade => {
            let upgraded = instance.upgrade().await?;
            // Whoever asks next finds the new server. It serves, even if it should not answer here.
            let _answers = reach(&socket, true).await;
            print(request, &upgraded, show::upgraded, paint)
        }
        Verb::Stacks(Some(worker)) => {
            let stacks = within(SLOW, instance.stacks(worker)).await?;
            print(request, &show::Stacks { worker, stacks }, show::stacks, paint)
        }
        Verb::Stacks(None) => all_stacks(request, &instance, paint).await,
        Verb::Scale(workers) => {
            within(QUICK, instance.scale(workers)).await?;
            done(request, format!("it is to have {}", show::workers_in_words(workers)), paint)
        }
        Verb::Recycle(worker) => {
            within(SLOW, instance.recycle(worker)).await?;
            done(request, format!("worker {worker} is being replaced"), paint)
        }
        Verb::LogLevel(None) => {
            let level = within(QUICK, instance.log_level()).await?;
            print(request, &show::Level { log_level: level.as_str() }, show::level, paint)
        }
        Verb::LogLevel(Some(level)) => {
            within(QUICK, instance.set_log_level(level)).await?;
            done(request, format!("it logs from {level} on"), paint)
        }
        Verb::Top(times) => {
            let watched = top::Watched::socket(socket, instance);
            if request.json { top::lines(&watched, times).await } else { top::run(&watched, paint).await }
        }
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failed::Late(limit)),
    }
}

/// The stacks of every worker that has a process. One that cannot give its own does not hide those of the others.
async fn all_stacks(request: &Request, instance: &InstanceProxy<'_>, paint: Paint) -> Result<(), Failed> {
    let (mut outcome, mut all) = (Ok(()), Vec::new());
    for worker in within(QUICK, instance.workers()).await?.iter().filter(|worker| worker.pid != 0) {
        let name = show::name_of(worker);
        match within(SLOW, instance.stacks(worker.place)).await {
            Ok(stacks) if request.json => all.push(show::Stacks { worker: worker.place, stacks }),
            Ok(stacks) => write(&format!("{name}\n{}\n", harmless(&stacks).trim_end())),
            Err(failed) => {
                say(&format!("{name} {}", harmless(&failed.to_string())));
                outcome = Err(Failed::Told);
            }
        }
    }
    if request.json {
        print(request, &all, |_| Vec::new(), paint)?;
    }
    outcome
}

/// That something was done at once.
fn done(request: &Request, message: String, paint: Paint) -> Result<(), Failed> {
    print(request, &show::Done { message }, show::done, paint)
}

fn print<T: Serialize>(
    request: &Request,
    answer: &T,
    lines: impl Fn(&T) -> Vec<Line>,
    paint: Paint,
) -> Result<(), Failed> {
    if request.json {
        write(&serde_json::to_string_pretty(answer)?);
    } else {
        write(&lines(answer).iter().map(|line| line.painted(paint)).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// To standard output, ending in one line break. Who has closed it wants no more.
fn write(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Microseconds since 1970.
fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
