//! One setting: its name and help at the left, what its value is typed into at the right, and below that where the value
//! comes from, when a change takes effect, and what is wrong with it.

use egui::{Align, Label, Layout, RichText, TextStyle, Ui, Vec2};
use hostler_bus::daemon::{Applied, Origin, SettingInfo, SettingValue};

use super::{Editing, Form, editors};
use crate::draft::{Clash, shown, units, words};
use crate::secrets::hidden;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::widgets::{button, markdown, text};

/// How much of the width the name and the help have, and at most.
const NAME_PART: f32 = 0.44;
const NAME_MOST: f32 = 460.0;

/// Draws it.
pub(super) fn show(
    ui: &mut Ui,
    tokens: &'static Tokens,
    editing: &mut Editing,
    form: &Form<'_>,
    info: &SettingInfo,
    value: &SettingValue,
) {
    let name_width = (ui.available_width() * NAME_PART).min(NAME_MOST);
    ui.spacing_mut().item_spacing = Vec2::new(Size::GAP, 3.0);
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            ui.set_width(name_width - Size::WIDE);
            name(ui, tokens, editing, form, info);
            help(ui, tokens, editing, info);
        });
        ui.add_space(Size::WIDE - Size::GAP);
        ui.vertical(|ui| {
            ui.set_width(ui.available_width());
            let fixed = is_fixed(value);
            let words = editing.draft.words(info);
            let may_edit = form.may_edit && !fixed;
            ui.horizontal_top(|ui| {
                let room = ui.available_width() - 36.0;
                ui.vertical(|ui| {
                    ui.set_width(room);
                    let typed = ui.add_enabled_ui(may_edit, |ui| {
                        let is_edited = editing.draft.is_edited(&info.key);
                        editors::show(ui, tokens, info, &words, is_edited)
                    });
                    if let Some(words) = typed.inner {
                        editing.draft.set(info, words);
                    }
                });
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                    if may_edit {
                        ui.spacing_mut().item_spacing.x = 0.0;
                        take_back(ui, editing, info, value);
                    }
                });
            });
            problems(ui, tokens, form, info);
            if let Some(clash) = editing.draft.clash(&info.key).cloned() {
                decide(ui, tokens, editing, info, &clash);
            }
            facts(ui, tokens, info, value, fixed);
        });
    });
    ui.add_space(2.0);
}

fn name(ui: &mut Ui, tokens: &Tokens, editing: &Editing, form: &Form<'_>, info: &SettingInfo) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let key = RichText::new(&info.key).text_style(TextStyle::Monospace).color(tokens.text);
        ui.label(key);
        if info.decides_code {
            let glyph = RichText::new(icon::text(Icon::Lock)).size(12.0).color(tokens.muted);
            ui.label(glyph)
                .on_hover_text("Who sets this can run code as the instance's user: it takes the right to deploy");
        }
        if editing.draft.is_edited(&info.key) {
            ui.label(RichText::new("changed").text_style(TextStyle::Small).color(tokens.accent));
        } else if form.awaits_restart.contains(&info.key) {
            ui.label(RichText::new("waits for a restart").text_style(TextStyle::Small).color(tokens.caution));
        }
    });
}

fn help(ui: &mut Ui, tokens: &Tokens, editing: &mut Editing, info: &SettingInfo) {
    let (first, rest) = markdown::parts(&info.doc);
    ui.add(Label::new(markdown::layout(tokens, &first, Size::BODY - 0.5, tokens.muted)).wrap());
    if rest.is_empty() {
        return;
    }
    let open = editing.helped.contains(&info.key);
    if open {
        ui.add(Label::new(markdown::layout(tokens, &rest, Size::BODY - 0.5, tokens.muted)).wrap());
    }
    let response = ui.link(RichText::new(if open { "Less" } else { "More" }).text_style(TextStyle::Small));
    let name = format!("{} about {}", if open { "Less" } else { "More" }, info.key);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &name));
    if response.clicked() {
        if open {
            editing.helped.remove(&info.key);
        } else {
            editing.helped.insert(info.key.clone());
        }
    }
}

/// Whether the value is none of the file's.
fn is_fixed(value: &SettingValue) -> bool {
    matches!(value.origin, Origin::Unit | Origin::DropIn)
}

fn take_back(ui: &mut Ui, editing: &mut Editing, info: &SettingInfo, value: &SettingValue) {
    if editing.draft.is_edited(&info.key) {
        if button::icon_only(ui, Icon::Undo2, &format!("Revert {}", info.key)).clicked() {
            editing.draft.revert(&info.key);
        }
    } else if value.origin == Origin::File
        && button::icon_only(ui, Icon::Eraser, &format!("Set {} back to its default", info.key)).clicked()
    {
        editing.draft.unset(info);
    }
}

fn problems(ui: &mut Ui, tokens: &Tokens, form: &Form<'_>, info: &SettingInfo) {
    for problem in form.problems_of(&info.key) {
        // The field stands beside it: its name says nothing new.
        let prefix = format!("`{}` ", info.key);
        let message = problem.message.strip_prefix(&prefix).unwrap_or(&problem.message);
        let hint = &problem.hint;
        let told = if hint.is_empty() || message.contains(hint.as_str()) {
            message.to_owned()
        } else {
            format!("{message}. Take {hint}.")
        };
        let words = format!("{}  {}", icon::text(Icon::CircleAlert), hidden(&told));
        ui.add(Label::new(RichText::new(words).size(12.5).color(tokens.bad)).wrap());
    }
}

/// What somebody else made of the setting meanwhile.
fn decide(ui: &mut Ui, tokens: &Tokens, editing: &mut Editing, info: &SettingInfo, clash: &Clash) {
    let frame = egui::Frame::new()
        .fill(tokens.tint(tokens.caution))
        .corner_radius(Size::CORNER)
        .inner_margin(egui::Margin::symmetric(10, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let unset = "unset".to_owned();
        let words = format!(
            "{}  Meanwhile somebody set it to {} (it was {}).",
            icon::text(Icon::GitMerge),
            hidden(clash.theirs.as_ref().unwrap_or(&unset)),
            hidden(clash.before.as_ref().unwrap_or(&unset))
        );
        ui.add(Label::new(RichText::new(words).size(12.5).color(tokens.caution)).wrap());
        ui.horizontal(|ui| {
            let named = |response: egui::Response, name: String| {
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                response.clicked()
            };
            if named(ui.button("Keep mine"), format!("Keep my {}", info.key)) {
                editing.draft.keep_mine(&info.key);
            }
            if named(ui.button("Take theirs"), format!("Take their {}", info.key)) {
                editing.draft.take_theirs(&info.key);
            }
        });
    });
}

/// Where the value comes from, what is allowed, and when a change takes effect.
fn facts(ui: &mut Ui, tokens: &Tokens, info: &SettingInfo, value: &SettingValue, fixed: bool) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = Size::PAD;
        let file = value.file.rsplit('/').next().unwrap_or_default();
        let (glyph, words) = match value.origin {
            Origin::Default => (Icon::Circle, "default".to_owned()),
            Origin::File if value.line > 0 => (Icon::FileText, format!("{file}, line {}", value.line)),
            Origin::File => (Icon::FileText, file.to_owned()),
            Origin::DropIn => (Icon::FileCode, format!("drop-in {file}")),
            Origin::Unit => (Icon::FileCode, format!("unit {file}")),
            Origin::Unknown => (Icon::CircleQuestionMark, "unknown".to_owned()),
        };
        let whole = |ui: &mut Ui, words: RichText| ui.add(Label::new(words).extend());
        let origin = whole(ui, small(tokens, glyph, &words));
        if !value.file.is_empty() {
            origin.on_hover_text(&value.file);
        }
        if value.origin != Origin::Default && !fixed {
            let default = info.default.as_deref().map_or("unset".to_owned(), |default| default_in_words(info, default));
            whole(ui, text::small(tokens, format!("default: {default}")));
        }
        if !info.range.is_empty() && !fixed {
            whole(ui, text::small(tokens, range_in_words(info)));
        }
        let (glyph, words) = match info.applied {
            Applied::Live => (Icon::Zap, "takes effect at once"),
            Applied::Restart => (Icon::Power, "takes a restart"),
            Applied::Reload | Applied::Unknown => (Icon::RefreshCw, "takes a reload"),
        };
        whole(ui, small(tokens, glyph, words));
    });
    if fixed {
        let place = if value.origin == Origin::DropIn { "a drop-in of its unit" } else { "its unit" };
        let words = format!(
            "{}  Set by {place}, which goes before the settings file: change it in {}.",
            icon::text(Icon::Lock),
            value.file
        );
        ui.add(Label::new(RichText::new(words).text_style(TextStyle::Small).color(tokens.caution)).wrap());
    }
}

fn small(tokens: &Tokens, glyph: Icon, words: &str) -> RichText {
    text::small(tokens, format!("{}  {words}", icon::text(glyph)))
}

/// A default as it would be typed: `1 h`, `256 KiB`, `127.0.0.1:8000`.
fn default_in_words(info: &SettingInfo, default: &str) -> String {
    let words = words(default);
    match words.as_slice() {
        [] => "none".to_owned(),
        [word] => measured(info, crate::draft::measure(info.form, word)).unwrap_or_else(|| word.clone()),
        several => several.join(", "),
    }
}

fn measured(info: &SettingInfo, measure: Option<u64>) -> Option<String> {
    if units(info.form).is_empty() {
        return None;
    }
    let (number, unit) = shown(info.form, measure?);
    Some(format!("{number} {unit}"))
}

/// `1 to 64`, `0 s to 1 d`, with units where there are some.
fn range_in_words(info: &SettingInfo) -> String {
    let (Some(least), Some(most)) = (info.least, info.most) else { return info.range.clone() };
    let word = |measure: u64| measured(info, Some(measure)).unwrap_or_else(|| measure.to_string());
    let power = if info.power_of_two { ", a power of two" } else { "" };
    format!("{} to {}{power}", word(least), word(most))
}
