//! Binding a whole list of addresses: all of them, or none and every mistake.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::{Address, Host};
use crate::bound::Bound;
use crate::error::{BindError, Problem};
use crate::left::Left;
use crate::owner::Owner;
use crate::{inherited, tcp, unix};

/// What holds for all addresses of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many connections may wait to be accepted. The kernel caps it at the sysctl `net.core.somaxconn`.
    pub backlog: u32,
    /// Permission bits of socket files; none leaves them to the umask.
    pub unix_mode: Option<u32>,
    /// Owner of socket files; none leaves it as it is.
    pub unix_owner: Option<Owner>,
}

impl Default for Options {
    /// A backlog of 2048 as gunicorn's, and socket files as the umask says.
    fn default() -> Self {
        Options { backlog: 2048, unix_mode: None, unix_owner: None }
    }
}

/// Listens on every address, in their order. One address gives several sockets when it is a host name with several
/// addresses.
///
/// `:PORT` serves IPv4 and IPv6 through one socket. So does `[::]:PORT`, except beside a `0.0.0.0:PORT` of the same
/// list: then each serves its own family.
///
/// # Errors
///
/// One error for each address that cannot be had. Those that could are released again.
///
/// Blocks: on the resolver, and for at most 5 seconds a unix path on another server that starts beside this one.
pub fn bind_all(addresses: &[String], options: &Options) -> Result<Vec<Bound>, Vec<BindError>> {
    bind_again(addresses, options, &mut Left::default())
}

/// The same, going on with what is left of a process before this one, where the address is the same.
///
/// # Errors
///
/// As [`bind_all`].
pub fn bind_again(addresses: &[String], options: &Options, left: &mut Left) -> Result<Vec<Bound>, Vec<BindError>> {
    let parsed: Vec<Result<Address, Problem>> =
        addresses.iter().map(|text| text.parse().map_err(Problem::Syntax)).collect();
    let wildcard_ports = wildcard_v4_ports(&parsed);
    let mut seen = HashSet::new();
    let mut bound = Vec::new();
    let mut errors = Vec::new();
    for (text, address) in addresses.iter().zip(parsed) {
        let result = address.and_then(|address| {
            if !may_repeat(&address) && !seen.insert(address.clone()) {
                return Err(Problem::Twice);
            }
            bind_one(&address, &wildcard_ports, options, left)
        });
        match result {
            Ok(sockets) => bound.extend(sockets),
            Err(problem) => errors.push(BindError { address: text.clone(), problem }),
        }
    }
    if errors.is_empty() { Ok(bound) } else { Err(errors) }
}

fn bind_one(
    address: &Address,
    wildcard_ports: &HashSet<u16>,
    options: &Options,
    left: &mut Left,
) -> Result<Vec<Bound>, Problem> {
    let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    match address {
        Address::Tcp { host, port } => tcp::bind(host, *port, wildcard_ports.contains(port), backlog, left),
        Address::UnixPath(path) => {
            unix::bind_path(path, options.unix_mode, options.unix_owner, backlog, left).map(|bound| vec![bound])
        }
        Address::UnixAbstract(name) => unix::bind_abstract(name, backlog, left).map(|bound| vec![bound]),
        Address::Inherited(number) => inherited::take(*number).map(|bound| vec![bound]),
    }
}

/// Port 0 is a new port each time.
fn may_repeat(address: &Address) -> bool {
    matches!(address, Address::Tcp { port: 0, .. })
}

fn wildcard_v4_ports(addresses: &[Result<Address, Problem>]) -> HashSet<u16> {
    let wildcard = Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    addresses
        .iter()
        .filter_map(|address| match address {
            Ok(Address::Tcp { host, port }) if *host == wildcard => Some(*port),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn bind(addresses: &[&str]) -> Result<Vec<Bound>, Vec<String>> {
        let addresses: Vec<String> = addresses.iter().map(|text| (*text).to_owned()).collect();
        bind_all(&addresses, &Options::default()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn several_kinds_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let unix = format!("unix:{}", path.display());
        let bound = bind(&["127.0.0.1:0", "127.0.0.1:0", &unix]).unwrap();
        assert_eq!(bound.len(), 3);
        assert!(bound[0].name.starts_with("http://127.0.0.1:"));
        assert_eq!(bound[2].name, unix);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn all_mistakes_are_told_and_nothing_stays_bound() {
        let _no_child = crate::CHILDREN.read();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let unix = format!("unix:{}", path.display());
        let good = format!("127.0.0.1:{}", free_port());
        let errors = bind(&[&good, "nonsense", &unix, "fd://999999", &good]).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].starts_with("cannot listen on nonsense: \"nonsense\" has no port"));
        assert_eq!(
            errors[1],
            "cannot listen on fd://999999: this process was started without an open descriptor 999999"
        );
        assert_eq!(errors[2], format!("cannot listen on {good}: it is given twice"));
        assert!(!path.exists());
        TcpStream::connect(&good).unwrap_err();
    }

    #[test]
    fn both_wildcards_of_one_port_go_together_in_either_order() {
        let _no_child = crate::CHILDREN.read();
        for reversed in [false, true] {
            let port = free_port();
            let mut addresses = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
            if reversed {
                addresses.reverse();
            }
            let bound = bind_all(&addresses, &Options::default()).unwrap();
            assert_eq!(bound.len(), 2);
        }
        // Alone, [::] serves both families, as under gunicorn.
        let port = free_port();
        let _bound = bind(&[&format!("[::]:{port}")]).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
