//! What the instance is: application, Python, addresses, files.

use egui::{RichText, Ui};
use hostler_bus::Status;

use crate::theme::Size;
use crate::views::shown::Shown;
use crate::widgets::{card, copy, facts, figures, text};

/// The room for the button that copies an address.
const COPY: f32 = 30.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>) {
    let tokens = shown.tokens;
    let overview = &shown.instance.overview;
    card::titled(ui, tokens, "Facts", |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        let application = if overview.application.is_empty() { "found by looking" } else { &overview.application };
        facts::code(ui, tokens, "Application", application);
        if !overview.framework.is_empty() {
            facts::text(ui, tokens, "Framework", &overview.framework);
        }
        facts::text(ui, tokens, "Python", &python(shown));
        if let Some(status) = shown.instance.status() {
            running(ui, shown, status);
        }
        binds(ui, shown, &overview.binds);
        let file = shown.instance.status().and_then(|status| status.configured.settings_file.as_deref());
        match file {
            Some(file) => facts::code(ui, tokens, "Settings", file),
            None if overview.has_settings => facts::text(ui, tokens, "Settings", "a file of its own"),
            None => facts::text(ui, tokens, "Settings", "none: as it was started by hand"),
        }
        facts::text(ui, tokens, "Starts", starts(&overview.enabled, overview.managed));
    });
}

fn running(ui: &mut Ui, shown: Shown<'_>, status: &Status) {
    let tokens = shown.tokens;
    let (configured, observed) = (&status.configured, &status.observed);
    let threads = match configured.threads {
        1 => "one thread a worker".to_owned(),
        threads => format!("{threads} threads a worker"),
    };
    facts::text(ui, tokens, "Interface", &format!("{} · {threads}", configured.interface.to_uppercase()));
    let workers = match observed.workers_reason.as_str() {
        "" => format!("{} wanted", observed.workers_wanted),
        reason => format!("{} wanted: {reason}", observed.workers_wanted),
    };
    facts::text(ui, tokens, "Workers", &workers);
    if observed.generation > 0 {
        facts::text(ui, tokens, "Generation", &generation(shown, status));
    }
    let since = figures::date_time(observed.since_us);
    facts::text(
        ui,
        tokens,
        "Since",
        &format!("{since} · {}", figures::age(shown.now.saturating_sub(observed.since_us))),
    );
    facts::text(ui, tokens, "Process", &format!("pid {} · Hostler {}", observed.pid, observed.version));
    if !observed.restarts.is_empty() {
        let causes = observed.restarts.iter().map(|(cause, count)| format!("{count} × {}", cause.replace('_', " ")));
        facts::text(ui, tokens, "Replaced", &causes.collect::<Vec<_>>().join(" · "));
    }
    if let Some(error) = &observed.last_error {
        facts::row(ui, tokens, "Last error", |ui| {
            if !error.message.is_empty() {
                ui.add(egui::Label::new(RichText::new(&error.message).color(tokens.bad)).wrap());
            }
            let ago = figures::ago(shown.now, error.at_us);
            ui.label(text::small(tokens, format!("{} · {ago}", figures::date_time(error.at_us))));
        });
    }
}

/// Its Python, of the workers that run, or as it was when it last ran.
fn python(shown: Shown<'_>) -> String {
    let running = shown.instance.status().map(|status| &status.observed);
    match running {
        Some(observed) if !observed.python.is_empty() => match &observed.event_loop {
            Some(event_loop) => format!("{} · {event_loop}", observed.python),
            None => observed.python.clone(),
        },
        _ if shown.instance.overview.python.is_empty() => "not known before a worker was ready".to_owned(),
        _ => shown.instance.overview.python.clone(),
    }
}

fn generation(shown: Shown<'_>, status: &Status) -> String {
    let observed = &status.observed;
    match &observed.last_reload {
        Some(reload) if reload.succeeded => {
            let ago = figures::ago(shown.now, reload.at_us);
            format!("{} · reloaded {ago} in {:.1} s", observed.generation, reload.seconds)
        }
        Some(reload) => {
            let ago = figures::ago(shown.now, reload.at_us);
            format!("{} · generation {} failed {ago}", observed.generation, reload.generation)
        }
        None => observed.generation.to_string(),
    }
}

fn binds(ui: &mut Ui, shown: Shown<'_>, binds: &[String]) {
    facts::row(ui, shown.tokens, "Listens on", |ui| {
        ui.spacing_mut().interact_size.y = 16.0;
        if binds.is_empty() {
            ui.label(text::muted(shown.tokens, "nothing"));
        }
        for bind in binds {
            if bind.starts_with("http") {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = Size::TIGHT;
                    ui.scope(|ui| {
                        ui.set_max_width(ui.available_width() - COPY);
                        ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
                        ui.hyperlink(bind).on_hover_text(bind);
                    });
                    copy::button(ui, bind, bind);
                });
            } else {
                copy::text(ui, bind);
            }
        }
    });
}

fn starts(enabled: &str, managed: bool) -> &'static str {
    match (managed, enabled) {
        (false, _) => "by hand; systemd does not manage it",
        (true, "enabled") => "at boot",
        (true, "socket") => "with the first request",
        (true, _) => "only when it is told to",
    }
}
