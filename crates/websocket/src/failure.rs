//! What clients do wrong, and the close codes for it (RFC 6455 section 7.4.1).

/// Why a WebSocket must be failed (RFC 6455 section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Failure {
    /// The close code to answer with: 1002, 1007 or 1009.
    pub code: u16,
    /// What is wrong, to be read by people; short enough for a close frame. It never holds bytes of the client.
    pub reason: &'static str,
}

impl Failure {
    /// 1002: what came is no WebSocket.
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }
}

/// 1007: text must be UTF-8 (RFC 6455 section 8.1).
pub(crate) const NOT_UTF8: Failure = Failure { code: 1007, reason: "a text message is not valid UTF-8" };
/// 1007: what is compressed cannot be decompressed.
pub(crate) const NOT_DEFLATE: Failure = Failure { code: 1007, reason: "a compressed message is damaged" };
/// 1009: a message over the limit.
pub(crate) const TOO_BIG: Failure = Failure { code: 1009, reason: "a message is longer than the server takes" };
