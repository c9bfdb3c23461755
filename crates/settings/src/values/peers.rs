//! Whom to believe: addresses, networks, or everyone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// Peers that are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// `*`.
    Everyone,
    /// All addresses that share the first `prefix` bits; a single address has all of them.
    Network {
        /// An address of the network.
        address: IpAddr,
        /// How many bits count: at most 32 for IPv4, 128 for IPv6.
        prefix: u8,
    },
}

impl Peers {
    pub(crate) const LOOPBACK_V4: Self = Self::Network { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 32 };
    pub(crate) const LOOPBACK_V6: Self = Self::Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 };

    /// Whether the peer at this address is meant. An IPv4 address that comes mapped into IPv6 (RFC 4291 section
    /// 2.5.5.2), as on a socket that takes both, counts as IPv4.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match self {
            Self::Everyone => true,
            Self::Network { address, prefix } => match (address, peer.to_canonical()) {
                (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                    let differing = u32::from(*ours) ^ u32::from(theirs);
                    differing.leading_zeros() >= u32::from(*prefix)
                }
                (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                    let differing = u128::from(*ours) ^ u128::from(theirs);
                    differing.leading_zeros() >= u32::from(*prefix)
                }
                _ => false,
            },
        }
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => formatter.write_str("*"),
            Self::Network { address, prefix } if *prefix == bits(address) => {
                write!(formatter, "{address}")
            }
            Self::Network { address, prefix } => write!(formatter, "{address}/{prefix}"),
        }
    }
}

impl Value for Peers {
    const KIND: Kind = Kind::Peers;

    fn from_input(input: &Input) -> Result<Self, String> {
        let text = input.text().ok_or_else(|| wrong(&Self::KIND, input))?.trim();
        if text == "*" {
            return Ok(Self::Everyone);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong(&Self::KIND, input))?;
        let most = bits(&address);
        let prefix = match prefix.map(str::parse) {
            None => most,
            Some(Ok(prefix)) if prefix <= most => prefix,
            Some(_) => {
                return Err(format!("wants a prefix of 0 to {most} bits, found {}", input.describe()));
            }
        };
        Ok(Self::Network { address, prefix })
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.to_string()))
    }
}

fn bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Peers, String> {
        Peers::from_input(&Input::Word(text.to_owned()))
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (peers, peer, inside) in [
            ("*", "8.8.8.8", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::1", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let address = peer.parse().unwrap();
            assert_eq!(read(peers).unwrap().contains(address), inside, "{peers} {peer}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "1.2.3", "10.0.0.0/x"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
