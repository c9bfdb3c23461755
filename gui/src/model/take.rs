//! How each event changes the world.

use hostler_bus::daemon::{Outcome, Overview, Reach};

use super::{Failure, FailureKind, Instance, InstanceKey, Machine, Running, ToastTone, World};
use crate::bus::{Action, Event, Link, Order, Part, Progress};

impl World {
    /// Takes an event, and answers with what is to be asked for because of it.
    pub fn take(&mut self, event: Event, now_us: u64) -> Vec<Order> {
        self.take_making(&event);
        self.take_choice(&event);
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
                    let known = former.remove(&overview.name);
                    machine.instances.insert(overview.name.clone(), told(known, overview, now_us));
                }
                machine.listed = true;
            }),
            Event::Schema(reach, schema) => self.on_machine(&reach, |machine| machine.schema = schema),
            Event::Changed(reach, overview) => self.on_machine(&reach, |machine| {
                let known = machine.instances.remove(&overview.name);
                machine.instances.insert(overview.name.clone(), told(known, overview, now_us));
            }),
            Event::Gone(reach, name) => self.on_machine(&reach, |machine| {
                machine.instances.remove(&name);
            }),
            Event::Status(key, at_us, result) => self.on_instance(&key, |instance| {
                if let Ok(detail) = &result {
                    instance.notice_status(detail, at_us);
                    if let Some(status) = &detail.instance {
                        instance.samples.take_status(at_us, status);
                    }
                }
                instance.detail.take(result.map(|detail| *detail));
                instance.notice_renewal(now_us);
            }),
            Event::Past(key, samples, gaps, events) => self.on_instance(&key, |instance| {
                instance.samples.take_past(samples);
                instance.samples.take_gaps(gaps);
                instance.notice_events(&events);
            }),
            Event::Workers(key, result) => self.on_instance(&key, |instance| {
                if let Ok(workers) = &result {
                    instance.notice_workers(workers, now_us);
                }
                instance.workers.take(result);
            }),
            Event::Requests(key, result) => self.on_instance(&key, |instance| instance.requests.take(result)),
            Event::Stacks(key, worker, result) => {
                self.on_instance(&key, |instance| instance.stacks.entry(worker).or_default().take(result));
            }
            Event::Asking(key, part, waits) => self.on_instance(&key, |instance| {
                instance.asking.retain(|other| *other != part);
                if waits {
                    instance.asking.push(part);
                }
            }),
            Event::LogLevel(key, result) => self.on_instance(&key, |instance| instance.log_level.take(result)),
            // While a change is tried, the file may hold what is taken back a moment later; the bus reads it again at the end.
            Event::Settings(key, result) => self.on_instance(&key, |instance| {
                if !instance.is_changing() {
                    instance.settings.take(result);
                }
            }),
            Event::Validated(key, draft, result) => self.on_instance(&key, |instance| {
                // An answer about an older draft may come late.
                if instance.validated.as_ref().is_none_or(|(known, _)| *known <= draft) {
                    instance.validated = Some((draft, result));
                }
            }),
            Event::History(key, result) => self.on_instance(&key, |instance| {
                if let Ok(revisions) = &result {
                    instance.notice_history(revisions);
                }
                instance.history.take(result);
            }),
            Event::Logged(key, lines) => self.on_instance(&key, |instance| instance.log.extend(lines)),
            Event::LogsOpened(key) => self.on_instance(&key, |instance| instance.log.opened_us = Some(now_us)),
            Event::LogsEnded(key, failure) => self.on_instance(&key, |instance| {
                instance.log.following = false;
                instance.log.ended = failure;
            }),
            Event::Begun(key, action) => self.on_instance(&key, |instance| instance.begun_by_others(action, now_us)),
            Event::Authorizing(key, action, waits) => {
                self.on_action(&key, &action, |running| running.authorizing = waits);
            }
            Event::Progress(key, action, progress) => {
                self.on_action(&key, &action, |running| running.progress = progress);
            }
            Event::NotCancelled(key, failure) => {
                let text = format!("{} goes on: {}", key.name, failure.headline());
                self.toast(ToastTone::Plain, text, Some(key), None, now_us);
            }
            // Each is taken above.
            Event::Chosen(..) => {}
            Event::Ended(key, action, result) => self.take_end(&key, action, result, now_us),
        }
        Vec::new()
    }

    fn take_end(&mut self, key: &InstanceKey, action: Action, result: Result<Outcome, Failure>, now_us: u64) {
        self.toast_end(key, &action, &result, now_us);
        if action == Action::Create {
            // An instance that is called so already is none of its business.
            return;
        }
        self.on_instance(key, |instance| {
            instance.renewed(&action, &result, now_us);
            if let (Action::SetLogLevel(level), Ok(_)) = (&action, &result) {
                instance.log_level.take(Ok(*level));
            }
            // Another action may have begun before this one ended.
            if instance.running.as_ref().is_none_or(|running| running.action == action) {
                instance.running = None;
                instance.taken_back = None;
                let failure = result.err().filter(|failure| failure.kind != FailureKind::Cancelled);
                instance.failed = failure.map(|failure| (action, failure));
            }
        });
    }

    /// Notes that an order was sent, so that a button shows at once that it was pressed.
    pub fn ordered(&mut self, order: &Order, now_us: u64) {
        self.ordered_making(order, now_us);
        self.ordered_choice(order);
        match order {
            Order::Act(key, Action::Stacks(worker)) => {
                self.on_instance(key, |instance| instance.stacks.entry(*worker).or_default().ask());
            }
            Order::AskLogLevel(key) => self.on_instance(key, |instance| instance.log_level.ask()),
            Order::Act(key, action) => self.on_instance(key, |instance| {
                instance.taken_back = instance.taking_back(action);
                instance.dismiss_failure();
                if matches!(action, Action::Reload | Action::Rollback) {
                    instance.renew(now_us);
                }
                instance.running = Some(Running {
                    action: action.clone(),
                    since_us: now_us,
                    authorizing: false,
                    progress: Progress::default(),
                });
            }),
            Order::Observe(Some(key), parts) => self.on_instance(key, |instance| {
                // Nobody waits for what is not looked at any more.
                instance.asking.retain(|part| parts.contains(part));
                for part in parts {
                    match part {
                        Part::Status => instance.detail.ask(),
                        Part::Workers => instance.workers.ask(),
                        Part::Requests => instance.requests.ask(),
                        Part::Settings => instance.settings.ask(),
                        Part::History => instance.history.ask(),
                    }
                }
            }),
            Order::FollowLogs(key, filter) | Order::ResumeLogs(key, filter) => self.on_instance(key, |instance| {
                // One that goes on from a line adds to what there is.
                if filter.cursor.is_empty() {
                    instance.log.clear();
                }
                instance.log.ended = None;
                instance.log.following = true;
                instance.log.asked_us = now_us;
                instance.log.opened_us = None;
            }),
            Order::EndLogs(key) => self.on_instance(key, |instance| instance.log.following = false),
            Order::Connect(reach) => self.add_machine(reach.clone()),
            Order::Disconnect(reach) => self.remove_machine(reach),
            _ => {}
        }
    }

    fn on_machine(&mut self, reach: &Reach, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machine_mut(reach) {
            change(machine);
        }
    }

    fn on_instance(&mut self, key: &InstanceKey, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.instance_mut(key) {
            change(instance);
        }
    }

    /// Changes what is known of an action under way.
    fn on_action(&mut self, key: &InstanceKey, action: &Action, change: impl FnOnce(&mut Running)) {
        self.on_instance(key, |instance| {
            if let Some(running) = instance.running.as_mut().filter(|running| running.action == *action) {
                change(running);
            }
        });
    }
}

/// An instance with its next overview.
fn told(known: Option<Instance>, overview: Overview, now_us: u64) -> Instance {
    let Some(mut instance) = known else { return Instance { overview, ..Instance::default() } };
    instance.notice_overview(&overview, now_us);
    instance.overview = overview;
    instance.notice_renewal(now_us);
    instance
}
