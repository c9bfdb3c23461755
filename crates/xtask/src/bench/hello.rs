//! `bench hello`: the smallest application over 64 kept connections. What a request costs in processor time of the
//! whole process tree is the steady figure; requests per second beside it swing with the machine.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Bench;
use super::measure;
use super::peers::{Interface, Job, Life, Server, Tools};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

pub(super) const CPU: &str = "CPU µs/request";
pub(super) const RATE: &str = "requests/s";
pub(super) const CASES: [(&str, u32); 2] = [("1 worker", 1), ("2 workers", 2)];
pub(super) const CONNECTIONS: u32 = 64;
const GRANIANS: &[Server] = &[Server::Granian, Server::GranianOneSt, Server::GranianOneMt];

const SERVERS: [Server; 6] =
    [Server::Hostler, Server::Bjoern, Server::Granian, Server::GranianOneSt, Server::GranianOneMt, Server::Gunicorn];

/// Measures one worker and two.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let targets = CASES.iter().flat_map(|(case, _)| {
        [
            Target { case, figure: CPU, bound: Bound::AtMostOfBest(0.9, &[Server::Bjoern]) },
            Target { case, figure: CPU, bound: Bound::AtMostOfBest(0.5, GRANIANS) },
            Target { case, figure: RATE, bound: Bound::AtLeastOfBest(1.0, &[Server::Bjoern]) },
        ]
    });
    let mut results = Results::new("hello", targets.collect());
    for (case, workers) in CASES {
        let job = Job {
            module: "hello",
            interface: Interface::Wsgi,
            workers,
            threads: 1,
            connections: CONNECTIONS,
            life: Life::Plain,
        };
        bench.interleave(&mut results, case, &SERVERS, |server, _| measure(bench, &bench.tools, server, &job));
    }
    Ok(results)
}

/// One server under a closed loop: what a request costs, and how many there are a second.
pub(super) fn measure(bench: &Bench, tools: &Tools, server: Server, job: &Job) -> Result<Vec<Figure>> {
    let (warm_up, seconds) = if bench.is_quick() { (1, 2) } else { (2, 8) };
    let running = Running::start(server, tools, job, "/")?;
    wrk(running.port, warm_up)?;
    let before = measure::cpu(running.pid());
    let counted = wrk(running.port, seconds)?;
    let used = measure::cpu(running.pid()).saturating_sub(before);
    Ok(vec![(CPU, used.as_secs_f64() * 1e6 / counted.requests), (RATE, counted.per_second)])
}

struct Counted {
    requests: f64,
    per_second: f64,
}

fn wrk(port: u16, seconds: u32) -> Result<Counted> {
    let url = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), &url]);
    let output = command.output().context("cannot start wrk")?;
    understand(&String::from_utf8_lossy(&output.stdout))
}

fn understand(report: &str) -> Result<Counted> {
    if let Some(trouble) =
        report.lines().map(str::trim).find(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx"))
    {
        bail!("wrk reports: {trouble}");
    }
    let requests = report.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    let per_second = report.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    match (requests, per_second) {
        (Some(requests), Some(per_second)) if requests > 0.0 => Ok(Counted { requests, per_second }),
        _ => bail!("wrk counted no requests: {report}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_wrk_is_understood() {
        let counted =
            understand("Running 5s test\n  40100 requests in 5.01s, 5.00MB read\nRequests/sec:   8003.99\n").unwrap();
        assert_eq!((counted.requests, counted.per_second), (40100.0, 8003.99));
        let trouble =
            "  10 requests in 1s, 1MB read\n  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec: 10\n";
        assert!(understand(trouble).is_err());
    }
}
