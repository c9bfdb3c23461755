//! What to say, and what to do next, where a daemon cannot be asked.

use hostler_bus::daemon::Reach;

use super::install;
use crate::bus::Absence;
use crate::theme::icon::Icon;
use crate::widgets::figures;

/// What to do about a daemon that is away.
pub struct Advice {
    /// The icon of the large form.
    pub icon: Icon,
    /// What is the matter, in a few words.
    pub title: &'static str,
    /// What to do next, in a sentence.
    pub next: &'static str,
    /// The command that helps.
    pub command: Option<String>,
}

/// One word for the title of a machine.
#[must_use]
pub fn word(why: Absence) -> &'static str {
    match why {
        Absence::NoBus => "no bus",
        Absence::NoHost => "not reached",
        Absence::NotInstalled => "not installed",
        Absence::NotRunning => "not running",
        Absence::NotPermitted => "not permitted",
    }
}

/// What is the matter, and what to do next.
#[must_use]
pub fn advice(why: Absence, reach: &Reach) -> Advice {
    let at = |command: &str| match &reach.host {
        Some(host) => format!("ssh {host} {command}"),
        None => command.to_owned(),
    };
    let user = if reach.user { " --user" } else { "" };
    let (icon, title, next, command) = match why {
        Absence::NoBus => (
            Icon::Unplug,
            "There is no bus to ask on",
            "D-Bus has to run: in a session of a desktop, or by a login with systemd.",
            Some(at(&format!("systemctl{user} status dbus.socket"))),
        ),
        Absence::NoHost => (
            Icon::ServerOff,
            "The host is not reached",
            "This has to work without a password, and Hostler has to be installed there:",
            reach.host.as_ref().map(|host| format!("ssh {host} systemd-stdio-bridge")),
        ),
        Absence::NotInstalled => {
            let command = install::command(reach);
            let next = match (&reach.host, &command) {
                (None, Some(_)) => "Install its package, then retry:",
                (None, None) => "Install its package with the package manager of this computer, then retry.",
                (Some(_), _) => "Install its package with the package manager of that machine, then retry.",
            };
            let title =
                if reach.host.is_some() { "Hostler is not installed there" } else { "Hostler is not installed here" };
            (Icon::PackageX, title, next, command)
        }
        Absence::NotRunning => (
            Icon::CircleAlert,
            "The daemon does not run",
            "It is started when it is asked. Its log says why it was not:",
            Some(at(&format!("journalctl{user} --unit hostlerd"))),
        ),
        Absence::NotPermitted => (
            Icon::Lock,
            "You may not ask this daemon",
            "An administrator can permit it with a rule of polkit. These are its actions:",
            Some(at("pkaction | grep org.hostler")),
        ),
    };
    Advice { icon, title, next, command }
}

/// When the next attempt is made.
#[must_use]
pub fn until(now_us: u64, at_us: u64) -> String {
    match at_us.saturating_sub(now_us) {
        0 => "retrying…".to_owned(),
        left => format!("retrying in {}", figures::age(left.max(1_000_000))),
    }
}
