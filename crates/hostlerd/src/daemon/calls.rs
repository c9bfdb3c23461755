//! The answers to calls: whose right is asked for, and who does it.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use hostler_bus::daemon::{
    Caller, Changes, Daemon, Detail, Error, JobKind, LogFilter, LogPage, NewInstance, Order, Overview, Problem, Result,
    RevisionInfo, SettingInfo, SettingValue,
};
use hostler_bus::{LogLevel, Request, Samples, Worker};

use super::Hostlerd;
use crate::authority::Right;
use crate::beside::beside;
use crate::patience::{QUICK, SLOW, within};
use crate::{logs, metrics, orders, settings};

impl Hostlerd {
    /// Why the journal of its unit has nothing of what an instance logs now: it runs, and systemd has not started it. Its log is not read where it says that it
    /// is: that would be a path from whoever runs it.
    async fn logs_elsewhere(&self, overview: &Overview) -> Option<String> {
        if overview.managed {
            return None;
        }
        let name = &overview.name;
        let place = within(QUICK, self.running(name).ok()?.status()).await.map(|status| status.configured.error_log);
        let place = match place.as_deref() {
            Ok("journal") => format!("the journal, as another unit's: see `journalctl HOSTLER_INSTANCE={name}`"),
            Ok("stderr" | "") | Err(_) => "its standard error, where it was started".to_owned(),
            Ok(path) => path.to_owned(),
        };
        Some(format!("{name} was started by hand, not by hostler@{name}.service: its log goes to {place}"))
    }

    /// Whether a caller may read the log of an instance, without asking anybody for a password.
    async fn reads_logs(&self, caller: &Caller, name: &str) -> bool {
        let caller = Caller { interactive: false, ..caller.clone() };
        self.check(&caller, Right::ReadLogs, name).await.is_ok()
    }
}

/// That a client did not send more than a settings file can be: else it is told so before anything is made of it.
fn fits(name: &str, bytes: usize) -> Result<()> {
    if bytes as u64 <= settings::SIZE_LIMIT {
        return Ok(());
    }
    Err(Error::Refused {
        reason: format!("the settings of {name} would be longer than 1 MiB: {bytes} bytes were sent"),
    })
}

/// Takes out what takes the right to read logs and settings: what comes from the log, as it may name requests, and what an exception
/// holds; and the revision, by which a guess of the file could be tried. That there was something stays.
pub(crate) fn without_words_of_logs(detail: &mut Detail) {
    detail.revision.clear();
    let Some(status) = &mut detail.instance else { return };
    let observed = &mut status.observed;
    observed.last_error.iter_mut().for_each(|error| error.message.clear());
    observed.events.iter_mut().for_each(|event| event.message.clear());
}

#[async_trait]
impl Daemon for Hostlerd {
    async fn list(&self, _caller: Caller) -> Result<Vec<Overview>> {
        Ok(self.refresh().await)
    }

    async fn create(&self, caller: Caller, name: String, changes: Changes, new: NewInstance) -> Result<u64> {
        let words = [&new.user, &new.group].into_iter().flatten().chain([&new.profile]).chain(&new.addresses);
        fits(&name, settings::size(&changes) + words.map(String::len).sum::<usize>())?;
        self.refresh().await;
        let (daemon, called, options) = (self.clone(), name.clone(), new.clone());
        let (instance, places) = beside(move || daemon.planned(&called, &changes, &options)).await?;
        self.check(&caller, Right::Manage, &name).await?;
        let daemon = self.clone();
        let work = |progress| daemon.create_instance(instance, places, new, progress);
        self.0.jobs.begin(JobKind::Create, &name, &caller, &self.0.in_use, work).await
    }

    async fn remove(&self, caller: Caller, name: String) -> Result<u64> {
        let (overview, user) = self.allowed(&caller, Right::Manage, &name).await?;
        let daemon = self.clone();
        let work = |progress| daemon.remove_instance(overview, user, progress);
        self.0.jobs.begin(JobKind::Remove, &name, &caller, &self.0.in_use, work).await
    }

    async fn schema(&self) -> Result<Vec<SettingInfo>> {
        Ok(settings::schema())
    }

    async fn watch(&self, caller: Caller) -> Result<()> {
        let user = self.0.authority.sharing(&caller).await;
        self.0.clients.watch(&caller, user, self.0.bus.as_ref(), &self.0.in_use)
    }

    async fn unwatch(&self, caller: Caller) -> Result<()> {
        self.0.clients.unwatch(&caller);
        Ok(())
    }

    async fn detail(&self, caller: Caller, name: String) -> Result<Detail> {
        let mut detail = self.look(&name).await?;
        if !self.reads_logs(&caller, &name).await {
            without_words_of_logs(&mut detail);
        }
        Ok(detail)
    }

    async fn samples(&self, caller: Caller, name: String, since_us: u64) -> Result<Samples> {
        self.find(&name).await?;
        let mut samples = within(QUICK, self.returning(&name).await?.samples(since_us)).await?;
        if !self.reads_logs(&caller, &name).await {
            samples.events.iter_mut().for_each(|event| event.message.clear());
        }
        Ok(samples)
    }

    async fn workers(&self, caller: Caller, name: String) -> Result<Vec<Worker>> {
        // A worker's entry shows the request that it runs.
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        within(QUICK, self.returning(&name).await?.workers()).await
    }

    async fn requests(&self, caller: Caller, name: String) -> Result<Vec<Request>> {
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        within(QUICK, self.returning(&name).await?.requests()).await
    }

    async fn stacks(&self, caller: Caller, name: String, worker: u32) -> Result<String> {
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        within(SLOW, self.returning(&name).await?.stacks(worker)).await
    }

    async fn begin(&self, caller: Caller, name: String, order: Order) -> Result<u64> {
        let kind = orders::kind(&order);
        let jobs = &self.0.jobs;
        if let Some(bytes) = orders::sent(&order) {
            fits(&name, bytes)?;
            self.find(&name).await?;
            // Before anything is looked at: what is wrong with a change, and which right it takes, tells of the file's content.
            self.check(&caller, Right::ReadLogs, &name).await?;
            self.look_back(&name).await;
            let (daemon, instance, wanted) = (self.clone(), name.clone(), order.clone());
            let planned = beside(move || daemon.plan(&instance, &wanted)).await?;
            let right = orders::right_to_change(&planned.before.text, &planned.after);
            let user = self.check(&caller, right, &name).await?;
            let (daemon, instance) = (self.clone(), name.clone());
            let work = |progress| daemon.change(name, order, planned, user, progress);
            return jobs.begin(kind, &instance, &caller, &self.0.in_use, work).await;
        }
        let (overview, _) = self.allowed(&caller, Right::Control, &name).await?;
        let daemon = self.clone();
        let work = |progress| daemon.control(overview, order, progress);
        jobs.begin(kind, &name, &caller, &self.0.in_use, work).await
    }

    async fn reads(&self, caller: Caller, name: String) -> bool {
        self.reads_logs(&caller, &name).await
    }

    async fn cancel(&self, caller: Caller, job: u64) -> Result<()> {
        let Some((name, own)) = self.0.jobs.instance_of(job, &caller) else { return Ok(()) };
        // Who was allowed to begin it may end it.
        if !own {
            self.check(&caller, Right::Control, &name).await?;
        }
        self.0.jobs.cancel(job)
    }

    async fn enable(&self, caller: Caller, name: String, enabled: bool) -> Result<()> {
        self.allowed(&caller, Right::Manage, &name).await?;
        self.units()?.enable(&name, enabled).await?;
        self.refresh().await;
        Ok(())
    }

    async fn scale(&self, caller: Caller, name: String, workers: u32) -> Result<()> {
        self.allowed(&caller, Right::Control, &name).await?;
        within(QUICK, self.returning(&name).await?.scale(workers)).await
    }

    async fn recycle(&self, caller: Caller, name: String, worker: u32) -> Result<()> {
        self.allowed(&caller, Right::Control, &name).await?;
        within(SLOW, self.returning(&name).await?.recycle(worker)).await
    }

    async fn log_level(&self, _caller: Caller, name: String) -> Result<LogLevel> {
        self.find(&name).await?;
        within(QUICK, self.returning(&name).await?.log_level()).await
    }

    async fn set_log_level(&self, caller: Caller, name: String, level: LogLevel) -> Result<()> {
        self.allowed(&caller, Right::Control, &name).await?;
        within(QUICK, self.returning(&name).await?.set_log_level(level)).await
    }

    async fn logs(&self, caller: Caller, name: String, filter: LogFilter) -> Result<OwnedFd> {
        let (overview, _) = self.allowed(&caller, Right::ReadLogs, &name).await?;
        let elsewhere = self.logs_elsewhere(&overview).await;
        let user = self.0.authority.sharing(&caller).await;
        logs::stream(self.0.scope.kind, name, filter, elsewhere, self.0.in_use.begin_stream(user)?)
    }

    async fn read_logs(&self, caller: Caller, name: String, filter: LogFilter) -> Result<LogPage> {
        let (overview, _) = self.allowed(&caller, Right::ReadLogs, &name).await?;
        let page = logs::page(self.0.scope.kind, &name, &filter).await?;
        if page.cursor.is_empty()
            && let Some(reason) = self.logs_elsewhere(&overview).await
        {
            return Err(Error::Refused { reason });
        }
        Ok(page)
    }

    async fn metrics(&self, caller: Caller, name: String, interval_ms: u32) -> Result<OwnedFd> {
        self.find(&name).await?;
        let whole = self.reads_logs(&caller, &name).await;
        let user = self.0.authority.sharing(&caller).await;
        let using = self.0.in_use.begin_stream(user)?;
        metrics::stream(self.clone(), name, interval_ms, metrics::Reader { whole, sender: caller.sender }, using)
    }

    async fn values(&self, caller: Caller, name: String) -> Result<(String, Vec<SettingValue>)> {
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        let stored = self.stored(&name)?;
        let (facts, words) = match &self.0.units {
            Some(units) => units.service(&name).await.unwrap_or_default(),
            None => Default::default(),
        };
        let path = self.0.scope.settings_file(&name);
        Ok((stored.revision, settings::values(&path, &stored.text, &words, &facts.drop_ins)))
    }

    async fn text(&self, caller: Caller, name: String) -> Result<(String, String)> {
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        let stored = self.stored(&name)?;
        Ok((stored.revision, stored.text))
    }

    async fn validate(&self, caller: Caller, name: String, changes: Changes) -> Result<Vec<Problem>> {
        fits(&name, settings::size(&changes))?;
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        let daemon = self.clone();
        let checked = move || {
            let before = daemon.stored(&name)?.text;
            match settings::edited(&before, &changes) {
                Ok(text) => Ok(daemon.problems_of(&name, &before, &text)),
                Err(settings::BadChange(problems)) => Ok(problems),
            }
        };
        beside(checked).await
    }

    async fn validate_text(&self, _caller: Caller, name: String, text: String) -> Result<Vec<Problem>> {
        fits(&name, text.len())?;
        // Whoever can call may: one text at a time, so that they take neither all memory nor all threads.
        let _alone = self.0.checking.lock().await;
        beside(move || Ok(settings::problems(&text))).await
    }

    async fn history(&self, caller: Caller, name: String) -> Result<Vec<RevisionInfo>> {
        self.allowed(&caller, Right::ReadLogs, &name).await?;
        self.look_back(&name).await;
        let daemon = self.clone();
        beside(move || Ok(daemon.history_of(&name).list(&daemon.stored(&name)?.revision))).await
    }
}
