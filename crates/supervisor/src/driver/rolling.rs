//! Rolling, as the driver sees it: how processes are started from now on, and who waits for the end.

use hostler_channel::Loaded;
use tokio::sync::oneshot;

use super::Driver;
use crate::Options;
use crate::handle::RollFailed;
use crate::machine::{Event, Rolled};

/// A roll that goes on.
pub(super) struct Rolling {
    /// How processes were started before.
    before: Options,
    /// The application, as a new worker found it last.
    pub(super) loaded: Option<Loaded>,
    reply: oneshot::Sender<Result<Loaded, RollFailed>>,
}

impl Driver {
    pub(super) fn roll(&mut self, next: Options, edition: u64, reply: oneshot::Sender<Result<Loaded, RollFailed>>) {
        // One that goes on ends first, and puts back what it had changed.
        self.take(Event::EndRoll);
        let before = self.options.clone();
        let Options { python, directory, environment, start, umask, bootstrap, .. } = next;
        self.options = Options { python, directory, environment, start, umask, bootstrap, edition, ..before.clone() };
        self.rolling = Some(Rolling { before, loaded: None, reply });
        self.take(Event::Roll);
    }

    pub(super) fn rolled(&mut self, rolled: Rolled) {
        let Some(Rolling { before, loaded, reply }) = self.rolling.take() else { return };
        let Rolled { replaced, of, failure, complete } = rolled;
        let ended = match (complete, loaded, failure) {
            (true, Some(loaded), _) => Ok(loaded),
            (_, _, Some(failure)) => Err(RollFailed::NotReady { replaced, of, failure }),
            _ => Err(RollFailed::Ended { replaced, of }),
        };
        if ended.is_err() {
            self.options = before;
        }
        // Whoever asked may have gone.
        let _ = reply.send(ended);
    }
}
