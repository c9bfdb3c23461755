//! A panic in the task of a connection is the end of that connection, and of nothing else.

use super::*;
use crate::turn::Turn;

/// Panics if the target of the request says to do so at this point.
pub(crate) fn inject(turn: &Turn, point: &str) {
    let (_, target) = turn.line.first_line(turn.slot);
    assert!(!target.contains(point), "this panic was asked for by a test: {target}");
}

/// More than there are slots.
const MANY: usize = 40;

fn outcome(running: &Running, name: &str) -> u64 {
    let counted = running.runtime.block_on(running.router.statistics());
    let place = crate::Statistics::OUTCOMES.iter().position(|known| *known == name).unwrap();
    counted.outcomes[place]
}

fn cut_off(running: &Running, target: &str) {
    let mut client = running.connect();
    client.get(target);
    assert!(client.is_closed(), "{target}");
}

#[test]
fn a_panic_cuts_its_own_connection_and_gives_its_slot_back() {
    let mut generation = Generation::start("one", 1, 2);
    let running = Running::with(&generation.exchange);
    let mut bystander = running.connect();
    assert_eq!(bystander.ask("/"), "one / 0");
    generation.gate.open();
    for target in ["/panic-before", "/panic-in-answer", "/stream/panic-in-answer"] {
        (0..MANY).for_each(|_| cut_off(&running, target));
    }
    assert_eq!(bystander.ask("/again"), "one /again 0");
    eventually("all slots are free", || generation.exchange.in_flight() == 0);
    assert_eq!(outcome(&running, "cut_off"), 3 * MANY as u64);
    generation.add("one", 1, 1);
    assert_eq!(running.connect().ask("/new"), "one /new 0");
    running.stop();
    generation.end();
}

#[test]
fn what_a_worker_still_runs_then_is_an_orphan_and_a_former_line_ends_with_it() {
    let former = Generation::start("one", 1, 2);
    let running = Running::with(&former.exchange);
    // Its worker stands still in the middle of the body.
    cut_off(&running, "/stream/panic-in-answer");
    assert_eq!(former.exchange.in_flight(), 1);
    let next = Generation::start("two", 1, 1);
    running.switch(&next);
    assert!(running.router.former_in_use() > 0);
    former.gate.open();
    eventually("nobody uses the former line", || running.router.former_in_use() == 0);
    assert_eq!(running.connect().ask("/"), "two / 0");
    running.stop();
    former.end();
    next.end();
}
