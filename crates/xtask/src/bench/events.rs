//! `bench sse`: ten thousand streams of server-sent events, each with one event a second, spread over the second. What a stream
//! costs in memory while it streams, what an event costs in processor time, how late it comes; and that none is lost.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::Bench;
use super::chunks;
use super::connection::Connection;
use super::crowd::{self, Crowd};
use super::load::{percentile, prefer_this_thread};
use super::measure::{self, Memory};
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const SERVERS: [Server; 4] = [Server::Hostler, Server::Uvicorn, Server::GranianAsgiSt, Server::GranianAsgiMt];
const LOST: &str = "lost";
const STREAMS: u32 = 10_000;
const QUICK_STREAMS: u32 = 1_000;
/// The application leaves a second before the first event, and the last of the streams begins a second after the first.
const LEAD: Duration = Duration::from_secs(2);
/// What has not come so long after it was due is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether all are over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Measures with one worker.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let (case, streams) = if bench.is_quick() { ("1,000 streams", QUICK_STREAMS) } else { ("10,000 streams", STREAMS) };
    crowd::allow_descriptors(streams)?;
    let mut results = Results::new("sse", vec![Target { case, figure: LOST, bound: Bound::Never }]);
    bench.interleave(&mut results, case, &SERVERS, |server, _| measure(bench, server, streams));
    Ok(results)
}

fn measure(bench: &Bench, server: Server, streams: u32) -> Result<Vec<Figure>> {
    let events = if bench.is_quick() { 5 } else { 20 };
    let job = Job {
        module: "asgi_events",
        interface: Interface::Asgi,
        workers: 1,
        threads: 1,
        connections: streams,
        life: Life::Plain,
    };
    let running = Running::start(server, &bench.tools, &job, "/")?;
    let before = Memory::of(running.pid())?;
    let crowd = open(running.port, streams, events)?;
    let quiet = Memory::of(running.pid())?;

    let cpu_before = measure::cpu(running.pid());
    Connection::open(running.port)?.get("/begin")?;
    let half = LEAD + Duration::from_secs(u64::from(events) / 2);
    let (crowd, streaming) = thread::scope(|scope| {
        let listener = scope.spawn(|| {
            prefer_this_thread();
            listen(crowd, LEAD + Duration::from_secs(u64::from(events)) + PATIENCE)
        });
        thread::sleep(half);
        let streaming = Memory::of(running.pid());
        (listener.join().unwrap_or_else(|_| Err(anyhow!("the thread that listens panicked"))), streaming)
    });
    let (crowd, streaming) = (crowd?, streaming?);
    let used = measure::cpu(running.pid()).saturating_sub(cpu_before);

    let mut delays: Vec<Duration> = crowd.states().flat_map(|stream| &stream.delays).copied().collect();
    delays.sort_unstable();
    let wanted = streams as usize * events as usize;
    let cut = crowd.states().filter(|stream| !stream.chunks.is_over()).count();
    if let Some(loss) = &crowd.first_loss {
        println!("{}: the first that was lost: {loss}", server.name());
    }
    let each = |part: fn(&Memory) -> u64| (part(&streaming) as f64 - part(&before) as f64) / f64::from(streams);
    Ok(vec![
        ("main B each", each(|memory| memory.main)),
        ("others B each", each(|memory| memory.others)),
        ("tree B each", each(Memory::tree)),
        ("unbegun B each", (quiet.tree() as f64 - before.tree() as f64) / f64::from(streams)),
        ("CPU µs/event", used.as_secs_f64() * 1e6 / delays.len() as f64),
        ("p50 ms", percentile(&delays, 50.0)),
        ("p99 ms", percentile(&delays, 99.0)),
        (LOST, (wanted - delays.len()) as f64),
        ("cut", cut as f64),
    ])
}

fn open(port: u16, streams: u32, events: u32) -> Result<Crowd<Stream>> {
    let mut crowd = Crowd::new()?;
    for number in 0..streams {
        let request = format!("GET /events?{number},{streams},{events} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let opened = Connection::open_one_of_many(number, port).and_then(|connection| connection.hand_over(&request));
        let (head, stream, rest) = opened.with_context(|| format!("stream {}", number + 1))?;
        let head = head.to_ascii_lowercase();
        let is_right = head.starts_with("http/1.1 200 ") && head.contains("\r\ntransfer-encoding: chunked\r\n");
        ensure!(is_right, "the answer is not in chunks: {head}");
        let mut state = Stream::default();
        state.take(&rest)?;
        crowd.add(stream, state)?;
    }
    Ok(crowd)
}

/// Takes events until all streams are over, or until `limit` has passed.
fn listen(mut crowd: Crowd<Stream>, limit: Duration) -> Result<Crowd<Stream>> {
    let began = Instant::now();
    while began.elapsed() < limit && crowd.open() > 0 && !crowd.states().all(|stream| stream.chunks.is_over()) {
        crowd.serve(Instant::now() + LOOK_EVERY, |stream, _, bytes| stream.take(bytes))?;
    }
    Ok(crowd)
}

/// One stream of events, as its client sees it.
#[derive(Default)]
struct Stream {
    chunks: chunks::Reader,
    /// The event so far.
    event: Vec<u8>,
    /// How late each event came.
    delays: Vec<Duration>,
}

impl Stream {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { chunks, event, delays } = self;
        chunks.take(bytes, |bytes| {
            for byte in bytes {
                event.push(*byte);
                if event.ends_with(b"\n\n") {
                    delays.extend(delay(&String::from_utf8_lossy(event), delays.len())?);
                    event.clear();
                }
            }
            Ok(())
        })
    }
}

/// How late `event` is, which should be the one of this number. None for a comment.
fn delay(event: &str, number: usize) -> Result<Option<Duration>> {
    if event.starts_with(':') {
        return Ok(None);
    }
    let fields = event.strip_prefix("data: ").and_then(|data| data.trim_end().split_once(' '));
    let (found, due) = fields.with_context(|| format!("{event:?} is not an event"))?;
    ensure!(found.parse() == Ok(number), "event {found} came in place of event {number}");
    let due = Duration::from_secs_f64(due.parse()?);
    Ok(Some(monotonic().saturating_sub(due)))
}

/// The clock that Python's `time.monotonic()` reads.
fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_in_their_order() {
        let mut stream = Stream::default();
        stream.take(b"8\r\n: open\n\n\r\n10\r\ndata: 0 0.500000").unwrap();
        assert_eq!(stream.delays.len(), 0);
        stream.take(b"\r\n2\r\n\n\n\r\n").unwrap();
        assert_eq!(stream.delays.len(), 1);
        assert!(delay("data: 2 1.0\n\n", 1).is_err());
        assert!(delay("retry: 2\n\n", 1).is_err());
    }
}
