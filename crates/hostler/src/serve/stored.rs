//! What an instance has in systemd's store of descriptors (`FileDescriptorStoreMax=`): what it knows (`kept`), and the sockets that it bound itself, so
//! that who connects between its death and its next start, or during a restart, waits instead of being refused.
//!
//! Sockets are stored as `hostler.1.socket.N`, with a socket file as `hostler.1.socket.N.DEVICE-INODE`, where N is any free number. A socket whose
//! address the settings do not name any more is taken out. What units of systemd passed is not stored: systemd has it.
//!
//! A stop and a restart look the same from here, so systemd is asked which it is (`hostler_bus::stops_for_good`). At a restart, and where it does not
//! say, the server stops accepting, and leaves the rest to systemd: it goes on listening, and closes what it stored if there is no next start, with
//! who waits in it. At a stop the sockets are taken back: who waits in them is served, and who comes later is refused at once.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};

use hostler_listener::{Bound, FileId, GivenUp, Left};
use hostler_systemd::Environment;
use hostler_systemd::sockets::Passed;
use hostler_systemd::store::StoreName;

use super::kept::{PAST, STATISTICS};
use super::service::Service;
use super::sockets::Sockets;

/// What is stored beside the sockets: what was counted, and what the instance was like.
const FILES: u64 = 2;

/// How the names of sockets begin.
const SOCKET: &str = "socket.";

/// What the process before left in the store.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) statistics: Option<OwnedFd>,
    pub(super) past: Option<OwnedFd>,
    pub(super) sockets: Left,
}

/// Whether something of this name is known here.
pub(super) fn is_known(name: &StoreName) -> bool {
    matches!(name.what(), STATISTICS | PAST) || read(name.what()).is_some()
}

/// What came from the store. What cannot be used is told of, and done without.
pub(super) fn stored(all: Vec<(StoreName, Passed)>) -> Stored {
    let mut stored = Stored::default();
    for (name, passed) in all {
        match read(name.what()) {
            Some((_, file)) => {
                let Passed { number, descriptor, .. } = passed;
                if let Err(error) = stored.sockets.add(name.what().to_owned(), number, descriptor, file) {
                    tracing::warn!(%name, %error, "a socket that systemd kept cannot be used");
                }
            }
            None if name.what() == PAST => stored.past = Some(passed.descriptor),
            None => stored.statistics = Some(passed.descriptor),
        }
    }
    stored
}

/// Takes `unused` out of the store, and puts in what this process bound, as far as there is room.
pub(super) fn keep(service: &Service, environment: &Environment, sockets: &mut Sockets, unused: Vec<GivenUp>) {
    for GivenUp { name, address } in &unused {
        tracing::info!("systemd kept {address} open, which the settings do not name any more: it is closed");
        forget(service, name);
    }
    let mut taken: BTreeSet<u32> =
        sockets.all().filter_map(|bound| read(bound.kept_as()?)).map(|(number, _)| number).collect();
    let mut room = room(environment).saturating_sub(taken.len() as u64 + FILES);
    for bound in sockets.all_mut().filter(|bound| !bound.is_shared()) {
        if room == 0 {
            break;
        }
        let Some(number) = (0..).find(|number| taken.insert(*number)) else { break };
        if store(service, bound, number) {
            room -= 1;
        }
    }
}

fn store(service: &Service, bound: &mut Bound, number: u32) -> bool {
    let what = match bound.file_id() {
        Some(file) => format!("{SOCKET}{number}.{file}"),
        None => format!("{SOCKET}{number}"),
    };
    let Ok(name) = StoreName::new(&what) else { return false };
    let kept = service.keep(&name, bound.listener.as_fd());
    if kept {
        bound.keep_as(what);
    }
    kept
}

/// Takes a socket out of the store.
pub(super) fn forget(service: &Service, what: &str) {
    if let Ok(name) = StoreName::new(what) {
        service.forget(&name.to_string());
    }
}

/// How many descriptors systemd stores for this process (`FDSTORE`, since 254; our units say it to older ones). 0 where it is not said, as a socket
/// that is only thought to be stored would miss what is done for others at their end.
fn room(environment: &Environment) -> u64 {
    let own = std::process::id().to_string();
    // Inherited from a service that started this one, it is not meant.
    let is_meant = environment.get("SYSTEMD_EXEC_PID").is_none_or(|pid| pid.to_str() == Some(&own));
    let said = environment.number("FDSTORE").unwrap_or_else(|error| {
        tracing::warn!(%error, "sockets are not kept over a restart");
        None
    });
    said.filter(|_| is_meant).unwrap_or(0)
}

/// The number, and the file, of a socket's name.
fn read(what: &str) -> Option<(u32, Option<FileId>)> {
    let rest = what.strip_prefix(SOCKET)?;
    match rest.split_once('.') {
        Some((number, file)) => Some((number.parse().ok()?, Some(file.parse().ok()?))),
        None => Some((rest.parse().ok()?, None)),
    }
}

#[cfg(test)]
mod tests {
    use hostler_listener::{Options, bind_all};
    use hostler_systemd::sockets::Kind;

    use super::super::sockets::Role;
    use super::*;

    #[test]
    fn names_say_which_socket_and_which_file() {
        assert_eq!(read("socket.0"), Some((0, None)));
        assert_eq!(
            read("socket.12.26-4711").map(|(number, file)| (number, file.unwrap().to_string())),
            Some((12, "26-4711".to_owned()))
        );
        for bad in ["statistics", "socket.", "socket.a", "socket.1.", "socket.1.2", "sockets.1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(["statistics", "past"].iter().all(|what| is_known(&StoreName::new(what).unwrap())));
        assert!(is_known(&StoreName::new("socket.3").unwrap()));
        assert!(!is_known(&StoreName::new("odd").unwrap()));
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let directory = tempfile::tempdir().unwrap();
        let manager = directory.path().join("notify");
        let listening = std::os::unix::net::UnixDatagram::bind(&manager).unwrap();
        let environment = |room: &str, pid: u32| -> Environment {
            let variables = [
                ("NOTIFY_SOCKET", manager.to_str().unwrap().to_owned()),
                ("FDSTORE", room.to_owned()),
                ("SYSTEMD_EXEC_PID", pid.to_string()),
            ];
            variables.into_iter().filter(|(_, value)| !value.is_empty()).collect()
        };
        let own = std::process::id();
        for (room, pid, expected) in [("", own, 0), ("2", own, 0), ("4", own, 2), ("64", own, 3), ("64", own + 1, 0)] {
            let environment = environment(room, pid);
            let mut sockets = Sockets::default();
            let addresses = vec!["127.0.0.1:0".to_owned(); 3];
            let bound = bind_all(&addresses, &Options::default()).unwrap();
            bound.into_iter().for_each(|bound| sockets.add(Role::Clients, bound));
            keep(&Service::of(&environment), &environment, &mut sockets, Vec::new());
            let kept: Vec<_> = sockets.all().filter_map(Bound::kept_as).collect();
            assert_eq!(kept, ["socket.0", "socket.1", "socket.2"][..expected], "{room}");
        }
        listening.set_nonblocking(true).unwrap();
        let mut message = [0; 4096];
        let length = listening.recv(&mut message).unwrap();
        let message = std::str::from_utf8(&message[..length]).unwrap();
        assert_eq!(message, "FDSTORE=1\nFDNAME=hostler.1.socket.0\nFDPOLL=0\n");
    }

    #[test]
    fn what_came_back_is_sorted_and_what_is_no_socket_is_left_out() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let passed = |descriptor: std::os::fd::OwnedFd| {
            let kind = Kind::of(&descriptor).unwrap();
            Passed { number: 3, name: String::new(), descriptor, kind }
        };
        let of = |what: &str, descriptor| (StoreName::new(what).unwrap(), passed(descriptor));
        let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let other = rustix::fs::memfd_create("y", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let all =
            vec![of("statistics", memory), of("past", other), of("socket.0", pipe), of("socket.7", listener.into())];
        let stored = stored(all);
        assert!(stored.statistics.is_some() && stored.past.is_some());
        let given_up = stored.sockets.give_up();
        assert_eq!(given_up.iter().map(|socket| socket.name.as_str()).collect::<Vec<_>>(), ["socket.7"]);
    }
}
