//! The instance on screen: each of its parts is a task that asks again when there may be news, and as often as the part
//! moves while the instance runs and the window is seen.

use std::sync::Arc;
use std::time::Duration;

use hostler_bus::daemon::{Client, Detail, Error, MetricsLine, RevisionInfo};
use hostler_bus::{Request, Samples, Worker};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;
use zbus::proxy::MethodFlags;
use zbus::zvariant::{DynamicDeserialize, DynamicType};

use super::acting::AUTHORIZING_AFTER;
use super::asking::Click;
use super::session::{Line, Task};
use super::{Event, Part, Settings};
use crate::model::{Clock, Failure, FailureKind, Sample};

/// How often what moves is asked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take that no person is asked about.
const LIMIT: Duration = Duration::from_secs(20);

/// What the tasks of the parts follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pulse {
    /// Whether the instance runs.
    runs: bool,
    /// Whether the window is seen.
    shown: bool,
    /// Grows when there may be news.
    news: u64,
    /// The click by which the person last insisted: what was refused is asked again, and they may be asked for a password.
    insisted: Click,
}

/// What is kept fresh of one instance. Dropped, nothing is asked any more.
pub(super) struct Observation {
    pub(super) name: String,
    line: Line,
    pulse: Arc<watch::Sender<Pulse>>,
    parts: Vec<(Part, Task)>,
    past: Option<Task>,
}

impl Observation {
    pub(super) fn new(line: Line, name: String) -> Self {
        Self { name, line, pulse: Arc::default(), parts: Vec::new(), past: None }
    }

    /// Keeps these parts fresh, and no others. For the new ones of a click the person may be asked for a password.
    pub(super) fn keep(&mut self, parts: &[Part], runs: bool, shown: bool, click: Option<Click>) {
        self.pulse.send_if_modified(|pulse| {
            let before = *pulse;
            (pulse.runs, pulse.shown) = (runs, shown);
            *pulse != before
        });
        if self.past.is_none() {
            self.past = Some(Task::spawn(self.asker().past()));
        }
        self.parts.retain(|(part, _)| parts.contains(part));
        for part in parts {
            if !self.parts.iter().any(|(known, _)| known == part) {
                self.parts.push((*part, self.begin(*part, click)));
            }
        }
    }

    /// There may be news.
    pub(super) fn ask_again(&self) {
        self.pulse.send_modify(|pulse| pulse.news += 1);
    }

    /// The person wants to know.
    pub(super) fn insist(&self) {
        let click = self.line.clicks.click();
        self.pulse.send_modify(|pulse| {
            pulse.news += 1;
            pulse.insisted = click;
        });
    }

    fn asker(&self) -> Asker {
        Asker { line: self.line.clone(), name: self.name.clone(), pulse: Arc::clone(&self.pulse) }
    }

    fn begin(&self, part: Part, click: Option<Click>) -> Task {
        let asker = self.asker();
        match part {
            Part::Status => Task::spawn(asker.status()),
            // They are shown beside other things, as in the course of a reload: no reason to ask for a password.
            Part::Workers => Task::spawn(asker.workers()),
            Part::Requests => Task::spawn(asker.requests(click)),
            Part::Settings => Task::spawn(asker.settings(click)),
            Part::History => Task::spawn(asker.history(click)),
        }
    }
}

/// What one part's task asks with.
struct Asker {
    line: Line,
    name: String,
    pulse: Arc<watch::Sender<Pulse>>,
}

/// What moves is asked for each second, the rest when there is news.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    Moves,
    Rests,
}

impl Asker {
    /// What was measured while nobody looked: once, and again when the window was hidden or the instance did not run.
    async fn past(self) {
        let mut pulses = self.pulse.subscribe();
        while pulses.wait_for(|pulse| pulse.shown && pulse.runs).await.is_ok() {
            match in_time(samples(&self.line.client, &self.name, 0)).await {
                Ok(past) => self.line.outbox.put(told_past(&self.line, &self.name, past)).await,
                // One of an older version keeps nothing.
                Err(failure) => tracing::debug!(name = self.name, why = failure.message, "nothing is known of before"),
            }
            if pulses.wait_for(|pulse| !pulse.shown || !pulse.runs).await.is_err() {
                return;
            }
        }
    }

    async fn workers(self) {
        let (client, name) = (self.line.client.clone(), self.name.clone());
        let fetch = move |runs, interactive| workers(client.clone(), name.clone(), runs, interactive);
        let key = self.line.key(&self.name);
        self.keep(Part::Workers, Pace::Moves, None, fetch, move |result| Event::Workers(key.clone(), result)).await;
    }

    async fn requests(self, click: Option<Click>) {
        let (client, name) = (self.line.client.clone(), self.name.clone());
        let fetch = move |runs, interactive| requests(client.clone(), name.clone(), runs, interactive);
        let key = self.line.key(&self.name);
        self.keep(Part::Requests, Pace::Moves, click, fetch, move |result| Event::Requests(key.clone(), result)).await;
    }

    async fn settings(self, click: Option<Click>) {
        let (client, name) = (self.line.client.clone(), self.name.clone());
        let fetch = move |_, interactive| settings(client.clone(), name.clone(), interactive);
        let key = self.line.key(&self.name);
        self.keep(Part::Settings, Pace::Rests, click, fetch, move |result| Event::Settings(key.clone(), result)).await;
    }

    async fn history(self, click: Option<Click>) {
        let (client, name) = (self.line.client.clone(), self.name.clone());
        let fetch = move |_, interactive| history(client.clone(), name.clone(), interactive);
        let key = self.line.key(&self.name);
        self.keep(Part::History, Pace::Rests, click, fetch, move |result| Event::History(key.clone(), result)).await;
    }

    /// Fetches for ever. `fetch` is told whether the instance runs, and whether a person may be asked for a password:
    /// the first time they may be for the click that had the part shown, later only if they insist.
    async fn keep<T, F>(
        self,
        part: Part,
        pace: Pace,
        mut click: Option<Click>,
        fetch: impl Fn(bool, bool) -> F,
        tell: impl Fn(Result<T, Failure>) -> Event,
    ) where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pulses = self.pulse.subscribe();
        let mut insisted = self.pulse.borrow().insisted;
        loop {
            let Ok(pulse) = pulses.wait_for(|pulse| pulse.shown).await.map(|pulse| *pulse) else { return };
            if std::mem::replace(&mut insisted, pulse.insisted) != pulse.insisted {
                click = Some(pulse.insisted);
            }
            let result = self.answer(part, click.take(), |interactive| fetch(pulse.runs, interactive)).await;
            let refused = matches!(&result, Err(failure) if failure.is_closed());
            self.line.outbox.put(tell(result)).await;
            let moves = pace == Pace::Moves && !refused;
            if next_turn(&mut pulses, pulse, moves).await.is_none() {
                return;
            }
        }
    }

    /// Waits for an answer, and tells where a person is being asked for a password meanwhile. What they open so is open for
    /// the other parts as well, which are asked for again.
    async fn answer<T, F>(&self, part: Part, click: Option<Click>, fetch: impl Fn(bool) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        // The user's own daemon asks nobody.
        let Some(click) = click.filter(|_| !self.line.reach.user) else { return in_time(fetch(false)).await };
        let question = |asking| self.question(part, asking);
        self.line.clicks.read(Some(click), fetch, question).await.map_err(Failure::from)
    }

    async fn question<T>(&self, part: Part, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::pin!(asking);
        let answer = match tokio::time::timeout(AUTHORIZING_AFTER, &mut asking).await {
            Ok(answer) => answer,
            Err(_) => {
                let key = self.line.key(&self.name);
                self.line.outbox.put(Event::Asking(key.clone(), part, true)).await;
                let answer = asking.await;
                self.line.outbox.put(Event::Asking(key, part, false)).await;
                answer
            }
        };
        if answer.is_ok() {
            self.pulse.send_modify(|pulse| pulse.news += 1);
        }
        answer
    }

    /// The status: streamed while it runs, if a descriptor can be passed.
    async fn status(self) {
        let mut pulses = self.pulse.subscribe();
        let mut revision: Option<String> = None;
        loop {
            let Ok(pulse) = pulses.wait_for(|pulse| pulse.shown).await.map(|pulse| *pulse) else { return };
            if pulse.runs && !self.line.client.is_remote() {
                self.stream_status(&mut pulses, &mut revision).await;
            }
            let Ok(pulse) = pulses.wait_for(|pulse| pulse.shown).await.map(|pulse| *pulse) else { return };
            let (client, name) = (self.line.client.clone(), self.name.clone());
            let asking = async move { client.known_instance(&name).await?.status().await };
            let result = in_time(asking).await;
            self.tell_status(now_us(), result, &mut revision).await;
            if next_turn(&mut pulses, pulse, true).await.is_none() {
                return;
            }
        }
    }

    /// Reads the stream until it ends, or there is nothing to measure or nobody to see it.
    async fn stream_status(&self, pulses: &mut watch::Receiver<Pulse>, revision: &mut Option<String>) {
        let Some(lines) = self.open_metrics().await else { return };
        let mut lines = BufReader::new(lines).lines();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                _ = pulses.wait_for(|pulse| !pulse.runs || !pulse.shown) => return,
            };
            let Ok(Some(line)) = line else { return };
            match serde_json::from_str::<MetricsLine>(&line) {
                Ok(frame) => self.tell_status(frame.time_us, Ok(frame.detail), revision).await,
                Err(error) => {
                    tracing::warn!(%error, name = self.name, "a frame of the stream of figures cannot be read");
                    return;
                }
            }
        }
    }

    async fn open_metrics(&self) -> Option<tokio::net::UnixStream> {
        let asking = async {
            let instance = self.line.client.known_instance(&self.name).await?;
            instance.metrics(u32::try_from(INTERVAL.as_millis()).unwrap_or(1000)).await
        };
        let descriptor = in_time(asking).await.ok()?;
        let stream = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(descriptor));
        stream.set_nonblocking(true).ok()?;
        tokio::net::UnixStream::from_std(stream).ok()
    }

    async fn tell_status(&self, at_us: u64, result: Result<Detail, Failure>, revision: &mut Option<String>) {
        if let Ok(detail) = &result {
            let former = revision.replace(detail.revision.clone());
            if former.is_some_and(|former| former != detail.revision) {
                // Its settings file was changed, by whomever.
                self.pulse.send_modify(|pulse| pulse.news += 1);
            }
        }
        self.line.outbox.put(Event::Status(self.line.key(&self.name), at_us, result.map(Box::new))).await;
    }
}

/// Waits until it is time to ask again: there may be news, or it moves. `None` when nobody observes any more.
async fn next_turn(pulses: &mut watch::Receiver<Pulse>, last: Pulse, moves: bool) -> Option<()> {
    let news = |pulse: &Pulse| pulse.news != last.news || pulse.runs != last.runs;
    let changed = pulses.wait_for(|pulse| news(pulse) || !pulse.shown);
    if moves && last.runs {
        match tokio::time::timeout(INTERVAL, changed).await {
            Ok(changed) => changed.ok().map(drop),
            Err(_) => Some(()),
        }
    } else {
        // A window that comes back shows what has changed meanwhile.
        changed.await.ok().map(drop)
    }
}

/// What was measured of an instance from a moment on.
pub(super) async fn samples(client: &Client, name: &str, since_us: u64) -> Result<Samples, Error> {
    client.known_instance(name).await?.samples(since_us).await
}

/// The event that tells of that.
pub(super) fn told_past(line: &Line, name: &str, past: Samples) -> Event {
    let samples = past.iter().map(Sample::from).collect();
    Event::Past(line.key(name), samples, past.gaps, past.events)
}

async fn workers(client: Client, name: String, runs: bool, interactive: bool) -> Result<Vec<Worker>, Error> {
    if !runs {
        return Ok(Vec::new());
    }
    ask(client.known_instance(&name).await?.inner(), "Workers", &(), interactive).await
}

async fn requests(client: Client, name: String, runs: bool, interactive: bool) -> Result<Vec<Request>, Error> {
    if !runs {
        return Ok(Vec::new());
    }
    ask(client.known_instance(&name).await?.inner(), "Requests", &(), interactive).await
}

async fn settings(client: Client, name: String, interactive: bool) -> Result<Settings, Error> {
    let proxy = client.known_settings(&name).await?;
    // A file that is changed between the two calls would give a text of another revision.
    let mut attempts = 0;
    loop {
        let (revision, values) = ask(proxy.inner(), "Values", &(), interactive).await?;
        let (text_revision, text): (String, String) = ask(proxy.inner(), "Text", &(), interactive).await?;
        attempts += 1;
        if revision == text_revision || attempts == 3 {
            return Ok(Settings { revision, values, text });
        }
    }
}

async fn history(client: Client, name: String, interactive: bool) -> Result<Vec<RevisionInfo>, Error> {
    ask(client.known_settings(&name).await?.inner(), "History", &(), interactive).await
}

/// Calls a method, and lets the daemon ask the person for a password or not.
pub(super) async fn ask<B, R>(
    proxy: &zbus::Proxy<'_>,
    method: &'static str,
    body: &B,
    interactive: bool,
) -> Result<R, Error>
where
    B: Serialize + DynamicType,
    R: for<'d> DynamicDeserialize<'d>,
{
    let flags = if interactive { MethodFlags::AllowInteractiveAuth.into() } else { Default::default() };
    match proxy.call_with_flags(method, flags, body).await? {
        Some(answer) => Ok(answer),
        None => Err(Error::Internal { reason: "it did not answer".to_owned() }),
    }
}

/// An answer within the limit.
async fn in_time<T>(asking: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(late(LIMIT)),
    }
}

/// No answer came in time.
pub(super) fn late(limit: Duration) -> Failure {
    Failure {
        kind: FailureKind::Lost,
        message: format!("hostlerd did not answer within {} seconds; it is asked again", limit.as_secs()),
        ..Failure::default()
    }
}

/// Now, in microseconds since 1970 (UTC).
pub(super) fn now_us() -> u64 {
    Clock::system().now()
}
