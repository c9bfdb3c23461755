//! The overview by its accessible names.

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use hostler_bus::daemon::Detail;

use super::show;
use crate::bus::{Action, Order};
use crate::model::{Failure, Loaded, Samples, example};
use crate::state::Tab;
use crate::views::trial::{self, DARK, Trial};

#[test]
fn figures_plots_events_and_facts_are_there() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label_contains("Requests: 5");
        harness.get_by_label_contains("Latency p95: ");
        harness.get_by_label_contains("Memory: 312 MiB");
        for plot in ["Requests", "Latency", "Workers and queue", "CPU", "Memory"] {
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
}

/// The middle of a plot's own rectangle, right of the labels of its values.
fn place(harness: &Harness<'_, Trial>, plot: &str, part: f32) -> egui::Pos2 {
    let rect = harness.get_by_label_contains(plot).rect();
    egui::Pos2::new(rect.left() + 60.0 + (rect.width() - 80.0) * part, rect.center().y)
}

fn drag(harness: &mut Harness<'_, Trial>, from: egui::Pos2, to: egui::Pos2) {
    harness.hover_at(from);
    harness.run();
    harness.drag_at(from);
    harness.step();
    harness.hover_at(from.lerp(to, 0.5));
    harness.step();
    harness.hover_at(to);
    harness.step();
    harness.drop_at(to);
    harness.run();
}

#[test]
fn processors_are_told_in_per_cent_of_one_core() {
    let harness = trial::of("shop", DARK, show, |_| {});
    let figure = harness.get_by_label("CPU over the last 5 minutes");
    let words = figure.accesskit_node().description().unwrap_or_default();
    assert!(words.contains("all processes, 100 % is one core") && words.ends_with(" %"), "{words}");
}

#[test]
fn a_span_that_is_drawn_is_shown_by_all_plots() {
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |_| {});
        let (from, to) = (place(&harness, "Requests over", 0.3), place(&harness, "Requests over", 0.6));
        drag(&mut harness, from, to);
        assert!(harness.state().state.passing.overview.is_zoomed());
        assert_eq!(harness.query_all_by_label_contains(" from 1").count(), 5, "each plot says what it shows");
        harness.get_by_label("Back to 5 min").click();
        harness.run();
        harness.get_by_label("Memory over the last 5 minutes");
    }
}

#[test]
fn the_choice_of_a_range_and_a_double_click_show_it_whole() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    let (from, to) = (place(&harness, "Requests over", 0.3), place(&harness, "Requests over", 0.6));
    drag(&mut harness, from, to);
    harness.get_by_label("1 h").click();
    harness.run();
    harness.get_by_label("Requests over the last hour");
    let (from, to) = (place(&harness, "Requests over", 0.9), place(&harness, "Requests over", 0.5));
    drag(&mut harness, from, to);
    let plot = place(&harness, "Requests from", 0.5);
    harness.hover_at(plot);
    harness.run();
    for pressed in [true, false, true, false] {
        let button = egui::PointerButton::Primary;
        let event = egui::Event::PointerButton { pos: plot, button, pressed, modifiers: egui::Modifiers::NONE };
        // In one frame: the second click has to come soon after the first.
        harness.input_mut().events.push(event);
    }
    harness.run();
    harness.get_by_label("Requests over the last hour");
    assert!(harness.query_by_label("Log from here").is_none(), "two clicks keep no moment");
}

#[test]
fn a_click_keeps_a_moment_from_which_the_log_is_shown() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Latency over the last 5 minutes").click();
    harness.run();
    harness.remove_cursor();
    harness.run();
    harness.get_by_label_contains("At 1");
    harness.get_by_label("Let go of this moment").click();
    harness.run();
    assert!(harness.query_by_label("Log from here").is_none());
    harness.get_by_label("Latency over the last 5 minutes").click();
    harness.run();
    harness.get_by_label("Log from here").click();
    harness.run();
    assert_eq!(harness.state().state.tab, Tab::Logs);
}

#[test]
fn the_keys_go_from_sample_to_sample_and_to_the_log() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Requests over the last 5 minutes").focus();
    harness.run();
    let kept = |harness: &Harness<'_, Trial>| harness.state().state.passing.overview.kept();
    harness.key_press(egui::Key::Home);
    harness.run();
    let first = kept(&harness).expect("a moment is kept");
    for _ in 0..3 {
        harness.key_press(egui::Key::ArrowRight);
        harness.run();
    }
    assert_eq!(kept(&harness), Some(first + 3.0));
    harness.key_press(egui::Key::ArrowLeft);
    harness.run();
    assert_eq!(kept(&harness), Some(first + 2.0));
    assert!(harness.get_by_label("Requests over the last 5 minutes").is_focused(), "the arrows stay with the plot");
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(harness.state().state.tab, Tab::Logs);
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
            // What happened lately may be called the same.
            assert!(harness.query_all_by_label(title).next().is_some(), "{title}");
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

#[test]
fn another_version_that_is_installed_is_said() {
    let harness = trial::of("shop", DARK, show, |_| {});
    assert!(harness.query_by_label("Upgrade it").is_none(), "it runs what is installed");
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |trial| {
            let machine = trial.world.machine_mut(&example::system()).expect("the machine is there");
            machine.link = crate::bus::Link::Ready("0.2.0".to_owned());
        });
        harness.get_by_label("Hostler 0.2.0 is installed; its server still runs 0.1.0.");
        harness.get_by_label("Upgrade it").click();
        harness.run();
        assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), Action::Upgrade)]);
    }
}
