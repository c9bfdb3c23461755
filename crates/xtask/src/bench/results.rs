//! What was measured: samples, their medians, how they meet the targets, the table and the JSON file.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::peers::Server;
use crate::workspace;

/// One figure of one sample: its name with the unit, and the value.
pub(super) type Figure = (&'static str, f64);

struct Sample {
    case: &'static str,
    server: Server,
    round: u32,
    figures: Vec<Figure>,
}

/// A promise about Hostler's median of one figure.
pub(super) struct Target {
    pub(super) case: &'static str,
    pub(super) figure: &'static str,
    pub(super) bound: Bound,
}

/// What the median is held against.
pub(super) enum Bound {
    /// At most this part of the least median of these servers.
    AtMostOfBest(f64, &'static [Server]),
    /// At least this part of the greatest median of these servers.
    AtLeastOfBest(f64, &'static [Server]),
    /// Less than this.
    LessThan(f64),
    /// Nought in every round: a loss in one of them is not hidden by a median.
    Never,
}

/// Everything that one benchmark found out.
pub(super) struct Results {
    benchmark: &'static str,
    targets: Vec<Target>,
    samples: Vec<Sample>,
    failures: Vec<String>,
}

impl Results {
    pub(super) fn new(benchmark: &'static str, targets: Vec<Target>) -> Self {
        Self { benchmark, targets, samples: Vec::new(), failures: Vec::new() }
    }

    /// Takes what one server did in one round; a failure is printed at once and again in the end.
    pub(super) fn take(&mut self, case: &'static str, server: Server, round: u32, figures: Result<Vec<Figure>>) {
        match figures {
            Ok(figures) => {
                let shown: Vec<String> =
                    figures.iter().map(|(name, value)| format!("{} {name}", number(*value))).collect();
                println!("{}, {case}, round {}: {}: {}", self.benchmark, round + 1, server.name(), shown.join(", "));
                self.samples.push(Sample { case, server, round, figures });
            }
            Err(error) => self.fail(format!("{case}, round {}: {}: {error:#}", round + 1, server.name())),
        }
    }

    /// Takes note of something that could not be measured.
    pub(super) fn fail(&mut self, what: String) {
        let failure = format!("{}, {what}", self.benchmark);
        println!("failed: {failure}");
        self.failures.push(failure);
    }

    /// Whether every server did its job in every round.
    pub(super) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// The table of medians, one block a case, and under it what became of the targets.
    pub(super) fn print(&self) {
        println!("\n== {}: medians", self.benchmark);
        for case in self.cases() {
            println!("\n{case}");
            let servers = self.servers(case);
            let Some(names) = servers.first().map(|server| self.figure_names(case, *server)) else {
                continue;
            };
            let width = |name: &str| name.len().max(9);
            let heads: Vec<String> = names.iter().map(|name| format!("{name:>0$}", width(name))).collect();
            println!("  {:<16}  {}", "", heads.join("  "));
            for server in servers {
                let median = |name: &str| self.median(case, server, name).map_or_else(|| "-".to_owned(), number);
                let row: Vec<String> = names.iter().map(|name| format!("{:>1$}", median(name), width(name))).collect();
                println!("  {:<16}  {}", server.name(), row.join("  "));
            }
        }
        println!();
        for target in &self.targets {
            println!("{}", self.judge(target).line);
        }
        for failure in &self.failures {
            println!("failed: {failure}");
        }
    }

    /// Writes `target/bench/NAME.json` and returns its path.
    pub(super) fn write(&self, circumstances: &Value) -> Result<PathBuf> {
        let path = workspace::target_directory("bench")?.join(format!("{}.json", self.benchmark));
        let figures = |figures: &[Figure]| {
            figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>()
        };
        let samples: Vec<Value> = self.samples.iter().map(|sample| json!({"case": sample.case, "server": sample.server.name(), "round": sample.round, "figures": figures(&sample.figures)})).collect();
        let mut medians = Vec::new();
        for case in self.cases() {
            for server in self.servers(case) {
                let names = self.figure_names(case, server);
                let values: Vec<Figure> =
                    names.into_iter().filter_map(|name| Some((name, self.median(case, server, name)?))).collect();
                medians.push(json!({"case": case, "server": server.name(), "figures": figures(&values)}));
            }
        }
        let targets: Vec<Value> = self.targets.iter().map(|target| self.judge(target).to_json(target)).collect();
        let all = json!({
            "benchmark": self.benchmark, "circumstances": circumstances, "medians": medians, "targets": targets,
            "failures": self.failures, "samples": samples,
        });
        fs::write(&path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn judge(&self, target: &Target) -> Judgement {
        let Target { case, figure, bound } = target;
        let ours = self.median(case, Server::Hostler, figure);
        let theirs = |servers: &[Server]| {
            servers.iter().filter_map(|server| Some((*server, self.median(case, *server, figure)?))).collect::<Vec<_>>()
        };
        let by_value = |left: &(Server, f64), right: &(Server, f64)| left.1.total_cmp(&right.1);
        let compared =
            |best: Option<(Server, f64)>| ours.zip(best).map(|(ours, (best, theirs))| (ours / theirs, best.name()));
        let (wanted, found) = match bound {
            Bound::AtMostOfBest(part, servers) => {
                let found = compared(theirs(servers).into_iter().min_by(by_value));
                (
                    format!("at most {part} of {}", names(servers)),
                    found.map(|(ratio, best)| (ratio, ratio <= *part, format!(" of {best}"))),
                )
            }
            Bound::AtLeastOfBest(part, servers) => {
                let found = compared(theirs(servers).into_iter().max_by(by_value));
                (
                    format!("at least {part} of {}", names(servers)),
                    found.map(|(ratio, best)| (ratio, ratio >= *part, format!(" of {best}"))),
                )
            }
            Bound::Never => {
                let worst = self.worst(case, Server::Hostler, figure);
                ("nought in every round".to_owned(), worst.map(|worst| (worst, worst == 0.0, " at worst".to_owned())))
            }
            Bound::LessThan(limit) => {
                (format!("less than {limit}"), ours.map(|ours| (ours, ours < *limit, String::new())))
            }
        };
        let verdict = found.as_ref().map_or_else(
            || "not measured".to_owned(),
            |(value, met, of)| format!("{value:.3}{of}: {}", if *met { "met" } else { "MISSED" }),
        );
        Judgement {
            line: format!("target: {case}: {figure} {wanted}: {verdict}"),
            wanted,
            found: found.map(|(value, met, _)| (value, met)),
        }
    }

    fn median(&self, case: &str, server: Server, figure: &str) -> Option<f64> {
        median(self.values(case, server, figure).collect())
    }

    fn worst(&self, case: &str, server: Server, figure: &str) -> Option<f64> {
        self.values(case, server, figure).max_by(f64::total_cmp)
    }

    fn values(&self, case: &str, server: Server, figure: &str) -> impl Iterator<Item = f64> {
        let samples = self.samples.iter().filter(move |sample| sample.case == case && sample.server == server);
        samples.filter_map(move |sample| Some(sample.figures.iter().find(|(name, _)| *name == figure)?.1))
    }

    fn cases(&self) -> Vec<&'static str> {
        distinct(self.samples.iter().map(|sample| sample.case))
    }

    fn servers(&self, case: &str) -> Vec<Server> {
        distinct(self.samples.iter().filter(|sample| sample.case == case).map(|sample| sample.server))
    }

    fn figure_names(&self, case: &str, server: Server) -> Vec<&'static str> {
        let sample = self.samples.iter().find(|sample| sample.case == case && sample.server == server);
        sample.map(|sample| sample.figures.iter().map(|(name, _)| *name).collect()).unwrap_or_default()
    }
}

struct Judgement {
    line: String,
    wanted: String,
    /// The value or ratio, and whether it is good enough. None where a part was not measured.
    found: Option<(f64, bool)>,
}

impl Judgement {
    fn to_json(&self, target: &Target) -> Value {
        let (value, met) = self.found.unzip();
        json!({"case": target.case, "figure": target.figure, "wanted": self.wanted, "found": value, "met": met})
    }
}

/// The middle value; between the two middle ones where their number is even.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut all, value| {
        if !all.contains(&value) {
            all.push(value);
        }
        all
    })
}

fn names(servers: &[Server]) -> String {
    servers.iter().map(|server| server.name()).collect::<Vec<_>>().join(", ")
}

/// A value with as many digits as it deserves.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(ours: f64, theirs: &[f64]) -> Results {
        let target =
            Target { case: "one", figure: "µs", bound: Bound::AtMostOfBest(0.9, &[Server::Bjoern, Server::Granian]) };
        let mut results = Results::new("test", vec![target]);
        results.take("one", Server::Hostler, 0, Ok(vec![("µs", ours)]));
        for (round, value) in theirs.iter().enumerate() {
            results.take("one", Server::Bjoern, round as u32, Ok(vec![("µs", *value)]));
        }
        results
    }

    #[test]
    fn a_target_is_held_against_the_median_of_the_best() {
        let mut results = results(8.0, &[10.0, 9.0, 30.0]);
        results.take("one", Server::Granian, 0, Ok(vec![("µs", 20.0)]));
        let judgement = results.judge(&results.targets[0]);
        assert_eq!(judgement.found, Some((0.8, true)));
        assert!(judgement.line.contains("of bjoern: met"), "{}", judgement.line);
    }

    #[test]
    fn without_the_peer_nothing_is_claimed() {
        let results = results(8.0, &[]);
        assert_eq!(results.judge(&results.targets[0]).found, None);
    }

    #[test]
    fn one_loss_in_one_round_is_a_loss() {
        let target = |figure| Target { case: "one", figure, bound: Bound::Never };
        let mut results = Results::new("test", vec![target("lost"), target("late")]);
        for (round, lost) in [0.0, 0.0, 1.0].into_iter().enumerate() {
            results.take("one", Server::Hostler, round as u32, Ok(vec![("lost", lost), ("late", 0.0)]));
        }
        assert_eq!(results.judge(&results.targets[0]).found, Some((1.0, false)));
        assert_eq!(results.judge(&results.targets[1]).found, Some((0.0, true)));
    }

    #[test]
    fn the_median_of_two_lies_between_them() {
        assert_eq!(median(vec![4.0, 2.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }
}
