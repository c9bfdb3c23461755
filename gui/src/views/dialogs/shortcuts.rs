//! Shows which keys do what.

use egui::{Context, CornerRadius, Frame, Grid, Margin, RichText, ScrollArea, Stroke, Ui};

use super::{Outcome, closes, window};
use crate::commands::{Command, Group};
use crate::theme::Tokens;
use crate::views::Stage;
use crate::widgets::text;

/// Keys that belong to a part of the window and are no commands.
const OTHERS: [(&str, &[&str]); 7] = [
    ("Move between rows", &["↑", "↓", "Home", "End"]),
    ("Open the row", &["Enter"]),
    ("Mark the row", &["Space"]),
    ("Fold a machine", &["←", "→"]),
    ("Go from moment to moment of a plot", &["←", "→", "Home", "End"]),
    ("Show the log from there", &["Enter"]),
    ("Close a dialog, clear marks or a search", &["Esc"]),
];

pub(super) fn show(context: &Context, stage: &mut Stage<'_>) -> Outcome {
    let tokens = stage.tokens;
    window(context, tokens, "Keyboard shortcuts", 660.0, |ui| {
        ScrollArea::vertical().max_height(context.content_rect().height() - 200.0).auto_shrink([false, true]).show(
            ui,
            |ui| {
                ui.columns(2, |columns| {
                    let halves: [&[Group]; 2] = [
                        &[Group::Instance, Group::Window, Group::Help],
                        &[Group::View, Group::Marked, Group::Machines],
                    ];
                    for (column, groups) in columns.iter_mut().zip(halves) {
                        for group in groups {
                            list(column, tokens, *group);
                        }
                    }
                    others(&mut columns[0], tokens);
                });
            },
        );
        if closes(ui) { Outcome::Closes } else { Outcome::Stays }
    })
}

fn list(ui: &mut Ui, tokens: &Tokens, group: Group) {
    let commands: Vec<Command> = Command::ALL
        .into_iter()
        .filter(|command| command.words().group == group && !command.shortcuts().is_empty())
        .collect();
    if commands.is_empty() {
        return;
    }
    ui.label(text::muted(tokens, group.title()));
    Grid::new(("shortcuts", group)).num_columns(2).min_col_width(150.0).show(ui, |ui| {
        for command in commands {
            ui.label(command.words().title.trim_end_matches('…'));
            ui.horizontal(|ui| {
                // What a keyboard types without Shift on the key of another is not worth a word.
                let told = command.shortcuts().iter().filter(|shortcut| shortcut.logical_key != egui::Key::Equals);
                for (index, shortcut) in told.enumerate() {
                    if index > 0 {
                        ui.label(text::small(tokens, "or"));
                    }
                    key(ui, tokens, &ui.ctx().format_shortcut(shortcut));
                }
            });
            ui.end_row();
        }
    });
    ui.add_space(10.0);
}

fn others(ui: &mut Ui, tokens: &Tokens) {
    ui.label(text::muted(tokens, "In lists, plots and dialogs"));
    for (words, keys) in OTHERS {
        ui.horizontal(|ui| {
            for one in keys {
                key(ui, tokens, one);
            }
            ui.label(words);
        });
    }
}

fn key(ui: &mut Ui, tokens: &Tokens, words: &str) {
    Frame::new()
        .fill(tokens.sunken)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(4))
        .inner_margin(Margin::symmetric(6, 1))
        .show(ui, |ui| ui.label(RichText::new(words).size(11.5)));
}
