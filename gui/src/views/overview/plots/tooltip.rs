//! What stands beside the pointer over a plot: the moment, its values, what happened then, and what can be done there.

use egui::{PopupAnchor, Response, RichText, Tooltip, Ui, Vec2};

use super::chart::{Chart, swatch};
use crate::model::{Happening, Sample};
use crate::theme::{Size, Tokens, icon};
use crate::widgets::{figures, happening, text};

/// Draws it.
pub(super) fn show(
    ui: &Ui,
    tokens: &Tokens,
    response: &Response,
    chart: &Chart,
    moment: f64,
    sample: Result<&Sample, &str>,
    events: &[&Happening],
) {
    let tooltip = Tooltip::always_open(ui.ctx().clone(), response.layer_id, response.id, PopupAnchor::Pointer);
    tooltip.gap(14.0).show(|ui| {
        ui.set_max_width(280.0);
        ui.spacing_mut().item_spacing = Vec2::new(Size::TIGHT, 2.0);
        ui.spacing_mut().interact_size.y = 16.0;
        ui.label(text::strong(figures::time((moment * 1e6) as u64)));
        if let Err(nothing) = sample {
            ui.label(text::small(tokens, nothing));
        }
        for series in chart.series.iter().rev() {
            let Some(value) = sample.ok().and_then(series.value) else { continue };
            ui.horizontal(|ui| {
                swatch(ui, tokens, series);
                ui.label(text::small(tokens, series.name));
                ui.label(RichText::new(chart.quantity.text(value)).size(Size::SMALL));
            });
        }
        for event in events {
            ui.add_space(Size::TIGHT);
            ui.horizontal(|ui| {
                let color = happening::color(tokens, event.kind);
                ui.label(RichText::new(icon::text(happening::icon(event.kind))).color(color));
                ui.label(RichText::new(happening::word(event.kind)).color(color));
            });
            ui.label(text::small(tokens, format!("{} · {}", figures::time(event.at_us), event.message)));
        }
    });
}
