//! A new instance on its way: it is none of the list's yet.

use hostler_bus::daemon::Outcome;

use super::{Failure, InstanceKey, Running, World};
use crate::bus::{Action, Event, Order};

/// A new instance that was ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Making {
    /// Which.
    pub key: InstanceKey,
    /// How far it is.
    pub running: Running,
    /// What came of it; none while it is under way.
    pub ended: Option<Result<Outcome, Failure>>,
}

impl World {
    pub(super) fn ordered_making(&mut self, order: &Order, now_us: u64) {
        if let Order::Create { reach, name, .. } = order {
            let key = InstanceKey { reach: reach.clone(), name: name.clone() };
            let running = Running {
                action: Action::Create,
                since_us: now_us,
                authorizing: false,
                progress: crate::bus::Progress::default(),
            };
            self.making = Some(Making { key, running, ended: None });
        }
    }

    pub(super) fn take_making(&mut self, event: &Event) {
        let Some(making) = self.making.as_mut() else { return };
        match event {
            Event::Authorizing(key, Action::Create, waits) if *key == making.key => {
                making.running.authorizing = *waits;
            }
            Event::Progress(key, Action::Create, progress) if *key == making.key => {
                making.running.progress = progress.clone();
            }
            Event::Ended(key, Action::Create, result) if *key == making.key => {
                making.ended = Some(result.clone());
            }
            _ => {}
        }
    }
}
