//! Switches: nothing lost, nothing run twice, nothing left behind.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn a_switch_under_load_loses_nothing_and_closes_no_connection() {
    const SWITCHES: u32 = 30;
    let mut generation = Generation::start("0", 2, 2);
    let running = Running::with(&generation.exchange);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (path, done) = (running.path.clone(), Arc::clone(&done));
            thread::spawn(move || {
                let mut kept = Client::connect(&path);
                let mut sent = Vec::new();
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // Pipelined, one with a body, one on a connection of its own.
                    let targets = [0, 1, 2].map(|part| format!("/{client}/{round}/{part}"));
                    let [first, second, third] = &targets;
                    kept.send(&format!(
                        "GET {first} HTTP/1.1\r\nHost: a\r\n\r\nPOST {second} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHel"
                    ));
                    let mut new = Client::connect(&path);
                    new.get(third);
                    kept.send("lo");
                    assert!(kept.body().ends_with(&format!(" {first} 0")));
                    assert!(kept.body().ends_with(&format!(" {second} 5")));
                    assert!(new.body().ends_with(&format!(" {third} 0")));
                    sent.extend(targets);
                }
                sent
            })
        })
        .collect();
    let mut own = running.connect();
    let mut begun = Vec::new();
    for line in 0..SWITCHES {
        let name: &'static str = ["1", "2", "3"][line as usize % 3];
        let next = Generation::start(name, 2, 2);
        running.switch(&next);
        // Whoever asks after the switch is served by the new generation, on a connection from before it.
        let target = format!("/own/{line}");
        assert_eq!(own.ask(&target), format!("{name} {target} 0"));
        running.runtime.block_on(running.router.former_finished(line));
        begun.extend(std::mem::take(&mut *generation.begun.lock().unwrap()));
        std::mem::replace(&mut generation, next).end();
    }
    done.store(true, Ordering::Relaxed);
    let mut sent: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    sent.extend((0..SWITCHES).map(|line| format!("/own/{line}")));
    running.stop();
    begun.extend(std::mem::take(&mut *generation.begun.lock().unwrap()));
    generation.end();
    sent.sort();
    begun.sort();
    assert_eq!(sent, begun, "each was begun exactly once");
}

#[test]
fn what_was_begun_is_finished_where_it_was() {
    let old = Generation::start("old", 2, 2);
    let running = Running::with(&old.exchange);
    let (mut upload, mut stream, mut waiting) = (running.connect(), running.connect(), running.connect());
    upload.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc");
    stream.get("/stream");
    waiting.get("/gate");
    for target in ["/upload", "/stream", "/gate"] {
        old.worker_of(target);
    }
    let streamed = stream.head();
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    assert_eq!(running.connect().ask("/"), "new / 0");
    assert!(running.router.former_in_use() > 0);
    upload.send(&"x".repeat(19_997));
    assert_eq!(upload.body(), "old /upload 20000");
    old.gate.open();
    assert!(streamed.starts_with("HTTP/1.1 200 "));
    let mut body = vec![0; "old /stream 0".len()];
    stream.0.read_exact(&mut body).unwrap();
    assert_eq!(body, b"old /stream 0");
    assert_eq!(waiting.body(), "old /gate 0");
    running.runtime.block_on(running.router.former_finished(0));
    assert_eq!(running.router.former_in_use(), 0);
    old.end();
    for client in [&mut upload, &mut stream, &mut waiting] {
        assert_eq!(client.ask("/next"), "new /next 0");
    }
    running.stop();
    new.end();
}

#[test]
fn a_worker_lost_after_a_switch_is_replaced_by_another_of_its_generation() {
    let old = Generation::start("old", 2, 1);
    let running = Running::with(&old.exchange);
    let (mut get, mut post) = (running.connect(), running.connect());
    get.get("/gate/get");
    let lost = old.worker_of("/gate/get");
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    assert_eq!(old.exchange.recover_worker(lost, true), 1);
    let other = old.worker_of("/gate/get");
    assert_ne!(other, lost);
    post.send("POST /after HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(post.body(), "new /after 0");
    old.gate.open();
    assert_eq!(get.body(), "old /gate/get 0");
    running.runtime.block_on(running.router.former_finished(0));
    old.end();
    running.stop();
    new.end();
}

#[test]
fn a_generation_without_workers_hands_over_what_it_has_not_begun() {
    let old = Generation::start("old", 1, 1);
    let running = Running::with(&old.exchange);
    let mut clients = [(); 4].map(|()| running.connect());
    let [get, post, queued, upload] = &mut clients;
    // One thread: one request runs, the others wait for it.
    get.get("/gate/get");
    let worker = old.worker_of("/gate/get");
    queued.get("/queued");
    old.await_queued("/queued");
    upload.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc");
    old.await_queued("/upload");
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    post.send("POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(post.body(), "new /new 2");
    old.exchange.recover_worker(worker, true);
    new.gate.open();
    assert_eq!(get.body(), "new /gate/get 0");
    assert_eq!(queued.body(), "new /queued 0");
    upload.send(&"x".repeat(19_997));
    assert_eq!(upload.body(), "new /upload 20000");
    running.runtime.block_on(running.router.former_finished(0));
    assert_eq!(*old.begun.lock().unwrap(), ["/gate/get"]);
    running.stop();
    new.end();
    old.end();
}

#[test]
fn what_was_begun_and_may_not_be_repeated_is_answered_502() {
    let old = Generation::start("old", 1, 1);
    let running = Running::with(&old.exchange);
    let mut post = running.connect();
    post.send("POST /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    let worker = old.worker_of("/gate");
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    old.exchange.recover_worker(worker, true);
    assert!(post.answer().0.starts_with("HTTP/1.1 502 "));
    assert_eq!(post.ask("/"), "new / 0");
    assert_eq!(*new.begun.lock().unwrap(), ["/"]);
    running.stop();
    old.end();
    new.end();
}

#[test]
fn the_slot_of_a_client_that_left_keeps_its_line_in_use_until_its_worker_is_done() {
    let old = Generation::start("old", 1, 1);
    let running = Running::with(&old.exchange);
    let mut leaving = running.connect();
    leaving.get("/stream");
    leaving.head();
    drop(leaving);
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    assert_eq!(running.router.former_in_use(), 1);
    old.gate.open();
    running.runtime.block_on(running.router.former_finished(0));
    old.end();
    running.stop();
    new.end();
}

#[test]
fn a_switch_that_cannot_be_changes_nothing() {
    let old = Generation::start("old", 1, 1);
    let running = Running::with(&old.exchange);
    // The second thread finds no doorbell.
    let small = exchange(1, 1);
    assert!(running.runtime.block_on(running.router.switch(config(), &small)).is_err());
    let left = Arc::downgrade(&small);
    drop(small);
    eventually("the first thread forgets it", || left.strong_count() == 0);
    assert_eq!(running.connect().ask("/"), "old / 0");
    assert_eq!((running.runtime.block_on(running.router.line()), running.router.former_in_use()), (0, 0));
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    assert_eq!(running.connect().ask("/"), "new / 0");
    old.end();
    running.stop();
    new.end();
}

#[test]
fn an_exchange_can_be_switched_back_to_when_it_is_not_in_use() {
    let first = Generation::start("first", 1, 1);
    let running = Running::with(&first.exchange);
    let back = || running.runtime.block_on(running.router.switch(config(), &first.exchange));
    assert!(back().is_err(), "it is the current one");
    let mut held = running.connect();
    held.get("/gate");
    first.worker_of("/gate");
    let second = Generation::start("second", 1, 1);
    running.switch(&second);
    assert!(back().is_err(), "a request still runs there");
    assert_eq!(running.connect().ask("/"), "second / 0");
    first.gate.open();
    assert_eq!(held.body(), "first /gate 0");
    running.runtime.block_on(running.router.former_finished(0));
    back().unwrap();
    assert_eq!(held.ask("/"), "first / 0");
    running.runtime.block_on(running.router.former_finished(1));
    second.end();
    running.stop();
    first.end();
}

#[test]
fn settings_change_with_the_line() {
    let old = Generation::start("old", 1, 1);
    let running = Running::with(&old.exchange);
    let mut client = running.connect();
    assert_eq!(client.ask("/"), "old / 0");
    let new = Generation::start("new", 1, 1);
    let changed = Config { body_limit: Some(3), server_header: true, keepalive: Duration::ZERO, ..config() };
    running.runtime.block_on(running.router.switch(changed, &new.exchange)).unwrap();
    running.connect().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    client.get("/");
    let (head, body) = client.answer();
    assert!(head.contains("Server: hostler\r\n") && head.contains("Connection: close\r\n"), "{head}");
    assert_eq!(body, "new / 0");
    assert!(client.is_closed());
    let mut long = running.connect();
    long.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    assert!(long.answer().0.starts_with("HTTP/1.1 413 "));
    old.end();
    running.stop();
    new.end();
}
