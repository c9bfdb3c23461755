//! A job as a client sees it: what it is at, and its end.

use std::pin::Pin;

use futures_lite::StreamExt;
use zbus::Connection;
use zbus::fdo::{PropertiesChangedStream, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::Value;

use super::error::Result;
use super::job::{JobProxy, Outcome};
use super::{JobPath, NAME, tree::JOB};

/// A job that is followed to its end.
pub struct Following {
    job: JobProxy<'static>,
    changes: PropertiesChangedStream,
    end: Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>,
    first: Option<Stage>,
}

/// What a job is at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// In a few words; empty when only the progress is news.
    pub words: String,
    /// How much of it is done, between 0 and 1.
    pub progress: f64,
}

/// What is told of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// It is at this now.
    At(Stage),
    /// It has ended.
    Ended(Result<Outcome>),
}

impl Following {
    pub(super) async fn begin(connection: &Connection, path: JobPath) -> Result<Self> {
        let job = JobProxy::builder(connection).path(path.clone())?.cache_properties(CacheProperties::No);
        let job = job.build().await?;
        let properties = PropertiesProxy::builder(connection).destination(NAME)?.path(path)?.build().await?;
        // Listening first: what changes between the two is told twice, and not lost.
        let changes = properties.receive_properties_changed().await?;
        let interface = InterfaceName::from_static_str_unchecked(JOB);
        // A job that has ended and gone says so when it is waited for.
        let now = properties.get_all(interface).await.unwrap_or_default();
        let words = now.get("Stage").and_then(|value| value.downcast_ref::<String>().ok()).unwrap_or_default();
        let progress = now.get("Progress").and_then(|value| value.downcast_ref::<f64>().ok()).unwrap_or_default();
        let waited = job.clone();
        let end = Box::pin(async move { waited.wait().await });
        let first = (!words.is_empty()).then_some(Stage { words, progress });
        Ok(Self { job, changes, end, first })
    }

    /// What is told next; after [`Followed::Ended`] it is not called again. Cancel safe.
    pub async fn next(&mut self) -> Followed {
        if let Some(first) = self.first.take() {
            return Followed::At(first);
        }
        loop {
            tokio::select! {
                biased;
                Some(change) = self.changes.next() => {
                    let Ok(told) = change.args() else { continue };
                    let text = |value: &Value<'_>| value.downcast_ref::<String>().ok();
                    let words = told.changed_properties.get("Stage").and_then(text).unwrap_or_default();
                    let number = |value: &Value<'_>| value.downcast_ref::<f64>().ok();
                    if let Some(progress) = told.changed_properties.get("Progress").and_then(number) {
                        return Followed::At(Stage { words, progress });
                    }
                }
                ended = &mut self.end => return Followed::Ended(ended),
            }
        }
    }

    /// Asks for its end before it is done; what becomes of it is told as its end.
    ///
    /// # Errors
    /// [`super::Error::Refused`] when it is not cancelled in the middle: it goes on.
    pub async fn cancel(&mut self) -> Result<()> {
        self.job.cancel().await
    }
}
