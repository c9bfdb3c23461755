//! The second step: what was found, the form, and the command that does the same.

use egui::{ComboBox, Grid, RichText, ScrollArea, TextEdit, Ui};
use hostler_import::Loss;

use super::draft::Field;
use super::finding::Found;
use super::{Dialog, Stage};
use crate::secrets::hidden;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::widgets::{button, command_line, facts, text, tick};

const PROFILES: [(&str, &str); 3] = [
    ("standard", "standard: for nearly all"),
    ("strict", "strict: no network but its socket and its database's"),
    ("compat", "compat: where the others keep it from working"),
];

/// Draws it; whether the dialog is to be closed.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog) -> bool {
    let taken = dialog.taken(stage);
    let reach = dialog.reach.clone();
    let Some(found) = dialog.found.as_mut() else { return false };
    let height = (ui.ctx().content_rect().height() - 240.0).max(220.0);
    ScrollArea::vertical().id_salt("form").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        told(ui, stage, found);
        let problems = found.draft.problems(&reach, |name| taken.iter().any(|one| one == name));
        form(ui, stage, found, reach.user, &problems);
        ui.add_space(Size::GAP);
        command_line::show(ui, stage.tokens, "The same on a command line", &found.draft.command(&reach));
    });
    ui.add_space(Size::PAD);
    let wrong = !found.draft.problems(&reach, |name| taken.iter().any(|one| one == name)).is_empty();
    let order = found.draft.order(&reach);
    let mut close = false;
    super::buttons(ui, |ui| {
        let create = ui.add_enabled_ui(!wrong, |ui| button::primary(ui, stage.tokens, Some(Icon::Plus), "Create"));
        if create.inner.clicked() {
            stage.order(order);
            dialog.ordered = true;
        }
        if ui.button("Back").clicked() {
            dialog.found = None;
        }
        close = ui.button("Cancel").clicked();
    });
    close
}

/// What was found, what is to be known, what is lost.
fn told(ui: &mut Ui, stage: &Stage<'_>, found: &Found) {
    for (name, value) in &found.facts {
        facts::text(ui, stage.tokens, name, &hidden(value));
    }
    let line = |ui: &mut Ui, icon: Icon, color, words: &str| {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icon::text(icon)).color(color));
            ui.add(egui::Label::new(words).wrap());
        });
    };
    for note in &found.notes {
        line(ui, Icon::Info, stage.tokens.caution, note);
    }
    for (loss, words) in &found.lost {
        let (icon, color) = match loss {
            Loss::Look => (Icon::Eye, stage.tokens.caution),
            Loss::Lost | Loss::Unknown => (Icon::CircleX, stage.tokens.bad),
            Loss::Needless => (Icon::Check, stage.tokens.muted),
        };
        line(ui, icon, color, words);
    }
    if !(found.facts.is_empty() && found.notes.is_empty() && found.lost.is_empty()) {
        ui.add_space(Size::GAP);
        ui.separator();
        ui.add_space(Size::GAP);
    }
}

fn form(ui: &mut Ui, stage: &Stage<'_>, found: &mut Found, user: bool, problems: &[(Field, String)]) {
    let draft = &mut found.draft;
    let tick = |ui: &mut Ui, is_on: &mut bool, words: &str| tick::check(ui, stage.tokens, is_on, words, words);
    Grid::new("new instance").num_columns(2).spacing([Size::PAD, Size::GAP]).show(ui, |ui| {
        let line = |ui: &mut Ui, label: &str, hint: &str, value: &mut String, field: Option<Field>| {
            let label = ui.label(text::muted(stage.tokens, label));
            ui.vertical(|ui| {
                ui.add(TextEdit::singleline(value).desired_width(f32::INFINITY).hint_text(hint)).labelled_by(label.id);
                for (_, problem) in problems.iter().filter(|(of, _)| Some(*of) == field) {
                    ui.label(RichText::new(problem).color(stage.tokens.bad).text_style(egui::TextStyle::Small));
                }
            });
            ui.end_row();
        };
        line(ui, "Name", "shop", &mut draft.name, Some(Field::Name));
        line(ui, "Application", "found when it starts", &mut draft.app, Some(Field::App));
        line(ui, "Directory", "/srv/shop", &mut draft.directory, Some(Field::Directory));
        line(ui, "Virtual environment", "python3 of the service's $PATH", &mut draft.venv, None);
        let template = if user { "127.0.0.1:8000" } else { "unix:/run/hostler/NAME.sock" };
        line(ui, "Addresses", template, &mut draft.addresses, Some(Field::Addresses));
        line(ui, "Workers", "as many as it needs, up to the cores", &mut draft.workers, None);
        if !user {
            line(ui, "Runs as", "a user of its own that exists while it runs", &mut draft.run_as, Some(Field::RunAs));
            let label = ui.label(text::muted(stage.tokens, "Hardening"));
            let shown = PROFILES.iter().find(|(word, _)| *word == draft.profile).map_or("", |(_, words)| words);
            ComboBox::from_id_salt("hardening")
                .selected_text(shown)
                .width(ui.available_width())
                .show_ui(ui, |ui| {
                    for (word, words) in PROFILES {
                        ui.selectable_value(&mut draft.profile, word.to_owned(), words);
                    }
                })
                .response
                .labelled_by(label.id);
            ui.end_row();
            ui.label("");
            tick(ui, &mut draft.sees_homes, "It may read what is below /home");
            ui.end_row();
        }
        ui.label("");
        let with = if user { "Listen each time you log in" } else { "Listen after each boot" };
        tick(ui, &mut draft.enable, with);
        ui.end_row();
        ui.label("");
        tick(ui, &mut draft.start, "Listen from now on");
        ui.end_row();
    });
}
