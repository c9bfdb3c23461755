//! Strict parsing of HTTP/1.0 and HTTP/1.1 requests: pure functions on bytes.
//!
//! This crate owns what a request head means ([`parse_head`]), how a chunked body is taken apart
//! ([`ChunkedDecoder`]) and how a path becomes `PATH_INFO` ([`percent_decode_path`]). It knows no sockets,
//! no time and no settings, and it does not answer anybody: whatever is ambiguous becomes a [`Refusal`], which
//! the caller answers and then closes the connection, because after a refusal nobody knows where the next
//! request begins.
//!
//! The order of goals: a request means the same to us as to whatever proxy stands in front of us (so
//! everything that servers are known to read differently is refused, RFC 9112 section 11.2); then speed, with no
//! allocation between the socket and the exchange; then few lines.

mod authority;
mod characters;
mod chunked;
mod diagnosis;
mod fields;
mod head;
mod limits;
mod refusal;
mod target;
mod trailer;

pub use authority::is_valid as is_authority;
pub use characters::{is_field_value, is_token};
pub use chunked::{ChunkedDecoder, Decoded};
pub use fields::Framing;
pub use head::{Head, Version, parse_head};
pub use httparse::Header;
pub use limits::{Limits, MAX_FIELDS};
pub use refusal::Refusal;
pub use target::{Target, percent_decode_path};
