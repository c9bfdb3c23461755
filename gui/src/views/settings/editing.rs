//! One instance's draft, and how its form is looked at.

use std::collections::BTreeSet;

use egui::util::undoer::Undoer;
use egui::{Key, Modifiers, Ui};
use hostler_bus::daemon::{Change, SettingInfo};

use crate::bus::Action;
use crate::draft::{Draft, Edits};
use crate::model::Instance;

/// One instance's draft, and how its form is looked at.
#[derive(Clone, Debug, Default)]
pub struct Editing {
    /// The changes.
    pub draft: Draft,
    /// What is searched for among the settings.
    pub search: String,
    /// Whether only settings are shown that differ from their defaults.
    pub only_changed: bool,
    /// Whether the file is shown in place of the form.
    pub raw: bool,
    /// Whether the difference is shown, to be applied.
    pub reviewing: bool,
    /// Settings whose whole help is shown.
    pub helped: BTreeSet<String>,
    /// The group or the setting that is to be brought into sight.
    pub jump: Option<String>,
    /// The group at the top.
    pub at_group: String,
    /// The number of the draft that was sent to be looked through last.
    pub validated: Option<u64>,
    /// Answers about drafts with smaller numbers say nothing any more.
    pub validated_from: u64,
    /// What was sent to be looked through last.
    pub looked_through: Change,
    /// Whether an action of applying was seen under way.
    saw_running: bool,
    undoer: Undoer<Edits>,
}

impl Editing {
    /// Takes the settings as they are, and what came of applying.
    pub(super) fn follow(&mut self, instance: &Instance, schema: &[SettingInfo]) {
        if self.draft.is_sent() {
            let runs = instance.running.as_ref().is_some_and(|running| is_apply(&running.action));
            if runs {
                self.saw_running = true;
            } else if self.saw_running {
                self.saw_running = false;
                let failed = instance.failed.as_ref().is_some_and(|(action, _)| is_apply(action));
                self.draft.answered(!failed);
                if !failed {
                    self.reviewing = false;
                    self.undoer = Undoer::default();
                }
            } else {
                // It never began; or it ended at once, and then the settings tell.
                self.draft.answered(false);
            }
        }
        if let Some(settings) = instance.settings.value() {
            self.draft.follow(settings, schema);
        }
    }

    /// Brings a setting into sight, whatever was searched for.
    pub(super) fn jump_to(&mut self, setting: &str) {
        self.search.clear();
        (self.only_changed, self.raw) = (false, false);
        self.jump = Some(setting.to_owned());
    }

    /// Whether there is a step to take back.
    pub(super) fn can_undo(&self) -> bool {
        self.undoer.has_undo(self.draft.edits())
    }

    /// Whether there is one to take again.
    pub(super) fn can_redo(&self) -> bool {
        self.undoer.has_redo(self.draft.edits())
    }

    /// Takes the last step back.
    pub(super) fn undo(&mut self) {
        if let Some(edits) = self.undoer.undo(self.draft.edits()).cloned() {
            self.draft.restore(edits);
        }
    }

    /// Lets go of all changes, in one step that can be taken back.
    pub(super) fn discard(&mut self) {
        self.undoer.add_undo(self.draft.edits());
        self.draft.discard();
        self.undoer.add_undo(self.draft.edits());
    }

    /// Takes it again.
    pub(super) fn redo(&mut self) {
        if let Some(edits) = self.undoer.redo(self.draft.edits()).cloned() {
            self.draft.restore(edits);
        }
    }

    /// Ctrl+Z and Ctrl+Shift+Z, unless a text is being typed, which has its own.
    pub(super) fn undo_by_keys(&mut self, ui: &Ui) {
        if ui.ctx().text_edit_focused() {
            return;
        }
        if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)) {
            self.redo();
        } else if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Z)) {
            self.undo();
        }
    }

    /// Notes the changes as they are after a frame.
    pub(super) fn feed_undo(&mut self, ui: &Ui) {
        if self.draft.is_sent() {
            return;
        }
        self.undoer.feed_state(ui.input(|input| input.time), self.draft.edits());
        if self.undoer.is_in_flux() {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(1_100));
        }
    }
}

fn is_apply(action: &Action) -> bool {
    matches!(action, Action::Apply { .. })
}
