//! Watching the keeper's process: its channel and its end, turned into messages for the driver.
//!
//! Decides nothing. Log records go to `tracing` from here: they need no decision.

use std::sync::Arc;

use hostler_channel::FromWorker;
use tokio::sync::mpsc;

use crate::machine::Event;
use crate::message::Message;
use crate::report;
use crate::tended::{Listening, Received, Tended};

/// Handles one message; false when no further one will come.
async fn take(keeper: &Tended, received: Received, messages: &mpsc::Sender<Message>) -> bool {
    let (message, mut beside) = match received {
        Ok(Some(received)) => received,
        Ok(None) => return false,
        Err(error) => return report::unreadable(None, keeper.pid, &error),
    };
    let message = match message {
        FromWorker::Log(record) => {
            report::record(None, keeper.pid, &record);
            return true;
        }
        // It is not asked for that.
        FromWorker::Collected { .. } => return true,
        FromWorker::Ready(_) => Message::Event(Event::KeeperReady),
        FromWorker::Failed { message, traceback } => Message::Event(Event::KeeperFailed { message, traceback }),
        FromWorker::Forked { worker, pid } => match beside.pop() {
            Some(pidfd) => Message::Forked { worker, pid, pidfd },
            None => {
                let message = "the keeper told of a worker without a descriptor of it".to_owned();
                Message::ForkFailed { worker, message, traceback: None }
            }
        },
        FromWorker::ForkFailed { worker, message, traceback } => Message::ForkFailed { worker, message, traceback },
    };
    messages.send(message).await.is_ok()
}

/// Watches until the process has ended and been reaped; [`Event::KeeperExited`] is the last event of it.
///
/// Dropped earlier (with the runtime), the channel closes, and the keeper ends by itself.
pub(crate) async fn watch(keeper: Arc<Tended>, messages: mpsc::Sender<Message>) {
    let mut listening = Listening::default();
    while let Some(received) = keeper.next(&mut listening).await {
        listening.is_open = take(&keeper, received, &messages).await;
    }
    let status = keeper.collect().await;
    drop(keeper);
    // Without a receiver the driver is gone, and nobody needs to know.
    let _ = messages.send(Message::Event(Event::KeeperExited { status })).await;
}
