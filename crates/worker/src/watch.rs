//! A thread beside Python that needs nothing of it: it sees the supervisor leave, and tells where the interpreter is stuck.
//!
//! ```text
//!   Interrupt, Stalled ──► the signal for stacks, to this process ──► faulthandler prints ──► records
//!   the supervisor's own signal ─────────────────────────────────────────▲                    │ tasks below them, and exceptions:
//!                                                                                             └──► `interrupt`
//! ```
//!
//! It also hears of every signal (`signal.set_wakeup_fd`). Python's handlers run in the main thread, which learns of a signal that came just before
//! it went to sleep, or that another thread received, only when it wakes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_channel::{Channel, FromWorker, LogRecord, Severity, ToWorker, clip};
use hostler_exchange::Taken;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};

use crate::interrupt::{self, Interruption, Job};
use crate::{asgi, collect, life, threads};

/// A silence that ends a print of stacks: the handler writes it in one go, in many small pieces.
const SILENCE: Duration = Duration::from_millis(100);
/// The most of one print that is kept, in bytes.
const LONGEST: usize = 64 * 1024;
/// How long a print that was asked for may take to begin. It needs a thread that does not block the signal.
const PRINT_PATIENCE: Duration = Duration::from_millis(500);
/// How long a record waits for the tasks that belong below it. They need the interpreter's lock.
const TASKS_PATIENCE: Duration = Duration::from_secs(1);
/// What was asked for and not told, at most; the server asks again.
const MOST_WANTED: usize = 64;

/// What a print was asked for.
enum Purpose {
    Interrupt(Interruption),
    /// `None` for an event loop that does not turn.
    Stalled(Option<Taken>, Duration),
}

/// A record that waits for the tasks below it: whoever takes it out first sends it.
struct Waiting {
    record: Arc<Mutex<Option<LogRecord>>>,
    until: Instant,
}

struct Watch {
    channel: &'static Channel,
    stacks: OwnedFd,
    signals: OwnedFd,
    wanted: Vec<Purpose>,
    /// Until when the print that `wanted` is for must have begun.
    print_by: Option<Instant>,
    waiting: Vec<Waiting>,
    /// When the collection that was asked for waits for a pause no longer.
    collect_by: Option<Instant>,
}

/// More below a record.
pub(crate) trait Report {
    /// Adds a paragraph.
    fn add(&mut self, text: &str);
}

impl Report for LogRecord {
    fn add(&mut self, text: &str) {
        let detail = self.detail.take().filter(|detail| !detail.is_empty());
        self.detail = Some(clip(&detail.map_or_else(|| text.to_owned(), |detail| format!("{detail}\n\n{text}"))));
    }
}

/// Starts the thread. `stacks` is the pipe that Python's faulthandler prints to, `signals` the one that it writes the numbers of signals to.
pub(crate) fn start(channel: &'static Channel, stacks: OwnedFd, signals: OwnedFd) -> io::Result<()> {
    let watch =
        Watch { channel, stacks, signals, wanted: Vec::new(), print_by: None, waiting: Vec::new(), collect_by: None };
    std::thread::Builder::new()
        .name("hostler-watch".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || watch.run())
        .map(drop)
}

impl Watch {
    fn run(mut self) {
        loop {
            let [channel_ready, stacks_ready, signals_ready] = self.wait();
            let now = Instant::now();
            if signals_ready {
                // Which one it was, its handler knows. Who else has the other end, as a child of the application, ends nothing by closing it.
                let _any = rustix::io::read(&self.signals, &mut [0; 64]);
                life::rouse();
            }
            if stacks_ready {
                let text = self.read_stacks();
                self.printed(&text);
            } else if self.print_by.is_some_and(|by| by <= now) {
                self.printed("");
            }
            self.send_overdue(now);
            if self.collect_by.is_some_and(|by| by <= now) {
                self.collect_by = None;
                life::rouse();
            }
            if channel_ready {
                match self.channel.receive::<ToWorker>() {
                    Ok(Some(ToWorker::Interrupt { request, limit })) => {
                        let request = request.map(Taken::from_bits);
                        self.want(Purpose::Interrupt(Interruption { request, limit }));
                    }
                    Ok(Some(ToWorker::Stalled { request, lasted })) => {
                        self.want(Purpose::Stalled(request.map(Taken::from_bits), lasted));
                    }
                    Ok(Some(ToWorker::Collect)) => {
                        collect::ask();
                        self.collect_by = Some(Instant::now() + collect::PATIENCE);
                    }
                    // A stop: the shared memory says the same, and rang the threads already.
                    Ok(Some(_)) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // A supervisor that is gone takes its workers with it, whatever they do.
                    Ok(None) | Err(_) => {
                        let _killed = kill_process(getpid(), Signal::KILL);
                    }
                }
            }
        }
    }

    /// Waits for the channel, for stacks, for a signal, or until something is overdue.
    fn wait(&self) -> [bool; 3] {
        let mut events = [
            PollFd::new(self.channel, PollFlags::IN),
            PollFd::new(&self.stacks, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        let due = self.waiting.iter().map(|waiting| waiting.until).chain(self.print_by).chain(self.collect_by).min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        if poll(&mut events, left.as_ref()).is_err() {
            return [false; 3];
        }
        events.map(|event| !event.revents().is_empty())
    }

    /// Has the stacks printed for `purpose`, unless it is of the past.
    fn want(&mut self, purpose: Purpose) {
        let of = match &purpose {
            Purpose::Interrupt(Interruption { request, .. }) | Purpose::Stalled(request, _) => request,
        };
        if of.is_some_and(|request| !life::runs(request)) || self.wanted.len() >= MOST_WANTED {
            return;
        }
        self.wanted.push(purpose);
        if self.print_by.is_none() {
            self.print_by = Some(Instant::now() + PRINT_PATIENCE);
            // It cannot fail for one's own process.
            let _sent = kill_process(getpid(), Signal::STKFLT);
        }
    }

    /// Stacks were printed, or are not to be had.
    fn printed(&mut self, text: &str) {
        self.print_by = None;
        let wanted = std::mem::take(&mut self.wanted);
        // Somebody else may have asked, too, or only somebody else.
        let (first, second) = split(text);
        let mut all = wanted.is_empty() || second.is_some();
        let mut interruptions = Vec::new();
        for purpose in wanted {
            match purpose {
                Purpose::Stalled(request, lasted) => {
                    if let Some(record) = stall(request, lasted, first) {
                        self.send(record);
                    }
                }
                Purpose::Interrupt(interruption) => {
                    all = true;
                    interruptions.push(interruption);
                }
            }
        }
        if all {
            self.tell_all(first, interruptions);
        }
    }

    /// Writes all stacks, with the tasks of an event loop, and then has exceptions raised.
    fn tell_all(&mut self, text: &str, interruptions: Vec<Interruption>) {
        let (ids, names): (Vec<_>, Vec<_>) = life::running().into_iter().unzip();
        let record = LogRecord {
            severity: Severity::Warning,
            message: clip(&format!(
                "the Python stacks of a worker that runs {}",
                if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
            )),
            detail: Some(clip(text.trim_end())),
            request_id: (!ids.is_empty()).then(|| clip(&ids.join(","))),
            python_level: None,
        };
        let has_tasks = asgi::is_serving();
        if !has_tasks {
            self.send(record.clone());
            if interruptions.is_empty() {
                return;
            }
        }
        let report = Arc::new(Mutex::new(has_tasks.then_some(record)));
        if has_tasks {
            self.waiting.push(Waiting { record: Arc::clone(&report), until: Instant::now() + TASKS_PATIENCE });
        }
        if let Err(refused) = interrupt::give(Job { report, interruptions }) {
            // Its record is sent below, when its time is over; what is to be interrupted is replaced with its worker.
            drop(refused);
        }
    }

    /// Sends the records that waited long enough for what belongs below them.
    fn send_overdue(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting) {
            if now < waiting.until {
                self.waiting.push(waiting);
                continue;
            }
            let taken = waiting.record.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut record) = taken {
                record.add("The tasks of the event loop cannot be told: the interpreter is not to be had.");
                self.send(record);
            }
        }
        self.waiting.retain(|waiting| waiting.record.lock().unwrap_or_else(PoisonError::into_inner).is_some());
    }

    fn send(&self, record: LogRecord) {
        // A supervisor that is gone is noticed by the watch itself.
        let _sent = self.channel.send(&FromWorker::Log(record));
    }

    /// What is printed until a silence.
    fn read_stacks(&self) -> String {
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        let silence = Timespec { tv_sec: 0, tv_nsec: i64::from(SILENCE.subsec_nanos()) };
        loop {
            let mut event = [PollFd::from_borrowed_fd(self.stacks.as_fd(), PollFlags::IN)];
            if !matches!(poll(&mut event, Some(&silence)), Ok(ready) if ready > 0) {
                break;
            }
            match rustix::io::read(&self.stacks, &mut piece) {
                Ok(length) if length > 0 && text.len() < LONGEST => text.extend_from_slice(&piece[..length]),
                Ok(length) if length > 0 => {}
                _ => break,
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The warning of something that does not move; `None` when it has moved on.
fn stall(request: Option<Taken>, lasted: Duration, stacks: &str) -> Option<LogRecord> {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let seen = match request {
        Some(request) => threads::find(request)?,
        None => threads::look(0)?,
    };
    let (id, name) = seen.request.and_then(life::describe).unzip();
    let runs = name.map(|name| format!("{name}, for {}", seconds(Duration::from_nanos(threads::age_ns(&seen)))));
    let message = match (request, runs) {
        (Some(_), Some(runs)) => format!("a request has not moved for {}: {runs}", seconds(lasted)),
        (Some(_), None) => return None,
        // It has taken a request after all.
        (None, Some(_)) if !asgi::is_serving() => return None,
        (None, None) if !asgi::is_serving() => {
            format!(
                "an idle worker has not looked for requests for {}, in code that is no request's own",
                seconds(lasted)
            )
        }
        (None, Some(runs)) => format!("the event loop has not turned for {}: it runs {runs}", seconds(lasted)),
        (None, None) => {
            format!("the event loop has not turned for {}, in code that is no request's own", seconds(lasted))
        }
    };
    let stack = stack_of(stacks, seen.ident).unwrap_or("its stack is not to be had");
    Some(LogRecord {
        severity: Severity::Warning,
        message: clip(&message),
        detail: Some(clip(stack)),
        request_id: id.filter(|id| !id.is_empty()),
        python_level: None,
    })
}

/// The thread that a line of a print begins, as faulthandler writes it: `Thread 0x00007f… (most recent call first):`.
fn header(line: &str) -> Option<u64> {
    let line = line.strip_prefix("Current thread 0x").or_else(|| line.strip_prefix("Thread 0x"))?;
    let end = line.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(line.len());
    u64::from_str_radix(&line[..end], 16).ok()
}

/// The stack of one thread in a print.
fn stack_of(text: &str, ident: u64) -> Option<&str> {
    text.split("\n\n").map(str::trim).find(|block| block.lines().next().and_then(header) == Some(ident))
}

/// Two prints that came at once, told apart by the first thread that comes again.
fn split(text: &str) -> (&str, Option<&str>) {
    let mut known = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(ident) = header(line) {
            if known.contains(&ident) {
                return (&text[..at], Some(&text[at..]));
            }
            known.push(ident);
        }
        at += line.len();
    }
    (text, None)
}
