//! What the list of commands promises.

use std::collections::HashSet;

use egui::{Context, Event, Key, Modifiers, RawInput};
use hostler_bus::daemon::Reach;

use super::{Command, Scene, address, run, take};
use crate::bus::{Action, Order};
use crate::model::{InstanceKey, World, example};
use crate::state::{State, Tab};
use crate::theme;
use crate::views::Stage;
use crate::views::dialogs::Dialog;

fn shop() -> State {
    State { selected: Some(example::key("shop")), ..State::default() }
}

/// The orders of a command about an instance of the example.
fn orders(command: Command, name: &str, state: &mut State, world: &mut World) -> Vec<Order> {
    let mut orders = Vec::new();
    let context = Context::default();
    let tokens = theme::tokens_of(egui::Theme::Dark);
    let mut stage = Stage { world, state, orders: &mut orders, tokens, now: example::NOW_US };
    run(command, Some(&example::key(name)), &context, &mut stage);
    orders
}

#[test]
fn each_command_is_listed_once_with_its_own_words_and_keys() {
    let all: HashSet<Command> = Command::ALL.into_iter().collect();
    assert_eq!(all.len(), Command::ALL.len());
    let titles: HashSet<&str> = Command::ALL.into_iter().map(|command| command.words().title).collect();
    assert_eq!(titles.len(), Command::ALL.len());
    // In sentence case, as all of the window is.
    for title in &titles {
        let mut rest = title.split(' ').skip(1);
        assert!(rest.all(|word| word.starts_with(char::is_lowercase)), "{title}");
    }
    let mut keys = HashSet::new();
    for command in Command::ALL {
        for shortcut in command.shortcuts() {
            assert!(keys.insert(*shortcut), "{command:?}: {shortcut:?} is taken");
        }
        let help = command.words().help;
        assert!(help.ends_with('.') && help.len() > 10, "{command:?}: {help}");
    }
    for tab in Tab::ALL {
        assert!(all.contains(&Command::Show(tab)), "{tab:?}");
    }
}

#[test]
fn what_can_be_done_follows_the_state() {
    let world = example::world();
    let state = State::default();
    let can = |command: Command, name: &str| {
        let key = example::key(name);
        command.availability(&Scene::about(&world, &state, &key)).is_available()
    };
    let table = [
        ("shop", vec![Command::Reload, Command::Restart, Command::Sleep, Command::Stop, Command::Scale]),
        ("admin", vec![Command::Wake, Command::Stop]),
        ("blog", vec![Command::Start]),
        ("billing", vec![Command::Start, Command::Stop]),
        ("docs", vec![Command::Start]),
        ("jobs", vec![Command::Reload, Command::Restart, Command::Sleep, Command::Stop, Command::Scale]),
        ("webhooks", vec![Command::Restart, Command::Stop]),
    ];
    let living = [
        Command::Start,
        Command::Wake,
        Command::Reload,
        Command::Restart,
        Command::Sleep,
        Command::Stop,
        Command::Scale,
    ];
    for (name, able) in table {
        for command in living {
            assert_eq!(can(command, name), able.contains(&command), "{command:?} of {name}");
        }
    }
}

#[test]
fn what_was_started_by_hand_is_not_stopped_by_systemd() {
    let world = example::world();
    let state = State::default();
    let key = InstanceKey { reach: example::user(), name: "notes".to_owned() };
    let scene = Scene::about(&world, &state, &key);
    assert!(Command::Reload.availability(&scene).is_available());
    assert!(Command::Stop.availability(&scene).reason().contains("by hand"));
}

#[test]
fn one_thing_at_a_time_is_done_to_an_instance() {
    let mut world = example::world();
    let mut state = shop();
    let reload = orders(Command::Reload, "shop", &mut state, &mut world);
    assert_eq!(reload, [Order::Act(example::key("shop"), Action::Reload)]);
    world.ordered(&reload[0], example::NOW_US);
    assert!(orders(Command::Stop, "shop", &mut state, &mut world).is_empty());
    assert_eq!(orders(Command::Cancel, "shop", &mut state, &mut world), [Order::Cancel(example::key("shop"))]);
}

#[test]
fn nothing_is_ordered_where_the_daemon_is_away() {
    let mut world = example::world();
    if let Some(machine) = world.machines.iter_mut().find(|machine| machine.reach == example::system()) {
        machine.link = crate::bus::Link::Connecting;
    }
    assert!(orders(Command::Stop, "shop", &mut shop(), &mut world).is_empty());
}

#[test]
fn removing_and_scaling_ask_first() {
    let mut world = example::world();
    let mut state = shop();
    assert!(orders(Command::Remove, "blog", &mut state, &mut world).is_empty());
    assert_eq!(state.passing.dialog.take(), Some(Dialog::Remove { key: example::key("blog"), typed: String::new() }));
    assert!(orders(Command::Scale, "shop", &mut state, &mut world).is_empty());
    assert_eq!(state.passing.dialog, Some(Dialog::Scale { key: example::key("shop"), workers: 4 }));
}

#[test]
fn the_equivalent_says_whose_instance_and_quotes_for_the_shell() {
    let world = example::world();
    let state = State::default();
    let text = |command: Command, reach: Reach, name: &str| {
        let key = InstanceKey { reach, name: name.to_owned() };
        command.hostler(&Scene::about(&world, &state, &key))
    };
    let far = Reach { user: false, host: Some("admin@web1".to_owned()) };
    assert_eq!(text(Command::Stop, example::user(), "notes").as_deref(), Some("hostler stop notes --user"));
    assert_eq!(
        text(Command::Reload, far.clone(), "it's").as_deref(),
        Some(r"hostler reload 'it'\''s' --system --host admin@web1")
    );
    assert_eq!(text(Command::Scale, example::system(), "shop").as_deref(), Some("hostler scale shop 4 --system"));
    let removed = text(Command::Remove, far, "shop");
    assert_eq!(removed.as_deref(), Some("hostler remove shop --system --host admin@web1"));
    assert_eq!(text(Command::DarkTheme, example::system(), "shop"), None);
}

#[test]
fn addresses_are_those_that_a_browser_on_this_machine_reaches() {
    let overview = |bind: &str| hostler_bus::daemon::Overview { binds: vec![bind.to_owned()], ..Default::default() };
    let table = [
        ("http://127.0.0.1:8000", None, Some("http://127.0.0.1:8000")),
        ("http://0.0.0.0:8000", None, Some("http://127.0.0.1:8000")),
        ("http://[::]:8000", Some("admin@web1"), Some("http://web1:8000")),
        ("http://127.0.0.1:8000", Some("web1"), None),
        ("https://shop.example", Some("web1"), Some("https://shop.example")),
        ("unix:/run/hostler/shop.sock", None, None),
    ];
    for (bind, host, url) in table {
        assert_eq!(address(&overview(bind), host).as_deref(), url, "{bind} at {host:?}");
    }
}

#[test]
fn the_longest_keys_are_meant_and_typing_is_left_alone() {
    let world = example::world();
    let mut state = shop();
    let called = |modifiers: Modifiers, key: Key| {
        let context = Context::default();
        let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let mut commands = Vec::new();
        let input = RawInput { events: vec![event], ..RawInput::default() };
        let mut output = context.run_ui(input, |ui| {
            let scene = Scene::new(&world, &state);
            commands.extend(take(ui.ctx(), &scene));
        });
        output.textures_delta.clear();
        commands
    };
    assert_eq!(called(Modifiers::COMMAND, Key::R), [Command::Refresh]);
    assert_eq!(called(Modifiers::COMMAND | Modifiers::SHIFT, Key::R), [Command::Reload]);
    assert_eq!(called(Modifiers::COMMAND, Key::Num4), [Command::Show(Tab::Logs)]);
    assert_eq!(called(Modifiers::NONE, Key::Questionmark), [Command::Shortcuts]);
    assert_eq!(called(Modifiers::COMMAND, Key::F), [Command::Find]);
    state.tab = Tab::Logs;
    let world = &world;
    let scene = Scene::new(world, &state);
    assert!(!Command::Find.availability(&scene).is_available(), "the log has its own search");
}

#[test]
fn next_and_previous_go_round_in_the_order_of_the_sidebar() {
    let mut world = example::world();
    let mut state = State::default();
    let _ = orders(Command::NextInstance, "shop", &mut state, &mut world);
    assert_eq!(state.selected.as_ref().map(|key| key.name.as_str()), Some("notes"));
    let _ = orders(Command::PreviousInstance, "shop", &mut state, &mut world);
    assert_eq!(state.selected.as_ref().map(|key| key.name.as_str()), Some("webhooks"));
}

#[test]
fn marked_instances_take_what_they_can_and_the_rest_are_told() {
    let mut world = example::world();
    let mut state = State::default();
    for name in ["shop", "blog", "admin"] {
        state.marked.insert(example::key(name));
    }
    let (able, not) = super::able_and_not(Command::StopMarked, &world, &state);
    assert_eq!(able, [example::key("admin"), example::key("shop")]);
    assert_eq!(not, [(example::key("blog"), "it is not running".to_owned())]);
    assert!(orders(Command::StopMarked, "shop", &mut state, &mut world).is_empty(), "it asks first");
    assert_eq!(state.passing.dialog, Some(Dialog::Marked { command: Command::StopMarked }));
    let started = orders(Command::StartMarked, "shop", &mut state, &mut world);
    assert_eq!(started, [Order::Act(example::key("blog"), Action::Start)]);
    assert!(state.marked.is_empty());
}

#[test]
fn the_plots_are_zoomed_by_commands_where_they_are_shown() {
    let mut world = example::world();
    let mut state = State { selected: Some(example::key("shop")), tab: Tab::Overview, ..State::default() };
    let can =
        |command: Command, state: &State, world: &World| command.availability(&Scene::new(world, state)).is_available();
    assert!(can(Command::ZoomPlotsIn, &state, &world));
    assert!(!can(Command::PlotsWhole, &state, &world), "Escape is left to others while there is nothing to go back to");
    let run = |command: Command, state: &mut State, world: &mut World| {
        assert!(orders(command, "shop", state, world).is_empty());
        state.passing.overview.is_zoomed()
    };
    assert!(run(Command::ZoomPlotsIn, &mut state, &mut world));
    assert!(run(Command::PlotsLater, &mut state, &mut world));
    assert!(!run(Command::ZoomPlotsOut, &mut state, &mut world));
    assert!(run(Command::PlotsEarlier, &mut state, &mut world));
    assert!(!run(Command::PlotsWhole, &mut state, &mut world));
    state.tab = Tab::Logs;
    assert!(!can(Command::ZoomPlotsIn, &state, &world));
}

#[test]
fn upgrade_is_ordered_and_the_log_level_is_asked_for_first() {
    let mut world = example::world();
    let mut state = shop();
    assert_eq!(
        orders(Command::Upgrade, "shop", &mut state, &mut world),
        [Order::Act(example::key("shop"), Action::Upgrade)]
    );
    assert_eq!(orders(Command::LogLevel, "shop", &mut state, &mut world), [Order::AskLogLevel(example::key("shop"))]);
    assert_eq!(state.passing.dialog, Some(Dialog::LogLevel { key: example::key("shop"), level: None }));
    for command in [Command::Upgrade, Command::LogLevel] {
        assert!(orders(command, "blog", &mut state, &mut world).is_empty(), "{command:?}: it does not run");
    }
    assert_eq!(command_line(Command::LogLevel, &world).as_deref(), Some("hostler log-level shop --system"));
    assert_eq!(command_line(Command::Upgrade, &world).as_deref(), Some("hostler upgrade shop --system"));
}

fn command_line(command: Command, world: &World) -> Option<String> {
    command.hostler(&Scene::about(world, &State::default(), &example::key("shop")))
}
