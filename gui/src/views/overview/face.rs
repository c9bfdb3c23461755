//! The face of an instance that does not serve: what is wrong with it, what that means, and what to do.

use egui::{Color32, RichText, Ui};
use hostler_bus::daemon::InstanceState;

use crate::bus::{Action, Order};
use crate::state::{State, Tab};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::shown::Shown;
use crate::widgets::{button, card, markdown, text};

/// What the face offers.
#[derive(Clone, Debug)]
enum Offer {
    /// Do something to the instance.
    Act(Icon, &'static str, Action),
    /// Go to a view.
    Go(Icon, &'static str, Tab),
}

/// The face of a state.
#[derive(Debug)]
struct Face {
    title: &'static str,
    words: String,
    offers: Vec<Offer>,
}

/// Draws it where the instance does not serve; nothing where it does.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, state: &mut State, orders: &mut Vec<Order>) {
    let Some(face) = face(shown) else { return };
    let tokens = shown.tokens;
    let overview = &shown.instance.overview;
    let color = tokens.state(overview.state);
    card::frame(tokens).fill(blend(tokens, color)).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = Size::PAD;
            ui.label(RichText::new(icon::text(icon::state(overview.state))).size(26.0).color(color));
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = Size::TIGHT;
                ui.label(text::title(face.title));
                if let Some(problem) = problem(shown) {
                    let words = markdown::layout(tokens, &text::sentence(problem), Size::BODY, tokens.text);
                    ui.add(egui::Label::new(words).wrap());
                }
                ui.label(text::muted(tokens, &face.words));
                if !face.offers.is_empty() {
                    ui.add_space(Size::TIGHT);
                    ui.horizontal(|ui| offers(ui, shown, &face.offers, state, orders));
                }
            });
        });
    });
}

/// The reason of one that has failed or has no worker. Of others the header says what is the matter.
fn problem(shown: Shown<'_>) -> Option<&str> {
    let is_bad = matches!(shown.instance.state(), InstanceState::Failed | InstanceState::Broken);
    shown.instance.untold_problem(shown.now).filter(|_| is_bad)
}

fn offers(ui: &mut Ui, shown: Shown<'_>, offers: &[Offer], state: &mut State, orders: &mut Vec<Order>) {
    for (index, offer) in offers.iter().enumerate() {
        match offer {
            Offer::Act(icon, words, action) => {
                ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
                    let response = match index {
                        0 => button::primary(ui, shown.tokens, Some(*icon), words),
                        _ => button::plain(ui, *icon, words),
                    };
                    if response.clicked() {
                        orders.push(shown.act(action.clone()));
                    }
                });
            }
            Offer::Go(icon, words, tab) => {
                if button::plain(ui, *icon, words).clicked() {
                    state.tab = *tab;
                }
            }
        }
    }
}

/// A background that hints at a colour.
fn blend(tokens: &Tokens, color: Color32) -> Color32 {
    tokens.raised.lerp_to_gamma(color, 0.06)
}

fn face(shown: Shown<'_>) -> Option<Face> {
    let overview = &shown.instance.overview;
    let listens = match overview.binds.as_slice() {
        [] => "Its socket".to_owned(),
        binds => format!("Its socket at {}", binds.join(", ")),
    };
    let log = Offer::Go(Icon::ScrollText, "Show the log", Tab::Logs);
    let settings = Offer::Go(Icon::Settings2, "Open its settings", Tab::Settings);
    let start = |words| Offer::Act(Icon::Play, words, Action::Start);
    let (title, words, offers) = match overview.state {
        InstanceState::Serving | InstanceState::Reloading => return silent(shown),
        InstanceState::Asleep => (
            "Asleep",
            format!("{listens} listens and nothing else runs. The next request starts it; nobody is refused."),
            vec![Offer::Act(Icon::Sunrise, "Wake it now", Action::Wake), log],
        ),
        InstanceState::Stopped => (
            "Stopped",
            "Neither its socket nor its service is active: requests to it are refused.".to_owned(),
            vec![start("Start it"), log],
        ),
        InstanceState::Configured => (
            "Never started",
            "There is a settings file and nothing else. Start it, or look through its settings first.".to_owned(),
            vec![start("Start it"), settings],
        ),
        InstanceState::Starting => (
            "Starting",
            service_says(shown).unwrap_or_else(|| "Its application is being imported.".to_owned()),
            vec![log],
        ),
        InstanceState::Stopping => (
            "Stopping",
            service_says(shown).unwrap_or_else(|| "It finishes the requests that it runs.".to_owned()),
            vec![log],
        ),
        InstanceState::Failed => (
            "Failed",
            "systemd does not start it any more. The log says why; when that is mended, start it again.".to_owned(),
            vec![start("Start it again"), log],
        ),
        InstanceState::Broken => (
            "Broken",
            "It runs and has no worker to answer with: requests are answered with 503. Mend what is wrong, then reload \
             it."
                .to_owned(),
            vec![Offer::Act(Icon::RefreshCw, "Reload it", Action::Reload), log, settings],
        ),
        InstanceState::Unknown => (
            "Unknown",
            "hostlerd says something that this version does not know; a newer Hostler Manager does.".to_owned(),
            vec![log],
        ),
    };
    Some(Face { title, words, offers })
}

/// The face of one that serves and says nothing of itself.
fn silent(shown: Shown<'_>) -> Option<Face> {
    if let Some(failure) = shown.instance.detail.failure() {
        let former = if shown.instance.detail.value().is_some() { " What is shown is as it was before." } else { "" };
        let words = format!("{}.{former}", failure.message.trim_end_matches('.'));
        return Some(Face { title: "Its figures do not come", words, offers: Vec::new() });
    }
    let detail = shown.instance.detail.value()?;
    if detail.instance.is_some() {
        return None;
    }
    let words = match detail.silent_because.as_str() {
        "" => "It did not say why.".to_owned(),
        why => format!("{}.", why.trim_end_matches('.')),
    };
    let log = Offer::Go(Icon::ScrollText, "Show the log", Tab::Logs);
    Some(Face { title: "It serves, and does not answer questions", words, offers: vec![log] })
}

fn service_says(shown: Shown<'_>) -> Option<String> {
    let service = shown.instance.detail.value()?.service.as_ref()?;
    (!service.status_text.is_empty()).then(|| service.status_text.clone())
}
