//! The sockets that tell what is counted: HTTP for Prometheus and those who check, bare JSON for uwsgitop.
//!
//! They share the main task's thread with nothing that serves requests. Who connects gets little room: few connections, little time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostler_listener::{Bound, Listener};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{is_up, prometheus, uwsgi};
use crate::serve::control::Desk;

/// Connections that are served at once on each socket; the others wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long a connection may be open: a scrape is over in milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the head of a request may take.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing is accepted after that failed, as when there are no descriptors left.
const BREATH: Duration = Duration::from_millis(100);

/// What is spoken on a socket.
#[derive(Clone, Copy)]
enum Spoken {
    Http,
    /// uWSGI's statistics to everybody who connects.
    BareJson,
}

/// A listening socket of either kind.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Serves until it is dropped, which closes the sockets and removes their files.
pub(in crate::serve) fn serve(metrics: Vec<Bound>, stats: Vec<Bound>, desk: &Arc<Desk>) -> io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let metrics = metrics.into_iter().map(|bound| (bound, Spoken::Http));
    for (bound, spoken) in metrics.chain(stats.into_iter().map(|bound| (bound, Spoken::BareJson))) {
        let socket = match bound.listener.try_clone()? {
            Listener::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Socket::Unix(UnixListener::from_std(listener)?),
        };
        match spoken {
            Spoken::Http => tracing::info!("serving metrics on {}", bound.name),
            Spoken::BareJson => {
                tracing::info!("serving uWSGI's statistics on {}", bound.name.trim_start_matches("http://"))
            }
        }
        tasks.spawn(accept(bound, socket, spoken, Arc::clone(desk)));
    }
    Ok(tasks)
}

/// `bound` is kept as long as connections are accepted.
async fn accept(bound: Bound, socket: Socket, spoken: Spoken, desk: Arc<Desk>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match socket.next().await {
            Ok(stream) => {
                let desk = Arc::clone(&desk);
                connections.spawn(async move {
                    // Whoever is slower than that is not answered.
                    let _served = timeout(PATIENCE, answer(stream, spoken, &desk)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(socket = bound.name, %error, "a connection was not accepted");
                sleep(BREATH).await;
            }
        }
    }
}

impl Socket {
    async fn next(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn answer(mut stream: Box<dyn Stream>, spoken: Spoken, desk: &Desk) {
    let served = match spoken {
        Spoken::BareJson => {
            let json = uwsgi::json(&desk.snapshot().await);
            let written = stream.write_all(json.as_bytes()).await;
            written.and(stream.shutdown().await).map_err(|error| error.to_string())
        }
        Spoken::Http => hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .serve_connection(TokioIo::new(stream), service_fn(|request| respond(request, desk)))
            .await
            .map_err(|error| error.to_string()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "who asked for what is counted was not answered");
    }
}

async fn respond<B>(request: Request<B>, desk: &Desk) -> Result<Response<Full<Bytes>>, Infallible> {
    const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
    const PLAIN: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused =
            response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "Only GET and HEAD are served here.\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    Ok(match request.uri().path() {
        "/metrics" => response(StatusCode::OK, PROMETHEUS, prometheus::text(&desk.snapshot().await)),
        "/stats" => response(StatusCode::OK, "application/json", uwsgi::json(&desk.snapshot().await)),
        "/health" => {
            let state = desk.instance.condition.borrow().state;
            let status = if is_up(state) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, PLAIN, format!("{}\n", format!("{state:?}").to_lowercase()))
        }
        _ => response(StatusCode::NOT_FOUND, PLAIN, "There are /metrics, /stats and /health.\n".to_owned()),
    })
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
