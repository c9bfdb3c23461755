//! The difference, before it is applied: what each change does and when, and what the file will say.

use egui::{Align, Grid, Layout, RichText, ScrollArea, TextStyle, Ui};
use hostler_bus::daemon::Applied;

use super::{Editing, Form, bar};
use crate::bus::{Action, Order};
use crate::draft::{difference_of, written};
use crate::model::{Instance, InstanceKey};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::dialogs::{self, Outcome};
use crate::widgets::{button, diff, text};

/// Draws it, while it is open.
pub(super) fn show(
    ui: &mut Ui,
    tokens: &Tokens,
    key: &InstanceKey,
    instance: &Instance,
    form: &Form<'_>,
    editing: &mut Editing,
    orders: &mut Vec<Order>,
) {
    if !editing.reviewing {
        return;
    }
    let changes = editing.draft.changes(form.schema);
    let is_sent = editing.draft.is_sent();
    if (changes.is_empty() || editing.draft.clashes() > 0) && !is_sent {
        editing.reviewing = false;
        return;
    }
    let change = editing.draft.change(form.schema);
    let mut apply = false;
    let mut closes = false;
    let title = format!("Change the settings of {}", key.name);
    let outcome = dialogs::window(ui.ctx(), tokens, &title, 720.0, |ui| {
        let room = ui.ctx().content_rect().height() - 260.0;
        ScrollArea::vertical().max_height(room.max(160.0)).auto_shrink([false, true]).show(ui, |ui| {
            Grid::new("changed settings").num_columns(4).spacing([Size::WIDE, 4.0]).show(ui, |ui| {
                for changed in &changes {
                    ui.label(RichText::new(&changed.key).text_style(TextStyle::Monospace));
                    let (glyph, words) = match changed.applied {
                        Applied::Live => (Icon::Zap, "at once"),
                        Applied::Restart => (Icon::Power, "after a restart"),
                        Applied::Reload | Applied::Unknown => (Icon::RefreshCw, "with a reload"),
                    };
                    ui.label(text::muted(tokens, format!("{}  {words}", icon::text(glyph))));
                    if changed.decides_code {
                        ui.label(text::muted(tokens, format!("{}  needs the right to deploy", icon::text(Icon::Lock))));
                    } else {
                        ui.label("");
                    }
                    ui.end_row();
                }
            });
            ui.add_space(Size::GAP);
            let value = |key: &str, words: &[String]| {
                form.schema.iter().find(|info| info.key == key).map_or_else(String::new, |info| written(info, words))
            };
            diff::show(ui, tokens, &difference_of(&form.settings.text, &change, value));
        });
        ui.add_space(Size::GAP);
        if !is_sent && let Some((Action::Apply { .. }, failure)) = &instance.failed {
            bar::failed(ui, tokens, failure);
        }
        let restarts = changes.iter().filter(|changed| changed.applied == Applied::Restart).count();
        if restarts > 0 && !is_sent {
            let words = format!(
                "{} until the instance is restarted; the rest takes effect now.",
                match restarts {
                    1 => "One change waits".to_owned(),
                    count => format!("{count} changes wait"),
                }
            );
            ui.label(text::with_icon(Icon::Power, &words).color(tokens.caution));
        }
        ui.horizontal(|ui| {
            if is_sent {
                bar::under_way(ui, tokens, key, instance, orders);
                return;
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let may = form.may_edit && form.problems.is_empty() && !instance.is_busy();
                let press = |ui: &mut Ui| button::primary(ui, tokens, Some(Icon::Check), "Apply").clicked();
                apply = ui.add_enabled_ui(may, press).inner;
                closes = ui.button("Back").clicked();
                if instance.is_busy() {
                    ui.label(text::muted(tokens, "Something else is being done to it; wait for its end."));
                }
            });
        });
        if closes { Outcome::Closes } else { Outcome::Stays }
    });
    if apply {
        let revision = editing.draft.revision().to_owned();
        orders.push(Order::Act(key.clone(), Action::Apply { revision, change }));
        editing.draft.sent();
    }
    if outcome == Outcome::Closes && !is_sent {
        editing.reviewing = false;
    }
}
