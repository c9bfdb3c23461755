//! The log: live, searched, filtered, folded.
//!
//! ```text
//!   toolbar    search, severity, filters, what is done with the log
//!   chips      the filters that hold, each with its end
//!   timeline   how many lines when; a time is chosen by dragging
//!   lines      the rows: only those that are visible are drawn
//!   detail     one line with all its fields
//!   states     what is said where there are no lines
//!   export     writing lines to a file, on a thread of its own
//!   reading    how far one instance's log is read, and what of it is shown
//! ```

mod chips;
mod detail;
mod export;
mod lines;
mod reading;
mod states;
mod timeline;
mod toolbar;

use std::collections::BTreeMap;

use egui::{Key, Modifiers, Ui};
use hostler_bus::daemon::LogFilter;

use super::Stage;
use crate::bus::Order;
use crate::model::{FailureKind, InstanceKey, LogCriteria};
use crate::state::{State, Tab};
use crate::theme::Size;

pub use reading::Reading;

/// How many lines are read at first.
const LINES: u32 = 5_000;
/// How many are read for those who want to see more; the most that a daemon gives.
const MORE_LINES: u32 = 100_000;
/// How long is waited until a log is followed again whose stream ended.
const PAUSE_US: u64 = 2_000_000;
/// Below this width the detail of a line stands below the lines, else beside them.
const BESIDE_WIDTH: f32 = 1_020.0;

/// What it keeps between runs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Whether long lines are wrapped.
    pub wrap: bool,
    /// Whether it is shown how many lines were logged when.
    pub timeline: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self { wrap: false, timeline: true }
    }
}

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    readings: BTreeMap<InstanceKey, Reading>,
    /// Whose log is followed.
    followed: Option<InstanceKey>,
    /// Whether the search field is to have the focus.
    wants_search: bool,
}

impl Passing {
    /// How an instance's log is read.
    #[must_use]
    pub fn reading(&self, key: &InstanceKey) -> Option<&Reading> {
        self.readings.get(key)
    }
}

/// Goes to the log of the instance that is shown, with the lines of one request alone.
pub fn show_request(state: &mut State, id: &str) {
    show_field(state, "request_id", id);
}

/// Goes to the log of the instance that is shown, with the lines alone that have a field: `worker`, `generation`, `pid`.
pub fn show_field(state: &mut State, name: &str, value: &str) {
    let fields = [(name.to_owned(), value.to_owned())].into();
    show_only(state, LogCriteria { fields, ..LogCriteria::default() });
}

/// Goes to the log of the instance that is shown, from a moment on, in microseconds since 1970 (UTC).
pub fn show_since(state: &mut State, since_us: u64) {
    show_only(state, LogCriteria { time_us: Some(since_us..u64::MAX), ..LogCriteria::default() });
}

/// Gives the focus to the search field.
pub fn focus_search(state: &mut State) {
    state.tab = Tab::Logs;
    state.passing.logs.wants_search = true;
}

fn show_only(state: &mut State, criteria: LogCriteria) {
    state.tab = Tab::Logs;
    if let Some(key) = state.selected.clone() {
        state.passing.logs.readings.entry(key).or_default().show_only(criteria);
    }
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some(key) = stage.state.selected.clone() else { return };
    tend(stage, &key);
    let mut reading = stage.state.passing.logs.readings.remove(&key).unwrap_or_default();
    shortcuts(ui, stage, &mut reading);
    draw(ui, stage, &key, &mut reading);
    stage.state.passing.logs.readings.insert(key, reading);
}

fn draw(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    ui.spacing_mut().item_spacing.y = Size::TIGHT;
    if states::instead(ui, stage, key) {
        return;
    }
    toolbar::show(ui, stage, key, reading);
    // What was just chosen is looked for at once, so that nothing flickers.
    if let Some(instance) = stage.world.instance(key)
        && reading.follow_book(&instance.log)
    {
        ui.ctx().request_repaint();
    }
    chips::show(ui, stage, reading);
    if stage.state.views.logs.timeline {
        ui.add_space(Size::TIGHT);
        timeline::show(ui, stage, key, reading);
    }
    export::show(ui, stage, key, reading);
    egui::Panel::bottom("log foot")
        .frame(egui::Frame::new().inner_margin(egui::Margin { top: 4, ..egui::Margin::ZERO }))
        .show_separator_line(false)
        .show(ui, |ui| toolbar::foot(ui, stage, key, reading));
    let beside = ui.available_width() >= BESIDE_WIDTH;
    if reading.detail_of().is_some() {
        let frame = egui::Frame::new().fill(stage.tokens.panel).inner_margin(egui::Margin::same(Size::PAD as i8));
        let panel = if beside {
            egui::Panel::right("log detail").default_size(400.0).size_range(280.0..=640.0)
        } else {
            egui::Panel::bottom("log detail").default_size(230.0).size_range(140.0..=420.0)
        };
        panel.resizable(true).frame(frame).show(ui, |ui| detail::show(ui, stage, key, reading));
    }
    egui::CentralPanel::no_frame().show(ui, |ui| lines::show(ui, stage, key, reading));
}

/// Sees to it that the log that is shown is followed, and no other.
fn tend(stage: &mut Stage<'_>, key: &InstanceKey) {
    if let Some(former) = stage.state.passing.logs.followed.take_if(|former| former != key) {
        stage.order(Order::EndLogs(former));
    }
    let is_ready = stage.world.machine(&key.reach).is_some_and(crate::model::Machine::is_ready);
    let Some(instance) = stage.world.instance(key) else { return };
    let log = &instance.log;
    // What was lost with a connection goes on with the next one; what was refused waits for the person.
    let may = log.ended.as_ref().is_none_or(|failure| failure.kind == FailureKind::Lost);
    // A stream that ends at once is not opened again and again.
    let rested = stage.now.saturating_sub(log.asked_us) >= PAUSE_US;
    if is_ready && !log.following && may && rested {
        let filter = from_there(log.cursor());
        // The person came to see it, or it goes on.
        let is_known = stage.state.passing.logs.followed.replace(key.clone()).is_some();
        let order = if is_known { Order::ResumeLogs } else { Order::FollowLogs };
        stage.order(order(key.clone(), filter));
    }
}

/// What is asked of the daemon: the last lines, or those behind a cursor; and what comes.
fn from_there(cursor: &str) -> LogFilter {
    let lines = if cursor.is_empty() { LINES } else { MORE_LINES };
    LogFilter { follow: true, lines: Some(lines), cursor: cursor.to_owned(), ..LogFilter::default() }
}

fn shortcuts(ui: &mut Ui, stage: &mut Stage<'_>, reading: &mut Reading) {
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::F)) {
        stage.state.passing.logs.wants_search = true;
    }
    if ui.ctx().text_edit_focused() {
        return;
    }
    if ui.input_mut(|input| input.consume_key(Modifiers::SHIFT, Key::N)) {
        reading.go_to_found(false);
    } else if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::N)) {
        reading.go_to_found(true);
    }
}

#[cfg(test)]
mod tests;
