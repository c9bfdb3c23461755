//! The figures of now, each in a card with its course over the last minutes.

use egui::{Color32, RichText, Role, Sense, Ui, UiBuilder, Vec2};
use hostler_bus::Status;

use crate::model::Sample;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::views::shown::Shown;
use crate::widgets::{card, figures, sparkline, text};

/// How high a card's content is, with its course below the figure.
const HIGH: f32 = 86.0;
/// How high it is with its course beside the figure.
const LOW: f32 = 60.0;
/// The least width of a card whose course is below the figure.
const LEAST: f32 = 150.0;
/// Below this width, two cards stand beside each other.
const NARROW: f32 = 520.0;
/// Over which time server errors are counted: five minutes.
const ERRORS_OF_US: u64 = 300_000_000;
/// How many cards there are.
const CARDS: usize = 6;
/// How many samples a sparkline shows.
const POINTS: usize = 120;

/// One card.
struct Figure {
    icon: Icon,
    title: &'static str,
    figure: String,
    /// What stands below the figure.
    note: String,
    color: Color32,
    /// What colours the figure itself; none when all is well.
    alarm: Option<Color32>,
    course: Vec<f64>,
}

/// Draws the cards: in one row, or in two or three lower ones where there is less width.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, status: &Status) {
    let cards = figures_of(shown, status);
    let (columns, one_row) = grid(ui.available_width(), cards.len());
    for row in cards.chunks(columns) {
        ui.columns(columns, |ui| {
            for (ui, figure) in ui.iter_mut().zip(row) {
                draw(ui, shown, figure, one_row);
            }
        });
    }
}

/// How many stand in a row, and whether that is all of them.
fn grid(width: f32, cards: usize) -> (usize, bool) {
    let one_row = width >= LEAST * cards as f32;
    let columns = match width {
        _ if one_row => cards,
        width if width >= NARROW => cards / 2,
        _ => cards / 3,
    };
    (columns, one_row)
}

/// Draws pale cards where they will be, so that nothing moves when the figures come.
pub(super) fn awaited(ui: &mut Ui, shown: Shown<'_>) {
    let builder = UiBuilder::new().accessibility_role(Role::Status).accessibility_label("Waiting for its figures");
    ui.scope_builder(builder, |ui| {
        let (columns, one_row) = grid(ui.available_width(), CARDS);
        for _ in 0..CARDS / columns {
            ui.columns(columns, |ui| ui.iter_mut().for_each(|ui| pale(ui, shown, one_row)));
        }
    });
}

/// A card without its figure.
fn pale(ui: &mut Ui, shown: Shown<'_>, high: bool) {
    card::frame(shown.tokens).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = Size::GAP;
        ui.set_min_size(Vec2::new(ui.available_width(), if high { HIGH } else { LOW }));
        for size in [Vec2::new(64.0, 9.0), Vec2::new(96.0, 19.0), Vec2::new(78.0, 9.0)] {
            let (rect, _) = ui.allocate_exact_size(size.min(ui.available_size()), Sense::hover());
            ui.painter().rect_filled(rect, 4.0, shown.tokens.line.gamma_multiply(0.6));
        }
    });
}

fn draw(ui: &mut Ui, shown: Shown<'_>, figure: &Figure, high: bool) {
    let name = format!("{}: {}, {}", figure.title, figure.figure, figure.note);
    card::frame(shown.tokens).show(ui, |ui| {
        let builder = UiBuilder::new().accessibility_role(Role::Group).accessibility_label(name);
        ui.scope_builder(builder, |ui| {
            let height = if high { HIGH } else { LOW };
            ui.set_min_size(Vec2::new(ui.available_width(), height));
            if high {
                words(ui, shown, figure);
                ui.add_space(Size::TIGHT);
                course(ui, figure, Vec2::new(ui.available_width(), 20.0));
                return;
            }
            let width = ui.available_width();
            ui.horizontal_top(|ui| {
                ui.allocate_ui(Vec2::new(width * 0.62, height), |ui| {
                    ui.vertical(|ui| {
                        ui.set_width(width * 0.62);
                        words(ui, shown, figure);
                    });
                });
                let size = Vec2::new(ui.available_width(), 26.0);
                ui.vertical(|ui| {
                    ui.add_space(height - size.y - Size::GAP);
                    course(ui, figure, size);
                });
            });
        });
    });
}

fn words(ui: &mut Ui, shown: Shown<'_>, figure: &Figure) {
    let tokens = shown.tokens;
    ui.spacing_mut().item_spacing.y = 1.0;
    ui.spacing_mut().interact_size.y = 16.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(RichText::new(icon::text(figure.icon)).size(12.5).color(tokens.muted));
        ui.label(text::small(tokens, figure.title));
    });
    let figure_text = text::figure(&figure.figure).color(figure.alarm.unwrap_or(tokens.text));
    ui.add(egui::Label::new(figure_text).truncate());
    ui.add(egui::Label::new(text::small(tokens, &figure.note)).truncate());
}

fn course(ui: &mut Ui, figure: &Figure, size: Vec2) {
    if figure.course.len() > 1 {
        let name = format!("The course of {}", figure.title.to_lowercase());
        sparkline::show(ui, size, figure.color, &figure.course, &name);
    }
}

fn figures_of(shown: Shown<'_>, status: &Status) -> Vec<Figure> {
    let tokens = shown.tokens;
    let observed = &status.observed;
    let course = |value: fn(&Sample) -> f64| -> Vec<f64> {
        let values: Vec<f64> = shown.instance.samples.fine().rev().take(POINTS).map(value).collect();
        values.into_iter().rev().collect()
    };
    let since_us = shown.now.saturating_sub(ERRORS_OF_US);
    let share = error_share(shown.instance.samples.fine().filter(|sample| sample.at_us > since_us));
    let queue_waits = observed.queued > 0;
    let card = |icon, title, figure, note, color, alarm, course| Figure {
        icon,
        title,
        figure,
        note,
        color: tokens.series[color],
        alarm,
        course,
    };
    vec![
        card(
            Icon::Activity,
            "Requests",
            figures::rate(observed.requests_per_second),
            format!("{} in all", figures::count(observed.requests_total)),
            0,
            None,
            course(Sample::rate),
        ),
        card(
            Icon::Timer,
            "Latency p95",
            short_time(observed.p95_us),
            format!("p99 {}", short_time(observed.p99_us)),
            1,
            None,
            course(|sample| sample.p95_us as f64),
        ),
        card(
            Icon::Cpu,
            "Workers",
            format!("{} of {}", observed.workers_busy, observed.workers_ready),
            workers_note(status),
            1,
            (observed.workers_ready < observed.workers_wanted).then_some(tokens.caution),
            course(|sample| f64::from(sample.busy)),
        ),
        card(
            Icon::ListOrdered,
            "Queue",
            figures::count(u64::from(observed.queued)),
            format!("{} in flight", observed.in_flight),
            2,
            queue_waits.then_some(tokens.caution),
            course(|sample| f64::from(sample.queued)),
        ),
        card(
            Icon::MemoryStick,
            "Memory",
            figures::bytes(observed.memory_bytes),
            format!("{} connections", figures::count(u64::from(observed.connections))),
            4,
            None,
            course(|sample| sample.memory_bytes as f64),
        ),
        card(
            Icon::TriangleAlert,
            "Server errors",
            error_percent(share),
            "of the last 5 minutes".to_owned(),
            3,
            (share >= 0.01).then_some(tokens.bad),
            course(|sample| sample.rates[4]),
        ),
    ]
}

fn workers_note(status: &Status) -> String {
    let (least, most) = (status.configured.workers_min, status.configured.workers_max);
    let bounds = if least == most { least.to_string() } else { format!("{least}–{most}") };
    format!("busy · set to {bounds}")
}

fn short_time(microseconds: u64) -> String {
    if microseconds == 0 { "–".to_owned() } else { figures::duration(microseconds) }
}

/// Which part of the answers were server errors.
fn error_share<'a>(samples: impl Iterator<Item = &'a Sample>) -> f64 {
    let (errors, all) =
        samples.fold((0.0, 0.0), |(errors, all), sample| (errors + sample.rates[4], all + sample.rate()));
    if all > 0.0 { errors / all } else { 0.0 }
}

fn error_percent(share: f64) -> String {
    if share > 0.0 && share < 0.001 { "< 0.1 %".to_owned() } else { figures::percent(share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_errors_is_that_of_answers() {
        let samples = [
            Sample { rates: [0.0, 90.0, 0.0, 0.0, 10.0], ..Sample::default() },
            Sample { rates: [0.0, 100.0, 0.0, 0.0, 0.0], ..Sample::default() },
        ];
        assert!((error_share(samples.iter()) - 0.05).abs() < 1e-9);
        assert!(error_share([].iter()).abs() < 1e-9);
        for (share, text) in [(0.0, "0 %"), (0.0005, "< 0.1 %"), (0.05, "5.0 %"), (0.42, "42 %")] {
            assert_eq!(error_percent(share), text);
        }
    }
}
