//! The start of an instance: its first generation, until it is known what becomes of it.

use hostler_channel::Loaded;
use hostler_router::Router;
use hostler_supervisor::{Condition, Notice};
use hostler_systemd::journal::MessageId;
use tokio::sync::mpsc;

use super::developing::Developing;
use super::generation::{Generation, NotReady};
use super::service::Service;
use super::signals::{Asked, Signals};
use super::task::Unloaded;
use super::{Ended, Logs, log_failure};

/// How often an import that takes long is told of.
const STILL_IMPORTING: std::time::Duration = std::time::Duration::from_secs(10);

/// What is known of an application that was not loaded.
pub(super) fn nothing_loaded() -> Loaded {
    Loaded {
        interface: hostler_channel::Interface::Auto,
        python: String::new(),
        event_loop: None,
        framework: None,
        sources: Vec::new(),
    }
}

/// What became of the first generation, when the router starts.
pub(super) enum Booted {
    Loaded(Loaded),
    /// It is thrown away, while somebody develops.
    Unloaded(Unloaded),
    /// It does not work, and is tried again all the while.
    Broken,
}

/// Waits for the first ready worker and starts the router then; `None` when it was told to stop before. While somebody develops the router is
/// started as well when the application does not load, or is out of date before it has; where failures are outlived, when the application turns out to be broken.
pub(super) async fn boot(
    notice: &mut mpsc::Receiver<Notice>,
    signals: &mut Signals,
    first: &Generation,
    own: (&Logs, &Service),
    developing: &mut Option<Developing>,
    start: impl FnOnce() -> std::io::Result<Router>,
) -> Result<Option<(Router, Booted)>, Ended> {
    let (logs, service) = own;
    let supervisor = &first.supervisor;
    let develops = developing.is_some();
    let began = tokio::time::Instant::now();
    let mut known = Condition::Booting;
    let mut waiting = tokio::time::interval_at(began + STILL_IMPORTING, STILL_IMPORTING);
    loop {
        tokio::select! {
            _ = waiting.tick() => {
                let seconds = began.elapsed().as_secs();
                tracing::info!(seconds, "the application is still being imported");
                service.loading(seconds, supervisor.trouble().map(|failure| failure.to_string()).as_deref());
            }
            told = notice.recv() => match told {
                Some(Notice::Ready { loaded, after }) => {
                    let Loaded { interface, python, event_loop, framework, .. } = &loaded;
                    tracing::info!(
                        message_id = %MessageId::STARTED,
                        ?interface,
                        python,
                        event_loop,
                        framework,
                        seconds = (after.as_secs_f64() * 1e3).round() / 1e3,
                        "the application is ready"
                    );
                    return Ok(Some((start()?, Booted::Loaded(loaded))));
                }
                Some(Notice::Failed(failure)) if develops => {
                    supervisor.stopped().await;
                    log_failure(&failure);
                    let unloaded = Unloaded { failed: NotReady::from(failure), again: false };
                    return Ok(Some((start()?, Booted::Unloaded(unloaded))));
                }
                Some(Notice::Failed(failure)) => {
                    supervisor.stopped().await;
                    return Err(Ended::Failed(failure));
                }
                Some(Notice::AllReady | Notice::WorkerDied { .. }) => {}
                Some(Notice::Stopped) | None => return Err(Ended::System("the supervisor ended by itself".to_owned())),
            },
            () = Developing::changed(developing, &first.served.application.directory) => {
                first.throw_away().await;
                let reason = "files changed while it was loaded, and it is loaded anew".to_owned();
                let unloaded = Unloaded { failed: NotReady::because(reason), again: true };
                return Ok(Some((start()?, Booted::Unloaded(unloaded))));
            }
            found = supervisor.condition_other_than(&known) => match found {
                Condition::Broken { .. } => return Ok(Some((start()?, Booted::Broken))),
                other => known = other,
            },
            asked = signals.next() => match asked {
                Asked::Stop => {
                    first.throw_away().await;
                    return Ok(None);
                }
                Asked::Reopen => logs.reopen(),
                Asked::Reload => tracing::warn!("SIGHUP: the application is still being loaded"),
                Asked::More | Asked::Fewer => tracing::warn!("the number of workers is changed once the application is loaded"),
            },
        }
    }
}
