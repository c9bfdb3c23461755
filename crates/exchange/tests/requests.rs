//! Looking at what is in flight, and at who is there to serve it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::os::fd::OwnedFd;

use hostler_exchange::head::Request;
use hostler_exchange::{Config, Doorbells, Exchange, Gauge, RequestEnd, Tally, WorkerSide, now_ns};

fn exchange() -> Exchange {
    Exchange::create(Config {
        workers: 2,
        threads: 1,
        router_threads: 1,
        slots: 4,
        websockets: 0,
        head_size: 4096,
        request_ring: 16,
        response_ring: 16,
    })
    .unwrap()
}

fn attach(exchange: &Exchange, worker: u16) -> WorkerSide {
    exchange.prepare_worker(worker);
    let mut descriptors: Vec<OwnedFd> = exchange.worker_descriptors().unwrap();
    let mut routers = descriptors.split_off(1);
    let workers = routers.split_off(1);
    WorkerSide::attach(descriptors.swap_remove(0), worker, Doorbells { routers, workers }).unwrap()
}

fn head(target: &str) -> Vec<u8> {
    let mut head = Vec::new();
    let request = Request {
        version: 11,
        https: false,
        chunked: false,
        websocket: false,
        trailers: false,
        content_length: None,
        method: b"GET",
        remote: b"",
        remote_port: 0,
        server: b"",
        server_port: 0,
        socket: b"",
        id: b"id-1",
        target: target.as_bytes(),
        path: b"/",
        query: b"",
    };
    request.write(&mut head).finish();
    head
}

#[test]
fn requests_in_flight_are_shown_with_their_age() {
    let exchange = exchange();
    let side = attach(&exchange, 1);
    exchange.submit(0, &head("/first"), b"", RequestEnd::Complete).unwrap();
    exchange.submit(0, &head(&format!("/\u{1b}[2J{}", "\u{e4}".repeat(300))), b"", RequestEnd::Complete).unwrap();
    // What is no head is not shown.
    exchange.submit(0, b"nonsense", b"", RequestEnd::Complete).unwrap();
    let taken = side.thread(0).take(None).unwrap();
    let found = exchange.requests();
    let [running, queued] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((running.target.as_str(), running.method.as_str(), running.id.as_str()), ("/first", "GET", "id-1"));
    assert_eq!((running.slot, running.worker, queued.worker), (taken.slot(), Some(1), None));
    assert!(running.queued_for_ns >= running.running_for_ns.unwrap() && queued.running_for_ns.is_none());
    assert!(running.queued_for_ns >= queued.queued_for_ns);
    assert_eq!(queued.target.chars().count(), 200);
    assert!(queued.target.starts_with("/\u{fffd}[2J\u{e4}"));
    side.thread(0).finish(taken);
    assert_eq!(exchange.requests().len(), 1, "what is done is not in flight");
}

#[test]
fn a_queued_request_is_copied_with_its_body() {
    let exchange = exchange();
    let side = attach(&exchange, 0);
    let slot = exchange.submit(0, &head("/"), b"abc", RequestEnd::Open).unwrap().slot;
    assert_eq!(exchange.write_body(slot, b"def"), 3);
    let copied = exchange.read_queued(slot).unwrap();
    assert_eq!((copied.head, copied.body, copied.end), (head("/"), b"abcdef".to_vec(), RequestEnd::Open));
    side.thread(0).take(None).unwrap();
    assert!(exchange.read_queued(slot).is_none(), "somebody runs it");
}

#[test]
fn workers_are_asked_for_once_until_one_was_there() {
    let exchange = exchange();
    assert!(!exchange.has_workers() && exchange.ask_for_workers() && !exchange.ask_for_workers());
    exchange.forget_asking();
    assert!(exchange.ask_for_workers());
    exchange.prepare_worker(1);
    assert!(exchange.has_workers() && exchange.takes_requests() && !exchange.ask_for_workers());
    exchange.retire_worker(1);
    assert!(exchange.has_workers() && !exchange.takes_requests());
    exchange.recover_worker(1, false);
    assert!(!exchange.has_workers() && exchange.ask_for_workers() && !exchange.ask_for_workers());
}

#[test]
fn the_load_is_what_happened_since_the_last_look() {
    let exchange = exchange();
    let side = attach(&exchange, 1);
    let mut gauge = Gauge::new(&exchange);
    let idle = gauge.look(&exchange);
    assert_eq!((idle.queued, idle.longest_wait_ns, idle.ran_ns, idle.active), (0, 0, Some(0), false));
    assert_eq!(idle.running, [0, 0]);

    let slot = exchange.submit(0, &head("/first"), b"", RequestEnd::Complete).unwrap().slot;
    exchange.submit(0, &head("/second"), b"", RequestEnd::Complete).unwrap();
    let waiting = gauge.look(&exchange);
    assert_eq!((waiting.queued, waiting.ran_ns, waiting.active), (2, Some(0), true));
    assert!(waiting.longest_wait_ns > 0);

    let thread = side.thread(0);
    let taken = thread.take(None).unwrap();
    let (queued, started, _) = exchange.times(slot);
    let running = gauge.look(&exchange);
    assert_eq!((running.queued, running.active), (1, true));
    assert_eq!(running.running, [0, 1]);
    assert!(running.longest_wait_ns >= started - queued);
    let first = running.ran_ns.unwrap();
    assert!(first > 0, "it counts before it has ended");

    // When it has ended, only what is new of it counts.
    let finished = thread.finish(taken);
    let application_ns = finished - started;
    exchange.count(1, Tally { requests: 1, application_ns, ..Tally::default() });
    exchange.release(slot);
    let ended = gauge.look(&exchange);
    assert_eq!(ended.ran_ns, Some(application_ns.saturating_sub(first)));
    assert!(ended.active, "one ended");
}

#[test]
fn long_waits_are_told_once_and_old_ones_not_at_all() {
    let exchange = exchange();
    let mut gauge = Gauge::new(&exchange);
    let now = now_ns();
    let second = 1_000_000_000;
    exchange.note_wait(now, now + 3 * second);
    exchange.note_wait(now, now + 2 * second);
    // Next to nothing.
    exchange.note_wait(now, now + 1_000_000);
    // It was taken before the last look, which saw it.
    exchange.note_wait(now - 20 * second, now - 10 * second);
    assert_eq!(gauge.look(&exchange).longest_wait_ns, 3 * second);
    assert_eq!(gauge.look(&exchange).longest_wait_ns, 0);
}

#[test]
fn a_first_thread_that_is_roused_before_it_sleeps_does_not_sleep() {
    let exchange = exchange();
    let side = attach(&exchange, 0);
    side.rouse();
    side.thread(0).sleep(None);
    // Once: a second sleep lasts.
    let began = now_ns();
    side.thread(0).sleep(Some(std::time::Duration::from_millis(20)));
    assert!(now_ns() - began >= 20_000_000);
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| side.thread(0).sleep(None));
        side.rouse();
        asleep.join().unwrap();
    });
}
