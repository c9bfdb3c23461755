//! A machine or scope in the sidebar: its title, how it is reached, and what to do where it is not.

use std::time::Duration;

use egui::{
    Align, Color32, CornerRadius, Frame, Key, Label, Layout, Margin, Modifiers, RichText, Role, Sense, Stroke,
    StrokeKind, Ui, Vec2, WidgetInfo,
};
use hostler_bus::daemon::Reach;

use super::{Stop, hold_arrows, machine_id};
use crate::bus::{Link, Order};
use crate::commands;
use crate::theme::Tokens;
use crate::theme::icon::Icon;
use crate::views::Stage;
use crate::views::absence;
use crate::widgets::{button, command_line, glyph, spinner, text};

/// The height of a title.
const TITLE: f32 = 34.0;
/// Below this width a title has no room for more than a number.
const NARROW: f32 = 236.0;

/// Draws the title, and what is to be said of the link.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, reach: &Reach, stops: &mut Vec<Stop>) {
    title(ui, stage, reach, stops);
    if !stage.state.views.sidebar.folded.contains(reach) {
        notice(ui, stage, reach);
    }
}

fn title(ui: &mut Ui, stage: &mut Stage<'_>, reach: &Reach, stops: &mut Vec<Stop>) {
    let tokens = stage.tokens;
    let Some(machine) = stage.world.machine(reach) else { return };
    let (_, rect) = ui.allocate_space(Vec2::new(ui.available_width(), TITLE));
    let id = machine_id(reach);
    let response = ui.interact(rect, id, Sense::click());
    let is_folded = stage.state.views.sidebar.folded.contains(reach);
    let (state, color) = link_words(tokens, &machine.link, machine.instances.len(), machine.listed);
    let name = format!("{}, {state}", machine.title());
    response.widget_info(|| WidgetInfo::labeled(Role::TreeItem, true, &name));
    ui.ctx().accesskit_node_builder(id, |node| node.set_expanded(!is_folded));
    stops.push(Stop { id, rect });
    hold_arrows(ui, &response);
    let is_chosen = stage.state.selected.is_none() && stage.state.machine.as_ref() == Some(reach);
    let face = rect.shrink2(Vec2::new(6.0, 2.0));
    let fill = match (is_chosen, response.hovered()) {
        (true, _) => tokens.selected,
        (_, true) => tokens.hovered,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(face, CornerRadius::same(7), fill);
    if response.has_focus() {
        let line = Stroke::new(1.5, tokens.accent);
        ui.painter().rect_stroke(face, CornerRadius::same(7), line, StrokeKind::Inside);
    }
    let icon = match (&reach.host, reach.user) {
        (Some(_), _) => Icon::Server,
        (None, true) => Icon::User,
        (None, false) => Icon::Monitor,
    };
    let title = machine.title();
    let is_connecting = machine.link == Link::Connecting;
    let mut inner = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(face.shrink2(Vec2::new(10.0, 0.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    inner.spacing_mut().item_spacing.x = 6.0;
    let chevron = if is_folded { Icon::ChevronRight } else { Icon::ChevronDown };
    glyph::show(&mut inner, chevron, 13.0, tokens.muted);
    glyph::show(&mut inner, icon, 14.0, tokens.muted);
    inner.with_layout(Layout::right_to_left(Align::Center), |ui| {
        // The number says enough where there is little room.
        let words = if face.width() < NARROW {
            state.trim_end_matches(|letter: char| !letter.is_ascii_digit())
        } else {
            &state
        };
        ui.label(RichText::new(if words.is_empty() { &state } else { words }).small().color(color));
        if is_connecting {
            spinner::show(ui, 12.0, tokens.moving);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(Label::new(text::strong(title).size(12.5)).selectable(false).truncate());
        });
    });
    let folds = ui.ctx().pointer_interact_pos().is_some_and(|position| position.x < face.left() + 26.0);
    let fold_key = response.has_focus()
        && ui.input_mut(|input| {
            let key = if is_folded { Key::ArrowRight } else { Key::ArrowLeft };
            input.consume_key(Modifiers::NONE, key)
        });
    if fold_key || (response.clicked() && folds && ui.input(|input| input.pointer.any_click())) {
        let folded = &mut stage.state.views.sidebar.folded;
        if !folded.remove(reach) {
            folded.insert(reach.clone());
        }
    } else if response.clicked() {
        stage.state.selected = None;
        stage.state.machine = Some(reach.clone());
    }
    response.context_menu(|ui| menu(ui, stage, reach));
}

fn menu(ui: &mut Ui, stage: &mut Stage<'_>, reach: &Reach) {
    if ui.button("Connect again").clicked() {
        stage.order(Order::Connect(reach.clone()));
    }
    if stage.state.hosts.contains(reach) && ui.button("Remove host").clicked() {
        commands::remove_host(stage, reach);
    }
}

/// How a machine is reached, in a word, with its colour.
fn link_words(tokens: &Tokens, link: &Link, count: usize, is_listed: bool) -> (String, Color32) {
    match link {
        Link::Connecting => ("connecting".to_owned(), tokens.moving),
        Link::Ready(_) if !is_listed => ("loading".to_owned(), tokens.moving),
        Link::Ready(_) => {
            (if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }, tokens.muted)
        }
        Link::Absent { why, .. } => (absence::word(*why).to_owned(), tokens.caution),
    }
}

/// What is to be said below the title: that it is empty, or why it is away.
fn notice(ui: &mut Ui, stage: &mut Stage<'_>, reach: &Reach) {
    let tokens = stage.tokens;
    let Some(machine) = stage.world.machine(reach) else { return };
    match machine.link.clone() {
        Link::Ready(_) if machine.listed && machine.instances.is_empty() => {
            card(ui, tokens, |ui| {
                ui.label(text::small(tokens, "No instances yet. Make one from a project's folder:"));
                command_line::show(ui, tokens, "", &format!("hostler new NAME {}", commands::scope(reach)));
            });
        }
        Link::Absent { why, message, retry_at_us } => {
            let advice = absence::advice(why, reach);
            let now = stage.now;
            let mut retries = false;
            card(ui, tokens, |ui| {
                ui.label(RichText::new(advice.title).color(tokens.caution));
                ui.label(text::small(tokens, advice.next)).on_hover_text(&message);
                if let Some(command) = &advice.command {
                    command_line::show(ui, tokens, "", command);
                }
                ui.horizontal(|ui| {
                    retries = button::plain(ui, Icon::RefreshCw, "Retry now").clicked();
                    if let Some(at_us) = retry_at_us {
                        ui.label(text::small(tokens, absence::until(now, at_us)));
                        ui.ctx().request_repaint_after(Duration::from_secs(1));
                    }
                });
            });
            if retries {
                stage.order(Order::Connect(reach.clone()));
            }
        }
        _ => {}
    }
}

/// Says that the search or the filter shows none of a machine's instances.
pub(super) fn nothing_found(ui: &mut Ui, stage: &mut Stage<'_>, total: usize) {
    let tokens = stage.tokens;
    ui.horizontal(|ui| {
        ui.add_space(38.0);
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(text::small(tokens, "No match"));
        let response = ui.link(RichText::new(format!("Show all {total}")).small());
        if response.clicked() {
            stage.state.search.clear();
            stage.state.states.clear();
        }
    });
}

fn card(ui: &mut Ui, tokens: &Tokens, content: impl FnOnce(&mut Ui)) {
    Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(7))
        .inner_margin(Margin::same(10))
        .outer_margin(Margin { left: 12, right: 12, top: 2, bottom: 8 })
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing = Vec2::new(8.0, 6.0);
            ui.set_width(ui.available_width());
            content(ui);
        });
}
