//! `org.hostler.Hostler1.Settings`: the definition that both the server side and the proxy are made from.

use std::collections::HashMap;

use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::control::{Caller, Order};
use super::error::Result;
use super::manager::Calls;
use super::path::job_path;
use super::setting::{Changes, Problem, RevisionInfo, SettingValue};

/// The settings of one instance; on the instance's object.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) calls: Calls,
}

#[zbus::interface(
    name = "org.hostler.Hostler1.Settings",
    proxy(gen_blocking = false, default_service = "org.hostler.Hostler1")
)]
impl Settings {
    /// The revision of the settings file (empty while there is none), and each setting with where its value comes from.
    #[zbus(proxy(allow_interactive_auth), out_args("revision", "values"))]
    async fn values(&self, #[zbus(header)] header: Header<'_>) -> Result<(String, Vec<SettingValue>)> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.values(caller, name).await }).await
    }

    /// The revision of the settings file, and its text.
    #[zbus(proxy(allow_interactive_auth), out_args("revision", "text"))]
    async fn text(&self, #[zbus(header)] header: Header<'_>) -> Result<(String, String)> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.text(caller, name).await }).await
    }

    /// All that would be wrong with the file after these changes; nothing is changed.
    #[zbus(proxy(allow_interactive_auth))]
    async fn validate(
        &self,
        #[zbus(header)] header: Header<'_>,
        set: HashMap<String, OwnedValue>,
        unset: Vec<String>,
    ) -> Result<Vec<Problem>> {
        let (caller, name, changes) = (Caller::of(&header), self.name.clone(), Changes { set, unset });
        self.calls.run(|daemon| async move { daemon.validate(caller, name, changes).await }).await
    }

    /// All that would be wrong with the file if this were its text.
    async fn validate_text(&self, #[zbus(header)] header: Header<'_>, text: String) -> Result<Vec<Problem>> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.validate_text(caller, name, text).await }).await
    }

    /// Changes settings, made from that revision: a file that has changed since is left alone, and the job fails with
    /// the difference. A running instance takes what it can; if it does not, the former file comes back. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn apply(
        &self,
        #[zbus(header)] header: Header<'_>,
        revision: String,
        set: HashMap<String, OwnedValue>,
        unset: Vec<String>,
    ) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Apply { revision, changes: Changes { set, unset } }).await
    }

    /// The same with the whole text of the file.
    #[zbus(proxy(allow_interactive_auth))]
    async fn apply_text(
        &self,
        #[zbus(header)] header: Header<'_>,
        revision: String,
        text: String,
    ) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::ApplyText { revision, text }).await
    }

    /// The revisions of the file that are kept, the latest first.
    #[zbus(proxy(allow_interactive_auth))]
    async fn history(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<RevisionInfo>> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.history(caller, name).await }).await
    }

    /// Takes back what made that revision, which has to be the current one: the text before it comes back. Where that was a going back
    /// itself, this goes on from there: done again and again it walks back to the first text that is kept. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn undo(&self, #[zbus(header)] header: Header<'_>, revision: String) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Undo { revision }).await
    }

    /// Brings the text of an older revision back, one that the history has; `revision` has to be the current one. What an Undo took
    /// back can be had again so. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn restore(
        &self,
        #[zbus(header)] header: Header<'_>,
        revision: String,
        to: String,
    ) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Restore { revision, to }).await
    }
}

impl Settings {
    async fn begin(&self, header: &Header<'_>, order: Order) -> Result<OwnedObjectPath> {
        let (caller, name) = (Caller::of(header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.begin(caller, name, order).await }).await.map(job_path)
    }
}
