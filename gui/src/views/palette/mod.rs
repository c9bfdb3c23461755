//! The palette: what is typed finds commands, instances and machines; Enter does it, Ctrl+C copies the equivalent command
//! line.

mod entries;

use egui::{
    Align, Color32, CornerRadius, EventFilter, Frame, Id, Key, Label, Layout, Margin, Modal, Modifiers, RichText, Role,
    ScrollArea, Sense, TextEdit, Ui, Vec2, WidgetInfo,
};

use super::Stage;
use crate::commands::{self, Scene};
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::widgets::{button, glyph, text};

pub use entries::{Entry, Target, find};

const WIDTH: f32 = 600.0;
const ROW: f32 = 34.0;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    is_open: bool,
    typed: String,
    /// The place of the entry that Enter takes.
    place: usize,
}

impl Passing {
    /// Opens it with nothing typed, or closes it.
    pub fn toggle(&mut self) {
        *self = Self { is_open: !self.is_open, ..Self::default() };
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Draws it, if it is open.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    if !stage.state.passing.palette.is_open {
        return;
    }
    let tokens = stage.tokens;
    let steps = Steps::taken(ui);
    let entered = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let height = (ui.ctx().content_rect().height() * 0.55).clamp(200.0, 460.0);
    let area = Modal::default_area(Id::unique("palette")).anchor(egui::Align2::CENTER_TOP, Vec2::new(0.0, 72.0));
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(0)).corner_radius(CornerRadius::same(12));
    let response = Modal::new(Id::unique("palette")).area(area).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 48.0));
        ui.spacing_mut().item_spacing = Vec2::ZERO;
        field(ui, stage);
        // After the field: words and Enter may come in one frame.
        let mut found = find(&stage.state.passing.palette.typed, &Scene::new(stage.world, stage.state));
        let before = stage.state.passing.palette.place;
        let place = steps.lead_to(before, found.len());
        stage.state.passing.palette.place = place;
        ui.separator();
        let clicked = list(ui, tokens, &found, place, height, place != before);
        ui.separator();
        foot(ui, tokens, found.get(place));
        let chosen = if entered { Some(place) } else { clicked };
        chosen.filter(|place| *place < found.len()).map(|place| found.swap_remove(place))
    });
    let is_closed = response.should_close();
    if let Some(entry) = response.inner.filter(|entry| entry.unavailable.is_empty()) {
        stage.state.passing.palette = Passing::default();
        take(entry.target, ui, stage);
    } else if is_closed {
        stage.state.passing.palette = Passing::default();
    }
}

/// How far arrow keys lead.
struct Steps {
    down: usize,
    up: usize,
}

impl Steps {
    /// Takes the keys before the field sees them.
    fn taken(ui: &Ui) -> Self {
        let pressed = |key| ui.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
        Self {
            down: pressed(Key::ArrowDown) + 8 * pressed(Key::PageDown),
            up: pressed(Key::ArrowUp) + 8 * pressed(Key::PageUp),
        }
    }

    /// The place that they lead to, of so many.
    fn lead_to(&self, place: usize, count: usize) -> usize {
        (place + self.down).min(count.saturating_sub(1)).saturating_sub(self.up)
    }
}

fn field(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let palette = &mut stage.state.passing.palette;
    let keys = EventFilter { vertical_arrows: true, ..EventFilter::default() };
    let edit = TextEdit::singleline(&mut palette.typed)
        .id(Id::unique("palette field"))
        .hint_text("Type a command, an instance or a host")
        .prefix(RichText::new(icon::text(Icon::Search)).color(tokens.muted))
        .frame(Frame::new().inner_margin(Margin::symmetric(16, 12)))
        .event_filter(keys)
        .desired_width(f32::INFINITY);
    let response = ui.add(edit).accessible_name("Command palette");
    if response.changed() {
        palette.place = 0;
    }
    if !response.has_focus() {
        response.request_focus();
    }
}

/// Draws the rows that can be seen; answers with the place of the one that was clicked.
fn list(ui: &mut Ui, tokens: &Tokens, found: &[Entry], place: usize, height: f32, has_moved: bool) -> Option<usize> {
    if found.is_empty() {
        ui.add_space(28.0);
        ui.vertical_centered(|ui| ui.label(text::muted(tokens, "Nothing matches. Try a shorter word.")));
        ui.add_space(28.0);
        return None;
    }
    let mut clicked = None;
    ScrollArea::vertical().id_salt("palette entries").max_height(height).auto_shrink([false, true]).show_viewport(
        ui,
        |ui, _| {
            let (_, area) = ui.allocate_space(Vec2::new(ui.available_width(), ROW * found.len() as f32));
            for (index, entry) in found.iter().enumerate() {
                let top = area.top() + ROW * index as f32;
                let rect = egui::Rect::from_min_size(egui::pos2(area.left(), top), Vec2::new(area.width(), ROW));
                if index == place && has_moved {
                    ui.scroll_to_rect(rect, None);
                }
                if ui.is_rect_visible(rect) && row(ui, tokens, entry, rect, index == place, index) {
                    clicked = Some(index);
                }
            }
        },
    );
    clicked
}

fn row(ui: &mut Ui, tokens: &Tokens, entry: &Entry, rect: egui::Rect, is_chosen: bool, index: usize) -> bool {
    let response = ui.interact(rect, Id::unique(("palette entry", index)), Sense::click());
    let is_available = entry.unavailable.is_empty();
    let name = format!("{}, {}", entry.title, entry.detail);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, is_available, is_chosen, &name));
    let fill = match (is_chosen, response.hovered()) {
        (true, _) => tokens.selected,
        (_, true) => tokens.hovered,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect.shrink2(Vec2::new(6.0, 1.0)), CornerRadius::same(7), fill);
    let inside = rect.shrink2(Vec2::new(18.0, 0.0));
    let mut line = ui.new_child(egui::UiBuilder::new().max_rect(inside).layout(Layout::left_to_right(Align::Center)));
    line.spacing_mut().item_spacing.x = 10.0;
    let color = if is_available { tokens.text } else { tokens.muted };
    let tint = if is_available && is_chosen { tokens.accent } else { tokens.muted };
    glyph::show(&mut line, entry.icon, 14.0, tint);
    line.add(Label::new(RichText::new(&entry.title).color(color)).selectable(false).truncate());
    let detail = if is_available { &entry.detail } else { &entry.unavailable };
    line.add(Label::new(text::small(tokens, detail)).selectable(false).truncate());
    if let Target::Command(command, None) = &entry.target
        && let Some(keys) = commands::shown_shortcut(ui.ctx(), *command)
    {
        line.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add(Label::new(text::small(tokens, keys)).selectable(false));
        });
    }
    response.clicked()
}

/// The equivalent command line of the chosen entry.
fn foot(ui: &mut Ui, tokens: &Tokens, entry: Option<&Entry>) {
    Frame::new().inner_margin(Margin { left: 18, right: 10, top: 5, bottom: 5 }).show(ui, |ui| {
        ui.set_height(26.0);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            glyph::show(ui, Icon::Terminal, 13.0, tokens.muted);
            match entry.and_then(|entry| entry.hostler.as_ref()) {
                Some(command) => {
                    ui.add(Label::new(RichText::new(command).monospace().size(12.0).color(tokens.muted)).truncate());
                    let copies = ui.input_mut(|input| {
                        let before = input.events.len();
                        input.events.retain(|event| !matches!(event, egui::Event::Copy));
                        input.events.len() < before
                    });
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        if button::icon_only(ui, Icon::Copy, "Copy the command (Ctrl+C)").clicked() || copies {
                            ui.ctx().copy_text(command.clone());
                        }
                    });
                }
                None => {
                    let words = match entry {
                        Some(_) => "Only in this window: there is no command for a terminal.",
                        None => "The command for a terminal stands here.",
                    };
                    ui.label(text::small(tokens, words));
                }
            }
        });
    });
}

fn take(target: Target, ui: &Ui, stage: &mut Stage<'_>) {
    match target {
        Target::Command(command, about) => commands::run(command, about.as_ref(), ui.ctx(), stage),
        Target::Instance(key) => commands::go_to(stage.state, key),
        Target::Machine(reach) => {
            stage.state.selected = None;
            stage.state.machine = Some(reach);
        }
    }
}
