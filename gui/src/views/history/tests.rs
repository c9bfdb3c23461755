//! The history by its accessible names.

use egui_kittest::kittest::Queryable;

use super::show;
use crate::bus::{Action, Order};
use crate::model::{Loaded, example};
use crate::views::trial::{self, DARK};

#[test]
fn changes_and_reloads_are_one_line_of_time() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("Saturday 21 November 2026");
        let top = |label: &str| harness.get_by_label(label).rect().top();
        assert!(top("Reload failed") < top("Set max_body"));
        assert!(top("Set max_body") < top("Set workers"));
        harness.get_by_label("+max_body = \"16MiB\"");
        assert!(harness.query_by_label("+workers = \"2..8\"").is_none(), "former differences are folded");
    }
}

#[test]
fn differences_fold_and_unfold() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Show the difference of set workers").click();
    harness.get_by_label("Hide the difference of set max_body").click();
    harness.run();
    harness.get_by_label("+workers = \"2..8\"");
    assert!(harness.query_by_label("+max_body = \"16MiB\"").is_none());
}

#[test]
fn the_change_in_force_is_taken_back() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Undo").click();
    harness.run();
    let action = Action::Undo { revision: "5e2b1c".to_owned() };
    assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), action)]);
    harness.get_by_label("Taking the change back…");
}

#[test]
fn an_older_one_is_brought_back() {
    let mut harness = trial::of("shop", DARK, show, |trial| {
        let Loaded::Here(detail) = &mut trial.instance().detail else { return };
        detail.revision = "5e2b1c".to_owned();
    });
    harness.get_by_label("Bring back the settings as of set workers").click();
    harness.run();
    let action = Action::Restore { revision: "5e2b1c".to_owned(), to: "a91f30".to_owned() };
    assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), action)]);
    harness.get_by_label("Bringing the settings back…");
}

#[test]
fn what_was_not_taken_is_told_and_nothing_to_bring_back() {
    let harness = trial::of("shop", DARK, show, |trial| {
        let Loaded::Here(revisions) = &mut trial.instance().history else { return };
        revisions[1].refused = "it does not import".to_owned();
    });
    harness.get_by_label("The instance did not take it: it does not import");
    assert!(harness.query_by_label("Bring back the settings as of set workers").is_none());
}

#[test]
fn one_kind_is_shown_alone() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Deploys and reloads").click();
    harness.run();
    harness.get_by_label("Reload failed");
    assert!(harness.query_by_label("Set max_body").is_none());
    harness.get_by_label("Starts and restarts").click();
    harness.run();
    harness.get_by_label("Nothing of this kind");
    harness.get_by_label("Show all").click();
    harness.run();
    harness.get_by_label("Set max_body");
}

#[test]
fn nothing_and_failures_are_said() {
    let without = |history| {
        trial::of("shop", DARK, show, |trial| {
            trial.instance().history = history;
            trial.instance().happenings.clear();
        })
    };
    without(Loaded::Here(Vec::new())).get_by_label("Nothing has happened yet");
    without(Loaded::Awaited).get_by_label("Waiting for the history");
    without(Loaded::Failed(example::refused(), None)).get_by_label("You may not see the history");
    let harness = trial::of("shop", DARK, show, |trial| {
        trial.instance().history = Loaded::Failed(example::refused(), None);
    });
    harness.get_by_label("Reload failed");
    harness.get_by_label_contains("The changes of its settings do not come");
}

#[test]
fn a_password_is_waited_for_while_what_is_known_is_shown() {
    let harness = trial::of("shop", DARK, show, |trial| {
        trial.instance().history = Loaded::Awaited;
        trial.instance().asking = vec![crate::bus::Part::History];
    });
    harness.get_by_label("Waiting for authorisation to see the changes of its settings");
    harness.get_by_label("Reload failed");
}

#[test]
fn differences_hide_their_secrets() {
    let mut harness = trial::of("shop", DARK, show, |trial| {
        let Loaded::Here(revisions) = &mut trial.instance().history else { panic!("the history is here") };
        revisions[0].current = true;
        revisions[0].difference = "@@ -1 +1 @@\n-DB_PASSWORD = \"old\"\n+DB_PASSWORD = \"new\"\n".to_owned();
    });
    harness.get_by_label("+DB_PASSWORD = \"••••••\"");
    harness.get_by_label("Reveal the secrets of this difference").click();
    harness.run();
    harness.get_by_label("+DB_PASSWORD = \"new\"");
    harness.get_by_label("Hide the secrets of this difference").click();
    harness.run();
    assert!(harness.query_by_label_contains("\"new\"").is_none());
}
