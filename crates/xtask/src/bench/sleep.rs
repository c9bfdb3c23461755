//! `bench sleep`: an instance whose workers all went to sleep. What it takes of memory, and how much longer than the import of the application its first
//! request waits. The import is timed in the same round, by a Python that does nothing else.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::connection::Connection;
use super::load::percentile;
use super::measure;
use super::peers::{Interface, Job, Life, Server, Tools};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const CASES: [(&str, &str); 2] = [("hello, 0 to 2 workers", "hello"), ("Django, 0 to 2 workers", "django_site.wsgi")];
const ASLEEP: &str = "asleep MiB";
const ASLEEP_LIMIT_MEBIBYTES: f64 = 4.0;
const BEYOND: &str = "beyond import ms";
const BEYOND_LIMIT_MILLISECONDS: f64 = 30.0;
const SLEEPS: u32 = 7;
const QUICK_SLEEPS: u32 = 2;
/// How long the workers may take to go; they are told to after a second.
const LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Measures Hostler alone: the peers do not sleep.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let targets = |(case, _)| {
        [
            Target { case, figure: ASLEEP, bound: Bound::LessThan(ASLEEP_LIMIT_MEBIBYTES) },
            Target { case, figure: BEYOND, bound: Bound::LessThan(BEYOND_LIMIT_MILLISECONDS) },
        ]
    };
    let mut results = Results::new("sleep", CASES.into_iter().flat_map(targets).collect());
    for (case, module) in CASES {
        bench.interleave(&mut results, case, &[Server::Hostler], |server, _| measure(bench, server, module));
    }
    Ok(results)
}

fn measure(bench: &Bench, server: Server, module: &'static str) -> Result<Vec<Figure>> {
    let job = Job { module, interface: Interface::Wsgi, workers: 2, threads: 1, connections: 1, life: Life::Sleeps };
    let running = Running::start(server, &bench.tools, &job, "/")?;
    let sleeps = if bench.is_quick() { QUICK_SLEEPS } else { SLEEPS };
    let (mut imports, mut firsts, mut seconds, mut asleep) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..sleeps {
        wait_until_asleep(&running)?;
        // The most of them: what a sleep does not give back shows in the later ones.
        asleep = asleep.max(measure::tree_memory(running.pid())?);
        imports.push(import(&bench.tools, module)?);
        let mut connection = Connection::open(running.port)?;
        firsts.push(answer(&mut connection).context("the first request after the sleep")?);
        seconds.push(answer(&mut connection)?);
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        percentile(&times, 50.0)
    };
    // Each first request beside the import before it: what the machine did meanwhile hit both.
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
    let mut beyond: Vec<f64> =
        firsts.iter().zip(&imports).map(|(first, import)| milliseconds(first) - milliseconds(import)).collect();
    beyond.sort_unstable_by(f64::total_cmp);
    Ok(vec![
        (ASLEEP, asleep as f64 / MEBIBYTE),
        ("import ms", median(imports)),
        ("first ms", median(firsts)),
        (BEYOND, beyond[beyond.len() / 2]),
        ("least ms", beyond[0]),
        ("most ms", beyond[beyond.len() - 1]),
        ("second ms", median(seconds)),
    ])
}

fn wait_until_asleep(running: &Running) -> Result<()> {
    let began = Instant::now();
    while measure::tree(running.pid()).len() > 1 {
        if began.elapsed() > LIMIT {
            bail!("its workers did not go to sleep within {} s", LIMIT.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// How long Python takes from its start until it has imported the module.
fn import(tools: &Tools, module: &str) -> Result<Duration> {
    let mut command = Command::new(tools.program("python"));
    // It says so itself, as its end takes time as well.
    command.args(["-c", &format!("import os, {module}; os.write(1, b'.'); os._exit(0)")]);
    command.current_dir(&tools.applications).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {}", tools.program("python").display()))?;
    let took = began.elapsed();
    if output.stdout != b"." {
        bail!("{module} does not import: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(took)
}

fn answer(connection: &mut Connection) -> Result<Duration> {
    let began = Instant::now();
    connection.get("/")?;
    Ok(began.elapsed())
}
