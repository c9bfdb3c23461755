//! The settings of connections and of what is read from them. Declarations only.

use std::time::Duration;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::choice::{ForwardedHeader, HeaderMap};
use crate::values::duration::{DAY, HOUR, SECOND};
use crate::values::name::HeaderName;
use crate::values::peers::Peers;

settings! {
    /// How long connections are waited for, and what is believed of what they say.
    Http, "Connections";

    /// How long an idle connection is kept open, in seconds; 0 closes it after each answer.
    keepalive: Duration = Duration::from_secs(75), option("keep-alive") range(0..=DAY) apply(Apply::Live);

    /// How long a client may take to send the whole head of a request, in seconds.
    header_timeout: Duration = Duration::from_secs(15), range(SECOND / 10..=HOUR) apply(Apply::Live);

    /// How long a client may send nothing of a body that is waited for, in seconds.
    body_timeout: Duration = Duration::from_secs(30), range(SECOND / 10..=HOUR) apply(Apply::Live);

    /// How long a client may take nothing of its answer, in seconds.
    send_timeout: Duration = Duration::from_secs(60), range(SECOND / 10..=HOUR) apply(Apply::Live);

    /// What is done with header fields whose name has an underscore.
    /// To an application they look like their namesakes with a hyphen: a client could pass for the proxy. `drop`
    /// leaves them out, `refuse` answers 400, `dangerous` passes them on.
    header_map: HeaderMap = HeaderMap::Drop, apply(Apply::Live);

    /// The proxies that are believed: addresses, networks or `*`, with commas between them.
    /// Peers on unix sockets are always believed. What is believed of them is `forwarded_headers`; what other peers say there is only passed on
    /// with the other headers.
    forwarded_allow_ips: Vec<Peers> = vec![Peers::LOOPBACK_V4, Peers::LOOPBACK_V6],
        commas() environment("FORWARDED_ALLOW_IPS") apply(Apply::Live);

    /// The header fields in which proxies are believed about the client: names with commas between them.
    /// Name only what your proxy sets itself in each request: what it passes on as it came is the client's word. An empty
    /// list believes nothing. `x-forwarded-for` becomes `REMOTE_ADDR` (and `REMOTE_PORT` with a port that it tells, else
    /// without one) or the scope's `client`, and the address in the access log: of all its members the last that is not in
    /// `forwarded_allow_ips`, or the first if all are, and nothing before one that is no address. `x-forwarded-proto`, its
    /// last member, becomes `wsgi.url_scheme` or the scope's `scheme`: `http` or `https`, and `ws` or `wss` count as these.
    /// `x-forwarded-host`, its last member, becomes `Host`; `x-forwarded-port` becomes the port in `Host`. `forwarded` is the
    /// header of RFC 7239, whose `for`, `proto` and `host` go before those of the others. What is not valid counts as not
    /// said. The header fields themselves are passed on as they came.
    forwarded_headers: Vec<ForwardedHeader> = vec![ForwardedHeader::For, ForwardedHeader::Proto], commas() apply(Apply::Live);

    /// The header field that carries a request's id; empty for none.
    /// An id that comes with a request is kept, else one is made. It is given back with the answer, stands in the logs,
    /// and in `environ` or the scope's headers.
    request_id_header: Option<HeaderName> = Some(HeaderName::declared("X-Request-Id")), apply(Apply::Live);

    /// Whether answers say `Server: hostler`.
    server_header: bool = false, apply(Apply::Live);
}
