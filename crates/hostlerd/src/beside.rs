//! Work that takes a while and waits for nothing: files that are read and written to the disk, large texts that are checked. It is done
//! beside the one thread that answers.

use hostler_bus::daemon::{Error, Result};

/// Does it in a thread of its own; whoever waits may leave, and it is done all the same.
///
/// # Errors
/// What it says; that it panicked.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => {
            Err(Error::Internal { reason: "the call panicked, which the log tells of".to_owned() })
        }
        Err(_) => Err(Error::Internal { reason: "it is leaving; try again".to_owned() }),
    }
}
