//! A router whose application is broken, or asleep.

use super::*;
use crate::Held;

fn broken() -> Held {
    Held::Broken {
        retry_after_s: 7,
        page: "<p>It does not import.</p>".to_owned(),
        json: "{\"error\": 1}".to_owned(),
        text: "It does not import.".to_owned(),
    }
}

#[test]
fn each_client_is_answered_in_what_it_takes() {
    let generation = Generation::start("one", 1, 1);
    let running = Running::with(&generation.exchange);
    running.runtime.block_on(running.router.hold(Some(broken())));
    let mut client = running.connect();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, kind, body) in [
        (browser, "text/html; charset=utf-8", "<p>It does not import.</p>"),
        ("application/json", "application/json", "{\"error\": 1}"),
        ("text/plain, application/problem+JSON;q=0.5", "application/json", "{\"error\": 1}"),
        ("*/*", "text/plain; charset=utf-8", "It does not import."),
        ("image/avif", "text/plain; charset=utf-8", "It does not import."),
    ] {
        client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"));
        let (head, answer) = client.answer();
        assert!(head.contains(&format!("Content-Type: {kind}\r\n")) && head.contains("Vary: Accept\r\n"), "{head}");
        assert_eq!(answer, body);
    }
    running.stop();
    generation.end();
}

#[test]
fn new_requests_are_answered_while_the_application_is_broken() {
    let generation = Generation::start("one", 1, 1);
    let running = Running::with(&generation.exchange);
    let mut begun = running.connect();
    begun.get("/gate");
    generation.worker_of("/gate");
    running.runtime.block_on(running.router.hold(Some(broken())));
    let mut client = running.connect();
    // The connection is kept: pipelined, and to HEAD without a body.
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
    );
    let (head, body) = client.answer();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 7\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n") && !head.contains("close"), "{head}");
    assert_eq!(body, "<p>It does not import.</p>");
    assert!(client.head().contains("Content-Length: 26\r\n"));
    // A body is not waited for.
    let mut upload = running.connect();
    upload.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    let (head, _) = upload.answer();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Connection: close\r\n"), "{head}");
    assert!(upload.is_closed());
    // What was begun goes on.
    generation.gate.open();
    assert_eq!(begun.body(), "one /gate 0");
    running.runtime.block_on(running.router.hold(None));
    assert_eq!(client.ask("/mended"), "one /mended 0");
    running.stop();
    generation.end();
}

#[test]
fn a_switch_ends_a_hold() {
    let old = Generation::start("old", 0, 0);
    let running = Running::with(&old.exchange);
    running.runtime.block_on(running.router.hold(Some(broken())));
    let mut client = running.connect();
    client.get("/");
    assert!(client.answer().0.contains("Content-Type: text/plain; charset=utf-8\r\n"));
    let new = Generation::start("new", 1, 1);
    running.switch(&new);
    assert_eq!(client.ask("/"), "new / 0");
    running.stop();
    old.end();
    new.end();
}

#[test]
fn browsers_are_shown_a_failure_and_others_are_served() {
    let generation = Generation::start("one", 1, 1);
    let running = Running::with(&generation.exchange);
    let failed = |text: Option<&str>| {
        Some(Held::Failed { number: 7, page: "<p>Line 3.</p>".to_owned(), text: text.map(ToOwned::to_owned) })
    };
    running.runtime.block_on(running.router.hold(failed(None)));
    let mut client = running.connect();
    let navigation = "GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n";
    client.send(navigation);
    let (head, body) = client.answer();
    assert!(head.starts_with("HTTP/1.1 500 ") && head.contains("Hostler-Failure: 7\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n") && !head.contains("close"), "{head}");
    assert_eq!(body, "<p>Line 3.</p>");
    assert_eq!(client.ask("/api"), "one /api 0");
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nhostler-failure: 6\r\nSec-Fetch-Mode: cors\r\n\r\n");
    assert!(client.head().contains("Hostler-Failure: 7\r\n"));
    // Nothing is there to serve the others.
    running.runtime.block_on(running.router.hold(failed(Some("Line 4."))));
    client.get("/api");
    let (head, body) = client.answer();
    assert!(head.starts_with("HTTP/1.1 500 ") && head.contains("Content-Type: text/plain; "), "{head}");
    assert_eq!(body, "Line 4.");
    let next = Generation::start("next", 1, 1);
    running.switch(&next);
    client.send(navigation);
    assert_eq!(client.body(), "next / 0");
    running.stop();
    generation.end();
    next.end();
}

#[test]
fn workers_are_asked_for_once_in_a_sleep() {
    let mut generation = Generation::start("one", 0, 0);
    let mut running = Running::with(&generation.exchange);
    for _ in 0..2 {
        let (mut first, mut second) = (running.connect(), running.connect());
        first.get("/first");
        assert_eq!(running.events.blocking_recv(), Some(RouterEvent::Wanted { line: 0 }));
        second.get("/second");
        generation.await_queued("/second");
        generation.add("one", 0, 1);
        assert_eq!((first.body(), second.body()), ("one /first 0".to_owned(), "one /second 0".to_owned()));
        assert!(running.events.try_recv().is_err());
        // It goes to sleep again.
        generation.exchange.retire_worker(0);
        generation.threads.drain(..).for_each(|thread| thread.join().unwrap());
        generation.exchange.recover_worker(0, false);
    }
    running.stop();
    generation.end();
}

#[test]
fn a_request_that_came_just_as_the_last_worker_left_is_not_forgotten() {
    let mut generation = Generation::start("one", 1, 1);
    let mut running = Running::with(&generation.exchange);
    // It takes no more, but is not gone yet.
    generation.exchange.retire_worker(0);
    generation.threads.drain(..).for_each(|thread| thread.join().unwrap());
    let mut client = running.connect();
    client.get("/");
    generation.await_queued("/");
    assert!(running.events.try_recv().is_err());
    generation.exchange.recover_worker(0, false);
    assert_eq!(running.events.blocking_recv(), Some(RouterEvent::Wanted { line: 0 }));
    generation.add("one", 0, 1);
    assert_eq!(client.body(), "one / 0");
    running.stop();
    generation.end();
}
