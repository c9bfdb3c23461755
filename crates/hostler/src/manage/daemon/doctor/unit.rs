//! What the doctor makes of a service or a socket that starts, or that failed.

use hostler_bus::daemon::STARTED_AGAIN;
use hostler_instances::Name;

use super::super::super::line::harmless;
use super::{Facts, Finding, Severity};

/// One that is being started at this moment. How the attempt before went is not why: this one may succeed.
pub(super) fn starting(facts: &Facts) -> Finding {
    let (overview, service) = (&facts.detail.overview, facts.detail.service.as_ref());
    let said = service.map(|service| harmless(service.status_text.trim())).filter(|said| !said.is_empty());
    let observed = facts.detail.instance.as_ref().map(|status| &status.observed);
    let at = match (said, observed) {
        (Some(said), _) => format!("it says that it is at: {said}"),
        (None, Some(it)) => format!("{} of {} workers are ready", it.workers_ready, it.workers_wanted),
        (None, None) => "it has not said yet what it is at".to_owned(),
    };
    let problem = harmless(&overview.problem);
    let error = facts.last_error_but(&problem);
    let is_of_this = overview.since_us > 0 && facts.last_error_us >= overview.since_us;
    let mut finding = facts.find(
        Severity::Odd,
        format!("{} has been starting{}; whoever connects waits.", facts.name(), facts.ago(overview.since_us)),
        vec![at, if is_of_this { error.clone() } else { String::new() }],
        facts.command("logs"),
    );
    if problem.is_empty() && !facts.failed_lately {
        return finding;
    }
    let times = match service.map_or(0, |service| service.restarts) {
        0 | 1 => String::new(),
        times => format!("; this is restart {times}"),
    };
    finding.before = match problem.strip_prefix(STARTED_AGAIN).unwrap_or(&problem) {
        "" => vec![format!("the attempt before this one failed{times}")],
        why => vec![format!("the attempt before this one failed: {why}{times}")],
    };
    finding.before.extend((!is_of_this && !error.is_empty()).then_some(error));
    finding.command = facts.errors();
    finding
}

pub(super) fn starts(enabled: &str) -> String {
    match enabled {
        "disabled" => "it is disabled: it does not start by itself either".to_owned(),
        _ => String::new(),
    }
}

/// A unit that failed: what the exit status or systemd's result means.
pub(super) fn failed(facts: &Facts) -> Finding {
    let name = facts.name();
    let start = facts.command("start");
    let socket = facts.detail.socket.as_ref().filter(|socket| socket.active == "failed");
    let service = facts.detail.service.as_ref();
    let of_socket = socket.is_some() && service.is_none_or(|service| service.active != "failed");
    if let (Some(socket), true) = (socket, of_socket) {
        return facts.find(
            Severity::Bad,
            format!("{name} cannot be reached: its socket failed."),
            vec![
                match facts.socket_error.trim() {
                    "" => format!("systemd's result for the socket is {}", socket.result),
                    said => format!("systemd says: {}", harmless(said)),
                },
                facts.detail.overview.problem.clone(),
            ],
            start,
        );
    }
    let (result, status) = service.map_or(("", 0), |service| (service.result.as_str(), service.exit_status));
    let look = format!("{}, then {start}", facts.errors());
    let (why, command) = match (result, status) {
        ("oom-kill", _) => (
            "the kernel killed it for want of memory",
            format!(
                "raise MemoryMax= of its unit, or lower `workers`: {} workers=…; then {start}",
                facts.command("set")
            ),
        ),
        ("watchdog", _) => ("it stopped answering systemd's watchdog", look),
        ("timeout", _) => ("it took longer to start or to stop than systemd allows", look),
        ("signal" | "core-dump", _) => ("a signal ended it", look),
        (_, 64) => ("its settings are wrong", format!("{}, then {start}", facts.command("edit"))),
        (_, 65) => ("the application does not import", look),
        (_, 69) => ("its workers die before they are ready", look),
        (_, 71) => ("an address or another thing of the system cannot be had", look),
        ("exit-code", 200..=243) => {
            let user = if facts.words.contains("--user") { " --user" } else { "" };
            (
                "systemd could not start its program",
                format!("systemctl{user} edit hostler@{name}.service, then {start}"),
            )
        }
        _ => ("its service failed", look),
    };
    facts.find(Severity::Bad, format!("{name} is down, because {why}."), facts.end(), command)
}

/// Whether systemd makes a user from the name of the instance.
pub(super) fn makes_user(name: &str) -> bool {
    name.parse::<Name>().is_ok_and(|name| name.makes_user())
}

pub(super) fn exit(facts: &Facts) -> String {
    match &facts.detail.service {
        // The next attempt has begun, and nothing is known of the last one any more.
        Some(service) if matches!(service.result.as_str(), "" | "success") && service.restarts == 0 => String::new(),
        Some(service) => {
            let restarts = match service.restarts {
                0 => String::new(),
                1 => ", restarted once".to_owned(),
                times => format!(", restarted {times} times"),
            };
            format!("systemd says {} ({}), exit status {}{restarts}", service.sub, service.result, service.exit_status)
        }
        None => String::new(),
    }
}
