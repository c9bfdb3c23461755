//! `bench transfer`: one large upload and one large download through one worker. How fast, and how much the memory of
//! the process tree grows meanwhile: a server that collects bodies shows here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::Bench;
use super::connection::Connection;
use super::measure;
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const SERVERS: [Server; 3] = [Server::Hostler, Server::Gunicorn, Server::Granian];
const MEBIBYTE: u64 = 1024 * 1024;
const GROWTH: &str = "growth MiB";
const GROWTH_LIMIT: f64 = 24.0;
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Measures both directions.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let cases: [(&str, Direction); 2] = [("upload", upload), ("download", download)];
    let targets = cases.iter().map(|(case, _)| Target { case, figure: GROWTH, bound: Bound::LessThan(GROWTH_LIMIT) });
    let mut results = Results::new("transfer", targets.collect());
    for (case, direction) in cases {
        bench.interleave(&mut results, case, &SERVERS, |server, _| measure(bench, server, direction));
    }
    Ok(results)
}

/// Moves so many bytes and returns how many arrived.
type Direction = fn(&mut Connection, u64) -> Result<u64>;

fn upload(connection: &mut Connection, size: u64) -> Result<u64> {
    let answer = connection.upload("/upload", size)?;
    Ok(String::from_utf8_lossy(&answer).parse()?)
}

fn download(connection: &mut Connection, size: u64) -> Result<u64> {
    connection.count(&format!("/download?{size}"))
}

fn measure(bench: &Bench, server: Server, direction: Direction) -> Result<Vec<Figure>> {
    let size = if bench.is_quick() { 256 * MEBIBYTE } else { 1024 * MEBIBYTE };
    let job = Job {
        module: "transfer",
        interface: Interface::Wsgi,
        workers: 1,
        threads: 1,
        connections: 1,
        life: Life::Plain,
    };
    let running = Running::start(server, &bench.tools, &job, "/download?1")?;
    let mut connection = Connection::open(running.port)?;
    // Memory counts from before the first body, so that the buffers which that brings in are growth too.
    let memory_before = measure::tree_memory(running.pid())?;
    direction(&mut connection, MEBIBYTE)?;
    let cpu_before = measure::cpu(running.pid());

    let began = Instant::now();
    let (moved, peak) = with_peak_memory(running.pid(), || direction(&mut connection, size))?;
    let took = began.elapsed().as_secs_f64();
    let used = measure::cpu(running.pid()).saturating_sub(cpu_before);
    if moved != size {
        bail!("{moved} of {size} bytes arrived");
    }
    Ok(vec![
        ("MB/s", size as f64 / 1e6 / took),
        ("CPU ms/GiB", used.as_secs_f64() * 1e3 / (size as f64 / (1024 * MEBIBYTE) as f64)),
        (GROWTH, (peak as f64 - memory_before as f64) / MEBIBYTE as f64),
    ])
}

/// Does `work` and returns, besides its result, the most memory that the process tree was seen with.
fn with_peak_memory<T>(pid: u32, work: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = measure::tree_memory(pid)?;
            while !done.load(Ordering::Relaxed) {
                thread::sleep(SAMPLE_EVERY);
                peak = peak.max(measure::tree_memory(pid)?);
            }
            Ok::<_, anyhow::Error>(peak)
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let peak = watch.join().map_err(|_| anyhow!("the thread that watches the memory panicked"))??;
        Ok((result?, peak))
    })
}
