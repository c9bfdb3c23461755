//! The settings by their accessible names.

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, Node};
use hostler_bus::daemon::{Change, Problem};

use super::show;
use crate::bus::{Action, Link, Order};
use crate::draft::Edit;
use crate::model::{Failure, FailureKind, Loaded, example};
use crate::views::trial::{self, DARK, Trial};

/// Large, so that all settings are in sight.
const TALL: (egui::Theme, [f32; 2]) = (egui::Theme::Dark, [1200.0, 1700.0]);

/// The field that a setting is typed into.
fn field<'a>(harness: &'a Harness<'static, Trial>, name: &'a str) -> Node<'a> {
    harness.get_by_role_and_label(Role::TextInput, name)
}

fn value(harness: &Harness<'static, Trial>, name: &str) -> String {
    field(harness, name).value().unwrap_or_default()
}

fn choice(harness: &Harness<'static, Trial>, name: &str) -> String {
    harness.get_by_role_and_label(Role::ComboBox, name).value().unwrap_or_default()
}

fn replace(harness: &mut Harness<'static, Trial>, name: &str, text: &str) {
    field(harness, name).focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run();
    field(harness, name).type_text(text);
    harness.run();
}

/// The change that was sent to be looked through last, with its number.
fn validated(harness: &Harness<'static, Trial>) -> Option<(u64, Change)> {
    harness.state().orders.iter().rev().find_map(|order| match order {
        Order::Validate { draft, change, .. } => Some((*draft, change.clone())),
        _ => None,
    })
}

fn applied(harness: &Harness<'static, Trial>) -> Vec<(String, Change)> {
    let orders = harness.state().orders.iter();
    orders
        .filter_map(|order| match order {
            Order::Act(_, Action::Apply { revision, change }) => Some((revision.clone(), change.clone())),
            _ => None,
        })
        .collect()
}

fn word(key: &str, word: &str) -> Change {
    Change { set: vec![(key.to_owned(), vec![word.to_owned()])], unset: Vec::new() }
}

#[test]
fn each_setting_has_its_form() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("Search settings");
        assert_eq!(value(&harness, "app"), "shop.wsgi:application");
        harness.get_by_label_contains("shop.toml, line 2");
    }
    let harness = trial::of("shop", TALL, show, |_| {});
    assert_eq!(value(&harness, "workers at most"), "8");
    assert_eq!(value(&harness, "threads"), "1");
    assert_eq!(value(&harness, "max_body"), "16");
    assert_eq!(choice(&harness, "max_body unit"), "MiB");
    assert_eq!(choice(&harness, "log_level"), "info");
    harness.get_by_role_and_label(Role::Switch, "preload");
    harness.get_by_label_contains("Set by a drop-in of its unit, which goes before the settings file");
    assert!(validated(&harness).is_none(), "nothing is asked while nothing is changed");
}

#[test]
fn a_wrong_value_is_told_beside_its_field() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    replace(&mut harness, "threads", "9000");
    let (draft, change) = validated(&harness).expect("it was sent to be looked through");
    assert_eq!(change, word("threads", "9000"));
    let problem = Problem {
        key: "threads".to_owned(),
        message: "`threads` wants between 1 and 1024, found the number 9000".to_owned(),
        hint: "between 1 and 1024".to_owned(),
        ..Problem::default()
    };
    harness.state_mut().instance().validated = Some((draft, Ok(vec![problem])));
    harness.run();
    let told = harness.get_by_label_contains("wants between 1 and 1024, found the number 9000").rect();
    let field = field(&harness, "threads").rect();
    assert!(told.top() >= field.bottom() - 1.0 && told.top() < field.bottom() + 20.0, "{told:?} below {field:?}");
    harness.get_by_label_contains("1 problem");
    assert!(harness.get_by_label("Review…").accesskit_node().is_disabled());
    replace(&mut harness, "threads", "8");
    let (later, change) = validated(&harness).unwrap();
    assert!(later > draft);
    assert_eq!(change, word("threads", "8"));
    harness.state_mut().instance().validated = Some((later, Ok(Vec::new())));
    harness.run();
    assert!(harness.query_by_label_contains("found the number 9000").is_none());
    assert!(!harness.get_by_label("Review…").accesskit_node().is_disabled());
}

#[test]
fn a_change_is_reviewed_and_applied_over_its_revision() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    replace(&mut harness, "threads", "8");
    harness.get_by_role_and_label(Role::Switch, "preload").click();
    harness.run();
    harness.get_by_label("2 changes");
    harness.get_by_label("Review…").click();
    harness.run();
    harness.get_by_label("+threads = 8");
    harness.get_by_label("-preload = true");
    harness.get_by_label("+preload = false");
    harness.get_by_label("Apply").click();
    harness.run_steps(3);
    let sent = applied(&harness);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, "5e2b1c");
    let mut keys: Vec<&str> = sent[0].1.set.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["preload", "threads"]);
    // It goes well: first the answer, then the settings as they are.
    harness.state_mut().instance().running = None;
    harness.run_steps(3);
    assert!(harness.query_by_label("Apply").is_none(), "the dialog is gone");
    assert!(harness.query_by_label("2 changes").is_none());
    settings_become(&mut harness, "r2", &[("threads", "8"), ("preload", "false")]);
    assert_eq!(value(&harness, "threads"), "8");
    assert_eq!(applied(&harness).len(), 1);
}

#[test]
fn what_is_refused_says_why_and_is_kept() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    replace(&mut harness, "threads", "8");
    harness.get_by_label("Review…").click();
    harness.run();
    harness.get_by_label("Apply").click();
    harness.run_steps(3);
    let instance = harness.state_mut().instance();
    let running = instance.running.take().expect("it is under way");
    let failure = Failure {
        message: "the reload failed: the application does not import".to_owned(),
        detail: "Traceback (most recent call last):\nImportError: shop".to_owned(),
        ..Failure::default()
    };
    instance.failed = Some((running.action, failure));
    harness.run();
    assert!(harness.query_all_by_label_contains("Not applied: the settings are as before").next().is_some());
    assert!(harness.query_all_by_label("the reload failed: the application does not import").next().is_some());
    assert_eq!(value(&harness, "threads"), "8", "what was typed is kept");
}

fn settings_become(harness: &mut Harness<'static, Trial>, revision: &str, values: &[(&str, &str)]) {
    let instance = harness.state_mut().instance();
    let mut settings = instance.settings.value().unwrap().clone();
    revision.clone_into(&mut settings.revision);
    for (key, value) in values {
        let place = settings.values.iter_mut().find(|place| place.key == *key).unwrap();
        place.value = Some((*value).to_owned());
        place.origin = hostler_bus::daemon::Origin::File;
    }
    instance.settings = Loaded::Here(settings);
    harness.run();
}

#[test]
fn what_somebody_else_changed_is_decided_by_key() {
    for (button, expected) in [("Keep my threads", "8"), ("Take their threads", "16")] {
        let mut harness = trial::of("shop", TALL, show, |_| {});
        replace(&mut harness, "threads", "8");
        replace(&mut harness, "timeout", "60");
        let instance = harness.state_mut().instance();
        let conflict = Failure { kind: FailureKind::Conflict, message: "changed".to_owned(), ..Failure::default() };
        instance.failed = Some((Action::Apply { revision: String::new(), change: Change::default() }, conflict));
        settings_become(&mut harness, "r2", &[("threads", "16"), ("log_level", "\"debug\"")]);
        harness.get_by_label_contains("Meanwhile somebody set it to 16 (it was 1)");
        assert_eq!(Some(choice(&harness, "log_level").as_str()), Some("debug"), "what only they changed is taken");
        assert!(harness.get_by_label("Review…").accesskit_node().is_disabled());
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(value(&harness, "threads"), expected);
        harness.get_by_label("Review…").click();
        harness.run();
        harness.get_by_label("Apply").click();
        harness.run_steps(2);
        assert_eq!(applied(&harness)[0].0, "r2", "over the revision that is there now");
    }
}

#[test]
fn values_go_back_to_what_they_were() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    harness.get_by_label("Set preload back to its default").click();
    harness.run();
    let key = example::key("shop");
    let edit = |harness: &Harness<'static, Trial>| {
        harness.state().state.passing.settings.editing(&key).unwrap().draft.edits().get("preload").cloned()
    };
    assert_eq!(edit(&harness), Some(Edit::Unset));
    harness.get_by_label("Revert preload").click();
    harness.run();
    assert_eq!(edit(&harness), None);
    assert!(harness.query_by_label("Review…").is_none());
}

#[test]
fn steps_are_taken_back() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    harness.get_by_role_and_label(Role::Switch, "preload").click();
    // A step counts once it was left alone for a second.
    harness.run_steps(10);
    for _ in 0..10 {
        harness.step();
    }
    harness.get_by_label("More threads").click();
    harness.run();
    harness.get_by_label("2 changes");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    harness.get_by_label("1 change");
    harness.get_by_label("Discard").click();
    harness.run();
    assert!(harness.query_by_label("Review…").is_none());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    harness.get_by_label("1 change");
}

#[test]
fn a_list_grows_and_shrinks() {
    let mut harness = trial::of("shop", TALL, show, |trial| {
        let mut settings = trial.instance().settings.value().unwrap().clone();
        let bind = settings.values.iter_mut().find(|value| value.key == "bind").unwrap();
        bind.origin = hostler_bus::daemon::Origin::File;
        trial.instance().settings = Loaded::Here(settings);
    });
    harness.get_by_label("Add to bind").click();
    harness.run();
    assert!(validated(&harness).is_none(), "an empty item is no change");
    field(&harness, "bind 2").focus();
    harness.run();
    field(&harness, "bind 2").type_text(":8000");
    harness.run();
    let (_, change) = validated(&harness).unwrap();
    assert_eq!(change.set, [("bind".to_owned(), vec!["unix:/run/hostler/shop.sock".to_owned(), ":8000".to_owned()])]);
    harness.get_by_label_contains("1 takes a restart");
    harness.get_by_label("Take bind 2 away").click();
    harness.run();
    assert!(harness.query_by_label("Review…").is_none());
}

#[test]
fn settings_are_found() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
    harness.run();
    harness.get_by_label("Search settings").type_text("request body");
    harness.run();
    field(&harness, "max_body");
    assert!(harness.query_by_role_and_label(Role::TextInput, "app").is_none());
    harness.get_by_label("Search settings").type_text("xyz");
    harness.run();
    harness.get_by_label("No such setting");
    harness.get_by_label("Show all settings").click();
    harness.run();
    field(&harness, "app");
    harness.get_by_label("Changed only").click();
    harness.run();
    assert!(harness.query_by_role_and_label(Role::TextInput, "threads").is_none());
}

#[test]
fn the_file_is_shown_as_it_is() {
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label_contains("File").click();
        harness.run();
        harness.get_by_label_contains("# The shop of the saddlery.");
        harness.get_by_label("/etc/hostler/shop.toml");
    }
}

#[test]
fn what_is_not_there_is_said() {
    for look in trial::looks() {
        let waits = trial::of("shop", look, show, |trial| trial.instance().settings = Loaded::Awaited);
        waits.get_by_label("Waiting for the settings");
        let refused = trial::of("shop", look, show, |trial| {
            trial.instance().settings = Loaded::Failed(example::refused(), None);
        });
        refused.get_by_label("You may not see the settings");
        let away = trial::of("shop", look, show, |trial| {
            trial.world.machines.iter_mut().for_each(|machine| machine.link = Link::Connecting);
        });
        away.get_by_label_contains("not connected");
        assert!(field(&away, "app").accesskit_node().is_disabled(), "nothing can be changed");
    }
}

#[test]
fn drafts_are_kept_while_another_instance_is_shown() {
    let mut harness = trial::of("shop", TALL, show, |_| {});
    replace(&mut harness, "threads", "8");
    harness.state_mut().state.selected = Some(example::key("api"));
    harness.run();
    assert_eq!(value(&harness, "threads"), "1");
    harness.state_mut().state.selected = Some(example::key("shop"));
    harness.run();
    assert_eq!(value(&harness, "threads"), "8");
}

/// The settings with variables of which two are secrets.
fn with_secrets(trial: &mut Trial) {
    let Loaded::Here(settings) = &mut trial.instance().settings else { panic!("the settings are here") };
    let text = "env = [\"SECRET_KEY=s3cret\", \"DATABASE_URL=postgres://shop:pw99@db/shop\", \"PORT=80\"]\n";
    settings.text.push_str(text);
    let value = settings.values.iter_mut().find(|value| value.key == "env").expect("there are variables");
    value.value = text.trim().strip_prefix("env = ").map(str::to_owned);
    value.origin = hostler_bus::daemon::Origin::File;
}

#[test]
fn secrets_are_shown_when_one_asks() {
    let mut harness = trial::of("shop", TALL, show, with_secrets);
    assert_eq!(value(&harness, "env 1"), "SECRET_KEY=••••••");
    assert_eq!(value(&harness, "env 2"), "DATABASE_URL=postgres://shop:••••••@db/shop");
    assert_eq!(value(&harness, "env 3"), "PORT=80");
    assert!(harness.query_by_label("Reveal env 3").is_none());
    harness.get_by_label("Reveal env 1").click();
    harness.run();
    assert_eq!(value(&harness, "env 1"), "SECRET_KEY=s3cret");
    // Who changes it goes on seeing it.
    replace(&mut harness, "env 1", "SECRET_KEY=other");
    assert_eq!(value(&harness, "env 1"), "SECRET_KEY=other");
    harness.get_by_label("Review…").click();
    harness.run();
    let seen = |harness: &Harness<'static, Trial>, word: &str| harness.query_all_by_label_contains(word).count();
    assert_eq!(seen(&harness, "s3cret") + seen(&harness, "pw99"), 0, "nor are they in the difference");
    harness.get_by_label("Reveal the secrets of this difference").click();
    harness.run();
    assert!(seen(&harness, "s3cret") > 0);
}

#[test]
fn the_file_is_shown_without_its_secrets() {
    let mut harness = trial::of("shop", DARK, show, |trial| {
        with_secrets(trial);
        let key = example::key("shop");
        trial.state.passing.settings.editings.entry(key).or_default().raw = true;
    });
    assert!(harness.query_by_label_contains("pw99").is_none());
    harness.get_by_label("Reveal the secrets of the file").click();
    harness.run();
    harness.get_by_label_contains("pw99");
}

#[test]
fn the_first_frame_names_a_group() {
    // So narrow that the groups are a menu; each frame is looked at.
    let narrow = (egui::Theme::Dark, [720.0, 700.0]);
    let mut harness = trial::of("shop", narrow, show, |trial| trial.state.selected = None);
    harness.state_mut().state.selected = Some(example::key("shop"));
    for _ in 0..4 {
        harness.step();
        assert_eq!(choice(&harness, "Group of settings"), "The application");
    }
    let asks = trial::of("shop", DARK, show, |trial| {
        trial.instance().settings = Loaded::Awaited;
        trial.instance().asking = vec![crate::bus::Part::Settings];
    });
    asks.get_by_label("Waiting for authorisation to see the settings");
}
