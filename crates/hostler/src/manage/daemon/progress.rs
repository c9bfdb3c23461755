//! A job while somebody waits for it: what it is at, in one line of a terminal or a line for each news; Ctrl-C asks for its end, and says
//! what became of it.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use hostler_bus::daemon::{Detail, Error, Followed, JobPath, Outcome, Stage};
use tokio::signal::unix::{SignalKind, signal};

use super::super::line::harmless;
use super::super::units::long;
use super::{Failed, Session};
use crate::{FAILED, say};

/// Ended by Ctrl-C, as a shell says it of what SIGINT ends: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
/// How often the time on a terminal is written anew.
const TICK: Duration = Duration::from_secs(1);
/// The width that is taken where the terminal does not tell.
const WIDTH: usize = 80;

impl Session<'_> {
    /// Waits for a job's end.
    pub(super) async fn finish(&self, job: JobPath) -> Result<Outcome, Failed> {
        let mut following = self.client.follow(job).await?;
        let mut interrupted =
            signal(SignalKind::interrupt()).map_err(|error| Failed::Local(format!("SIGINT: {error}")))?;
        let mut tick = tokio::time::interval(TICK);
        let mut shown = Shown::new(&self.request.name, self.request.json);
        let mut asked = false;
        loop {
            tokio::select! {
                told = following.next() => match told {
                    Followed::At(stage) => shown.at(stage),
                    Followed::Ended(ended) => {
                        shown.clear();
                        return match ended {
                            Err(Error::Cancelled) => Err(self.cancelled(asked).await),
                            ended => Ok(ended?),
                        };
                    }
                },
                _ = tick.tick() => shown.draw(),
                _ = interrupted.recv() => {
                    shown.clear();
                    if asked {
                        let name = &self.request.name;
                        say(&format!("it goes on without this command; `hostler status {name}` shows how it ends"));
                        return Err(Failed::Told(INTERRUPTED));
                    }
                    asked = true;
                    match following.cancel().await {
                        Ok(()) => say("it is being cancelled"),
                        Err(failed) => {
                            say(&harmless(&failed.to_string()));
                            say("it goes on; Ctrl-C once more leaves it to itself");
                        }
                    }
                }
            }
        }
    }

    /// What became of what was cancelled, by us or by somebody else.
    async fn cancelled(&self, asked: bool) -> Failed {
        let name = &self.request.name;
        let state = match self.client.instance(name).await {
            // What the instance itself says is newer than what was signalled.
            Ok(instance) => match instance.status().await {
                Ok(Detail { instance: Some(status), .. }) => status.observed.state.to_string(),
                Ok(detail) => detail.overview.state.to_string(),
                Err(_) => "in an unknown state".to_owned(),
            },
            Err(_) => "gone".to_owned(),
        };
        let who = if asked { "cancelled" } else { "somebody cancelled it" };
        say(&format!("{who}; what it had done was taken back, and {name} is {state}"));
        Failed::Told(if asked { INTERRUPTED } else { FAILED })
    }
}

/// What of a job is shown, and how.
struct Shown {
    name: String,
    way: Way,
    stage: Stage,
    began: Instant,
    drawn: bool,
}

/// How it is shown.
#[derive(PartialEq)]
enum Way {
    /// As one line that is written anew.
    Terminal,
    /// As a line for each stage.
    Lines,
    /// Not at all: a program reads the answer.
    Hidden,
}

impl Shown {
    fn new(name: &str, json: bool) -> Self {
        let way = match (json, stderr().is_terminal()) {
            (true, _) => Way::Hidden,
            (false, true) => Way::Terminal,
            (false, false) => Way::Lines,
        };
        Self { name: name.to_owned(), way, stage: Stage::default(), began: Instant::now(), drawn: false }
    }

    fn at(&mut self, stage: Stage) {
        let news = !stage.words.is_empty() && stage.words != self.stage.words;
        self.stage.progress = stage.progress;
        if news {
            self.stage.words = stage.words;
            if self.way == Way::Lines {
                say(&harmless(&format!("{}: {}", self.name, self.stage.words)));
            }
        }
        self.draw();
    }

    fn draw(&mut self) {
        if self.way != Way::Terminal || self.stage.words.is_empty() {
            return;
        }
        let width = crossterm::terminal::size().map_or(WIDTH, |(columns, _)| usize::from(columns));
        let line = line(&self.name, &self.stage, self.began.elapsed(), width);
        self.drawn = true;
        // Who has closed it sees nothing.
        let _ = write!(stderr(), "\r\x1b[K{line}").and_then(|()| stderr().flush());
    }

    /// The line makes room for what is said.
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(stderr(), "\r\x1b[K").and_then(|()| stderr().flush());
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `shop: starting its service  30%  3s`, cut to the width.
fn line(name: &str, stage: &Stage, waited: Duration, width: usize) -> String {
    let percent = (stage.progress.clamp(0.0, 1.0) * 100.0).round();
    let time = long(waited.as_micros() as u64);
    let line = harmless(&format!("{name}: {}  {percent}%  {time}", stage.words)).replace('\n', " ");
    // A line as wide as the terminal would wrap on some.
    line.chars().take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_is_harmless() {
        let stage = Stage { words: "starting its\x1b[2J service".to_owned(), progress: 0.3 };
        let shown = line("shop", &stage, Duration::from_secs(3), 80);
        assert!(shown.starts_with("shop: starting its") && shown.ends_with(" service  30%  3s"), "{shown}");
        assert!(!shown.contains('\x1b'), "{shown}");
        assert_eq!(line("shop", &stage, Duration::ZERO, 10).chars().count(), 9);
    }
}
