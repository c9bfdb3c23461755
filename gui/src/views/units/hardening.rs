//! How much of the system is kept from the instance: its profile, the score of systemd-analyze(1), and what each measure
//! costs those who need what it takes away.
//!
//! The measures are those of `systemd/profiles/*.conf` and of `hostler@.service`; a test compares them. The scores were
//! measured with `systemd-analyze security` of systemd 252; others differ by a tenth or two.

use egui::{RichText, TextStyle, Ui};
use hostler_bus::daemon::{Detail, Security};

use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::shown::Shown;
use crate::widgets::table::{Column, Table};
use crate::widgets::{badge, card, text};

/// A profile, with its exposure as systemd-analyze(1) tells it: 0 is nothing, 10 is all.
struct Profile {
    name: &'static str,
    exposure: f64,
    words: &'static str,
}

const PROFILES: [Profile; 3] = [
    Profile { name: "strict", exposure: 1.1, words: "All that can be closed for a web application." },
    Profile { name: "standard", exposure: 1.3, words: "What most applications and their packages bear." },
    Profile { name: "compat", exposure: 3.0, words: "For applications that the standard breaks." },
];

/// Something that is closed, and what opens it.
struct Measure {
    /// The setting of systemd.exec(5) or systemd.resource-control(5).
    setting: &'static str,
    /// Who needs it open.
    needed_by: &'static str,
    /// Whether each of [`PROFILES`] closes it.
    closed: [bool; 3],
    /// How much the exposure grows where it is open; 0 where that is less than a tenth.
    costs: f64,
}

const STRICT: [bool; 3] = [true, false, false];
const STANDARD: [bool; 3] = [true, true, false];

const MEASURES: [Measure; 13] = [
    measure("RestrictNamespaces", "browsers that sandbox themselves (Chromium, Playwright), bubblewrap", STANDARD, 0.7),
    measure("PrivateDevices", "graphics cards, serial lines", STANDARD, 0.3),
    measure("SystemCallFilter", "os.nice(), os.sched_setaffinity(), OpenMP that binds its threads", STANDARD, 0.2),
    measure("PrivateUsers", "seeing which users and groups own files", STANDARD, 0.2),
    measure("ProtectProc", "monitoring of other processes", STANDARD, 0.2),
    measure("ProtectHome", "code and virtual environments below /home", STANDARD, 0.1),
    measure("ProtectControlGroups", "a control group for each worker", STRICT, 0.2),
    measure("MemoryDenyWriteExecute", "compilers at run time: numba, PyPy, torch", STRICT, 0.0),
    measure("RestrictAddressFamilies", "if_nameindex(): psutil, zeroconf, some of gRPC", STRICT, 0.0),
    measure("ProcSubset", "psutil of the whole machine", STRICT, 0.0),
    measure("DevicePolicy", "pseudo devices beyond /dev/null and its like", STRICT, 0.0),
    measure("Delegate", "memory running out in one worker alone", STRICT, 0.0),
    measure("UMask", "files that its group may read", STRICT, 0.0),
];

const fn measure(setting: &'static str, needed_by: &'static str, closed: [bool; 3], costs: f64) -> Measure {
    Measure { setting, needed_by, closed, costs }
}

const COLUMNS: [Column; 7] = [
    Column::exact("Measure", 210.0).from(540.0),
    Column::wide("Measure", 140.0).below(540.0),
    Column::wide("Who needs it open", 130.0).from(540.0),
    Column::exact("strict", 72.0),
    Column::exact("standard", 76.0),
    Column::exact("compat", 72.0),
    Column::exact("If open", 64.0).right().from(540.0),
];

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, detail: &Detail) {
    let tokens = shown.tokens;
    card::titled(ui, tokens, "Hardening", |ui| {
        ui.spacing_mut().item_spacing.y = Size::GAP;
        let current = detail.security.as_ref();
        judged(ui, tokens, current);
        ui.columns(PROFILES.len(), |columns| {
            for (ui, profile) in columns.iter_mut().zip(&PROFILES) {
                choice(ui, tokens, profile, current.is_some_and(|current| current.profile == profile.name));
            }
        });
        let table = Table::new("What each profile closes", &COLUMNS).whole();
        table.show(ui, tokens, MEASURES.len(), |row| {
            let measure = &MEASURES[row.index()];
            row.name(measure.setting);
            // Of both columns for it one is shown.
            for _ in 0..2 {
                row.text(RichText::new(measure.setting).text_style(TextStyle::Monospace).size(12.0));
            }
            row.text(text::muted(tokens, measure.needed_by));
            for closed in measure.closed {
                row.cell(|ui| lock(ui, tokens, closed));
            }
            row.text(if measure.costs > 0.0 { format!("+{:.1}", measure.costs) } else { "< 0.1".to_owned() });
        });
        let words = format!(
            "Exposure goes from 0, nothing is open, to 10, all is. The profile no-network goes together with each of them: \
             it takes 0.7 more, and the application reaches nothing but unix sockets. Prefer a drop-in with the one line that is needed to a whole profile. The settings profile and network \
             choose them, and a restart puts them in force: hostler set {} profile=strict network=false",
            shown.key.name
        );
        ui.label(text::small(tokens, words));
    });
}

fn judged(ui: &mut Ui, tokens: &Tokens, current: Option<&Security>) {
    let Some(current) = current else {
        ui.label(text::muted(tokens, "systemd does not say how its sandbox is; these are the profiles there are."));
        return;
    };
    ui.horizontal(|ui| {
        let color = match current.exposure {
            exposure if exposure < 2.5 => tokens.good,
            exposure if exposure < 5.0 => tokens.caution,
            _ => tokens.bad,
        };
        ui.label(text::figure(format!("{:.1}", current.exposure)).color(color));
        ui.label(text::muted(tokens, "of 10 exposed"));
        badge::pill(ui, tokens, color, &icon::text(Icon::ShieldCheck), &current.rating.to_lowercase());
        ui.label(match current.profile.as_str() {
            "changed" => "its units were changed beyond Hostler's profiles".to_owned(),
            profile => format!("profile {profile}"),
        });
    });
}

fn choice(ui: &mut Ui, tokens: &Tokens, profile: &Profile, chosen: bool) {
    let line = if chosen { tokens.accent } else { tokens.line };
    let fill = if chosen { tokens.selected } else { tokens.sunken };
    let frame = egui::Frame::new().fill(fill).stroke((1.0, line)).corner_radius(Size::CORNER);
    frame.inner_margin(Size::GAP).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.spacing_mut().interact_size.y = 18.0;
            ui.horizontal(|ui| {
                ui.label(text::strong(profile.name));
                if chosen {
                    ui.label(RichText::new(format!("{} in use", icon::text(Icon::Check))).color(tokens.accent));
                }
            });
            let words = format!("Exposure {:.1}. {}", profile.exposure, profile.words);
            ui.add(egui::Label::new(text::small(tokens, words)).wrap());
        });
    });
}

fn lock(ui: &mut Ui, tokens: &Tokens, closed: bool) {
    let (sign, word, color) =
        if closed { (Icon::Lock, "closed", tokens.good) } else { (Icon::LockOpen, "open", tokens.muted) };
    ui.spacing_mut().item_spacing.x = 5.0;
    ui.label(RichText::new(icon::text(sign)).color(color).size(12.5));
    ui.label(RichText::new(word).color(color).size(Size::SMALL));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings that a profile's file sets.
    fn set_by(file: &str) -> Vec<&str> {
        let lines = file.lines().skip_while(|line| *line != "[Service]").skip(1);
        let mut settings: Vec<&str> = lines
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('=').map(|(setting, _)| setting))
            // It tells the server which profile this is.
            .filter(|setting| *setting != "Environment")
            .collect();
        settings.sort_unstable();
        settings.dedup();
        settings
    }

    fn of_table(differs: impl Fn(&Measure) -> bool) -> Vec<&'static str> {
        let mut settings: Vec<&str> =
            MEASURES.iter().filter(|measure| differs(measure)).map(|measure| measure.setting).collect();
        settings.sort_unstable();
        settings
    }

    #[test]
    fn the_table_is_what_the_profiles_say() {
        let strict = include_str!("../../../../systemd/profiles/strict.conf");
        let compat = include_str!("../../../../systemd/profiles/compat.conf");
        assert_eq!(set_by(strict), of_table(|measure| measure.closed[0] && !measure.closed[1]));
        assert_eq!(set_by(compat), of_table(|measure| measure.closed[1] && !measure.closed[2]));
    }

    #[test]
    fn the_costs_add_up_to_the_scores() {
        let costs = |column: usize| -> f64 {
            MEASURES.iter().filter(|measure| !measure.closed[column]).map(|measure| measure.costs).sum()
        };
        for (column, profile) in PROFILES.iter().enumerate() {
            let sum = PROFILES[0].exposure + costs(column);
            assert!((sum - profile.exposure).abs() < 0.3, "{}: {sum}", profile.name);
        }
    }
}
