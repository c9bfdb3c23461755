//! `bench asgi-hello` and `bench fastapi`: the load of `bench hello` on an ASGI application of the least size, and on one
//! made with a framework. Beside the servers alone, the second shows what is left of the difference in everyday use.

use anyhow::Result;

use super::Bench;
use super::hello::{self, CASES, CONNECTIONS, CPU, RATE};
use super::peers::{Interface, Job, Life, Server, Tools};
use super::results::{Bound, Results, Target};
use super::trixie;

/// Granian in all its ways of running a loop: it is compared at its best.
const PEERS: &[Server] =
    &[Server::Uvicorn, Server::GranianAsgiSt, Server::GranianAsgiMt, Server::GranianRustSt, Server::GranianRustMt];

/// From Python 3.12 on Granian leaves the handlers to asyncio.
const NEWER_PEERS: &[Server] = &[Server::Uvicorn, Server::GranianAsgiSt, Server::GranianAsgiMt];
const NEWER_REQUIREMENTS: &str = "granian uvicorn uvloop httptools websockets";
/// Where tasks can be started eagerly.
const NEWER: &str = "1 worker, trixie's Python 3.13";

/// Measures one worker and two; and one on a newer Python.
pub(super) fn run_hello(bench: &Bench) -> Result<Results> {
    let cases = CASES.iter().map(|(case, _)| (*case, PEERS)).chain([(NEWER, NEWER_PEERS)]);
    let targets = cases.flat_map(|(case, peers)| {
        [
            Target { case, figure: CPU, bound: Bound::AtMostOfBest(0.45, peers) },
            Target { case, figure: RATE, bound: Bound::AtLeastOfBest(1.8, peers) },
        ]
    });
    let mut results = Results::new("asgi-hello", targets.collect());
    run_cases(bench, "asgi_hello", &mut results);
    match trixie::programs(NEWER_REQUIREMENTS, &bench.venv) {
        Ok(programs) => {
            let tools = Tools { programs, ..bench.tools.clone() };
            run(bench, &tools, &mut results, NEWER, &job("asgi_hello", 1), NEWER_PEERS);
        }
        Err(error) => results.fail(format!("{NEWER}: {error:#}")),
    }
    Ok(results)
}

/// The same with FastAPI and a JSON answer. No target: most of the work is the framework's.
pub(super) fn run_fastapi(bench: &Bench) -> Result<Results> {
    let mut results = Results::new("fastapi", Vec::new());
    run_cases(bench, "asgi_fastapi", &mut results);
    Ok(results)
}

fn run_cases(bench: &Bench, module: &'static str, results: &mut Results) {
    for (case, workers) in CASES {
        run(bench, &bench.tools, results, case, &job(module, workers), PEERS);
    }
}

fn run(bench: &Bench, tools: &Tools, results: &mut Results, case: &'static str, job: &Job, peers: &[Server]) {
    let servers = [&[Server::Hostler], peers].concat();
    bench.interleave(results, case, &servers, |server, _| hello::measure(bench, tools, server, job));
}

fn job(module: &'static str, workers: u32) -> Job {
    Job { module, interface: Interface::Asgi, workers, threads: 1, connections: CONNECTIONS, life: Life::Plain }
}
