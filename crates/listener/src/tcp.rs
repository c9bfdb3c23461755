//! Listening on TCP: resolving, IPv4 beside IPv6, and why it failed.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Host;
use crate::bound::Bound;
use crate::error::Problem;
use crate::holder::Holder;
use crate::left::{Left, set_backlog};

/// How often a free port is sought that several addresses of one host name can share, when port 0 was asked.
const SHARED_PORT_ATTEMPTS: usize = 8;

/// Where the first port is written that needs no privilege (ip(7)).
const FIRST_FREE_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Binds every address of `host`. `v6_only` is what `[::]` shall mean: a socket for IPv6 alone, or for both families.
pub(crate) fn bind(
    host: &Host,
    port: u16,
    v6_only: bool,
    backlog: i32,
    left: &mut Left,
) -> Result<Vec<Bound>, Problem> {
    match host {
        Host::All => bind_all_interfaces(port, backlog, left).map(|bound| vec![bound]),
        Host::Ip(ip) => {
            let v6_only = v6_only || !ip.is_unspecified();
            listen(SocketAddr::new(*ip, port), v6_only, backlog, left).map(|bound| vec![bound])
        }
        Host::Name(name) => {
            let addresses = resolve(name, port)?;
            let mut attempt = 1;
            loop {
                match bind_name(&addresses, backlog, left) {
                    Err(Problem::PortInUse(_)) if port == 0 && attempt < SHARED_PORT_ATTEMPTS => {
                        attempt += 1;
                    }
                    result => return result,
                }
            }
        }
    }
}

/// Whether the addresses of `host` could be had now, without listening there.
pub(crate) fn probe(host: &Host, port: u16) -> Result<(), Problem> {
    let try_one = |address: SocketAddr, v6_only| match bound(address, v6_only) {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(address, error, first_free_port())),
    };
    match host {
        Host::All => match try_one(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), false) {
            Err(problem) if is_family_missing(&problem) => {
                try_one(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false)
            }
            result => result,
        },
        Host::Ip(ip) => try_one(SocketAddr::new(*ip, port), !ip.is_unspecified()),
        Host::Name(name) => resolve(name, port)?.into_iter().try_for_each(|address| try_one(address, true)),
    }
}

/// One socket for both families; IPv4 alone where the kernel has no IPv6.
fn bind_all_interfaces(port: u16, backlog: i32, left: &mut Left) -> Result<Bound, Problem> {
    let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    match listen(v6, false, backlog, left) {
        Err(problem) if is_family_missing(&problem) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), false, backlog, left)
        }
        result => result,
    }
}

/// All addresses of a name, on one port. `localhost` stands for ::1 in many a hosts file while IPv6 is off: an
/// address that no interface has is left out as long as another one can be had.
fn bind_name(addresses: &[SocketAddr], backlog: i32, left: &mut Left) -> Result<Vec<Bound>, Problem> {
    let mut bound: Vec<Bound> = Vec::new();
    let mut shared_port = None;
    let mut left_out = None;
    for address in addresses {
        let mut address = *address;
        if let Some(port) = shared_port {
            address.set_port(port);
        }
        match listen_with_address(address, true, backlog, left) {
            Ok((socket, real)) => {
                shared_port = Some(real.port());
                bound.push(socket);
            }
            Err(problem) if is_family_missing(&problem) => left_out = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    match left_out {
        Some(problem) if bound.is_empty() => Err(problem),
        _ => Ok(bound),
    }
}

fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Problem> {
    let unresolved = |error| Problem::Unresolved { host: name.to_owned(), error };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (name, port).to_socket_addrs().map_err(unresolved)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unresolved(io::Error::other("it has no address")));
    }
    Ok(addresses)
}

fn listen(address: SocketAddr, v6_only: bool, backlog: i32, left: &mut Left) -> Result<Bound, Problem> {
    listen_with_address(address, v6_only, backlog, left).map(|(bound, _)| bound)
}

fn listen_with_address(
    address: SocketAddr,
    v6_only: bool,
    backlog: i32,
    left: &mut Left,
) -> Result<(Bound, SocketAddr), Problem> {
    if let Some((name, listener)) = left.take_tcp(address, v6_only) {
        set_backlog(&listener, backlog)?;
        let mut bound = Bound::tcp(listener, address);
        bound.keep_as(name);
        return Ok((bound, address));
    }
    let listener = open(address, v6_only, backlog).map_err(|error| explain(address, error, first_free_port()))?;
    let real = listener.local_addr().map_err(|error| Problem::System { action: "getsockname", error })?;
    Ok((Bound::tcp(listener, real), real))
}

fn open(address: SocketAddr, v6_only: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = bound(address, v6_only)?;
    // With SO_REUSEADDR two sockets can be bound to one port; it is listen that tells them apart.
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// A socket that has the address, and does not listen: nobody can connect to it.
fn bound(address: SocketAddr, v6_only: bool) -> io::Result<Socket> {
    // socket2 sets close-on-exec in the same call.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    // Without it a restart fails for a minute while old connections are in TIME_WAIT (socket(7)).
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Said in either case: the default is a sysctl.
        socket.set_only_v6(v6_only)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

fn explain(address: SocketAddr, error: io::Error, first_free: u16) -> Problem {
    match Errno::from_io_error(&error) {
        Some(Errno::ADDRINUSE) => Problem::PortInUse(Holder::of_port(address)),
        Some(Errno::ACCESS) if address.port() < first_free => Problem::Privileged { first_free },
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => Problem::NoSuchInterface(address.ip()),
        _ => Problem::System { action: "opening the socket", error },
    }
}

fn is_family_missing(problem: &Problem) -> bool {
    matches!(problem, Problem::NoSuchInterface(IpAddr::V6(_)))
}

fn first_free_port() -> u16 {
    fs::read_to_string(FIRST_FREE_PORT).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::bound::Listener;

    fn bind(host: &Host, port: u16, v6_only: bool, backlog: i32) -> Result<Vec<Bound>, Problem> {
        super::bind(host, port, v6_only, backlog, &mut Left::default())
    }

    fn address(bound: &Bound) -> SocketAddr {
        match &bound.listener {
            Listener::Tcp(listener) => listener.local_addr().unwrap(),
            Listener::Unix(_) => panic!("a TCP socket was asked for"),
        }
    }

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().unwrap())
    }

    fn is_v6_only(bound: &Bound) -> bool {
        rustix::net::sockopt::ipv6_v6only(&bound.listener).unwrap()
    }

    #[test]
    fn a_socket_is_non_blocking_close_on_exec_and_takes_connections() {
        let bound = bind(&ip("127.0.0.1"), 0, false, 16).unwrap();
        let [bound] = bound.as_slice() else { panic!("one socket") };
        let address = address(bound);
        assert_eq!(bound.name, format!("http://{address}"));
        assert_ne!(address.port(), 0);
        let flags = rustix::fs::fcntl_getfl(&bound.listener).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
        let flags = rustix::io::fcntl_getfd(&bound.listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        assert!(rustix::net::sockopt::socket_reuseaddr(&bound.listener).unwrap());
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn all_interfaces_are_both_families() {
        let bound = bind(&Host::All, 0, false, 16).unwrap();
        let port = address(&bound[0]).port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        if address(&bound[0]).is_ipv6() {
            assert!(!is_v6_only(&bound[0]));
        }
    }

    #[test]
    fn ipv6_is_alone_when_asked_and_for_single_addresses() {
        let all = bind(&ip("::"), 0, true, 16).unwrap();
        assert!(is_v6_only(&all[0]));
        let port = address(&all[0]).port();
        bind(&ip("0.0.0.0"), port, false, 16).unwrap();
        let one = bind(&ip("::1"), 0, false, 16).unwrap();
        assert!(is_v6_only(&one[0]));
        assert!(one[0].name.starts_with("http://[::1]:"), "{}", one[0].name);
    }

    #[test]
    fn a_name_gets_one_port_for_all_its_addresses() {
        let bound = bind(&Host::Name("localhost".into()), 0, false, 16).unwrap();
        let port = address(&bound[0]).port();
        assert!(bound.iter().all(|bound| address(bound).port() == port));
        assert!(bound.iter().all(|bound| address(bound).ip().to_canonical().is_loopback()));
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let bound = bind(&ip("127.0.0.1"), 0, false, 16).unwrap();
        let port = address(&bound[0]).port();
        for host in [ip("127.0.0.1"), ip("0.0.0.0"), Host::All] {
            match bind(&host, port, false, 16) {
                Err(Problem::PortInUse(Holder::Ourselves)) => {}
                other => panic!("{host:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_port_of_another_process_names_pid_and_command() {
        let bound = bind(&ip("127.0.0.1"), 0, false, 16).unwrap();
        let address = address(&bound[0]);
        let Listener::Tcp(listener) = &bound[0].listener else { panic!("a TCP socket was asked for") };
        // Another process is made to hold the socket as its standard error, alone.
        let stderr = listener.try_clone().unwrap();
        let starting = crate::CHILDREN.write();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::os::fd::OwnedFd::from(stderr))
            .spawn()
            .unwrap();
        drop(starting);
        drop(bound);
        // What comes back shows that the program runs, and so that the command line is its own.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"x").unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        let result = bind(&ip("127.0.0.1"), address.port(), false, 16);
        drop(stdin);
        child.wait().unwrap();
        let message = result.unwrap_err().to_string();
        assert_eq!(message, format!("the port is in use by process {} (cat)", child.id()));
    }

    #[test]
    fn a_privileged_port_says_what_it_needs() {
        let address = "127.0.0.1:80".parse().unwrap();
        let refused = || io::Error::from(Errno::ACCESS);
        let message = explain(address, refused(), 1024).to_string();
        assert!(message.contains("ports below 1024 need the capability CAP_NET_BIND_SERVICE"), "{message}");
        // The same error of a port that needs no privilege is a security module's.
        assert!(matches!(explain(address, refused(), 0), Problem::System { .. }));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        // TEST-NET-1 (RFC 5737): no interface has it.
        let problem = bind(&ip("192.0.2.1"), 0, false, 16).unwrap_err();
        assert!(problem.to_string().contains("no interface"), "{problem}");
    }

    #[test]
    fn a_name_that_does_not_exist_is_refused() {
        // RFC 6761: never resolves.
        let problem = bind(&Host::Name("no-such-host.invalid".into()), 1, false, 16).unwrap_err();
        assert!(problem.to_string().contains("\"no-such-host.invalid\" cannot be resolved"), "{problem}");
    }
}
