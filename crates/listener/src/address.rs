//! The forms in which an address to listen on is written. Pure: nothing is resolved or opened here.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// An address to listen on. [`FromStr`] reads the forms below and [`fmt::Display`] writes them back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `HOST:PORT`, `[IPV6]:PORT`, or `:PORT` for all interfaces. Port 0 lets the kernel choose.
    Tcp {
        /// On which interfaces.
        host: Host,
        /// The port, in host byte order.
        port: u16,
    },
    /// `unix:PATH` (also `unix:///PATH`, as other servers write it): a socket file.
    UnixPath(PathBuf),
    /// `unix:@NAME`: a name in the abstract namespace of unix(7), without the leading NUL.
    UnixAbstract(Vec<u8>),
    /// `fd://N`: a listening socket that this process was started with.
    Inherited(u32),
}

/// The host of a TCP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every interface, IPv4 and IPv6.
    All,
    /// One literal address. `0.0.0.0` and `::` mean all interfaces of their family.
    Ip(IpAddr),
    /// A name for the resolver (or an IPv6 address with a zone, `fe80::1%eth0`).
    Name(String),
}

/// Why a text is not an address. Each message is followed by the forms that exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}; an address is HOST:PORT, [IPV6]:PORT, :PORT (all interfaces), unix:PATH, unix:@NAME or fd://N")]
pub struct AddressError {
    reason: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains('\0') {
            return Err(because("it contains a NUL byte"));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path);
        }
        if let Some(number) = text.strip_prefix("fd://") {
            return match decimal(number).filter(|number| *number <= i32::MAX as u32) {
                Some(number) => Ok(Address::Inherited(number)),
                None => Err(because(format!("\"{number}\" is not a number of a descriptor"))),
            };
        }
        parse_tcp(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Address::UnixPath(path) => write!(formatter, "unix:{}", path.display()),
            Address::UnixAbstract(name) => {
                write!(formatter, "unix:@{}", String::from_utf8_lossy(name))
            }
            Address::Inherited(number) => write!(formatter, "fd://{number}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::All => Ok(()),
            Host::Ip(IpAddr::V6(ip)) => write!(formatter, "[{ip}]"),
            Host::Ip(IpAddr::V4(ip)) => write!(formatter, "{ip}"),
            Host::Name(name) if name.contains(':') => write!(formatter, "[{name}]"),
            Host::Name(name) => formatter.write_str(name),
        }
    }
}

fn parse_unix(rest: &str) -> Result<Address, AddressError> {
    if let Some(name) = rest.strip_prefix('@') {
        return match name {
            "" => Err(because("no name follows \"unix:@\"")),
            name => Ok(Address::UnixAbstract(name.as_bytes().to_vec())),
        };
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        return Err(because("no path follows \"unix:\""));
    }
    if path.ends_with('/') {
        return Err(because(format!("\"{path}\" names a directory, not a socket")));
    }
    Ok(Address::UnixPath(PathBuf::from(path)))
}

fn parse_tcp(text: &str) -> Result<Address, AddressError> {
    if text.is_empty() {
        return Err(because("it is empty"));
    }
    if decimal(text).is_some() {
        return Err(because(format!(
            "\"{text}\" is a port without a host: write 127.0.0.1:{text} for this machine alone, :{text} for all"
        )));
    }
    if text.contains("://") {
        return Err(because("a scheme is not part of an address"));
    }
    if text.starts_with('/') || text.starts_with("./") {
        return Err(because(format!("write unix:{text} for a socket file")));
    }
    let (host, port) = split_port(text)?;
    let port = decimal(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| because(format!("\"{port}\" is not a port (0 to 65535)")))?;
    Ok(Address::Tcp { host, port })
}

fn split_port(text: &str) -> Result<(Host, &str), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or_else(|| because("the bracket is not closed"))?;
        let port = after.strip_prefix(':').ok_or_else(|| because("no :PORT follows the bracket"))?;
        return Ok((bracketed(inside)?, port));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(because(format!("\"{text}\" has no port")));
    };
    if host.contains(':') {
        return Err(because(format!("an IPv6 address is written in brackets, as in [::1]:{port}")));
    }
    if host.is_empty() {
        return Ok((Host::All, port));
    }
    if let Ok(ip) = host.parse() {
        return Ok((Host::Ip(ip), port));
    }
    // A name made of digits and dots alone is a mistyped IPv4 address; the resolver would take "1.2.3" for 1.2.0.3.
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if !is_name || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(because(format!("\"{host}\" is not a host")));
    }
    Ok((Host::Name(host.to_owned()), port))
}

fn bracketed(inside: &str) -> Result<Host, AddressError> {
    if let Ok(ip) = inside.parse::<Ipv6Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    match inside.split_once('%') {
        Some((ip, zone)) if ip.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() => Ok(Host::Name(inside.to_owned())),
        _ => Err(because(format!("\"{inside}\" is not an IPv6 address"))),
    }
}

/// Digits alone: `str::parse` would also take a sign.
fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn because(reason: impl Into<String>) -> AddressError {
    AddressError { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        let tcp = |host, port| Address::Tcp { host, port };
        let ip = |text: &str| Host::Ip(text.parse().unwrap());
        for (text, expected) in [
            ("127.0.0.1:8000", tcp(ip("127.0.0.1"), 8000)),
            ("0.0.0.0:0", tcp(ip("0.0.0.0"), 0)),
            ("[::1]:65535", tcp(ip("::1"), 65535)),
            ("[fe80::1%eth0]:80", tcp(Host::Name("fe80::1%eth0".into()), 80)),
            (":8000", tcp(Host::All, 8000)),
            ("localhost:80", tcp(Host::Name("localhost".into()), 80)),
            ("unix:/run/x.sock", Address::UnixPath("/run/x.sock".into())),
            ("unix:x.sock", Address::UnixPath("x.sock".into())),
            ("unix:@x", Address::UnixAbstract(b"x".to_vec())),
            ("fd://3", Address::Inherited(3)),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), expected);
            assert_eq!(expected.to_string(), text);
        }
        assert_eq!("unix:///run/x.sock".parse::<Address>().unwrap(), Address::UnixPath("/run/x.sock".into()));
    }

    #[test]
    fn mistakes_say_what_is_wrong_and_which_forms_exist() {
        for (text, hint) in [
            ("", "it is empty"),
            ("8000", "127.0.0.1:8000 for this machine alone"),
            ("localhost", "has no port"),
            ("::1:80", "in brackets"),
            ("[::1]", "no :PORT"),
            ("[::1", "not closed"),
            ("[1.2.3.4]:80", "not an IPv6 address"),
            ("127.0.0.1:65536", "not a port"),
            ("127.0.0.1:+80", "not a port"),
            ("127.0.0.1:", "not a port"),
            ("127.0.0:80", "not a host"),
            ("a b:80", "not a host"),
            ("http://localhost:80", "scheme"),
            ("/run/x.sock", "unix:/run/x.sock"),
            ("unix:", "no path"),
            ("unix:/run/", "directory"),
            ("unix:@", "no name"),
            ("unix:a\0b", "NUL"),
            ("fd://", "descriptor"),
            ("fd://-1", "descriptor"),
            ("fd://4294967295", "descriptor"),
        ] {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains(hint), "{text}: {message}");
            assert!(message.contains("unix:@NAME or fd://N"), "{message}");
        }
    }
}
