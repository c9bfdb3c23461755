//! Settings that change on the line that serves.

use super::*;

#[test]
fn what_is_read_from_now_on_is_treated_otherwise_and_what_was_begun_is_not() {
    let generation = Generation::start("one", 2, 2);
    let running = Running::with(&generation.exchange);
    let (mut kept, mut upload) = (running.connect(), running.connect());
    assert_eq!(kept.ask("/first"), "one /first 0");
    upload.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc");
    generation.worker_of("/upload");
    running.runtime.block_on(running.router.configure(Config {
        body_limit: Some(10),
        server_header: true,
        threads: 7,
        ..config()
    }));
    kept.get("/second");
    assert!(kept.head().to_lowercase().contains("\r\nserver:"), "a connection from before");
    let mut new = running.connect();
    new.send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    assert!(new.head().starts_with("HTTP/1.1 413 "));
    // Longer than may be now.
    upload.send(&"x".repeat(19_997));
    let head = upload.head();
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_lowercase().contains("\r\nserver:"), "{head}");
    running.stop();
    generation.end();
}
