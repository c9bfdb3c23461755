//! One request to a generation that no router serves yet: whether it is ready, by its own word.

use std::time::Duration;

use hostler_exchange::head::{Request, read_response};
use hostler_exchange::{Exchange, Phase, RequestEnd};
use hostler_http1::percent_decode_path;
use hostler_settings::RequestTarget;
use tokio::time::sleep;

/// How often is looked whether there is an answer.
const LOOK: Duration = Duration::from_millis(5);
/// The router thread that the request is said to come from; it does not know the exchange yet.
const THREAD: u32 = 0;

/// Asks for `asked`; the status of the answer. The error is the rest of a sentence about it.
pub(super) async fn ask(exchange: &Exchange, asked: &RequestTarget) -> Result<u16, String> {
    let (mut head, mut path) = (Vec::new(), Vec::new());
    percent_decode_path(asked.path().as_bytes(), &mut path);
    let request = Request {
        version: 11,
        https: false,
        chunked: false,
        websocket: false,
        trailers: false,
        content_length: None,
        method: b"GET",
        remote: b"127.0.0.1",
        remote_port: 0,
        server: b"localhost",
        server_port: 80,
        socket: b"",
        id: b"",
        target: asked.as_str().as_bytes(),
        path: &path,
        query: asked.query().as_bytes(),
    };
    let mut writer = request.write(&mut head);
    writer.header(b"Host", b"localhost");
    writer.header(b"User-Agent", b"hostler-ready");
    writer.finish();
    let submitted =
        exchange.submit(THREAD, &head, b"", RequestEnd::Complete).ok_or("there is no room for a request")?;
    let asked = Asked { exchange, slot: submitted.slot };
    exchange.wake_worker();
    loop {
        let progress = exchange.progress(asked.slot);
        if progress.has_hints() {
            // Nobody is there to be hinted at, but the application waits until they are taken.
            exchange.read_response(asked.slot, progress.head.min(progress.available), &mut Vec::new());
            exchange.hints_taken(asked.slot);
            continue;
        }
        if progress.has_head() {
            let mut answer = Vec::new();
            exchange.read_response(asked.slot, progress.head.min(progress.available), &mut answer);
            let status = read_response(&answer).map(|(response, _)| response.status);
            return status.ok_or_else(|| "its answer is damaged".to_owned());
        }
        match progress.phase {
            _ if progress.failed() => return Err("it raised an exception".to_owned()),
            Phase::Done | Phase::Free => return Err("it gave no answer".to_owned()),
            Phase::Lost => return Err("its worker died".to_owned()),
            Phase::Queued | Phase::Running => {}
        }
        sleep(LOOK).await;
    }
}

/// The request, given up in every case.
struct Asked<'e> {
    exchange: &'e Exchange,
    slot: u32,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Self { exchange, slot } = self;
        if !exchange.release(*slot) && !exchange.cancel(*slot) {
            exchange.abandon(*slot);
            // One that ended since is free now; one that goes on keeps its slot until its worker is done, and for good then.
            exchange.release(*slot);
        }
    }
}
