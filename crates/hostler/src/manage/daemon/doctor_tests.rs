//! Each diagnosis, from the data that it is drawn from.

use hostler_bus::daemon::{Overview, STARTED_AGAIN, SocketFacts, UnitFacts};
use hostler_bus::{Configured, LastReload, Observed, Status};

use super::super::super::line::Paint;
use super::*;

const NOW: u64 = 1_000_000_000_000;

fn facts(state: InstanceState) -> Facts {
    let overview = Overview { name: "shop".to_owned(), state, ..Overview::default() };
    Facts { detail: Detail { overview, ..Detail::default() }, now_us: NOW, ..Facts::default() }
}

fn serving(change: impl FnOnce(&mut Status)) -> Facts {
    let mut status = Status {
        configured: Configured { workers_min: 1, workers_max: 4, threads: 2, ..Configured::default() },
        observed: Observed {
            state: State::Serving,
            generation: 3,
            workers_ready: 4,
            workers_wanted: 4,
            p95_us: 20_000,
            ..Observed::default()
        },
    };
    change(&mut status);
    let mut facts = facts(InstanceState::Serving);
    facts.detail.instance = Some(status);
    facts
}

fn with(mut facts: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut facts);
    facts
}

fn failed_with(result: &str, exit_status: i32) -> Facts {
    with(facts(InstanceState::Failed), |facts| {
        facts.last_error = "Traceback\n  …\nImportError: no module shop".to_owned();
        facts.detail.service = Some(UnitFacts {
            active: "failed".to_owned(),
            sub: "failed".to_owned(),
            result: result.to_owned(),
            exit_status,
            ..UnitFacts::default()
        });
    })
}

/// An attempt to start that is a minute old.
fn attempt(sub: &str) -> Facts {
    with(facts(InstanceState::Starting), |facts| {
        facts.detail.overview.since_us = NOW - 60_000_000;
        facts.detail.service = Some(UnitFacts {
            active: "activating".to_owned(),
            sub: sub.to_owned(),
            result: "success".to_owned(),
            status_text: "loading the application since 50 s".to_owned(),
            ..UnitFacts::default()
        });
    })
}

/// Of the first finding: how bad, words of its sentence, of its evidence, of its command.
type Diagnosis = (Facts, Severity, &'static str, &'static str, &'static str);

fn diagnoses() -> Vec<Diagnosis> {
    use Severity::{Bad, Fine, Odd};
    let (state, oom) = (facts, failed_with("oom-kill", 9));
    vec![
        (serving(|_| {}), Fine, "is well", "4 of 4 workers", ""),
        (state(InstanceState::Asleep), Fine, "is asleep, because nobody", "socket listens", "hostler wake shop"),
        (
            with(state(InstanceState::Stopped), |facts| facts.detail.overview.enabled = "disabled".to_owned()),
            Bad,
            "is stopped",
            "disabled",
            "hostler start shop",
        ),
        (state(InstanceState::Configured), Bad, "never started", "", "hostler enable shop && hostler start shop"),
        (state(InstanceState::Stopping), Odd, "told to stop", "", "hostler requests shop"),
        (state(InstanceState::Starting), Odd, "has been starting;", "not said yet", "hostler logs shop"),
        (
            with(attempt("start"), |facts| facts.last_error = "of yesterday".to_owned()),
            Odd,
            "has been starting for 1m 0s; whoever connects waits.",
            "it says that it is at: loading the application since 50 s",
            "hostler logs shop",
        ),
        (
            with(state(InstanceState::Stopping), |facts| {
                facts.detail.overview.problem = "its unit says User=nosuch".to_owned();
            }),
            Bad,
            "does not come up",
            "User=nosuch",
            "--priority error",
        ),
        (
            with(attempt("auto-restart"), |facts| {
                facts.detail.overview.problem = "systemd starts it again".to_owned();
                facts.last_error = "boom".to_owned();
            }),
            Bad,
            "does not come up",
            "the log says: boom",
            "--priority error",
        ),
        (
            with(attempt("auto-restart-queued"), |facts| facts.last_error = "boom".to_owned()),
            Bad,
            "started again for whoever waits",
            "the log says: boom",
            "--priority error",
        ),
        (
            with(failed_with("exit-code", 65), |facts| facts.detail.overview.state = InstanceState::Stopping),
            Bad,
            "started again for whoever waits",
            "exit status 65",
            "--priority error",
        ),
        (
            with(failed_with("resources", 0), |facts| facts.detail.overview.name = "shop.example".to_owned()),
            Bad,
            "no user of such a name",
            "resources",
            "systemctl edit hostler@shop.example.service",
        ),
        (failed_with("resources", 0), Bad, "its service failed", "resources", "hostler start shop"),
        (
            with(state(InstanceState::Serving), |facts| facts.detail.silent_because = "no answer".to_owned()),
            Bad,
            "does not answer",
            "no answer",
            "hostler restart shop",
        ),
        (failed_with("exit-code", 65), Bad, "does not import", "ImportError: no module shop", "hostler start shop"),
        (failed_with("exit-code", 64), Bad, "its settings are wrong", "exit status 64", "hostler edit shop"),
        (failed_with("exit-code", 69), Bad, "workers die", "exit status 69", "hostler logs shop"),
        (failed_with("exit-code", 71), Bad, "an address", "exit status 71", "hostler logs shop"),
        (failed_with("exit-code", 3), Bad, "its service failed", "exit status 3", "hostler logs shop"),
        (
            failed_with("exit-code", 217),
            Bad,
            "could not start its program",
            "217",
            "systemctl edit hostler@shop.service",
        ),
        (
            with(failed_with("exit-code", 64), |facts| {
                facts.detail.overview.problem = "shop.toml:3: unknown key `worker`; shop.toml:4: no".to_owned();
                facts.last_error = "shop.toml:3: unknown key `worker`\nshop.toml:4: no".to_owned();
            }),
            Bad,
            "its settings are wrong",
            "shop.toml:3: unknown key `worker`",
            "hostler edit shop",
        ),
        (failed_with("watchdog", 6), Bad, "watchdog", "watchdog", "hostler logs shop"),
        (failed_with("timeout", 15), Bad, "longer to start", "timeout", "hostler logs shop"),
        (failed_with("core-dump", 11), Bad, "a signal ended it", "core-dump", "hostler logs shop"),
        (oom, Bad, "want of memory", "oom-kill", "MemoryMax="),
        (
            with(state(InstanceState::Failed), |facts| {
                facts.detail.socket = Some(SocketFacts {
                    active: "failed".to_owned(),
                    result: "trigger-limit-hit".to_owned(),
                    ..SocketFacts::default()
                });
            }),
            Bad,
            "its socket failed",
            "trigger-limit-hit",
            "hostler start shop",
        ),
        (
            with(state(InstanceState::Failed), |facts| {
                facts.detail.socket = Some(SocketFacts { active: "failed".to_owned(), ..SocketFacts::default() });
                facts.socket_error =
                    "hostler@shop.socket: Failed to create listening socket (127.0.0.1:80): in use".to_owned();
            }),
            Bad,
            "its socket failed",
            "(127.0.0.1:80): in use",
            "hostler start shop",
        ),
        (
            with(serving(|status| status.observed.failure = "ImportError".to_owned()), |facts| {
                facts.detail.overview.state = InstanceState::Broken;
                facts.words = " --user".to_owned();
            }),
            Bad,
            "with 503",
            "ImportError",
            "hostler reload shop --user",
        ),
        (
            serving(|status| {
                status.observed.last_reload = Some(LastReload {
                    at_us: NOW - 60_000_000,
                    message: "SyntaxError".to_owned(),
                    ..LastReload::default()
                });
            }),
            Odd,
            "still serves generation 3, because its last reload failed 1m 0s ago.",
            "SyntaxError",
            "hostler reload shop",
        ),
        (
            serving(|status| (status.observed.queued, status.observed.in_flight) = (7, 8)),
            Bad,
            "as many as its settings allow",
            "7 requests wait, 8 run",
            "hostler set shop workers=8",
        ),
        (
            serving(|status| (status.observed.queued, status.observed.workers_ready) = (7, 1)),
            Bad,
            "workers are missing",
            "1 of 4",
            "hostler workers shop",
        ),
        (
            serving(|status| {
                status.observed.trouble = "workers are killed from outside while they start: worker 0".to_owned();
                (status.observed.queued, status.observed.workers_ready) = (7, 0);
            }),
            Bad,
            "no worker gets ready",
            "killed from outside while they start",
            "hostler logs shop",
        ),
        (
            serving(|status| status.observed.p95_us = 3_000_000),
            Odd,
            "the application itself",
            "p95 3 s",
            "hostler requests shop, and hostler stacks shop",
        ),
        (
            with(serving(|_| {}), |facts| facts.detail.awaits_restart = vec!["bind".to_owned()]),
            Odd,
            "former settings",
            "bind",
            "hostler restart shop",
        ),
        (
            with(serving(|_| {}), |facts| {
                facts.words = " --user".to_owned();
                facts.detail.service = Some(UnitFacts { needs_daemon_reload: true, ..UnitFacts::default() });
            }),
            Odd,
            "unit file changed",
            "NeedDaemonReload",
            "systemctl --user daemon-reload",
        ),
        (
            with(serving(|_| {}), |facts| facts.detail.healed = vec!["socket started again".to_owned()]),
            Odd,
            "brought back",
            "socket started again",
            "hostler logs shop",
        ),
    ]
}

#[test]
fn every_diagnosis_has_its_evidence_and_its_command() {
    for (facts, severity, sentence, evidence, command) in diagnoses() {
        let found = examine(&facts);
        let first = &found[0];
        assert_eq!(first.severity, severity, "{found:?}");
        assert!(first.sentence.starts_with("shop") && first.sentence.ends_with('.'), "{first:?}");
        assert!(first.sentence.contains(sentence), "{sentence}: {found:?}");
        assert!(evidence.is_empty() || first.evidence.iter().any(|fact| fact.contains(evidence)), "{found:?}");
        assert!(first.command.contains(command) && (severity == Severity::Fine || !command.is_empty()), "{found:?}");
        assert_eq!(found.len(), 1, "nothing else was wrong: {found:?}");
    }
}

/// While it starts nobody knows how that will end: why the attempt before failed stands apart, as what was.
#[test]
fn an_attempt_that_failed_before_is_no_reason_for_this_one() {
    let of_one = |facts: &Facts| match &examine(facts)[..] {
        [one] => (one.sentence.clone(), one.evidence.clone(), one.before.clone()),
        more => panic!("{more:?}"),
    };
    let mut facts = attempt("start");
    facts.last_error = "boom\n  …\nOSError: boom".to_owned();
    let (sentence, evidence, before) = of_one(&facts);
    assert_eq!(sentence, "shop has been starting for 1m 0s; whoever connects waits.");
    let at = "it says that it is at: loading the application since 50 s".to_owned();
    assert_eq!((evidence.clone(), before), (vec![at.clone()], Vec::new()));
    facts.failed_lately = true;
    let said = "the log says: boom … OSError: boom".to_owned();
    let failed = "the attempt before this one failed".to_owned();
    assert_eq!(of_one(&facts), (sentence.clone(), evidence.clone(), vec![failed, said.clone()]));
    facts.detail.overview.problem = format!("{STARTED_AGAIN}a port is in use");
    facts.detail.service.as_mut().unwrap().restarts = 7;
    let failed = "the attempt before this one failed: a port is in use; this is restart 7".to_owned();
    assert_eq!(of_one(&facts), (sentence, evidence, vec![failed, said]));
    let shown: Vec<String> =
        lines(0, &examine(&facts)[0]).iter().map(|line| line.painted(Paint::of(|_| false, false))).collect();
    assert_eq!(shown[2], "  before   the attempt before this one failed: a port is in use; this is restart 7");
    facts.last_error_us = facts.detail.overview.since_us;
    let said = "the log says: boom … OSError: boom".to_owned();
    assert_eq!(of_one(&facts).1, [at, said], "what this attempt logged is its own");
    assert_eq!(of_one(&facts).2.len(), 1);
}

#[test]
fn the_worst_comes_first() {
    let both = with(serving(|status| status.observed.queued = 3), |facts| {
        facts.detail.awaits_restart = vec!["bind".to_owned()];
    });
    let found = examine(&both);
    assert_eq!(found.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Bad, Severity::Odd]);
}

#[test]
fn the_last_error_is_the_one_that_says_why() {
    let line = |identifier: &str, message: &str| LogLine {
        identifier: identifier.to_owned(),
        message: message.to_owned(),
        ..LogLine::default()
    };
    let own = [line("hostler", "first"), line("hostler", "no module nosuch"), line("systemd", "Failed to start")];
    assert_eq!(telling(&own).map(|line| line.message.as_str()), Some("no module nosuch"));
    assert_eq!(telling(&own[2..]).map(|line| line.message.as_str()), Some("Failed to start"), "better than nothing");
    assert_eq!(telling(&[]), None);
}

#[test]
fn an_error_that_the_daemon_knows_is_not_told_twice() {
    let mut facts = failed_with("exit-code", 64);
    facts.detail.overview.problem = "its settings cannot be used: shop.toml:3: unknown key `worker`".to_owned();
    facts.last_error = "shop.toml:3: unknown key `worker`".to_owned();
    assert!(examine(&facts)[0].evidence.iter().all(|fact| !fact.starts_with("the log says")));
    facts.last_error = "another".to_owned();
    assert!(examine(&facts)[0].evidence.iter().any(|fact| fact == "the log says: another"));
}

#[test]
fn a_settings_file_that_is_wrong_is_why_it_cannot_start() {
    for state in [InstanceState::Asleep, InstanceState::Stopped, InstanceState::Configured] {
        let mut wrong = facts(state);
        wrong.detail.overview.problem = "shop.toml:1: is not TOML".to_owned();
        let finding = examine(&wrong).remove(0);
        assert_eq!(finding.sentence, "shop cannot start: its settings file is wrong.");
        assert_eq!(
            (finding.evidence, finding.command),
            (vec!["shop.toml:1: is not TOML".to_owned()], "hostler edit shop".to_owned())
        );
    }
}
