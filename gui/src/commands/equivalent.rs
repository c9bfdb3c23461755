//! What one would type in a terminal for a command.

use hostler_bus::daemon::Reach;

use super::{Command, Scene};
use crate::state::Tab;

impl Command {
    /// The command line of `hostler` that does the same; none for what only the window can do.
    #[must_use]
    pub fn hostler(self, scene: &Scene<'_>) -> Option<String> {
        let verb = match self {
            Self::ShowAll => {
                let scope = scene.state.machine.as_ref().map(|reach| format!(" {}", scope(reach))).unwrap_or_default();
                return Some(format!("hostler list{scope}"));
            }
            Self::New => return scene.maker().map(|reach| format!("hostler new NAME {}", scope(reach))),
            Self::Start => "start",
            Self::Wake => "wake",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Sleep => "sleep",
            Self::Stop => "stop",
            Self::Rollback => "rollback",
            Self::Upgrade => "upgrade",
            Self::Scale => "scale",
            Self::LogLevel => "log-level",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Remove => "remove",
            Self::Show(Tab::Overview) => "status",
            Self::Show(Tab::Workers) => "workers",
            Self::Show(Tab::Requests) => "requests",
            Self::Show(Tab::Logs) => "logs",
            Self::Show(Tab::Settings) => "get",
            Self::Show(Tab::History) => "history",
            _ => return None,
        };
        let key = scene.subject?;
        let after = match self {
            Self::Scale => {
                let now = scene.instance().and_then(|instance| instance.status());
                format!(" {}", now.map_or(1, |status| status.observed.workers_wanted.max(1)))
            }
            Self::Show(Tab::Logs) => " --follow".to_owned(),
            _ => String::new(),
        };
        Some(format!("hostler {verb} {}{after} {}", word(&key.name), scope(&key.reach)))
    }
}

/// The options that say whose instances are meant: `--user`, `--system`, `--system --host web1`.
#[must_use]
pub fn scope(reach: &Reach) -> String {
    let whose = if reach.user { "--user" } else { "--system" };
    match &reach.host {
        Some(host) => format!("{whose} --host {}", word(host)),
        None => whose.to_owned(),
    }
}

/// A word as a shell takes it.
fn word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.@:%+,/".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
