//! Many connections served by one thread of ours: it sleeps until something comes, so that the processor is left to the
//! server. Knows nothing of what is said on the connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections: of the interpreter, of logs, of the load.
const OTHER_DESCRIPTORS: u64 = 512;
const EVENTS_AT_ONCE: usize = 256;
/// Larger than the largest message, so that what is there is mostly read at once.
const BLOCK: usize = 256 * 1024;

/// Raises the limit on descriptors of this process, which the servers inherit, to have so many connections.
pub(super) fn allow_descriptors(connections: u32) -> Result<()> {
    let wanted = u64::from(connections) + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    // None is without limit.
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .with_context(|| format!("cannot open {wanted} descriptors; allow them with: ulimit -Hn {wanted}"))
}

/// The connections, each with what its user keeps of it.
pub(super) struct Crowd<State> {
    epoll: OwnedFd,
    members: Vec<Member<State>>,
    block: Vec<u8>,
    /// Why the first member was lost.
    pub(super) first_loss: Option<String>,
}

struct Member<State> {
    line: Line,
    state: State,
    is_open: bool,
}

/// The sending side of one connection.
pub(super) struct Line {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

impl Line {
    /// Sends `bytes` now, or as soon as the server reads.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut taken = 0;
        while self.unsent.is_empty() && taken < bytes.len() {
            match self.stream.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    fn resume(&mut self) -> Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)
    }
}

impl<State> Crowd<State> {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            members: Vec::new(),
            block: vec![0; BLOCK],
            first_loss: None,
        })
    }

    /// Takes in a connection; what has already been read from it belongs to `state`.
    pub(super) fn add(&mut self, stream: TcpStream, state: State) -> Result<()> {
        stream.set_nonblocking(true)?;
        let number = EventData::new_u64(self.members.len() as u64);
        epoll::add(&self.epoll, &stream, number, EventFlags::IN)?;
        self.members.push(Member { line: Line { stream, unsent: Vec::new() }, state, is_open: true });
        Ok(())
    }

    /// What is kept of each connection, lost ones too.
    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.members.iter().map(|member| &member.state)
    }

    /// How many connections were neither closed by the server nor given up.
    pub(super) fn open(&self) -> usize {
        self.members.iter().filter(|member| member.is_open).count()
    }

    /// Does `act` for each open connection. One for which it fails is lost.
    pub(super) fn each(&mut self, mut act: impl FnMut(&mut State, &mut Line) -> Result<()>) -> Result<()> {
        for number in 0..self.members.len() {
            self.with_member(number, |member, _| act(&mut member.state, &mut member.line))?;
        }
        Ok(())
    }

    /// Gives what comes to `take`, until `until` or until nobody is left. A connection for which it fails is lost, as is
    /// one that the server closes.
    pub(super) fn serve(
        &mut self,
        until: Instant,
        mut take: impl FnMut(&mut State, &mut Line, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_AT_ONCE);
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for Event { flags, data, .. } in events.drain(..) {
                self.with_member(data.u64() as usize, |member, block| {
                    if flags.contains(EventFlags::OUT) {
                        member.line.resume()?;
                    }
                    if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                        member.read(block, &mut take)?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Does `act` for an open member and asks to hear of room in its socket just when there is something to send.
    fn with_member(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Member<State>, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let member = &mut self.members[number];
        if !member.is_open {
            return Ok(());
        }
        let was_waiting = !member.line.unsent.is_empty();
        if let Err(error) = act(member, &mut self.block) {
            member.is_open = false;
            epoll::delete(&self.epoll, &member.line.stream)?;
            self.first_loss.get_or_insert_with(|| format!("connection {}: {error:#}", number + 1));
            return Ok(());
        }
        let is_waiting = !member.line.unsent.is_empty();
        if is_waiting != was_waiting {
            let flags = if is_waiting { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &member.line.stream, EventData::new_u64(number as u64), flags)?;
        }
        Ok(())
    }
}

impl<State> Member<State> {
    fn read(
        &mut self,
        block: &mut [u8],
        take: &mut impl FnMut(&mut State, &mut Line, &[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.line.stream.read(block) {
            Ok(0) => bail!("the server closed it"),
            Ok(count) => take(&mut self.state, &mut self.line, &block[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error).context("cannot read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_socket_does_not_take_at_once_is_sent_later() {
        const LENGTH: usize = 32 * 1024 * 1024;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut crowd = Crowd::new().unwrap();
        crowd.add(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), 0_u8).unwrap();
        let mut server = listener.accept().unwrap().0;
        // Nobody reads yet: no socket takes so much.
        crowd.each(|_, line| line.send(&vec![7; LENGTH])).unwrap();
        assert!(!crowd.members[0].line.unsent.is_empty());
        let reader = thread::spawn(move || {
            let mut received = vec![0; LENGTH];
            server.read_exact(&mut received).unwrap();
            server.write_all(b"!").unwrap();
            received.iter().all(|byte| *byte == 7)
        });
        let limit = Instant::now() + Duration::from_secs(20);
        while crowd.members[0].state != b'!' && Instant::now() < limit {
            let take = |state: &mut u8, _: &mut Line, bytes: &[u8]| {
                *state = bytes[0];
                Ok(())
            };
            crowd.serve(Instant::now() + Duration::from_millis(10), take).unwrap();
        }
        assert!(reader.join().unwrap());
        assert_eq!((crowd.members[0].state, crowd.open()), (b'!', 1));
    }

    #[test]
    fn a_connection_that_the_server_closes_is_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut crowd = Crowd::new().unwrap();
        let mut servers = Vec::new();
        for _ in 0..3 {
            crowd.add(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), ()).unwrap();
            servers.push(listener.accept().unwrap().0);
        }
        drop(servers.remove(1));
        crowd.serve(Instant::now() + Duration::from_millis(50), |_, _, _| Ok(())).unwrap();
        assert_eq!(crowd.open(), 2);
        assert_eq!(crowd.first_loss.as_deref(), Some("connection 2: the server closed it"));
    }
}
