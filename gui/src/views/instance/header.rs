//! The head of an instance: its name and state, where it is, what it is made of, what is wrong, and what can be done.

use std::time::Duration;

use egui::{
    Align, Color32, CornerRadius, CursorIcon, Frame, Label, Layout, Margin, Response, RichText, Role, Stroke,
    TextStyle, Ui, WidgetInfo,
};
use hostler_bus::daemon::InstanceState;

use super::actions;
use crate::bus::Link;
use crate::commands::{self, Command};
use crate::model::{Instance, InstanceKey};
use crate::state::Tab;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::{Stage, absence};
use crate::widgets::{badge, button, figures, glyph, markdown, text};

/// What stands before and behind the name: the way back, the state.
const AROUND_NAME: f32 = 150.0;
/// Where the name begins: behind the button that leads back, and a gap.
const NAME_LEFT: f32 = 36.0;
/// As much as the name and what is around it may take from the buttons.
const NAME_MOST: f32 = 470.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some((key, _)) = stage.selected() else { return };
    let tokens = stage.tokens;
    ui.horizontal(|ui| {
        ui.set_height(34.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let name =
                ui.painter().layout_no_wrap(key.name.clone(), TextStyle::Heading.resolve(ui.style()), tokens.text);
            let room = ui.available_width() - (name.size().x + AROUND_NAME).min(NAME_MOST);
            actions::show(ui, stage, &key, room);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 10.0;
                title(ui, stage, &key);
            });
        });
    });
    facts(ui, stage, &key);
    let Some((_, instance)) = stage.selected() else { return };
    let is_bad = matches!(instance.state(), InstanceState::Failed | InstanceState::Broken);
    // Said once: the overview begins with it, and says what to do.
    let is_told = is_bad && stage.state.tab == Tab::Overview;
    if let Some(problem) = instance.untold_problem(stage.now).filter(|_| !is_told).map(str::to_owned) {
        let (color, glyph) =
            if is_bad { (tokens.bad, Icon::CircleAlert) } else { (tokens.caution, Icon::TriangleAlert) };
        strip(ui, tokens, color, glyph, &problem);
    }
    link(ui, stage, &key);
}

/// Its name, its state and since when.
fn title(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) {
    let tokens = stage.tokens;
    if button::icon_only(ui, Icon::ArrowLeft, "All instances").clicked() {
        commands::run(Command::ShowAll, None, ui.ctx(), stage);
        return;
    }
    let Some(instance) = stage.world.instance(key) else { return };
    let (state, since_us) = (instance.state(), instance.overview.since_us);
    let room = (ui.available_width() - 128.0).max(80.0);
    ui.scope(|ui| {
        ui.set_max_width(room);
        ui.add(Label::new(RichText::new(&key.name).heading()).truncate()).on_hover_text(&key.name);
    });
    badge::state(ui, tokens, state);
    if since_us > 0 && ui.available_width() > 70.0 {
        let age = figures::age(stage.now.saturating_sub(since_us));
        ui.add(Label::new(text::small(tokens, format!("for {age}"))).truncate())
            .on_hover_text(format!("since {}", figures::date_time(since_us)));
        let next = if stage.now.saturating_sub(since_us) < 3_600_000_000 { 1 } else { 30 };
        ui.ctx().request_repaint_after(Duration::from_secs(next));
    }
}

/// Its address and what it is made of, in one line: as much as there is room for.
fn facts(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) {
    let tokens = stage.tokens;
    let Some(instance) = stage.world.instance(key) else { return };
    let url = commands::address(&instance.overview, key.reach.host.as_deref());
    let facts = made_of(instance);
    let bind = instance.overview.binds.first().cloned();
    let machine = stage.world.machine(&key.reach).map(|machine| machine.title()).unwrap_or_default();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 7.0;
        ui.spacing_mut().interact_size.y = 20.0;
        // Below the name, which stands behind the way back.
        ui.add_space(NAME_LEFT);
        ui.scope(|ui| {
            ui.set_max_width(ui.available_width() * 0.4);
            ui.add(Label::new(text::muted(tokens, machine)).truncate());
        });
        if let Some(url) = url {
            dot(ui, tokens);
            let response = address(ui, &url, Icon::ExternalLink, tokens.accent);
            response.widget_info(|| WidgetInfo::labeled(Role::Link, true, format!("Open {url} in the browser")));
            if response.on_hover_text(format!("Open in the browser\n{url}")).clicked() {
                commands::run(Command::Browse, Some(key), ui.ctx(), stage);
            }
        } else if let Some(bind) = bind {
            dot(ui, tokens);
            let response = address(ui, &bind, Icon::Copy, tokens.muted);
            response.widget_info(|| WidgetInfo::labeled(Role::Link, true, format!("Copy {bind}")));
            if response.on_hover_text(format!("Copy where it listens\n{bind}")).clicked() {
                ui.ctx().copy_text(bind);
            }
        }
        for fact in facts {
            let font = TextStyle::Body.resolve(ui.style());
            let width = ui.painter().layout_no_wrap(format!("·{fact}"), font, tokens.muted).size().x + 14.0;
            if width > ui.available_width() {
                continue;
            }
            dot(ui, tokens);
            ui.label(text::muted(tokens, fact));
        }
    });
}

/// Application, framework, Python, generation, as far as they are known.
fn made_of(instance: &Instance) -> Vec<String> {
    let overview = &instance.overview;
    let interface = instance.status().map(|status| status.configured.interface.to_uppercase()).unwrap_or_default();
    let framework = if overview.framework.is_empty() { interface } else { overview.framework.clone() };
    let python = if overview.python.is_empty() { String::new() } else { format!("Python {}", overview.python) };
    let generation =
        if overview.generation == 0 { String::new() } else { format!("generation {}", overview.generation) };
    let facts = [overview.application.clone(), framework, python, generation];
    facts.into_iter().filter(|fact| !fact.is_empty()).collect()
}

/// An address with what a click on it does; what does not fit is cut.
fn address(ui: &mut Ui, words: &str, icon: Icon, color: Color32) -> Response {
    let galley = |words: &str| {
        let font = TextStyle::Body.resolve(ui.style());
        ui.painter().layout_no_wrap(words.to_owned(), font, color).size().x
    };
    let sign = format!("  {}", icon::text(icon));
    let room = ui.available_width() - galley(&sign);
    let mut shown = words.to_owned();
    while galley(&shown) > room && shown.chars().count() > 4 {
        shown.truncate(shown.char_indices().rev().nth(4).map_or(0, |(place, _)| place));
        shown.push('…');
    }
    let response = ui.link(RichText::new(shown + &sign).color(color));
    response.on_hover_cursor(CursorIcon::PointingHand)
}

fn dot(ui: &mut Ui, tokens: &Tokens) {
    ui.label(RichText::new("·").color(tokens.muted));
}

/// Says that the daemon is away, and that all is as it was last seen.
fn link(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) {
    let Some(machine) = stage.world.machine(&key.reach) else { return };
    let words = match &machine.link {
        Link::Ready(_) => return,
        Link::Connecting => "Connecting. What is shown is as it was last seen.".to_owned(),
        Link::Absent { why, retry_at_us, .. } => {
            let advice = absence::advice(*why, &key.reach);
            let next = retry_at_us.map(|at_us| format!(" {}.", text::sentence(&absence::until(stage.now, at_us))));
            format!("{}. What is shown is as it was last seen.{}", advice.title, next.unwrap_or_default())
        }
    };
    strip(ui, stage.tokens, stage.tokens.caution, Icon::Unplug, &words);
}

/// One line across the view that says what is the matter.
pub(super) fn strip(ui: &mut Ui, tokens: &Tokens, color: egui::Color32, icon: Icon, words: &str) {
    ui.add_space(Size::GAP);
    Frame::new()
        .fill(tokens.tint(color))
        .stroke(Stroke::new(1.0, tokens.edge(color)))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(12, 7))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                glyph::show(ui, icon, 15.0, color);
                ui.add(Label::new(markdown::layout(tokens, &text::sentence(words), Size::BODY, color)).wrap());
            });
        });
}
