//! `hostler doctor`: what is wrong with an instance, in one sentence, with the evidence and the command that mends it. What
//! is found depends on plain data alone: what the daemon knows, and the last error of the log.

mod unit;

use std::process::ExitCode;

use hostler_bus::State;
use hostler_bus::daemon::{Detail, InstanceProxy, InstanceState, LogFilter, LogLine};
use serde::Serialize;

use super::super::line::{Line, Tone, harmless};
use super::super::now_us;
use super::super::units::{latency, long, rate};
use super::{Failed, Session};
use crate::FAILED;
use unit::{exit, failed, makes_user, starting, starts};

/// From this 95th percentile on requests are called slow.
const SLOW_US: u64 = 1_000_000;
/// A log is looked through for the last error this far back.
const LOG_PERIOD_US: u64 = 24 * 3600 * 1_000_000;
/// Who logs that a unit failed.
const SYSTEMD: &str = "systemd";
/// An attempt to start that failed is followed by the next within this time.
const LATELY_US: u64 = 10_000_000;
/// SubState of a service that systemd is about to start again; `auto-restart-queued`, too (since systemd 254).
const BETWEEN_ATTEMPTS: &str = "auto-restart";
/// More errors than this are not asked for: the last is shown.
const LOG_LINES: u32 = 20;

/// What the findings are drawn from.
#[derive(Clone, Debug, Default)]
struct Facts {
    detail: Detail,
    /// The last message of the log that is an error; empty when there is none, or it may not be read.
    last_error: String,
    /// When it was logged, in microseconds since 1970.
    last_error_us: u64,
    /// What systemd last said of its socket that failed; empty when it said nothing.
    socket_error: String,
    /// Whether systemd said a moment ago that it failed: the attempt to start before this one.
    failed_lately: bool,
    /// The words that reach this instance again: ` --user`, ` -H host`.
    words: String,
    now_us: u64,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// As it was meant to be.
    Fine,
    /// It serves, and something is to be done.
    Odd,
    /// Requests fail or wait.
    Bad,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Finding {
    severity: Severity,
    /// What is the matter, in one sentence.
    sentence: String,
    /// What says so.
    evidence: Vec<String>,
    /// What was before, and is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    /// What mends it; empty when nothing needs to be done.
    command: String,
}

impl Session<'_> {
    /// The exit code says whether something is wrong.
    pub(super) async fn doctor(&self, instance: &InstanceProxy<'_>) -> Result<ExitCode, Failed> {
        let now = now_us();
        let filter = LogFilter {
            priority: Some(3),
            since_us: Some(now.saturating_sub(LOG_PERIOD_US)),
            lines: Some(LOG_LINES),
            ..LogFilter::default()
        };
        // Who may not read the log is told what is known without it.
        let page = instance.read_logs(filter).await.unwrap_or_default();
        let last = telling(&page.lines);
        let (last_error, last_error_us) = last.map(|line| (line.message.clone(), line.time_us)).unwrap_or_default();
        let socket =
            page.lines.iter().rev().find(|line| line.identifier == SYSTEMD && line.message.contains(".socket: "));
        let socket_error = socket.map(|line| line.message.clone()).unwrap_or_default();
        let failed = page.lines.iter().rev().find(|line| line.identifier == SYSTEMD);
        let failed_lately = failed.is_some_and(|line| now.saturating_sub(line.time_us) < LATELY_US);
        let mut words = match self.request.whose.user {
            Some(true) => " --user".to_owned(),
            Some(false) => " --system".to_owned(),
            None => String::new(),
        };
        if let Some(host) = &self.request.whose.host {
            words.push_str(&format!(" -H {host}"));
        }
        let findings = examine(&Facts {
            detail: instance.status().await?,
            last_error,
            last_error_us,
            socket_error,
            failed_lately,
            words,
            now_us: now,
        });
        self.print(&findings, |findings| findings.iter().enumerate().flat_map(|(at, one)| lines(at, one)).collect())?;
        let well = findings.iter().all(|finding| finding.severity == Severity::Fine);
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

/// The last error that says why: systemd's own say that a unit failed, which is known.
fn telling(errors: &[LogLine]) -> Option<&LogLine> {
    errors.iter().rev().find(|line| line.identifier != SYSTEMD).or(errors.last())
}

fn lines(at: usize, finding: &Finding) -> Vec<Line> {
    let tone = match finding.severity {
        Severity::Fine => Tone::Good,
        Severity::Odd => Tone::Wary,
        Severity::Bad => Tone::Bad,
    };
    let mut lines = Vec::new();
    lines.extend((at > 0).then(Line::default));
    lines.push(Line::toned(tone, &finding.sentence));
    lines.extend(finding.evidence.iter().map(|fact| Line::toned(Tone::Faint, &format!("  because  {fact}"))));
    lines.extend(finding.before.iter().map(|fact| Line::toned(Tone::Faint, &format!("  before   {fact}"))));
    if !finding.command.is_empty() {
        lines.push(Line::plain("  mend it  ").and(Tone::Strong, &finding.command));
    }
    lines
}

/// All that is to be said, the worst first; never empty.
fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [standing(facts), stuck_reload(facts)].into_iter().flatten().collect();
    findings.extend(load(facts));
    findings.extend(pending(facts));
    if findings.is_empty() {
        findings.push(well(facts));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

impl Facts {
    fn name(&self) -> &str {
        &self.detail.overview.name
    }

    fn command(&self, verb: &str) -> String {
        format!("hostler {verb} {}{}", self.name(), self.words)
    }

    fn errors(&self) -> String {
        format!("{} --priority error", self.command("logs"))
    }

    fn find(&self, severity: Severity, sentence: String, evidence: Vec<String>, command: String) -> Finding {
        let evidence = evidence.into_iter().filter(|fact| !fact.is_empty()).collect();
        Finding { severity, sentence, evidence, before: Vec::new(), command }
    }

    /// The last error, as evidence: its first and its last line, which of a traceback is the exception.
    fn last_error(&self) -> String {
        let text = harmless(self.last_error.trim());
        match (text.lines().next(), text.lines().next_back()) {
            (Some(first), Some(last)) if first != last => format!("the log says: {first} … {}", last.trim()),
            (Some(first), _) => format!("the log says: {first}"),
            _ => String::new(),
        }
    }

    /// Whether it is between an attempt to start that failed and the next.
    fn fails_now(&self) -> bool {
        let Some(service) = &self.detail.service else { return false };
        match self.detail.overview.state {
            InstanceState::Starting => service.sub.starts_with(BETWEEN_ATTEMPTS),
            _ => !matches!(service.result.as_str(), "" | "success"),
        }
    }

    /// Why it does not run, as the daemon knows it, systemd's words for that, and the last error, unless that says the same.
    fn end(&self) -> Vec<String> {
        let why = harmless(&self.detail.overview.problem);
        let error = self.last_error_but(&why);
        vec![why, exit(self), error]
    }

    /// The last error, unless these words say the same.
    fn last_error_but(&self, why: &str) -> String {
        let first = harmless(self.last_error.trim().lines().next().unwrap_or_default());
        let repeats = !first.is_empty() && why.contains(first.trim());
        if repeats { String::new() } else { self.last_error() }
    }

    fn ago(&self, us: u64) -> String {
        if us == 0 { String::new() } else { format!(" for {}", long(self.now_us.saturating_sub(us))) }
    }
}

/// What its state says, where it does not simply serve.
fn standing(facts: &Facts) -> Option<Finding> {
    let (name, overview) = (facts.name(), &facts.detail.overview);
    let ago = facts.ago(overview.since_us);
    let problem = overview.problem.clone();
    if facts.detail.service.as_ref().is_some_and(|service| service.result == "resources") && !makes_user(name) {
        return Some(facts.find(
            Severity::Bad,
            format!(
                "{name} does not start, because systemd makes no user of such a name: it has a dot, or is too long."
            ),
            vec![exit(facts)],
            format!(
                "systemctl edit hostler@{name}.service (in [Service], User=hostler_… with a name that does), then {}",
                facts.command("start")
            ),
        ));
    }
    let finding = match overview.state {
        InstanceState::Failed => return Some(failed(facts)),
        InstanceState::Broken => {
            let failure = facts.detail.instance.as_ref().map(|status| status.observed.failure.clone());
            let why = failure.filter(|failure| !failure.is_empty()).unwrap_or(problem);
            facts.find(
                Severity::Bad,
                format!("{name} answers every request with 503{ago}, because no worker can be had."),
                vec![why, facts.last_error()],
                format!("{}, then {}", facts.errors(), facts.command("reload")),
            )
        }
        InstanceState::Starting if !facts.fails_now() => starting(facts),
        // It ends, or is about to be started again.
        InstanceState::Starting | InstanceState::Stopping if !problem.is_empty() => facts.find(
            Severity::Bad,
            format!("{name} does not come up: it fails when it starts, and systemd starts it again."),
            facts.end(),
            facts.errors(),
        ),
        // Somebody waits at its socket, and systemd starts it for them each time.
        InstanceState::Starting | InstanceState::Stopping if facts.fails_now() => facts.find(
            Severity::Bad,
            format!("{name} does not come up: it failed a moment ago, and is started again for whoever waits."),
            vec![exit(facts), facts.last_error()],
            facts.errors(),
        ),
        InstanceState::Asleep | InstanceState::Stopped | InstanceState::Configured if !problem.is_empty() => facts
            .find(
                Severity::Bad,
                format!("{name} cannot start: its settings file is wrong."),
                vec![problem],
                facts.command("edit"),
            ),
        InstanceState::Asleep => facts.find(
            Severity::Fine,
            format!("{name} is asleep{ago}, because nobody has asked it for anything; the next request wakes it."),
            vec![
                "no process of it runs, and its socket listens".to_owned(),
                "the first request waits for the import of the application".to_owned(),
            ],
            facts.command("wake"),
        ),
        InstanceState::Stopped => facts.find(
            Severity::Bad,
            format!("{name} is stopped{ago}: neither its socket nor its service is active, so nobody can connect."),
            vec![starts(&overview.enabled)],
            facts.command("start"),
        ),
        InstanceState::Configured => facts.find(
            Severity::Bad,
            format!("{name} was never started: there is its settings file, and nothing else."),
            vec![starts(&overview.enabled)],
            format!("{} && {}", facts.command("enable"), facts.command("start")),
        ),
        InstanceState::Stopping => facts.find(
            Severity::Odd,
            format!("{name} was told to stop{ago}, and finishes what it runs."),
            Vec::new(),
            facts.command("requests"),
        ),
        _ if facts.detail.instance.is_none() => facts.find(
            Severity::Bad,
            format!("{name} runs and does not answer, so it is stuck or suspended."),
            vec![facts.detail.silent_because.clone(), problem],
            facts.command("restart"),
        ),
        _ => return None,
    };
    Some(finding)
}

/// A reload that failed: it serves what was there before.
fn stuck_reload(facts: &Facts) -> Option<Finding> {
    let observed = &facts.detail.instance.as_ref()?.observed;
    let reload = observed.last_reload.as_ref().filter(|reload| !reload.succeeded)?;
    Some(facts.find(
        Severity::Odd,
        format!(
            "{} still serves generation {}, because its last reload failed{}.",
            facts.name(),
            observed.generation,
            match facts.ago(reload.at_us) {
                ago if ago.is_empty() => ago,
                ago => format!("{} ago", ago.replacen(" for ", " ", 1)),
            }
        ),
        vec![reload.message.clone()],
        facts.command("reload"),
    ))
}

/// Why requests take long.
fn load(facts: &Facts) -> Option<Finding> {
    let status = facts.detail.instance.as_ref()?;
    let (configured, observed) = (&status.configured, &status.observed);
    if !matches!(observed.state, State::Serving | State::Reloading) {
        return None;
    }
    let name = facts.name();
    let times = format!("p50 {}, p95 {} over the last minute", latency(observed.p50_us), latency(observed.p95_us));
    let ready = format!("{} of {} workers are ready", observed.workers_ready, observed.workers_wanted);
    let waiting = format!("{} requests wait, {} run", observed.queued, observed.in_flight);
    if !observed.trouble.is_empty() {
        return Some(facts.find(
            Severity::Bad,
            format!("{name} answers nothing, because no worker gets ready though the application is not known to be broken; requests wait."),
            vec![observed.trouble.clone(), ready, waiting],
            format!("{} (and journalctl -k, where the kernel says whom it killed for want of memory)", facts.command("logs")),
        ));
    }
    if observed.queued > 0 && observed.workers_ready < observed.workers_wanted {
        return Some(facts.find(
            Severity::Bad,
            format!("{name} is slow, because workers are missing that it should have."),
            vec![ready, waiting, facts.last_error()],
            facts.command("workers"),
        ));
    }
    if observed.queued > 0 && observed.workers_wanted >= configured.workers_max {
        return Some(facts.find(
            Severity::Bad,
            format!("{name} is slow, because requests wait for a worker and it has as many as its settings allow."),
            vec![
                waiting,
                format!("workers = {} at most, {} threads each", configured.workers_max, configured.threads),
                times,
            ],
            format!("{} workers={}", facts.command("set"), configured.workers_max.saturating_mul(2).clamp(1, 512)),
        ));
    }
    if observed.p95_us >= SLOW_US {
        return Some(facts.find(
            Severity::Odd,
            format!("{name} is slow, because the application itself takes long; no request waits for a worker."),
            vec![times, format!("{} requests/s, {waiting}", rate(observed.requests_per_second))],
            format!("{}, and {}", facts.command("requests"), facts.command("stacks")),
        ));
    }
    None
}

/// What was changed and waits, and what was mended already.
fn pending(facts: &Facts) -> Vec<Finding> {
    let (name, detail) = (facts.name(), &facts.detail);
    let mut findings = Vec::new();
    if !detail.awaits_restart.is_empty() {
        findings.push(facts.find(
            Severity::Odd,
            format!("{name} runs with former settings, because a change of them takes a restart."),
            vec![format!("changed, and not in effect: {}", detail.awaits_restart.join(", "))],
            facts.command("restart"),
        ));
    }
    if detail.service.as_ref().is_some_and(|service| service.needs_daemon_reload) {
        let user = if facts.words.contains("--user") { " --user" } else { "" };
        findings.push(facts.find(
            Severity::Odd,
            format!("{name}'s unit file changed on disk, and systemd still has the former one."),
            vec!["NeedDaemonReload is set".to_owned()],
            format!("systemctl{user} daemon-reload && {}", facts.command("restart")),
        ));
    }
    if !detail.healed.is_empty() {
        findings.push(facts.find(
            Severity::Odd,
            format!("{name} was brought back after systemd's limits had stopped it."),
            detail.healed.clone(),
            facts.command("logs"),
        ));
    }
    findings
}

fn well(facts: &Facts) -> Finding {
    let evidence = match &facts.detail.instance {
        Some(status) => vec![format!(
            "{} of {} workers are ready, {} requests/s, p95 {}",
            status.observed.workers_ready,
            status.observed.workers_wanted,
            rate(status.observed.requests_per_second),
            latency(status.observed.p95_us)
        )],
        None => Vec::new(),
    };
    let sentence = format!("{} is well: it serves, and nothing waits.", facts.name());
    facts.find(Severity::Fine, sentence, evidence, String::new())
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
