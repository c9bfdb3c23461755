//! What presses keys and points at things by their accessible names before a picture is taken.

use std::sync::{Arc, Mutex, PoisonError};

use egui::accesskit::{Node, NodeId};
use egui::{Context, Event, FullOutput, Key, Modifiers, Plugin, PointerButton, Pos2};

/// What a hand does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Presses keys.
    Press(Modifiers, Key),
    /// Types text.
    Type(&'static str),
    /// Points at what is called so, and stays there.
    Point(&'static str),
    /// Points at what is called so and clicks.
    Click(&'static str),
    /// The same with the other button.
    ClickOther(&'static str),
}

/// The names of what was drawn last with the middles of their places. The camera and egui share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Vec<(String, Pos2)>>>);

impl Places {
    fn of(&self, name: &str) -> Option<Pos2> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().find(|(other, _)| other == name).map(|(_, place)| *place)
    }
}

impl Plugin for Places {
    fn debug_name(&self) -> &'static str {
        "places of what is drawn"
    }

    fn setup(&mut self, context: &Context) {
        context.enable_accesskit();
    }

    fn output_hook(&mut self, _context: &Context, output: &mut FullOutput) {
        let Some(update) = &output.platform_output.accesskit_update else { return };
        let place = |(_, node): &(NodeId, Node)| {
            let (label, bounds) = (node.label()?, node.bounds()?);
            let middle = Pos2::new((bounds.x0 + bounds.x1) as f32 / 2.0, (bounds.y0 + bounds.y1) as f32 / 2.0);
            Some((label.to_owned(), middle))
        };
        let places = update.nodes.iter().filter_map(place).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }
}

impl Step {
    /// The events of it.
    ///
    /// # Errors
    /// When nothing is called as it says.
    pub(crate) fn events(self, places: &Places) -> Result<Vec<Event>, String> {
        let place = |name: &str| places.of(name).ok_or_else(|| format!("nothing is called {name:?}"));
        let click = |pos, button| {
            let event = |pressed| Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE };
            vec![Event::PointerMoved(pos), event(true), event(false)]
        };
        Ok(match self {
            Self::Press(modifiers, key) => {
                let event = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
                let changed = Event::ModifiersChanged;
                vec![changed(modifiers), event(true), event(false), changed(Modifiers::NONE)]
            }
            Self::Type(text) => vec![Event::Text(text.to_owned())],
            Self::Point(name) => vec![Event::PointerMoved(place(name)?)],
            Self::Click(name) => click(place(name)?, PointerButton::Primary),
            Self::ClickOther(name) => click(place(name)?, PointerButton::Secondary),
        })
    }
}
