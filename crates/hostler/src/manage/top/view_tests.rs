//! Screens and keys, for an instance that is not there.

use hostler_bus::{State, WorkerState};

use super::*;
use crate::manage::line::Paint;

const NOW_US: u64 = 1_700_000_000_000_000;

fn seen(places: &[u32]) -> Seen {
    let mut seen = Seen::default();
    seen.status.configured.name = "shop".to_owned();
    seen.status.configured.application = "shop:app".to_owned();
    seen.status.observed.state = State::Serving;
    seen.status.observed.since_us = NOW_US - 5_000_000;
    let worker = |&place: &u32| Worker {
        place,
        pid: 80 + place,
        state: WorkerState::Idle,
        since_us: NOW_US,
        ..Worker::default()
    };
    seen.workers = places.iter().map(worker).collect();
    seen
}

fn screen(view: &View, height: usize) -> Vec<String> {
    let paint = Paint::of(|_| false, false);
    view.lines(height, NOW_US).iter().map(|line| line.painted(paint)).collect()
}

#[test]
fn a_screen() {
    let view = View::new(seen(&[0, 1]));
    let expected = [
        "shop  serving for 5s  shop:app",
        "0 of 0 workers ready  generation 0  0 connections  0 B",
        "0 requests/s  0 running  0 queued  p50 –, p95 –, p99 –",
        "",
        "WORKER  PID  STATE  GEN  UP  REQUESTS   CPU  MEMORY  RESTARTS  RUNNING",
    ];
    let shown = screen(&view, 9);
    assert_eq!(shown[..5], expected);
    assert!(shown[5].starts_with("\x1b[7m"), "the first is chosen: {:?}", shown[5]);
    assert_eq!(shown[6], "     1   81  idle     0  0s         0  0 µs     0 B  -");
    assert_eq!(shown[7..], ["", "q quit  r reload  ↑↓ choose  s stacks  k recycle"]);
}

#[test]
fn a_screen_is_never_taller_than_the_terminal() {
    let mut view = View::new(seen(&(0..40).collect::<Vec<_>>()));
    for _ in 0..30 {
        view.key(Key::Down);
    }
    for height in 6..60 {
        let shown = screen(&view, height);
        assert_eq!(shown.len(), height);
        assert!(height < 8 || shown.iter().any(|line| line.contains("\x1b[7m")), "the chosen one is in sight");
    }
}

#[test]
fn keys_choose_and_order() {
    let mut view = View::new(seen(&[0, 1, 5]));
    assert_eq!(view.key(Key::Up), None);
    assert_eq!(view.key(Key::Letter('s')), Some(Order::Stacks(0)));
    view.key(Key::PageDown);
    assert_eq!(view.key(Key::Letter('s')), Some(Order::Stacks(5)));
    assert_eq!(view.key(Key::Letter('r')), Some(Order::Reload));
    assert!(screen(&view, 12).contains(&"reloading…".to_owned()));
    view.told(Told::Done(Err("not reloaded: it does not import".to_owned())));
    assert!(screen(&view, 12).contains(&"not reloaded: it does not import".to_owned()));
    // The choice follows the worker, not the line.
    view.told(Told::Looked(Box::new(seen(&[1, 5]))));
    assert_eq!(view.key(Key::Letter('s')), Some(Order::Stacks(5)));
    view.told(Told::Looked(Box::new(seen(&[1]))));
    assert_eq!(view.key(Key::Letter('s')), Some(Order::Stacks(1)));
    view.told(Told::Looked(Box::new(seen(&[]))));
    assert_eq!(view.key(Key::Letter('s')), None);
    assert_eq!(view.key(Key::Letter('k')), None);
    assert_eq!(view.key(Key::Letter('q')), Some(Order::Quit));
}

#[test]
fn recycling_is_asked_for_twice() {
    let mut view = View::new(seen(&[0, 1]));
    for (answer, order) in [(Key::Letter('n'), None), (Key::Escape, None), (Key::Letter('y'), Some(Order::Recycle(0)))]
    {
        assert_eq!(view.key(Key::Letter('k')), None);
        assert!(screen(&view, 12).contains(&"recycle worker 0? (y/n)".to_owned()));
        assert_eq!(view.key(answer), order);
        assert!(!screen(&view, 12).contains(&"recycle worker 0? (y/n)".to_owned()));
    }
    view.key(Key::Letter('k'));
    assert_eq!(view.key(Key::Interrupt), Some(Order::Quit));
}

#[test]
fn stacks_are_scrolled_and_left() {
    let mut view = View::new(seen(&[0]));
    let stacks = (0..30).map(|line| format!("line {line}\x1b[2J\n")).collect();
    view.told(Told::Stacks { worker: 0, stacks });
    assert_eq!(screen(&view, 10)[4..6], ["stacks of worker 0", "line 0\\u{1b}[2J"]);
    view.key(Key::PageDown);
    view.key(Key::Down);
    assert_eq!(screen(&view, 10)[5], "line 11\\u{1b}[2J");
    assert_eq!(view.key(Key::Letter('q')), None, "back to the workers");
    assert!(screen(&view, 10)[4].starts_with("WORKER"));
}

#[test]
fn what_was_seen_last_stays_until_it_answers_again() {
    let mut view = View::new(seen(&[0, 1]));
    let why = || Failed::NotRunning {
        name: "shop".to_owned(),
        state: "starting".to_owned(),
        why: "it does not run".to_owned(),
    };
    assert!(why().passes());
    view.told(Told::Gone(why()));
    let shown = screen(&view, 20).join("\n");
    assert!(shown.contains("as it was seen last: shop is starting") && shown.contains("shop  serving"), "{shown}");
    view.told(Told::Looked(Box::new(seen(&[0]))));
    assert!(screen(&view, 20).join("\n").contains("it answers again"));
    let failed = Failed::NotRunning { name: "shop".to_owned(), state: "failed".to_owned(), why: String::new() };
    assert!(!failed.passes() && !Failed::NoTerminal.passes());
}
