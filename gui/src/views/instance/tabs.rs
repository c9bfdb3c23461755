//! The views of an instance as tabs: what they count, and whether there is trouble in them.

use std::sync::Arc;

use egui::{
    Align2, Color32, EventFilter, FontFamily, FontId, Galley, Key, Modifiers, Pos2, Role, Sense, Stroke, Ui, Vec2,
    WidgetInfo,
};
use hostler_bus::WorkerState;

use crate::commands::{self, Command};
use crate::model::Instance;
use crate::state::Tab;
use crate::theme::icon;
use crate::theme::{Size, Tokens, fonts};
use crate::views::Stage;
use crate::views::shell::Pane;

/// How much of the tabs is shown: all that there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Density {
    /// Icon, title, and what is counted.
    All,
    /// Title, and what is counted.
    Words,
    /// The title of the one that is shown, icons of the others.
    Icons,
}

/// The texts of a tab, and how wide it is.
struct Face {
    title: Option<Arc<Galley>>,
    count: Option<Arc<Galley>>,
    has_icon: bool,
    side: f32,
    width: f32,
}

/// What a tab shows behind its title.
struct Sign {
    words: String,
    is_trouble: bool,
}

/// Between two tabs.
const BETWEEN: f32 = 2.0;
/// The size of an icon.
const ICON: f32 = 14.0;

/// Draws them.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let Some((_, instance)) = stage.selected() else { return };
    let signs: Vec<Option<Sign>> = Tab::ALL.into_iter().map(|tab| sign(tab, instance)).collect();
    let takes_keys = stage.state.passing.shell.takes_keys(Pane::Content);
    let faces = faces(ui, tokens, stage.state.tab, &signs);
    let mut chosen = None;
    let row = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = BETWEEN;
        for ((tab, sign), face) in Tab::ALL.into_iter().zip(&signs).zip(faces) {
            let is_on = stage.state.tab == tab;
            let response = draw(ui, tokens, tab, is_on, sign.as_ref(), face);
            if is_on && takes_keys {
                response.request_focus();
            }
            if response.clicked() {
                chosen = Some(tab);
            }
            if response.has_focus() {
                let filter = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
                ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
                if let Some(next) = neighbour(ui, tab) {
                    chosen = Some(next);
                    stage.state.passing.shell.move_pane(|_| Pane::Content);
                    ui.ctx().request_repaint();
                }
            }
        }
    });
    let (left, right, bottom) = (ui.max_rect().left(), ui.max_rect().right(), row.response.rect.bottom());
    ui.painter().hline(left..=right, bottom, Stroke::new(1.0, tokens.line));
    if let Some(tab) = chosen {
        commands::run(Command::Show(tab), None, ui.ctx(), stage);
    }
}

/// The tab beside one, where an arrow key was pressed.
fn neighbour(ui: &Ui, tab: Tab) -> Option<Tab> {
    let here = Tab::ALL.iter().position(|other| *other == tab)?;
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let count = Tab::ALL.len();
    if pressed(Key::ArrowRight) {
        Some(Tab::ALL[(here + 1) % count])
    } else if pressed(Key::ArrowLeft) {
        Some(Tab::ALL[(here + count - 1) % count])
    } else {
        None
    }
}

/// How the tabs look: as much of them as there is room for.
fn faces(ui: &Ui, tokens: &Tokens, current: Tab, signs: &[Option<Sign>]) -> Vec<Face> {
    let room = ui.available_width();
    let of = |density| -> Vec<Face> {
        let tabs = Tab::ALL.into_iter().zip(signs);
        tabs.map(|(tab, sign)| face(ui, tokens, tab, tab == current, sign.as_ref(), density)).collect()
    };
    // What fits does not depend on which tab is shown, nor on whether there is something to count, so that the tabs do
    // not change their form from one click to the next.
    let spare = Sign { words: "00".to_owned(), is_trouble: false };
    let fits = |density: &Density| {
        let widths = Tab::ALL.into_iter().zip(signs).map(|(tab, sign)| {
            let sign = sign.as_ref().or(matches!(tab, Tab::Workers | Tab::Requests).then_some(&spare));
            face(ui, tokens, tab, true, sign, *density).width + BETWEEN
        });
        widths.sum::<f32>() <= room
    };
    of([Density::All, Density::Words].into_iter().find(fits).unwrap_or(Density::Icons))
}

fn face(ui: &Ui, tokens: &Tokens, tab: Tab, is_on: bool, sign: Option<&Sign>, density: Density) -> Face {
    let color = if is_on { tokens.text } else { tokens.muted };
    let family = if is_on { FontFamily::Name(fonts::STRONG.into()) } else { FontFamily::Proportional };
    let layout = |words: &str, font, color| ui.painter().layout_no_wrap(words.to_owned(), font, color);
    let has_words = density != Density::Icons || is_on;
    let title = has_words.then(|| layout(tab.title(), FontId::new(Size::BODY, family), color));
    let small = FontId::new(Size::SMALL, FontFamily::Proportional);
    let sign_color = if sign.is_some_and(|sign| sign.is_trouble) { tokens.bad } else { tokens.muted };
    let count = sign.filter(|_| density != Density::Icons).map(|sign| layout(&sign.words, small, sign_color));
    let has_icon = density == Density::All || !has_words;
    let side = if density == Density::All { 10.0 } else { 8.0 };
    let of = |galley: &Option<Arc<Galley>>| galley.as_ref().map(|galley| galley.size().x);
    let gaps = match (has_icon, has_words) {
        (true, true) => ICON + 8.0,
        (true, false) => ICON,
        (false, _) => 0.0,
    };
    let width = 2.0 * side + gaps + of(&title).unwrap_or_default() + of(&count).map_or(0.0, |width| width + 6.0);
    Face { title, count, has_icon, side, width }
}

fn draw(ui: &mut Ui, tokens: &Tokens, tab: Tab, is_on: bool, sign: Option<&Sign>, face: Face) -> egui::Response {
    let painter = ui.painter().clone();
    let (rect, response) = ui.allocate_exact_size(Vec2::new(face.width, 34.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, is_on, tab.title()));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.clear_toggled();
        node.set_selected(is_on);
        if let Some(sign) = sign {
            node.set_description(sign.words.clone());
        }
    });
    if response.hovered() && !is_on {
        painter.rect_filled(rect.shrink2(Vec2::new(0.0, 3.0)), 6.0, tokens.hovered);
    }
    let mut left = rect.left() + face.side;
    let middle = rect.center().y;
    if face.has_icon {
        let glyph = icon::text(Command::Show(tab).words().icon);
        let font = FontId::new(ICON, FontFamily::Proportional);
        let tint = if is_on { tokens.accent } else { tokens.muted };
        painter.text(Pos2::new(left + ICON / 2.0, middle), Align2::CENTER_CENTER, glyph, font, tint);
        left += ICON + 8.0;
    }
    let is_icon_alone = face.title.is_none();
    for galley in [face.title, face.count].into_iter().flatten() {
        let size = galley.size();
        painter.galley(Pos2::new(left, middle - size.y / 2.0), galley, tokens.text);
        left += size.x + 6.0;
    }
    let line = if is_on { tokens.accent } else { Color32::TRANSPARENT };
    painter.hline(rect.left() + 4.0..=rect.right() - 4.0, rect.bottom() - 1.0, Stroke::new(2.0, line));
    if response.has_focus() {
        let stroke = Stroke::new(1.5, tokens.accent);
        painter.rect_stroke(rect.shrink2(Vec2::new(0.0, 3.0)), 6.0, stroke, egui::StrokeKind::Inside);
    }
    if is_icon_alone { response.on_hover_text(tab.title()) } else { response }
}

/// What is counted in a view, and whether it is trouble.
fn sign(tab: Tab, instance: &Instance) -> Option<Sign> {
    let plain = |words: String| Some(Sign { words, is_trouble: false });
    let status = instance.status();
    match tab {
        Tab::Workers => {
            let waits = |workers: &Vec<hostler_bus::Worker>| {
                workers.iter().filter(|worker| worker.state == WorkerState::Waiting).count()
            };
            match instance.workers.value().map_or(0, waits) {
                0 => plain(status?.observed.workers_ready.to_string()),
                down => Some(Sign { words: format!("{down} down"), is_trouble: true }),
            }
        }
        Tab::Requests => match status?.observed.in_flight + status?.observed.queued {
            0 => None,
            requests => plain(requests.to_string()),
        },
        Tab::Settings => {
            let waiting = instance.detail.value()?.awaits_restart.len();
            (waiting > 0).then(|| Sign { words: format!("{waiting} await restart"), is_trouble: false })
        }
        Tab::Units => {
            let stale = instance.detail.value()?.service.as_ref()?.needs_daemon_reload;
            stale.then(|| Sign { words: "changed on disk".to_owned(), is_trouble: true })
        }
        _ => None,
    }
}
