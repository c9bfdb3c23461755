//! The settings of ASGI applications: their event loop, their lifespan, their WebSockets. Declarations only.

use std::time::Duration;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::choice::{EventLoop, Lifespan};
use crate::values::duration::{DAY, HOUR, SECOND};
use crate::values::size::{MIB, TIB};

settings! {
    /// What concerns ASGI applications only. A WSGI application is served as if none of it were said.
    Asgi, "ASGI";

    /// The event loop that runs the application.
    /// `auto` takes uvloop where the application's environment has it, else Python's own. With `uvloop` a worker whose
    /// environment has none does not start.
    r#loop: EventLoop = EventLoop::Auto, also("asgi-loop") gunicorn("asgi_loop");

    /// Whether the application is told of its startup and shutdown, by ASGI's lifespan protocol.
    /// With `auto` an application that raises on the lifespan scope is served without it; with `on` that is an error, and
    /// nothing is served. A startup that the application itself says has failed is an error with both.
    lifespan: Lifespan = Lifespan::Auto, also("asgi-lifespan") gunicorn("asgi_lifespan");

    /// How many WebSockets may be open at once; a handshake beyond them is answered with 503.
    /// They are counted apart from the requests of `limit_concurrency`, of which they take no place. One that is quiet needs
    /// about 10 KiB of memory, and a descriptor.
    limit_websockets: u32 = 2048, range(0..=16_384);

    /// The longest WebSocket message that a client may send, in bytes after decompression; 0 is without limit.
    /// At a longer one the WebSocket is closed with 1009.
    websocket_max_size: u64 = 16 * MIB, range(0..=TIB) apply(Apply::Live);

    /// After how long without a byte from its client a WebSocket is sent a ping, in seconds; 0 sends none.
    websocket_ping_interval: Duration = Duration::from_secs(20), range(0..=DAY) apply(Apply::Live);

    /// How long a client may send nothing after a ping, in seconds; past it the WebSocket is closed with 1011.
    websocket_ping_timeout: Duration = Duration::from_secs(20), range(SECOND / 10..=HOUR) apply(Apply::Live);

    /// Whether WebSocket messages are compressed for clients that offer it (permessage-deflate, RFC 7692).
    websocket_compression: bool = true, apply(Apply::Live);
}
