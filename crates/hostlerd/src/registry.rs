//! From what the sources say of an instance to what it is: pure functions.

use hostler_bus::daemon::{InstanceState, Overview, STARTED_AGAIN, Security};
use hostler_bus::{LastReload, State};
use hostler_settings::Settings;

use crate::known::Facts;
use crate::units::Pair;

/// What its settings file says; read for the list only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) application: String,
    /// Where it says to listen; without that, `None`.
    pub(crate) binds: Option<Vec<String>>,
    /// What is wrong with it, for everybody; empty when nothing is.
    pub(crate) problem: String,
}

/// What the running instance says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) since_us: u64,
    pub(crate) generation: u64,
    pub(crate) last_reload: Option<LastReload>,
    /// The least and the greatest number.
    pub(crate) workers: (u32, u32),
    pub(crate) application: String,
    pub(crate) binds: Vec<String>,
    pub(crate) facts: Facts,
}

/// All that the sources say of one instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sources {
    pub(crate) file: Option<FileFacts>,
    pub(crate) units: Pair,
    /// UnitFileState of the service and of the socket; `None` without systemd.
    pub(crate) enabled: Option<(String, String)>,
    pub(crate) seen: Option<Seen>,
    /// It hung up just now.
    pub(crate) may_return: bool,
    /// What was known when it last ran.
    pub(crate) known: Facts,
    /// Why its socket, which a limit of systemd's stopped, is not started again; none where that does not stand so.
    pub(crate) left_alone: Option<String>,
    /// How its service was judged, where it was.
    pub(crate) security: Option<Security>,
}

/// What the list shows of it.
pub(crate) fn merge(name: &str, sources: &Sources) -> Overview {
    let (state, mut problem) = state(sources);
    let service_active =
        sources.units.service.as_ref().is_some_and(|unit| !matches!(unit.active.as_str(), "inactive" | "failed"));
    let file = sources.file.clone().unwrap_or_default();
    // One that runs goes on with what it has read.
    if problem.is_empty() && matches!(state, InstanceState::Configured | InstanceState::Stopped | InstanceState::Asleep)
    {
        problem = file.problem;
    }
    let seen = sources.seen.as_ref();
    let unit = match state {
        InstanceState::Asleep => sources.units.socket.as_ref(),
        _ => sources.units.service.as_ref().or(sources.units.socket.as_ref()),
    };
    let binds = seen.map_or_else(|| binds(sources), |seen| seen.binds.clone());
    let workers = seen.map_or((0, 0), |seen| seen.workers);
    Overview {
        name: name.to_owned(),
        state,
        since_us: seen.map(|seen| seen.since_us).or(unit.map(|unit| unit.since_us)).unwrap_or(0),
        problem,
        enabled: enabled(sources),
        has_settings: sources.file.is_some(),
        managed: sources.enabled.is_some() && (seen.is_none() || service_active),
        application: seen.map_or(file.application, |seen| seen.application.clone()),
        framework: sources.known.framework.clone(),
        python: sources.known.python.clone(),
        url: url(&binds),
        sockets: sources.units.socket.as_ref().map(|socket| socket.listen.clone()).unwrap_or_default(),
        binds,
        generation: seen.map_or(0, |seen| seen.generation),
        last_reload: seen.and_then(|seen| seen.last_reload.clone()),
        workers_min: workers.0,
        workers_max: workers.1,
        security: sources.security.clone(),
    }
}

/// What a browser on the same machine asks for: an address of all interfaces is this machine, too.
fn url(binds: &[String]) -> String {
    let Some(address) = binds.iter().find_map(|bind| bind.strip_prefix("http://")) else { return String::new() };
    let port = |all: &str| address.strip_prefix(all);
    match port("0.0.0.0:").or_else(|| port("[::]:")) {
        Some(port) => format!("http://localhost:{port}/"),
        None => format!("http://{address}/"),
    }
}

/// Where one that does not run would listen: where its socket unit says, for that is what is passed to it; else where its settings file says.
/// Nothing where the socket unit decides, and is not loaded.
fn binds(sources: &Sources) -> Vec<String> {
    if let Some(socket) = sources.units.socket.as_ref().filter(|socket| !socket.listen.is_empty()) {
        return socket.listen.iter().map(|address| as_bind(address)).collect();
    }
    let said = sources.file.as_ref().and_then(|file| file.binds.clone());
    let has_socket = sources.enabled.as_ref().is_some_and(|(_, socket)| !socket.is_empty());
    match (said, has_socket) {
        (Some(said), _) => said,
        (None, true) => Vec::new(),
        (None, false) => Settings::default().bind.bind,
    }
}

/// An address of a socket unit, as an instance that runs tells its own.
fn as_bind(address: &str) -> String {
    if address.starts_with(['/', '@']) { format!("unix:{address}") } else { format!("http://{address}") }
}

fn starts_itself(file_state: &str) -> bool {
    matches!(file_state, "enabled" | "enabled-runtime")
}

fn enabled(sources: &Sources) -> String {
    match &sources.enabled {
        None => "",
        Some((service, _)) if starts_itself(service) => "enabled",
        Some((_, socket)) if starts_itself(socket) => "socket",
        Some(_) => "disabled",
    }
    .to_owned()
}

fn state(sources: &Sources) -> (InstanceState, String) {
    let fine = |state| (state, String::new());
    let Pair { service, socket } = &sources.units;
    let active = service.as_ref().map_or("inactive", |unit| unit.active.as_str());
    let seen = sources.seen.as_ref().map(|seen| said(seen.state));
    match (active, service) {
        ("failed", Some(unit)) if sources.seen.is_none() => (InstanceState::Failed, unit.why.clone()),
        ("activating", Some(unit)) if !unit.why.is_empty() => {
            (InstanceState::Starting, format!("{STARTED_AGAIN}{}", unit.why))
        }
        ("deactivating", Some(unit)) if !unit.why.is_empty() => (InstanceState::Stopping, unit.why.clone()),
        ("activating", _) => fine(InstanceState::Starting),
        ("deactivating", _) => fine(InstanceState::Stopping),
        // What became of it systemd says in a moment.
        ("active" | "reloading", _) if seen.is_none() && sources.may_return => fine(InstanceState::Serving),
        ("active" | "reloading", _) => seen.unwrap_or_else(|| {
            (
                InstanceState::Serving,
                "systemd says that it runs, but it does not answer on its control socket".to_owned(),
            )
        }),
        _ => seen.unwrap_or_else(|| match socket.as_ref().map(|unit| (unit.active.as_str(), unit)) {
            Some(("failed", unit)) => {
                let more = sources.left_alone.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
                (InstanceState::Failed, format!("its socket failed ({}): nobody can connect{more}", unit.result))
            }
            Some(("active", _)) => fine(InstanceState::Asleep),
            Some(("activating", _)) => fine(InstanceState::Starting),
            Some(_) => fine(InstanceState::Stopped),
            None if service.is_some() || matches!(enabled(sources).as_str(), "enabled" | "socket") => {
                fine(InstanceState::Stopped)
            }
            None => fine(InstanceState::Configured),
        }),
    }
}

/// What the instance's own word means here.
fn said(state: State) -> (InstanceState, String) {
    let here = match state {
        State::Starting => InstanceState::Starting,
        State::Serving => InstanceState::Serving,
        State::Asleep => InstanceState::Asleep,
        State::Reloading => InstanceState::Reloading,
        State::Stopping => InstanceState::Stopping,
        State::Broken => {
            return (InstanceState::Broken, "it has no worker that could answer; its log says why".to_owned());
        }
        State::Unknown => InstanceState::Unknown,
    };
    (here, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Unit;

    fn unit(active: &str, sub: &str, result: &str) -> Option<Unit> {
        Some(Unit {
            active: active.to_owned(),
            sub: sub.to_owned(),
            result: result.to_owned(),
            since_us: 5,
            why: "why".to_owned(),
            ..Unit::default()
        })
    }

    fn sources(service: Option<Unit>, socket: Option<Unit>) -> Sources {
        let enabled = Some(("disabled".to_owned(), "disabled".to_owned()));
        Sources { units: Pair { service, socket }, enabled, ..Sources::default() }
    }

    #[test]
    fn states() {
        use InstanceState as Is;
        let listening = || unit("active", "listening", "");
        let dead = || unit("inactive", "dead", "");
        let seen = |state| Some(Seen { state, generation: 2, since_us: 9, ..Seen::default() });
        let table = [
            (sources(None, None), None, Is::Configured),
            (sources(dead(), None), None, Is::Stopped),
            (sources(dead(), dead()), None, Is::Stopped),
            (sources(None, listening()), None, Is::Asleep),
            (sources(dead(), listening()), None, Is::Asleep),
            (sources(dead(), unit("failed", "failed", "trigger-limit-hit")), None, Is::Failed),
            (sources(unit("failed", "failed", "exit-code"), listening()), None, Is::Failed),
            (sources(unit("failed", "failed", "exit-code"), None), seen(State::Serving), Is::Serving),
            (sources(unit("activating", "start", ""), listening()), None, Is::Starting),
            (sources(unit("activating", "auto-restart", ""), listening()), None, Is::Starting),
            (sources(unit("deactivating", "stop", ""), listening()), seen(State::Serving), Is::Stopping),
            (sources(unit("active", "running", ""), listening()), None, Is::Serving),
            (sources(unit("deactivating", "stop-post", "exit-code"), listening()), None, Is::Stopping),
            (sources(unit("active", "running", ""), listening()), seen(State::Broken), Is::Broken),
            (sources(unit("reloading", "reload", ""), listening()), seen(State::Reloading), Is::Reloading),
            (sources(unit("active", "running", ""), listening()), seen(State::Asleep), Is::Asleep),
        ];
        for (mut sources, seen, expected) in table {
            sources.seen = seen;
            assert_eq!(merge("x", &sources).state, expected, "{sources:?}");
        }
    }

    #[test]
    fn a_socket_that_is_left_alone_says_so() {
        let mut failed = sources(None, unit("failed", "failed", "trigger-limit-hit"));
        assert_eq!(merge("x", &failed).problem, "its socket failed (trigger-limit-hit): nobody can connect");
        failed.left_alone = Some("start it".to_owned());
        assert!(merge("x", &failed).problem.ends_with("nobody can connect; start it"));
    }

    #[test]
    fn why_it_does_not_run_is_told_until_it_does() {
        let problem = |unit: Option<Unit>, may_return| {
            let sources = Sources { may_return, ..sources(unit, unit_listening()) };
            merge("x", &sources).problem
        };
        let again = "systemd starts it again, as it ended: why";
        assert_eq!(problem(unit("activating", "auto-restart", "exit-code"), false), again);
        assert_eq!(problem(unit("activating", "start", ""), false), again);
        assert_eq!(problem(unit("deactivating", "stop-post", "exit-code"), false), "why");
        assert_eq!(problem(unit("failed", "failed", "exit-code"), false), "why");
        assert!(problem(unit("active", "running", ""), false).contains("does not answer"));
        assert_eq!(problem(unit("active", "running", ""), true), "", "it hung up just now");
    }

    fn unit_listening() -> Option<Unit> {
        unit("active", "listening", "")
    }

    #[test]
    fn who_runs_it_and_what_starts_it() {
        let mut by_hand = sources(None, None);
        by_hand.seen = Some(Seen { state: State::Serving, application: "a:b".to_owned(), ..Seen::default() });
        by_hand.file = Some(FileFacts { application: "old:app".to_owned(), ..FileFacts::default() });
        let overview = merge("x", &by_hand);
        assert!(!overview.managed && overview.has_settings);
        assert_eq!((overview.application.as_str(), overview.enabled.as_str()), ("a:b", "disabled"));
        by_hand.seen = None;
        assert_eq!(merge("x", &by_hand).application, "old:app");
        by_hand.enabled = Some(("disabled".to_owned(), "enabled".to_owned()));
        assert_eq!(merge("x", &by_hand).enabled, "socket");
        assert_eq!(merge("x", &by_hand).state, InstanceState::Stopped, "it is enabled, so it was meant to run");
        by_hand.enabled = None;
        assert_eq!(merge("x", &by_hand).enabled, "");
    }

    #[test]
    fn where_a_browser_finds_it() {
        let url = |binds: &[&str]| url(&binds.iter().map(|&bind| bind.to_owned()).collect::<Vec<_>>());
        assert_eq!(url(&["unix:/run/x.sock", "http://127.0.0.1:8000"]), "http://127.0.0.1:8000/");
        assert_eq!(url(&["http://0.0.0.0:80"]), "http://localhost:80/");
        assert_eq!(url(&["http://[::]:81"]), "http://localhost:81/");
        assert_eq!(url(&["unix:/run/x.sock"]), "");
    }

    #[test]
    fn a_file_that_is_wrong_is_a_problem_of_what_is_to_read_it() {
        let problem = "shop.toml:1: is not TOML".to_owned();
        for (service, socket, told) in [
            (unit("inactive", "dead", ""), unit("active", "listening", ""), true),
            (unit("inactive", "dead", ""), unit("inactive", "dead", ""), true),
            (unit("failed", "failed", "it ended"), unit("active", "listening", ""), false),
            (unit("activating", "start", ""), unit("active", "running", ""), false),
        ] {
            let mut wrong = sources(service, socket);
            wrong.file = Some(FileFacts { problem: problem.clone(), ..FileFacts::default() });
            assert_eq!(merge("shop", &wrong).problem == problem, told);
        }
    }

    #[test]
    fn where_it_would_listen() {
        let mut asleep = sources(unit("inactive", "dead", ""), unit("active", "listening", ""));
        asleep.file = Some(FileFacts::default());
        asleep.enabled = Some(("disabled".to_owned(), "enabled".to_owned()));
        let binds = |sources: &Sources| merge("x", sources).binds;
        assert_eq!(binds(&asleep), [""; 0], "the socket unit says, and it is not known");
        if let Some(socket) = &mut asleep.units.socket {
            socket.listen = vec!["0.0.0.0:8002".to_owned(), "/run/x.sock".to_owned(), "@x".to_owned()];
        }
        assert_eq!(binds(&asleep), ["http://0.0.0.0:8002", "unix:/run/x.sock", "unix:@x"]);
        asleep.file = Some(FileFacts { binds: Some(vec!["[::1]:1".to_owned()]), ..FileFacts::default() });
        assert_eq!(binds(&asleep)[0], "http://0.0.0.0:8002", "what is passed to it counts");
        asleep.units.socket = None;
        assert_eq!(binds(&asleep), ["[::1]:1"]);
        asleep.file = None;
        asleep.enabled = None;
        assert_eq!(binds(&asleep), ["127.0.0.1:8000"], "the default, where no systemd is");
    }
}
