//! The server's end of a control socket: who may connect, how many, and the end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hostler_listener::{BindError, Bound, Listener, Options, bind_all};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use crate::access::{self, Guest};
use crate::control::{Condition, Control};
use crate::instance::Instance;
use crate::places::SYSTEM_DIRECTORY;

/// How many clients may be connected at once; one more is hung up on.
pub const CONNECTION_LIMIT: usize = 16;

/// How long a client may take for D-Bus' greeting.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// How long a stop waits for calls that are under way.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The pause after an error of accept(2): the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who reads and writes: the user of the instance.
const SOCKET_MODE: u32 = 0o600;
/// The same for one: to connect to a socket is to write to it (unix(7)).
const OWNER_RIGHTS: u16 = 0o6;

/// Why a control socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The path cannot be had: another instance answers there, for one.
    #[error("control socket: {0}")]
    Bind(#[from] BindError),
    /// A path that is not UTF-8.
    #[error("control socket: {0:?} is not UTF-8; give it another path")]
    Name(std::ffi::OsString),
    /// The system does not let it.
    #[error("control socket: {0}")]
    System(#[from] io::Error),
}

/// A control socket that is served. Dropping it removes the socket and hangs up; [`Server::stop`] lets answers out
/// first.
#[derive(Debug)]
pub struct Server {
    bound: Option<Bound>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Serves `control` on `socket`, which is made with mode 0600. A file that a killed instance left is taken over.
///
/// The directory must be there ([`crate::Places::prepare`] makes it). Blocks for at most 5 seconds, while another server
/// makes its socket in the same directory. To be called within a tokio runtime, which then serves.
///
/// # Errors
/// When somebody answers on the path already, or it cannot be made.
pub fn serve(socket: &Path, control: Arc<dyn Control>) -> Result<Server, NotServed> {
    let own_user = rustix::process::geteuid().as_raw();
    serve_as(socket, control, Admission { own_user, peer_user })
}

/// Serves `control` on a socket that was passed on. Its file is its maker's.
///
/// # Errors
/// When it is no unix socket, or the runtime cannot watch it.
pub fn serve_on(bound: Bound, control: Arc<dyn Control>) -> Result<Server, NotServed> {
    let own_user = rustix::process::geteuid().as_raw();
    begin(bound, control, Admission { own_user, peer_user })
}

/// Who is let in. The question who asks is a field, so that a test can answer it.
#[derive(Clone, Copy)]
struct Admission {
    own_user: u32,
    peer_user: fn(&UnixStream) -> io::Result<u32>,
}

/// The user that connected (SO_PEERCRED of unix(7)).
fn peer_user(stream: &UnixStream) -> io::Result<u32> {
    stream.peer_cred().map(|credentials| credentials.uid())
}

impl Admission {
    fn admits(&self, stream: &UnixStream) -> bool {
        match (self.peer_user)(stream) {
            Ok(user) if user == self.own_user || user == 0 => true,
            Ok(user) => {
                tracing::warn!(user, "a client of another user was refused on the control socket");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "a client of unknown user was refused on the control socket");
                false
            }
        }
    }
}

fn serve_as(socket: &Path, control: Arc<dyn Control>, admission: Admission) -> Result<Server, NotServed> {
    let path = socket.to_str().ok_or_else(|| NotServed::Name(socket.as_os_str().to_owned()))?;
    let options = Options { backlog: CONNECTION_LIMIT as u32, unix_mode: Some(SOCKET_MODE), unix_owner: None };
    let bound = bind_all(&[format!("unix:{path}")], &options)
        .map_err(|mut errors| NotServed::from(errors.swap_remove(0)))?
        .swap_remove(0);
    if socket.starts_with(SYSTEM_DIRECTORY) && !rustix::process::geteuid().is_root() {
        // So that hostlerd, which is root without capabilities, needs none to come in.
        if let Err(error) = access::admit(socket, OWNER_RIGHTS, Guest::User(0), OWNER_RIGHTS, 0) {
            tracing::warn!(%error, path, "root is not let in to the control socket: hostlerd cannot ask this instance");
        }
    }
    begin(bound, control, admission)
}

fn begin(bound: Bound, control: Arc<dyn Control>, admission: Admission) -> Result<Server, NotServed> {
    let Listener::Unix(listener) = bound.listener.try_clone()? else {
        return Err(io::Error::other("it is not a unix socket").into());
    };
    let listener = UnixListener::from_std(listener)?;
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, control, admission, stopped));
    Ok(Server { bound: Some(bound), stop, accepting })
}

impl Server {
    /// Removes the socket, lets the answers of calls that are under way out, for 2 seconds at most, and hangs up.
    pub async fn stop(mut self) {
        drop(self.bound.take());
        self.stop.send_replace(true);
        // It ends by itself within the limit; a panic in it was told of already.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: UnixListener,
    control: Arc<dyn Control>,
    admission: Admission,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if admission.admits(&stream) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let (control, stopped) = (Arc::clone(&control), stopped.clone());
                        connections.spawn(async move {
                            talk(stream, control, stopped).await;
                            drop(place);
                        });
                    }
                    Err(_) => tracing::warn!(limit = CONNECTION_LIMIT, "too many clients on the control socket"),
                },
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot take a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One client, from the greeting to the end.
async fn talk(stream: UnixStream, control: Arc<dyn Control>, mut stopped: watch::Receiver<bool>) {
    let mut condition = control.condition();
    let connection = tokio::select! {
        _ = stopped.changed() => return,
        greeted = tokio::time::timeout(GREETING_LIMIT, greet(stream, control)) => match greeted {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return tracing::debug!(%error, "a client of the control socket does not speak D-Bus"),
            Err(_) => return tracing::debug!("a client of the control socket was silent"),
        },
    };
    let mut told = *condition.borrow_and_update();
    loop {
        tokio::select! {
            () = connection.closed() => return,
            _ = stopped.changed() => break,
            changed = condition.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = *condition.borrow_and_update();
                if let Err(error) = tell(&connection, told, now).await {
                    tracing::debug!(%error, "a client of the control socket could not be told of a change");
                }
                told = now;
            }
        }
    }
    // What is under way holds the connection; past the limit the process ends without its answer.
    let _ = tokio::time::timeout(STOP_LIMIT, connection.graceful_shutdown()).await;
}

async fn greet(stream: UnixStream, control: Arc<dyn Control>) -> zbus::Result<Connection> {
    Builder::unix_stream(stream)
        .server(Guid::generate())?
        .p2p()
        .serve_at(crate::PATH, Instance { control })?
        .build()
        .await
}

/// Signals what has changed.
async fn tell(connection: &Connection, before: Condition, now: Condition) -> zbus::Result<()> {
    let instance = connection.object_server().interface::<_, Instance>(crate::PATH).await?;
    let (emitter, object) = (instance.signal_emitter(), instance.get().await);
    if before.state != now.state {
        object.state_changed(emitter).await?;
    }
    if before.generation != now.generation {
        object.generation_changed(emitter).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
