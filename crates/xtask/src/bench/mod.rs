//! `cargo xtask bench`: Hostler beside its peers on this machine. Installs the peers, runs rounds in which each server
//! takes its turn (A B C A B C …), so that what the machine does meanwhile hits all of them, and prints medians.
//! Nothing fails because a figure is bad: targets are printed with what became of them.

mod asgi;
mod chunks;
mod connection;
mod crowd;
mod events;
mod frames;
mod hello;
mod idle;
mod kill;
mod load;
mod measure;
mod mixed;
mod peers;
mod preload;
mod reload;
mod results;
mod running;
mod sleep;
mod traffic;
mod transfer;
mod trixie;
mod websocket;
mod websockets_idle;

use std::fs;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::packages::{self, Need, Sign};
use crate::venv::Venv;
use crate::workspace::{self, Extent, Profile};
use peers::{Server, Tools};
use results::{Figure, Results};

/// wrk for the closed loop; the header is what bjoern is compiled against.
const NEEDS: [Need; 2] = [Need::program("wrk"), Need { package: "libev-dev", sign: Sign::File("/usr/include/ev.h") }];

type Benchmark = fn(&Bench) -> Result<Results>;

/// The benchmarks by name, in the order in which they run.
const BENCHMARKS: [(&str, Benchmark); 15] = [
    ("hello", hello::run),
    ("mixed-sleep", mixed::run_sleep),
    ("mixed-compute", mixed::run_compute),
    ("transfer", transfer::run),
    ("idle", idle::run),
    ("asgi-hello", asgi::run_hello),
    ("fastapi", asgi::run_fastapi),
    ("websocket", websocket::run),
    ("asgi-mixed", mixed::run_asgi),
    ("websockets-idle", websockets_idle::run),
    ("sse", events::run),
    ("reload", reload::run),
    ("kill", kill::run),
    ("preload", preload::run),
    ("sleep", sleep::run),
];

/// Runs the benchmarks that `arguments` name, all of them by default.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    packages::ensure(&NEEDS)?;
    let applications = Tools::applications(&workspace::root());
    let venv = Venv::from_file("bench", &applications.join("requirements.txt"))
        .context("cannot install the peers; bjoern is compiled, with python3-dev and a C compiler")?;
    let hostler = if options.servers.contains(&Server::Hostler) {
        workspace::build_hostler(Profile::Bench, Extent::Server)?
    } else {
        Default::default()
    };
    // Their directory.
    let programs = venv.program("");
    let bench = Bench { options, tools: Tools { hostler, programs, applications }, venv };
    let circumstances = bench.circumstances()?;

    let mut all = Vec::new();
    for (name, benchmark) in BENCHMARKS {
        if bench.options.names.is_empty() || bench.options.names.iter().any(|chosen| chosen == name) {
            let results = benchmark(&bench)?;
            let path = results.write(&circumstances)?;
            all.push((results, path));
        }
    }
    println!("\n{}", circumstances["machine"].as_str().unwrap_or_default());
    for (results, path) in &all {
        results.print();
        println!("all samples: {}", path.display());
    }
    let is_complete = all.iter().all(|(results, _)| results.is_complete());
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What all benchmarks are run with.
struct Bench {
    options: Options,
    tools: Tools,
    venv: Venv,
}

impl Bench {
    /// Short loads: to see that everything works, not to believe the figures.
    fn is_quick(&self) -> bool {
        self.options.quick
    }

    /// Runs `measure` for each chosen one of `servers` in turn, in as many rounds as were asked for.
    fn interleave(
        &self,
        results: &mut Results,
        case: &'static str,
        servers: &[Server],
        measure: impl Fn(Server, u32) -> Result<Vec<Figure>>,
    ) {
        for round in 0..self.options.rounds {
            for server in servers.iter().filter(|server| self.options.servers.contains(server)) {
                results.take(case, *server, round, measure(*server, round));
            }
        }
    }

    /// What the figures depend on, for whoever reads them later.
    fn circumstances(&self) -> Result<Value> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu_information = read("/proc/cpuinfo");
        let model = cpu_information
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown processor", |(_, model)| model);
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let machine = format!("{cores} cores of {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim());
        Ok(
            json!({"machine": machine, "rounds": self.options.rounds, "quick": self.options.quick, "packages": self.venv.freeze()?}),
        )
    }
}

struct Options {
    /// Empty: all of them.
    names: Vec<String>,
    rounds: u32,
    quick: bool,
    servers: Vec<Server>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { names: Vec::new(), rounds: 0, quick: false, servers: Server::ALL.to_vec() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| anyhow!("bench: {argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = value()?.parse().context("bench: --rounds needs a number")?,
                "--servers" => options.servers = value()?.split(',').map(server).collect::<Result<_>>()?,
                name if BENCHMARKS.iter().any(|(known, _)| *known == name) => options.names.push(name.to_owned()),
                unknown => {
                    let known: Vec<&str> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
                    bail!("bench: {unknown:?} is neither a benchmark ({}) nor an option", known.join(", "));
                }
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 5 };
        }
        Ok(options)
    }
}

fn server(name: &str) -> Result<Server> {
    let known = || Server::ALL.map(Server::name).join(", ");
    Server::ALL
        .into_iter()
        .find(|server| server.name() == name)
        .ok_or_else(|| anyhow!("bench: there is no server {name:?}; there are {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options> {
        Options::parse(&words.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("hello idle --rounds 3 --servers bjoern,granian").unwrap();
        assert_eq!((options.names, options.rounds), (vec!["hello".to_owned(), "idle".to_owned()], 3));
        assert_eq!(options.servers, [Server::Bjoern, Server::Granian]);
        assert_eq!(parse("--quick").unwrap().rounds, 1);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("helo").err().unwrap().to_string().contains("helo"));
        assert!(parse("--servers apache").err().unwrap().to_string().contains("apache"));
        assert!(parse("--rounds").is_err());
    }
}
