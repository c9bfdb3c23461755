//! Answers of an instance as lines for people. Times are told from `now_us`, microseconds since 1970.

use hostler_bus::{
    LastError, LastReload, Observed, Phase, Reloaded, Request, State, Status, Upgraded, Worker, WorkerState,
};

use serde::Serialize;

use super::line::{Line, Piece, Tone, harmless};
use super::table::{self, Side};
use super::units::{bytes, count, latency, long, rate, time};

/// The width of the names in front of facts.
const NAME_WIDTH: usize = 12;

/// `hostler status`.
pub(super) fn status(status: &Status, now_us: u64) -> Vec<Line> {
    let (configured, observed) = (&status.configured, &status.observed);
    let mut lines = vec![headline(status, now_us), Line::default(), Line::toned(Tone::Faint, "configured")];
    let threads =
        if configured.threads == 1 { "1 thread each" } else { &format!("{} threads each", configured.threads) };
    let workers = match (configured.workers_min, configured.workers_max) {
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    lines.extend([
        fact("application", &application(status)),
        fact("listens on", &configured.binds.join(", ")),
        fact("workers", &format!("{workers}, {threads}")),
        fact("settings", configured.settings_file.as_deref().unwrap_or("from options")),
        fact("log", log_place(&configured.error_log)),
        Line::default(),
        Line::toned(Tone::Faint, "observed"),
    ]);
    let tone = if observed.workers_ready < observed.workers_wanted { Tone::Wary } else { Tone::Plain };
    let ready = format!("{} of {} ready", observed.workers_ready, observed.workers_wanted);
    let mut workers = name("workers").and(tone, &ready);
    if let Some(reason) = reason(observed) {
        workers = workers.and(Tone::Faint, &format!(", {reason}"));
    }
    lines.extend([workers, fact("generation", &observed.generation.to_string())]);
    if !observed.failure.is_empty() {
        lines.push(name("broken").and(Tone::Bad, &observed.failure));
    }
    if !observed.trouble.is_empty() {
        lines.push(name("trouble").and(Tone::Bad, &observed.trouble));
    }
    if let Some(reload) = &observed.last_reload {
        lines.push(last_reload(reload, now_us));
    }
    if !observed.awaits_restart.is_empty() {
        lines.push(fact("for restart", &format!("changed, not in effect: {}", observed.awaits_restart.join(", "))));
    }
    if let Some(error) = &observed.last_error {
        lines.push(last_error(error, now_us));
    }
    if !observed.restarts.is_empty() {
        let causes: Vec<String> =
            observed.restarts.iter().map(|(cause, times)| format!("{} {cause}", count(*times))).collect();
        lines.push(fact("restarts", &causes.join(", ")));
    }
    let total = count(observed.requests_total);
    let per_second = rate(observed.requests_per_second);
    lines.extend([fact(
        "requests",
        &format!("{total} answered, {per_second}/s, {} running, {} queued", observed.in_flight, observed.queued),
    )]);
    let answered: Vec<String> = observed
        .responses
        .iter()
        .filter(|(_, times)| **times > 0)
        .map(|(class, times)| format!("{} {class}", count(*times)))
        .collect();
    if !answered.is_empty() {
        lines.push(fact("answers", &answered.join(", ")));
    }
    lines.extend([
        fact("times", &format!("{} over the last minute", times(status))),
        fact("connections", &count(observed.connections.into())),
        fact("memory", &bytes(observed.memory_bytes)),
        fact("processor", &format!("{} used", time((observed.cpu_seconds.max(0.0) * 1e6) as u64))),
        fact("process", &process(status)),
    ]);
    lines
}

/// Where the error log goes, in words.
fn log_place(error_log: &str) -> &str {
    match error_log {
        "" => "unknown",
        "journal" => "the journal",
        "stderr" => "standard error",
        path => path,
    }
}

/// `shop.wsgi:application (Django, wsgi)`.
fn application(status: &Status) -> String {
    let Status { configured, observed } = status;
    let framework = if observed.framework.is_empty() { String::new() } else { format!("{}, ", observed.framework) };
    format!("{} ({framework}{})", configured.application, configured.interface)
}

/// Why there are as many workers as there are, where the settings leave room for it.
fn reason(observed: &Observed) -> Option<&str> {
    Some(observed.workers_reason.as_str()).filter(|reason| !reason.is_empty() && *reason != "as set")
}

/// A line with why nothing is served, or else why there are that many workers.
pub(super) fn why(observed: &Observed, line: Line) -> Line {
    match reason(observed) {
        _ if !observed.trouble.is_empty() => line.and(Tone::Bad, &format!("  {}", observed.trouble)),
        _ if !observed.failure.is_empty() => line.and(Tone::Bad, &format!("  {}", observed.failure)),
        Some(reason) => line.and(Tone::Faint, &format!("  {reason}")),
        None => line,
    }
}

/// One line: what it is called, what it does, since when.
pub(super) fn headline(status: &Status, now_us: u64) -> Line {
    let observed = &status.observed;
    let since = match observed.since_us {
        0 => String::new(),
        since_us => format!(" for {}", long(now_us.saturating_sub(since_us))),
    };
    Line::toned(Tone::Strong, &status.configured.name)
        .and(Tone::Plain, "  ")
        .and(state_tone(observed.state), observed.state.as_str())
        .and(Tone::Plain, &since)
}

/// `p50 1.2 ms, p95 8 ms, p99 20 ms`.
pub(super) fn times(status: &Status) -> String {
    let observed = &status.observed;
    format!("p50 {}, p95 {}, p99 {}", latency(observed.p50_us), latency(observed.p95_us), latency(observed.p99_us))
}

fn process(status: &Status) -> String {
    let observed = &status.observed;
    let mut text = format!("{}, hostler {}", observed.pid, observed.version);
    if !observed.python.is_empty() {
        text.push_str(&format!(", Python {}", observed.python));
    }
    if let Some(event_loop) = &observed.event_loop {
        text.push_str(&format!(", {event_loop}"));
    }
    text
}

fn last_reload(reload: &LastReload, now_us: u64) -> Line {
    let ago = long(now_us.saturating_sub(reload.at_us));
    let took = time((reload.seconds.max(0.0) * 1e6) as u64);
    let line = name("last reload");
    if reload.succeeded {
        return line.and(Tone::Good, "succeeded").and(Tone::Plain, &format!(" {ago} ago after {took}"));
    }
    line.and(Tone::Bad, "failed").and(Tone::Plain, &format!(" {ago} ago after {took}: {}", reload.message))
}

fn last_error(error: &LastError, now_us: u64) -> Line {
    let ago = format!("{} ago", long(now_us.saturating_sub(error.at_us)));
    // Its words are for those who may read the log.
    let words = if error.message.is_empty() { "see its log" } else { error.message.as_str() };
    name("last error").and(Tone::Plain, &format!("{ago}: ")).and(Tone::Bad, words)
}

fn name(name: &str) -> Line {
    Line::plain(&format!("  {name:NAME_WIDTH$} "))
}

fn fact(title: &str, text: &str) -> Line {
    name(title).and(Tone::Plain, text)
}

/// `hostler workers`.
pub(super) fn workers(workers: &[Worker], now_us: u64) -> Vec<Line> {
    if workers.is_empty() {
        return vec![Line::plain("no workers")];
    }
    let columns = [
        ("WORKER", Side::Right),
        ("PID", Side::Right),
        ("STATE", Side::Left),
        ("GEN", Side::Right),
        ("UP", Side::Right),
        ("REQUESTS", Side::Right),
        ("CPU", Side::Right),
        ("MEMORY", Side::Right),
        ("RESTARTS", Side::Left),
        ("RUNNING", Side::Left),
    ];
    table::lines(&columns, workers.iter().map(|worker| worker_row(worker, now_us)).collect())
}

fn worker_row(worker: &Worker, now_us: u64) -> Vec<Piece> {
    let there = |text: String| if worker.pid == 0 { "-".to_owned() } else { text };
    let restarts: Vec<String> = worker.restarts.iter().map(|(cause, times)| format!("{times} {cause}")).collect();
    let running = worker
        .running
        .as_ref()
        .map_or_else(String::new, |running| format!("{} {} {}", time(running.age_us), running.method, running.target));
    let plain = |text: String| Piece::new(Tone::Plain, &text);
    vec![
        plain(worker.place.to_string()),
        plain(there(worker.pid.to_string())),
        Piece::new(worker_tone(worker.state), worker.state.as_str()),
        plain(worker.generation.to_string()),
        plain(if worker.since_us == 0 { "-".to_owned() } else { long(now_us.saturating_sub(worker.since_us)) }),
        plain(count(worker.requests)),
        plain(there(time((worker.cpu_seconds.max(0.0) * 1e6) as u64))),
        plain(there(bytes(worker.memory_bytes))),
        plain(if restarts.is_empty() { "-".to_owned() } else { restarts.join(", ") }),
        plain(running),
    ]
}

/// `hostler requests`.
pub(super) fn requests(requests: &[Request]) -> Vec<Line> {
    if requests.is_empty() {
        return vec![Line::plain("no requests")];
    }
    let columns = [
        ("AGE", Side::Right),
        ("PHASE", Side::Left),
        ("WORKER", Side::Right),
        ("ID", Side::Left),
        ("METHOD", Side::Left),
        ("TARGET", Side::Left),
    ];
    let row = |request: &Request| {
        vec![
            Piece::new(Tone::Plain, &time(request.age_us)),
            Piece::new(phase_tone(request.phase), request.phase.as_str()),
            Piece::new(Tone::Plain, &request.worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string())),
            Piece::new(Tone::Plain, &request.id),
            Piece::new(Tone::Plain, &request.method),
            Piece::new(Tone::Plain, &request.target),
        ]
    };
    table::lines(&columns, requests.iter().map(row).collect())
}

/// `hostler reload` and `hostler rollback`, when they succeeded; `done` says which.
pub(super) fn reloaded(done: &str, reloaded: &Reloaded) -> Vec<Line> {
    let took = time((reloaded.seconds.max(0.0) * 1e6) as u64);
    vec![Line::plain(&format!("{done}: generation {} serves, after {took}", reloaded.generation))]
}

/// `hostler upgrade`, when it succeeded.
pub(super) fn upgraded(upgraded: &Upgraded) -> Vec<Line> {
    let took = time((upgraded.seconds.max(0.0) * 1e6) as u64);
    let done = match upgraded.version.as_str() {
        "" => "upgraded".to_owned(),
        version => format!("upgraded to hostler {version}"),
    };
    vec![Line::plain(&format!("{done}: process {} serves, after {took}", upgraded.pid))]
}

/// A worker in front of its stacks.
pub(super) fn name_of(worker: &Worker) -> String {
    format!("worker {} (pid {}, generation {}):", worker.place, worker.pid, worker.generation)
}

/// The stacks of a worker, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Stacks {
    pub(super) worker: u32,
    pub(super) stacks: String,
}

/// `hostler stacks WORKER`.
pub(super) fn stacks(one: &Stacks) -> Vec<Line> {
    harmless(&one.stacks).lines().map(Line::plain).collect()
}

/// A log level, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Level {
    pub(super) log_level: &'static str,
}

/// `hostler log-level`.
pub(super) fn level(one: &Level) -> Vec<Line> {
    vec![Line::plain(one.log_level)]
}

/// `1 worker`, `2 workers`.
pub(super) fn workers_in_words(workers: u32) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

/// That something was done at once, in a sentence.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) message: String,
}

/// `hostler scale`, `hostler enable` and their like.
pub(super) fn done(one: &Done) -> Vec<Line> {
    vec![Line::plain(&one.message)]
}

fn state_tone(state: State) -> Tone {
    match state {
        State::Serving => Tone::Good,
        State::Broken => Tone::Bad,
        State::Starting | State::Reloading | State::Stopping => Tone::Wary,
        State::Asleep | State::Unknown => Tone::Plain,
    }
}

fn worker_tone(state: WorkerState) -> Tone {
    match state {
        WorkerState::Busy => Tone::Good,
        WorkerState::Starting | WorkerState::Retiring | WorkerState::Stopping => Tone::Wary,
        WorkerState::Waiting => Tone::Bad,
        WorkerState::Idle | WorkerState::Unknown => Tone::Plain,
    }
}

fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::Queued => Tone::Wary,
        Phase::Abandoned => Tone::Bad,
        Phase::Running | Phase::Answering | Phase::Unknown => Tone::Plain,
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
