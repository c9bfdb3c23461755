//! What can be done to an instance as it is: the main thing first, the rest in a menu. While something is done, that
//! stands in the place of the buttons.

use egui::{Label, Popup, ProgressBar, RichText, Role, Ui, WidgetInfo};
use hostler_bus::daemon::InstanceState;

use crate::commands::{self, Command, Scene};
use crate::model::{InstanceKey, Running};
use crate::state::Tab;
use crate::theme::Tokens;
use crate::theme::icon::Icon;
use crate::views::shell::Pane;
use crate::views::{Stage, menu};
use crate::widgets::{button, figures, spinner, text};

/// The width of a button beside the main one.
const BESIDE: f32 = 98.0;
/// The width of the main button and of the menu.
const LEAST: f32 = 130.0;

/// Draws them from right to left in at most a width: the menu holds what there is no room for.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, room: f32) {
    let tokens = stage.tokens;
    let more = button::icon_only(ui, Icon::EllipsisVertical, "More");
    Popup::menu(&more).show(|ui| menu::about(ui, stage, key));
    let Some(instance) = stage.world.instance(key) else { return };
    if let Some(running) = instance.running.clone() {
        if progress(ui, tokens, &running, stage.now) {
            commands::run(Command::Cancel, Some(key), ui.ctx(), stage);
        }
        return;
    }
    let Offer { main, beside: others } = offer(instance.state());
    let moving = moving(instance.state());
    let workers = instance.status().map(|status| (status.observed.workers_ready, status.observed.workers_wanted));
    // The overview of one that does not serve offers it large, below: one main button is enough.
    let is_offered_below = stage.state.tab == Tab::Overview && instance.state() != InstanceState::Serving;
    let takes_keys = stage.state.passing.shell.takes_keys(Pane::Actions);
    let mut chosen = None;
    let beside = ((room - LEAST) / BESIDE).max(0.0) as usize;
    let spare = room - LEAST - BESIDE * others.len() as f32;
    // From right to left; what there is no room for is in the menu.
    let shown = others.iter().take(beside).rev().chain(main.iter());
    let first = main.or_else(|| others.first().copied());
    for command in shown {
        let scene = Scene::about(stage.world, stage.state, key);
        let availability = command.availability(&scene);
        let words = command.words();
        let response = ui
            .add_enabled_ui(availability.is_available(), |ui| {
                if main == Some(*command) && !is_offered_below {
                    button::primary(ui, tokens, Some(words.icon), words.title)
                } else {
                    button::plain(ui, words.icon, words.title)
                }
            })
            .inner;
        if takes_keys && first == Some(*command) {
            response.request_focus();
        }
        let keys = commands::shown_shortcut(ui.ctx(), *command);
        let help = keys.map_or_else(|| words.help.to_owned(), |keys| format!("{}  ({keys})", words.help));
        if response.on_hover_text(help).on_disabled_hover_text(availability.reason()).clicked() {
            chosen = Some(*command);
        }
    }
    if let Some(words) = moving {
        ui.label(RichText::new(words).color(tokens.moving));
        spinner::show(ui, 15.0, tokens.moving);
    }
    if let Some((ready, wanted)) = workers
        && Command::Scale.availability(&Scene::about(stage.world, stage.state, key)).is_available()
        && spare > 90.0
    {
        let words = if ready == wanted { format!("{wanted} workers") } else { format!("{ready} of {wanted} workers") };
        let response = button::plain(ui, Icon::Scaling, &words);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Set workers…"));
        if response.on_hover_text(Command::Scale.words().help).clicked() {
            chosen = Some(Command::Scale);
        }
    }
    if let Some(command) = chosen {
        commands::run(command, Some(key), ui.ctx(), stage);
    }
}

/// What is offered in a state.
struct Offer {
    /// What one would do next; none where there is nothing but to wait, or to end it.
    main: Option<Command>,
    /// What one may do as well.
    beside: &'static [Command],
}

fn offer(state: InstanceState) -> Offer {
    use Command::{Reload, Restart, Start, Stop, Wake};
    const LOGS: Command = Command::Show(Tab::Logs);
    let (main, beside): (Option<Command>, &'static [Command]) = match state {
        InstanceState::Serving | InstanceState::Broken => (Some(Reload), &[Restart, Stop]),
        InstanceState::Asleep => (Some(Wake), &[Stop]),
        InstanceState::Stopped | InstanceState::Configured => (Some(Start), &[]),
        InstanceState::Failed => (Some(Start), &[LOGS]),
        // Whoever asked for it knows why; one may ask anew, and what loads is thrown away for that.
        InstanceState::Reloading => (None, &[Reload, Stop]),
        InstanceState::Starting => (None, &[LOGS, Stop]),
        InstanceState::Stopping => (None, &[LOGS]),
        InstanceState::Unknown => (None, &[Stop]),
    };
    Offer { main, beside }
}

/// What goes on by itself, or because somebody else asked for it.
fn moving(state: InstanceState) -> Option<&'static str> {
    Some(match state {
        InstanceState::Reloading => "Reloading…",
        InstanceState::Starting => "Starting…",
        InstanceState::Stopping => "Stopping…",
        _ => return None,
    })
}

/// What is being done, how far it is, and for how long; answers whether it is to be cancelled. From right to left.
fn progress(ui: &mut Ui, tokens: &Tokens, running: &Running, now: u64) -> bool {
    let cancels = button::plain(ui, Icon::X, "Cancel").on_hover_text(Command::Cancel.words().help).clicked();
    let (color, words) = if running.authorizing {
        (tokens.caution, "Waiting for authorisation…".to_owned())
    } else {
        (tokens.moving, running.action.doing().to_owned())
    };
    let fraction = running.progress.fraction as f32;
    if fraction > 0.0 && !running.authorizing {
        let bar = ProgressBar::new(fraction.clamp(0.0, 1.0)).desired_width(90.0).desired_height(6.0).fill(color);
        let response = ui.add(bar);
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, running.action.doing());
            info.value = Some(f64::from(fraction));
            info
        });
    }
    let seconds = now.saturating_sub(running.since_us);
    if seconds >= 2_000_000 {
        ui.label(text::small(tokens, figures::age(seconds)));
    }
    let response = ui.add(Label::new(RichText::new(words).color(color)));
    if !running.progress.stage.is_empty() {
        response.on_hover_text(&running.progress.stage);
    }
    spinner::show(ui, 15.0, color);
    cancels
}
