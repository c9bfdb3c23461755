//! The log by its accessible names.

use egui::{Key, Role, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use hostler_bus::daemon::LogLine;

use super::{Reading, show};
use crate::bus::{ChoiceKind, Event, Order};
use crate::model::logs::LIMIT;
use crate::model::{Failure, FailureKind, Loaded, LogBook, Severity, example};
use crate::views::trial::{self, DARK, Trial};

fn line(number: u64) -> LogLine {
    LogLine {
        time_us: example::NOW_US - 400_000_000 + number * 1_000,
        priority: 6,
        message: format!("line {number}"),
        ..LogLine::default()
    }
}

/// A log of plain lines.
fn lines(count: u64) -> impl FnOnce(&mut Trial) {
    move |trial| {
        let log = &mut trial.instance().log;
        *log = LogBook::default();
        log.following = true;
        log.extend((0..count).map(line).collect());
    }
}

fn reading<'a>(harness: &'a Harness<'static, Trial>) -> &'a Reading {
    let key = example::key("shop");
    harness.state().state.passing.logs.reading(&key).unwrap()
}

/// A log of so many plain lines, looked at to its end.
fn long(count: u64) -> Harness<'static, Trial> {
    let mut harness = trial::of("shop", DARK, show, lines(10));
    harness.state_mut().instance().log.extend((10..count).map(line).collect());
    settle(&mut harness);
    harness
}

/// Turns the wheel over the lines, in points.
fn wheel(harness: &mut Harness<'static, Trial>, points: f32) {
    let center = harness.get_by_label("Log lines").rect().center();
    harness.hover_at(center);
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, points),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: egui::Modifiers::NONE,
    });
    // The view moves over several frames.
    harness.run_steps(30);
}

/// The rows on screen.
fn rows(harness: &Harness<'static, Trial>) -> Vec<String> {
    harness.query_all_by_role(Role::Row).filter_map(|row| row.accesskit_node().label()).collect()
}

/// Draws until the whole log was looked at.
fn settle(harness: &mut Harness<'static, Trial>) {
    while reading(harness).index.next()
        < harness.state().world.instance(&example::key("shop")).unwrap().log.numbers().end
    {
        harness.step();
    }
    harness.run();
}

#[test]
fn lines_are_there_in_each_look() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("Search the log");
        harness.get_by_label_contains("Lines over time, from ");
        harness.get_by_label("error KeyError: 'vat'");
        assert!(rows(&harness).last().unwrap().starts_with("info GET "), "the end is in sight");
        harness.get_by_label("400 lines");
    }
}

#[test]
fn the_log_is_followed_once() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    let followed = |harness: &Harness<'static, Trial>| -> Vec<Order> {
        let orders = harness.state().orders.iter();
        orders.filter(|order| matches!(order, Order::FollowLogs(..) | Order::ResumeLogs(..))).cloned().collect()
    };
    let is_first = |order: &Order| matches!(order, Order::FollowLogs(_, filter) if filter.cursor == "s=1;i=18f");
    assert!(matches!(&followed(&harness)[..], [order] if is_first(order)), "from the last line that is there");
    let lost = Failure { kind: FailureKind::Lost, ..Failure::default() };
    let log = &mut harness.state_mut().instance().log;
    (log.following, log.ended) = (false, Some(lost));
    harness.run();
    assert_eq!(followed(&harness).len(), 1, "not at once");
    harness.state_mut().instance().log.asked_us -= super::PAUSE_US;
    harness.run();
    // Nobody clicked, so nobody is asked for a password.
    assert!(matches!(&followed(&harness)[..], [_, Order::ResumeLogs(..)]), "what was lost goes on");
    let log = &mut harness.state_mut().instance().log;
    (log.following, log.ended, log.asked_us) = (false, Some(example::refused()), 0);
    harness.run();
    assert_eq!(followed(&harness).len(), 2, "what was refused waits");
    harness.get_by_label("Try again").click();
    harness.run();
    assert_eq!(followed(&harness).len(), 3);
    harness.state_mut().state.selected = Some(example::key("api"));
    harness.run();
    assert!(harness.state().orders.contains(&Order::EndLogs(example::key("shop"))), "only one log is followed");
}

#[test]
fn a_frame_touches_only_what_is_visible() {
    let mut harness = long(LIMIT as u64);
    assert_eq!(reading(&harness).index.len(), LIMIT);
    let looked_at = reading(&harness).index.looked_at();
    assert_eq!(looked_at, LIMIT as u64);
    let drawn = rows(&harness).len();
    assert!((15..60).contains(&drawn), "{drawn} rows");
    harness.run_steps(20);
    assert_eq!(reading(&harness).index.looked_at(), looked_at, "at rest no line is looked at");
    harness.state_mut().instance().log.extend((0..5).map(|number| line(LIMIT as u64 + number)).collect());
    harness.run();
    assert_eq!(reading(&harness).index.looked_at(), looked_at + 5, "of new lines, those alone");
    assert_eq!(rows(&harness).last().unwrap(), &format!("info line {}", LIMIT + 4), "the view stays at the end");
    assert!(rows(&harness).len() < 60);
}

#[test]
fn who_scrolls_up_stays_there() {
    let mut harness = long(1_000);
    assert!(reading(&harness).follows);
    wheel(&mut harness, 200.0);
    assert!(!reading(&harness).follows, "scrolling up lets go of the end");
    let before = rows(&harness);
    harness.state_mut().instance().log.extend((1_000..1_132).map(line).collect());
    harness.run();
    assert_eq!(rows(&harness), before, "what is in sight stays");
    harness.get_by_label("132 new").click();
    harness.run();
    assert!(reading(&harness).follows);
    assert_eq!(rows(&harness).last().unwrap(), "info line 1131");
    assert!(harness.query_by_label_contains("new").is_none());
}

#[test]
fn what_goes_above_does_not_move_what_is_in_sight() {
    let mut harness = long(LIMIT as u64);
    wheel(&mut harness, 200.0);
    let before = rows(&harness);
    harness.state_mut().instance().log.extend((0..300).map(|number| line(LIMIT as u64 + number)).collect());
    settle(&mut harness);
    assert_eq!(rows(&harness), before);
}

#[test]
fn a_search_finds_and_goes_from_place_to_place() {
    let mut harness = long(500);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::F);
    harness.run();
    harness.get_by_label("Search the log").type_text("LINE 33");
    harness.run();
    harness.get_by_label("Lines found: 11");
    harness.get_by_label("Go to the next one (N)").click();
    harness.run();
    harness.get_by_label("Lines found: 11 of 11");
    assert_eq!(reading(&harness).current, Some(339), "from the end, the latest");
    harness.get_by_label("Go to the next one (N)").click();
    harness.run();
    assert_eq!(reading(&harness).current, Some(33), "round the end");
    assert!(rows(&harness).contains(&"info line 33".to_owned()), "it is in sight");
    harness.get_by_label("Go to the one before (Shift+N)").click();
    harness.run();
    assert_eq!(reading(&harness).current, Some(339), "round the beginning");
    harness.get_by_label("Show only lines with this text").click();
    harness.run();
    assert_eq!(reading(&harness).index.len(), 11);
    harness.get_by_label("11 of 500 lines");
    harness.get_by_label("Filter: contains “LINE 33”. Take it away").click();
    harness.run();
    assert_eq!(reading(&harness).index.len(), 500);
}

#[test]
fn n_goes_on_where_no_text_is_typed() {
    let mut harness = long(100);
    harness.get_by_label("Search the log").focus();
    harness.run();
    harness.get_by_label("Search the log").type_text("line 7");
    harness.run();
    harness.get_by_label("info line 99").click();
    harness.run();
    harness.key_press(Key::N);
    harness.run();
    assert_eq!(reading(&harness).current, Some(7));
    harness.key_press_modifiers(egui::Modifiers::SHIFT, Key::N);
    harness.run();
    assert_eq!(reading(&harness).current, Some(79));
}

#[test]
fn a_traceback_is_folded_and_unfolds() {
    let large = (Theme::Dark, trial::SIZES[1]);
    let mut harness = trial::of("shop", large, show, |_| {});
    let lower = |harness: &Harness<'static, Trial>| harness.get_by_label("error KeyError: 'vat'").rect().height();
    assert!(lower(&harness) < 30.0);
    harness.get_by_label("Show all 6 lines").click();
    harness.run();
    let row = harness.get_by_label_contains("error GET /orders/991 failed");
    assert!(row.rect().height() > 100.0);
    harness.get_by_label("Fold it").click();
    harness.run();
    assert!(lower(&harness) < 30.0);
}

#[test]
fn a_line_shows_its_fields_and_filters_by_them() {
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("error KeyError: 'vat'").click();
        harness.run();
        harness.get_by_label("Copy as JSON");
        let id = example::request_id(376);
        harness.get_by_label(&id);
        let only = format!("Show only request {id}");
        harness.get_by_label(&only).scroll_to_me();
        harness.run_steps(20);
        harness.get_by_label(&only).click();
        harness.run();
        assert_eq!(reading(&harness).index.len(), 1);
        harness.get_by_label(&format!("Filter: request {id}. Take it away"));
        harness.get_by_label_contains("Show it among all lines").scroll_to_me();
        harness.run_steps(20);
        harness.get_by_label_contains("Show it among all lines").click();
        harness.run();
        assert_eq!(reading(&harness).index.len(), 400);
        harness.get_by_label("error KeyError: 'vat'");
        harness.get_by_label("Close (Esc)").click();
        harness.run();
        assert!(harness.query_by_label("Copy as JSON").is_none());
    }
}

#[test]
fn a_request_leads_to_its_lines() {
    let harness = trial::of("shop", DARK, show, |trial| {
        super::show_request(&mut trial.state, &example::request_id(120));
    });
    assert_eq!(rows(&harness).len(), 1);
    harness.get_by_label_contains("warning worker 2 exceeded");
    assert_eq!(harness.state().state.tab, crate::state::Tab::Logs);
}

#[test]
fn severity_and_worker_pick_lines() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Severity").click();
    harness.run();
    harness.get_by_label("Warnings and above").click();
    harness.run();
    assert_eq!(reading(&harness).index.criteria().severity, Severity::Warning);
    assert_eq!(rows(&harness).len(), 3);
    harness.get_by_label("Filter by worker, generation or time").click();
    harness.run();
    harness.get_by_label("Only worker 3").click();
    harness.run();
    harness.get_by_label("No such line");
    harness.get_by_label("Take all filters away").click();
    harness.run();
    assert_eq!(reading(&harness).index.len(), 400);
}

#[test]
fn a_time_is_chosen_by_dragging() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    let area = harness.get_by_label_contains("Lines over time").rect();
    let at = |part: f32| egui::pos2(area.left() + area.width() * part, area.center().y - 6.0);
    harness.hover_at(at(0.25));
    harness.run();
    harness.drag_at(at(0.25));
    harness.run();
    harness.hover_at(at(0.5));
    harness.run();
    harness.drop_at(at(0.5));
    harness.run();
    let shown = reading(&harness).index.len();
    assert!((80..120).contains(&shown), "a quarter of 400: {shown}");
    harness.get_by_label("Show all lines").click();
    harness.run();
    assert_eq!(reading(&harness).index.len(), 400);
}

#[test]
fn a_pause_holds_the_log() {
    let mut harness = long(100);
    harness.get_by_label("Pause").click();
    harness.run();
    harness.state_mut().instance().log.extend((100..110).map(line).collect());
    harness.run();
    assert_eq!(reading(&harness).index.len(), 100);
    harness.get_by_label("10 new");
    harness.get_by_label("Go on").click();
    harness.run();
    assert_eq!(rows(&harness).last().unwrap(), "info line 109");
}

#[test]
fn several_lines_are_chosen_and_copied() {
    let mut harness = long(100);
    harness.get_by_label("info line 95").click();
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::SHIFT, Key::ArrowDown);
    harness.key_press_modifiers(egui::Modifiers::SHIFT, Key::ArrowDown);
    harness.run();
    assert_eq!(reading(&harness).chosen(), Some(95..=97));
    harness.event(egui::Event::Copy);
    harness.step();
    let copied = harness.output().platform_output.commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    });
    let copied = copied.expect("something was copied");
    let ends: Vec<&str> = copied.lines().filter_map(|line| line.rsplit(": ").next()).collect();
    assert_eq!(ends, ["line 95", "line 96", "line 97"]);
}

#[test]
fn long_lines_wrap_into_as_many_rows_as_they_take() {
    let long = |trial: &mut Trial| {
        trial.state.views.logs.wrap = true;
        let log = &mut trial.instance().log;
        *log = LogBook::default();
        log.following = true;
        let message = "word ".repeat(120);
        log.extend(vec![line(0), LogLine { message, ..line(1) }, line(2)]);
    };
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, long);
        let middle = harness.get_by_label_contains("word").rect();
        let last = harness.get_by_label("info line 2").rect();
        assert!(middle.height() > 50.0 && (last.top() - middle.bottom()).abs() < 1.5, "{middle:?} {last:?}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    for theme in [Theme::Dark, Theme::Light] {
        let look = (theme, trial::SIZES[0]);
        let refused = trial::of("shop", look, show, |trial| {
            let log = &mut trial.instance().log;
            *log = LogBook::default();
            log.ended = Some(example::refused());
        });
        refused.get_by_label("You may not see the log");
        refused.get_by_label("Try again");
        let empty = trial::of("shop", look, show, |trial| {
            let log = &mut trial.instance().log;
            *log = LogBook::default();
            (log.following, log.opened_us) = (true, Some(0));
        });
        empty.get_by_label("Nothing was logged yet");
        // Somebody may be typing a password for it.
        let asked = trial::of("shop", look, show, |trial| {
            let log = &mut trial.instance().log;
            *log = LogBook::default();
            log.following = true;
        });
        asked.get_by_label("Waiting for the log");
        assert!(asked.query_by_label("Nothing was logged yet").is_none());
        let waits = trial::of("shop", look, show, |trial| trial.instance().log = LogBook::default());
        waits.get_by_label("Waiting for the log");
        let by_hand = trial::of("shop", look, show, |trial| {
            let instance = trial.instance();
            (instance.log, instance.overview.managed) = (LogBook::default(), false);
            if let Loaded::Here(detail) = &mut instance.detail {
                detail.instance.as_mut().unwrap().configured.error_log = "/var/log/shop.log".to_owned();
            }
        });
        by_hand.get_by_label("Its log goes elsewhere");
        by_hand.get_by_label_contains("/var/log/shop.log");
        let away = trial::of("shop", look, show, |trial| {
            trial.instance().log = LogBook::default();
            trial.world.machines.iter_mut().for_each(|machine| machine.link = crate::bus::Link::Connecting);
        });
        away.get_by_label("Not connected");
    }
}

#[test]
fn the_dialog_of_saving_names_a_file() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Save to a file").click();
    harness.run();
    let name = harness.get_by_label("File").value().unwrap_or_default();
    assert!(name.contains("shop-20") && name.ends_with(".log"), "{name}");
    harness.get_by_label("JSON lines").click();
    harness.run();
    assert!(harness.get_by_label("File").value().unwrap_or_default().ends_with(".jsonl"));
    harness.get_by_label("Browse…").click();
    harness.run();
    let Some(Order::Choose(wish)) = harness.state().orders.last().cloned() else { panic!("nothing was ordered") };
    assert!(matches!(wish.kind, ChoiceKind::Save(name) if name.starts_with("shop-20")));
    let chosen = Event::Chosen(wish.number, Ok(vec!["/srv/logs/shop.log".into()]));
    harness.state_mut().world.take(chosen, example::NOW_US);
    harness.run();
    assert_eq!(harness.get_by_label("File").value().as_deref(), Some("/srv/logs/shop.log"));
    harness.get_by_label("Cancel").click();
    harness.run();
    assert!(harness.query_by_label("JSON lines").is_none());
}
