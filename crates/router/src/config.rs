//! What the router is told: plain values, already checked.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How connections and requests are treated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bounds on a request's head.
    pub head_limits: hostler_http1::Limits,
    /// The longest body in bytes; `None` for no limit. Beyond it: 413.
    pub body_limit: Option<u64>,
    /// How long a connection may idle between requests; zero closes it after each answer.
    pub keepalive: Duration,
    /// Time for a whole head. Beyond it: 408.
    pub header_timeout: Duration,
    /// Time without a byte of a body that is not complete. Beyond it: 408.
    pub body_timeout: Duration,
    /// Time in which the client takes nothing of its answer. Beyond it the connection is cut.
    pub send_timeout: Duration,
    /// Time a worker may run a request without giving or taking anything; `None` for no limit. Beyond it: 504.
    pub timeout: Option<Duration>,
    /// What becomes of headers with an underscore in their name.
    pub underscores: Underscores,
    /// Whose word about the client behind them is believed.
    pub trusted: TrustedPeers,
    /// Which of their headers are.
    pub forwarded: ForwardedHeaders,
    /// The header that carries a request's id; `None` for no ids.
    pub request_id_header: Option<String>,
    /// Whether answers name the server.
    pub server_header: bool,
    /// Requests that take longer are logged.
    pub slow_request: Option<Duration>,
    /// Router threads at most.
    pub threads: u32,
    /// How WebSockets are treated.
    pub websocket: WebSocketConfig,
}

/// How WebSockets are treated.
#[derive(Debug, Clone)]
pub struct WebSocketConfig {
    /// The longest message from a client in bytes, after decompression; `u64::MAX` for no limit. Beyond it: close code 1009.
    pub max_message: u64,
    /// After how long without a byte from the client it is sent a ping; `None` for never.
    pub ping_interval: Option<Duration>,
    /// How long the client may take to send a byte after a ping. Beyond it: close code 1011.
    pub ping_timeout: Duration,
    /// Whether messages are compressed for clients that offer it (RFC 7692).
    pub compress: bool,
}

/// What becomes of headers whose name has an underscore: as environment variables they look like ones with a hyphen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    /// Left out.
    Drop,
    /// The request is refused: 400.
    Refuse,
    /// Passed on.
    Pass,
}

/// The headers of trusted peers that are believed about the client behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForwardedHeaders {
    /// `X-Forwarded-For`.
    pub x_for: bool,
    /// `X-Forwarded-Proto`.
    pub x_proto: bool,
    /// `X-Forwarded-Host`.
    pub x_host: bool,
    /// `X-Forwarded-Port`.
    pub x_port: bool,
    /// `Forwarded` (RFC 7239), whose word comes before that of the others.
    pub forwarded: bool,
}

/// Peers that are believed about the client they forward for. Peers on unix sockets always are.
#[derive(Clone)]
pub struct TrustedPeers(pub Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl TrustedPeers {
    /// Whether a peer is one of them.
    pub fn contains(&self, peer: IpAddr) -> bool {
        (self.0)(peer)
    }
}

impl fmt::Debug for TrustedPeers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TrustedPeers")
    }
}
