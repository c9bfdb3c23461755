//! What `hostler top` looks at: an instance over its control socket, or over the daemon of this machine or another one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hostler_bus::daemon::{self, Client, Followed};
use hostler_bus::{Error, InstanceProxy, Status, Worker, connect};

use super::view::Seen;
use crate::manage::{Failed, QUICK, SLOW, within};

/// An instance that is watched.
#[derive(Clone)]
pub(in crate::manage) enum Watched {
    /// Asked itself. Its server process may be another one by and by: then it is connected to anew.
    Socket { path: PathBuf, instance: Arc<Mutex<InstanceProxy<'static>>> },
    /// Asked through the daemon.
    Bus { client: Client, instance: daemon::InstanceProxy<'static> },
}

impl Watched {
    /// An instance that is asked over its control socket at `path`, which is connected.
    pub(in crate::manage) fn socket(path: PathBuf, instance: InstanceProxy<'static>) -> Self {
        Self::Socket { path, instance: Arc::new(Mutex::new(instance)) }
    }

    pub(super) async fn look(&self) -> Result<Seen, Failed> {
        let (status, workers): (Status, Vec<Worker>) = match self {
            Self::Socket { path, instance } => {
                let known = current(instance);
                if known.inner().connection().is_closed() {
                    let again = connect(path).await?;
                    *instance.lock().unwrap_or_else(PoisonError::into_inner) = again;
                }
                let instance = current(instance);
                (within(QUICK, instance.status()).await?, within(QUICK, instance.workers()).await?)
            }
            Self::Bus { instance, .. } => {
                let detail = on_bus(QUICK, instance.status()).await?;
                let Some(status) = detail.instance else {
                    let (state, why) = (detail.overview.state, detail.silent_because);
                    return Err(Failed::NotRunning { name: detail.overview.name, state: state.to_string(), why });
                };
                (status, on_bus(QUICK, instance.workers()).await?)
            }
        };
        Ok(Seen { status, workers })
    }

    /// Reloads it; answers with the generation that serves, or why there is none.
    pub(super) async fn reload(&self) -> Result<u64, String> {
        let failed = |error: Error| match error {
            Error::ReloadFailed { reason, .. } => format!("not reloaded: {reason}"),
            other => other.to_string(),
        };
        match self {
            Self::Socket { instance, .. } => {
                current(instance).reload().await.map(|done| done.generation).map_err(failed)
            }
            Self::Bus { client, instance } => {
                let ended = async {
                    let mut following = client.follow(instance.reload().await?).await?;
                    loop {
                        if let Followed::Ended(ended) = following.next().await {
                            return ended;
                        }
                    }
                };
                match ended.await {
                    Ok(outcome) => Ok(outcome.generation.unwrap_or_default()),
                    Err(daemon::Error::Instance(error)) => Err(failed(error)),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }

    pub(super) async fn stacks(&self, worker: u32) -> Result<String, Failed> {
        match self {
            Self::Socket { instance, .. } => within(SLOW, current(instance).stacks(worker)).await,
            Self::Bus { instance, .. } => on_bus(SLOW, instance.stacks(worker)).await,
        }
    }

    pub(super) async fn recycle(&self, worker: u32) -> Result<(), Failed> {
        match self {
            Self::Socket { instance, .. } => within(SLOW, current(instance).recycle(worker)).await,
            Self::Bus { instance, .. } => on_bus(SLOW, instance.recycle(worker)).await,
        }
    }
}

fn current(instance: &Mutex<InstanceProxy<'static>>) -> InstanceProxy<'static> {
    instance.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn on_bus<T>(limit: std::time::Duration, call: impl Future<Output = daemon::Result<T>>) -> Result<T, Failed> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failed::Late(limit)),
    }
}
