//! `bench websocket`: messages that come back, over some WebSockets of which each has one message on its way. What a message
//! costs in processor time of the whole process tree, and how many there are a second.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::Bench;
use super::connection::Connection;
use super::crowd::{Crowd, Line};
use super::frames::{self, BINARY, PONG, Part, Reader, TEXT};
use super::measure;
use super::peers::{Interface, Job, Life, Server};
use super::results::{Bound, Figure, Results, Target};
use super::running::Running;

const CPU: &str = "CPU µs/message";
const RATE: &str = "messages/s";
const PEERS: &[Server] = &[
    Server::Uvicorn,
    Server::UvicornSansIo,
    Server::UvicornWsproto,
    Server::GranianAsgiSt,
    Server::GranianAsgiMt,
    Server::GranianRustSt,
    Server::GranianRustMt,
];

/// What is sent, and over how many WebSockets.
struct Talk {
    case: &'static str,
    opcode: u8,
    length: usize,
    connections: u32,
}

const TALKS: [Talk; 2] = [
    Talk { case: "text of 64 B, 64 WebSockets", opcode: TEXT, length: 64, connections: 64 },
    Talk { case: "binary of 64 KiB, 16 WebSockets", opcode: BINARY, length: 64 * 1024, connections: 16 },
];

/// Measures small and large messages with one worker.
pub(super) fn run(bench: &Bench) -> Result<Results> {
    let targets = TALKS.iter().flat_map(|Talk { case, .. }| {
        [
            Target { case, figure: CPU, bound: Bound::AtMostOfBest(1.0, PEERS) },
            Target { case, figure: RATE, bound: Bound::AtLeastOfBest(1.0, PEERS) },
        ]
    });
    let mut results = Results::new("websocket", targets.collect());
    let servers = [&[Server::Hostler], PEERS].concat();
    for talk in &TALKS {
        bench.interleave(&mut results, talk.case, &servers, |server, _| measure(bench, server, talk));
    }
    Ok(results)
}

fn measure(bench: &Bench, server: Server, talk: &Talk) -> Result<Vec<Figure>> {
    let (warm_up, length) = if bench.is_quick() { (1, 2) } else { (2, 8) };
    let (module, connections) = ("asgi_echo", talk.connections);
    let job = Job { module, interface: Interface::Asgi, workers: 1, threads: 1, connections, life: Life::Plain };
    let running = Running::start(server, &bench.tools, &job, "/")?;
    let mut echoes = Echoes::start(running.port, talk)?;
    echoes.run(Duration::from_secs(warm_up))?;

    let (count_before, own_before) = (echoes.count(), own_cpu());
    let cpu_before = measure::cpu(running.pid());
    let began = Instant::now();
    echoes.run(Duration::from_secs(length))?;
    let took = began.elapsed().as_secs_f64();
    let used = measure::cpu(running.pid()).saturating_sub(cpu_before);
    let own = own_cpu().saturating_sub(own_before);
    let count = (echoes.count() - count_before) as f64;
    ensure!(count > 0.0, "no message came back");
    Ok(vec![
        (CPU, used.as_secs_f64() * 1e6 / count),
        (RATE, count / took),
        // The generator's own, which the servers have to share the machine with.
        ("load µs/message", own.as_secs_f64() * 1e6 / count),
    ])
}

/// Processor time that this thread, the generator, has used.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The WebSockets, each with one message on its way.
struct Echoes {
    crowd: Crowd<Echo>,
    opcode: u8,
    payload: Vec<u8>,
    frame: Vec<u8>,
}

#[derive(Default)]
struct Echo {
    reader: Reader,
    /// So much of the message is back.
    at: usize,
    count: u64,
}

impl Echoes {
    fn start(port: u16, talk: &Talk) -> Result<Self> {
        let mut crowd = Crowd::new()?;
        for _ in 0..talk.connections {
            crowd.add(frames::open(Connection::open(port)?)?, Echo::default())?;
        }
        // Letters and digits, so that it is text as well.
        let payload: Vec<u8> = (b'0'..=b'z').filter(u8::is_ascii_alphanumeric).cycle().take(talk.length).collect();
        let frame = frames::masked(talk.opcode, &payload);
        crowd.each(|_, line| line.send(&frame))?;
        Ok(Self { crowd, opcode: talk.opcode, payload, frame })
    }

    /// Sends each message again when it has come back, for so long.
    fn run(&mut self, length: Duration) -> Result<()> {
        let Self { crowd, opcode, payload, frame } = self;
        crowd.serve(Instant::now() + length, |echo, line, bytes| {
            let Echo { reader, at, count } = echo;
            reader.take(bytes, |part| {
                if take(part, *opcode, payload, at, line)? {
                    *count += 1;
                    line.send(frame)?;
                }
                Ok(())
            })
        })?;
        match &crowd.first_loss {
            Some(loss) => bail!("{loss}"),
            None => Ok(()),
        }
    }

    fn count(&self) -> u64 {
        self.crowd.states().map(|echo| echo.count).sum()
    }
}

/// Compares what came with what was sent, from `at` on, and answers pings. Returns whether the message is whole.
fn take(part: Part<'_>, sent_opcode: u8, sent: &[u8], at: &mut usize, line: &mut Line) -> Result<bool> {
    let Part::Message { opcode, bytes, is_end } = part else {
        if let Part::Ping(payload) = part {
            line.send(&frames::masked(PONG, payload))?;
        }
        return Ok(false);
    };
    ensure!(opcode == sent_opcode, "a message of opcode {sent_opcode} came back as one of {opcode}");
    ensure!(sent[*at..].starts_with(bytes), "a message came back changed, at byte {at} or later");
    *at += bytes.len();
    if is_end {
        ensure!(*at == sent.len(), "{at} of {} bytes of a message came back", sent.len());
        *at = 0;
    }
    Ok(is_end)
}
