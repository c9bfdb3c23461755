//! The service and the socket, as systemd has them.

use egui::{Color32, RichText, TextStyle, Ui};
use hostler_bus::daemon::Detail;

use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::theme::{Tokens, icon};
use crate::views::shown::Shown;
use crate::widgets::{badge, card, copy, facts, figures, text};

/// Draws the service; its content is at least so high.
pub(super) fn service(ui: &mut Ui, shown: Shown<'_>, detail: &Detail, least: f32) {
    let tokens = shown.tokens;
    let title = format!("hostler@{}.service", shown.key.name);
    card::frame(tokens).show(ui, |ui| {
        ui.set_min_size(egui::Vec2::new(ui.available_width(), least));
        ui.spacing_mut().item_spacing.y = 6.0;
        let Some(service) = &detail.service else {
            ui.label(text::title(title));
            ui.label(text::muted(tokens, "systemd knows no such service."));
            return;
        };
        head(ui, tokens, &title, &service.active, &service.sub);
        outcome(ui, tokens, &service.result, service.exit_status);
        if !service.status_text.is_empty() {
            facts::text(ui, tokens, "It says", &service.status_text);
        }
        if service.since_us > 0 {
            let since = figures::date_time(service.since_us);
            facts::text(ui, tokens, "Since", &format!("{since} · {}", figures::ago(shown.now, service.since_us)));
        }
        if service.main_pid > 0 {
            facts::text(ui, tokens, "Main process", &format!("pid {}", service.main_pid));
        }
        facts::text(
            ui,
            tokens,
            "Restarts",
            &match service.restarts {
                0 => "none by systemd".to_owned(),
                1 => "once by systemd".to_owned(),
                times => format!("{times} times by systemd"),
            },
        );
        let mut uses = Vec::new();
        uses.extend(service.memory_bytes.map(figures::bytes));
        uses.extend(service.cpu_us.map(|time| format!("{} of CPU time", figures::duration(time))));
        uses.extend(service.tasks.map(|tasks| format!("{tasks} tasks")));
        if !uses.is_empty() {
            facts::text(ui, tokens, "Control group", &uses.join(" · "));
        }
        facts::text(ui, tokens, "Unit file", file_state(&service.file_state));
        unit_file(ui, tokens, &service.unit_file);
        drop_ins(ui, tokens, &service.drop_ins);
    });
}

/// Draws the socket.
pub(super) fn socket(ui: &mut Ui, shown: Shown<'_>, detail: &Detail) {
    let tokens = shown.tokens;
    let title = format!("hostler@{}.socket", shown.key.name);
    card::frame(tokens).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        let Some(socket) = &detail.socket else {
            ui.label(text::title(title));
            ui.label(text::muted(tokens, "systemd knows no such socket."));
            return;
        };
        head(ui, tokens, &title, &socket.active, &socket.sub);
        outcome(ui, tokens, &socket.result, 0);
        facts::row(ui, tokens, "Listens on", |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            if socket.listen.is_empty() {
                ui.label(text::muted(tokens, "nothing"));
            }
            for address in &socket.listen {
                copy::text(ui, address).on_hover_text(kind_of(address));
            }
        });
        facts::text(ui, tokens, "Unit file", file_state(&socket.file_state));
        unit_file(ui, tokens, &socket.unit_file);
        drop_ins(ui, tokens, &socket.drop_ins);
    });
}

/// Where the unit file is; older daemons do not tell.
fn unit_file(ui: &mut Ui, tokens: &Tokens, path: &str) {
    if !path.is_empty() {
        facts::row(ui, tokens, "Read from", |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            copy::text(ui, path);
        });
    }
}

fn head(ui: &mut Ui, tokens: &Tokens, title: &str, active: &str, sub: &str) {
    ui.horizontal(|ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (sign, color) = state_signs(tokens, active);
            let words = if sub.is_empty() || sub == active { active.to_owned() } else { format!("{active} · {sub}") };
            badge::pill(ui, tokens, color, &icon::text(sign), &words);
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.add(egui::Label::new(text::title(title)).truncate()).on_hover_text(title);
            });
        });
    });
}

/// Icon and colour of systemd's ActiveState.
fn state_signs(tokens: &Tokens, active: &str) -> (Icon, Color32) {
    match active {
        "active" => (Icon::CircleCheck, tokens.good),
        "reloading" | "activating" | "deactivating" => (Icon::RefreshCw, tokens.moving),
        "failed" => (Icon::CircleX, tokens.bad),
        _ => (Icon::Square, tokens.muted),
    }
}

/// How it ended, where it did not end well.
fn outcome(ui: &mut Ui, tokens: &Tokens, result: &str, exit_status: i32) {
    if matches!(result, "" | "success") {
        return;
    }
    facts::row(ui, tokens, "Result", |ui| {
        ui.label(RichText::new(result).color(tokens.bad));
        let words = meaning(result, exit_status);
        if !words.is_empty() {
            ui.add(egui::Label::new(text::muted(tokens, words)).wrap());
        }
    });
}

/// What systemd's words for a bad end mean here, and what to do; after the table of results in systemd.service(5).
fn meaning(result: &str, exit_status: i32) -> String {
    match result {
        "exit-code" => match exit_status {
            64 => "Exit status 64: its settings are wrong. The log names the line.".to_owned(),
            65 => "Exit status 65: its application does not import. The log has the traceback.".to_owned(),
            70 => "Exit status 70: an error within Hostler. The log has it.".to_owned(),
            status => format!("Its main process ended with exit status {status}. The log says why."),
        },
        "signal" | "core-dump" => format!("Its main process was ended by signal {exit_status}."),
        "watchdog" => "Its main process gave no sign of life in time, and systemd ended it.".to_owned(),
        "timeout" => "Starting or stopping took too long, and systemd ended it.".to_owned(),
        "oom-kill" => "The kernel ended it as memory ran out. Fewer workers, or more memory.".to_owned(),
        "start-limit-hit" | "service-start-limit-hit" => {
            "It was started too often in too short a time. Mend the cause, then `systemctl reset-failed`.".to_owned()
        }
        "trigger-limit-hit" => {
            "Connections started it too often in too short a time. Mend the cause, then start the socket.".to_owned()
        }
        "resources" => "systemd lacked something to start it: memory, a file, an address that is in use.".to_owned(),
        _ => String::new(),
    }
}

/// What systemd's UnitFileState means.
fn file_state(state: &str) -> &str {
    match state {
        "enabled" => "enabled: starts at boot",
        "enabled-runtime" => "enabled until the next boot",
        "disabled" => "disabled: does not start by itself",
        "static" => "static: starts when another unit wants it",
        "masked" => "masked: cannot be started",
        "indirect" => "indirect: another instance of it is enabled",
        "" => "none",
        other => other,
    }
}

fn drop_ins(ui: &mut Ui, tokens: &Tokens, drop_ins: &[String]) {
    facts::row(ui, tokens, "Drop-ins", |ui| {
        if drop_ins.is_empty() {
            ui.label(text::muted(tokens, "none: as its template says"));
        }
        for path in drop_ins {
            let words = RichText::new(path).text_style(TextStyle::Monospace).size(Size::SMALL);
            ui.add(egui::Label::new(words).wrap());
        }
    });
}

/// What kind of address it is.
fn kind_of(address: &str) -> &'static str {
    match address {
        address if address.starts_with('/') => "unix socket",
        address if address.starts_with('@') => "abstract unix socket",
        _ => "TCP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_ends_say_what_to_do() {
        assert!(meaning("exit-code", 65).contains("does not import"));
        assert!(meaning("exit-code", 3).contains("exit status 3"));
        assert!(meaning("start-limit-hit", 0).contains("reset-failed"));
        assert_eq!(meaning("success", 0), "");
    }

    #[test]
    fn addresses_are_told_apart() {
        assert_eq!(kind_of("/run/hostler/shop.sock"), "unix socket");
        assert_eq!(kind_of("@shop"), "abstract unix socket");
        assert_eq!(kind_of("[::]:8000"), "TCP");
    }
}
