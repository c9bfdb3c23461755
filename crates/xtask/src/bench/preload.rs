//! `bench preload`: a Django project whose workers are forked by a process that has imported it, and the same project with each worker importing
//! it. How long until a worker that was killed (SIGKILL) is replaced, and what eight of them take of memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::Bench;
use super::connection::Connection;
use super::load::percentile;
use super::measure;
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::{self, Running};

const SERVERS: [Server; 2] = [Server::Hostler, Server::Gunicorn];
const MODULE: &str = "django_site.wsgi";
const REPLACED: &str = "replaced p50 ms";
const REPLACED_PRELOADED: &str = "Django, 1 worker killed, with preload";
const REPLACED_PLAIN: &str = "Django, 1 worker killed, without";
const TREE: &str = "tree MiB";
const MEMORY_PRELOADED: &str = "Django, 8 workers, with preload";
const MEMORY_PLAIN: &str = "Django, 8 workers, without";
const KILLS: u32 = 20;
const QUICK_KILLS: u32 = 3;
const WORKERS: u32 = 8;
/// How many pages each worker has made when its memory is looked at.
const PAGES: u32 = 20;
const QUICK_PAGES: u32 = 3;
/// As many clients ask at once, so that each worker gets its share.
const CLIENTS: u32 = 16;
/// How long a dead worker may remain unreplaced, and how long the workers may take for their pages.
const LIMIT: Duration = Duration::from_secs(30);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Measures the replacement with one worker, so that nobody else can answer, and the memory with eight.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let peer = |case, figure| Target { case, figure, bound: Bound::AtMostOfBest(1.0, &[Server::Gunicorn]) };
    let targets = vec![
        Target { case: REPLACED_PRELOADED, figure: REPLACED, bound: Bound::LessThan(50.0) },
        peer(REPLACED_PRELOADED, REPLACED),
        peer(REPLACED_PLAIN, REPLACED),
        peer(MEMORY_PRELOADED, TREE),
        peer(MEMORY_PLAIN, TREE),
    ];
    let mut results = Results::new("preload", targets);
    for (case, life) in [(REPLACED_PRELOADED, Life::Preload), (REPLACED_PLAIN, Life::Plain)] {
        let kills = if bench.is_quick() { QUICK_KILLS } else { KILLS };
        bench.interleave(&mut results, case, &SERVERS, |server, _| replace(bench, server, &job(1, life), kills));
    }
    for (case, life) in [(MEMORY_PRELOADED, Life::Preload), (MEMORY_PLAIN, Life::Plain)] {
        let pages = if bench.is_quick() { QUICK_PAGES } else { PAGES };
        bench.interleave(&mut results, case, &SERVERS, |server, _| remember(bench, server, &job(WORKERS, life), pages));
    }
    Ok(results)
}

fn job(workers: u32, life: Life) -> Job {
    Job { module: MODULE, interface: Interface::Wsgi, workers, threads: 1, connections: CLIENTS, life }
}

fn replace(bench: &Bench, server: Server, job: &Job, kills: u32) -> Result<Vec<Figure>> {
    let running = Running::start(server, &bench.tools, job, "/")?;
    let mut times = (0..kills).map(|_| replace_once(&running)).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(vec![
        ("kills", f64::from(kills)),
        (REPLACED, percentile(&times, 50.0)),
        ("p90 ms", percentile(&times, 90.0)),
        ("max ms", percentile(&times, 100.0)),
    ])
}

/// Kills the worker; returns how long it took until another one had answered. The request for that is sent when the worker
/// is gone, and waits for its successor in the server's queue.
fn replace_once(running: &Running) -> Result<Duration> {
    let serving = answering(running, "/")?;
    let Some(victim) = measure::tree(running.pid()).into_iter().find(|process| process.pid == serving) else {
        bail!("the worker {serving} that answered is none of the server's processes");
    };
    let began = Instant::now();
    running::signal(victim.pid, Signal::KILL);
    while victim.is_alive() {
        if began.elapsed() > LIMIT {
            bail!("the worker {serving} survived SIGKILL for {} s", LIMIT.as_secs());
        }
        std::thread::yield_now();
    }
    let successor = answering(running, "/").context("after the worker was killed")?;
    if successor == serving {
        bail!("the worker {serving} answered after its death");
    }
    Ok(began.elapsed())
}

fn remember(bench: &Bench, server: Server, job: &Job, pages: u32) -> Result<Vec<Figure>> {
    let running = Running::start(server, &bench.tools, job, "/")?;
    let mut made: HashMap<u32, u32> = HashMap::new();
    let began = Instant::now();
    while made.len() < job.workers as usize || made.values().any(|made| *made < pages) {
        if began.elapsed() > LIMIT {
            let shares: Vec<u32> = made.into_values().collect();
            bail!("not all {} workers made {pages} pages within {} s: {shares:?}", job.workers, LIMIT.as_secs());
        }
        for worker in at_once(&running)? {
            *made.entry(worker).or_default() += 1;
        }
    }
    let memory = measure::Memory::of(running.pid())?;
    Ok(vec![
        (TREE, memory.tree() as f64 / MEBIBYTE),
        ("main MiB", memory.main as f64 / MEBIBYTE),
        ("others MiB", memory.others as f64 / MEBIBYTE),
    ])
}

/// Which workers answered when all clients asked for a page at once.
fn at_once(running: &Running) -> Result<Vec<u32>> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| answering(running, "/page"))).collect();
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| bail!("a client panicked"))).collect()
    })
}

/// The process that answered: the site writes it into the first line.
fn answering(running: &Running, path: &str) -> Result<u32> {
    let body = String::from_utf8(Connection::open(running.port)?.get(path)?)?;
    let first = body.lines().next().unwrap_or_default();
    first.parse().with_context(|| format!("{path} begins with {first:?} and not with the id of a process"))
}
