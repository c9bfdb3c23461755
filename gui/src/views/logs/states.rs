//! What is said where there are no lines: it is being read, nothing was logged, it is refused, it ended, or the log goes
//! elsewhere.

use std::time::Duration;

use egui::Ui;

use super::Stage;
use super::reading::Reading;
use crate::bus::Order;
use crate::model::{Instance, InstanceKey};
use crate::theme::icon::Icon;
use crate::widgets::{button, empty, figures, loaded};

/// How long is waited until a log from which nothing came counts as empty.
const WAIT_US: u64 = 2_000_000;

/// Draws what stands in place of the whole view, if there is nothing to read at all.
pub(super) fn instead(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) -> bool {
    let Some(instance) = stage.world.instance(key) else { return true };
    let (tokens, log) = (stage.tokens, &instance.log);
    if !log.numbers().is_empty() {
        return false;
    }
    let place = place(instance);
    if !instance.overview.managed && place != Place::Journal {
        let words = match place {
            Place::File(file) => format!("It writes its log to {file}. Read it there."),
            _ => "This instance was started by hand: what it logs goes to where it was started from. Run it as a service to \
                  read its log here."
                .to_owned(),
        };
        empty::show(ui, tokens, Icon::Terminal, "Its log goes elsewhere", &words, |_| {});
        return true;
    }
    if let Some(failure) = &log.ended {
        if loaded::failed(ui, tokens, "the log", failure) {
            stage.order(Order::FollowLogs(key.clone(), super::from_there("")));
        }
        return true;
    }
    let machine = stage.world.machine(&key.reach);
    if !machine.is_some_and(crate::model::Machine::is_ready) {
        let words = "The log is read as soon as the connection is there again.";
        empty::show(ui, tokens, Icon::Unplug, "Not connected", words, |_| {});
        return true;
    }
    let waited_us = log.opened_us.map_or(0, |since_us| stage.now.saturating_sub(since_us));
    if !log.following || waited_us < WAIT_US {
        ui.ctx().request_repaint_after(Duration::from_micros(WAIT_US.saturating_sub(waited_us).max(50_000)));
        loaded::awaited(ui, tokens, "the log");
        return true;
    }
    let words = match place {
        Place::File(file) => format!(
            "Hostler writes its log to {file} (error_logfile). Here is what systemd says of the instance, and what the \
             application prints: nothing so far."
        ),
        _ => "Lines appear here as they are logged.".to_owned(),
    };
    empty::show(ui, tokens, Icon::ScrollText, "Nothing was logged yet", &words, |_| {});
    true
}

/// Draws what stands in place of the rows, when no line meets the criteria.
pub(super) fn no_rows(ui: &mut Ui, stage: &Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let numbers = stage.world.instance(key).map_or(0..0, |instance| instance.log.numbers());
    let behind = numbers.end.saturating_sub(reading.index.next());
    if behind > 0 && reading.paused_at.is_none() {
        let words = format!("{} lines to go.", figures::count(behind));
        empty::show(ui, stage.tokens, Icon::Search, "Looking through the log…", &words, |_| {});
        return;
    }
    let words = format!(
        "None of {} lines meets the filters above. New lines that do appear by themselves.",
        figures::count(numbers.end - numbers.start)
    );
    let all = empty::show(ui, stage.tokens, Icon::ListFilter, "No such line", &words, |ui| {
        button::plain(ui, Icon::X, "Take all filters away").clicked()
    });
    if all {
        reading.typed.clear();
        reading.search_typed();
        reading.show_all();
    }
}

/// Where an instance's own log goes.
#[derive(Debug, PartialEq)]
enum Place {
    Journal,
    File(String),
    Unknown,
}

/// As the instance itself says.
fn place(instance: &Instance) -> Place {
    match instance.status().map(|status| status.configured.error_log.as_str()) {
        Some("journal") => Place::Journal,
        None | Some("" | "stderr") => Place::Unknown,
        Some(file) => Place::File(file.to_owned()),
    }
}
