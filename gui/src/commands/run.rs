//! The one place where a command is carried out: it changes the state, gives orders, or opens a dialog that will.

use egui::{Context, OpenUrl, ThemePreference, ViewportCommand};
use hostler_bus::daemon::Reach;

use super::{Command, Scene, address};
use crate::bus::{Action, Link, Order};
use crate::model::{InstanceKey, World};
use crate::state::State;
use crate::views::dialogs::Dialog;
use crate::views::shell::Pane;
use crate::views::{Stage, filter, new, overview};

/// Carries a command out, about a certain instance or the one that is shown. One that cannot be had does nothing.
pub fn run(command: Command, subject: Option<&InstanceKey>, context: &Context, stage: &mut Stage<'_>) {
    let shown = Scene::new(stage.world, stage.state);
    let scene = Scene { subject: subject.or(shown.subject), ..shown };
    if !command.availability(&scene).is_available() {
        return;
    }
    match scene.subject.cloned() {
        Some(key) if command.is_about_one() => about_one(command, key, context, stage),
        _ => about_all(command, context, stage),
    }
}

/// Shows an instance.
pub fn go_to(state: &mut State, key: InstanceKey) {
    state.machine = None;
    state.selected = Some(key);
}

impl Command {
    /// Whether it is about one instance.
    pub(crate) fn is_about_one(self) -> bool {
        match self {
            Self::New | Self::Import => false,
            Self::Show(_) => true,
            _ => self.words().group == super::Group::Instance,
        }
    }

    /// What is ordered, where nothing is asked first.
    #[must_use]
    pub fn action(self) -> Option<Action> {
        Some(match self {
            Self::Start | Self::StartMarked => Action::Start,
            Self::Wake => Action::Wake,
            Self::Reload | Self::ReloadMarked => Action::Reload,
            Self::Restart | Self::RestartMarked => Action::Restart,
            Self::Sleep => Action::Sleep,
            Self::Stop | Self::StopMarked => Action::Stop,
            Self::Rollback => Action::Rollback,
            Self::Upgrade => Action::Upgrade,
            Self::Enable => Action::Enable(true),
            Self::Disable => Action::Enable(false),
            _ => return None,
        })
    }
}

fn about_one(command: Command, key: InstanceKey, context: &Context, stage: &mut Stage<'_>) {
    if let Some(action) = command.action() {
        stage.order(Order::Act(key, action));
        return;
    }
    let Some(instance) = stage.world.instance(&key) else { return };
    match command {
        Command::Scale => {
            let observed = instance.status().map(|status| status.observed.workers_wanted);
            stage.state.passing.dialog = Some(Dialog::Scale { key, workers: observed.unwrap_or(1) });
        }
        Command::LogLevel => {
            stage.order(Order::AskLogLevel(key.clone()));
            stage.state.passing.dialog = Some(Dialog::LogLevel { key, level: None });
        }
        Command::Cancel => stage.order(Order::Cancel(key)),
        Command::Browse => {
            if let Some(url) = address(&instance.overview, key.reach.host.as_deref()) {
                context.open_url(OpenUrl::new_tab(url));
            }
        }
        Command::CopyAddress => {
            let address = address(&instance.overview, key.reach.host.as_deref());
            if let Some(text) = address.or_else(|| instance.overview.binds.first().cloned()) {
                context.copy_text(text);
            }
        }
        Command::Favourite => toggle(&mut stage.state.favourites, key),
        Command::Mark => toggle(&mut stage.state.marked, key),
        Command::Remove => stage.state.passing.dialog = Some(Dialog::Remove { key, typed: String::new() }),
        Command::Show(tab) => {
            go_to(stage.state, key);
            stage.state.tab = tab;
        }
        _ => {}
    }
}

fn about_all(command: Command, context: &Context, stage: &mut Stage<'_>) {
    let maker = Scene::new(stage.world, stage.state).maker().cloned();
    let (now, state) = (stage.now, &mut *stage.state);
    match command {
        Command::ZoomPlotsIn => overview::change(state, overview::Change::Closer, now),
        Command::ZoomPlotsOut => overview::change(state, overview::Change::Wider, now),
        Command::PlotsEarlier => overview::change(state, overview::Change::Earlier, now),
        Command::PlotsLater => overview::change(state, overview::Change::Later, now),
        Command::PlotsWhole => overview::change(state, overview::Change::Whole, now),
        Command::New | Command::Import => {
            let Some(reach) = maker else { return };
            if command == Command::New { new::open(state, reach) } else { new::open_import(state, reach) }
        }
        Command::ShowAll => {
            state.selected = None;
            state.machine = None;
        }
        Command::NextInstance => step(stage.world, state, 1),
        Command::PreviousInstance => step(stage.world, state, -1),
        Command::StartMarked | Command::ReloadMarked => act_on_marked(command, stage),
        Command::RestartMarked | Command::StopMarked => state.passing.dialog = Some(Dialog::Marked { command }),
        Command::MarkAll => {
            let listed = filter::listed(stage.world, state).into_iter().map(|(key, _)| key);
            state.marked = listed.collect();
        }
        Command::ClearMarks => state.marked.clear(),
        Command::AddHost => state.passing.dialog = Some(Dialog::AddHost { host: String::new(), user: false }),
        Command::RemoveHost => {
            if let Some(reach) = state.machine.clone() {
                remove_host(stage, &reach);
            }
        }
        Command::Refresh => refresh(stage),
        Command::Find => {
            state.views.sidebar.hidden = false;
            state.passing.shell.search = true;
        }
        Command::Sidebar => state.views.sidebar.hidden = !state.views.sidebar.hidden,
        Command::NextPane => state.passing.shell.move_pane(Pane::next),
        Command::PreviousPane => state.passing.shell.move_pane(Pane::previous),
        Command::SystemTheme => set_theme(context, state, ThemePreference::System),
        Command::LightTheme => set_theme(context, state, ThemePreference::Light),
        Command::DarkTheme => set_theme(context, state, ThemePreference::Dark),
        Command::ZoomIn => egui::gui_zoom::zoom_in(context),
        Command::ZoomOut => egui::gui_zoom::zoom_out(context),
        Command::ZoomReset => context.set_zoom_factor(1.0),
        Command::Palette => state.passing.palette.toggle(),
        Command::Notices => state.passing.dialog = Some(Dialog::Notices),
        Command::Shortcuts => state.passing.dialog = Some(Dialog::Shortcuts),
        Command::Quit => context.send_viewport_cmd(ViewportCommand::Close),
        _ => {}
    }
}

/// Gives the order of a command to all marked instances that can take it.
pub fn act_on_marked(command: Command, stage: &mut Stage<'_>) {
    let Some(action) = command.action() else { return };
    let (able, _) = able_and_not(command, stage.world, stage.state);
    for key in able {
        stage.order(Order::Act(key, action.clone()));
    }
    stage.state.marked.clear();
}

/// The marked instances that can take a command, and those that cannot, with the reason.
#[must_use]
pub fn able_and_not(command: Command, world: &World, state: &State) -> (Vec<InstanceKey>, Vec<(InstanceKey, String)>) {
    let single = match command {
        Command::StartMarked => Command::Start,
        Command::ReloadMarked => Command::Reload,
        Command::RestartMarked => Command::Restart,
        Command::StopMarked => Command::Stop,
        other => other,
    };
    let (mut able, mut not) = (Vec::new(), Vec::new());
    for key in &state.marked {
        let availability = single.availability(&Scene::about(world, state, key));
        if availability.is_available() {
            able.push(key.clone());
        } else {
            not.push((key.clone(), availability.reason().to_owned()));
        }
    }
    (able, not)
}

/// Adds a machine to the sidebar and connects to it.
pub fn add_host(stage: &mut Stage<'_>, reach: Reach) {
    if !stage.state.hosts.contains(&reach) {
        stage.state.hosts.push(reach.clone());
    }
    stage.order(Order::Connect(reach));
}

/// Takes a machine out of the sidebar.
pub fn remove_host(stage: &mut Stage<'_>, reach: &Reach) {
    let state = &mut *stage.state;
    state.hosts.retain(|other| other != reach);
    state.favourites.retain(|key| key.reach != *reach);
    state.marked.retain(|key| key.reach != *reach);
    if state.selected.as_ref().is_some_and(|key| key.reach == *reach) {
        state.selected = None;
    }
    if state.machine.as_ref() == Some(reach) {
        state.machine = None;
    }
    stage.order(Order::Disconnect(reach.clone()));
}

/// Connects again to what is away, and has what is shown asked for again.
fn refresh(stage: &mut Stage<'_>) {
    let away: Vec<Reach> = stage
        .world
        .machines
        .iter()
        .filter(|machine| matches!(machine.link, Link::Absent { .. }))
        .map(|machine| machine.reach.clone())
        .collect();
    for reach in away {
        stage.order(Order::Connect(reach));
    }
    if let Some((key, _)) = stage.selected() {
        stage.order(Order::Refresh(key));
    }
}

/// Shows the instance that is so many places further in the sidebar.
fn step(world: &World, state: &mut State, places: isize) {
    let listed: Vec<InstanceKey> = filter::listed(world, state).into_iter().map(|(key, _)| key).collect();
    if listed.is_empty() {
        return;
    }
    let here = state.selected.as_ref().and_then(|selected| listed.iter().position(|key| key == selected));
    let next = match (here, places) {
        (Some(here), places) => (here.cast_signed() + places).rem_euclid(listed.len().cast_signed()).cast_unsigned(),
        (None, 1..) => 0,
        (None, _) => listed.len() - 1,
    };
    go_to(state, listed[next].clone());
}

fn set_theme(context: &Context, state: &mut State, theme: ThemePreference) {
    state.theme = theme;
    context.set_theme(theme);
}

fn toggle(keys: &mut std::collections::BTreeSet<InstanceKey>, key: InstanceKey) {
    if !keys.remove(&key) {
        keys.insert(key);
    }
}
