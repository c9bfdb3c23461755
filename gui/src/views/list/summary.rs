//! How many instances are in each state; a click shows those alone.

use egui::{Button, Color32, CornerRadius, RichText, Role, Stroke, Ui, WidgetInfo};
use hostler_bus::daemon::InstanceState;

use crate::theme::icon;
use crate::views::{Stage, filter};

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let chosen = stage.state.machine.clone();
    let machines =
        stage.world.machines.iter().filter(|machine| chosen.as_ref().is_none_or(|one| *one == machine.reach));
    let mut counts: Vec<(InstanceState, usize)> = Vec::new();
    for state in machines.flat_map(|machine| machine.instances.values()).map(|instance| instance.state()) {
        match counts.iter_mut().find(|(other, _)| *other == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    counts.sort_by_key(|(state, _)| filter::urgency(*state));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(6.0, 6.0);
        for (state, count) in counts {
            let is_on = stage.state.states.contains(&state);
            let color = tokens.state(state);
            let text = format!("{}  {count} {state}", icon::text(icon::state(state)));
            let fill = if is_on { tokens.selected } else { Color32::TRANSPARENT };
            let line = if is_on { tokens.accent } else { tokens.line };
            let face = Button::new(RichText::new(text).color(color).size(12.5))
                .fill(fill)
                .stroke(Stroke::new(1.0, line))
                .corner_radius(CornerRadius::same(13));
            let response = ui.add(face);
            let name = format!("{count} {state}");
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_on, &name));
            let tip = if is_on { "Show all states" } else { "Show only these" };
            if response.on_hover_text(tip).clicked() {
                if is_on {
                    stage.state.states.retain(|other| *other != state);
                } else {
                    stage.state.states.push(state);
                }
            }
        }
    });
}
