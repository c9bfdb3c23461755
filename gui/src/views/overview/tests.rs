//! The overview by its accessible names.

use egui_kittest::kittest::{NodeT, Queryable};
use hostler_bus::daemon::Detail;

use super::show;
use crate::bus::{Action, Order};
use crate::model::{Failure, Loaded, Samples, example};
use crate::state::Tab;
use crate::views::trial::{self, DARK};

#[test]
fn figures_plots_events_and_facts_are_there() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label_contains("Requests: 5");
        harness.get_by_label_contains("Latency p95: ");
        harness.get_by_label_contains("Memory: 312 MiB");
        for plot in ["Requests", "Latency", "Workers and queue", "Memory"] {
            let name = format!("{plot} over the last 5 minutes");
            let figure = harness.get_by_label(&name);
            let words = figure.accesskit_node().description().unwrap_or_default();
            assert!(words.starts_with("now "), "{plot}: {words}");
        }
        harness.get_by_label("Reload failed");
        harness.get_by_label("3.11.2");
        harness.get_by_label("Django");
        harness.get_by_label("14 × max requests · 1 × timed out");
        harness.get_by_label("KeyError: 'vat'");
    }
}

#[test]
fn the_range_is_chosen_and_kept() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("6 h").click();
    harness.run();
    harness.get_by_label("Requests over the last 6 hours");
    assert_eq!(harness.state().state.views.overview.range, super::Range::Hours6);
}

#[test]
fn the_pointer_shows_a_moment_of_all_plots() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    let plot = harness.get_by_label("Requests over the last 5 minutes").rect();
    harness.hover_at(plot.center());
    harness.run();
    harness.get_by_label_contains("14:57:");
    harness.remove_cursor();
    harness.run();
    assert!(harness.query_by_label_contains("14:57:2").is_none());
    harness.get_by_label("Latency over the last 5 minutes").click();
    harness.run();
    assert_eq!(harness.state().state.tab, Tab::Logs, "a click goes to the log of that moment");
}

#[test]
fn what_does_not_serve_says_why_and_what_to_do() {
    for (name, title, button, action) in [
        ("admin", "Asleep", "Wake it now", Action::Wake),
        ("blog", "Stopped", "Start it", Action::Start),
        ("docs", "Never started", "Start it", Action::Start),
        ("billing", "Failed", "Start it again", Action::Start),
        ("jobs", "Broken", "Reload it", Action::Reload),
    ] {
        for look in trial::looks() {
            let mut harness = trial::of(name, look, show, |_| {});
            harness.get_by_label(title);
            harness.get_by_label(button).click();
            harness.run();
            assert_eq!(harness.state().orders, [Order::Act(example::key(name), action.clone())], "{name}");
            let (words, tab) =
                if name == "docs" { ("Open its settings", Tab::Settings) } else { ("Show the log", Tab::Logs) };
            harness.get_by_label(words).click();
            harness.run();
            assert_eq!(harness.state().state.tab, tab);
        }
    }
    trial::of("webhooks", DARK, show, |_| {}).get_by_label("Starting");
}

#[test]
fn buttons_wait_while_something_is_done() {
    let mut harness = trial::of("admin", DARK, show, |trial| {
        let order = Order::Act(example::key("admin"), Action::Wake);
        trial.world.ordered(&order, example::NOW_US);
    });
    harness.get_by_label("Wake it now").click();
    harness.run();
    assert!(harness.state().orders.is_empty());
}

#[test]
fn figures_that_do_not_come_are_said() {
    let failure = Failure { message: "the connection was reset".to_owned(), ..Failure::default() };
    let harness = trial::of("shop", DARK, show, |trial| {
        let instance = trial.instance();
        instance.detail = Loaded::Failed(failure.clone(), instance.detail.value().cloned());
    });
    harness.get_by_label_contains("the connection was reset. What is shown is as it was before.");
    harness.get_by_label_contains("Memory: 312 MiB");
    let harness = trial::of("shop", DARK, show, |trial| {
        let silent = Detail { silent_because: "its control socket does not answer".to_owned(), ..Detail::default() };
        trial.instance().detail = Loaded::Here(silent);
    });
    harness.get_by_label("its control socket does not answer.");
}

#[test]
fn where_nothing_was_measured_the_plots_say_so() {
    let harness = trial::of("shop", DARK, show, |trial| trial.instance().samples = Samples::default());
    let figure = harness.get_by_label("Latency over the last 5 minutes");
    assert_eq!(figure.accesskit_node().description().as_deref(), Some("nothing was measured"));
    let harness = trial::of("shop", DARK, show, |trial| {
        trial.instance().detail = Loaded::Awaited;
        trial.instance().samples = Samples::default();
    });
    harness.get_by_label("Waiting for its figures");
}
