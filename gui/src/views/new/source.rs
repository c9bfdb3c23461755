//! The first step: on which machine, and from what.

use egui::{Key, Response, RichText, ScrollArea, TextEdit, Ui};

use super::finding::{self, Awaited, Found};
use super::{Dialog, Stage};
use crate::bus::ChoiceKind;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::widgets::{button, chooser, segments, text};

/// How tall the list of folders may become.
const FOLDERS_HEIGHT: f32 = 180.0;

/// Draws it; whether the dialog is to be closed.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog) -> bool {
    dialog.take_found();
    machines(ui, stage, dialog);
    ui.add_space(Size::GAP);
    ui.horizontal(|ui| {
        segments::tray(ui, stage.tokens, |ui| {
            let folder = text::with_icon(Icon::FolderOpen, "From a project's folder");
            ui.selectable_value(&mut dialog.imports, false, folder);
            let server = text::with_icon(Icon::Import, "From another server");
            ui.selectable_value(&mut dialog.imports, true, server);
        });
    });
    ui.add_space(Size::GAP);
    let enter = if dialog.reach.host.is_some() {
        ui.label(text::muted(
            stage.tokens,
            "The folders of another machine cannot be looked into from here. Say what you know of it in the next step.",
        ));
        false
    } else if dialog.imports {
        words(ui, stage, dialog)
    } else {
        folder(ui, stage, dialog)
    };
    if let Some(wrong) = &dialog.wrong {
        ui.add_space(Size::GAP);
        ScrollArea::vertical().id_salt("why nothing was found").max_height(160.0).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.label(RichText::new(icon::text(Icon::CircleAlert)).color(stage.tokens.bad));
                ui.add(egui::Label::new(RichText::new(wrong).color(stage.tokens.bad)).wrap());
            });
        });
    }
    ui.add_space(Size::WIDE);
    buttons(ui, stage, dialog, enter)
}

fn machines(ui: &mut Ui, stage: &Stage<'_>, dialog: &mut Dialog) {
    ui.horizontal_wrapped(|ui| {
        ui.label(text::muted(stage.tokens, "For"));
        segments::tray(ui, stage.tokens, |ui| {
            for machine in &stage.world.machines {
                let chosen = machine.reach == dialog.reach;
                let chip = egui::Button::selectable(chosen, machine.title());
                let response = ui.add_enabled(machine.is_ready(), chip);
                if response.on_disabled_hover_text("It is not connected.").clicked() {
                    dialog.reach = machine.reach.clone();
                }
            }
        });
    });
}

/// A field of which text it is, with the desktop's own dialog at its end.
fn field(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog, words: &str, hint: &str) -> Response {
    let label = ui.label(words);
    let imports = dialog.imports;
    if let Some(paths) = dialog.chooser.take(stage.world) {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        if imports {
            dialog.words = shlex::try_join(paths.iter().map(String::as_str)).unwrap_or_default();
        } else if let [folder, ..] = paths.as_slice() {
            dialog.folder = folder.clone();
        }
    }
    let response = chooser::line(ui, |ui| {
        let typed = std::path::PathBuf::from(if imports { "" } else { dialog.folder.trim() });
        let begin = dialog.surroundings.absolute(&typed);
        let (kind, title) = if imports {
            (ChoiceKind::Files, "What the other server was told")
        } else {
            (ChoiceKind::Folder, "Folder of the project")
        };
        let wish = |number| chooser::wish(number, kind, title, &begin);
        stage.orders.extend(dialog.chooser.button(ui, stage.tokens, stage.world, wish));
        let text = if imports { &mut dialog.words } else { &mut dialog.folder };
        ui.add(
            TextEdit::singleline(text)
                .desired_width(f32::INFINITY)
                .hint_text(hint)
                .align(egui::Align2::LEFT_CENTER)
                .margin(egui::Margin::symmetric(8, 5)),
        )
    });
    dialog.chooser.explain(ui, stage.tokens);
    response.labelled_by(label.id)
}

/// The folder; whether Enter was pressed.
fn folder(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog) -> bool {
    let response = field(ui, stage, dialog, "Folder of the project", "/srv/shop");
    if ui.memory(|memory| memory.focused().is_none()) {
        response.request_focus();
    }
    let enter = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if let Some(path) = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_path_buf())) {
        dialog.folder = path.display().to_string();
    }
    list(ui, stage, dialog);
    ui.label(text::small(stage.tokens, "Or drop the folder here. Its files are read; nothing in it is run."));
    enter
}

fn list(ui: &mut Ui, stage: &Stage<'_>, dialog: &mut Dialog) {
    if let Some(listed) = dialog.listing.as_ref().and_then(Awaited::take) {
        dialog.listing = None;
        dialog.folders = listed;
    }
    if dialog.listing.is_none() && dialog.folders.0 != dialog.folder {
        let (typed, context) = (dialog.folder.clone(), ui.ctx().clone());
        let work = move || {
            let folders = finding::folders(&typed);
            (typed, folders)
        };
        dialog.listing = Some(Awaited::begin(work, move || context.request_repaint()));
    }
    let mut chosen = None;
    ScrollArea::vertical().id_salt("folders").max_height(FOLDERS_HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
        for folder in &dialog.folders.1 {
            let name = folder.rsplit('/').next().unwrap_or(folder);
            let row = egui::Button::new(text::with_icon(Icon::Folder, name)).frame(false);
            if ui.add(row).clicked() {
                chosen = Some(format!("{folder}/"));
            }
        }
        if dialog.folders.1.is_empty() && dialog.folders.0 == dialog.folder {
            ui.label(text::small(stage.tokens, "No folder begins with this."));
        }
    });
    if let Some(chosen) = chosen {
        dialog.folder = chosen;
    }
}

/// What another server was told; whether Enter was pressed.
fn words(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog) -> bool {
    let hint = "/etc/systemd/system/shop.service, gunicorn.conf.py, or: gunicorn -w 4 shop.wsgi";
    let response = field(ui, stage, dialog, "Files, or a command line", hint);
    if let Some(path) = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_path_buf())) {
        dialog.words = path.display().to_string();
    }
    ui.label(text::small(
        stage.tokens,
        "A unit of systemd, a gunicorn.conf.py, a file of uWSGI (.ini, .xml, .yaml), or the command that starts gunicorn, \
         uvicorn or uWSGI. A gunicorn.conf.py is run by the project's own Python, to see what it sets.",
    ));
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

fn buttons(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog, enter: bool) -> bool {
    let mut close = false;
    let typed = if dialog.imports { &dialog.words } else { &dialog.folder };
    let can = dialog.looking.is_none()
        && stage.world.machine(&dialog.reach).is_some_and(crate::model::Machine::is_ready)
        && (dialog.reach.host.is_some() || !typed.trim().is_empty());
    super::buttons(ui, |ui| {
        let next = ui.add_enabled_ui(can, |ui| button::primary(ui, stage.tokens, Some(Icon::ArrowRight), "Continue"));
        if (next.inner.clicked() || enter) && can {
            if dialog.reach.host.is_some() {
                let draft =
                    super::Draft { profile: "standard".to_owned(), enable: true, start: true, ..Default::default() };
                dialog.found = Some(Found { draft, ..Found::default() });
            } else {
                dialog.look(stage, ui.ctx());
            }
        }
        close = ui.button("Cancel").clicked();
        if dialog.looking.is_some() {
            ui.spinner();
            ui.label(text::muted(stage.tokens, "Looking…"));
        }
    });
    close
}
