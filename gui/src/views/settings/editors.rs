//! What a value is typed into, by its form. Each editor answers with the words as they are typed, right or wrong: what
//! is wrong with them is the daemon's to say.

use egui::{Button, ComboBox, FontSelection, RichText, Role, TextEdit, TextStyle, Ui, Vec2, WidgetInfo};
use hostler_bus::daemon::{Form, SettingInfo};

use crate::draft::{join, measure, shown, split, units};
use crate::secrets;
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::widgets::{button, reveal, segments, switch, text};

/// The width of a field for a number.
const NUMBER: f32 = 84.0;
/// How wide a field for a text is, at most.
const TEXT_MOST: f32 = 520.0;

/// Draws it; answers with the words, if they were changed.
pub(super) fn show(
    ui: &mut Ui,
    tokens: &Tokens,
    info: &SettingInfo,
    words: &[String],
    is_edited: bool,
) -> Option<Vec<String>> {
    if info.list {
        return list(ui, info, words);
    }
    let word = words.first().map_or("", String::as_str);
    let typed = match info.form {
        Form::Boolean => boolean(ui, tokens, info, word),
        Form::Count => count(ui, info, word, &info.key),
        Form::CountOrAuto => count_or_auto(ui, info, word),
        Form::Workers => workers(ui, info, word),
        Form::Bytes | Form::Duration => measured(ui, info, word, is_edited),
        Form::Choice => choice(ui, info, word),
        _ => line(ui, info, word, &info.key, 0),
    };
    typed.map(|word| vec![word])
}

fn boolean(ui: &mut Ui, tokens: &Tokens, info: &SettingInfo, word: &str) -> Option<String> {
    let mut on = word == "true";
    ui.horizontal(|ui| {
        ui.set_height(28.0);
        let response = switch::show(ui, tokens, &mut on, &info.key);
        ui.label(text::muted(tokens, if on { "on" } else { "off" }));
        response.changed().then(|| on.to_string())
    })
    .inner
}

/// A field of one line.
fn field(ui: &mut Ui, word: &str, name: &str, salt: impl egui::AsIdSalt, width: f32, hint: &str) -> Option<String> {
    let mut typed = word.to_owned();
    let field = TextEdit::singleline(&mut typed)
        .id_salt(salt)
        .desired_width(width)
        .hint_text(hint.to_owned())
        .font(FontSelection::Style(TextStyle::Monospace))
        .margin(egui::Margin::symmetric(8, 5));
    let response = ui.add(field).accessible_name(name);
    response.changed().then_some(typed)
}

fn line(ui: &mut Ui, info: &SettingInfo, word: &str, name: &str, salt: usize) -> Option<String> {
    let hint = if info.optional { "not set" } else { "" };
    let width = (ui.available_width() - 18.0).min(TEXT_MOST);
    field(ui, word, name, (&info.key, salt), width, hint)
}

fn count(ui: &mut Ui, info: &SettingInfo, word: &str, name: &str) -> Option<String> {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let mut typed = field(ui, word, name, (name, "number"), NUMBER, if info.optional { "not set" } else { "" });
        let number = word.trim().parse::<u64>().ok();
        let (least, most) = (info.least.unwrap_or(0), info.most.unwrap_or(u64::MAX));
        let step = |ui: &mut Ui, glyph: Icon, word: &str, next: Option<u64>| {
            let next = next.filter(|next| (least..=most).contains(next));
            let response =
                ui.add_enabled_ui(next.is_some(), |ui| button::icon_only(ui, glyph, &format!("{word} {name}")));
            next.filter(|_| response.inner.clicked()).map(|next| next.to_string())
        };
        typed = step(ui, Icon::Minus, "Less", number.and_then(|number| number.checked_sub(1))).or(typed);
        step(ui, Icon::Plus, "More", number.and_then(|number| number.checked_add(1))).or(typed)
    })
    .inner
}

/// Words of which one is pressed.
fn segments(ui: &mut Ui, name: &str, all: &[&str], current: usize) -> Option<usize> {
    let mut chosen = None;
    let tokens = crate::theme::tokens(ui);
    ui.horizontal(|ui| {
        segments::tray(ui, tokens, |ui| {
            for (place, word) in all.iter().enumerate() {
                let size = Vec2::new(0.0, segments::HEIGHT);
                let response = ui.add(Button::selectable(place == current, *word).min_size(size));
                let selected = place == current;
                let told = || WidgetInfo::selected(Role::RadioButton, true, selected, format!("{name}: {word}"));
                response.widget_info(told);
                if response.clicked() && !selected {
                    chosen = Some(place);
                }
            }
        });
    });
    chosen
}

fn count_or_auto(ui: &mut Ui, info: &SettingInfo, word: &str) -> Option<String> {
    let mut typed = None;
    ui.horizontal_wrapped(|ui| {
        let auto = word == "auto";
        typed = segments(ui, &info.key, &["Automatic", "Number"], usize::from(!auto)).map(|place| match place {
            0 => "auto".to_owned(),
            _ => info.least.unwrap_or(1).max(1).to_string(),
        });
        if !auto {
            typed = count(ui, info, word, &info.key).or(typed.take());
        }
    });
    typed
}

fn workers(ui: &mut Ui, info: &SettingInfo, word: &str) -> Option<String> {
    let bounds = word.split_once("..");
    let current = match (word, bounds) {
        ("auto", _) => 0,
        (_, None) => 1,
        (_, Some(_)) => 2,
    };
    let mut typed = None;
    ui.horizontal_wrapped(|ui| {
        let most = bounds.map_or(word, |(_, most)| most).to_owned();
        let number = most.trim().parse::<u64>().unwrap_or(2).max(1);
        typed = segments(ui, &info.key, &["One a core", "Number", "By load"], current).map(|place| match place {
            0 => "auto".to_owned(),
            1 => number.to_string(),
            _ => format!("1..{}", number.max(2)),
        });
        match bounds {
            None if current == 1 => typed = count(ui, info, word, &info.key).or(typed.take()),
            Some((least, most)) => {
                let width = 46.0;
                ui.horizontal(|ui| {
                    let least_typed =
                        field(ui, least, &format!("{} at least", info.key), (&info.key, "min"), width, "min");
                    ui.label("to");
                    let most_typed =
                        field(ui, most, &format!("{} at most", info.key), (&info.key, "max"), width, "max");
                    if least_typed.is_some() || most_typed.is_some() {
                        let least = least_typed.as_deref().unwrap_or(least);
                        typed = Some(format!("{}..{}", least, most_typed.as_deref().unwrap_or(most)));
                    }
                });
            }
            None => {}
        }
    });
    typed
}

fn measured(ui: &mut Ui, info: &SettingInfo, word: &str, is_edited: bool) -> Option<String> {
    // What is being typed stays as it is; what is in the file has the unit that fits.
    let fitting = measure(info.form, word).filter(|_| !is_edited && !word.is_empty());
    let (number, unit) = match fitting {
        Some(measure) => shown(info.form, measure),
        None => split(info.form, word),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let hint = if info.optional { "not set" } else { "" };
        let typed = field(ui, &number, &info.key, (&info.key, "number"), NUMBER, hint);
        let mut chosen = unit;
        let combo = ComboBox::from_id_salt((&info.key, "unit")).selected_text(unit).width(62.0).show_ui(ui, |ui| {
            for (unit, _) in units(info.form) {
                ui.selectable_value(&mut chosen, unit, *unit);
            }
        });
        combo.response.widget_info(|| {
            let mut told = WidgetInfo::labeled(Role::ComboBox, true, format!("{} unit", info.key));
            told.current_text_value = Some(unit.to_owned());
            told
        });
        let number = typed.clone().unwrap_or(number);
        if typed.is_none() && chosen == unit {
            return None;
        }
        // Nothing at all unsets what may be unset.
        Some(if info.optional && number.is_empty() { String::new() } else { join(info.form, &number, chosen) })
    })
    .inner
}

fn choice(ui: &mut Ui, info: &SettingInfo, word: &str) -> Option<String> {
    let mut chosen = word.to_owned();
    let shown = if word.is_empty() { "not set" } else { word };
    let combo = ComboBox::from_id_salt(&info.key).selected_text(shown).width(180.0).show_ui(ui, |ui| {
        for word in &info.words {
            ui.selectable_value(&mut chosen, word.clone(), word);
        }
    });
    combo.response.widget_info(|| {
        let mut told = WidgetInfo::labeled(Role::ComboBox, true, &info.key);
        told.current_text_value = Some(shown.to_owned());
        told
    });
    (chosen != word).then_some(chosen)
}

/// A field whose secret is not shown. What is not seen is not changed.
fn hidden(ui: &mut Ui, masked: &str, name: &str, width: f32) {
    let mut shown = masked;
    let field = TextEdit::singleline(&mut shown)
        .id_salt((name, "hidden"))
        .desired_width(width)
        .font(FontSelection::Style(TextStyle::Monospace))
        .margin(egui::Margin::symmetric(8, 5));
    ui.add(field).on_hover_text("Reveal it to change it").accessible_name(name);
}

fn list(ui: &mut Ui, info: &SettingInfo, words: &[String]) -> Option<Vec<String>> {
    let mut typed: Option<Vec<String>> = None;
    ui.spacing_mut().item_spacing.y = 4.0;
    let may_edit = ui.is_enabled();
    for (place, word) in words.iter().enumerate() {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            let name = format!("{} {}", info.key, place + 1);
            let masked = secrets::masked(word);
            let beside = if may_edit { 52.0 } else { 18.0 } + if masked.is_some() { 28.0 } else { 0.0 };
            let width = (ui.available_width() - beside).min(TEXT_MOST);
            let what = (&info.key, word);
            match &masked {
                Some(masked) if !reveal::is_shown(ui, what) => hidden(ui, masked, &name, width),
                _ => {
                    if let Some(word) = field(ui, word, &name, (&info.key, place), width, "") {
                        // Who types it sees it.
                        reveal::set(ui, (&info.key, &word), true);
                        typed.get_or_insert_with(|| words.to_vec())[place] = word;
                    }
                }
            }
            if masked.is_some() {
                reveal::button(ui, what, &name);
            }
            if may_edit && button::icon_only(ui, Icon::X, &format!("Take {name} away")).clicked() {
                typed.get_or_insert_with(|| words.to_vec()).remove(place);
            }
        });
    }
    if !may_edit {
        if words.is_empty() {
            ui.label("none");
        }
        return None;
    }
    let label = RichText::new(format!("{}  Add", icon::text(Icon::Plus)));
    let add = ui.add(Button::new(label));
    add.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Add to {}", info.key)));
    if add.clicked() {
        typed.get_or_insert_with(|| words.to_vec()).push(String::new());
    }
    typed
}
