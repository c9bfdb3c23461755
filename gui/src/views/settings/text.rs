//! The settings file as it is, with its syntax in colour; it is changed by the form.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId, Label, ScrollArea, Ui};

use crate::bus::Settings;
use crate::secrets;
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::widgets::{button, empty, reveal, text};

/// Draws it.
pub(super) fn show(ui: &mut Ui, tokens: &Tokens, settings: &Settings) {
    if settings.revision.is_empty() && settings.text.is_empty() {
        let words = "The instance has no settings file yet: all is as by default. The first change writes one.";
        empty::show(ui, tokens, Icon::FileX, "No settings file", words, |_| {});
        return;
    }
    let (masked, what) = (secrets::masked(&settings.text), ("settings file", &settings.text));
    let path = settings.values.iter().find(|value| value.line > 0).map(|value| value.file.as_str());
    ui.horizontal(|ui| {
        if let Some(path) = path {
            ui.label(text::muted(tokens, path));
        }
        let short: String = settings.revision.chars().take(12).collect();
        ui.label(text::small(tokens, format!("revision {short}"))).on_hover_text(&settings.revision);
        if button::icon_only(ui, Icon::Copy, "Copy the file").clicked() {
            ui.ctx().copy_text(settings.text.clone());
        }
        if masked.is_some() {
            reveal::button(ui, what, "the secrets of the file");
        }
    });
    let shown = match &masked {
        Some(masked) if !reveal::is_shown(ui, what) => masked,
        _ => &settings.text,
    };
    let frame = egui::Frame::new().fill(tokens.sunken).corner_radius(Size::CORNER).inner_margin(Size::PAD);
    frame.show(ui, |ui| {
        ScrollArea::both().auto_shrink(false).id_salt("settings file").show(ui, |ui| {
            ui.horizontal_top(|ui| {
                let count = settings.text.lines().count();
                let numbers = (1..=count).map(|number| format!("{number:>3}\n")).collect::<String>();
                let font = FontId::monospace(Size::BODY - 1.0);
                let numbers = LayoutJob::simple(numbers, font, tokens.muted, f32::INFINITY);
                ui.add(Label::new(numbers).selectable(false).extend());
                ui.add_space(Size::GAP);
                ui.add(Label::new(colored(tokens, shown)).extend());
            });
        });
    });
}

fn colored(tokens: &Tokens, toml: &str) -> LayoutJob {
    let mut job = LayoutJob::default();
    job.wrap.max_width = f32::INFINITY;
    for (color, piece) in toml.split_inclusive('\n').flat_map(|line| pieces(tokens, line)) {
        job.append(piece, 0.0, TextFormat::simple(FontId::monospace(Size::BODY - 1.0), color));
    }
    job
}

/// A line of TOML as pieces with their colours.
fn pieces<'a>(tokens: &Tokens, line: &'a str) -> Vec<(Color32, &'a str)> {
    let mut pieces = Vec::new();
    let mut rest = line;
    if let Some(at) = line.find('=').filter(|at| is_key(&line[..*at])) {
        pieces.extend([(tokens.accent, &line[..at]), (tokens.muted, &line[at..=at])]);
        rest = &line[at + 1..];
    } else if line.trim_start().starts_with('[') && line.trim_end().ends_with(']') && !line.contains('"') {
        return vec![(tokens.moving, line)];
    }
    while let Some(start) = rest.find(['"', '\'', '#']) {
        let (plain, behind) = rest.split_at(start);
        pieces.push((tokens.text, plain));
        if behind.starts_with('#') {
            pieces.push((tokens.muted, behind));
            return pieces;
        }
        let quote = &behind[..1];
        let end = behind[1..].find(quote).map_or(behind.len(), |end| end + 2);
        pieces.push((tokens.good, &behind[..end]));
        rest = &behind[end..];
    }
    pieces.push((tokens.text, rest));
    pieces
}

fn is_key(text: &str) -> bool {
    let key = text.trim();
    !key.is_empty() && key.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_pieces_and_loses_nothing() {
        let tokens = crate::theme::tokens_of(egui::Theme::Dark);
        for line in [
            "# a = b\n",
            "app = \"shop:app\" # why\n",
            "bind = [\":80\", 'x']\n",
            "[env]\n",
            "  \"open\n",
            "\n",
            "x = 1",
        ] {
            let whole: String = pieces(tokens, line).into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(whole, line);
        }
        let of = |line: &'static str| pieces(tokens, line);
        assert_eq!(of("# a = b")[1], (tokens.muted, "# a = b"));
        assert_eq!(of("a = \"b#c\" # d")[0], (tokens.accent, "a "));
        assert!(of("a = \"b#c\" # d").contains(&(tokens.good, "\"b#c\"")));
    }
}
