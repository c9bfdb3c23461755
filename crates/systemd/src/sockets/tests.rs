//! Tests of passed descriptors.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::sync::Mutex;

use proptest::prelude::*;
use rustix::fs::MemfdFlags;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use super::*;

/// Adopting works on numbers, and other tests open and close descriptors: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn kind(descriptor: impl Into<OwnedFd>) -> Kind {
    Kind::of(&descriptor.into()).unwrap()
}

fn passed(number: u32, name: &str, descriptor: impl Into<OwnedFd>) -> Passed {
    let descriptor = descriptor.into();
    Passed { number, name: name.to_owned(), kind: Kind::of(&descriptor).unwrap(), descriptor }
}

fn tcp() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, Address::Tcp(address))
}

fn wanted(purpose: Purpose) -> Claim {
    Claim { setting: format!("bind = \"systemd:{purpose}\""), purpose, number: None, address: None, required: true }
}

#[test]
fn variables_for_another_process_are_ignored() {
    let none = || None;
    let of = |variables: &[(&str, &str)]| names(&environment(variables), 7, none).unwrap();
    assert!(of(&[]).is_empty());
    assert!(of(&[("LISTEN_FDS", "2")]).is_empty());
    assert!(of(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "8")]).is_empty());
    assert_eq!(of(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "7")]), ["unknown", "unknown"]);
    assert_eq!(of(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "7"), ("LISTEN_FDNAMES", "http:")]), ["http", ""]);
    assert!(of(&[("LISTEN_FDS", "0"), ("LISTEN_PID", "7"), ("LISTEN_FDNAMES", "")]).is_empty());
    let pidfd = environment(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "7"), ("LISTEN_PIDFDID", "99")]);
    assert!(names(&pidfd, 7, || Some(98)).unwrap().is_empty());
    assert_eq!(names(&pidfd, 7, || Some(99)).unwrap().len(), 1);
    assert_eq!(names(&pidfd, 7, none).unwrap().len(), 1);
}

#[test]
fn contradictions_are_errors() {
    let of = |fds, names_of| {
        let variables = [("LISTEN_FDS", fds), ("LISTEN_PID", "7"), ("LISTEN_FDNAMES", names_of)];
        names(&environment(&variables), 7, || None).unwrap_err().to_string()
    };
    assert_eq!(of("2", "a"), "LISTEN_FDNAMES has 1 names for 2 descriptors (LISTEN_FDS)");
    assert!(of("-1", "a").contains("LISTEN_FDS is \"-1\", which is not a number"));
    assert!(of("99999999999", "a").contains("more than 1024"));
}

proptest! {
    #[test]
    fn any_variables_give_names_or_an_error(fds in ".{0,12}", pid in "[0-9]{1,2}|.{0,4}", list in ".{0,40}") {
        let variables = environment(&[("LISTEN_FDS", &fds), ("LISTEN_PID", &pid), ("LISTEN_FDNAMES", &list)]);
        if let Ok(found) = names(&variables, 7, || None) && !found.is_empty() {
            prop_assert_eq!(pid.parse::<u64>().unwrap(), 7);
            prop_assert_eq!(found.len(), fds.parse::<usize>().unwrap());
        }
    }
}

#[test]
fn each_kind_is_told_apart() {
    let (listener, address) = tcp();
    assert_eq!(kind(listener), Kind::Listener(address));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let unix = UnixListener::bind(&path).unwrap();
    assert_eq!(kind(unix), Kind::Listener(Address::Path(path)));
    let name = format!("hostler-test-{}", std::process::id());
    let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(kind(hidden), Kind::Listener(Address::Abstract(name.into_bytes())));
    assert_eq!(kind(UnixStream::pair().unwrap().0), Kind::Socket("a connection (Accept=yes)"));
    assert_eq!(kind(UnixDatagram::unbound().unwrap()), Kind::Socket("a datagram socket (ListenDatagram=)"));
    assert_eq!(kind(rustix::fs::memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap()), Kind::Memfd);
    assert_eq!(kind(pidfd_open(getpid(), PidfdFlags::empty()).unwrap()), Kind::Pidfd);
    assert_eq!(kind(rustix::pipe::pipe().unwrap().0), Kind::Fifo);
    assert_eq!(kind(std::fs::File::create(directory.path().join("f")).unwrap()), Kind::File);
    assert_eq!(kind(std::fs::File::open("/dev/null").unwrap()), Kind::Other("a device"));
    assert_eq!(kind(std::fs::File::open("/").unwrap()), Kind::Other("a directory"));
}

/// The numbers are far above those that other tests use.
#[test]
fn descriptors_are_moved_and_their_numbers_closed() {
    let _alone = ONE_AT_A_TIME.lock().unwrap();
    let (listener, address) = tcp();
    let at_500 = rustix::io::fcntl_dupfd_cloexec(&listener, 500).unwrap();
    fcntl_setfd(&at_500, FdFlags::empty()).unwrap();
    // From here on the number belongs to nobody, as one that was inherited.
    let number = std::os::fd::IntoRawFd::into_raw_fd(at_500).unsigned_abs();
    let moved = adopt::adopt(number, 1).unwrap().pop().unwrap();
    assert_ne!(moved.as_raw_fd().unsigned_abs(), number);
    assert!(fcntl_getfd(&moved).unwrap().contains(FdFlags::CLOEXEC));
    assert_eq!(Kind::of(&moved).unwrap(), Kind::Listener(address));
    assert!(!std::path::Path::new(&format!("/proc/self/fd/{number}")).exists());
    let error = adopt::adopt(number, 2).unwrap_err().to_string();
    assert!(error.contains(&format!("descriptor {number} is not open")), "{error}");
}

#[test]
fn sockets_go_to_the_settings_that_name_them() {
    let (plain, _) = tcp();
    let (second, _) = tcp();
    let (numbers, numbers_address) = tcp();
    let sockets =
        vec![passed(3, "hostler@shop.socket", plain), passed(4, "http", second), passed(5, "metrics", numbers)];
    let metrics = Claim { address: Some(numbers_address), ..wanted(Purpose::Metrics) };
    let given = claim(sockets, &[metrics, wanted(Purpose::Http)]).unwrap();
    let numbers: Vec<Vec<u32>> = given.iter().map(|all| all.iter().map(|one| one.number).collect()).collect();
    assert_eq!(numbers, [vec![5], vec![3, 4]]);
}

#[test]
fn a_number_says_more_than_a_name() {
    let (listener, _) = tcp();
    let by_number = Claim { setting: "bind = \"fd://3\"".into(), number: Some(3), ..wanted(Purpose::Http) };
    let anything = Claim { required: false, ..wanted(Purpose::Http) };
    let given = claim(vec![passed(3, "odd", listener)], &[anything, by_number]).unwrap();
    assert_eq!(given[1].len(), 1);
}

#[test]
fn what_has_no_partner_is_named_with_what_to_write() {
    let (listener, address) = tcp();
    let (odd, _) = tcp();
    let sockets = vec![
        passed(3, "metrics", listener),
        passed(4, "odd", odd),
        passed(5, "http", UnixDatagram::unbound().unwrap()),
    ];
    let absent = Claim { address: Some(Address::Path("/run/x.sock".into())), ..wanted(Purpose::Https) };
    let errors: Vec<String> = claim(sockets, &[absent]).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4);
    assert!(
        errors[0].starts_with(&format!(
            "systemd passed the socket \"metrics\" (a listening socket on {address}, descriptor 3), which no setting claims \
             for metrics: set what serves metrics"
        )),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].contains("FileDescriptorName= with one of http, https, uwsgi, control, metrics"),
        "{}",
        errors[1]
    );
    assert!(errors[2].contains("which is a datagram socket (ListenDatagram=)"), "{}", errors[2]);
    assert!(errors[3].contains("the setting bind = \"systemd:https\" asks for"), "{}", errors[3]);
    assert!(errors[3].contains("write FileDescriptorName=https and ListenStream=/run/x.sock into"), "{}", errors[3]);
    assert!(errors[3].contains(&format!("\"metrics\" (a listening socket on {address})")), "{}", errors[3]);
}

#[test]
fn two_settings_for_one_socket_are_named() {
    let (listener, _) = tcp();
    let claims = [wanted(Purpose::Http), Claim { setting: "other".into(), ..wanted(Purpose::Http) }];
    let errors = claim(vec![passed(3, "http", listener)], &claims).unwrap_err();
    assert!(errors[0].to_string().contains("bind = \"systemd:http\" and other both claim"), "{}", errors[0]);
}
