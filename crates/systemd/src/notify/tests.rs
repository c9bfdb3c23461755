//! Tests of notification, against real datagram sockets.

use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::fs::{MemfdFlags, fstat, memfd_create};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

struct Manager {
    socket: UnixDatagram,
    notifier: Notifier,
    _directory: tempfile::TempDir,
}

fn manager() -> Manager {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let environment: Environment = [("NOTIFY_SOCKET", path)].into_iter().collect();
    Manager { socket, notifier: Notifier::from(&environment).unwrap(), _directory: directory }
}

impl Manager {
    fn message(&self) -> (String, Vec<OwnedFd>) {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::empty()).unwrap();
        let descriptors = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        (String::from_utf8(bytes[..received.bytes].to_vec()).unwrap(), descriptors)
    }
}

#[test]
fn states_are_lines_of_one_message() {
    let manager = manager();
    assert!(manager.notifier.is_active());
    manager
        .notifier
        .send(&[
            State::Ready,
            State::Stopping,
            State::Status("4 workers\nREADY=1"),
            State::Errno(2),
            State::ExtendTimeout(Duration::from_millis(1500)),
            State::Watchdog,
            State::WatchdogTrigger,
        ])
        .unwrap();
    assert_eq!(
        manager.message().0,
        "READY=1\nSTOPPING=1\nSTATUS=4 workers READY=1\nERRNO=2\nEXTEND_TIMEOUT_USEC=1500000\nWATCHDOG=1\n\
         WATCHDOG=trigger\n"
    );
}

#[test]
fn reloading_carries_the_monotonic_time() {
    let manager = manager();
    let time = |text: &str| text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim().parse::<i64>().unwrap();
    manager.notifier.send(&[State::Reloading]).unwrap();
    manager.notifier.send(&[State::Reloading]).unwrap();
    let (first, second) = (time(&manager.message().0), time(&manager.message().0));
    assert!(first > 0 && second >= first);
}

#[test]
fn a_long_status_is_cut_at_a_character() {
    let manager = manager();
    manager.notifier.send(&[State::Status(&"é".repeat(5000))]).unwrap();
    assert_eq!(manager.message().0, format!("STATUS={}\n", "é".repeat(512)));
}

#[test]
fn descriptors_are_stored_and_removed() {
    let manager = manager();
    let file = memfd_create("x", MemfdFlags::CLOEXEC).unwrap();
    let name = StoreName::new("statistics").unwrap();
    manager.notifier.store(&name, &[file.as_fd()], true).unwrap();
    let (text, descriptors) = manager.message();
    assert_eq!(text, "FDSTORE=1\nFDNAME=hostler.1.statistics\nFDPOLL=0\n");
    assert_eq!(fstat(&descriptors[0]).unwrap().st_ino, fstat(&file).unwrap().st_ino);
    let many = vec![file.as_fd(); MOST_DESCRIPTORS];
    manager.notifier.store(&name, &many, false).unwrap();
    let (text, descriptors) = manager.message();
    assert_eq!((text.as_str(), descriptors.len()), ("FDSTORE=1\nFDNAME=hostler.1.statistics\n", MOST_DESCRIPTORS));
    let too_many = vec![file.as_fd(); MOST_DESCRIPTORS + 1];
    assert!(matches!(manager.notifier.store(&name, &too_many, false), Err(NotifyError::TooManyDescriptors(254))));
    manager.notifier.remove_stored("old\nREADY=1").unwrap();
    assert_eq!(manager.message().0, "FDSTOREREMOVE=1\nFDNAME=oldREADY=1\n");
}

#[test]
fn the_main_process_is_named_by_its_number_alone() {
    let manager = manager();
    manager.notifier.main_process(rustix::process::getpid()).unwrap();
    let (text, descriptors) = manager.message();
    assert_eq!((text, descriptors.len()), (format!("MAINPID={}\n", std::process::id()), 0));
}

#[test]
fn a_barrier_waits_for_the_manager_to_come_to_it() {
    let manager = manager();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| manager.notifier.barrier(Duration::from_secs(60)));
        let (text, descriptors) = manager.message();
        assert_eq!((text.as_str(), descriptors.len()), ("BARRIER=1\n", 1));
        drop(descriptors);
        waiting.join().unwrap().unwrap();
    });
    let error = manager.notifier.barrier(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.to_string(), "systemd did not process the messages within 1ms");
}

#[test]
fn without_a_manager_nothing_happens() {
    let notifier = Notifier::from(&Environment::default()).unwrap();
    assert!(!notifier.is_active());
    notifier.send(&[State::Ready]).unwrap();
    notifier.barrier(Duration::ZERO).unwrap();
    notifier.remove_stored("x").unwrap();
}

#[test]
fn abstract_sockets_are_reached_and_other_addresses_refused() {
    let name = format!("hostler-notify-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let at = |address: &str| Notifier::from(&[("NOTIFY_SOCKET", address)].into_iter().collect());
    at(&format!("@{name}")).unwrap().send(&[State::Ready]).unwrap();
    let mut bytes = [0; 16];
    assert_eq!(socket.recv(&mut bytes).unwrap(), b"READY=1\n".len());
    for (address, reason) in [
        ("relative", "neither an absolute path"),
        ("@", "neither"),
        ("vsock:2:1234", "virtual machines"),
        (&format!("/{}", "x".repeat(200)), "longer than"),
    ] {
        let message = at(address).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_manager_that_is_gone_is_an_error_that_names_the_message() {
    let environment: Environment = [("NOTIFY_SOCKET", "/nonexistent/notify")].into_iter().collect();
    let error = Notifier::from(&environment).unwrap().send(&[State::Stopping]).unwrap_err().to_string();
    assert!(error.starts_with("systemd cannot be told STOPPING=1: No such file"), "{error}");
}

#[test]
fn the_watchdog_is_read_from_the_environment() {
    let of = |variables: &[(&str, &str)]| Watchdog::for_process(&variables.iter().copied().collect(), 7);
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "8")]), Ok(None));
    for ours in [&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "7")][..], &[("WATCHDOG_USEC", "3000000")]] {
        let watchdog = of(ours).unwrap().unwrap();
        assert_eq!(watchdog.interval(), Duration::from_secs(3));
        assert_eq!(watchdog.ping_every(), Duration::from_millis(1500));
    }
    assert!(of(&[("WATCHDOG_USEC", "0")]).is_err());
    assert!(of(&[("WATCHDOG_USEC", "soon")]).unwrap_err().to_string().contains("is \"soon\""));
}
