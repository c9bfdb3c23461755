//! `bench idle`: ten thousand kept connections on which nothing happens. What each costs in memory, and what the
//! requests on a few others wait meanwhile; before them, the memory of a server at rest.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use super::connection::Connection;
use super::crowd;
use super::load::{Load, percentile};
use super::measure;
use super::peers::{Interface, Job, Life, Server};
use super::results::{Figure, Results};
use super::running::Running;

/// gunicorn is absent: it closes an idle connection after two seconds, and takes a thousand at most.
const SERVERS: [Server; 3] = [Server::Hostler, Server::Bjoern, Server::Granian];
const IDLE: u32 = 10_000;
const QUICK_IDLE: u32 = 1_000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Measures with one worker.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let mut results = Results::new("idle", Vec::new());
    let (case, count) =
        if bench.is_quick() { ("1,000 idle connections", QUICK_IDLE) } else { ("10,000 idle connections", IDLE) };
    crowd::allow_descriptors(count)?;
    bench.interleave(&mut results, case, &SERVERS, |server, _| measure(bench, server, count));
    Ok(results)
}

fn measure(bench: &Bench, server: Server, count: u32) -> Result<Vec<Figure>> {
    let job = Job {
        module: "hello",
        interface: Interface::Wsgi,
        workers: 1,
        threads: 1,
        connections: count,
        life: Life::Plain,
    };
    let running = Running::start(server, &bench.tools, &job, "/")?;
    let main_at_rest = measure::process_memory(running.pid())?;
    let at_rest = measure::tree_memory(running.pid())?;

    let idle = (0..count).map(|number| idle_connection(number, running.port)).collect::<Result<Vec<_>>>()?;
    let with_idle = measure::tree_memory(running.pid())?;
    let load = Load {
        port: running.port,
        per_second: 100,
        length: Duration::from_secs(if bench.is_quick() { 2 } else { 10 }),
        connections: 8,
        short: "/",
        slow: "/",
        slow_percent: 0,
        seed: 0,
    };
    let outcome = load.run();
    let closed = idle.iter().filter(|connection| connection.is_closed()).count();
    Ok(vec![
        ("bytes/connection", (with_idle as f64 - at_rest as f64) / f64::from(count)),
        ("p50 ms", percentile(&outcome.short, 50.0)),
        ("p99 ms", percentile(&outcome.short, 99.0)),
        ("lost", outcome.lost as f64),
        ("closed", closed as f64),
        ("main at rest MiB", main_at_rest as f64 / MEBIBYTE),
        ("tree at rest MiB", at_rest as f64 / MEBIBYTE),
    ])
}

/// A connection that has had one request answered, as an idle one of a browser or proxy has.
fn idle_connection(number: u32, port: u16) -> Result<Connection> {
    let opened =
        Connection::open_one_of_many(number, port).and_then(|mut connection| connection.get("/").map(|_| connection));
    opened.with_context(|| format!("idle connection {}", number + 1))
}
