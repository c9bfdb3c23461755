//! Clients that ask without pause, over connections that stay open, and note every answer that is not as it should be.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use crate::session::LIMIT;

/// How many clients there are.
const CLIENTS: usize = 4;

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    /// How often each body was answered.
    answers: BTreeMap<String, u64>,
    faults: Vec<String>,
}

/// The clients.
pub(crate) struct Load {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to ask at a socket.
    pub(crate) fn start(socket: &Path) -> Self {
        let seen = Arc::<(Mutex<Seen>, Condvar)>::default();
        let over = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let (seen, over, socket) = (Arc::clone(&seen), Arc::clone(&over), PathBuf::from(socket));
            // One of them asks for what takes longer than a reload's switch.
            let target = if number == 0 { "/slow" } else { "/" };
            std::thread::spawn(move || ask(&socket, target, &seen, &over))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { seen, over, clients }
    }

    /// Waits until so many more have been answered with this body.
    pub(crate) fn wait(&self, body: &str, more: u64) {
        let (seen, told) = &*self.seen;
        let seen = seen.lock().unwrap();
        let count = |seen: &Seen| seen.answers.get(body).copied().unwrap_or(0);
        let wanted = count(&seen) + more;
        let (seen, _) =
            told.wait_timeout_while(seen, LIMIT, |seen| count(seen) < wanted && seen.faults.is_empty()).unwrap();
        assert!(count(&seen) >= wanted, "{more} more answers {body:?}: {seen:?}");
    }

    /// Ends, and proves that every request was answered as it should be.
    pub(crate) fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        let seen = self.seen.0.lock().unwrap();
        assert!(seen.faults.is_empty() && !seen.answers.is_empty(), "{seen:?}");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn ask(socket: &Path, target: &str, seen: &(Mutex<Seen>, Condvar), over: &AtomicBool) {
    let mut connection = None;
    while !over.load(Ordering::Relaxed) {
        let answer = match &mut connection {
            Some(connection) => one(connection, target),
            None => UnixStream::connect(socket).map_err(|error| error.to_string()).and_then(|stream| {
                stream.set_read_timeout(Some(LIMIT)).map_err(|error| error.to_string())?;
                one(connection.insert(BufReader::new(stream)), target)
            }),
        };
        let mut seen_now = seen.0.lock().unwrap();
        match answer {
            Ok((body, stays)) => {
                *seen_now.answers.entry(body).or_default() += 1;
                if !stays {
                    connection = None;
                }
            }
            Err(fault) => {
                seen_now.faults.push(format!("{target}: {fault}"));
                over.store(true, Ordering::Relaxed);
            }
        }
        seen.1.notify_all();
    }
}

/// One request; the body of its answer, and whether the connection stays.
fn one(connection: &mut BufReader<UnixStream>, target: &str) -> Result<(String, bool), String> {
    let text = |error: std::io::Error| error.to_string();
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).map_err(text)?;
    let (mut length, mut stays, mut head) = (0, true, String::new());
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).map_err(text)? == 0 {
            return Err(format!("the connection was closed after {head:?}"));
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.parse().map_err(|error| format!("{value:?}: {error}"))?;
        }
        stays &= lower != "connection: close";
        head.push_str(&line);
        if lower.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).map_err(text)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    if head.starts_with("HTTP/1.1 200 ") { Ok((body, stays)) } else { Err(format!("{head:?} {body:?}")) }
}
