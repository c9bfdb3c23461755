//! The end of serving: clients first, then workers, all within `graceful_timeout`. The end of a server process before this one is waited for as well.
//!
//! ```text
//!   told ──► router drains ──its last connection ended──► workers finish ──► stopped
//!                │                                            ▲   │
//!                │ graceful_timeout is over, and event loops  │   │ graceful_timeout is over
//!                └──► router cuts, tasks are cancelled ───────┘   └──► killed, after LAST_WORDS for event loops
//! ```
//!
//! An event loop that was kept waiting by an endless answer, or by a task after one, still has its lifespan to end: with its tasks cancelled it
//! has [`LAST_WORDS`] for that. Threads cannot be told to let go; what they run past the time is killed.

use std::time::Duration;

use hostler_exchange::{Exchange, Phase, now_ns};
use hostler_router::Router;
use hostler_supervisor::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use super::signals::{Asked, Signals};
use super::takeover::Predecessor;
use super::{Ended, Logs, Served};

/// How long event loops may take to end after `graceful_timeout`, when what they ran was cancelled.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Accepts no more, finishes what runs, then lets the workers go. A second signal ends it at once.
pub(super) async fn stop(
    served: &Served,
    logs: &Logs,
    signals: &mut Signals,
    router: &Router,
    supervisor: &Handle,
    exchange: &Exchange,
) -> Result<(), Ended> {
    let patience = served.settings.pool.graceful_timeout;
    tracing::info!(graceful_timeout = patience.as_secs_f64(), "stopping: running requests are finished");
    exchange.stop_by(now_ns().saturating_add(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX)));
    router.stop();
    let deadline = sleep(patience);
    tokio::pin!(deadline);
    // None, once what event loops run was cancelled.
    let mut last_words = has_event_loops(exchange).then_some(LAST_WORDS);
    // The clock of all is this one: the supervisor's, which begins when the last client has left, is put behind the last words of event loops.
    supervisor.set_timeouts(patience + 2 * LAST_WORDS, served.settings.pool.boot_timeout).await;
    let mut draining = true;
    let mut has_time = true;
    while draining {
        tokio::select! {
            ended = router.stopped() => {
                ended?;
                supervisor.stop(true);
                draining = false;
            }
            () = &mut deadline => {
                tracing::warn!("requests still ran at the end of graceful_timeout, and were cut off");
                router.abort();
                // The time of threads is over too: what they run was cut off.
                supervisor.stop(last_words.is_some());
                draining = false;
                if let Some(more) = last_words.take() {
                    cancel_all(exchange);
                    deadline.as_mut().reset(Instant::now() + more);
                }
            }
            asked = signals.next() => match asked {
                Asked::Stop => {
                    tracing::warn!("told to stop a second time: what runs is cut off");
                    router.abort();
                    supervisor.stop(false);
                    draining = false;
                    has_time = false;
                }
                Asked::Reopen => logs.reopen(),
                Asked::Reload | Asked::More | Asked::Fewer => {}
            },
        }
    }
    loop {
        tokio::select! {
            () = supervisor.stopped() => break,
            // What an application still does after its last answer has no more time than the rest.
            () = &mut deadline, if has_time && !deadline.is_elapsed() => match last_words.take() {
                Some(more) => {
                    cancel_all(exchange);
                    deadline.as_mut().reset(Instant::now() + more);
                }
                None => {
                    if supervisor.workers().iter().any(|worker| worker.pid.is_some()) {
                        tracing::warn!("workers did not finish within graceful_timeout; they are killed");
                    }
                    supervisor.stop(false);
                }
            },
            asked = signals.next() => match asked {
                Asked::Stop => {
                    supervisor.stop(false);
                    has_time = false;
                }
                Asked::Reopen => logs.reopen(),
                Asked::Reload | Asked::More | Asked::Fewer => {}
            },
        }
    }
    router.stopped().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits until the server process before this one has finished what it ran, until `end` at most: systemd kills it as soon as this one, its
/// service's main process, has ended. A signal to stop ends the waiting.
pub(super) async fn predecessor(predecessor: &Predecessor, end: Instant, logs: &Logs, signals: &mut Signals) {
    if predecessor.has_ended() {
        return;
    }
    tracing::info!("the server process before this one still finishes what it runs: it is waited for");
    let ended = predecessor.ended();
    tokio::pin!(ended);
    let deadline = sleep_until(end);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            () = &mut ended => return,
            () = &mut deadline => {
                tracing::warn!("the server process before this one still ran requests at the end of graceful_timeout");
                return;
            }
            asked = signals.next() => match asked {
                Asked::Stop => return,
                Asked::Reopen => logs.reopen(),
                Asked::Reload | Asked::More | Asked::Fewer => {}
            },
        }
    }
}

fn has_event_loops(exchange: &Exchange) -> bool {
    (0..exchange.config().workers).any(|worker| exchange.is_loop(worker as u16))
}

/// Has event loops cancel the tasks of what they run, whoever waits for its answer.
pub(super) fn cancel_all(exchange: &Exchange) {
    for slot in 0..exchange.config().slots {
        if exchange.progress(slot).phase == Phase::Running {
            exchange.cancel_running(slot);
        }
    }
}
