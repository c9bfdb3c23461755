//! `org.hostler.Hostler1.Manager`: the definition that both the server side and the proxy are made from.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::control::{Caller, Daemon};
use super::error::{Error, Result};
use super::overview::Overview;
use super::path::{instance_path, job_path};
use super::setting::{Changes, NewInstance, SettingInfo};

/// The object at the root of the daemon's tree.
pub(super) struct Manager {
    pub(super) calls: Calls,
    pub(super) scope: &'static str,
}

#[zbus::interface(
    name = "org.hostler.Hostler1.Manager",
    proxy(gen_blocking = false, default_path = "/org/hostler/Hostler1", default_service = "org.hostler.Hostler1")
)]
impl Manager {
    /// All instances, by name: those that run, sleep, are stopped or failed, and those with only a settings file.
    async fn list(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Overview>> {
        let caller = Caller::of(&header);
        self.calls.run(|daemon| async move { daemon.list(caller).await }).await
    }

    /// The object of the instance called so.
    async fn get_instance(&self, #[zbus(header)] header: Header<'_>, name: String) -> Result<OwnedObjectPath> {
        let caller = Caller::of(&header);
        let all = self.calls.run(|daemon| async move { daemon.list(caller).await }).await?;
        if all.iter().any(|one| one.name == name) { Ok(instance_path(&name)) } else { Err(Error::NoInstance { name }) }
    }

    /// Writes a new instance: its settings file, and the drop-ins of its units. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn create(
        &self,
        #[zbus(header)] header: Header<'_>,
        name: String,
        settings: HashMap<String, OwnedValue>,
        options: NewInstance,
    ) -> Result<OwnedObjectPath> {
        let (caller, changes) = (Caller::of(&header), Changes { set: settings, unset: Vec::new() });
        self.calls.run(|daemon| async move { daemon.create(caller, name, changes, options).await }).await.map(job_path)
    }

    /// Stops and disables an instance, and takes its settings file and what was written of its units' drop-ins away. Its history is kept
    /// beside, and is not that of another one called so later; drop-ins that a person changed stay, and the job says which. Answers with
    /// the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn remove(&self, #[zbus(header)] header: Header<'_>, name: String) -> Result<OwnedObjectPath> {
        let caller = Caller::of(&header);
        self.calls.run(|daemon| async move { daemon.remove(caller, name).await }).await.map(job_path)
    }

    /// All settings that there are, in the order of the reference.
    async fn schema(&self) -> Result<Vec<SettingInfo>> {
        self.calls.run(|daemon| async move { daemon.schema().await }).await
    }

    /// Keeps the daemon, and with it the signals of changes, for as long as the caller is connected. Without it the daemon leaves
    /// when nobody has called for a while, and nobody signals.
    async fn watch(&self, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let caller = Caller::of(&header);
        self.calls.run(|daemon| async move { daemon.watch(caller).await }).await
    }

    /// Ends what Watch began.
    async fn unwatch(&self, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let caller = Caller::of(&header);
        self.calls.run(|daemon| async move { daemon.unwatch(caller).await }).await
    }

    /// The version of the daemon.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// Whose instances these are: `system` or `user`.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn scope(&self) -> String {
        self.scope.to_owned()
    }
}

/// Calls to the daemon, which end whoever hangs up, and whose panics are answers.
#[derive(Clone)]
pub(super) struct Calls(pub(super) Arc<dyn Daemon>);

impl Calls {
    pub(super) async fn run<T, F>(&self, call: impl FnOnce(Arc<dyn Daemon>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match tokio::spawn(call(Arc::clone(&self.0))).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                Err(Error::Internal { reason: "the call panicked, which the log tells of".to_owned() })
            }
            Err(_) => Err(Error::Internal { reason: "it is leaving; try again".to_owned() }),
        }
    }
}
