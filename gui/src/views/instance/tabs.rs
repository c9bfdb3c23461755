//! The views of an instance as tabs: what they count, and whether there is trouble in them.

use egui::{
    Align2, Color32, EventFilter, FontFamily, FontId, Key, Modifiers, Pos2, Role, Sense, Stroke, Ui, Vec2, WidgetInfo,
};
use hostler_bus::WorkerState;

use crate::commands::{self, Command};
use crate::model::Instance;
use crate::state::Tab;
use crate::theme::icon;
use crate::theme::{Size, Tokens, fonts};
use crate::views::Stage;
use crate::views::shell::Pane;

/// What a tab shows behind its title.
struct Sign {
    words: String,
    is_trouble: bool,
}

/// Draws them.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let Some((_, instance)) = stage.selected() else { return };
    let signs: Vec<Option<Sign>> = Tab::ALL.into_iter().map(|tab| sign(tab, instance)).collect();
    let takes_keys = stage.state.passing.shell.takes_keys(Pane::Content);
    let is_narrow = ui.available_width() < 700.0;
    let mut chosen = None;
    let row = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for (tab, sign) in Tab::ALL.into_iter().zip(&signs) {
            let is_on = stage.state.tab == tab;
            let response = draw(ui, tokens, tab, is_on, sign.as_ref(), is_narrow);
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

fn draw(ui: &mut Ui, tokens: &Tokens, tab: Tab, is_on: bool, sign: Option<&Sign>, is_narrow: bool) -> egui::Response {
    let color = if is_on { tokens.text } else { tokens.muted };
    let family = if is_on { FontFamily::Name(fonts::STRONG.into()) } else { FontFamily::Proportional };
    let painter = ui.painter().clone();
    let title = painter.layout_no_wrap(tab.title().to_owned(), FontId::new(Size::BODY, family), color);
    let small = FontId::new(Size::SMALL, FontFamily::Proportional);
    let sign_color = if sign.is_some_and(|sign| sign.is_trouble) { tokens.bad } else { tokens.muted };
    let count = sign.map(|sign| painter.layout_no_wrap(sign.words.clone(), small, sign_color));
    let (icon_width, side) = if is_narrow { (0.0, 8.0) } else { (22.0, 10.0) };
    let count_width = count.as_ref().map_or(0.0, |galley| galley.size().x + 6.0);
    let size = Vec2::new(2.0 * side + icon_width + title.size().x + count_width, 34.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
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
    let mut left = rect.left() + side;
    let middle = rect.center().y;
    if !is_narrow {
        let glyph = icon::text(Command::Show(tab).words().icon);
        let font = FontId::new(14.0, FontFamily::Proportional);
        let tint = if is_on { tokens.accent } else { tokens.muted };
        painter.text(Pos2::new(left + 7.0, middle), Align2::CENTER_CENTER, glyph, font, tint);
        left += icon_width;
    }
    let title_width = title.size().x;
    painter.galley(Pos2::new(left, middle - title.size().y / 2.0), title, color);
    if let Some(galley) = count {
        let place = Pos2::new(left + title_width + 6.0, middle - galley.size().y / 2.0);
        painter.galley(place, galley, sign_color);
    }
    let line = if is_on { tokens.accent } else { Color32::TRANSPARENT };
    painter.hline(rect.left() + 4.0..=rect.right() - 4.0, rect.bottom() - 1.0, Stroke::new(2.0, line));
    if response.has_focus() {
        let stroke = Stroke::new(1.5, tokens.accent);
        painter.rect_stroke(rect.shrink2(Vec2::new(0.0, 3.0)), 6.0, stroke, egui::StrokeKind::Inside);
    }
    response
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
