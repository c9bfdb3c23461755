//! The head of the sidebar: the search field, the filter by state, the order.

use egui::{Key, Popup, PopupCloseBehavior, RichText, TextEdit, Ui, Vec2};
use hostler_bus::daemon::InstanceState;

use crate::state::{Sort, State};
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::views::Stage;
use crate::widgets::{button, text, tick};

/// The orders, with their words.
const SORTS: [(Sort, &str); 4] = [
    (Sort::Name, "By name"),
    (Sort::State, "What needs you first"),
    (Sort::Requests, "Most requests first"),
    (Sort::Memory, "Most memory first"),
];

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        search(ui, stage);
        let chosen = stage.state.states.len();
        let name = if chosen == 0 { "Filter by state".to_owned() } else { format!("Filter by state: {chosen} chosen") };
        let filter = button::toggle(ui, tokens, Icon::ListFilter, &name, chosen > 0);
        Popup::menu(&filter).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
            states(ui, tokens, stage.state);
        });
        let order = button::toggle(ui, tokens, Icon::ArrowUpDown, "Sort", stage.state.sort != Sort::Name);
        Popup::menu(&order).show(|ui| {
            for (sort, words) in SORTS {
                if tick::radio(ui, tokens, &mut stage.state.sort, sort, words).clicked() {
                    ui.close();
                }
            }
        });
    });
}

fn search(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let width = ui.available_width() - 60.0;
    let field = TextEdit::singleline(&mut stage.state.search)
        .id_salt("search instances")
        .hint_text("Search instances")
        .prefix(RichText::new(icon::text(Icon::Search)).color(tokens.muted))
        .background_color(tokens.sunken)
        .align(egui::Align2::LEFT_CENTER)
        .desired_width(width)
        .min_size(Vec2::new(width, 28.0));
    let response = ui.add_sized(Vec2::new(width, 28.0), field).accessible_name("Search instances");
    if std::mem::take(&mut stage.state.passing.shell.search) {
        response.request_focus();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape)) {
        stage.state.search.clear();
    }
}

fn states(ui: &mut Ui, tokens: &Tokens, state: &mut State) {
    ui.set_min_width(190.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.label(text::small(tokens, "Show only instances that are"));
    for one in InstanceState::ALL {
        let mut is_chosen = state.states.contains(one);
        let words = RichText::new(format!("{}  {}", icon::text(icon::state(*one)), one.as_str()));
        let response = tick::check(ui, tokens, &mut is_chosen, words.color(tokens.state(*one)), one.as_str());
        if response.changed() {
            state.states.retain(|other| other != one);
            if is_chosen {
                state.states.push(*one);
            }
        }
    }
    ui.separator();
    ui.add_enabled_ui(!state.states.is_empty(), |ui| {
        if button::plain(ui, Icon::X, "Show all states").clicked() {
            state.states.clear();
        }
    });
}
