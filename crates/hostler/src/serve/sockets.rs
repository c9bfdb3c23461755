//! The sockets of an instance: those that requests come in by, and those that tell what is counted.

use std::io;

use hostler_listener::{BindError, Bound, Left, Options, Problem, bind_again};
use hostler_settings::{Bind, Settings};
use hostler_systemd::sockets::Passed;
use serde::{Deserialize, Serialize};

use super::claims;
use crate::arguments::Places;

/// What comes in by a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    Clients,
    Metrics,
    Stats,
    /// The control socket, where it was passed.
    Control,
}

/// All that listen, but for a control socket that the instance makes itself.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) clients: Vec<Bound>,
    pub(super) metrics: Vec<Bound>,
    pub(super) stats: Vec<Bound>,
    pub(super) control: Vec<Bound>,
    /// Those of clients were passed: somebody else holds them, too.
    pub(super) passed: bool,
}

impl Sockets {
    pub(super) fn add(&mut self, role: Role, bound: Bound) {
        match role {
            Role::Clients => self.clients.push(bound),
            Role::Metrics => self.metrics.push(bound),
            Role::Stats => self.stats.push(bound),
            Role::Control => self.control.push(bound),
        }
    }

    /// Each of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Bound> {
        [&self.clients, &self.metrics, &self.stats, &self.control].into_iter().flatten()
    }

    /// Each of them, to be changed.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Bound> {
        [&mut self.clients, &mut self.metrics, &mut self.stats, &mut self.control].into_iter().flatten()
    }

    fn of(&self, role: Role) -> &[Bound] {
        match role {
            Role::Clients => &self.clients,
            Role::Metrics => &self.metrics,
            Role::Stats => &self.stats,
            Role::Control => &self.control,
        }
    }

    /// A second hold of each, so that they can be handed on while they are used.
    pub(super) fn holds(&self) -> io::Result<Vec<(Role, Bound)>> {
        let roles = [Role::Clients, Role::Metrics, Role::Stats, Role::Control];
        let all = roles.into_iter().flat_map(|role| self.of(role).iter().map(move |bound| (role, bound)));
        all.map(|(role, bound)| Ok((role, bound.try_clone()?))).collect()
    }
}

/// Why there are no sockets.
pub(super) enum Unbound {
    Settings(String),
    System {
        message: String,
        /// Of the first address that cannot be had, as errno(3).
        errno: Option<i32>,
    },
}

/// Opens them all, or none: then every mistake is told. Sockets that systemd passed are claimed first ([`claim`]); what is left is bound here, with what
/// the process before `left` where the address is the same.
pub(super) fn open(
    settings: &Settings,
    places: &Places,
    passed: Vec<Passed>,
    left: &mut Left,
) -> Result<Sockets, Unbound> {
    let Bind { bind, metrics_bind, stats_bind, .. } = &settings.bind;
    if bind.is_empty() {
        return Err(Unbound::Settings(format!(
            "{}bind names no address: there would be nothing to listen on",
            places.of("bind")
        )));
    }
    let options = options(settings, places)?;
    let mut sockets = claims::claimed(settings, passed).map_err(Unbound::Settings)?;
    let mut lines = Vec::new();
    let mut of_settings = true;
    let mut errno = None;
    for (role, key, addresses) in [
        (Role::Clients, "bind", bind),
        (Role::Metrics, "metrics_bind", metrics_bind),
        (Role::Stats, "stats_bind", stats_bind),
    ] {
        // What was passed for a setting is all that there is of it.
        if !sockets.of(role).is_empty() {
            continue;
        }
        match bind_again(addresses, &options, left) {
            Ok(all) => all.into_iter().for_each(|bound| sockets.add(role, bound)),
            Err(errors) => {
                let is_mistake = |error: &BindError| matches!(error.problem, Problem::Syntax(_) | Problem::Twice);
                of_settings &= errors.iter().all(is_mistake);
                errno = errno.or_else(|| errors.iter().find_map(|error| error.problem.errno()));
                let place = places.of(key);
                let named = |error: &BindError| match key {
                    "bind" => format!("{place}{error}"),
                    _ => format!("{place}{key}: {error}"),
                };
                lines.extend(errors.iter().map(named));
            }
        }
    }
    match lines.as_slice() {
        [] => Ok(sockets),
        _ if of_settings => Err(Unbound::Settings(lines.join("\n"))),
        _ => Err(Unbound::System { message: lines.join("\n"), errno }),
    }
}

fn options(settings: &Settings, places: &Places) -> Result<Options, Unbound> {
    let bind = &settings.bind;
    let owner = match &bind.unix_socket_owner {
        Some(owner) => {
            let named = |part: &Option<String>| part.clone().unwrap_or_default();
            let text = format!("{}:{}", named(&owner.user), named(&owner.group));
            let parsed = text.trim_end_matches(':').parse();
            Some(parsed.map_err(|error| {
                Unbound::Settings(format!("{}unix_socket_owner: {error}", places.of("unix_socket_owner")))
            })?)
        }
        None => None,
    };
    // As under gunicorn, umask is about the socket's file too, unless its mode is said.
    let unix_mode = bind.unix_socket_mode.map(|mode| mode.0).or(settings.app.umask.map(|umask| 0o777 & !umask.0));
    Ok(Options { backlog: bind.backlog, unix_mode, unix_owner: owner })
}
