//! `bench websockets-idle`: ten thousand WebSockets that are open and quiet, for longer than the interval of twenty seconds at
//! which servers ping by default. What each costs in memory; in the end, each has to answer a ping and to echo a message.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::connection::Connection;
use super::crowd::{self, Crowd, Line};
use super::frames::{self, PING, PONG, Part, Reader, TEXT};
use super::measure::{self, Memory};
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const PEERS: &[Server] = &[Server::Uvicorn, Server::UvicornSansIo, Server::UvicornWsproto, Server::GranianAsgiSt];
const LOST: &str = "lost";
const OPEN: u32 = 10_000;
const QUICK_OPEN: u32 = 1_000;
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked whether all have answered.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Measures with one worker.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let (case, count) =
        if bench.is_quick() { ("1,000 quiet WebSockets", QUICK_OPEN) } else { ("10,000 quiet WebSockets", OPEN) };
    crowd::allow_descriptors(count)?;
    let mut results = Results::new("websockets-idle", vec![Target { case, figure: LOST, bound: Bound::Never }]);
    let servers = [&[Server::Hostler], PEERS].concat();
    bench.interleave(&mut results, case, &servers, |server, _| measure(bench, server, count));
    Ok(results)
}

fn measure(bench: &Bench, server: Server, count: u32) -> Result<Vec<Figure>> {
    let job = Job {
        module: "asgi_echo",
        interface: Interface::Asgi,
        workers: 1,
        threads: 1,
        connections: count,
        life: Life::Plain,
    };
    let running = Running::start(server, &bench.tools, &job, "/")?;
    let before = Memory::of(running.pid())?;
    let mut crowd = open(running.port, count)?;

    let quiet = Duration::from_secs(if bench.is_quick() { 2 } else { 25 });
    let cpu_before = measure::cpu(running.pid());
    crowd.serve(Instant::now() + quiet, Quiet::take)?;
    let used = measure::cpu(running.pid()).saturating_sub(cpu_before);
    let with_open = Memory::of(running.pid())?;

    let began = Instant::now();
    crowd.each(Quiet::ask)?;
    while began.elapsed() < ANSWER_LIMIT && crowd.open() > 0 && !crowd.states().all(Quiet::has_answered) {
        crowd.serve(Instant::now() + LOOK_EVERY, Quiet::take)?;
    }
    let lost = crowd.states().filter(|quiet| !quiet.has_answered()).count();
    if let Some(loss) = &crowd.first_loss {
        println!("{}: the first that was lost: {loss}", server.name());
    }
    let each = |part: fn(&Memory) -> u64| (part(&with_open) as f64 - part(&before) as f64) / f64::from(count);
    Ok(vec![
        ("main B each", each(|memory| memory.main)),
        ("others B each", each(|memory| memory.others)),
        ("tree B each", each(Memory::tree)),
        ("quiet CPU ms/s", used.as_secs_f64() * 1e3 / quiet.as_secs_f64()),
        (LOST, lost as f64),
    ])
}

fn open(port: u16, count: u32) -> Result<Crowd<Quiet>> {
    let mut crowd = Crowd::new()?;
    for number in 0..count {
        let opened = Connection::open_one_of_many(number, port).and_then(frames::open);
        let stream = opened.with_context(|| format!("WebSocket {}", number + 1))?;
        crowd.add(stream, Quiet { word: format!("number {number}"), ..Quiet::default() })?;
    }
    Ok(crowd)
}

/// A WebSocket on which nothing happens.
#[derive(Default)]
struct Quiet {
    reader: Reader,
    /// Sent in the end, as a ping and as a message; no other has the same.
    word: String,
    message: Vec<u8>,
    has_ponged: bool,
    has_echoed: bool,
}

impl Quiet {
    fn ask(&mut self, line: &mut Line) -> Result<()> {
        let mut bytes = frames::masked(PING, self.word.as_bytes());
        bytes.extend(frames::masked(TEXT, self.word.as_bytes()));
        line.send(&bytes)
    }

    fn has_answered(&self) -> bool {
        self.has_ponged && self.has_echoed
    }

    /// Answers pings, and checks what comes in the end.
    fn take(&mut self, line: &mut Line, bytes: &[u8]) -> Result<()> {
        let Self { reader, word, message, has_ponged, has_echoed } = self;
        let word = word.as_bytes();
        reader.take(bytes, |part| {
            match part {
                Part::Ping(payload) => line.send(&frames::masked(PONG, payload))?,
                Part::Pong(payload) if payload == word => *has_ponged = true,
                Part::Pong(_) => bail!("a pong that was not asked for"),
                Part::Message { bytes, is_end, .. } => {
                    message.extend_from_slice(bytes);
                    if is_end {
                        *has_echoed = message == word;
                    }
                }
            }
            Ok(())
        })
    }
}
