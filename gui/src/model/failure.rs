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

impl Failure {
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
