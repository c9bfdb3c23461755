//! What is done about calls: by those who start the manager again, and by the words of the first start.

use egui::{Context, ViewportCommand};
use hostler_bus::daemon::Reach;

use super::{Application, Call, Link, Resolved};
use crate::bus::Order;
use crate::model::{ToastTone, World};
use crate::state::State;

/// Calls that come in, and the link that waits for what it names.
#[derive(Debug, Default)]
pub struct Calls {
    application: Option<Application>,
    awaited: Option<Link>,
}

impl Calls {
    /// Those that come over an application, which wakes this window for them.
    pub fn attach(&mut self, application: Application, window: &Context) {
        application.attach(window);
        self.application = Some(application);
    }

    /// Goes where a link leads as soon as its machine has said what it has.
    pub fn open(&mut self, link: Link) {
        self.awaited = Some(link);
    }

    /// Does what calls ask for, and follows the link as far as it leads by now.
    pub fn take(&mut self, window: &Context, world: &mut World, state: &mut State, now_us: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some(call) = self.application.as_ref().and_then(Application::try_next) {
            orders.extend(self.answer(call, world, state, now_us));
            window.send_viewport_cmd(ViewportCommand::Minimized(false));
            window.send_viewport_cmd(ViewportCommand::Focus);
        }
        self.follow(world, state, now_us);
        orders
    }

    /// Does what one call asks for.
    pub fn answer(&mut self, call: Call, world: &mut World, state: &mut State, now_us: u64) -> Option<Order> {
        match call {
            Call::Activate => {}
            Call::Connect { host, user } => {
                let reach = Reach { user, host: Some(host) };
                if world.machine(&reach).is_none() {
                    return Some(Order::Connect(reach));
                }
            }
            Call::Show { user } => {
                self.awaited = None;
                state.selected = None;
                state.machine = Some(Reach { user, host: None });
            }
            // There is one window: of several the last is shown.
            Call::Open(links) => {
                for link in links {
                    match link.parse() {
                        Ok(link) => self.awaited = Some(link),
                        Err(error) => world.toast(ToastTone::Bad, format!("{error}"), None, None, now_us),
                    }
                }
            }
        }
        None
    }

    fn follow(&mut self, world: &mut World, state: &mut State, now_us: u64) {
        let Some(link) = &self.awaited else { return };
        match link.resolve(world) {
            Resolved::NotYet => return,
            Resolved::Found(key) => {
                state.selected = Some(key);
                if let Some(tab) = link.tab {
                    state.tab = tab;
                }
            }
            Resolved::Nowhere => {
                world.toast(
                    ToastTone::Bad,
                    format!("No machine in the sidebar has an instance {:?}", link.name),
                    None,
                    None,
                    now_us,
                );
            }
        }
        self.awaited = None;
    }
}

#[cfg(test)]
mod tests {
    use hostler_bus::daemon::Overview;

    use super::*;
    use crate::bus::Event;
    use crate::state::Tab;

    fn world() -> World {
        let mut world = World::default();
        world.add_machine(Reach { user: true, host: None });
        world
    }

    #[test]
    fn a_link_waits_for_its_machine() {
        let (mut world, mut state, mut calls) = (world(), State::default(), Calls::default());
        let window = Context::default();
        calls.answer(Call::Open(vec!["hostler://app/shop/logs".to_owned()]), &mut world, &mut state, 1);
        calls.take(&window, &mut world, &mut state, 1);
        assert!(state.selected.is_none() && world.toasts.is_empty());
        let shop = Overview { name: "shop".to_owned(), ..Overview::default() };
        world.take(Event::Listed(Reach { user: true, host: None }, vec![shop]), 2);
        calls.take(&window, &mut world, &mut state, 2);
        assert_eq!(state.selected.as_ref().map(|key| key.name.as_str()), Some("shop"));
        assert_eq!(state.tab, Tab::Logs);
        // Where the person goes then is not undone.
        state.selected = None;
        calls.take(&window, &mut world, &mut state, 3);
        assert!(state.selected.is_none());
    }

    #[test]
    fn what_leads_nowhere_is_said() {
        let (mut world, mut state, mut calls) = (world(), State::default(), Calls::default());
        world.take(Event::Listed(Reach { user: true, host: None }, Vec::new()), 1);
        let links = ["hostler://app/absent", "https://example.org/"].map(ToOwned::to_owned);
        calls.answer(Call::Open(links.into()), &mut world, &mut state, 1);
        calls.take(&Context::default(), &mut world, &mut state, 1);
        let said: Vec<&str> = world.toasts.iter().map(|toast| toast.text.as_str()).collect();
        assert!(said[0].contains("https://example.org/") && said[1].contains("\"absent\""), "{said:?}");
        assert!(world.toasts[0].number < world.toasts[1].number);
    }

    #[test]
    fn a_host_is_connected_to_once() {
        let (mut world, mut state, mut calls) = (world(), State::default(), Calls::default());
        let call = || Call::Connect { host: "web1".to_owned(), user: false };
        let order = calls.answer(call(), &mut world, &mut state, 1).unwrap();
        assert_eq!(order, Order::Connect(Reach { user: false, host: Some("web1".to_owned()) }));
        world.ordered(&order, 1);
        assert_eq!(calls.answer(call(), &mut world, &mut state, 1), None);
    }

    #[test]
    fn the_instances_of_a_machine_are_shown() {
        let (mut world, mut state, mut calls) = (world(), State::default(), Calls::default());
        calls.answer(Call::Show { user: false }, &mut world, &mut state, 1);
        assert_eq!((state.selected, state.machine), (None, Some(Reach { user: false, host: None })));
    }
}
