//! The verbs that name an instance: they ask `hostlerd`, over the system bus, the session bus, or the bus of another
//! machine. Where there is no daemon, what a control socket answers as well is asked there.

mod agent;
pub(crate) mod completion;
mod doctor;
mod editor;
mod logs;
mod names;
mod progress;
mod settings;
mod show;
mod telling;
mod when;
pub(crate) mod words;

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use hostler_bus::daemon::{Absent, Change, Client, Error, LogFilter, NewInstance, Outcome, Reach};
use hostler_bus::{LogLevel, Places};
use serde::Serialize;

use super::line::{Line, Paint, harmless};
use super::show::{self as instance_show, Done, Level, Stacks};
use super::{Verb, now_us, top, write};
use crate::{FAILED, INTERNAL, UNAVAILABLE, USAGE, say};
use hostler_project::Surroundings;

/// What `systemctl status` ends with for a unit that does not run.
const NOT_RUNNING: u8 = 3;
/// It may work when it is tried again (sysexits.h: EX_TEMPFAIL).
const TRY_AGAIN: u8 = 75;
/// The user may not (sysexits.h: EX_NOPERM).
pub(super) const NOT_ALLOWED: u8 = 77;

/// What is asked, of which instance.
#[derive(Debug)]
pub(crate) struct Request {
    /// The instance; empty for all.
    pub(crate) name: String,
    pub(super) act: Act,
    pub(super) whose: Whose,
    pub(super) json: bool,
    /// Whether somebody may be asked for a password.
    pub(super) ask: bool,
}

impl Request {
    /// Whether somebody is there who can be asked for a password, and may be.
    fn asks(&self) -> bool {
        self.ask && stdin().is_terminal()
    }
}

/// Whose instances, as the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whose {
    /// The user's or the machine's; none when that was not said.
    user: Option<bool>,
    host: Option<String>,
}

/// What is asked.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    List,
    Status,
    Workers,
    Requests,
    Stacks(Option<u32>),
    Scale(u32),
    Recycle(u32),
    Start,
    Stop,
    Restart,
    Reload,
    Rollback,
    Upgrade,
    LogLevel(Option<LogLevel>),
    /// As often as is said, for a program.
    Top(Option<u32>),
    Create(Change, Box<NewInstance>),
    Remove,
    Enable(bool),
    Wake,
    Sleep,
    Set(Change),
    Get {
        key: Option<String>,
        all: bool,
    },
    Edit,
    History {
        difference: bool,
    },
    Undo(Undo),
    Logs(LogFilter),
    Doctor,
    /// Words that do not go together.
    Wrong(String),
}

/// How far settings are to go back.
#[derive(Debug, PartialEq)]
pub(super) enum Undo {
    /// The last change.
    Last,
    /// To before the revision that begins with these digits.
    From(String),
    /// To that very revision.
    To(String),
}

impl Act {
    /// What a control socket is asked for the same.
    fn over_socket(&self) -> Option<Verb> {
        Some(match self {
            Self::Status => Verb::Status,
            Self::Workers => Verb::Workers,
            Self::Requests => Verb::Requests,
            Self::Stacks(worker) => Verb::Stacks(*worker),
            Self::Scale(workers) => Verb::Scale(*workers),
            Self::Recycle(worker) => Verb::Recycle(*worker),
            Self::Reload => Verb::Reload,
            Self::Rollback => Verb::Rollback,
            Self::Upgrade => Verb::Upgrade,
            Self::LogLevel(level) => Verb::LogLevel(*level),
            Self::Top(times) => Verb::Top(*times),
            _ => return None,
        })
    }

    /// Whether polkit may ask for a password.
    fn takes_rights(&self) -> bool {
        !matches!(self, Self::List | Self::Status | Self::LogLevel(None))
    }
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Absent(#[from] Absent),
    #[error(transparent)]
    Daemon(#[from] Error),
    #[error(transparent)]
    Top(super::Failed),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Local(String),
    #[error("the answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It was told of already; the exit code.
    #[error("")]
    Told(u8),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Absent(_) => UNAVAILABLE,
            Self::Top(failed) => failed.code(),
            Self::Daemon(error) => code(error),
            Self::Usage(_) => USAGE,
            Self::Local(_) => FAILED,
            Self::Json(_) => INTERNAL,
            Self::Told(code) => *code,
        }
    }
}

/// The exit code for what the daemon says.
pub(super) fn code(error: &Error) -> u8 {
    match error {
        Error::NoInstance { .. } | Error::Lost(_) => UNAVAILABLE,
        Error::NotAuthorized { .. } | Error::AuthenticationNeeded { .. } | Error::Dismissed { .. } => NOT_ALLOWED,
        Error::Conflict { .. } => TRY_AGAIN,
        Error::InvalidSettings { .. } => USAGE,
        _ => FAILED,
    }
}

/// What an answer is shown with.
pub(super) struct Session<'a> {
    pub(super) client: Client,
    pub(super) request: &'a Request,
    pub(super) paint: Paint,
    pub(super) surroundings: &'a Surroundings,
}

/// What a command asks of the daemon; `None` for one that asks a control socket.
pub(crate) fn request(verb: &str, matches: &clap::ArgMatches) -> Option<Request> {
    words::request(verb, matches)
}

/// Asks, and shows the answer.
pub(crate) fn run(request: &Request, surroundings: &Surroundings) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("no event loop can be had: {error}"));
            return ExitCode::from(INTERNAL);
        }
    };
    let answered = runtime.block_on(answer(request, surroundings));
    runtime.shutdown_background();
    match answered {
        Ok(code) => code,
        Err(failed) => {
            telling::tell(request, &failed);
            ExitCode::from(failed.code())
        }
    }
}

async fn answer(request: &Request, surroundings: &Surroundings) -> Result<ExitCode, Failed> {
    let paint = Paint::of(|name| surroundings.variable(name).is_some(), stdout().is_terminal());
    if let Act::Wrong(why) = &request.act {
        return Err(Failed::Usage(why.clone()));
    }
    if request.act == Act::List {
        return show::list(request, paint, surroundings).await.map(|()| ExitCode::SUCCESS);
    }
    if request.name.is_empty() {
        return Err(Failed::Usage("name the instance; `hostler list` shows all".to_owned()));
    }
    let asks = request.act.takes_rights() && request.whose.host.is_none() && request.whose.user != Some(true);
    let in_session = surroundings.variable("XDG_SESSION_ID").is_some();
    let _agent = (asks && request.asks()).then(|| agent::Agent::start(in_session)).flatten();
    let client = match client(request, surroundings).await {
        Ok(client) => client,
        Err(Failed::Absent(absent)) => return without_daemon(request, absent, surroundings).await,
        Err(failed) => return Err(failed),
    };
    Session { client, request, paint, surroundings }.act().await
}

/// The daemon that has the instance: of the machine for root, and where the machine has one called so; else the user's.
async fn client(request: &Request, surroundings: &Surroundings) -> Result<Client, Failed> {
    let Whose { user, host } = &request.whose;
    let reach = |user| Reach { user, host: host.clone() };
    let said = user.or_else(|| (host.is_some() || rustix::process::geteuid().is_root()).then_some(false));
    if let Some(user) = said {
        return Ok(connected(request, &reach(user)).await?);
    }
    let system = connected(request, &reach(false)).await;
    if let Ok(client) = &system
        && has(client, &request.name).await
    {
        return Ok(client.clone());
    }
    match (connected(request, &reach(true)).await, system) {
        (Ok(session), Ok(system)) => Ok(if has(&session, &request.name).await { session } else { system }),
        (Ok(session), Err(_)) => Ok(session),
        // It is the user's, and the machine's daemon would say that there is no such instance.
        (Err(absent), Ok(_)) if own(surroundings).contains(&request.name) => Err(absent.into()),
        (Err(_), system) => Ok(system?),
    }
}

/// The names of the user's own instances that have a settings file.
fn own(surroundings: &Surroundings) -> BTreeSet<String> {
    names::own(|name| surroundings.variable(name).map(ToOwned::to_owned))
}

async fn connected(request: &Request, reach: &Reach) -> Result<Client, Absent> {
    if request.asks() { Client::connect(reach).await } else { Client::connect_unasked(reach).await }
}

async fn has(client: &Client, name: &str) -> bool {
    client.instance(name).await.is_ok()
}

/// What can be had without the daemon: whoever listens on the control socket of an instance called so.
async fn without_daemon(request: &Request, absent: Absent, surroundings: &Surroundings) -> Result<ExitCode, Failed> {
    let Some(verb) = request.act.over_socket().filter(|_| request.whose.host.is_none()) else {
        return Err(Failed::Absent(absent));
    };
    let places = Places::of_environment(|name| surroundings.variable(name).map(ToOwned::to_owned));
    let in_scope = |path: &std::path::Path| match request.whose.user {
        Some(user) => path.starts_with(&places.system) != user,
        None => true,
    };
    let mut found = places.found().into_iter().filter(|found| found.name == request.name && in_scope(&found.path));
    let Some(found) = found.next() else { return Err(Failed::Absent(absent)) };
    let request = super::Request { verb, socket: Some(found.path), json: request.json };
    Ok(super::answered(&request, surroundings).await)
}

impl Session<'_> {
    async fn act(&self) -> Result<ExitCode, Failed> {
        let name = &self.request.name;
        if let Act::Create(change, new) = &self.request.act {
            let job = self.client.create(name, change, (**new).clone()).await?;
            self.outcome(&self.finish(job).await?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let instance = match self.client.instance(name).await {
            // It is as it is to be, as for the files of this machine.
            Err(Error::NoInstance { .. }) if self.request.act == Act::Remove => {
                let message = format!("there is no instance called {name}: nothing to remove");
                self.outcome(&Outcome { message, ..Outcome::default() })?;
                return Ok(ExitCode::SUCCESS);
            }
            instance => instance?,
        };
        let job = match &self.request.act {
            Act::Start => instance.start().await?,
            Act::Stop => instance.stop().await?,
            Act::Restart => instance.restart().await?,
            Act::Reload => instance.reload().await?,
            Act::Rollback => instance.rollback().await?,
            Act::Upgrade => instance.upgrade().await?,
            Act::Remove => self.client.manager().await?.remove(name.clone()).await?,
            Act::Wake => instance.wake().await?,
            Act::Sleep => instance.sleep().await?,
            _ => return self.at_once(&instance).await,
        };
        let outcome = self.finish(job).await?;
        self.outcome(&outcome)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What is no job.
    async fn at_once(&self, instance: &hostler_bus::daemon::InstanceProxy<'static>) -> Result<ExitCode, Failed> {
        let name = &self.request.name;
        match &self.request.act {
            Act::Status => {
                let status = instance.status().await?;
                self.print(&status, |detail| show::detail(detail, now_us()))?;
                return Ok(if show::is_up(status.overview.state) { ExitCode::SUCCESS } else { NOT_RUNNING.into() });
            }
            Act::Workers => {
                self.print(&instance.workers().await?, |workers| super::show::workers(workers, now_us()))?
            }
            Act::Requests => self.print(&instance.requests().await?, |requests| super::show::requests(requests))?,
            Act::Stacks(Some(worker)) => {
                let stacks = instance.stacks(*worker).await?;
                self.print(&Stacks { worker: *worker, stacks }, instance_show::stacks)?;
            }
            Act::Stacks(None) => self.all_stacks(instance).await?,
            Act::Scale(workers) => {
                instance.scale(*workers).await?;
                self.done(&format!("{name} is to have {}", instance_show::workers_in_words(*workers)))?;
            }
            Act::Recycle(worker) => {
                instance.recycle(*worker).await?;
                self.done(&format!("worker {worker} of {name} is being replaced"))?;
            }
            Act::LogLevel(None) => {
                let level = instance.log_level().await?;
                self.print(&Level { log_level: level.as_str() }, instance_show::level)?;
            }
            Act::LogLevel(Some(level)) => {
                instance.set_log_level(*level).await?;
                self.done(&format!("{name} logs from {level} on"))?;
            }
            Act::Top(times) => {
                let watched = top::Watched::Bus { client: self.client.clone(), instance: instance.clone() };
                let watched = if self.request.json {
                    top::lines(&watched, *times).await
                } else {
                    top::run(&watched, self.paint).await
                };
                return watched.map(|()| ExitCode::SUCCESS).map_err(Failed::Top);
            }
            Act::Enable(true) => {
                instance.enable().await?;
                self.done(&format!("{name} is enabled; `hostler start {name}` starts it now"))?;
            }
            Act::Enable(false) => {
                instance.disable().await?;
                self.done(&format!("{name} is disabled; what runs goes on until `hostler stop {name}`"))?;
            }
            Act::Set(change) => self.set(change).await?,
            Act::Get { key, all } => self.get(key.as_deref(), *all).await?,
            Act::Edit => self.edit().await?,
            Act::History { difference } => self.history(*difference).await?,
            Act::Undo(undo) => self.undo(undo).await?,
            Act::Logs(filter) => self.logs(filter.clone()).await?,
            Act::Doctor => return self.doctor(instance).await,
            // They are jobs.
            _ => return Err(Failed::Local("this is not asked of one instance".to_owned())),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The stacks of every worker that has a process. One that cannot give its own does not hide those of the others.
    async fn all_stacks(&self, instance: &hostler_bus::daemon::InstanceProxy<'_>) -> Result<(), Failed> {
        let (mut outcome, mut all) = (Ok(()), Vec::new());
        for worker in instance.workers().await?.iter().filter(|worker| worker.pid != 0) {
            let name = super::show::name_of(worker);
            match instance.stacks(worker.place).await {
                Ok(stacks) if self.request.json => all.push(Stacks { worker: worker.place, stacks }),
                Ok(stacks) => write(&format!("{name}\n{}\n", harmless(&stacks).trim_end())),
                Err(failed) if code(&failed) == NOT_ALLOWED => return Err(failed.into()),
                Err(failed) => {
                    say(&format!("{name} {}", harmless(&failed.to_string())));
                    outcome = Err(Failed::Told(FAILED));
                }
            }
        }
        if self.request.json {
            self.print(&all, |_| Vec::new())?;
        }
        outcome
    }

    pub(super) fn print<T: Serialize>(&self, answer: &T, lines: impl FnOnce(&T) -> Vec<Line>) -> Result<(), Failed> {
        print(self.request.json, self.paint, answer, lines)
    }

    /// That something was done which is no job.
    fn done(&self, message: &str) -> Result<(), Failed> {
        self.print(&Done { message: message.to_owned() }, instance_show::done)
    }

    pub(super) fn outcome(&self, outcome: &Outcome) -> Result<(), Failed> {
        self.print(outcome, |outcome| show::outcome(&self.request.name, outcome))
    }
}

fn print<T: Serialize>(
    json: bool,
    paint: Paint,
    answer: &T,
    lines: impl FnOnce(&T) -> Vec<Line>,
) -> Result<(), Failed> {
    if json {
        write(&serde_json::to_string_pretty(answer)?);
    } else {
        write(&lines(answer).iter().map(|line| line.painted(paint)).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}
