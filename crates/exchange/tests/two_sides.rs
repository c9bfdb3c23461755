//! Both sides of an exchange in one process, with sizes so small that every ring wraps and every table fills in every run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hostler_exchange::{
    Awaited, BodyChunk, Config, Doorbells, Exchange, Phase, RequestEnd, Taken, Wait, WorkerSide, head, response_flag,
};

const TINY: Config = Config {
    workers: 3,
    threads: 2,
    router_threads: 1,
    slots: 2,
    websockets: 0,
    head_size: 4096,
    request_ring: 16,
    response_ring: 32,
};

fn attach(exchange: &Exchange, worker: u16) -> WorkerSide {
    exchange.prepare_worker(worker);
    let mut descriptors: Vec<OwnedFd> = exchange.worker_descriptors().unwrap();
    let mut routers = descriptors.split_off(1);
    let workers = routers.split_off(exchange.config().router_threads as usize);
    WorkerSide::attach(descriptors.swap_remove(0), worker, Doorbells { routers, workers }).unwrap()
}

/// Answers with the request's body, through the rings.
fn echo(side: &WorkerSide, taken: Taken) -> Wait {
    let mut chunk = [0; 7];
    loop {
        match side.read_body(taken, &mut chunk) {
            BodyChunk::Bytes(length) => {
                let mut left = &chunk[..length];
                while !left.is_empty() {
                    let written = side.write(taken, left);
                    left = &left[written..];
                    side.publish(taken);
                    if !left.is_empty() && side.await_room(taken) == Wait::Abandoned {
                        return Wait::Abandoned;
                    }
                }
            }
            BodyChunk::Nothing => side.await_body(taken),
            BodyChunk::End(RequestEnd::Complete) => {
                side.flag(taken, response_flag::COMPLETE);
                return Wait::Look;
            }
            BodyChunk::End(_) => return Wait::Abandoned,
        }
    }
}

fn serve(side: &WorkerSide, thread: u16) {
    let thread = side.thread(thread);
    while !side.retired() {
        match thread.take(None) {
            Some(taken) => {
                echo(side, taken);
                thread.finish(taken);
            }
            None => thread.sleep(None),
        }
    }
}

/// Sends `body` through `slot` and reads the echo, as a router thread would.
fn drive(exchange: &Exchange, slot: u32, body: &[u8], mut sent: usize) -> Vec<u8> {
    let mut echoed = Vec::new();
    let mut ended = false;
    loop {
        sent += exchange.write_body(slot, &body[sent..]);
        if sent == body.len() && !ended {
            exchange.end_body(slot, RequestEnd::Complete);
            ended = true;
        }
        let progress = exchange.progress(slot);
        assert!(!progress.corrupt);
        exchange.read_response(slot, progress.available, &mut echoed);
        if progress.phase == Phase::Done && echoed.len() == body.len() {
            assert!(exchange.release(slot));
            return echoed;
        }
        exchange.wake_worker();
        thread::yield_now();
    }
}

#[test]
fn bodies_far_larger_than_the_rings_come_back_whole() {
    let exchange = Arc::new(Exchange::create(TINY).unwrap());
    let sides: Vec<_> = (0..2).map(|worker| Arc::new(attach(&exchange, worker))).collect();
    thread::scope(|scope| {
        for side in &sides {
            for thread in 0..2 {
                scope.spawn(move || serve(side, thread));
            }
        }
        for round in 0..200usize {
            let body: Vec<u8> = (0..round * 3).map(|byte| byte as u8).collect();
            let first = body.len().min(round % 17);
            let submitted = exchange.submit(0, b"head", &body[..first], RequestEnd::Open).unwrap();
            assert_eq!(drive(&exchange, submitted.slot, &body, first), body);
        }
        for worker in 0..2 {
            exchange.retire_worker(worker);
        }
    });
    assert_eq!(exchange.in_flight(), 0);
}

#[test]
fn a_full_exchange_refuses_and_recovers() {
    let exchange = Exchange::create(TINY).unwrap();
    let first = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
    let second = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
    assert!(exchange.submit(0, b"", b"", RequestEnd::Complete).is_none());
    assert!(exchange.cancel(first.slot));
    assert!(!exchange.cancel(first.slot), "once only");
    let again = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
    assert_eq!(again.slot, first.slot);
    let side = attach(&exchange, 0);
    let taken = [side.thread(0).take(None).unwrap(), side.thread(1).take(None).unwrap()];
    assert_eq!(side.thread(0).take(None), None, "the stale entry is skipped");
    for taken in taken {
        side.thread(0).finish(taken);
    }
    assert!(exchange.release(second.slot) && exchange.release(again.slot));
    assert_eq!(exchange.in_flight(), 0);
}

#[test]
fn websockets_and_requests_take_no_room_from_each_other() {
    let exchange = Exchange::create(Config { slots: 3, websockets: 2, ..TINY }).unwrap();
    let request = || exchange.submit(0, b"", b"", RequestEnd::Complete).map(|submitted| submitted.slot);
    let websocket = || exchange.submit_websocket(0, b"").map(|submitted| submitted.slot);
    let open = [websocket().unwrap(), websocket().unwrap()];
    assert_eq!(websocket(), None);
    let running = request().unwrap();
    assert_eq!(request(), None);
    // What is freed is room for its own kind again, and for no other.
    assert!(exchange.cancel(open[1]) && !exchange.cancel(open[1]));
    assert_eq!(request(), None);
    let again = websocket().unwrap();
    assert_eq!(websocket(), None);
    assert!(exchange.cancel(running));
    assert_eq!(websocket(), None);
    let last = request().unwrap();
    for slot in [open[0], again, last] {
        assert!(exchange.cancel(slot));
    }
    assert_eq!(exchange.in_flight(), 0);
}

#[test]
fn what_a_dead_worker_ran_is_lost_and_can_be_queued_once_more() {
    let exchange = Exchange::create(TINY).unwrap();
    let dead = attach(&exchange, 0);
    let submitted = exchange.submit(0, b"head", b"body", RequestEnd::Complete).unwrap();
    let taken = dead.thread(0).take(None).unwrap();
    let mut chunk = [0; 4];
    assert_eq!(dead.read_body(taken, &mut chunk), BodyChunk::Bytes(4));
    assert_eq!(exchange.recover_worker(0, false), 1);
    assert_eq!(exchange.progress(submitted.slot).phase, Phase::Lost);
    let mut rung = Vec::new();
    exchange.answer_bell(0, |slot| rung.push(slot));
    assert_eq!(rung, [submitted.slot]);
    assert!(exchange.requeue(submitted.slot));
    let heir = attach(&exchange, 1);
    let taken = heir.thread(0).take(None).unwrap();
    assert_eq!(heir.head(taken), b"head");
    assert_eq!(heir.read_body(taken, &mut chunk), BodyChunk::Bytes(4));
    assert_eq!(&chunk, b"body");
    heir.thread(0).finish(taken);
    assert!(exchange.release(submitted.slot));
}

#[test]
fn a_request_that_crashed_its_worker_alone_is_blamed() {
    let exchange = Exchange::create(TINY).unwrap();
    for (together, expected) in [(false, true), (true, false)] {
        let side = attach(&exchange, 0);
        let first = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
        side.thread(0).take(None).unwrap();
        let second = together.then(|| {
            let second = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
            side.thread(1).take(None).unwrap();
            second
        });
        exchange.recover_worker(0, true);
        assert_eq!(exchange.is_blamed(first.slot), expected, "together with another: {together}");
        assert!(exchange.release(first.slot));
        if let Some(second) = second {
            assert!(exchange.release(second.slot));
        }
    }
}

#[test]
fn an_abandoned_request_frees_its_worker() {
    let exchange = Arc::new(Exchange::create(TINY).unwrap());
    let side = Arc::new(attach(&exchange, 0));
    let submitted = exchange.submit(0, b"", b"", RequestEnd::Open).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let thread = side.thread(0);
            let taken = thread.take(None).unwrap();
            assert_eq!(echo(&side, taken), Wait::Abandoned);
            thread.finish(taken);
            done.store(true, Ordering::Release);
        });
        while !exchange.wants_body(submitted.slot) {
            thread::yield_now();
        }
        exchange.abandon(submitted.slot);
    });
    assert!(done.load(Ordering::Acquire));
    assert!(exchange.release(submitted.slot));
}

#[test]
fn a_worker_that_counts_wrongly_is_not_believed() {
    let exchange = Exchange::create(TINY).unwrap();
    let side = attach(&exchange, 0);
    let submitted = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
    let taken = side.thread(0).take(None).unwrap();
    side.set_head(taken, 1 << 20);
    assert!(exchange.progress(submitted.slot).corrupt);
}

#[test]
fn hints_are_taken_before_the_answer_goes_on() {
    let exchange = Arc::new(Exchange::create(TINY).unwrap());
    let side = Arc::new(attach(&exchange, 0));
    let submitted = exchange.submit(0, b"", b"", RequestEnd::Complete).unwrap();
    let mut hints = Vec::new();
    head::Response { status: 103, reason: b"", headers: 0 }.write(&mut hints);
    thread::scope(|scope| {
        scope.spawn(|| {
            let taken = side.thread(0).take(None).unwrap();
            assert_eq!(side.hint(taken, &hints), Wait::Look);
            side.thread(0).finish(taken);
        });
        while !exchange.progress(submitted.slot).has_hints() {
            thread::sleep(Duration::from_millis(1));
        }
        let progress = exchange.progress(submitted.slot);
        let mut read = Vec::new();
        exchange.read_response(submitted.slot, progress.head, &mut read);
        assert_eq!(read, hints);
        exchange.hints_taken(submitted.slot);
    });
}

/// Waits until a descriptor can be read, as a loop's selector does.
fn rung(doorbell: std::os::fd::BorrowedFd<'_>) {
    let mut events = [rustix::event::PollFd::from_borrowed_fd(doorbell, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut events, None).unwrap();
}

#[test]
fn an_event_loop_is_rung_for_requests_bodies_room_and_a_client_that_left() {
    let exchange = Exchange::create(TINY).unwrap();
    let side = attach(&exchange, 0);
    let events = side.event_loop();
    assert!(exchange.is_loop(0) && !exchange.is_loop(1));
    assert!(events.prepare_sleep());
    let slot = exchange.submit(0, b"head", b"", RequestEnd::Open).unwrap().slot;
    assert!(exchange.wake_worker());
    rung(events.doorbell().unwrap());
    events.answer_doorbell();
    events.awake();
    let taken = events.take(None).unwrap();
    assert_eq!(events.running_in(slot), Some(taken));

    assert!(events.announce(taken, Awaited::Body));
    assert!(exchange.wants_body(slot) && !exchange.watches_client(slot));
    assert!(events.prepare_sleep());
    assert_eq!(exchange.write_body(slot, b"body"), 4);
    rung(events.doorbell().unwrap());
    assert!(!exchange.loop_answers(slot), "it was rung and has not looked");
    events.awake();
    let mut heard = Vec::new();
    events.hear(|slot| heard.push(slot));
    assert_eq!(heard, [slot]);
    assert!(exchange.loop_answers(slot));
    assert!(!events.announce(taken, Awaited::Body), "it is there already");

    assert_eq!(side.write(taken, &[7; 40]), 32);
    assert!(events.announce(taken, Awaited::Room(1)));
    exchange.consume(slot, 32);
    assert!(!events.prepare_sleep(), "the bell was rung while it was awake");
    events.hear(|_| ());

    assert!(events.announce(taken, Awaited::Gone));
    assert!(exchange.watches_client(slot));
    exchange.cancel_running(slot);
    events.hear(|slot| heard.push(slot));
    assert_eq!(heard.len(), 2);
    assert!(side.abandoned(taken) && events.cancelled(taken));
    events.finish(taken, false);
    assert!(exchange.release(slot));
}

#[test]
fn loops_take_turns_when_handlers_wait() {
    let exchange = Exchange::create(Config { slots: 32, ..TINY }).unwrap();
    let sides = [attach(&exchange, 0), attach(&exchange, 1)];
    let loops = sides.each_ref().map(WorkerSide::event_loop);
    assert!(loops[1].prepare_sleep());
    for _ in 0..32 {
        exchange.submit(0, b"head", b"", RequestEnd::Complete).unwrap();
    }
    let mut shares = [0; 2];
    let mut turn = 0;
    while shares.iter().sum::<u32>() < 32 {
        loops[turn].awake();
        while loops[turn].take(None).is_some() {
            loops[turn].suspended();
            shares[turn] += 1;
        }
        loops[turn].prepare_sleep();
        turn = 1 - turn;
    }
    assert!(shares.iter().all(|share| *share >= 14), "{shares:?}");
}

#[test]
fn a_quiet_stream_stays_at_the_front_of_its_ring() {
    let config = Config { request_ring: 1 << 16, response_ring: 1 << 16, ..TINY };
    let exchange = Exchange::create(config).unwrap();
    let side = attach(&exchange, 0);
    let slot = exchange.submit(0, b"head", b"", RequestEnd::Open).unwrap().slot;
    let taken = side.thread(0).take(None).unwrap();
    let mut byte = 0u8;
    // Ten times round the ring, with a message across the place where it begins again.
    for _ in 0..6_000 {
        byte = byte.wrapping_add(1);
        let message = [byte; 117];
        assert_eq!(side.write(taken, &message), message.len());
        let mut received = Vec::new();
        exchange.read_response(slot, message.len(), &mut received);
        assert_eq!(received, message);
        assert_eq!(exchange.write_body(slot, &message), message.len());
        let mut chunk = [0; 200];
        assert_eq!(side.read_body(taken, &mut chunk), BodyChunk::Bytes(message.len()));
        assert_eq!(chunk[..message.len()], message);
    }
}
