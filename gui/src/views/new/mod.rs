//! A new instance: choose a folder, look through what was found, create it, open it; or the same from what another
//! server was told.

mod draft;
mod finding;
mod outcome;
mod review;
mod source;

use egui::{Modal, Ui};
use hostler_bus::daemon::Reach;
use hostler_project::Surroundings;

use super::{Stage, dialogs};
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::widgets::chooser::Chooser;
use crate::widgets::{button, text};

use finding::{Awaited, Found, Source};

pub use draft::Draft;

const WIDTH: f32 = 640.0;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    open: Option<Dialog>,
}

/// The dialog.
#[derive(Clone, Debug)]
struct Dialog {
    reach: Reach,
    /// What is typed, for each kind of source.
    folder: String,
    words: String,
    imports: bool,
    /// Where relative paths begin, and what `~` is.
    surroundings: Surroundings,
    looking: Option<Awaited<Result<Found, String>>>,
    /// Why the last look found nothing.
    wrong: Option<String>,
    /// The folders that are offered, and for what.
    folders: (String, Vec<String>),
    listing: Option<Awaited<(String, Vec<String>)>>,
    /// The desktop's own dialog.
    chooser: Chooser,
    found: Option<Found>,
    /// Whether it was ordered; the model knows how far it is.
    ordered: bool,
}

/// Opens the dialog for an instance of a machine.
pub fn open(state: &mut State, reach: Reach) {
    begin(state, reach, false);
}

/// Opens it for an import.
pub fn open_import(state: &mut State, reach: Reach) {
    begin(state, reach, true);
}

fn begin(state: &mut State, reach: Reach, imports: bool) {
    let surroundings = finding::surroundings();
    let home = surroundings.variable("HOME").map(|home| home.to_string_lossy().into_owned());
    let folder = home.map(|home| format!("{}/", home.trim_end_matches('/'))).unwrap_or_else(|| "/".to_owned());
    state.passing.new.open = Some(Dialog {
        reach,
        folder,
        words: String::new(),
        imports,
        surroundings,
        looking: None,
        wrong: None,
        folders: Default::default(),
        listing: None,
        chooser: Chooser::default(),
        found: None,
        ordered: false,
    });
}

/// Draws the dialog, if it is open.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some(mut dialog) = stage.state.passing.new.open.take() else { return };
    let title = if dialog.imports { "Import from another server" } else { "New instance" };
    let mut close = false;
    let frame = dialogs::frame(ui.ctx(), stage.tokens);
    let modal = Modal::new(egui::Id::unique("new instance")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        ui.horizontal(|ui| {
            ui.label(text::title(title).size(17.0));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                close |= button::icon_only(ui, Icon::X, "Close").clicked();
            });
        });
        ui.add_space(Size::GAP);
        close |= if dialog.ordered {
            outcome::show(ui, stage, &mut dialog)
        } else if dialog.found.is_some() {
            review::show(ui, stage, &mut dialog)
        } else {
            source::show(ui, stage, &mut dialog)
        };
    });
    // While it is being made, the dialog is not lost by a click beside it.
    close |= modal.should_close() && !dialog.ordered;
    if close {
        stage.world.making = None;
    } else {
        stage.state.passing.new.open = Some(dialog);
    }
}

impl Dialog {
    /// The names that a machine's instances have.
    fn taken(&self, stage: &Stage<'_>) -> Vec<String> {
        let machine = stage.world.machine(&self.reach);
        machine.map(|machine| machine.instances.keys().cloned().collect()).unwrap_or_default()
    }

    /// Begins to look.
    fn look(&mut self, stage: &Stage<'_>, context: &egui::Context) {
        let source = if self.imports {
            Source::Other(self.words.clone())
        } else {
            Source::Folder(self.surroundings.absolute(std::path::Path::new(self.folder.trim())))
        };
        let (reach, surroundings, taken) = (self.reach.clone(), self.surroundings.clone(), self.taken(stage));
        let context = context.clone();
        self.wrong = None;
        self.looking = Some(Awaited::begin(
            move || finding::look(&source, &reach, &surroundings, &taken),
            move || context.request_repaint(),
        ));
    }

    /// Takes what came of looking.
    fn take_found(&mut self) {
        if let Some(result) = self.looking.as_ref().and_then(Awaited::take) {
            self.looking = None;
            match result {
                Ok(found) => self.found = Some(found),
                Err(wrong) => self.wrong = Some(wrong),
            }
        }
    }
}

/// The buttons below, from the right. What is above them comes and goes, and their ids stay.
fn buttons(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    ui.push_id("buttons", |ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), content);
    });
}

#[cfg(test)]
mod tests;
