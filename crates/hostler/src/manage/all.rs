//! `hostler upgrade --all`: every instance that runs here and may be asked is put onto the program that stands in its place now. It needs
//! their control sockets alone, as what a package runs after it was installed has no daemon yet.

mod found;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use hostler_bus::{Error, Places, Unreachable, Upgraded};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::daemon::words::{HOST, JSON, NAME, SYSTEM, USER};
use super::line::{Line, Paint, Tone, harmless};
use super::units::time;
use super::{Failed, QUICK, SOCKET, reach, to_the_end, within, write};
use crate::say;
use found::{Found, Owner};
use hostler_project::Surroundings;

/// How many are upgraded at a time. While one is, it has twice its workers.
const AT_ONCE: usize = 4;
/// How long an instance may take. Whether its new server comes up is bounded by its own `boot_timeout`.
const UPGRADED_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long all those of other users may take together: whoever answers there is whoever they like.
const OTHERS_UPGRADED_WITHIN: Duration = Duration::from_secs(5 * 60);

const ALL: &str = "all";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) whose: Whose,
    /// Whether the answer is for a program.
    pub(crate) json: bool,
}

/// Whose instances are upgraded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The machine's, the user's own, and for root those of all users.
    #[default]
    Everybody,
    /// The user's own.
    Own,
    /// The machine's.
    Machine,
}

/// What became of one instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Told {
    name: String,
    /// The user whose it is; none for one of the machine.
    user: Option<String>,
    socket: PathBuf,
    outcome: Outcome,
    /// The process that serves now.
    #[serde(flatten)]
    upgraded: Option<Upgraded>,
    /// Why it was not upgraded, in a line; empty when it was.
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Upgraded,
    /// It goes on with the program it had.
    Failed,
    /// It was not asked, and goes on as it is.
    Skipped,
}

/// The word that asks for it, beside those of `hostler upgrade`.
pub(super) fn argument() -> Arg {
    Arg::new(ALL)
        .long(ALL)
        .action(ArgAction::SetTrue)
        .conflicts_with_all([NAME, SOCKET, HOST])
        .help("Every instance that runs here and may be asked; for root those of all users as well")
}

/// What `hostler upgrade` asks for, if it is all.
pub(crate) fn request(matches: &ArgMatches) -> Option<Request> {
    let whose = match (matches.get_flag(USER), matches.get_flag(SYSTEM)) {
        (true, _) => Whose::Own,
        (_, true) => Whose::Machine,
        _ => Whose::Everybody,
    };
    matches.get_flag(ALL).then(|| Request { whose, json: matches.get_flag(JSON) })
}

/// Upgrades them, and tells of each.
pub(crate) fn run(request: &Request, surroundings: &Surroundings) -> ExitCode {
    to_the_end(async {
        match upgrade(request.whose, request.json, surroundings).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => {
                say(&failed.to_string());
                ExitCode::from(failed.code())
            }
        }
    })
}

/// Upgrades them all, and tells of each when it is known.
///
/// # Errors
/// When some could not be; which ones was told.
async fn upgrade(whose: Whose, json: bool, surroundings: &Surroundings) -> Result<(), Failed> {
    let places = Places::of_environment(|name| surroundings.variable(name).map(ToOwned::to_owned));
    let paint = Paint::of(|name| surroundings.variable(name).is_some(), std::io::stdout().is_terminal());
    let (others, nearer): (Vec<Found>, Vec<Found>) =
        found::all(whose, &places, surroundings).into_iter().partition(|one| matches!(one.owner, Owner::Other(_)));
    let mut all = Vec::new();
    for (found, limit) in [(nearer, UPGRADED_WITHIN), (others, OTHERS_UPGRADED_WITHIN)] {
        together(found, limit, |told| {
            if !json {
                write(&line(&told).painted(paint));
            }
            all.push(told);
        })
        .await;
    }
    if json {
        all.sort_by(|one, other| (&one.name, &one.socket).cmp(&(&other.name, &other.socket)));
        write(&serde_json::to_string_pretty(&all)?);
    } else if all.is_empty() {
        write("no instance is running");
    }
    let failed: Vec<String> = all.iter().filter(|told| told.outcome == Outcome::Failed).map(label).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let (few, of) = (failed.len(), all.len());
    let failed = failed.join(", ");
    say(&format!(
        "not upgraded, {few} of {of}: {failed}. They go on with the program they had; `hostler logs NAME` says more"
    ));
    Err(Failed::Told)
}

/// Upgrades these, a few at a time.
async fn together(found: Vec<Found>, limit: Duration, mut tell: impl FnMut(Told)) {
    let (deadline, few) = (Instant::now() + limit, Arc::new(Semaphore::new(AT_ONCE)));
    let mut under_way = JoinSet::new();
    for one in found {
        let few = Arc::clone(&few);
        under_way.spawn(async move {
            // Nobody closes it.
            let _one_of_them = few.acquire().await.ok()?;
            one_of_them(one, deadline, limit).await
        });
    }
    while let Some(told) = under_way.join_next().await {
        if let Ok(Some(told)) = told {
            tell(told);
        }
    }
}

/// Upgrades one. `None` where nobody runs.
async fn one_of_them(found: Found, deadline: Instant, limit: Duration) -> Option<Told> {
    let late = || Err(Failed::Late(limit));
    let done = timeout_at(deadline, asked(&found)).await.unwrap_or_else(|_| late());
    let (outcome, upgraded, message) = match done {
        Ok(Asked::Upgraded(upgraded)) => (Outcome::Upgraded, Some(upgraded), String::new()),
        Ok(Asked::InTerminal) => {
            let message =
                format!("it runs in a terminal; `hostler upgrade --socket {}` upgrades it", found.socket.display());
            (Outcome::Skipped, None, message)
        }
        // It ended, or was killed and left its socket behind.
        Err(Failed::Unreachable(Unreachable::NotThere(_) | Unreachable::NobodyAnswers(_))) => return None,
        Err(failed @ Failed::Unreachable(Unreachable::NotAllowed(_))) => (Outcome::Skipped, None, failed.to_string()),
        Err(Failed::Instance(Error::ReloadFailed { reason, .. })) => (Outcome::Failed, None, reason),
        Err(failed) => (Outcome::Failed, None, failed.to_string()),
    };
    let Found { name, socket, owner } = found;
    let message = message.lines().collect::<Vec<_>>().join(" ");
    Some(Told { name, user: owner.user(), socket, outcome, upgraded, message })
}

/// What an instance did that was asked.
enum Asked {
    Upgraded(Upgraded),
    /// Nothing: it was started by hand, and whoever did would see it end and another take its place in the background.
    InTerminal,
}

async fn asked(found: &Found) -> Result<Asked, Failed> {
    let instance = reach(&found.socket, true).await?;
    let status = within(QUICK, instance.status()).await?;
    if found::has_terminal(status.observed.pid) {
        return Ok(Asked::InTerminal);
    }
    let upgraded = instance.upgrade().await?;
    // Whoever asks next finds the new server. It serves, even if it should not answer here.
    let _answers = reach(&found.socket, true).await;
    Ok(Asked::Upgraded(upgraded))
}

/// `shop`, or `shop of alice`.
fn label(told: &Told) -> String {
    let name = harmless(&told.name);
    told.user.as_ref().map_or_else(|| name.clone(), |user| format!("{name} of {user}"))
}

fn line(told: &Told) -> Line {
    let line = Line::toned(Tone::Strong, &label(told)).and(Tone::Plain, ": ");
    match (told.outcome, &told.upgraded) {
        (Outcome::Upgraded, Some(Upgraded { pid, seconds, version })) => {
            let took = time((seconds.max(0.0) * 1e6) as u64);
            let version = match version.as_str() {
                "" => String::new(),
                version => format!(" (hostler {})", harmless(version)),
            };
            let serves = format!(", process {pid} serves, after {took}{version}");
            line.and(Tone::Good, "upgraded").and(Tone::Plain, &serves)
        }
        (Outcome::Skipped, _) => line.and(Tone::Wary, "left as it is").and(Tone::Plain, &format!(", {}", told.message)),
        _ => line.and(Tone::Bad, "not upgraded").and(Tone::Plain, &format!(": {}", told.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: Outcome, upgraded: Option<Upgraded>, message: &str) -> Told {
        let (name, socket) = ("shop".to_owned(), PathBuf::from("/run/hostler/shop/control.sock"));
        Told { name, user: None, socket, outcome, upgraded, message: message.to_owned() }
    }

    #[test]
    fn each_is_told_in_a_line() {
        let text = |told: &Told| line(told).painted(Paint::of(|_| false, false));
        let upgraded =
            told(Outcome::Upgraded, Some(Upgraded { pid: 7, seconds: 0.5, version: "1.2.3".to_owned() }), "");
        assert_eq!(text(&upgraded), "shop: upgraded, process 7 serves, after 500 ms (hostler 1.2.3)");
        let failed = Told { user: Some("alice".to_owned()), ..told(Outcome::Failed, None, "exit status: 70") };
        assert_eq!(text(&failed), "shop of alice: not upgraded: exit status: 70");
        assert_eq!(text(&told(Outcome::Skipped, None, "permission denied")), "shop: left as it is, permission denied");
    }

    #[test]
    fn a_program_reads_the_same() {
        let upgraded =
            told(Outcome::Upgraded, Some(Upgraded { pid: 7, seconds: 0.5, version: "1.2.3".to_owned() }), "");
        let json = serde_json::to_value(&upgraded).unwrap();
        let socket = "/run/hostler/shop/control.sock";
        assert_eq!(
            json,
            serde_json::json!({
                "name": "shop", "user": null, "socket": socket, "outcome": "upgraded", "pid": 7, "seconds": 0.5,
                "version": "1.2.3", "message": ""
            })
        );
        let failed = serde_json::to_value(told(Outcome::Failed, None, "why")).unwrap();
        assert_eq!(
            (&failed["outcome"], &failed["message"], failed.get("pid")),
            (&"failed".into(), &"why".into(), None)
        );
    }
}
