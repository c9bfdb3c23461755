//! Writing the lines that are shown to a file. The file is written on a thread of its own, whole or not at all, and over
//! another one only where the person said so in the desktop's own dialog.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use egui::{Align, Key, Layout, TextEdit, Ui};
use hostler_bus::daemon::LogLine;

use super::Stage;
use super::reading::Reading;
use crate::bus::ChoiceKind;
use crate::model::InstanceKey;
use crate::model::logs::{as_json, as_text};
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::views::dialogs::{self, Outcome};
use crate::widgets::chooser::{self, Chooser};
use crate::widgets::{button, figures, spinner, text, tick};

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As journalctl(1) prints it.
    #[default]
    Text,
    /// A JSON object a line.
    JsonLines,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub enum Course {
    /// Nothing is written.
    #[default]
    Idle,
    /// It is being written.
    Writing,
    /// It was written: so many bytes.
    Written(PathBuf, u64),
    /// It was not.
    Failed(String),
}

/// The dialog and what it began.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Whether the dialog is open.
    open: bool,
    /// Where to.
    path: String,
    /// The path whose file may be replaced: the desktop's dialog asked.
    agreed: Option<String>,
    form: Form,
    chooser: Chooser,
    course: Arc<Mutex<Course>>,
}

impl Export {
    /// Opens the dialog.
    pub(super) fn open(&mut self, name: &str, now_us: u64) {
        self.open = true;
        self.path = default_path(name, now_us, self.form);
        (self.agreed, self.chooser) = (None, Chooser::default());
        self.set_course(Course::Idle);
    }

    /// How far it is.
    #[must_use]
    pub fn course(&self) -> Course {
        self.course.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_course(&self, course: Course) {
        *self.course.lock().unwrap_or_else(PoisonError::into_inner) = course;
    }

    fn begin(&self, context: &egui::Context, lines: Vec<Arc<LogLine>>) {
        self.set_course(Course::Writing);
        let (path, form) = (PathBuf::from(self.path.trim()), self.form);
        let replaces = self.agreed.as_deref() == Some(self.path.trim());
        let (course, context) = (Arc::clone(&self.course), context.clone());
        let work = move || {
            let ended = match write(&path, form, &lines, replaces) {
                Ok(bytes) => Course::Written(path, bytes),
                Err(error) => Course::Failed(told(&path, &error)),
            };
            *course.lock().unwrap_or_else(PoisonError::into_inner) = ended;
            context.request_repaint();
        };
        if let Err(error) = std::thread::Builder::new().name("export".to_owned()).spawn(work) {
            self.set_course(Course::Failed(format!("no thread can be started: {error}")));
        }
    }
}

/// Draws the dialog, while it is open.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    if !reading.export.open {
        return;
    }
    let tokens = stage.tokens;
    let count = reading.index.len();
    let mut save = false;
    let which = if reading.index.criteria().is_open() { "All that was read" } else { "Those that meet the filters" };
    let which = format!("{which}: {} lines.", figures::count(count as u64));
    let export = &mut reading.export;
    let outcome = dialogs::window(ui.ctx(), tokens, "Save the log", 480.0, |ui| {
        ui.label(text::muted(tokens, which));
        ui.add_space(Size::GAP);
        let course = export.course();
        let writes = matches!(course, Course::Writing);
        ui.add_enabled_ui(!writes, |ui| save = form(ui, stage, export));
        ui.add_space(Size::GAP);
        told_course(ui, tokens, &course);
        ui.add_space(Size::GAP);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if matches!(course, Course::Written(..)) {
                let done = button::primary(ui, tokens, None, "Done").clicked();
                return if done { Outcome::Closes } else { Outcome::Stays };
            }
            let may = !writes && !export.path.trim().is_empty();
            save |=
                ui.add_enabled_ui(may, |ui| button::primary(ui, tokens, Some(Icon::Download), "Save").clicked()).inner;
            if ui.button("Cancel").clicked() { Outcome::Closes } else { Outcome::Stays }
        })
        .inner
    });
    if save && let Some(instance) = stage.world.instance(key) {
        let rows = (0..count).filter_map(|place| reading.index.row(place));
        let lines = rows.filter_map(|row| instance.log.shared(row.number).cloned()).collect();
        reading.export.begin(ui.ctx(), lines);
    }
    if outcome == Outcome::Closes {
        reading.export.open = false;
    }
}

/// Where to, and how; answers whether Enter was pressed.
fn form(ui: &mut Ui, stage: &mut Stage<'_>, export: &mut Export) -> bool {
    if let Some(path) = export.chooser.take(stage.world).and_then(|paths| paths.into_iter().next()) {
        export.path = path.display().to_string();
        export.agreed = Some(export.path.clone());
        if export.path.ends_with(".jsonl") {
            export.form = Form::JsonLines;
        }
    }
    let label = ui.label("File");
    let response = chooser::line(ui, |ui| {
        let typed = PathBuf::from(export.path.trim());
        let name = typed.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wish = |number| chooser::wish(number, ChoiceKind::Save(name), "Save the log", &typed);
        stage.orders.extend(export.chooser.button(ui, stage.tokens, stage.world, wish));
        ui.add(TextEdit::singleline(&mut export.path).desired_width(f32::INFINITY))
    });
    let response = response.labelled_by(label.id);
    export.chooser.explain(ui, stage.tokens);
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    ui.add_space(Size::TIGHT);
    ui.horizontal(|ui| {
        for (form, words) in [(Form::Text, "Text"), (Form::JsonLines, "JSON lines")] {
            if tick::radio(ui, stage.tokens, &mut export.form, form, words).changed() {
                export.path = with_ending(&export.path, form);
            }
        }
    });
    entered
}

/// How far it is, in words.
fn told_course(ui: &mut Ui, tokens: &Tokens, course: &Course) {
    match course {
        Course::Idle => {}
        Course::Writing => {
            ui.horizontal(|ui| {
                spinner::show(ui, 16.0, tokens.accent);
                ui.label("Writing…");
            });
        }
        Course::Written(path, bytes) => {
            let words = format!("Saved {} to {}", figures::bytes(*bytes), path.display());
            ui.label(text::with_icon(Icon::Check, &words).color(tokens.good));
        }
        Course::Failed(message) => {
            ui.label(text::with_icon(Icon::CircleAlert, message).color(tokens.bad));
        }
    }
}

/// A file among the downloads, or at home, that says what and when.
fn default_path(name: &str, now_us: u64, form: Form) -> String {
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/tmp"));
    let downloads = home.join("Downloads");
    let directory = if downloads.is_dir() { downloads } else { home };
    let file = format!("{name}-{}.log", figures::local(now_us, "%Y%m%d-%H%M%S"));
    with_ending(&directory.join(file).display().to_string(), form)
}

fn with_ending(path: &str, form: Form) -> String {
    let stem = path.strip_suffix(".jsonl").or_else(|| path.strip_suffix(".log")).unwrap_or(path);
    match form {
        Form::Text => format!("{stem}.log"),
        Form::JsonLines => format!("{stem}.jsonl"),
    }
}

/// Writes the lines; answers with how many bytes there are. What was begun and failed is taken away again. A file that is to
/// be replaced stays until the new one is whole.
fn write(path: &Path, form: Form, lines: &[Arc<LogLine>], replaces: bool) -> io::Result<u64> {
    let begun = if replaces { beside(path) } else { path.to_path_buf() };
    let file = OpenOptions::new().write(true).create_new(true).open(&begun)?;
    let written = write_lines(file, form, lines).and_then(|bytes| {
        if replaces {
            std::fs::rename(&begun, path)?;
        }
        Ok(bytes)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&begun);
    }
    written
}

/// Where the successor of a file is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write_lines(file: File, form: Form, lines: &[Arc<LogLine>]) -> io::Result<u64> {
    let mut to = BufWriter::new(file);
    for line in lines {
        let text = match form {
            Form::Text => as_text(line),
            Form::JsonLines => as_json(line),
        };
        to.write_all(text.as_bytes())?;
        to.write_all(b"\n")?;
    }
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn told(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{path} is there already: choose another name"),
        io::ErrorKind::NotFound => format!("{path}: there is no such directory"),
        io::ErrorKind::PermissionDenied => format!("{path}: you may not write there"),
        _ => format!("{path}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_never_over_another() {
        let directory = std::env::temp_dir().join(format!("hostler-export-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("shop.jsonl");
        let line = |message: &str| Arc::new(LogLine { message: message.to_owned(), ..LogLine::default() });
        let lines = [line("one"), line("two\nlines")];
        let bytes = write(&path, Form::JsonLines, &lines, false).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.len() as u64, text.lines().count()), (bytes, 2));
        let again = write(&path, Form::Text, &lines, false).unwrap_err();
        assert!(told(&path, &again).ends_with("is there already: choose another name"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "what was there is untouched");
        let nowhere = directory.join("no").join("such");
        assert!(told(&nowhere, &write(&nowhere, Form::Text, &lines, false).unwrap_err()).contains("no such directory"));
        assert!(write(&nowhere, Form::Text, &lines, true).is_err());
        write(&path, Form::Text, &lines[..1], true).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("one\n"), "where the person said so it is replaced");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_name_says_what_it_is() {
        assert_eq!(with_ending("/a/b.log", Form::JsonLines), "/a/b.jsonl");
        assert_eq!(with_ending("/a/b.jsonl", Form::Text), "/a/b.log");
        assert_eq!(with_ending("/a/b", Form::Text), "/a/b.log");
    }
}
