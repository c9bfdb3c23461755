//! The frame of the window: the bar on top, the sidebar, what is shown, dialogs, toasts. It takes the keys that belong to
//! the window and tells the bus what is on screen.

use egui::{Context, Frame, Key, Margin, Ui};
use hostler_bus::daemon::InstanceState;

use super::Stage;
use crate::bus::{Action, Order, Part};
use crate::commands::{self, Scene};
use crate::model::{Instance, InstanceKey};
use crate::state::Tab;
use crate::theme::Size;

/// The parts of the window that F6 goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The machines and instances.
    #[default]
    Sidebar,
    /// What can be done to the instance that is shown.
    Actions,
    /// The views of it, or the table.
    Content,
}

impl Pane {
    /// The part after this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Sidebar => Self::Actions,
            Self::Actions => Self::Content,
            Self::Content => Self::Sidebar,
        }
    }

    /// The part before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        self.next().next()
    }
}

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// Whether the search field is to have the keys.
    pub search: bool,
    pane: Pane,
    /// The part that is to have the keys with the next frame.
    goes_to: Option<Pane>,
    /// What the bus was told to observe.
    observed: Option<(Option<InstanceKey>, Vec<Part>)>,
}

impl Passing {
    /// Sends the keys to another part of the window.
    pub fn move_pane(&mut self, to: impl Fn(Pane) -> Pane) {
        self.pane = to(self.pane);
        self.goes_to = Some(self.pane);
    }

    /// Whether a part is to take the keys now. It says so once.
    pub fn takes_keys(&mut self, pane: Pane) -> bool {
        let is_meant = self.goes_to == Some(pane);
        if is_meant {
            self.goes_to = None;
        }
        is_meant
    }
}

/// The width of the sidebar, as long as nobody chose another one.
const SIDEBAR: f32 = 290.0;
/// The least width of the sidebar. It has at most a third of a narrow window.
const SIDEBAR_LEAST: f32 = 200.0;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    take_keys(ui.ctx(), stage);
    let tokens = stage.tokens;
    let bar = Frame::new().fill(tokens.panel).inner_margin(Margin::symmetric(10, 6));
    egui::Panel::top("top bar").frame(bar).show(ui, |ui| super::top_bar::show(ui, stage));
    if !stage.state.views.sidebar.hidden {
        let most = (ui.available_width() * 0.34).clamp(SIDEBAR_LEAST, 460.0);
        // What the person chose in a wide window is not lost while it is narrow, or all is larger for a while.
        let id = if most < SIDEBAR { "narrow sidebar" } else { "sidebar" };
        egui::Panel::left(id)
            .frame(Frame::new().fill(tokens.panel))
            .default_size(SIDEBAR)
            .size_range(SIDEBAR_LEAST..=most)
            .show(ui, |ui| super::sidebar::show(ui, stage));
    }
    let margin = Margin { left: Size::WIDE as i8, right: Size::WIDE as i8, top: 14, bottom: 12 };
    egui::CentralPanel::default().frame(Frame::new().fill(tokens.ground).inner_margin(margin)).show(ui, |ui| {
        if stage.selected().is_some() {
            super::instance::show(ui, stage);
        } else {
            super::list::show(ui, stage);
        }
    });
    super::dialogs::show(ui.ctx(), stage);
    super::new::show(ui, stage);
    super::palette::show(ui, stage);
    super::toasts::show(ui, stage);
    observe(stage);
}

/// Carries out what keys call for, before any view sees them.
fn take_keys(context: &Context, stage: &mut Stage<'_>) {
    for command in commands::take(context, &Scene::new(stage.world, stage.state)) {
        commands::run(command, None, context, stage);
    }
    let is_covered = context.memory(|memory| memory.top_modal_layer().is_some()) || context.any_popup_open();
    if !is_covered && !context.text_edit_focused() && !stage.state.marked.is_empty() {
        let escaped = context.input_mut(|input| input.consume_key(egui::Modifiers::NONE, Key::Escape));
        if escaped {
            stage.state.marked.clear();
        }
    }
}

/// Tells the bus what is on screen, when that changed.
fn observe(stage: &mut Stage<'_>) {
    let observed = match stage.selected() {
        Some((key, instance)) => (Some(key), parts(stage.state.tab, instance, stage.now)),
        None => (None, Vec::new()),
    };
    if stage.state.passing.shell.observed.as_ref() != Some(&observed) {
        stage.order(Order::Observe(observed.0.clone(), observed.1.clone()));
        stage.state.passing.shell.observed = Some(observed);
    }
}

/// What a view is drawn from. The course of a reload shows the workers of both generations.
fn parts(tab: Tab, instance: &Instance, now_us: u64) -> Vec<Part> {
    let mut parts = match tab {
        Tab::Overview | Tab::Logs => vec![Part::Status],
        Tab::Workers => vec![Part::Status, Part::Workers],
        Tab::Requests => vec![Part::Status, Part::Requests, Part::Workers],
        Tab::Settings | Tab::Units => vec![Part::Status, Part::Settings],
        Tab::History => vec![Part::Status, Part::Settings, Part::History],
    };
    let reloads = instance.running.as_ref().is_some_and(|running| {
        matches!(running.action, Action::Reload | Action::Rollback) || running.action.changes_settings()
    });
    // Until the former generation has finished what it runs, which is after the job's end.
    let draining = instance.course(now_us).is_some_and(|course| !course.is_over());
    if (reloads || draining || instance.state() == InstanceState::Reloading) && !parts.contains(&Part::Workers) {
        parts.push(Part::Workers);
    }
    parts
}

#[cfg(test)]
mod tests;
