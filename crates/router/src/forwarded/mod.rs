//! What trusted proxies say of the client they forward for: `X-Forwarded-…`, and `Forwarded` (RFC 7239).
//!
//! A proxy appends to what came with the request, so these lists are read from the right: the last member is the peer's own word, and each
//! before it is the word of the address that the one after it tells. The first address that is no trusted proxy is the client; what stands
//! before it, the client may have written. A member that is no address ends the walk, at the last address that was one.

mod standard;

use std::net::{IpAddr, Ipv6Addr};

use hostler_http1::{Header, is_authority};

use crate::config::{ForwardedHeaders, TrustedPeers};
use standard::{Element, elements};

/// The member that stands for a peer on a unix socket, whose word always counts (nginx writes it into `X-Forwarded-For`).
const UNIX: &[u8] = b"unix:";

/// What is known of a request from those that forwarded it. Empty without such headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The client's address as text.
    pub(crate) client: Option<Box<str>>,
    /// The client's port; 0 when it was not told.
    pub(crate) client_port: u16,
    /// Whether the client's side is https, or wss.
    pub(crate) https: Option<bool>,
    /// The `host[:port]` that the client asked for.
    pub(crate) host: Option<Vec<u8>>,
    /// The port that the client connected to.
    pub(crate) port: Option<u16>,
}

impl Forwarded {
    /// What a trusted peer says in the headers that are believed.
    pub(crate) fn read(headers: &[Header<'_>], believed: ForwardedHeaders, trusted: &TrustedPeers) -> Self {
        let mut found = Self::default();
        if !headers.iter().any(|header| is_one(header.name)) {
            return found;
        }
        if believed.x_for {
            let members = members(headers, "x-forwarded-for").filter(|member| *member != UNIX);
            found.walk(members.map(address), trusted);
        }
        if believed.x_proto {
            found.https = members(headers, "x-forwarded-proto").next().and_then(is_https);
        }
        if believed.x_host {
            found.host =
                members(headers, "x-forwarded-host").next().filter(|host| is_authority(host)).map(<[u8]>::to_vec);
        }
        if believed.x_port {
            let port = members(headers, "x-forwarded-port").next();
            found.port = port.and_then(number).filter(|port| *port != 0);
        }
        if believed.forwarded {
            found.read_standard(headers, trusted);
        }
        found
    }

    /// The host that the application is told, where it is not the one of the request.
    pub(crate) fn host(&self, asked: &[u8], https: bool) -> Option<Vec<u8>> {
        let host = self.host.as_deref();
        let Some(port) = self.port else { return host.map(<[u8]>::to_vec) };
        let mut host = without_port(host.unwrap_or(asked)).to_vec();
        if host.is_empty() {
            return None;
        }
        if port != if https { 443 } else { 80 } {
            host.extend_from_slice(format!(":{port}").as_bytes());
        }
        Some(host)
    }

    /// Takes addresses from the right, up to the first that is no trusted proxy; `None` is a member that is no address.
    fn walk(&mut self, members: impl Iterator<Item = Option<(IpAddr, u16)>>, trusted: &TrustedPeers) {
        for (address, port) in members.map_while(|member| member) {
            let is_proxy = trusted.contains(address);
            self.client = Some(address.to_string().into());
            self.client_port = port;
            if !is_proxy {
                break;
            }
        }
    }

    /// `Forwarded`: an element tells how a request came to the proxy that wrote it, so the first one that is believed tells what the client asked for.
    fn read_standard(&mut self, headers: &[Header<'_>], trusted: &TrustedPeers) {
        for element in elements(headers) {
            let Some(element) = Element::parse(element) else { break };
            self.https = element.https.or(self.https);
            self.host = element.host.or(self.host.take());
            let Some((address, port)) = element.client else { break };
            self.walk(std::iter::once(Some((address, port))), trusted);
            if !trusted.contains(address) {
                break;
            }
        }
    }
}

/// By length first: most names are none of these.
fn is_one(name: &str) -> bool {
    match name.len() {
        9 => name.eq_ignore_ascii_case("forwarded"),
        15..=17 => name.as_bytes()[..12].eq_ignore_ascii_case(b"x-forwarded-"),
        _ => false,
    }
}

/// The members of a header's list, the last one first; several fields are one list (RFC 9110 section 5.3), and empty members are none.
fn members<'h>(headers: &'h [Header<'h>], name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    let fields = headers.iter().rev().filter(move |header| header.name.eq_ignore_ascii_case(name));
    let members = fields.flat_map(|header| header.value.rsplit(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn is_https(scheme: &[u8]) -> Option<bool> {
    let is = |names: [&str; 2]| names.iter().any(|name| scheme.eq_ignore_ascii_case(name.as_bytes()));
    if is(["https", "wss"]) { Some(true) } else { is(["http", "ws"]).then_some(false) }
}

/// A member of `X-Forwarded-For`: an address, IPv6 with or without brackets, and perhaps a port.
fn address(member: &[u8]) -> Option<(IpAddr, u16)> {
    let text = std::str::from_utf8(member).ok()?;
    text.parse().map(|address: IpAddr| (address.to_canonical(), 0)).ok().or_else(|| node(text))
}

/// `IPv4address [ ":" node-port ]` or `"[" IPv6address "]" [ ":" node-port ]` (RFC 7239 section 6). A port that is hidden (`_…`) is 0.
fn node(text: &str) -> Option<(IpAddr, u16)> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port) = match bracketed {
        Some((address, rest)) => {
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), rest.strip_prefix(':').or(rest.is_empty().then_some("_"))?)
        }
        None => {
            let (address, port) = text.split_once(':').unwrap_or((text, "_"));
            (IpAddr::V4(address.parse().ok()?), port)
        }
    };
    let port = if port.starts_with('_') { 0 } else { number(port.as_bytes())? };
    Some((address.to_canonical(), port))
}

/// A port: digits and nothing else.
fn number(digits: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// A host without the port after it.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    let colon = host.iter().rposition(|byte| *byte == b':').filter(|at| !host[*at..].contains(&b']'));
    &host[..colon.unwrap_or(host.len())]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const ALL: ForwardedHeaders =
        ForwardedHeaders { x_for: true, x_proto: true, x_host: true, x_port: true, forwarded: true };

    /// Peers in 10.0.0.0/8 and fd00::/8 are proxies.
    fn read(headers: &[(&str, &str)]) -> Forwarded {
        let trusted = TrustedPeers(Arc::new(|peer| match peer {
            IpAddr::V4(peer) => peer.octets()[0] == 10,
            IpAddr::V6(peer) => peer.octets()[0] == 0xfd,
        }));
        let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        Forwarded::read(&headers, ALL, &trusted)
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
        for (lines, client, port) in [
            (&["1.2.3.4"][..], Some("1.2.3.4"), 0),
            (&["6.6.6.6, 1.2.3.4"], Some("1.2.3.4"), 0),
            (&["6.6.6.6, 1.2.3.4,10.0.0.2"], Some("1.2.3.4"), 0),
            (&["6.6.6.6", "1.2.3.4", "10.0.0.2, fd00::1"], Some("1.2.3.4"), 0),
            (&["10.0.0.3, 10.0.0.2"], Some("10.0.0.3"), 0),
            (&["1.2.3.4:5678"], Some("1.2.3.4"), 5678),
            (&["2001:DB8:0::1"], Some("2001:db8::1"), 0),
            (&["[2001:db8::1]"], Some("2001:db8::1"), 0),
            (&["[2001:db8::1]:5678"], Some("2001:db8::1"), 5678),
            (&["::ffff:1.2.3.4"], Some("1.2.3.4"), 0),
            (&["[::ffff:10.0.0.2]:1, 10.0.0.1"], Some("10.0.0.2"), 1),
            (&["1.2.3.4, unix:"], Some("1.2.3.4"), 0),
            (&[" , 1.2.3.4 ,\t,"], Some("1.2.3.4"), 0),
            // What is no address ends the walk.
            (&["1.2.3.4, unknown"], None, 0),
            (&["1.2.3.4, unknown, 10.0.0.2"], Some("10.0.0.2"), 0),
            (&["1.2.3.4:"], None, 0),
            (&["1.2.3.4:x"], None, 0),
            (&["1.2.3.4:65536"], None, 0),
            (&["1.2.3.4:+80"], None, 0),
            (&["1.2.3"], None, 0),
            (&["01.2.3.4"], None, 0),
            (&["[::1"], None, 0),
            (&["[::1]80"], None, 0),
            (&["fe80::1%eth0"], None, 0),
            (&["\"1.2.3.4\""], None, 0),
            (&["localhost"], None, 0),
            (&[""], None, 0),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
            let found = read(&lines);
            assert_eq!((found.client.as_deref(), found.client_port), (client, port), "{lines:?}");
        }
    }

    #[test]
    fn scheme_host_and_port_are_the_nearest_proxys_word() {
        let scheme = |value| read(&[("x-forwarded-proto", value)]).https;
        assert_eq!(
            ["https", "WSS", "http", "ws", "https, http", "http,https"].map(scheme),
            [true, true, false, false, false, true].map(Some)
        );
        assert_eq!(["", "on", "https http", "gopher"].map(scheme), [None; 4]);
        let host =
            |value| read(&[("X-Forwarded-Host", "first.example"), ("X-Forwarded-Host", value)]).host(b"own", true);
        assert_eq!(host("evil, shop.example:8080").as_deref(), Some(b"shop.example:8080".as_slice()));
        for bad in ["a b", "a@b", "x:y", "[::1", "/x"] {
            assert_eq!(host(bad), None, "{bad}");
        }
        let port = |value, https| read(&[("X-Forwarded-Port", value)]).host(b"shop.example:81", https);
        for (value, https, expected) in [
            ("8443", true, Some("shop.example:8443")),
            ("443", true, Some("shop.example")),
            ("443", false, Some("shop.example:443")),
            ("80", false, Some("shop.example")),
            ("0", false, None),
            ("65536", false, None),
            ("+80", false, None),
            ("http", false, None),
        ] {
            assert_eq!(port(value, https).as_deref(), expected.map(str::as_bytes), "{value} {https}");
        }
        assert_eq!(
            read(&[("X-Forwarded-Port", "81")]).host(b"[::1]:80", false).as_deref(),
            Some(b"[::1]:81".as_slice())
        );
    }

    #[test]
    fn an_element_of_the_standard_header_tells_all_together() {
        let found = read(&[
            ("Forwarded", "for=6.6.6.6;proto=http;host=evil"),
            ("X-Forwarded-For", "9.9.9.9"),
            ("Forwarded", "for=\"[2001:db8::1]:99\";proto=https;host=shop.example, for=10.0.0.2;proto=http"),
        ]);
        assert_eq!((found.client.as_deref(), found.client_port), (Some("2001:db8::1"), 99));
        assert_eq!((found.https, found.host.as_deref()), (Some(true), Some(b"shop.example".as_slice())));
        // Hidden clients, and what is no element, end the walk at what is known.
        assert_eq!(read(&[("Forwarded", "for=_x;proto=https, for=10.0.0.2")]).client.as_deref(), Some("10.0.0.2"));
        assert_eq!(read(&[("Forwarded", "for=_x;proto=https, for=10.0.0.2")]).https, Some(true));
        assert_eq!(read(&[("Forwarded", "for=1.2.3.4, nonsense")]), Forwarded::default());
        assert_eq!(read(&[("Forwarded", "\", for=1.2.3.4")]).client.as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn only_what_is_believed_counts() {
        let headers = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-host", "a"), ("forwarded", "for=5.6.7.8")];
        let headers = headers.map(|(name, value)| Header { name, value: value.as_bytes() });
        let nobody = TrustedPeers(Arc::new(|_| false));
        let believed = ForwardedHeaders { x_for: true, ..ForwardedHeaders::default() };
        let found = Forwarded::read(&headers, believed, &nobody);
        assert_eq!((found.client.as_deref(), found.host), (Some("1.2.3.4"), None));
        assert_eq!(Forwarded::read(&headers, ForwardedHeaders::default(), &nobody), Forwarded::default());
    }
}
