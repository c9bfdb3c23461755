//! The daemon's answers as lines for people, and the list of all instances.

use std::path::Path;

use hostler_bus::daemon::{Absent, Client, Detail, InstanceState, Outcome, Overview, Reach, Security};
use hostler_bus::{Places, Status, connect};
use serde::Serialize;

use super::super::line::{Line, Paint, Piece, Tone};
use super::super::table::{self, Side};
use super::super::units::{bytes, count, long, time};
use super::super::{QUICK, now_us, show as instance_show};
use super::{Failed, Request, Whose, print};
use crate::say;
use hostler_project::Surroundings;

/// An instance of the list, and whose it is.
#[derive(Debug, Serialize)]
struct Listed {
    scope: &'static str,
    #[serde(flatten)]
    overview: Overview,
    #[serde(flatten)]
    figures: Option<Figures>,
}

/// What one that runs does at this moment.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    workers_ready: u32,
    workers_wanted: u32,
    requests_per_second: f64,
    memory_bytes: u64,
}

impl Figures {
    fn of(status: &Status) -> Self {
        let observed = &status.observed;
        Self {
            workers_ready: observed.workers_ready,
            workers_wanted: observed.workers_wanted,
            requests_per_second: observed.requests_per_second,
            memory_bytes: observed.memory_bytes,
        }
    }
}

/// Asks those that run what they do, all at once; one that does not answer is listed without that.
async fn with_figures(client: &Client, scope: &'static str, found: Vec<Overview>) -> Vec<Listed> {
    let mut asked = tokio::task::JoinSet::new();
    for (index, one) in found.iter().enumerate().filter(|(_, one)| one.generation > 0) {
        let (client, name) = (client.clone(), one.name.clone());
        asked.spawn(async move {
            let status = async { client.known_instance(&name).await?.status().await };
            (index, tokio::time::timeout(QUICK, status).await)
        });
    }
    let listed = |overview| Listed { scope, overview, figures: None };
    let mut all: Vec<Listed> = found.into_iter().map(listed).collect();
    while let Some(answer) = asked.join_next().await {
        if let Ok((index, Ok(Ok(detail)))) = answer
            && let (Some(listed), Some(status)) = (all.get_mut(index), &detail.instance)
        {
            listed.figures = Some(Figures::of(status));
        }
    }
    all
}

/// `hostler list`: of the machine and of the user, unless one of them was named.
pub(super) async fn list(request: &Request, paint: Paint, surroundings: &Surroundings) -> Result<(), Failed> {
    let Whose { user, host } = &request.whose;
    let scopes = match user {
        Some(user) => vec![*user],
        None if host.is_some() || rustix::process::geteuid().is_root() => vec![false],
        None => vec![false, true],
    };
    let (mut all, mut absent) = (Vec::new(), Vec::new());
    for user in &scopes {
        let scope = if *user { "user" } else { "system" };
        match Client::connect(&Reach { user: *user, host: host.clone() }).await {
            Ok(client) => {
                let found = client.manager().await?.list().await?;
                all.extend(with_figures(&client, scope, found).await);
            }
            Err(failed) => absent.push(failed),
        }
    }
    if absent.len() == scopes.len() {
        let absent = absent.swap_remove(0);
        all = if host.is_none() { answering(&scopes, surroundings).await } else { Vec::new() };
        if all.is_empty() {
            return Err(absent.into());
        }
        say(&format!("{absent}; only instances that run are listed"));
        return print(request.json, paint, &all, |all| table_of(all, now_us()));
    }
    // A machine without a user's daemon is nothing odd, where the user has no instances; one whose daemon does not start is.
    let odd = |failed: &&Absent| !matches!(failed, Absent::NoBus { .. } | Absent::NotInstalled { .. });
    let has_own = scopes.contains(&true) && !super::own(surroundings).is_empty();
    for failed in absent.iter().filter(|failed| has_own || odd(failed)) {
        say(&failed.to_string());
    }
    print(request.json, paint, &all, |all| table_of(all, now_us()))
}

/// Without a daemon: those that answer on their control sockets.
async fn answering(scopes: &[bool], surroundings: &Surroundings) -> Vec<Listed> {
    let places = Places::of_environment(|name| surroundings.variable(name).map(ToOwned::to_owned));
    let mut all = Vec::new();
    for found in places.found() {
        let user = !found.path.starts_with(&places.system);
        let Some(status) = status_of(&found.path).await.filter(|_| scopes.contains(&user)) else { continue };
        let figures = Some(Figures::of(&status));
        let Status { configured, observed } = status;
        let overview = Overview {
            name: found.name,
            state: InstanceState::from(observed.state.as_str()),
            since_us: observed.since_us,
            problem: observed.failure,
            application: configured.application,
            binds: configured.binds,
            generation: observed.generation,
            ..Overview::default()
        };
        all.push(Listed { scope: if user { "user" } else { "system" }, overview, figures });
    }
    all
}

async fn status_of(socket: &Path) -> Option<Status> {
    let instance = connect(socket).await.ok()?;
    tokio::time::timeout(QUICK, instance.status()).await.ok()?.ok()
}

fn table_of(all: &[Listed], now_us: u64) -> Vec<Line> {
    if all.is_empty() {
        return vec![Line::plain("no instances; `hostler new NAME` makes one for a project")];
    }
    let scopes = all.windows(2).any(|pair| pair[0].scope != pair[1].scope);
    let mut columns = vec![
        ("NAME", Side::Left),
        ("STATE", Side::Left),
        ("FOR", Side::Right),
        ("STARTS", Side::Left),
        ("GEN", Side::Right),
        ("WORKERS", Side::Right),
        ("REQ/S", Side::Right),
        ("MEMORY", Side::Right),
        ("APPLICATION", Side::Left),
        ("LISTENS ON", Side::Left),
        ("PROBLEM", Side::Left),
    ];
    if scopes {
        columns.insert(1, ("WHOSE", Side::Left));
    }
    let rows = all.iter().map(|listed| {
        let one = &listed.overview;
        let figure = |told: &dyn Fn(&Figures) -> String| listed.figures.as_ref().map(told).unwrap_or_default();
        let known = |text: String| Piece::new(Tone::Plain, if text.is_empty() { "-" } else { &text });
        let mut row = vec![
            Piece::new(Tone::Strong, &one.name),
            Piece::new(tone(one.state), one.state.as_str()),
            known(since(one.since_us, now_us)),
            known(one.enabled.clone()),
            known(if one.generation == 0 { String::new() } else { one.generation.to_string() }),
            known(figure(&|figures| format!("{}/{}", figures.workers_ready, figures.workers_wanted))),
            known(figure(&|figures| format!("{:.1}", figures.requests_per_second))),
            known(figure(&|figures| bytes(figures.memory_bytes))),
            known(one.application.clone()),
            known(one.binds.join(" ")),
            Piece::new(Tone::Wary, &one.problem),
        ];
        if scopes {
            row.insert(1, Piece::new(Tone::Faint, listed.scope));
        }
        row
    });
    table::lines(&columns, rows.collect())
}

fn since(since_us: u64, now_us: u64) -> String {
    if since_us == 0 { String::new() } else { long(now_us.saturating_sub(since_us)) }
}

/// Whether requests are answered, or will be: a socket listens.
pub(super) fn is_up(state: InstanceState) -> bool {
    !matches!(state, InstanceState::Configured | InstanceState::Stopped | InstanceState::Failed)
}

fn tone(state: InstanceState) -> Tone {
    match state {
        InstanceState::Serving => Tone::Good,
        InstanceState::Starting | InstanceState::Reloading | InstanceState::Stopping => Tone::Wary,
        InstanceState::Broken | InstanceState::Failed => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// `hostler status NAME`.
pub(super) fn detail(detail: &Detail, now_us: u64) -> Vec<Line> {
    let overview = &detail.overview;
    let fact = |name: &str, text: &str| Line::plain(&format!("  {name:12} ")).and(Tone::Plain, text);
    let mut lines = match &detail.instance {
        Some(status) => instance_show::status(status, now_us),
        None => {
            let mut headline = Line::toned(Tone::Strong, &overview.name)
                .and(Tone::Plain, "  ")
                .and(tone(overview.state), overview.state.as_str());
            if overview.since_us != 0 {
                headline = headline.and(Tone::Plain, &format!(" for {}", since(overview.since_us, now_us)));
            }
            let mut lines = vec![headline, Line::default()];
            lines.extend((!overview.application.is_empty()).then(|| fact("application", &overview.application)));
            lines.extend((!overview.framework.is_empty()).then(|| fact("framework", &overview.framework)));
            lines.extend((!overview.python.is_empty()).then(|| fact("python", &overview.python)));
            lines.extend((!overview.binds.is_empty()).then(|| fact("listens on", &overview.binds.join(", "))));
            lines
        }
    };
    if !overview.problem.is_empty() {
        lines.push(Line::plain(&format!("  {:12} ", "problem")).and(Tone::Bad, &overview.problem));
    }
    if let Some(service) = &detail.service {
        lines.extend([Line::default(), Line::toned(Tone::Faint, "systemd")]);
        let mut words = format!("{} ({})", service.active, service.sub);
        if service.result != "success" && !service.result.is_empty() {
            words.push_str(&format!(", {}, exit status {}", service.result, service.exit_status));
        }
        if service.restarts > 0 {
            words.push_str(&format!(", restarted {} times", count(service.restarts.into())));
        }
        lines.push(fact("service", &words));
        let amounts: Vec<String> = service
            .memory_bytes
            .map(|memory| format!("{} memory", bytes(memory)))
            .into_iter()
            .chain(service.cpu_us.map(|used| format!("{} processor time", time(used))))
            .chain(service.tasks.map(|tasks| format!("{tasks} tasks")))
            .collect();
        if !amounts.is_empty() {
            lines.push(fact("uses", &amounts.join(", ")));
        }
        lines.push(fact("starts", &overview.enabled));
        if let Some(security) = &detail.security {
            let Security { exposure, rating, profile } = security;
            lines.push(fact("security", &format!("profile {profile}, exposure {exposure:.1} of 10 ({rating})")));
        }
    }
    if let Some(socket) = &detail.socket {
        lines.push(fact("socket", &format!("{} ({}) {}", socket.active, socket.sub, socket.listen.join(", "))));
    }
    // Mostly the instance has told it.
    let told = detail.instance.as_ref().map(|status| &status.observed.awaits_restart);
    if !detail.awaits_restart.is_empty() && told != Some(&detail.awaits_restart) {
        lines.push(fact("for restart", &format!("changed, not in effect: {}", detail.awaits_restart.join(", "))));
    }
    lines.extend(detail.healed.iter().map(|healed| fact("healed", healed)));
    lines
}

/// What came of a job.
pub(super) fn outcome(name: &str, outcome: &Outcome) -> Vec<Line> {
    let mut lines = vec![Line::plain(&outcome.message)];
    if !outcome.awaits_restart.is_empty() {
        let keys = outcome.awaits_restart.join(", ");
        lines.push(Line::toned(Tone::Wary, &format!("{keys}: in effect after `hostler restart {name}`")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> String {
        let paint = Paint::of(|_| false, false);
        lines.iter().map(|line| line.painted(paint)).collect::<Vec<_>>().join("\n")
    }

    fn listed(scope: &'static str, name: &str, state: InstanceState) -> Listed {
        let overview = Overview {
            name: name.to_owned(),
            state,
            since_us: 1_000_000,
            application: "shop:app".to_owned(),
            ..Overview::default()
        };
        Listed { scope, overview, figures: None }
    }

    #[test]
    fn the_list_says_whose_only_where_they_differ() {
        let mut one = [listed("system", "shop", InstanceState::Serving)];
        let words = |all: &[Listed], line| -> Vec<String> {
            text(&table_of(all, 61_000_000))
                .lines()
                .nth(line)
                .unwrap()
                .split("  ")
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect()
        };
        let columns = [
            "NAME",
            "STATE",
            "FOR",
            "STARTS",
            "GEN",
            "WORKERS",
            "REQ/S",
            "MEMORY",
            "APPLICATION",
            "LISTENS ON",
            "PROBLEM",
        ];
        assert_eq!(words(&one, 0), columns);
        assert_eq!(words(&one, 1), ["shop", "serving", "1m 0s", "-", "-", "-", "-", "-", "shop:app", "-"]);
        one[0].figures =
            Some(Figures { workers_ready: 2, workers_wanted: 4, requests_per_second: 8.25, memory_bytes: 0 });
        assert_eq!(words(&one, 1)[5..7], ["2/4", "8.2"]);
        let [first] = one;
        let both = [first, listed("user", "blog", InstanceState::Asleep)];
        assert!(text(&table_of(&both, 0)).contains("blog  user"), "{}", text(&table_of(&both, 0)));
        assert!(text(&table_of(&[], 0)).contains("hostler new"));
    }

    #[test]
    fn one_that_does_not_run_is_shown_with_what_systemd_says() {
        let detail = Detail {
            overview: listed("user", "shop", InstanceState::Failed).overview,
            service: Some(hostler_bus::daemon::UnitFacts {
                active: "failed".to_owned(),
                sub: "failed".to_owned(),
                result: "exit-code".to_owned(),
                exit_status: 65,
                restarts: 3,
                ..Default::default()
            }),
            awaits_restart: vec!["bind".to_owned()],
            ..Detail::default()
        };
        let shown = text(&super::detail(&detail, 3_000_000));
        assert!(shown.starts_with("shop  failed for 2s\n"), "{shown}");
        assert!(shown.contains("failed (failed), exit-code, exit status 65, restarted 3 times"), "{shown}");
        assert!(shown.contains("not in effect: bind"), "{shown}");
    }
}
