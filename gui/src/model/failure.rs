//! Why something did not come, in the words of who said no.

use hostler_bus::daemon::{Error, Problem};

/// What kind of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureKind {
    /// It failed.
    #[default]
    Failed,
    /// The person may not.
    NotPermitted,
    /// Somebody else changed it meanwhile; the detail is the difference.
    Conflict,
    /// The settings have mistakes.
    Invalid,
    /// It was cancelled.
    Cancelled,
    /// The connection is gone.
    Lost,
}

/// Why something did not come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// What happened and what to do, in one or a few lines.
    pub message: String,
    /// More: a traceback, a difference; empty without.
    pub detail: String,
    /// The mistakes, where settings have some.
    pub problems: Vec<Problem>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let (kind, detail, problems) = match error {
            Error::NotAuthorized { .. } | Error::AuthenticationNeeded { .. } => {
                (FailureKind::NotPermitted, String::new(), Vec::new())
            }
            Error::Conflict { difference, .. } => (FailureKind::Conflict, difference, Vec::new()),
            Error::InvalidSettings { problems } => (FailureKind::Invalid, String::new(), problems),
            Error::Cancelled => (FailureKind::Cancelled, String::new(), Vec::new()),
            Error::Lost(_) => (FailureKind::Lost, String::new(), Vec::new()),
            Error::Instance(hostler_bus::Error::ReloadFailed { traceback, .. }) => {
                (FailureKind::Failed, traceback, Vec::new())
            }
            _ => (FailureKind::Failed, String::new(), Vec::new()),
        };
        Self { kind, message, detail, problems }
    }
}
