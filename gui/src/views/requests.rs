//! Requests in flight, the oldest first.

use egui::{Color32, RichText, TextStyle, Ui};
use hostler_bus::daemon::InstanceState;
use hostler_bus::{Phase, Request};

use super::Stage;
use super::shown::Shown;
use super::workers::show_stacks;
use crate::bus::Order;
use crate::state::State;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::widgets::table::{Column, Row, Table};
use crate::widgets::{age, button, copy, empty, loaded, text};

const COLUMNS: [Column; 8] = [
    Column::exact("Age", 108.0).right(),
    Column::exact("Phase", 118.0),
    Column::exact("Method", 72.0).from(440.0),
    Column::wide("Target", 96.0),
    Column::exact("Worker", 76.0).from(560.0),
    Column::exact("Request id", 190.0).from(860.0).below(1_120.0),
    Column::exact("Request id", 296.0).from(1_120.0),
    Column::exact("", 76.0).right(),
];

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    stage.with_shown(|shown, state, orders| {
        let again = loaded::show(ui, shown.tokens, "the requests", &shown.instance.requests, |ui, requests| {
            if requests.is_empty() {
                nothing(ui, shown);
            } else {
                filled(ui, shown, requests, state, orders);
            }
        });
        if again {
            orders.push(Order::Refresh(shown.key.clone()));
        }
    });
}

fn filled(ui: &mut Ui, shown: Shown<'_>, requests: &[Request], state: &mut State, orders: &mut Vec<Order>) {
    ui.label(text::muted(shown.tokens, summary(requests)));
    ui.add_space(Size::TIGHT);
    let mut sorted: Vec<&Request> = requests.iter().collect();
    sorted.sort_by_key(|request| std::cmp::Reverse(request.age_us));
    let mut log_of = None;
    let mut stacks_of = None;
    let table = Table::new("Requests in flight", &COLUMNS).row_height(30.0).clicks();
    let outcome = table.show(ui, shown.tokens, sorted.len(), |row| {
        cells(row, shown, sorted[row.index()], &mut log_of, &mut stacks_of);
    });
    if let Some(request) = outcome.row.and_then(|row| sorted.get(row)) {
        log_of = Some(request.id.clone());
    }
    if let Some(id) = log_of {
        super::logs::show_request(state, &id);
    }
    if let Some(place) = stacks_of {
        show_stacks(state, orders, shown, place);
    }
}

/// How many there are, and how many of them wait.
fn summary(requests: &[Request]) -> String {
    let queued = requests.iter().filter(|request| request.phase == Phase::Queued).count();
    let all = requests.len();
    let noun = if all == 1 { "request" } else { "requests" };
    match queued {
        0 => format!("{all} {noun} in flight"),
        1 => format!("{all} {noun} in flight, 1 of them waits for a worker"),
        queued => format!("{all} {noun} in flight, {queued} of them wait for a worker"),
    }
}

fn cells(
    row: &mut Row<'_>,
    shown: Shown<'_>,
    request: &Request,
    log_of: &mut Option<String>,
    stacks_of: &mut Option<u32>,
) {
    let tokens = shown.tokens;
    row.name(&format!("{} {}", request.method, request.target));
    row.cell(|ui| age::show(ui, tokens, request.age_us));
    row.cell(|ui| {
        let (sign, words, color) = phase_signs(tokens, request.phase);
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(RichText::new(icon::text(sign)).color(color));
        ui.label(RichText::new(request.phase.as_str()).color(color)).on_hover_text(words);
    });
    row.text(text::strong(&request.method));
    row.cell(|ui| {
        let target = RichText::new(&request.target).text_style(TextStyle::Monospace);
        ui.add(egui::Label::new(target).truncate().selectable(false));
    });
    row.text(request.worker.map_or_else(|| text::muted(tokens, "–"), |place| text::strong(place.to_string())));
    // Of both columns for it one is shown.
    for _ in 0..2 {
        row.cell(|ui| {
            let id = RichText::new(&request.id).text_style(TextStyle::Monospace).color(tokens.muted);
            ui.spacing_mut().item_spacing.x = Size::TIGHT;
            let room = ui.available_width() - copy::BUTTON - Size::TIGHT;
            ui.scope(|ui| {
                ui.set_max_width(room);
                ui.add(egui::Label::new(id).truncate());
            });
            copy::button(ui, &format!("the request id {}", request.id), &request.id);
        });
    }
    row.cell(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        if button::icon_only(ui, Icon::ScrollText, &format!("Log lines of request {}", request.id)).clicked() {
            *log_of = Some(request.id.clone());
        }
        if let Some(place) = request.worker {
            let name = format!("Python stacks of worker {place}, for request {}", request.id);
            ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
                if button::icon_only(ui, Icon::Layers, &name).clicked() {
                    *stacks_of = Some(place);
                }
            });
        }
    });
}

/// Icon, meaning and colour of how far a request is.
fn phase_signs(tokens: &Tokens, phase: Phase) -> (Icon, &'static str, Color32) {
    match phase {
        Phase::Queued => (Icon::ListOrdered, "It waits for a worker", tokens.caution),
        Phase::Running => (Icon::Zap, "A worker runs it, and nothing of the answer is there", tokens.accent),
        Phase::Answering => (Icon::ArrowUpRight, "The answer has begun", tokens.good),
        Phase::Abandoned => (Icon::Unplug, "Its client is gone, and its worker has not finished", tokens.bad),
        Phase::Unknown => (Icon::CircleQuestionMark, "This version does not know what that is", tokens.muted),
    }
}

fn nothing(ui: &mut Ui, shown: Shown<'_>) {
    let words = match shown.instance.state() {
        InstanceState::Serving | InstanceState::Reloading => {
            "Requests are here while they wait or run. What was answered is in the log."
        }
        InstanceState::Asleep => "It sleeps; the next request starts it and is shown here.",
        _ => "It does not serve at the moment.",
    };
    empty::show(ui, shown.tokens, Icon::Inbox, "Nothing is in flight", words, |_| {});
}

#[cfg(test)]
mod tests {
    use egui::Role;
    use egui_kittest::kittest::Queryable;

    use super::*;
    use crate::bus::Action;
    use crate::model::{Loaded, example};
    use crate::state::Tab;
    use crate::views::trial::{self, DARK};

    #[test]
    fn requests_are_listed_the_oldest_first() {
        for look in trial::looks() {
            let harness = trial::of("shop", look, show, |_| {});
            harness.get_by_label("4 requests in flight");
            let top = |label: &str| harness.get_by_role_and_label(Role::Row, label).rect().top();
            assert!(top("POST /import/suppliers") < top("GET /checkout/status"));
        }
    }

    #[test]
    fn from_a_request_to_its_log_and_its_stacks() {
        let mut harness = trial::of("shop", DARK, show, |_| {});
        let id = example::request_id(4);
        harness.get_by_label(&format!("Log lines of request {id}")).click();
        harness.run();
        assert_eq!(harness.state().state.tab, Tab::Logs);
        harness.get_by_label(&format!("Python stacks of worker 4, for request {id}")).click();
        harness.run();
        assert_eq!(harness.state().state.tab, Tab::Workers);
        assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), Action::Stacks(4))]);
    }

    #[test]
    fn nothing_and_failures_are_said() {
        let with = |requests| trial::of("shop", DARK, show, |trial| trial.instance().requests = requests);
        with(Loaded::Here(Vec::new())).get_by_label("Nothing is in flight");
        with(Loaded::Awaited).get_by_label("Waiting for the requests");
        with(Loaded::Failed(example::refused(), None)).get_by_label("You may not see the requests");
    }

    #[test]
    fn the_summary_counts_those_that_wait() {
        let request = |phase| Request { phase, ..Request::default() };
        assert_eq!(summary(&[request(Phase::Running)]), "1 request in flight");
        let requests = [request(Phase::Running), request(Phase::Queued), request(Phase::Queued)];
        assert_eq!(summary(&requests), "3 requests in flight, 2 of them wait for a worker");
    }
}
