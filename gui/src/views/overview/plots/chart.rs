//! One plot: its title and legend, its lines and areas, the events, and the moment that is looked at.

use egui::{Align2, FontId, Layout, Pos2, Rect, Response, RichText, Role, Ui, Vec2};
use egui_plot::{AxisHints, FilledArea, Line, LineStyle, Plot, PlotPoint, PlotTransform, PlotUi, VLine};
use hostler_bus::{Absence, Gap};
use jiff::tz::TimeZone;

use super::{pointer, tooltip};
use crate::model::{Happening, Sample};
use crate::theme::{Size, Tokens, icon};
use crate::views::overview::scale::{Quantity, Scale, time_mark, time_marks};
use crate::views::overview::track::Track;
use crate::views::overview::zoom::{Input, Span};
use crate::views::shown::Shown;
use crate::widgets::{card, happening, text};

/// How high the plot itself is.
const HEIGHT: f32 = 132.0;
/// How wide the labels of its values are, the same for all so that the times are below each other.
const LABELS: f32 = 54.0;
/// At the right, for the half of the last time's label.
const MARGIN: f32 = 12.0;
/// How far the icons of two events are apart at least, in points.
const APART: f32 = 15.0;
/// How near the pointer has to be to an event, in points.
const NEAR: f32 = 7.0;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As an area upon those before.
    Stacked,
    /// As a line with what is below it filled.
    Area,
    /// As a line.
    Line,
    /// As a dashed line.
    Dashed,
}

/// One line of a plot.
#[derive(Clone, Copy)]
pub(super) struct Series {
    /// What it is called.
    pub(super) name: &'static str,
    /// Which of the tokens' colours it has.
    pub(super) color: usize,
    /// How it is drawn.
    pub(super) form: Form,
    /// Its value; none where there is none.
    pub(super) value: fn(&Sample) -> Option<f64>,
}

/// A plot.
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: &'static str,
    /// In which unit.
    pub(super) quantity: Quantity,
    /// Its lines, the lowest first.
    pub(super) series: Vec<Series>,
}

/// What all plots show alike.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The span of time.
    pub(super) span: Span,
    /// The same in words: `over the last 5 minutes`.
    pub(super) over: &'a str,
    /// Whose times are written.
    pub(super) zone: &'a TimeZone,
    /// The moment whose values are shown, whichever plot the pointer is over.
    pub(super) cursor: Option<f64>,
    /// The moment that is kept on screen.
    pub(super) kept: Option<f64>,
    /// The span that is being drawn.
    pub(super) drawn: Option<Span>,
    /// Whether Escape has a meaning here.
    pub(super) zoomed: bool,
}

impl Scene<'_> {
    /// Where a moment is across the plot's own rectangle; none outside of it.
    pub(super) fn place(&self, frame: Rect, moment: f64) -> Option<f32> {
        self.span.part(moment).map(|part| frame.left() + frame.width() * part as f32)
    }
}

impl Chart {
    /// Draws it, and answers with what the person does with it.
    pub(super) fn show(&self, ui: &mut Ui, shown: Shown<'_>, track: &Track, scene: Scene<'_>) -> Option<Input> {
        let tokens = shown.tokens;
        let drawing = card::frame(tokens).show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 2.0;
            let sample = match scene.cursor {
                Some(cursor) => track.at(cursor),
                None => track.samples().next_back(),
            };
            self.legend(ui, tokens, sample);
            ui.add_space(Size::GAP);
            let (response, transform) = self.plot(ui, shown, track, scene);
            let frame = *transform.frame();
            self.describe(ui, &response, track, scene);
            self.marks(ui, shown, scene, frame);
            if scene.cursor.is_some() {
                self.dots(ui, tokens, sample, &transform);
            }
            if let Some(drawn) = scene.drawn {
                let edge = |moment: f64| {
                    frame.left() + frame.width() * ((moment - scene.span.first) / scene.span.length()) as f32
                };
                let range = edge(drawn.first).max(frame.left())..=edge(drawn.last).min(frame.right());
                let chosen = Rect::from_x_y_ranges(range, frame.y_range());
                ui.painter().rect_filled(chosen, 0.0, tokens.accent.gamma_multiply(0.22));
            }
            if self.series.iter().all(|series| track.lines(series.value).is_empty()) {
                let is_idle = self.quantity == Quantity::Time && !track.is_empty();
                let what = if is_idle { "No request ended" } else { "Nothing was measured" };
                let words = format!("{what} {}", scene.over);
                let galley = ui.painter().layout_no_wrap(words, FontId::proportional(Size::SMALL), tokens.muted);
                let place = Align2::CENTER_CENTER.anchor_size(frame.center(), galley.size());
                // Not struck out by a line of the grid.
                ui.painter().rect_filled(place.expand2(Vec2::new(Size::GAP, 2.0)), 0.0, tokens.raised);
                ui.painter().galley(place.min, galley, tokens.muted);
            }
            if scene.drawn.is_none()
                && let Some(pointer) = response.hover_pos().filter(|pointer| frame.contains(*pointer))
            {
                let moment = pointer::moment(scene, frame, pointer);
                let near = |happening: &&Happening| {
                    scene.place(frame, happening.at_us as f64 / 1e6).is_some_and(|x| (x - pointer.x).abs() < NEAR)
                };
                let events: Vec<&Happening> = shown.instance.happenings.iter().filter(near).collect();
                let within = |gap: &&Gap| (gap.from_us as f64..gap.to_us as f64).contains(&(moment * 1e6));
                let gap = shown.instance.samples.gaps().iter().find(within);
                let sample = track.at(moment).ok_or(gap.map_or(NOTHING, |gap| absent(gap.why)));
                tooltip::show(ui, tokens, &response, self, moment, sample, &events);
            }
            pointer::take(ui, &response, frame, track, scene)
        });
        drawing.inner
    }

    /// The icons of the events.
    fn marks(&self, ui: &Ui, shown: Shown<'_>, scene: Scene<'_>, frame: Rect) {
        let mut drawn = f32::NEG_INFINITY;
        for happening in &shown.instance.happenings {
            // Of several that are at nearly the same moment, the lines are enough.
            let place = scene.place(frame, happening.at_us as f64 / 1e6);
            let Some(x) = place.filter(|x| x - drawn >= APART) else { continue };
            drawn = x;
            mark(ui, shown.tokens, happening, Pos2::new(x, frame.top() + 7.0));
        }
    }

    /// The points of its lines at the moment that is looked at.
    fn dots(&self, ui: &Ui, tokens: &Tokens, sample: Option<&Sample>, transform: &PlotTransform) {
        let Some(sample) = sample else { return };
        let frame = transform.frame();
        let mut below = 0.0;
        for series in &self.series {
            let Some(value) = (series.value)(sample) else { continue };
            let height = if series.form == Form::Stacked {
                below += value;
                below
            } else {
                value
            };
            let place = transform.position_from_point(&PlotPoint::new(sample.at_us as f64 / 1e6, height));
            if value > 0.0 && frame.expand(1.0).contains(place) {
                ui.painter().circle(place, 3.0, tokens.series[series.color], (1.5, tokens.raised));
            }
        }
    }

    fn legend(&self, ui: &mut Ui, tokens: &Tokens, sample: Option<&Sample>) {
        ui.spacing_mut().interact_size.y = 17.0;
        ui.horizontal(|ui| {
            ui.label(text::strong(self.title));
            if self.series.iter().all(|series| series.form == Form::Stacked) {
                let total = sample.map_or_else(|| "–".to_owned(), |sample| self.quantity.text(sample.rate()));
                ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| ui.label(text::strong(total)));
            }
        });
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = Size::TIGHT;
            // The order in which one looks: what is on top first.
            let reversed = self.series.iter().rev().filter(|series| series.form == Form::Stacked);
            let others = self.series.iter().filter(|series| series.form != Form::Stacked);
            for series in reversed.chain(others) {
                swatch(ui, tokens, series);
                ui.label(text::small(tokens, series.name));
                let value = sample.and_then(series.value);
                let value = value.map_or_else(|| "–".to_owned(), |value| self.quantity.text(value));
                // The sum above has the unit.
                let value = if series.form == Form::Stacked { value.trim_end_matches(" /s") } else { &value };
                ui.label(RichText::new(value).size(Size::SMALL));
                ui.add_space(Size::TIGHT);
            }
        });
    }

    fn plot(&self, ui: &mut Ui, shown: Shown<'_>, track: &Track, scene: Scene<'_>) -> (Response, PlotTransform) {
        let tokens = shown.tokens;
        let happenings = &shown.instance.happenings;
        let scale = Scale::new(self.quantity, self.most(track));
        let quantity = self.quantity;
        let zone = scene.zone.clone();
        let font = FontId::proportional(Size::SMALL - 1.0);
        let times = AxisHints::new_x()
            .formatter(move |mark, _| time_mark(mark.value, mark.step_size, &zone))
            .label_spacing(30.0..=40.0)
            .tick_label_color(tokens.muted)
            .tick_label_font(font.clone());
        let values = AxisHints::new_y()
            .formatter(move |mark, _| quantity.mark(mark.value))
            .min_thickness(LABELS)
            .label_spacing(10.0..=16.0)
            .tick_label_color(tokens.muted)
            .tick_label_font(font);
        let marks = time_marks(scene.span, scene.zone);
        let plot = Plot::new(self.title)
            .height(HEIGHT)
            .width(ui.available_width() - MARGIN)
            .custom_x_axes(vec![times])
            .custom_y_axes(vec![values])
            .x_grid_spacer(move |_| marks.clone())
            .y_grid_spacer(move |_| scale.marks())
            .show_grid([false, true])
            .grid_color(tokens.line)
            .grid_fade(0.0)
            .show_background(false)
            .show_x(false)
            .show_y(false)
            .cursor_color(egui::Color32::TRANSPARENT)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_double_click_reset(false)
            .sense(egui::Sense::click_and_drag())
            .set_margin_fraction(Vec2::ZERO);
        // Not in the card's own layout, which would stretch it over the margin.
        let draw = |plot: &mut PlotUi<'_>| {
            plot.set_plot_bounds_x(scene.span.first..=scene.span.last);
            plot.set_plot_bounds_y(0.0..=scale.top);
            for gap in shown.instance.samples.gaps() {
                let times = [gap.from_us, gap.to_us].map(|at_us| at_us as f64 / 1e6);
                let area = FilledArea::new("", &times, &[0.0; 2], &[scale.top; 2]);
                plot.add(area.fill_color(tokens.rest.gamma_multiply(0.15)).allow_hover(false));
            }
            self.draw_stack(plot, tokens, track);
            for series in self.series.iter().filter(|series| series.form != Form::Stacked) {
                self.draw_line(plot, tokens, track, series);
            }
            for happening in happenings {
                let color = happening::color(tokens, happening.kind).gamma_multiply(0.8);
                let line = VLine::new("", happening.at_us as f64 / 1e6).color(color).width(1.0);
                plot.vline(line.style(LineStyle::dashed_dense()).allow_hover(false));
            }
            if let Some(kept) = scene.kept {
                plot.vline(VLine::new("", kept).color(tokens.accent).width(1.5).allow_hover(false));
            }
            if let Some(cursor) = scene.cursor.filter(|cursor| scene.kept != Some(*cursor)) {
                plot.vline(VLine::new("", cursor).color(tokens.muted).width(1.0).allow_hover(false));
            }
        };
        let drawn = ui.vertical(|ui| plot.show(ui, draw)).inner;
        (drawn.response, drawn.transform)
    }

    fn draw_stack(&self, plot: &mut PlotUi<'_>, tokens: &Tokens, track: &Track) {
        let layers: Vec<&Series> = self.series.iter().filter(|series| series.form == Form::Stacked).collect();
        if layers.is_empty() {
            return;
        }
        for run in track.runs() {
            let times: Vec<f64> = run.iter().map(|sample| sample.at_us as f64 / 1e6).collect();
            let mut below = vec![0.0; run.len()];
            for series in &layers {
                let above: Vec<f64> = run
                    .iter()
                    .zip(&below)
                    .map(|(sample, below)| below + (series.value)(sample).unwrap_or_default())
                    .collect();
                let color = tokens.series[series.color];
                let area = FilledArea::new(series.name, &times, &below, &above).fill_color(color.gamma_multiply(0.35));
                plot.add(area.allow_hover(false));
                if above != below {
                    let points: Vec<[f64; 2]> = times.iter().zip(&above).map(|(time, value)| [*time, *value]).collect();
                    plot.line(
                        Line::new(series.name, points).color(color).width(1.25).allow_band(false).allow_hover(false),
                    );
                }
                below = above;
            }
        }
    }

    fn draw_line(&self, plot: &mut PlotUi<'_>, tokens: &Tokens, track: &Track, series: &Series) {
        let color = tokens.series[series.color];
        for points in track.lines(series.value) {
            let points = if self.quantity == Quantity::Count { steps(&points) } else { points };
            if series.form == Form::Area && points.len() > 1 {
                let (times, values): (Vec<f64>, Vec<f64>) = points.iter().map(|[time, value]| (*time, *value)).unzip();
                let ground = vec![0.0; times.len()];
                let area = FilledArea::new(series.name, &times, &ground, &values);
                plot.add(area.fill_color(color.gamma_multiply(0.18)).allow_hover(false));
            }
            let style = if series.form == Form::Dashed { LineStyle::dashed_dense() } else { LineStyle::Solid };
            plot.line(
                Line::new(series.name, points)
                    .color(color)
                    .width(1.5)
                    .style(style)
                    .allow_band(false)
                    .allow_hover(false),
            );
        }
    }

    /// The greatest value that is drawn.
    fn most(&self, track: &Track) -> f64 {
        track.most(|sample| {
            let values = self.series.iter().map(|series| ((series.value)(sample).unwrap_or_default(), series.form));
            let stacked: f64 = values.clone().filter(|(_, form)| *form == Form::Stacked).map(|(value, _)| value).sum();
            values.map(|(value, _)| value).fold(stacked, f64::max)
        })
    }

    /// What a screen reader says of it.
    fn describe(&self, ui: &Ui, response: &Response, track: &Track, scene: Scene<'_>) {
        ui.ctx().accesskit_node_builder(response.id, |node| {
            let values = self.series.iter().filter_map(|series| {
                let value = track.samples().next_back().and_then(series.value)?;
                Some(format!("{} {}", series.name, self.quantity.text(value)))
            });
            let values: Vec<String> = values.collect();
            node.set_role(Role::Figure);
            node.set_label(format!("{} {}", self.title, scene.over));
            node.set_description(match values.as_slice() {
                [] => "nothing was measured".to_owned(),
                values => format!("now {}; at most {}", values.join(", "), self.quantity.text(self.most(track))),
            });
        });
    }
}

/// What is said of a moment without a sample, where nobody knows more.
const NOTHING: &str = "nothing was measured here";

/// What is said of a moment in which the server did not run.
fn absent(why: Absence) -> &'static str {
    match why {
        Absence::Asleep => "asleep: nobody was connected, and no process ran",
        Absence::Restarted => "it was being restarted",
        Absence::Crashed => "it had crashed or was killed, and was being started again",
        Absence::Unknown => NOTHING,
    }
}

/// The icon of an event, at the top of its line.
fn mark(ui: &Ui, tokens: &Tokens, event: &Happening, place: Pos2) {
    let glyph = icon::text(happening::icon(event.kind));
    ui.painter().circle_filled(place, 8.0, tokens.raised);
    let color = happening::color(tokens, event.kind);
    ui.painter().text(place, Align2::CENTER_CENTER, glyph, FontId::proportional(12.0), color);
}

/// A line of whole numbers: level until the next one, with a point only where it changes.
fn steps(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut line: Vec<[f64; 2]> = Vec::new();
    for [time, value] in points.iter().copied() {
        match line.last() {
            Some([_, last]) if *last == value => {}
            Some([_, last]) => line.extend([[time, *last], [time, value]]),
            None => line.push([time, value]),
        }
    }
    if let (Some(end), Some(last)) = (points.last(), line.last())
        && end[0] > last[0]
    {
        line.push(*end);
    }
    line
}

/// A small piece of the line as it is drawn.
pub(super) fn swatch(ui: &mut Ui, tokens: &Tokens, series: &Series) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(10.0, 10.0), egui::Sense::hover());
    let color = tokens.series[series.color];
    let middle = rect.center().y;
    match series.form {
        Form::Stacked => ui.painter().rect_filled(rect.shrink(0.5), 2, color),
        Form::Dashed => {
            let _ = ui.painter().hline(rect.left()..=rect.left() + 4.0, middle, (2.0, color));
            ui.painter().hline(rect.right() - 4.0..=rect.right(), middle, (2.0, color))
        }
        Form::Area | Form::Line => ui.painter().hline(rect.x_range(), middle, (2.0, color)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_go_in_steps() {
        let points = [[1.0, 2.0], [2.0, 2.0], [3.0, 1.0], [4.0, 1.0]];
        assert_eq!(steps(&points), [[1.0, 2.0], [3.0, 2.0], [3.0, 1.0], [4.0, 1.0]]);
        assert_eq!(steps(&points[..1]), [[1.0, 2.0]]);
        assert!(steps(&[]).is_empty());
    }
}
