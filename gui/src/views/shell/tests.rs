//! The whole window by its accessible names.

use egui::{Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use hostler_bus::LogLevel;
use hostler_bus::daemon::{InstanceState, Outcome, Reach};

use super::show;
use crate::bus::{Action, Event, Link, Order, Part, Progress};
use crate::model::{Failure, FailureKind, Running, ToastTone, World, example};
use crate::state::Tab;
use crate::views::dialogs::Dialog;
use crate::views::trial::{self, DARK, Trial};

/// The window over a world, with nothing chosen.
fn window(look: (egui::Theme, [f32; 2]), world: World) -> Harness<'static, Trial> {
    trial::of("shop", look, show, |trial| {
        trial.world = world;
        trial.state.selected = None;
    })
}

/// The window that shows an instance of the example, after a change.
fn shown(name: &str, change: impl FnOnce(&mut Trial)) -> Harness<'static, Trial> {
    trial::of(name, DARK, show, change)
}

/// The orders without those that only say what is on screen.
fn orders(harness: &Harness<'_, Trial>) -> Vec<Order> {
    harness.state().orders.iter().filter(|order| !matches!(order, Order::Observe(..))).cloned().collect()
}

fn act(name: &str, action: Action) -> Order {
    Order::Act(example::key(name), action)
}

#[test]
fn all_instances_are_listed_with_their_states() {
    for look in trial::looks() {
        let harness = window(look, example::world());
        harness.get_by_role_and_label(Role::Navigation, "Machines and instances");
        for name in ["admin, asleep", "billing, failed", "shop, serving"] {
            harness.get_by_role_and_label(Role::ListBoxOption, name);
            harness.get_by_role_and_label(Role::Row, name);
        }
        harness.get_by_label("3 serving");
        harness.get_by_label("This computer, 9 instances");
    }
}

#[test]
fn what_is_not_there_says_what_to_do() {
    for look in trial::looks() {
        let harness = window(look, example::empty());
        harness.get_by_label("No instances yet");
        harness.get_by_label("Copy `hostler new NAME --system`");

        let harness = window(look, example::connecting());
        harness.get_by_label("Connecting…");

        let mut harness = window(look, example::away());
        harness.get_by_label("This user, not installed");
        harness.get_by_label("This computer, not running");
        harness.get_by_label("web1.example.net, not reached");
        harness.get_by_label("retrying in 8 s");
        harness.get_by_label("Copy `ssh web1.example.net systemd-stdio-bridge`");
        let retry = harness.get_all_by_label("Retry now").next().expect("there is a button to retry");
        retry.click();
        harness.run();
        assert_eq!(orders(&harness).len(), 1);
        assert!(matches!(orders(&harness)[0], Order::Connect(_)));
    }
}

#[test]
fn a_lost_daemon_leaves_what_was_seen_and_takes_no_orders() {
    let lost = |trial: &mut Trial| {
        let reach = example::system();
        let machine = trial.world.machines.iter_mut().find(|machine| machine.reach == reach);
        machine.expect("the machine is there").link = Link::Connecting;
    };
    for (theme, size) in trial::looks() {
        let mut harness = trial::of("shop", (theme, size), show, lost);
        harness.get_by_label("Connecting. What is shown is as it was last seen.");
        harness.get_by_label("shop, serving");
        harness.get_by_role_and_label(Role::Button, "Reload").click();
        harness.run();
        assert_eq!(orders(&harness), []);
    }
}

#[test]
fn the_buttons_follow_the_state_and_turn_into_progress() {
    for (name, main, others) in [
        ("shop", "Reload", vec!["Restart", "Stop"]),
        ("admin", "Wake", vec!["Stop"]),
        ("blog", "Start", vec![]),
        ("billing", "Start", vec!["Logs"]),
        ("jobs", "Reload", vec!["Restart", "Stop"]),
        ("api", "Reload", vec!["Stop"]),
        ("webhooks", "Stop", vec!["Logs"]),
    ] {
        let harness = shown(name, |_| {});
        for button in [main].into_iter().chain(others) {
            // The overview of one that rests offers the main thing as well.
            let found = harness.get_all_by_role_and_label(Role::Button, button).count();
            assert!(found > 0, "{button} of {name}");
        }
    }
    let mut harness = shown("shop", |_| {});
    harness.get_by_role_and_label(Role::Button, "Reload").click();
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::Reload)]);
    harness.get_by_label("Reloading…");
    assert!(harness.query_by_role_and_label(Role::Button, "Restart").is_none());
    harness.get_by_role_and_label(Role::Button, "Cancel").click();
    harness.run();
    assert_eq!(orders(&harness)[1], Order::Cancel(example::key("shop")));
}

#[test]
fn what_others_do_is_followed_and_can_be_cancelled() {
    for look in trial::looks() {
        // Nobody knows who reloads it: that it does is said, and nothing is recommended.
        let mut harness = trial::of("api", look, super::show, |_| {});
        harness.get_by_label("Reloading…");
        harness.get_by_role_and_label(Role::Button, "Reload").click();
        harness.run();
        assert_eq!(orders(&harness), [act("api", Action::Reload)]);
    }
    let mut harness = shown("api", |trial| {
        let key = example::key("api");
        trial.world.take(Event::Begun(key.clone(), Action::Reload), example::NOW_US);
        let progress = Progress { stage: "importing".to_owned(), fraction: 0.5 };
        trial.world.take(Event::Progress(key, Action::Reload, progress), example::NOW_US);
    });
    assert!(harness.query_all_by_label("Reloading…").count() > 0);
    assert!(harness.query_by_role_and_label(Role::Button, "Reload").is_none());
    harness.get_by_role_and_label(Role::Button, "Cancel").click();
    harness.run();
    assert_eq!(orders(&harness), [Order::Cancel(example::key("api"))]);
    let failure = Failure { message: "it does not import".to_owned(), ..Failure::default() };
    let ended = Event::Ended(example::key("api"), Action::Reload, Err(failure));
    harness.state_mut().world.take(ended, example::NOW_US);
    harness.run();
    assert!(harness.query_all_by_label("Reload failed").count() > 0);
}

#[test]
fn the_log_level_is_set_by_hand() {
    let mut harness = shown("shop", |trial| {
        trial.state.passing.dialog = Some(Dialog::LogLevel { key: example::key("shop"), level: None });
    });
    harness.get_by_role_and_label(Role::Dialog, "Log level of shop");
    harness.get_by_label("Waiting for its level of now…");
    let told = Event::LogLevel(example::key("shop"), Ok(LogLevel::Info));
    harness.state_mut().world.take(told, example::NOW_US);
    harness.run();
    harness.get_by_role_and_label(Role::RadioButton, "Debug: all that helps to understand one worker").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Set log level").click();
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::SetLogLevel(LogLevel::Debug))]);
    let ended = Event::Ended(example::key("shop"), Action::SetLogLevel(LogLevel::Debug), Ok(Outcome::default()));
    harness.state_mut().world.take(ended, example::NOW_US);
    harness.run();
    assert!(harness.query_all_by_label_contains("shop logs what is debug or worse").count() > 0);
    harness.get_by_label("Undo").click();
    harness.run();
    assert_eq!(orders(&harness)[1], act("shop", Action::SetLogLevel(LogLevel::Info)));
}

#[test]
fn escape_goes_back_to_the_whole_range_of_the_plots() {
    let mut harness = shown("shop", |_| {});
    harness.key_press_modifiers(Modifiers::ALT, Key::Equals);
    harness.run();
    assert!(harness.state().state.passing.overview.is_zoomed());
    harness.key_press(Key::Escape);
    harness.run();
    assert!(!harness.state().state.passing.overview.is_zoomed());
}

#[test]
fn authorisation_is_waited_for_and_said() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |trial| {
            trial.instance().running = Some(Running {
                action: Action::Stop,
                since_us: example::NOW_US - 5_000_000,
                authorizing: true,
                progress: Progress::default(),
            });
        });
        harness.get_by_label("Waiting for authorisation…");
        harness.get_by_label("5 s");
    }
}

#[test]
fn a_reload_is_followed_on_screen() {
    let mut harness = shown("shop", |_| {});
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::Reload)]);
    harness.get_by_label("Generation 8 starts");
    harness.get_by_label("Generation 7 answers until generation 8 is ready.");
    let observed = harness.state().orders.iter().rev().find_map(|order| match order {
        Order::Observe(_, parts) => Some(parts.clone()),
        _ => None,
    });
    assert!(observed.is_some_and(|parts| parts.contains(&Part::Workers)), "the course needs the workers");
}

#[test]
fn a_failure_shows_its_evidence_and_what_goes_on() {
    let traceback = "Traceback (most recent call last):\n  File \"/srv/shop/views.py\", line 31\nSyntaxError: invalid";
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |trial| {
            let failure = Failure {
                message: "generation 8 failed: SyntaxError".to_owned(),
                detail: traceback.to_owned(),
                ..Failure::default()
            };
            trial.instance().failed = Some((Action::Reload, failure));
        });
        harness.get_by_label("Generation 8 failed: SyntaxError");
        harness.get_by_label("generation 7 goes on serving");
        harness.get_by_label("/srv/shop/views.py, line 31");
        harness.get_by_role_and_label(Role::Button, "Show log").click();
        harness.run();
        assert_eq!(harness.state().state.tab, Tab::Logs);
        harness.get_by_label("Dismiss").click();
        harness.run();
        assert!(harness.query_by_label("Generation 8 failed: SyntaxError").is_none());
    }
}

#[test]
fn what_was_dismissed_is_told_apart_from_what_was_refused() {
    for look in trial::looks() {
        let failed = |kind| {
            trial::of("shop", look, super::show, move |trial| {
                let failure =
                    Failure { kind, message: "not authorized to control it: no".to_owned(), ..Failure::default() };
                trial.instance().failed = Some((Action::Reload, failure));
                trial.instance().happenings.clear();
            })
        };
        let mut dismissed = failed(FailureKind::Dismissed);
        dismissed.get_by_label("Not done: the question for authorisation was dismissed");
        assert!(dismissed.query_by_label("Reload failed").is_none());
        dismissed.get_by_label("Try again").click();
        dismissed.run();
        assert_eq!(orders(&dismissed), [act("shop", Action::Reload)]);
        let refused = failed(FailureKind::NotPermitted);
        refused.get_by_label("Reload: not authorised");
        refused.get_by_label("Not authorized to control it: no");
        assert!(refused.query_by_label("Reload failed").is_none() && refused.query_by_label("Show log").is_none());
    }
}

#[test]
fn a_reason_is_said_once() {
    let problem = "its service failed: start-limit-hit; `systemctl reset-failed hostler@billing` lets it start again";
    let with = |message: &str| {
        let failure = Failure { message: message.to_owned(), ..Failure::default() };
        trial::of("billing", trial::DARK, super::show, move |trial| {
            trial.state.views.sidebar.hidden = true;
            trial.instance().overview.problem = problem.to_owned();
            trial.instance().failed = Some((Action::Start, failure));
        })
    };
    let said = |harness: &Harness<'_, Trial>| harness.query_all_by_label_contains("start-limit-hit").count();
    assert_eq!(said(&with("billing did not start: its service failed: start-limit-hit")), 1);
    assert_eq!(said(&with("the connection was lost")), 1);
}

#[test]
fn the_sidebar_is_gone_through_with_the_keyboard() {
    let mut harness = window(DARK, example::world());
    harness.get_by_role_and_label(Role::ListBoxOption, "admin, asleep").focus();
    harness.run();
    for _ in 0..2 {
        harness.key_press(Key::ArrowDown);
        harness.run();
    }
    assert!(harness.get_by_role_and_label(Role::ListBoxOption, "billing, failed").is_focused());
    harness.key_press(Key::Space);
    harness.run();
    assert!(harness.state().state.marked.contains(&example::key("billing")));
    harness.get_by_label("1 marked");
    harness.key_press(Key::ArrowUp);
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().state.selected, Some(example::key("api")));
    harness.key_press(Key::Escape);
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.state().state.marked.is_empty(), "Esc clears the marks");
}

#[test]
fn a_machine_is_folded_with_the_keyboard_and_lists_its_own() {
    let mut harness = window(DARK, example::world());
    harness.get_by_label("This computer, 9 instances").focus();
    harness.run();
    harness.key_press(Key::ArrowLeft);
    harness.run();
    assert!(harness.query_by_role_and_label(Role::ListBoxOption, "shop, serving").is_none());
    harness.key_press(Key::ArrowRight);
    harness.run();
    harness.get_by_role_and_label(Role::ListBoxOption, "shop, serving");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().state.machine, Some(example::system()));
    assert!(harness.query_by_role_and_label(Role::Row, "notes, serving").is_none());
}

#[test]
fn the_search_takes_keys_that_are_shortcuts_elsewhere() {
    let mut harness = window(DARK, example::world());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
    harness.run();
    let field = harness.get_by_role_and_label(Role::TextInput, "Search instances");
    assert!(field.is_focused());
    field.type_text("bill?");
    harness.key_press(Key::Questionmark);
    harness.run();
    assert_eq!(harness.state().state.passing.dialog, None, "a question mark is typed, not a command");
    assert_eq!(harness.state().state.search, "bill?");
    harness.get_by_label("Nothing matches");
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(harness.state().state.search, "");
}

#[test]
fn panes_are_gone_through_with_f6() {
    let mut harness = shown("shop", |_| {});
    for (role, name) in [(Role::Button, "Reload"), (Role::Tab, "Overview"), (Role::ListBoxOption, "shop, serving")] {
        harness.key_press(Key::F6);
        harness.run();
        assert!(harness.get_by_role_and_label(role, name).is_focused(), "{name}");
    }
    harness.key_press_modifiers(Modifiers::SHIFT, Key::F6);
    harness.run();
    assert!(harness.get_by_role_and_label(Role::Tab, "Overview").is_focused());
    harness.key_press(Key::ArrowRight);
    harness.run();
    assert_eq!(harness.state().state.tab, Tab::Workers);
    assert!(harness.get_by_role_and_label(Role::Tab, "Workers").is_focused());
}

#[test]
fn the_palette_finds_shows_the_command_and_does_it() {
    for look in trial::looks() {
        let mut harness = window(look, example::world());
        harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
        harness.run();
        harness.get_by_role_and_label(Role::TextInput, "Command palette").type_text("restart shop");
        harness.run();
        harness.get_by_label("hostler restart shop --system");
        harness.key_press(Key::Enter);
        harness.run();
        assert_eq!(orders(&harness), [act("shop", Action::Restart)]);
        assert!(harness.query_by_role_and_label(Role::TextInput, "Command palette").is_none());
    }
}

#[test]
fn words_and_enter_of_one_frame_find_what_was_typed() {
    let mut harness = shown("shop", |_| {});
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run();
    let enter = egui::Event::Key {
        key: Key::Enter,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    harness.input_mut().events.extend([egui::Event::Text("restart shop".to_owned()), enter]);
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::Restart)]);
}

#[test]
fn esc_closes_the_palette_and_nothing_is_done() {
    let mut harness = shown("shop", |_| {});
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert!(!harness.state().state.passing.palette.is_open());
    assert_eq!(orders(&harness), []);
}

#[test]
fn removing_asks_for_the_name() {
    for look in trial::looks() {
        let mut harness = trial::of("blog", look, show, |trial| {
            trial.state.passing.dialog = Some(Dialog::Remove { key: example::key("blog"), typed: String::new() });
        });
        harness.get_by_role_and_label(Role::Dialog, "Remove blog?");
        harness.get_by_role_and_label(Role::Button, "Remove blog").click();
        harness.run();
        assert_eq!(orders(&harness), [], "the name was not typed");
        harness.get_by_role_and_label(Role::TextInput, "Type blog to confirm").type_text("blog");
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Remove blog").click();
        harness.run();
        assert_eq!(orders(&harness), [act("blog", Action::Remove)]);
        assert_eq!(harness.state().state.passing.dialog, None);
    }
}

#[test]
fn the_number_of_workers_is_set_by_hand() {
    let mut harness = shown("shop", |_| {});
    harness.get_by_role_and_label(Role::Button, "Set workers…").click();
    harness.run();
    harness.get_by_label("One worker more").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Set workers").click();
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::Scale(5))]);
}

#[test]
fn a_host_is_added_once_and_removed() {
    let mut harness = window(DARK, example::world());
    harness.get_by_label("Add host…").click();
    harness.run();
    harness.get_by_label("Host, as ssh takes it").type_text("-oProxyCommand=x");
    harness.run();
    harness.get_by_label("A host has no spaces, and does not begin with a dash.");
    harness.state_mut().state.passing.dialog =
        Some(Dialog::AddHost { host: "web1.example.net".to_owned(), user: false });
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Add host").click();
    harness.run();
    let reach = Reach { user: false, host: Some("web1.example.net".to_owned()) };
    assert_eq!(orders(&harness), [Order::Connect(reach.clone())]);
    assert_eq!(harness.state().state.hosts, [reach]);
    harness.get_by_label("web1.example.net, connecting");
}

#[test]
fn several_are_stopped_after_a_look_at_the_list() {
    for look in trial::looks() {
        let mut harness = window(look, example::world());
        for name in ["shop", "blog", "jobs"] {
            harness.get_by_label(&format!("Mark {name}")).click();
            harness.run();
        }
        harness.get_by_label("3 marked");
        harness.get_by_label("Stop…").click();
        harness.run();
        assert_eq!(orders(&harness), []);
        harness.get_by_label("Left as they are:");
        harness.get_by_label("it is not running");
        harness.get_by_role_and_label(Role::Button, "Stop 2 instances").click();
        harness.run();
        assert_eq!(orders(&harness), [act("jobs", Action::Stop), act("shop", Action::Stop)]);
    }
}

#[test]
fn a_toast_offers_to_take_back_and_is_read_out() {
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |trial| {
            let undo = Some(("Start again", Action::Start));
            let about = Some(example::key("blog"));
            trial.world.toast(ToastTone::Good, "blog is stopped".to_owned(), about, undo, example::NOW_US);
        });
        let toast = harness.get_by_role_and_label(Role::Status, "blog is stopped");
        assert_eq!(toast.accesskit_node().live(), egui::accesskit::Live::Polite);
        harness.get_by_label("Notices, 1 new");
        harness.get_by_label("Start again").click();
        harness.run();
        assert_eq!(orders(&harness), [act("blog", Action::Start)]);
        assert!(harness.query_by_label("Start again").is_none());
        harness.get_by_label("Notices, 1 new").click();
        harness.run();
        harness.get_by_role_and_label(Role::Dialog, "Notices");
        harness.get_by_label("Show blog");
    }
}

#[test]
fn rows_are_sorted_by_a_title_and_filtered_by_a_state() {
    let mut harness = window(DARK, example::world());
    harness.get_by_label("Sort by requests").click();
    harness.run();
    let first =
        harness.get_all_by_role(Role::Row).filter_map(|row| row.accesskit_node().label()).find(|name| !name.is_empty());
    assert_eq!(first.as_deref(), Some("api, reloading"), "it has the most");
    harness.get_by_label("1 asleep").click();
    harness.run();
    assert_eq!(harness.state().state.states, [InstanceState::Asleep]);
    harness.get_by_role_and_label(Role::Row, "admin, asleep").click();
    harness.run();
    assert_eq!(harness.state().state.selected, Some(example::key("admin")));
}

#[test]
fn the_menus_show_what_can_be_had_with_its_keys() {
    let mut harness = shown("shop", |_| {});
    harness.get_by_role_and_label(Role::Button, "Instance").click();
    harness.run();
    let start = harness.get_by_role_and_label(Role::MenuItem, "Start");
    assert!(start.accesskit_node().is_disabled(), "it runs already");
    harness.get_by_role_and_label(Role::MenuItem, "Reload").click();
    harness.run();
    assert_eq!(orders(&harness), [act("shop", Action::Reload)]);
}

#[test]
fn what_is_on_screen_is_observed_and_nothing_else() {
    let mut harness = shown("shop", |_| {});
    let last = |harness: &Harness<'_, Trial>| harness.state().orders.last().cloned();
    let key = Some(example::key("shop"));
    assert_eq!(last(&harness), Some(Order::Observe(key.clone(), vec![Part::Status])));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num7);
    harness.run();
    let parts = vec![Part::Status, Part::Settings, Part::History];
    assert_eq!(last(&harness), Some(Order::Observe(key, parts)));
    harness.key_press_modifiers(Modifiers::ALT, Key::Home);
    harness.run();
    assert_eq!(last(&harness), Some(Order::Observe(None, Vec::new())));
    let count = harness.state().orders.len();
    harness.run();
    assert_eq!(harness.state().orders.len(), count, "what stays the same is not ordered again");
}

#[test]
fn hundreds_of_instances_cost_no_more_than_what_is_seen() {
    let mut world = example::empty();
    let machine = world.machines.iter_mut().find(|machine| machine.reach == example::system()).expect("it is there");
    for number in 0..2_000 {
        machine.instances.insert(format!("app-{number:04}"), Default::default());
    }
    let harness = window(DARK, world);
    let drawn = harness.get_all_by_role(Role::ListBoxOption).count();
    assert!((1..40).contains(&drawn), "{drawn} rows were drawn");
}
