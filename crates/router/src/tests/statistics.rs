//! What is counted.

use super::*;
use crate::{Held, Statistics};

fn outcome(statistics: &Statistics, name: &str) -> u64 {
    let place = Statistics::OUTCOMES.iter().position(|known| *known == name).unwrap();
    statistics.outcomes[place]
}

#[test]
fn requests_are_counted_by_status_and_outcome() {
    let generation = Generation::start("one", 1, 1);
    let running = Running::with(&generation.exchange);
    let statistics = || running.runtime.block_on(running.router.statistics());
    assert_eq!(statistics(), Statistics::default());
    let mut client = running.connect();
    let mut sent = 0;
    for _ in 0..3 {
        client.get("/");
        sent += "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".len() as u64;
        client.body();
    }
    let mut wrong = running.connect();
    wrong.send("nonsense\r\n\r\n");
    sent += "nonsense\r\n\r\n".len() as u64;
    assert!(wrong.answer().0.starts_with("HTTP/1.1 400 "));
    drop(wrong);
    let held = Held::Broken { retry_after_s: 1, page: String::new(), json: String::new(), text: String::new() };
    running.runtime.block_on(running.router.hold(Some(held)));
    client.get("/");
    sent += "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".len() as u64;
    client.answer();
    running.runtime.block_on(running.router.hold(None));
    eventually("the refused connection is closed", || statistics().connections == 1);
    let counted = statistics();
    assert_eq!(counted.statuses, [0, 0, 3, 0, 1, 1]);
    assert_eq!((outcome(&counted, "ok"), outcome(&counted, "refused"), outcome(&counted, "broken")), (3, 1, 1));
    assert_eq!((counted.requests(), counted.accepted, counted.websockets), (5, 2, 0));
    assert_eq!((counted.queue_time.count(), counted.application_time.count()), (3, 3));
    assert_eq!(counted.bytes_in, sent);
    assert!(counted.bytes_out > 3 * 50 && counted.application_time.sum_ns() > 0);
    // They outlast the lines, and the threads.
    let next = Generation::start("two", 1, 1);
    running.switch(&next);
    client.ask("/");
    drop(client);
    let Running { router, runtime, .. } = running;
    router.stop();
    runtime.block_on(router.stopped()).unwrap();
    let counted = runtime.block_on(router.statistics());
    assert_eq!((counted.statuses[2], counted.connections), (4, 0));
    generation.end();
    next.end();
}
