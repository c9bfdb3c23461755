//! When a person may be asked for a password so that something can be read: only for what they act on, once each time they
//! do, and one question at a time. What is read beside that, or again after a loss, is read without: it may stay locked
//! until they act on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hostler_bus::daemon::Error;
use tokio::sync::Mutex;

/// What a person did, counted; and what of it they were asked for. Cloned, it is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Clicks {
    count: Arc<AtomicU64>,
    /// The last click that a question was for. Held while there is one.
    asked: Arc<Mutex<u64>>,
}

/// The number of a click.
pub(super) type Click = u64;

impl Clicks {
    /// The person acts on something: for this they may be asked once.
    pub(super) fn click(&self) -> Click {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Reads something. `fetch` is told whether a person may be asked; `question` waits for an answer for which they may
    /// be. What another question of the same click opened is read without one of its own.
    pub(super) async fn read<T, F, Q>(
        &self,
        click: Option<Click>,
        fetch: impl Fn(bool) -> F,
        question: impl FnOnce(F) -> Q,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
        Q: Future<Output = Result<T, Error>>,
    {
        let Some(click) = click else { return fetch(false).await };
        let mut asked = self.asked.lock().await;
        match fetch(false).await {
            Err(Error::AuthenticationNeeded { .. }) if *asked < click => {}
            answer => return answer,
        }
        *asked = click;
        question(fetch(true)).await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A daemon behind a password, which is given or not.
    async fn fetch(interactive: bool, given: bool, asked: &RefCell<u32>) -> Result<(), Error> {
        let purpose = "read it".to_owned();
        match interactive {
            false => Err(Error::AuthenticationNeeded { purpose }),
            true => {
                *asked.borrow_mut() += 1;
                if given { Ok(()) } else { Err(Error::Dismissed { purpose }) }
            }
        }
    }

    #[tokio::test]
    async fn a_click_asks_once_whatever_it_reads() {
        let (clicks, asked) = (Clicks::default(), RefCell::new(0));
        let read = async |click: Option<Click>, given: bool| {
            clicks.read(click, |interactive| fetch(interactive, given, &asked), |asking| asking).await
        };
        // Nobody clicked.
        assert!(matches!(read(None, true).await, Err(Error::AuthenticationNeeded { .. })));
        assert_eq!(*asked.borrow(), 0);
        let first = clicks.click();
        let (one, other) = tokio::join!(read(Some(first), false), read(Some(first), false));
        assert!(matches!(one, Err(Error::Dismissed { .. })), "{one:?}");
        assert!(matches!(other, Err(Error::AuthenticationNeeded { .. })), "{other:?}");
        assert_eq!(*asked.borrow(), 1);
        // They insist.
        assert_eq!(read(Some(clicks.click()), true).await, Ok(()));
        assert_eq!(*asked.borrow(), 2);
    }
}
