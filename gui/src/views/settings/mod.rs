//! The settings as a form drawn from the daemon's schema.
//!
//! ```text
//!   editing    one instance's draft, and how its form is looked at
//!   toolbar    search, what is shown
//!   groups     the index of groups at the side
//!   form       the groups with their settings
//!   setting    one setting: its name, help, where its value comes from, what is wrong with it
//!   editors    what a value is typed into, by its form
//!   bar        how many changes, and what is done with them
//!   review     the difference, before it is applied
//!   text       the file as it is
//! ```

mod bar;
mod editing;
mod editors;
mod form;
mod groups;
mod review;
mod setting;
mod text;
mod toolbar;

use std::collections::BTreeMap;

use egui::{Key, Modifiers, Ui};
use hostler_bus::daemon::{Problem, SettingInfo};

use super::Stage;
use crate::bus::{Action, Order, Part, Settings};
use crate::model::{Instance, InstanceKey, Loaded};
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::widgets::empty;

pub use editing::Editing;

/// Below this width the index of groups is a menu.
const GROUPS_WIDTH: f32 = 800.0;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    editings: BTreeMap<InstanceKey, Editing>,
    /// Whether the search field is to have the focus.
    wants_search: bool,
}

impl Passing {
    /// How an instance's settings are being changed.
    #[must_use]
    pub fn editing(&self, key: &InstanceKey) -> Option<&Editing> {
        self.editings.get(key)
    }
}

/// Goes to a setting of the instance that is shown.
pub fn show_setting(state: &mut crate::state::State, setting: &str) {
    state.tab = crate::state::Tab::Settings;
    if let Some(key) = state.selected.clone() {
        state.passing.settings.editings.entry(key).or_default().jump_to(setting);
    }
}

/// Gives the focus to the search field.
pub fn focus_search(state: &mut crate::state::State) {
    state.passing.settings.wants_search = true;
}

/// What a form is drawn with.
struct Form<'a> {
    schema: &'a [SettingInfo],
    settings: &'a Settings,
    /// What is wrong with the draft, as far as it was looked through.
    problems: Vec<Problem>,
    /// Keys that were changed and wait for a restart.
    awaits_restart: &'a [String],
    /// Whether anything can be changed now.
    may_edit: bool,
}

impl Form<'_> {
    fn problems_of(&self, key: &str) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(move |problem| problem.key == key)
    }
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some(key) = stage.state.selected.clone() else { return };
    if instead(ui, stage, &key) {
        return;
    }
    let mut editing = stage.state.passing.settings.editings.remove(&key).unwrap_or_default();
    if let Some(instance) = stage.world.instance(&key) {
        let schema = stage.world.machine(&key.reach).map_or(&[][..], |machine| &machine.schema);
        editing.follow(instance, schema);
    }
    editing.undo_by_keys(ui);
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::F)) {
        stage.state.passing.settings.wants_search = true;
    }
    let orders = draw(ui, stage, &key, &mut editing);
    editing.feed_undo(ui);
    stage.orders.extend(orders);
    validate(stage, &key, &mut editing);
    stage.state.passing.settings.editings.insert(key, editing);
}

fn draw(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, editing: &mut Editing) -> Vec<Order> {
    let tokens = stage.tokens;
    let wants_search = std::mem::take(&mut stage.state.passing.settings.wants_search);
    let (Some(instance), Some(machine)) = (stage.world.instance(key), stage.world.machine(&key.reach)) else {
        return Vec::new();
    };
    let Some(settings) = instance.settings.value() else { return Vec::new() };
    let form = Form {
        schema: &machine.schema,
        settings,
        problems: problems(instance, editing),
        awaits_restart: instance.detail.value().map_or(&[], |detail| &detail.awaits_restart),
        may_edit: machine.is_ready() && !editing.draft.is_sent(),
    };
    let mut orders = Vec::new();
    ui.spacing_mut().item_spacing.y = Size::TIGHT;
    toolbar::show(ui, tokens, editing, &form, instance, wants_search);
    ui.add_space(Size::TIGHT);
    if editing.raw {
        text::show(ui, tokens, settings);
        return orders;
    }
    bar::show(ui, tokens, key, instance, &form, editing, &mut orders);
    if ui.available_width() >= GROUPS_WIDTH {
        egui::Panel::left("setting groups")
            .frame(egui::Frame::new().inner_margin(egui::Margin { right: 8, ..egui::Margin::ZERO }))
            .show_separator_line(false)
            .resizable(false)
            .exact_size(168.0)
            .show(ui, |ui| groups::show(ui, tokens, editing, &form));
    }
    egui::CentralPanel::no_frame().show(ui, |ui| {
        // What is typed for one instance is nothing that another one's field could undo to.
        ui.push_id(key, |ui| form::show(ui, tokens, editing, &form));
    });
    review::show(ui, tokens, key, instance, &form, editing, &mut orders);
    orders
}

/// Draws what stands in place of the form, if there is none.
fn instead(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) -> bool {
    let tokens = stage.tokens;
    let Some(instance) = stage.world.instance(key) else { return true };
    let has_schema = stage.world.machine(&key.reach).is_some_and(|machine| !machine.schema.is_empty());
    if instance.settings.value().is_some() && has_schema {
        return false;
    }
    match &instance.settings {
        Loaded::Failed(failure, None) => {
            if crate::widgets::loaded::failed(ui, tokens, "the settings", failure) {
                stage.order(Order::Refresh(key.clone()));
            }
        }
        _ if !stage.world.machine(&key.reach).is_some_and(crate::model::Machine::is_ready) => {
            let words = "The settings are read as soon as the connection is there again.";
            empty::show(ui, tokens, Icon::Unplug, "Not connected", words, |_| {});
        }
        _ if instance.asks_for(Part::Settings) => crate::widgets::loaded::authorizing(ui, tokens, "the settings"),
        _ => crate::widgets::loaded::awaited(ui, tokens, "the settings"),
    }
    true
}

/// What is wrong, as the daemon said of this draft or of the one before, else as it refused to apply it.
fn problems(instance: &Instance, editing: &Editing) -> Vec<Problem> {
    if editing.draft.edits().is_empty() {
        return Vec::new();
    }
    match (&instance.validated, &instance.failed) {
        (Some((number, Ok(problems))), _) if *number >= editing.validated_from => problems.clone(),
        (_, Some((Action::Apply { .. }, failure))) => failure.problems.clone(),
        _ => Vec::new(),
    }
}

/// Has the daemon look through what changed since it last did.
fn validate(stage: &mut Stage<'_>, key: &InstanceKey, editing: &mut Editing) {
    let Some(machine) = stage.world.machine(&key.reach) else { return };
    let number = editing.draft.number();
    if editing.validated == Some(number) || !machine.is_ready() {
        return;
    }
    let change = editing.draft.change(&machine.schema);
    editing.validated = Some(number);
    if change == editing.looked_through {
        // What was said of the draft before holds for this one.
        return;
    }
    editing.looked_through = change.clone();
    if change.set.is_empty() && change.unset.is_empty() {
        editing.validated_from = number + 1;
        return;
    }
    stage.order(Order::Validate { key: key.clone(), draft: number, change });
}

#[cfg(test)]
mod tests;
