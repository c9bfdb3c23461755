//! `bench mixed-sleep`, `bench mixed-compute` and `bench asgi-mixed`: short requests with a few slow ones among them, due at fixed times. What
//! the short ones wait tells whether a slow one holds up others while there is somebody free to serve them.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::load::{Load, Outcome, percentile};
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const P90: &str = "p90 ms";
const P99: &str = "p99 ms";
const ONE_THREAD: &str = "4 workers x 1 thread";
const FOUR_THREADS: &str = "4 workers x 4 threads";
const ONE_THREAD_PEERS: &[Server] = &[Server::GranianOneSt, Server::Gunicorn, Server::Bjoern];
/// Granian with the threads that it chooses itself.
const FOUR_THREADS_PEERS: &[Server] = &[Server::Granian, Server::Gunicorn];
const LOOPS: &str = "4 workers, loops that block";
const LOOPS_PEERS: &[Server] = &[Server::Uvicorn, Server::GranianAsgiSt, Server::GranianAsgiMt];
/// Of a short request beside each peer that has one thread a worker.
const TWENTIETH: f64 = 1.0 / 20.0;

/// The slow requests sleep, as when a database is waited for.
pub(super) fn run_sleep(bench: &Bench) -> Result<Results> {
    let targets = vec![
        Target { case: ONE_THREAD, figure: P90, bound: Bound::AtMostOfBest(TWENTIETH, ONE_THREAD_PEERS) },
        Target { case: FOUR_THREADS, figure: P99, bound: Bound::AtMostOfBest(1.0, FOUR_THREADS_PEERS) },
    ];
    let mix = Mix { module: "mixed", slow: "/sleep", per_second: 200, slow_percent: 3 };
    Ok(mix.run_wsgi(bench, Results::new("mixed-sleep", targets)))
}

/// The slow requests compute, and hold the interpreter's lock of their process.
pub(super) fn run_compute(bench: &Bench) -> Result<Results> {
    let targets = vec![
        Target { case: ONE_THREAD, figure: P90, bound: Bound::AtMostOfBest(TWENTIETH, ONE_THREAD_PEERS) },
        Target { case: FOUR_THREADS, figure: P90, bound: Bound::AtMostOfBest(0.85, FOUR_THREADS_PEERS) },
        Target { case: FOUR_THREADS, figure: P99, bound: Bound::AtMostOfBest(0.75, FOUR_THREADS_PEERS) },
    ];
    let mix = Mix { module: "mixed", slow: "/compute", per_second: 150, slow_percent: 2 };
    Ok(mix.run_wsgi(bench, Results::new("mixed-compute", targets)))
}

/// The slow requests of an ASGI application sleep without awaiting, and so block the event loop of their worker.
pub(super) fn run_asgi(bench: &Bench) -> Result<Results> {
    let targets = vec![Target { case: LOOPS, figure: P90, bound: Bound::AtMostOfBest(0.1, LOOPS_PEERS) }];
    let mix = Mix { module: "asgi_mixed", slow: "/sleep", per_second: 200, slow_percent: 3 };
    let mut results = Results::new("asgi-mixed", targets);
    let job = mix.job(Interface::Asgi, 1);
    mix.run(bench, &mut results, LOOPS, &job, LOOPS_PEERS);
    Ok(results)
}

struct Mix {
    module: &'static str,
    slow: &'static str,
    per_second: u32,
    slow_percent: u64,
}

impl Mix {
    const CONNECTIONS: u32 = 32;

    fn run_wsgi(&self, bench: &Bench, mut results: Results) -> Results {
        for (case, threads, peers) in [(ONE_THREAD, 1, ONE_THREAD_PEERS), (FOUR_THREADS, 4, FOUR_THREADS_PEERS)] {
            self.run(bench, &mut results, case, &self.job(Interface::Wsgi, threads), peers);
        }
        results
    }

    fn job(&self, interface: Interface, threads: u32) -> Job {
        Job { module: self.module, interface, workers: 4, threads, connections: Self::CONNECTIONS, life: Life::Plain }
    }

    fn run(&self, bench: &Bench, results: &mut Results, case: &'static str, job: &Job, peers: &[Server]) {
        let servers = [&[Server::Hostler], peers].concat();
        bench.interleave(results, case, &servers, |server, round| self.measure(bench, server, job, round));
    }

    fn measure(&self, bench: &Bench, server: Server, job: &Job, round: u32) -> Result<Vec<Figure>> {
        let (warm_up, length) = if bench.is_quick() { (1, 5) } else { (2, 30) };
        let running = Running::start(server, &bench.tools, job, "/short")?;
        let load = |seconds, seed| Load {
            port: running.port,
            per_second: self.per_second,
            length: Duration::from_secs(seconds),
            connections: Self::CONNECTIONS,
            short: "/short",
            slow: self.slow,
            slow_percent: self.slow_percent,
            seed,
        };
        load(warm_up, 0).run();
        Ok(figures(&load(length, u64::from(round) + 1).run()))
    }
}

/// The percentiles of the short requests. The last figure is the generator's own error: how late it was itself.
pub(super) fn figures(outcome: &Outcome) -> Vec<Figure> {
    let short = |percent| percentile(&outcome.short, percent);
    vec![
        ("p50 ms", short(50.0)),
        (P90, short(90.0)),
        (P99, short(99.0)),
        ("max ms", short(100.0)),
        ("lost", outcome.lost as f64),
        ("late p99 ms", percentile(&outcome.late, 99.0)),
    ]
}
