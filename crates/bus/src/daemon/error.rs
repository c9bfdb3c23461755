//! What can become of a call to the daemon. As with an instance, an error has a D-Bus name and one text: the message in one line, and
//! after it what belongs to the error of that name. Mistakes in settings are a line each, with its kind, key and hint behind tabs.

use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use super::setting::Problem;
use super::words::ProblemKind;
use crate::error::{Error as InstanceError, joined, parted, text_of};
use crate::text::clean;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no such instance.
    #[error("there is no instance called \"{name}\"; `hostler list` shows all")]
    NoInstance {
        /// The name that was asked for.
        name: String,
    },
    /// It cannot be done now, or not to this instance.
    #[error("{reason}")]
    Refused {
        /// Why, and what can be done, in one line.
        reason: String,
    },
    /// The settings were changed since the client read them.
    #[error("{reason}")]
    Conflict {
        /// What happened, and what to do, in one line.
        reason: String,
        /// What changed since then, as a unified diff.
        difference: String,
    },
    /// The settings would have mistakes; nothing was changed.
    #[error("{}", listed(problems))]
    InvalidSettings {
        /// All mistakes.
        problems: Vec<Problem>,
    },
    /// The caller may not.
    #[error("not authorized to {purpose}: {reason}")]
    NotAuthorized {
        /// What for: `control the instance "shop"`.
        purpose: String,
        /// Why, and what can be done.
        reason: String,
    },
    /// The caller may after a password was given, and did not allow to ask for one.
    #[error("to {purpose} takes authentication, which the caller did not allow to ask for")]
    AuthenticationNeeded {
        /// What for.
        purpose: String,
    },
    /// The caller may after a password was given, and closed the question for it.
    #[error("the question for a password to {purpose} was dismissed, so nothing was done")]
    Dismissed {
        /// What for.
        purpose: String,
    },
    /// systemd did not do it.
    #[error("{reason}")]
    Systemd {
        /// What it said, in one line.
        reason: String,
    },
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The instance itself refused or failed.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The daemon failed; its log says more.
    #[error("hostlerd failed: {reason}")]
    Internal {
        /// What happened, in one line.
        reason: String,
    },
    /// The daemon does not know the call: it is of another version. Seen by clients only.
    #[error(
        "hostlerd does not know this call ({message}): it is of another version; it leaves when idle, try again then"
    )]
    OtherVersion {
        /// What it said.
        message: String,
    },
    /// No answer came. Seen by clients only.
    #[error("hostlerd did not answer: {0}; see `journalctl -u hostlerd`")]
    Lost(Box<zbus::Error>),
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(placed).collect::<Vec<_>>().join("\n")
}

/// The message with its line, where it has one.
fn placed(problem: &Problem) -> String {
    match problem.line {
        0 => problem.message.clone(),
        line => format!("line {line}: {}", problem.message),
    }
}

/// A mistake as one line: what a person reads, and behind tabs what a program does.
fn problem_line(problem: &Problem) -> String {
    let fields = [placed(problem), problem.kind.as_str().to_owned(), problem.key.clone(), problem.hint.clone()];
    fields.map(|field| field.replace(['\t', '\n'], " ")).join("\t")
}

/// The mistake of such a line; `None` for a line without its fields.
fn problem_of(line: &str) -> Option<Problem> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [placed, kind, key, hint] = fields[..] else { return None };
    let place = placed.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let (line, message) = match place.and_then(|(number, message)| Some((number.parse().ok()?, message))) {
        Some((number, message)) => (number, message),
        None => (0, placed),
    };
    Some(Problem {
        kind: ProblemKind::from(kind),
        key: key.to_owned(),
        line,
        message: message.to_owned(),
        hint: hint.to_owned(),
    })
}

const NO_INSTANCE: &str = "org.hostler.Error.NoInstance";
const REFUSED: &str = "org.hostler.Error.Refused";
const CONFLICT: &str = "org.hostler.Error.Conflict";
const INVALID_SETTINGS: &str = "org.hostler.Error.InvalidSettings";
const NOT_AUTHORIZED: &str = "org.freedesktop.DBus.Error.AccessDenied";
const AUTHENTICATION_NEEDED: &str = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
const DISMISSED: &str = "org.hostler.Error.Dismissed";
const SYSTEMD: &str = "org.hostler.Error.Systemd";
const CANCELLED: &str = "org.hostler.Error.Cancelled";
const INTERNAL: &str = "org.hostler.Error.Internal";

impl Error {
    /// The name, the message and the detail, as they travel.
    #[must_use]
    pub fn to_wire(&self) -> (&'static str, String, String) {
        let (name, detail) = match self {
            Self::NoInstance { name } => (NO_INSTANCE, name.clone()),
            Self::Refused { .. } => (REFUSED, String::new()),
            Self::Conflict { difference, .. } => (CONFLICT, difference.clone()),
            Self::InvalidSettings { problems } => {
                (INVALID_SETTINGS, serde_json::to_string(problems).unwrap_or_default())
            }
            Self::NotAuthorized { purpose, reason } => (NOT_AUTHORIZED, pair(purpose, reason)),
            Self::AuthenticationNeeded { purpose } => (AUTHENTICATION_NEEDED, purpose.clone()),
            Self::Dismissed { purpose } => (DISMISSED, purpose.clone()),
            Self::Systemd { .. } => (SYSTEMD, String::new()),
            Self::Cancelled => (CANCELLED, String::new()),
            Self::Instance(error) => {
                let (name, message, detail) = error.to_wire();
                return (name, clean(message), clean(detail));
            }
            Self::Internal { .. } | Self::OtherVersion { .. } | Self::Lost(_) => (INTERNAL, String::new()),
        };
        let message = match self {
            Self::Internal { reason } => reason.clone(),
            other => other.to_string(),
        };
        (name, clean(message), clean(detail))
    }

    /// The error that has these on the wire.
    #[must_use]
    pub fn from_wire(name: &str, message: String, detail: String) -> Self {
        match name {
            NO_INSTANCE => Self::NoInstance { name: detail },
            REFUSED => Self::Refused { reason: message },
            CONFLICT => Self::Conflict { reason: message, difference: detail },
            INVALID_SETTINGS => match serde_json::from_str(&detail) {
                Ok(problems) => Self::InvalidSettings { problems },
                Err(_) => Self::Refused { reason: message },
            },
            NOT_AUTHORIZED => match detail.split_once('\n') {
                Some((purpose, reason)) => {
                    Self::NotAuthorized { purpose: purpose.to_owned(), reason: reason.to_owned() }
                }
                // The bus itself refused to pass the call on.
                None => Self::NotAuthorized { purpose: "call hostlerd".to_owned(), reason: message },
            },
            AUTHENTICATION_NEEDED => Self::AuthenticationNeeded { purpose: detail },
            DISMISSED => Self::Dismissed { purpose: detail },
            SYSTEMD => Self::Systemd { reason: message },
            CANCELLED => Self::Cancelled,
            INTERNAL => Self::Internal { reason: message },
            "org.freedesktop.DBus.Error.UnknownObject" => {
                Self::Refused { reason: format!("there is no such instance or job (any more): {message}") }
            }
            "org.freedesktop.DBus.Error.UnknownMethod"
            | "org.freedesktop.DBus.Error.UnknownInterface"
            | "org.freedesktop.DBus.Error.UnknownProperty"
            | "org.freedesktop.DBus.Error.InvalidArgs" => Self::OtherVersion { message },
            other => match InstanceError::from_wire(other, message, detail) {
                InstanceError::Internal { reason } => Self::Internal { reason },
                error => Self::Instance(error),
            },
        }
    }
}

impl Error {
    /// What everybody may know of it: an error of the same name, with a sentence that has nothing of a settings file or of a log in it.
    pub(super) fn in_public(&self) -> Self {
        let refused = |reason: &str| Self::Refused { reason: reason.to_owned() };
        match self {
            Self::NoInstance { .. }
            | Self::NotAuthorized { .. }
            | Self::AuthenticationNeeded { .. }
            | Self::Dismissed { .. }
            | Self::Systemd { .. }
            | Self::Cancelled => self.clone(),
            Self::Refused { .. } => refused("it was refused; who may read the log of the instance is told why"),
            Self::Conflict { .. } => {
                Self::Conflict { reason: "the settings were changed meanwhile".to_owned(), difference: String::new() }
            }
            Self::InvalidSettings { .. } => {
                let message = "the settings would have mistakes".to_owned();
                Self::InvalidSettings { problems: vec![Problem { message, ..Problem::default() }] }
            }
            Self::Instance(InstanceError::ReloadFailed { .. }) => Self::Instance(InstanceError::ReloadFailed {
                reason: "the next generation did not come to serve; the one before it goes on".to_owned(),
                traceback: String::new(),
            }),
            Self::Instance(error @ InstanceError::NoWorker { .. }) => Self::Instance(error.clone()),
            Self::Instance(InstanceError::Refused { .. }) => {
                refused("the instance refused it; who may read its log is told why")
            }
            Self::Instance(_) => {
                Self::Internal { reason: "the instance did not answer as it should; its log says more".to_owned() }
            }
            Self::Internal { .. } | Self::OtherVersion { .. } | Self::Lost(_) => {
                Self::Internal { reason: "its log says more".to_owned() }
            }
        }
    }
}

/// Two texts in one; neither has a line break of ours to lose.
fn pair(first: &str, second: &str) -> String {
    format!("{}\n{second}", first.replace('\n', " "))
}

/// What stands between the two.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.rsplit_once(after).map(|(found, _)| found)
}

impl Error {
    /// The name and the text of an error's reply: one string, as GDBus shows no other body.
    pub(super) fn to_reply(&self) -> (&'static str, String) {
        let (name, message, detail) = self.to_wire();
        let text = match self {
            Self::Conflict { .. } => joined(&message, &detail),
            Self::InvalidSettings { problems } => {
                clean(problems.iter().map(problem_line).collect::<Vec<_>>().join("\n"))
            }
            Self::Instance(error) => return error.to_reply(),
            _ => message,
        };
        (name, text)
    }

    /// The error of such a reply.
    pub(super) fn from_reply(name: &str, text: String) -> Self {
        let (message, detail) = match name {
            NO_INSTANCE => {
                let name = between(&text, "called \"", "\"; `hostler list`").unwrap_or_default().to_owned();
                (text, name)
            }
            CONFLICT => parted(text),
            INVALID_SETTINGS => {
                let problems: Option<Vec<Problem>> = text.lines().map(problem_of).collect();
                return problems.map_or(Self::Refused { reason: text }, |problems| Self::InvalidSettings { problems });
            }
            NOT_AUTHORIZED => {
                let parts = text.strip_prefix("not authorized to ").and_then(|rest| rest.split_once(": "));
                let detail = parts.map(|(purpose, reason)| pair(purpose, reason)).unwrap_or_default();
                (text, detail)
            }
            AUTHENTICATION_NEEDED => {
                let purpose = between(&text, "to ", " takes authentication").unwrap_or("do this").to_owned();
                (text, purpose)
            }
            DISMISSED => {
                let purpose = between(&text, "password to ", " was dismissed").unwrap_or("do this").to_owned();
                (text, purpose)
            }
            other => match InstanceError::from_reply(other, text.clone()) {
                InstanceError::Internal { .. } => (text, String::new()),
                // Its own detail was in the text.
                error @ (InstanceError::ReloadFailed { .. } | InstanceError::NoWorker { .. }) => {
                    return Self::Instance(error);
                }
                _ => (text, String::new()),
            },
        };
        Self::from_wire(name, message, detail)
    }
}

impl zbus::DBusError for Error {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let (name, text) = self.to_reply();
        Message::error(call, name)?.build(&text)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.to_wire().0)
    }

    fn description(&self) -> Option<&str> {
        None
    }
}

/// Whether the bus itself says so, as the daemon left before it answered, or was not there.
fn is_of_the_bus(name: &str) -> bool {
    matches!(
        name.strip_prefix("org.freedesktop.DBus.Error."),
        Some("NoReply" | "Disconnected" | "ServiceUnknown" | "NameHasNoOwner")
    )
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        match &error {
            zbus::Error::MethodError(name, ..) if is_of_the_bus(name.as_str()) => Self::Lost(Box::new(error)),
            zbus::Error::MethodError(name, text, reply) => {
                Self::from_reply(name.as_str(), text_of(name, text.as_ref(), reply))
            }
            zbus::Error::FDO(standard) => {
                let name = zbus::DBusError::name(&**standard).to_string();
                let message = zbus::DBusError::description(&**standard).unwrap_or_default().to_owned();
                match **standard {
                    zbus::fdo::Error::ZBus(_) => Self::Lost(Box::new(error)),
                    _ if is_of_the_bus(&name) => Self::Lost(Box::new(error)),
                    _ => Self::from_reply(&name, message),
                }
            }
            _ => Self::Lost(Box::new(error)),
        }
    }
}
