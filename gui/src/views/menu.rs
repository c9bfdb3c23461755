//! Menus made from the list of commands: those of the bar, and the one of an instance.

use egui::{Button, RichText, Role, TextWrapMode, Ui, WidgetInfo};

use super::Stage;
use crate::commands::{self, Command, Group, Scene};
use crate::model::InstanceKey;
use crate::theme::{Tokens, icon};

/// The menu of one instance, in groups.
const ABOUT_ONE: [&[Command]; 5] = [
    &[Command::Start, Command::Wake, Command::Reload, Command::Restart, Command::Sleep, Command::Stop],
    &[Command::Scale, Command::LogLevel, Command::Rollback, Command::Upgrade, Command::Cancel],
    &[Command::Browse, Command::CopyAddress],
    &[Command::Favourite, Command::Mark, Command::Enable, Command::Disable],
    &[Command::Remove],
];

/// Draws the menu of a group; answers with the command that was chosen.
pub fn group(ui: &mut Ui, tokens: &Tokens, scene: &Scene<'_>, group: Group) -> Option<Command> {
    let mut chosen = None;
    prepare(ui);
    for command in Command::ALL.into_iter().filter(|command| command.words().group == group) {
        if begins_part(command) {
            ui.separator();
        }
        if item(ui, tokens, scene, command) {
            chosen = Some(command);
        }
    }
    chosen
}

/// Draws the menu of one instance, and carries out what is chosen.
pub fn about(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey) {
    let tokens = stage.tokens;
    let scene = Scene::about(stage.world, stage.state, key);
    let mut chosen = None;
    prepare(ui);
    for (index, part) in ABOUT_ONE.into_iter().enumerate() {
        let shown: Vec<Command> =
            part.iter().copied().filter(|command| command.availability(&scene).is_available()).collect();
        if index > 0 && !shown.is_empty() {
            ui.separator();
        }
        for command in shown {
            if item(ui, tokens, &scene, command) {
                chosen = Some(command);
            }
        }
    }
    if let Some(command) = chosen {
        commands::run(command, Some(key), ui.ctx(), stage);
        ui.close();
    }
}

/// Whether a line stands above a command in the menu of its group.
fn begins_part(command: Command) -> bool {
    use Command as Is;
    let opens = [
        Is::Start,
        Is::Rollback,
        Is::Browse,
        Is::Favourite,
        Is::Enable,
        Is::Remove,
        Is::ShowAll,
        Is::ZoomPlotsIn,
        Is::MarkAll,
        Is::Refresh,
    ];
    opens.contains(&command) || matches!(command, Is::NextPane | Is::SystemTheme | Is::ZoomIn | Is::Quit)
}

/// Draws one item; answers whether it was chosen.
fn item(ui: &mut Ui, tokens: &Tokens, scene: &Scene<'_>, command: Command) -> bool {
    let words = command.words();
    let availability = command.availability(scene);
    let is_on = command.is_on(scene);
    let shown = match is_on {
        Some(true) => icon::Icon::Check,
        _ => words.icon,
    };
    let is_grave = command == Command::Remove && availability.is_available();
    let (faint, plain) = if is_grave { (tokens.bad, tokens.bad) } else { (tokens.muted, tokens.text) };
    let mut button =
        Button::new((RichText::new(icon::text(shown)).color(faint), RichText::new(words.title).color(plain)))
            .frame_when_inactive(false);
    if let Some(keys) = commands::shown_shortcut(ui.ctx(), command) {
        button = button.shortcut_text(RichText::new(keys).small().color(tokens.muted));
    }
    let response = ui.add_enabled(availability.is_available(), button);
    response.widget_info(|| match is_on {
        Some(is_on) => WidgetInfo::selected(Role::MenuItemCheckBox, response.enabled(), is_on, words.title),
        None => WidgetInfo::labeled(Role::MenuItem, response.enabled(), words.title),
    });
    response
        .on_hover_text(words.help)
        .on_disabled_hover_text(format!("{}\nNot now: {}.", words.help, availability.reason()))
        .clicked()
}

fn prepare(ui: &mut Ui) {
    ui.set_min_width(220.0);
    ui.style_mut().wrap_mode = Some(TextWrapMode::Extend);
    ui.spacing_mut().item_spacing.y = 1.0;
}
