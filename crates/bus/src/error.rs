//! What can become of a call. The instance's answers have D-Bus names under `org.hostler.Error.` and carry one text, as every D-Bus
//! client shows it: the message in one line, and after it what belongs to the error of that name.

use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use crate::text::clean;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A reload or a rollback did not come to serve: the generation that served goes on.
    #[error("{reason}")]
    ReloadFailed {
        /// Why, in one line.
        reason: String,
        /// Python's traceback; empty when there is none.
        traceback: String,
    },
    /// It cannot be done now, or not with these settings: a reload is under way, or nothing is there to go back to.
    #[error("{reason}")]
    Refused {
        /// Why, and what can be done, in one line.
        reason: String,
    },
    /// There is no worker in that place.
    #[error("there is no worker {worker}; see `hostler workers`")]
    NoWorker {
        /// The place that was asked for.
        worker: u32,
    },
    /// The instance failed to answer; its log says more.
    #[error("the instance failed to answer: {reason}")]
    Internal {
        /// What happened, in one line.
        reason: String,
    },
    /// The instance does not know the call: it is of another version. Seen by clients only.
    #[error("the instance does not know this call ({message}): it runs another version; restart it after an upgrade")]
    OtherVersion {
        /// What it said.
        message: String,
    },
    /// No answer came. Seen by clients only.
    #[error("the instance did not answer: {0}; it may have stopped, see its log")]
    Lost(Box<zbus::Error>),
}

const RELOAD_FAILED: &str = "org.hostler.Error.ReloadFailed";
const REFUSED: &str = "org.hostler.Error.Refused";
const NO_WORKER: &str = "org.hostler.Error.NoWorker";
const INTERNAL: &str = "org.hostler.Error.Internal";
/// How the message of [`Error::NoWorker`] begins, before the worker's number.
const NO_WORKER_BEGINS: &str = "there is no worker ";

impl Error {
    /// The name, the message and the detail, where they travel apart.
    pub(crate) fn to_wire(&self) -> (&'static str, String, String) {
        (self.wire_name(), self.message(), self.detail())
    }

    /// The error that has these.
    pub(crate) fn from_wire(name: &str, reason: String, detail: String) -> Self {
        match name {
            RELOAD_FAILED => Self::ReloadFailed { reason, traceback: detail },
            REFUSED => Self::Refused { reason },
            NO_WORKER => match detail.parse() {
                Ok(worker) => Self::NoWorker { worker },
                Err(_) => Self::Refused { reason },
            },
            "org.freedesktop.DBus.Error.UnknownMethod"
            | "org.freedesktop.DBus.Error.UnknownInterface"
            | "org.freedesktop.DBus.Error.UnknownObject"
            | "org.freedesktop.DBus.Error.UnknownProperty"
            | "org.freedesktop.DBus.Error.InvalidArgs" => Self::OtherVersion { message: reason },
            _ => Self::Internal { reason },
        }
    }

    /// The name and the text of an error's reply: one string, as GDBus shows no other body.
    pub(crate) fn to_reply(&self) -> (&'static str, String) {
        let text = match self {
            Self::ReloadFailed { reason, traceback } => joined(reason, traceback),
            other => other.message(),
        };
        (self.wire_name(), clean(text))
    }

    /// The error of such a reply.
    pub(crate) fn from_reply(name: &str, text: String) -> Self {
        let (reason, detail) = match name {
            RELOAD_FAILED => parted(text),
            NO_WORKER => {
                let worker = text.strip_prefix(NO_WORKER_BEGINS).and_then(|rest| rest.split(';').next());
                let worker = worker.unwrap_or_default().to_owned();
                (text, worker)
            }
            _ => (text, String::new()),
        };
        Self::from_wire(name, reason, detail)
    }

    fn wire_name(&self) -> &'static str {
        match self {
            Self::ReloadFailed { .. } => RELOAD_FAILED,
            Self::Refused { .. } => REFUSED,
            Self::NoWorker { .. } => NO_WORKER,
            Self::Internal { .. } | Self::OtherVersion { .. } | Self::Lost(_) => INTERNAL,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::ReloadFailed { traceback, .. } => traceback.clone(),
            Self::NoWorker { worker } => worker.to_string(),
            _ => String::new(),
        }
    }

    /// The message without what the client's side adds to it.
    fn message(&self) -> String {
        match self {
            Self::Internal { reason } => reason.clone(),
            other => other.to_string(),
        }
    }
}

/// A message in one line, and a text of any number of lines after it.
pub(crate) fn joined(message: &str, detail: &str) -> String {
    let message = message.replace('\n', " ");
    if detail.is_empty() { message } else { format!("{message}\n{detail}") }
}

/// The two again.
pub(crate) fn parted(text: String) -> (String, String) {
    match text.split_once('\n') {
        Some((message, detail)) => (message.to_owned(), detail.to_owned()),
        None => (text, String::new()),
    }
}

/// The text of an error's reply; the name where it has none.
pub(crate) fn text_of(name: &zbus::names::OwnedErrorName, first: Option<&String>, reply: &Message) -> String {
    let text = reply.body().deserialize::<String>().ok().or_else(|| first.cloned());
    text.unwrap_or_else(|| name.to_string())
}

impl zbus::DBusError for Error {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let (name, text) = self.to_reply();
        Message::error(call, name)?.build(&text)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.wire_name())
    }

    fn description(&self) -> Option<&str> {
        None
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        let zbus::Error::MethodError(name, text, reply) = &error else {
            return match error {
                zbus::Error::FDO(standard) => standard_error(*standard),
                other => Self::Lost(Box::new(other)),
            };
        };
        Self::from_reply(name.as_str(), text_of(name, text.as_ref(), reply))
    }
}

fn standard_error(error: zbus::fdo::Error) -> Error {
    use zbus::fdo::Error as Standard;
    match error {
        Standard::UnknownMethod(message)
        | Standard::UnknownInterface(message)
        | Standard::UnknownObject(message)
        | Standard::UnknownProperty(message)
        | Standard::InvalidArgs(message) => Error::OtherVersion { message },
        other => Error::Lost(Box::new(other.into())),
    }
}
