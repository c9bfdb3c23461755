//! The sockets of an instance: those that requests come in by, and those that tell what is counted.

use std::io;

use hostler_listener::{BindError, Bound, Options, Problem, bind_all};
use hostler_settings::{Bind, Settings};
use serde::{Deserialize, Serialize};

/// What comes in by a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    Clients,
    Metrics,
    Stats,
}

/// All that listen, but for the control socket.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) clients: Vec<Bound>,
    pub(super) metrics: Vec<Bound>,
    pub(super) stats: Vec<Bound>,
}

impl Sockets {
    pub(super) fn add(&mut self, role: Role, bound: Bound) {
        match role {
            Role::Clients => self.clients.push(bound),
            Role::Metrics => self.metrics.push(bound),
            Role::Stats => self.stats.push(bound),
        }
    }

    /// A second hold of each, so that they can be handed on while they are used.
    pub(super) fn holds(&self) -> io::Result<Vec<(Role, Bound)>> {
        let of = |role, all: &[Bound]| -> io::Result<Vec<(Role, Bound)>> {
            all.iter().map(|bound| Ok((role, bound.try_clone()?))).collect()
        };
        let clients = of(Role::Clients, &self.clients)?;
        let others = [of(Role::Metrics, &self.metrics)?, of(Role::Stats, &self.stats)?];
        Ok(clients.into_iter().chain(others.into_iter().flatten()).collect())
    }
}

/// Why there are no sockets.
pub(super) enum Unbound {
    Settings(String),
    System(String),
}

/// Opens them all, or none: then every mistake is told.
pub(super) fn open(settings: &Settings) -> Result<Sockets, Unbound> {
    let Bind { bind, metrics_bind, stats_bind, .. } = &settings.bind;
    if bind.is_empty() {
        return Err(Unbound::Settings("bind names no address: there would be nothing to listen on".to_owned()));
    }
    let options = options(settings)?;
    let mut lines = Vec::new();
    let mut of_settings = true;
    let mut listen = |key: &str, addresses: &[String]| {
        bind_all(addresses, &options).unwrap_or_else(|errors| {
            let is_mistake = |error: &BindError| matches!(error.problem, Problem::Syntax(_) | Problem::Twice);
            of_settings &= errors.iter().all(is_mistake);
            lines.extend(
                errors.iter().map(|error| if key == "bind" { error.to_string() } else { format!("{key}: {error}") }),
            );
            Vec::new()
        })
    };
    let sockets = Sockets {
        clients: listen("bind", bind),
        metrics: listen("metrics_bind", metrics_bind),
        stats: listen("stats_bind", stats_bind),
    };
    match lines.as_slice() {
        [] => Ok(sockets),
        _ if of_settings => Err(Unbound::Settings(lines.join("\n"))),
        _ => Err(Unbound::System(lines.join("\n"))),
    }
}

fn options(settings: &Settings) -> Result<Options, Unbound> {
    let bind = &settings.bind;
    let owner = match &bind.unix_socket_owner {
        Some(owner) => {
            let named = |part: &Option<String>| part.clone().unwrap_or_default();
            let text = format!("{}:{}", named(&owner.user), named(&owner.group));
            let parsed = text.trim_end_matches(':').parse();
            Some(parsed.map_err(|error| Unbound::Settings(format!("unix_socket_owner: {error}")))?)
        }
        None => None,
    };
    // As under gunicorn, umask is about the socket's file too, unless its mode is said.
    let unix_mode = bind.unix_socket_mode.map(|mode| mode.0).or(settings.app.umask.map(|umask| 0o777 & !umask.0));
    Ok(Options { backlog: bind.backlog, unix_mode, unix_owner: owner })
}
