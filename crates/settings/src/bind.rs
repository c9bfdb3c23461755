//! The settings of the sockets that clients connect to. Declarations only; what an address means is known by the
//! crate that opens it.

use std::path::PathBuf;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::mode::{Mode, Owner};

settings! {
    /// Where clients connect to.
    Bind, "Sockets";

    /// Where to listen; may be given more than once.
    /// `HOST:PORT`, `[::1]:PORT`, `:PORT` for all addresses, `unix:PATH`, `unix:@NAME` for an abstract socket, or
    /// `fd://N` for a socket that was passed on. Where systemd passes sockets for requests these are served, and each address that is given
    /// here has to be that of one of them.
    bind: Vec<String> = vec!["127.0.0.1:8000".to_owned()], letter('b') placeholder("ADDRESS") apply(Apply::Restart);

    /// How many connections may wait to be accepted, on each socket (listen(2)).
    backlog: u32 = 2048, range(1..=65_535) apply(Apply::Restart);

    /// The permission bits of unix socket files, in octal.
    /// Without it, what the umask leaves of 0o777.
    unix_socket_mode: Option<Mode> = None, apply(Apply::Restart);

    /// Whom unix socket files belong to: `user`, `user:group` or `:group`.
    unix_socket_owner: Option<Owner> = None, apply(Apply::Restart);

    /// The socket that `hostler status`, `hostler reload` and their like talk to.
    /// Without it, `control.sock` in the instance's runtime directory: `$RUNTIME_DIRECTORY`, for root `/run/hostler/NAME`,
    /// for others `$XDG_RUNTIME_DIR/hostler/NAME`. Only the user that serves, and root, can use it.
    control_socket: Option<PathBuf> = None, apply(Apply::Restart);

    /// Where to serve what is counted; may be given more than once. Addresses are written as for `bind`.
    /// Over HTTP: `/metrics` for Prometheus, `/stats` for uwsgitop, `/health` (200 while requests are served, else 503) for whoever checks.
    /// Whoever can connect can read it.
    metrics_bind: Vec<String> = Vec::new(), placeholder("ADDRESS") apply(Apply::Restart);

    /// Where to serve uWSGI's statistics: JSON to everybody who connects, as uWSGI's `stats` does; uwsgitop reads it.
    /// May be given more than once. Addresses are written as for `bind`.
    stats_bind: Vec<String> = Vec::new(), placeholder("ADDRESS") apply(Apply::Restart);
}
