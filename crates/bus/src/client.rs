//! The client's end of a control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use zbus::connection::Builder;

use crate::instance::InstanceProxy;
use crate::reach::reach;

/// How long an instance may take to greet a client.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// There is no such file.
    #[error("no instance is running here: {} is not there; see `hostler run --control-socket`", .0.display())]
    NotThere(PathBuf),
    /// Nobody listens on it.
    #[error("no instance is running here: nobody answers on {}, which an instance left that was killed", .0.display())]
    NobodyAnswers(PathBuf),
    /// The file's permissions are against it.
    #[error("{}: permission denied: ask as the user that the instance runs as, or as root", .0.display())]
    NotAllowed(PathBuf),
    /// The instance hung up before it greeted.
    #[error(
        "{}: the instance hung up: it talks to its own user and root only, to {} clients at once",
        .0.display(), crate::CONNECTION_LIMIT
    )]
    HungUp(PathBuf),
    /// The instance is there, and does nothing.
    #[error("{}: the instance does not answer; is it suspended?", .0.display())]
    Silent(PathBuf),
    /// It may lead to somebody else's instance.
    #[error("{}: {source}: nobody is asked there, as it may be another instance", path.display())]
    Led {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Whoever answers does not speak D-Bus.
    #[error("{}: not a control socket of an instance: {source}", path.display())]
    NotAnInstance {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<zbus::Error>,
    },
    /// The system does not let it.
    #[error("{}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// Connects to an instance's control socket. Calls have no time limit of their own.
///
/// # Errors
/// When nobody is there, or nobody that would talk. The message says what to do.
pub async fn connect(path: &Path) -> Result<InstanceProxy<'static>, Unreachable> {
    let stream = reach(path).await.map_err(|source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Unreachable::NotThere(path),
            io::ErrorKind::ConnectionRefused => Unreachable::NobodyAnswers(path),
            io::ErrorKind::PermissionDenied => Unreachable::NotAllowed(path),
            io::ErrorKind::InvalidInput => Unreachable::Led { path, source },
            _ => Unreachable::System { path, source },
        }
    })?;
    match tokio::time::timeout(GREETING_LIMIT, connect_over(stream)).await {
        Err(_) => Err(Unreachable::Silent(path.to_owned())),
        Ok(Ok(instance)) => Ok(instance),
        Ok(Err(zbus::Error::InputOutput(_))) => Err(Unreachable::HungUp(path.to_owned())),
        Ok(Err(source)) => Err(Unreachable::NotAnInstance { path: path.to_owned(), source: Box::new(source) }),
    }
}

/// The same over a socket that is connected.
///
/// # Errors
/// When the other side hangs up, or does not speak D-Bus.
pub async fn connect_over(stream: UnixStream) -> zbus::Result<InstanceProxy<'static>> {
    let connection = Builder::unix_stream(stream).p2p().build().await?;
    InstanceProxy::new(&connection).await
}
