//! What can become of a call to the daemon. As with an instance, an error has a D-Bus name and two texts: the message,
//! and a detail that depends on the name.

use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use super::setting::Problem;
use crate::error::Error as InstanceError;
use crate::text::clean;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no such instance.
    #[error("there is no instance called {name:?}; `hostler list` shows all")]
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
    #[error("to {purpose} takes authentication, and the caller did not allow to ask for it; try again interactively")]
    AuthenticationNeeded {
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
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("line {}: {}", problem.line, problem.message)).collect();
    lines.join("\n")
}

const NO_INSTANCE: &str = "org.hostler.Error.NoInstance";
const REFUSED: &str = "org.hostler.Error.Refused";
const CONFLICT: &str = "org.hostler.Error.Conflict";
const INVALID_SETTINGS: &str = "org.hostler.Error.InvalidSettings";
const NOT_AUTHORIZED: &str = "org.freedesktop.DBus.Error.AccessDenied";
const AUTHENTICATION_NEEDED: &str = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
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

/// Two texts in one; neither has a line break of ours to lose.
fn pair(first: &str, second: &str) -> String {
    format!("{}\n{second}", first.replace('\n', " "))
}

impl zbus::DBusError for Error {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let (name, message, detail) = self.to_wire();
        Message::error(call, name)?.build(&(message, detail))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.to_wire().0)
    }

    fn description(&self) -> Option<&str> {
        None
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        match &error {
            zbus::Error::MethodError(name, text, reply) => {
                let body = reply.body();
                let (message, detail) = body
                    .deserialize::<(String, String)>()
                    .unwrap_or_else(|_| (text.clone().unwrap_or_else(|| name.to_string()), String::new()));
                Self::from_wire(name.as_str(), message, detail)
            }
            zbus::Error::FDO(standard) => {
                let name = zbus::DBusError::name(&**standard).to_string();
                let message = zbus::DBusError::description(&**standard).unwrap_or_default().to_owned();
                match **standard {
                    zbus::fdo::Error::ZBus(_) => Self::Lost(Box::new(error)),
                    _ => Self::from_wire(&name, message, String::new()),
                }
            }
            _ => Self::Lost(Box::new(error)),
        }
    }
}
