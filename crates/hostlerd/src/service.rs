//! The daemon as a service on a bus: from the connection to the moment when nobody needs it any more.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hostler_bus::daemon::{NAME, Tree};
use tokio::signal::unix::{SignalKind, signal};
use zbus::Connection;
use zbus::connection::Builder;

use crate::authority::Authority;
use crate::daemon::Hostlerd;
use crate::scope::{Kind, Scope};

/// How long the answers of calls that are under way are waited for at the end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody had asked for anything for that long.
    Idle,
    /// It was told to.
    Told,
    /// The bus hung up.
    HungUp,
}

/// Serves until nobody has called for `idle`, or a signal ends it.
///
/// # Errors
/// When the bus cannot be had, or somebody has the name.
pub async fn run(scope: Scope, idle: Duration) -> anyhow::Result<Ended> {
    let kind = scope.kind;
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT")?;
    let bus = connect(kind).await?;
    // A second one: what systemd signals would else count as calls, and keep an idle daemon.
    let units_bus = connect(kind).await?;
    let authority = match kind {
        Kind::System => Authority::Polkit(bus.clone()),
        Kind::User => Authority::Everyone,
    };
    let daemon = Hostlerd::new(scope, authority, Some(bus.clone()), Some(units_bus)).await;
    let first = daemon.refresh().await;
    let word = if kind == Kind::System { "system" } else { "user" };
    let tree = Tree::new(&bus, Arc::new(daemon.clone()), word, first).await.context("the objects cannot be served")?;
    daemon.show_in(&tree);
    daemon.look_back_at_all().await;
    tree.claim_name().await.with_context(|| format!("{NAME} cannot be had; is another hostlerd running?"))?;
    tracing::info!(scope = word, "ready");
    let ended = tokio::select! {
        () = daemon.follow() => Ended::Told,
        () = unused(&bus, &daemon, idle) => Ended::Idle,
        () = bus.closed() => Ended::HungUp,
        _ = terminated.recv() => Ended::Told,
        _ = interrupted.recv() => Ended::Told,
    };
    // What was begun is taken back or finished, while the name is still ours: no other daemon writes the same files.
    if ended != Ended::Idle {
        daemon.end_jobs(true).await;
    }
    if ended != Ended::HungUp {
        // From now on the bus starts another daemon for who calls; what came before is answered.
        if let Err(error) = bus.release_name(NAME).await {
            tracing::debug!(%error, "the name could not be released");
        }
        // One may have been begun just now.
        daemon.end_jobs(false).await;
        let _ = tokio::time::timeout(END_LIMIT, bus.graceful_shutdown()).await;
    }
    tracing::info!(?ended, "ended");
    Ok(ended)
}

async fn connect(kind: Kind) -> anyhow::Result<Connection> {
    let builder = match kind {
        Kind::System => Builder::system(),
        Kind::User => Builder::session(),
    };
    let which = if kind == Kind::System { "system" } else { "session" };
    let connection = match builder {
        Ok(builder) => builder.build().await,
        Err(error) => Err(error),
    };
    connection.with_context(|| format!("cannot connect to the {which} bus; does it run?"))
}

/// Waits until nobody has used the connection for that long, and nothing else needs the daemon.
async fn unused(bus: &Connection, daemon: &Hostlerd, idle: Duration) {
    loop {
        let activity = bus.monitor_activity();
        if tokio::time::timeout(idle, activity).await.is_err() && !daemon.in_use() {
            return;
        }
    }
}
