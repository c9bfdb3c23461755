//! `bench reload`: a site is deployed a hundred times while it is used, over new and kept connections, with uploads and WebSockets. What failed, what
//! was run twice, and what the requests waited, beside what they waited before.

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

const WSGI: &str = "WSGI, 2 workers";
const WSGI_SERVERS: [Server; 3] = [Server::Hostler, Server::Gunicorn, Server::GranianOneSt];
const ASGI: &str = "ASGI, 2 workers, with WebSockets";
const ASGI_SERVERS: [Server; 3] = [Server::Hostler, Server::Uvicorn, Server::GranianAsgiSt];
const LOST: &str = "lost";
const TWICE: &str = "run twice";
const UNRUN: &str = "not run";
const RELOADS: u32 = 100;
const QUICK_RELOADS: u32 = 5;
/// How long one server may take for all its reloads; then it is told how many they were.
const LIMIT: Duration = Duration::from_secs(90);
/// How long one reload may take.
const RELOAD_LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Measures with two workers.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let never = |case| [LOST, TWICE, UNRUN].map(|figure| Target { case, figure, bound: Bound::Never });
    let mut results = Results::new("reload", [never(WSGI), never(ASGI)].into_iter().flatten().collect());
    for (case, servers, interface, module) in
        [(WSGI, WSGI_SERVERS, Interface::Wsgi, "deploy"), (ASGI, ASGI_SERVERS, Interface::Asgi, "asgi_deploy")]
    {
        let job = Job { module, interface, workers: 2, threads: 4, connections: 16, life: Life::Plain };
        bench.interleave(&mut results, case, &servers, |server, _| measure(bench, server, &job));
    }
    Ok(results)
}

fn measure(bench: &Bench, server: Server, job: &Job) -> Result<Vec<Figure>> {
    let running = Running::start(server, &bench.tools, job, "/")?;
    let traffic = Traffic::new(running.port, workspace::target_directory("bench")?.join("uploads"))?;
    let websockets = if job.interface == Interface::Asgi { 2 } else { 0 };
    let clients = Clients { kept: 6, fresh: 4, uploads: 2, websockets };
    let (quiet, reloads) =
        if bench.is_quick() { (Duration::from_secs(1), QUICK_RELOADS) } else { (Duration::from_secs(5), RELOADS) };

    let (before, times) = traffic.during(clients, |traffic| {
        std::thread::sleep(quiet);
        let before = traffic.take();
        let began = Instant::now();
        let mut times = Vec::new();
        while times.len() < reloads as usize && began.elapsed() < LIMIT {
            times.push(reload(&running, traffic)?);
        }
        anyhow::Ok((before, times))
    })?;
    let during = traffic.take();
    let uploaded = [before.uploaded(), during.uploaded()].concat();
    let (twice, never) = traffic.run_wrongly(&uploaded)?;
    if let Some(first) = before.first.as_ref().or(during.first.as_ref()) {
        println!("{}: the first that was lost: {first}", server.name());
    }
    let waited = |mut times: Vec<Duration>| {
        times.sort_unstable();
        percentile(&times, 99.0)
    };
    Ok(vec![
        ("reloads", times.len() as f64),
        ("requests", (before.answered.len() + during.answered.len()) as f64),
        (LOST, (before.lost() + during.lost()) as f64),
        (TWICE, twice as f64),
        (UNRUN, never as f64),
        ("told to come again", (before.told + during.told) as f64),
        ("reload ms", {
            let mut times = times;
            times.sort_unstable();
            percentile(&times, 50.0)
        }),
        ("p99 before ms", waited(before.answered)),
        ("p99 during ms", waited(during.answered)),
    ])
}

/// Tells the server to reload, as all of these are told, and waits until none of the processes that served serves any more.
fn reload(running: &Running, traffic: &Traffic) -> Result<Duration> {
    let began = Instant::now();
    let serving = loop {
        let serving = traffic.serving();
        if !serving.is_empty() {
            break measure::tree(running.pid())
                .into_iter()
                .filter(|process| serving.contains(&process.pid))
                .collect::<Vec<_>>();
        }
        if began.elapsed() > RELOAD_LIMIT {
            bail!("nobody answers any more");
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let told = Instant::now();
    running::signal(running.pid(), Signal::HUP);
    while told.elapsed() < RELOAD_LIMIT {
        if !serving.iter().any(measure::Process::is_alive) {
            return Ok(told.elapsed());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("a process that served before still ran {} s after the reload", RELOAD_LIMIT.as_secs())
}
