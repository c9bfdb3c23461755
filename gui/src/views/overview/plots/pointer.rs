//! What a person does with a plot: by the pointer, which clicks and draws spans, or by the keys while the plot has the
//! focus.

use egui::{EventFilter, Key, Pos2, Rect, Response, Ui};

use super::chart::Scene;
use crate::views::overview::track::Track;
use crate::views::overview::zoom::Input;

/// The moment at a place.
pub(super) fn moment(scene: Scene<'_>, frame: Rect, place: Pos2) -> f64 {
    scene.span.at(f64::from((place.x - frame.left()) / frame.width()))
}

/// What the person does with a plot whose own rectangle is `frame`; none if nothing.
pub(super) fn take(ui: &Ui, response: &Response, frame: Rect, track: &Track, scene: Scene<'_>) -> Option<Input> {
    if response.has_focus()
        && let Some(input) = keys(ui, response, track, scene)
    {
        return Some(input);
    }
    if response.drag_started() {
        let pressed = ui.input(|input| input.pointer.press_origin())?;
        return Some(Input::Begins(moment(scene, frame, pressed)));
    }
    if response.drag_stopped() {
        return Some(Input::Drops);
    }
    if response.dragged() {
        return Some(Input::Draws(moment(scene, frame, response.interact_pointer_pos()?)));
    }
    if response.double_clicked() {
        return Some(Input::Resets);
    }
    let Some(pointer) = response.hover_pos().filter(|pointer| frame.contains(*pointer)) else {
        // By a screen reader, which has no pointer.
        let latest = || track.samples().next_back().map_or(scene.span.last, |sample| sample.at_us as f64 / 1e6);
        return response.clicked().then(|| Input::Keeps(scene.kept.unwrap_or_else(latest)));
    };
    let moment = moment(scene, frame, pointer);
    Some(if response.clicked() { Input::Keeps(moment) } else { Input::Points(moment) })
}

/// Left and right go from sample to sample, Home and End to the first and the last, Enter to the log.
fn keys(ui: &Ui, response: &Response, track: &Track, scene: Scene<'_>) -> Option<Input> {
    let filter = EventFilter { horizontal_arrows: true, escape: scene.zoomed, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let key = ui.input(|input| {
        let keys = [Key::ArrowLeft, Key::ArrowRight, Key::Home, Key::End, Key::Enter];
        keys.into_iter().find(|key| input.modifiers.is_none() && input.key_pressed(*key))
    })?;
    let times: Vec<f64> = track.samples().map(|sample| sample.at_us as f64 / 1e6).collect();
    let (first, last) = (*times.first()?, *times.last()?);
    let here = scene.kept.unwrap_or(last);
    let after = times.partition_point(|time| *time <= here);
    let before = times.partition_point(|time| *time < here);
    let found = match key {
        Key::ArrowLeft => before.checked_sub(1).map_or(first, |place| times[place]),
        Key::ArrowRight => times.get(after).copied().unwrap_or(last),
        Key::Home => first,
        Key::End => last,
        _ => return scene.kept.map(Input::Opens),
    };
    Some(Input::Keeps(found))
}
