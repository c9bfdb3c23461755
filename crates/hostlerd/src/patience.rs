//! Time limits of questions to instances: one that is stopped, or stuck, holds up nobody who asks.
//!
//! Work that takes as long as it takes has none, as a reload: that is a job, which can be cancelled.

use std::time::Duration;

use hostler_bus::daemon::{Error, Result};

/// For what an instance has at hand. Clients of the daemon wait longer than this.
pub(crate) const QUICK: Duration = Duration::from_secs(5);
/// For what a worker has to answer, or a file has to be opened for.
pub(crate) const SLOW: Duration = Duration::from_secs(60);

/// Waits for an instance's answer. Cancel safe.
///
/// # Errors
/// What the instance says; that it says nothing.
pub(crate) async fn within<T>(limit: Duration, call: impl Future<Output = hostler_bus::Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Refused { reason: silent(limit) }),
    }
}

fn silent(limit: Duration) -> String {
    format!("the instance did not answer on its control socket within {} seconds; is it suspended?", limit.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_is_given_up() {
        assert_eq!(within(QUICK, async { Ok(7) }).await, Ok(7));
        let silent = within(Duration::ZERO, std::future::pending::<hostler_bus::Result<()>>()).await.unwrap_err();
        assert!(silent.to_string().contains("within 0 seconds; is it suspended?"), "{silent}");
    }
}
