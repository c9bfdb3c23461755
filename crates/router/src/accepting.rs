//! Accepting connections, and taking in the last ones before a listening socket is closed.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hostler_listener::{Bound, Listener};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

use crate::stream::{Detached, Stream};
use crate::thread::Thread;

/// How long is waited after `accept` failed, as it does when descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Thread {
    pub(crate) async fn accept(self: Rc<Self>, acceptor: Acceptor) {
        let mut complained = false;
        // The notice reaches only who waits for it: `stopping` is for who was asleep.
        while !self.local.stopping.get() {
            let accepted = tokio::select! {
                biased;
                accepted = acceptor.socket.accept() => accepted,
                () = self.stop_accepting.notified() => break,
            };
            match accepted {
                Ok(stream) => {
                    complained = false;
                    self.local.counts.accepted();
                    self.spawn(stream, false);
                }
                // The client left between its handshake and now.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !std::mem::replace(&mut complained, true) {
                        tracing::error!(socket = acceptor.bound.name, %error, "connections cannot be accepted for now");
                    }
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        // Who stands in the backlog has connected: a close would reset them. Nobody new finds a unix socket once its file is gone, and a TCP socket
        // takes no new ones from here on.
        let Acceptor { socket, bound } = acceptor;
        if let Err(error) = bound.turn_away() {
            tracing::debug!(socket = bound.name, %error, "who connects in the last moment of a stop may be reset");
        }
        let listener = unlink(bound);
        self.take_backlog(&socket).await;
        // The runtime looks at its sockets before it comes back.
        tokio::task::yield_now().await;
        self.take_backlog(&socket).await;
        let name = socket.name();
        drop(socket);
        self.take_last(&listener, name);
        drop(listener);
        self.acceptors.set(self.acceptors.get() - 1);
        self.changed.notify_one();
    }

    /// Takes what came since the runtime last looked, by asking the socket itself: it is closed right after the last answer.
    fn take_last(self: &Rc<Self>, listener: &Listener, name: Arc<str>) {
        loop {
            match accept_at_once(listener, &name) {
                Ok(socket) => {
                    self.local.counts.accepted();
                    self.take(socket, false);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    async fn take_backlog(self: &Rc<Self>, socket: &Socket) {
        while let Some(Ok(stream)) = socket.accept_now().await {
            self.local.counts.accepted();
            self.spawn(stream, false);
        }
    }
}

/// One connection of the backlog, by asking the socket itself, which does not block. `name` is a unix socket's.
pub(crate) fn accept_at_once(listener: &Listener, name: &Arc<str>) -> io::Result<Detached> {
    match listener {
        Listener::Tcp(listener) => listener.accept().map(|(stream, _)| {
            // As in `Socket::poll_accept`.
            let _best_effort = stream.set_nodelay(true);
            Detached::Tcp(stream)
        }),
        Listener::Unix(listener) => listener.accept().map(|(stream, _)| Detached::Unix(stream, Arc::clone(name))),
    }
}

/// Removes a socket's file; the socket itself goes on.
fn unlink(bound: Bound) -> Listener {
    bound.listener
}

/// A listening socket in this thread's runtime.
pub(crate) struct Acceptor {
    socket: Socket,
    /// Held until the end: it removes the socket's file.
    bound: Bound,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>),
}

impl Acceptor {
    pub(crate) fn new(bound: Bound) -> io::Result<Self> {
        let socket = match &bound.listener {
            Listener::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener.try_clone()?)?),
            Listener::Unix(listener) => {
                let name = bound.name.strip_prefix("unix:").unwrap_or(&bound.name);
                Socket::Unix(UnixListener::from_std(listener.try_clone()?)?, name.into())
            }
        };
        Ok(Self { socket, bound })
    }
}

impl Socket {
    /// The name of a unix socket; empty for TCP.
    fn name(&self) -> Arc<str> {
        match self {
            Self::Tcp(_) => "".into(),
            Self::Unix(_, name) => Arc::clone(name),
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// One connection of the backlog, without waiting.
    async fn accept_now(&self) -> Option<io::Result<Stream>> {
        let accept = poll_fn(|context| match self.poll_accept(context) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => Poll::Ready(None),
        });
        // The runtime's budget would make a long backlog look empty.
        tokio::task::unconstrained(accept).await
    }

    fn poll_accept(&self, context: &mut std::task::Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map_ok(|(stream, _)| {
                // Answers are written whole: waiting for more would only delay their last packet.
                let _best_effort = stream.set_nodelay(true);
                Stream::Tcp(stream)
            }),
            Self::Unix(listener, name) => {
                listener.poll_accept(context).map_ok(|(stream, _)| Stream::Unix(stream, Arc::clone(name)))
            }
        }
    }
}
