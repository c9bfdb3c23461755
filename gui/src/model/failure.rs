//! Why something did not come, in the words of who said no.

use hostler_bus::daemon::{Error, Problem};

use super::ToastTone;

/// What kind of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureKind {
    /// It failed.
    #[default]
    Failed,
    /// The person may not.
    NotPermitted,
    /// It takes a password, which nobody was asked for: the manager asks only for what the person acts on.
    Locked,
    /// The person closed the question for a password: nothing was done.
    Dismissed,
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

impl Failure {
    /// Whether it is only that a password was not given: nothing is wrong, and trying again may do.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self.kind, FailureKind::Locked | FailureKind::Dismissed)
    }

    /// Whether it stays so until the person acts: they may not, or a password was not given.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.kind == FailureKind::NotPermitted || self.is_unanswered()
    }

    /// How it sounds: what somebody chose not to do is no fault.
    #[must_use]
    pub fn tone(&self) -> ToastTone {
        match self.kind {
            FailureKind::Cancelled | FailureKind::Locked | FailureKind::Dismissed => ToastTone::Plain,
            FailureKind::NotPermitted => ToastTone::Refused,
            FailureKind::Failed | FailureKind::Conflict | FailureKind::Invalid | FailureKind::Lost => ToastTone::Bad,
        }
    }

    /// Why it was not done, in a few words where who said no has many.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self.kind {
            FailureKind::Cancelled => "it was cancelled",
            FailureKind::Dismissed => "the question for authorisation was dismissed",
            _ => self.headline(),
        }
    }

    /// The first line of what happened.
    #[must_use]
    pub fn headline(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// The file and the line that a traceback ends in.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u32)> {
        let mut places = self.detail.lines().filter_map(|line| {
            let rest = line.trim_start().strip_prefix("File \"")?;
            let (file, rest) = rest.split_once("\", line ")?;
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            Some((file, rest[..digits].parse().ok()?))
        });
        places.next_back()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let (kind, detail, problems) = match error {
            Error::NotAuthorized { .. } => (FailureKind::NotPermitted, String::new(), Vec::new()),
            Error::AuthenticationNeeded { purpose } => {
                let message = format!("It takes authentication to {purpose}.");
                return Self { kind: FailureKind::Locked, message, ..Self::default() };
            }
            Error::Dismissed { .. } => (FailureKind::Dismissed, String::new(), Vec::new()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_ends_somewhere() {
        let traceback = "Traceback (most recent call last):\n  File \"/srv/shop/wsgi.py\", line 3, in <module>\n    import shop\n  \
                         File \"/srv/shop/shop.py\", line 12\n    def (\n        ^\nSyntaxError: invalid syntax\n";
        let failure = Failure { detail: traceback.to_owned(), ..Failure::default() };
        assert_eq!(failure.place(), Some(("/srv/shop/shop.py", 12)));
        assert_eq!(Failure::default().place(), None);
    }
}
