//! How each event changes the world.

use super::{Instance, Machine, Running, World};
use crate::bus::{Event, Link, Order};

impl World {
    /// Takes an event, and answers with what is to be asked for because of it.
    pub fn take(&mut self, event: Event, now_us: u64) -> Vec<Order> {
        self.take_making(&event);
        match event {
            Event::Link(reach, link) => self.on_machine(&reach, |machine| {
                if !matches!(link, Link::Ready(_)) {
                    machine.listed = false;
                }
                machine.link = link;
            }),
            Event::Listed(reach, overviews) => self.on_machine(&reach, |machine| {
                let mut former = std::mem::take(&mut machine.instances);
                for overview in overviews {
                    let mut instance = former.remove(&overview.name).unwrap_or_default();
                    let name = overview.name.clone();
                    instance.overview = overview;
                    machine.instances.insert(name, instance);
                }
                machine.listed = true;
            }),
            Event::Schema(reach, schema) => self.on_machine(&reach, |machine| machine.schema = schema),
            Event::Changed(reach, overview) => self.on_machine(&reach, |machine| {
                let instance = machine.instances.entry(overview.name.clone()).or_default();
                instance.overview = overview;
            }),
            Event::Gone(reach, name) => self.on_machine(&reach, |machine| {
                machine.instances.remove(&name);
            }),
            Event::Status(key, at_us, result) => self.on_instance(&key, |instance| {
                if let Ok(detail) = &result
                    && let Some(status) = &detail.instance
                {
                    instance.samples.take_status(at_us, status);
                }
                instance.detail.take(result.map(|detail| *detail));
            }),
            Event::Past(key, samples) => self.on_instance(&key, |instance| instance.samples.take_past(samples)),
            Event::Workers(key, result) => self.on_instance(&key, |instance| instance.workers.take(result)),
            Event::Requests(key, result) => self.on_instance(&key, |instance| instance.requests.take(result)),
            Event::Stacks(key, worker, result) => {
                self.on_instance(&key, |instance| instance.stacks.entry(worker).or_default().take(result));
            }
            Event::Settings(key, result) => self.on_instance(&key, |instance| instance.settings.take(result)),
            Event::Validated(key, draft, result) => {
                self.on_instance(&key, |instance| instance.validated = Some((draft, result)));
            }
            Event::History(key, result) => self.on_instance(&key, |instance| instance.history.take(result)),
            Event::Logged(key, lines) => self.on_instance(&key, |instance| instance.log.extend(lines)),
            Event::LogsEnded(key, failure) => self.on_instance(&key, |instance| {
                instance.log.following = false;
                instance.log.ended = failure;
            }),
            Event::Authorizing(key, action, waits) => self.on_instance(&key, |instance| {
                if let Some(running) = instance.running.as_mut().filter(|running| running.action == action) {
                    running.authorizing = waits;
                }
            }),
            Event::Progress(key, action, progress) => self.on_instance(&key, |instance| {
                if let Some(running) = instance.running.as_mut().filter(|running| running.action == action) {
                    running.progress = progress;
                }
            }),
            Event::Ended(key, action, result) => {
                self.on_instance(&key, |instance| {
                    instance.running = None;
                    instance.failed = result.err().map(|failure| (action, failure));
                });
            }
        }
        let _ = now_us;
        Vec::new()
    }

    /// Notes that an order was sent, so that a button shows at once that it was pressed.
    pub fn ordered(&mut self, order: &Order, now_us: u64) {
        self.ordered_making(order, now_us);
        match order {
            Order::Act(key, action) => self.on_instance(key, |instance| {
                instance.running = Some(Running {
                    action: action.clone(),
                    since_us: now_us,
                    authorizing: false,
                    progress: crate::bus::Progress::default(),
                });
                instance.failed = None;
            }),
            Order::FollowLogs(key, filter) => self.on_instance(key, |instance| {
                // One that goes on from a line adds to what there is.
                if filter.cursor.is_empty() {
                    instance.log.clear();
                }
                instance.log.ended = None;
                instance.log.following = true;
                instance.log.asked_us = now_us;
            }),
            Order::EndLogs(key) => self.on_instance(key, |instance| instance.log.following = false),
            Order::Connect(reach) => self.add_machine(reach.clone()),
            Order::Disconnect(reach) => self.remove_machine(reach),
            _ => {}
        }
    }

    fn on_machine(&mut self, reach: &hostler_bus::daemon::Reach, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machine_mut(reach) {
            change(machine);
        }
    }

    fn on_instance(&mut self, key: &super::InstanceKey, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.instance_mut(key) {
            change(instance);
        }
    }
}
