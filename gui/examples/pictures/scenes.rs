//! What is on the pictures: a world, what the person chose, and which keys were pressed.

use egui::{Event, Key, Modifiers};
use hostler_bus::daemon::Reach;
use hostler_manager::model::{World, example};
use hostler_manager::state::{State, Tab};

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) world: fn() -> World,
    shown: Shown,
    /// What is pressed and typed before a frame.
    pub(crate) input: fn(u32) -> Vec<Event>,
}

/// What of the world is shown.
#[derive(Clone, Copy)]
enum Shown {
    All,
    Machine(fn() -> Reach),
    Instance(&'static str, Tab),
}

const fn scene(name: &'static str, world: fn() -> World, shown: Shown) -> Scene {
    Scene { name, world, shown, input: nothing }
}

const fn of_shop(name: &'static str, tab: Tab) -> Scene {
    scene(name, example::world, Shown::Instance("shop", tab))
}

/// All of them.
pub(crate) const ALL: [Scene; 19] = [
    scene("list", example::world, Shown::All),
    scene("list-machine", example::world, Shown::Machine(example::system)),
    of_shop("overview", Tab::Overview),
    Scene {
        name: "overview-closer",
        world: example::world,
        shown: Shown::Instance("shop", Tab::Overview),
        input: closer,
    },
    of_shop("workers", Tab::Workers),
    of_shop("requests", Tab::Requests),
    of_shop("logs", Tab::Logs),
    of_shop("settings", Tab::Settings),
    of_shop("units", Tab::Units),
    of_shop("history", Tab::History),
    scene("reloading", example::world, Shown::Instance("api", Tab::Overview)),
    scene("asleep", example::world, Shown::Instance("admin", Tab::Overview)),
    scene("failed", example::world, Shown::Instance("billing", Tab::Overview)),
    scene("broken", example::world, Shown::Instance("jobs", Tab::Overview)),
    Scene { name: "palette", world: example::world, shown: Shown::Instance("shop", Tab::Overview), input: palette },
    Scene { name: "shortcuts", world: example::world, shown: Shown::All, input: shortcuts },
    scene("away", example::away, Shown::All),
    scene("connecting", example::connecting, Shown::All),
    scene("empty", example::empty, Shown::All),
];

impl Scene {
    /// What the person chose.
    pub(crate) fn choose(&self, state: &mut State) {
        match self.shown {
            Shown::All => {}
            Shown::Machine(reach) => state.machine = Some(reach()),
            Shown::Instance(name, tab) => {
                state.selected = Some(example::key(name));
                state.tab = tab;
            }
        }
    }
}

fn press(key: Key, modifiers: Modifiers) -> Vec<Event> {
    let event = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
    let changed = Event::ModifiersChanged;
    vec![changed(modifiers), event(true), event(false), changed(Modifiers::NONE)]
}

/// Opened in one frame, typed into in a later one.
fn palette(frame: u32) -> Vec<Event> {
    match frame {
        2 => press(Key::K, Modifiers::COMMAND),
        4 => vec![Event::Text("re".to_owned())],
        _ => Vec::new(),
    }
}

/// A quarter of the time.
fn closer(frame: u32) -> Vec<Event> {
    if matches!(frame, 2 | 4) { press(Key::Equals, Modifiers::ALT) } else { Vec::new() }
}

fn shortcuts(frame: u32) -> Vec<Event> {
    if frame == 2 { press(Key::F1, Modifiers::NONE) } else { Vec::new() }
}

fn nothing(_: u32) -> Vec<Event> {
    Vec::new()
}
