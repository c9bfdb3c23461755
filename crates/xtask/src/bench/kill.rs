//! `bench kill`: a worker is killed (SIGKILL) a thousand times while requests run. GETs are idempotent, so each must be answered; an upload may be
//! answered with 502, but none may be run twice, and nothing may hang.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::Bench;
use super::load::percentile;
use super::measure;
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::{self, Running};
use super::traffic::{Clients, Traffic};
use crate::workspace;

const CASE: &str = "4 workers, WSGI";
const LOOPS: &str = "4 workers, ASGI";
const LOST: &str = "GETs lost";
const UNANSWERED: &str = "uploads unanswered";
const TWICE: &str = "run twice";
const KILLS: u32 = 1000;
const QUICK_KILLS: u32 = 30;
const WORKERS: usize = 4;
/// How long a place may stay empty.
const REPLACED_LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Measures with four workers.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let never = |case| [LOST, UNANSWERED, TWICE].map(|figure| Target { case, figure, bound: Bound::Never });
    let mut results = Results::new("kill", [never(CASE), never(LOOPS)].into_iter().flatten().collect());
    for (case, peer, interface, module) in
        [(CASE, Server::Gunicorn, Interface::Wsgi, "deploy"), (LOOPS, Server::Uvicorn, Interface::Asgi, "asgi_deploy")]
    {
        let job = Job { module, interface, workers: WORKERS as u32, threads: 1, connections: 16, life: Life::Plain };
        bench.interleave(&mut results, case, &[Server::Hostler, peer], |server, _| measure(bench, server, &job));
    }
    Ok(results)
}

fn measure(bench: &Bench, server: Server, job: &Job) -> Result<Vec<Figure>> {
    let running = Running::start(server, &bench.tools, job, "/")?;
    let traffic = Traffic::new(running.port, workspace::target_directory("bench")?.join("uploads"))?;
    // A peer that loses requests with each of them needs no thousand to show it.
    let kills = match (bench.is_quick(), server) {
        (true, _) => QUICK_KILLS,
        (false, Server::Hostler) => KILLS,
        (false, _) => KILLS / 10,
    };
    let replaced = traffic.during(Clients { kept: 6, fresh: 4, uploads: 2, websockets: 0 }, |traffic| {
        let mut seed = 1_u64;
        (0..kills).map(|_| kill_one(&running, traffic, &mut seed)).collect::<Result<Vec<_>>>()
    })?;
    let tally = traffic.take();
    let (twice, _) = traffic.run_wrongly(tally.uploaded())?;
    if let Some(first) = &tally.first {
        println!("{}: the first that was lost: {first}", server.name());
    }
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times
    };
    let (answered, replaced) = (sorted(tally.answered), sorted(replaced));
    Ok(vec![
        ("kills", f64::from(kills)),
        ("answered", answered.len() as f64),
        (LOST, tally.failed as f64),
        (UNANSWERED, tally.failed_uploads as f64),
        ("uploads 502", tally.bad_gateway as f64),
        (TWICE, twice as f64),
        ("replaced p50 ms", percentile(&replaced, 50.0)),
        ("p99 ms", percentile(&answered, 99.0)),
        ("max ms", percentile(&answered, 100.0)),
    ])
}

/// Kills one of the processes that serve, when all do; returns how long it took until as many served again.
fn kill_one(running: &Running, traffic: &Traffic, seed: &mut u64) -> Result<Duration> {
    let victim = loop {
        let serving = wait_for_all(traffic)?;
        *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let chosen = serving[(*seed >> 33) as usize % serving.len()];
        if let Some(victim) = measure::tree(running.pid()).into_iter().find(|process| process.pid == chosen) {
            break victim;
        }
        // The one before: its last answer was read after it was killed.
        traffic.forget(chosen);
    };
    let began = Instant::now();
    running::signal(victim.pid, Signal::KILL);
    traffic.forget(victim.pid);
    wait_for_all(traffic)?;
    Ok(began.elapsed())
}

fn wait_for_all(traffic: &Traffic) -> Result<Vec<u32>> {
    let began = Instant::now();
    while began.elapsed() < REPLACED_LIMIT {
        let serving = traffic.serving();
        if serving.len() >= WORKERS {
            return Ok(serving);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("only {} of {WORKERS} workers served for {} s", traffic.serving().len(), REPLACED_LIMIT.as_secs())
}
