//! How the heads of requests and answers are laid out in a slot: the wire format between the router and a worker.
//!
//! Little-endian, packed, in one pass; lengths before bytes. Decoders take any bytes: a head that does not fit its lengths decodes to `None`.
//!
//! ```text
//! request:  version u8 | scheme u8 | flags u8 | 0 u8 | headers u16 | remote_port u16 | server_port u16 | method u16 | remote u16 | server u16 | id u16 | socket u16
//!           | target u32 | path u32 | query u32 | content_length u64 | method | remote | server | id | socket | target | path | query | header…
//! header:   name u16 | value u32 | name | value
//! response: status u16 | reason u16 | headers u16 | reason | header…
//! ```

/// `content_length` of a request that told none.
const NO_LENGTH: u64 = u64::MAX;
/// The flag: the body is chunked.
const CHUNKED: u8 = 1;
/// The flag: the client opens a WebSocket.
const WEBSOCKET: u8 = 2;
/// The flag: the client accepts trailers.
const TRAILERS: u8 = 4;

/// A request's head, without its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// 10 or 11.
    pub version: u8,
    /// Whether the scheme is https.
    pub https: bool,
    /// Whether the length of the body is not known beforehand.
    pub chunked: bool,
    /// Whether this is the opening handshake of a WebSocket.
    pub websocket: bool,
    /// Whether the client accepts trailer fields (`TE: trailers`, RFC 9110 section 10.1.4).
    pub trailers: bool,
    /// The length of the body, when the client told it.
    pub content_length: Option<u64>,
    /// The method.
    pub method: &'a [u8],
    /// The client's address, as text: the peer's, or what a trusted proxy told. Empty for a unix socket.
    pub remote: &'a [u8],
    /// The client's port; 0 where it is not known, as for a unix socket.
    pub remote_port: u16,
    /// The name or address the request came to.
    pub server: &'a [u8],
    /// The port the request came to.
    pub server_port: u16,
    /// The path of the unix socket that the request came to; empty for TCP.
    pub socket: &'a [u8],
    /// The request's id; empty without one.
    pub id: &'a [u8],
    /// The target as it was sent.
    pub target: &'a [u8],
    /// The path, percent-decoded.
    pub path: &'a [u8],
    /// The query, as it was sent, without the question mark.
    pub query: &'a [u8],
}

impl Request<'_> {
    /// Lays the head out at the end of `to`; headers follow by [`RequestWriter::header`]. Texts longer than their length field are cut.
    pub fn write<'t>(&self, to: &'t mut Vec<u8>) -> RequestWriter<'t> {
        let start = to.len();
        let short = |text: &[u8]| (text.len().min(usize::from(u16::MAX)) as u16).to_le_bytes();
        let long = |text: &[u8]| (text.len() as u32).to_le_bytes();
        let mut fixed = [0u8; 40];
        fixed[0] = self.version;
        fixed[1] = u8::from(self.https);
        let flags = [(self.chunked, CHUNKED), (self.websocket, WEBSOCKET), (self.trailers, TRAILERS)];
        fixed[2] = flags.iter().map(|(set, flag)| if *set { *flag } else { 0 }).sum();
        // 4..6: the number of headers, when it is known.
        fixed[6..8].copy_from_slice(&self.remote_port.to_le_bytes());
        fixed[8..10].copy_from_slice(&self.server_port.to_le_bytes());
        fixed[10..12].copy_from_slice(&short(self.method));
        fixed[12..14].copy_from_slice(&short(self.remote));
        fixed[14..16].copy_from_slice(&short(self.server));
        fixed[16..18].copy_from_slice(&short(self.id));
        fixed[18..20].copy_from_slice(&short(self.socket));
        fixed[20..24].copy_from_slice(&long(self.target));
        fixed[24..28].copy_from_slice(&long(self.path));
        fixed[28..32].copy_from_slice(&long(self.query));
        fixed[32..40].copy_from_slice(&self.content_length.unwrap_or(NO_LENGTH).to_le_bytes());
        to.extend_from_slice(&fixed);
        for text in [self.method, self.remote, self.server, self.id, self.socket] {
            to.extend_from_slice(&text[..text.len().min(usize::from(u16::MAX))]);
        }
        for text in [self.target, self.path, self.query] {
            to.extend_from_slice(text);
        }
        RequestWriter { to, start, headers: 0 }
    }
}

/// Appends headers to a request's head.
#[derive(Debug)]
pub struct RequestWriter<'t> {
    to: &'t mut Vec<u8>,
    start: usize,
    headers: u16,
}

impl RequestWriter<'_> {
    /// One header; the name as it was sent.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        write_header(self.to, name, value);
        self.headers += 1;
    }

    /// Fills in how many there are.
    pub fn finish(self) {
        self.to[self.start + 4..self.start + 6].copy_from_slice(&self.headers.to_le_bytes());
    }
}

/// One header into `to`.
pub fn write_header(to: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let name = &name[..name.len().min(usize::from(u16::MAX))];
    to.extend_from_slice(&(name.len() as u16).to_le_bytes());
    to.extend_from_slice(&(value.len() as u32).to_le_bytes());
    to.extend_from_slice(name);
    to.extend_from_slice(value);
}

/// Takes a request's head apart.
pub fn read_request(bytes: &[u8]) -> Option<(Request<'_>, Headers<'_>)> {
    let mut from = Reader { bytes };
    let version = from.u8()?;
    let https = from.u8()? != 0;
    let flags = from.u8()?;
    from.u8()?;
    let count = from.u16()?;
    let (remote_port, server_port) = (from.u16()?, from.u16()?);
    let (method, remote, server, id, socket) = (from.u16()?, from.u16()?, from.u16()?, from.u16()?, from.u16()?);
    let (target, path, query) = (from.u32()?, from.u32()?, from.u32()?);
    let length = from.u64()?;
    let request = Request {
        version,
        https,
        chunked: flags & CHUNKED != 0,
        websocket: flags & WEBSOCKET != 0,
        trailers: flags & TRAILERS != 0,
        content_length: (length != NO_LENGTH).then_some(length),
        remote_port,
        server_port,
        method: from.take(method.into())?,
        remote: from.take(remote.into())?,
        server: from.take(server.into())?,
        id: from.take(id.into())?,
        socket: from.take(socket.into())?,
        target: from.take(target as usize)?,
        path: from.take(path as usize)?,
        query: from.take(query as usize)?,
    };
    Some((request, Headers { from, left: count }))
}

/// A response's head, without its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'a [u8],
    /// How many headers follow.
    pub headers: u16,
}

impl Response<'_> {
    /// Lays the head out at the end of `to`; exactly `headers` times [`write_header`] must follow.
    pub fn write(&self, to: &mut Vec<u8>) {
        let reason = &self.reason[..self.reason.len().min(usize::from(u16::MAX))];
        to.extend_from_slice(&self.status.to_le_bytes());
        to.extend_from_slice(&(reason.len() as u16).to_le_bytes());
        to.extend_from_slice(&self.headers.to_le_bytes());
        to.extend_from_slice(reason);
    }

    /// Fills in how many headers follow, in a head that [`Response::write`] laid out at the start of `head`.
    pub fn set_headers(head: &mut [u8], headers: u16) {
        if let Some(count) = head.get_mut(4..6) {
            count.copy_from_slice(&headers.to_le_bytes());
        }
    }
}

/// Takes a response's head apart.
pub fn read_response(bytes: &[u8]) -> Option<(Response<'_>, Headers<'_>)> {
    let mut from = Reader { bytes };
    let status = from.u16()?;
    let reason = from.u16()?;
    let headers = from.u16()?;
    let reason = from.take(reason.into())?;
    Some((Response { status, reason, headers }, Headers { from, left: headers }))
}

/// Takes the trailer fields of an answer apart: how many as a u16, then header….
pub fn read_trailers(bytes: &[u8]) -> Option<Headers<'_>> {
    let mut from = Reader { bytes };
    let left = from.u16()?;
    Some(Headers { from, left })
}

/// The names of headers that [`write_header`] laid out one after the other.
pub fn names(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    Headers { from: Reader { bytes: headers }, left: u16::MAX }.map(|(name, _)| name)
}

/// The headers of a head, one after the other; `None` in the middle for a head that does not fit its lengths.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    from: Reader<'a>,
    left: u16,
}

impl<'a> Headers<'a> {
    /// How many should still come.
    pub fn left(&self) -> u16 {
        self.left
    }
}

impl<'a> Iterator for Headers<'a> {
    /// Name and value.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.from.u16()?;
        let value = self.from.u32()?;
        Some((self.from.take(name.into())?, self.from.take(value as usize)?))
    }
}

/// Reads from the front of bytes.
#[derive(Debug, Clone)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*front)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_comes_back_as_it_went(
            method in "[A-Z]{1,8}", path in prop::collection::vec(any::<u8>(), 0..200), query in "[a-z=&]{0,50}",
            length in prop::option::of(0u64..1 << 50), chunked: bool, https: bool, websocket: bool, trailers: bool,
            headers in prop::collection::vec(("[A-Za-z-]{1,20}", prop::collection::vec(any::<u8>(), 0..100)), 0..20),
        ) {
            let request = Request {
                version: 11, https, chunked, websocket, trailers, content_length: length, method: method.as_bytes(), remote: b"127.0.0.1", remote_port: 4711,
                server: b"localhost", server_port: 80, id: b"", socket: b"/run/x.sock", target: b"/x", path: &path, query: query.as_bytes(),
            };
            let mut bytes = Vec::new();
            let mut writer = request.write(&mut bytes);
            for (name, value) in &headers {
                writer.header(name.as_bytes(), value);
            }
            writer.finish();
            let (read, read_headers) = read_request(&bytes).unwrap();
            prop_assert_eq!(read, request);
            let read_headers: Vec<_> = read_headers.map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.clone())).collect();
            prop_assert_eq!(read_headers, headers);
        }
    }

    #[test]
    fn fuzz_request_heads() {
        bolero::check!().with_iterations(20_000).for_each(|bytes| {
            if let Some((_, headers)) = read_request(bytes) {
                let size: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
                assert!(size <= bytes.len());
            }
        });
    }

    #[test]
    fn fuzz_response_heads() {
        bolero::check!().with_iterations(20_000).for_each(|bytes| {
            if let Some((response, headers)) = read_response(bytes) {
                assert!(headers.count() <= usize::from(response.headers));
            }
        });
    }
}
