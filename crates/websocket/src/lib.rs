//! WebSocket (RFC 6455) with compression (permessage-deflate, RFC 7692): pure functions on bytes.
//!
//! This crate owns the opening handshake ([`handshake`]), how a client's frames become messages ([`Decoder`]) and how messages become a
//! server's frames ([`Encoder`]). It knows no sockets and no time, and sends nothing: whatever a client does wrong becomes a [`Failure`]
//! with the close code to answer, after which nothing of that client is decoded any more.
//!
//! The order of goals: strict, as the suites that test WebSockets are; an idle WebSocket costs next to nothing; then speed.
//!
//! Compression never keeps its window from one message to the next ("no context takeover", both ways). It costs a little of its effect, and lets all
//! WebSockets of a thread share what compresses and decompresses ([`Deflaters`], [`Inflaters`]).

mod close;
mod decoder;
mod deflate;
mod encoder;
mod extension;
mod failure;
mod frame;
pub mod handshake;
mod inflate;
mod mask;
mod utf8;

pub use close::{Close, LONGEST_REASON, NO_CODE, may_be_sent};
pub use decoder::{Decoded, Decoder, Event};
pub use deflate::Deflaters;
pub use encoder::{Encoder, write_close, write_ping, write_pong};
pub use extension::Deflate;
pub use failure::Failure;
pub use inflate::Inflaters;

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}
