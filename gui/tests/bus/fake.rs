//! A daemon that a test plays, on a bus of the test's own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hostler_bus::daemon::{
    Absent, Caller, Changes, Client, Daemon, Detail, Error, InstanceState, JobKind, JobState, LogFilter, LogLine,
    LogPage, MetricsLine, NewInstance, Order, Outcome, Overview, Problem, Reach, Report, Result, RevisionInfo,
    SettingInfo, SettingValue, Tree,
};
use hostler_bus::{LogLevel, Observed, Request, Sample, Samples, Status, Worker};
use hostler_manager::bus::Connect;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};
use zbus::Connection;
use zbus::connection::Builder;

/// dbus-daemon(1), where everything is allowed.
pub(crate) struct Bus {
    process: Child,
    directory: TempDir,
    pub(crate) address: String,
}

impl Bus {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (process, address) = Self::launch(directory.path());
        Self { process, directory, address }
    }

    /// Another one in its place, at the same address.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        (self.process, self.address) = Self::launch(self.directory.path());
    }

    fn launch(directory: &Path) -> (Child, String) {
        let configuration = directory.join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
             <listen>unix:path={}/bus</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>\
             </policy></busconfig>",
            directory.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let _ = std::fs::remove_file(directory.join("bus"));
        let mut process = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus-daemon)");
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon did not start: {address:?}");
        // Without the identity of this process: another one in its place is as good.
        let address = address.trim().split(',').next().unwrap_or_default().to_owned();
        (process, address)
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The way to that bus, whatever the reach.
pub(crate) struct Way(pub(crate) String);

#[async_trait]
impl Connect for Way {
    async fn connect(&self, reach: &Reach) -> std::result::Result<Client, Absent> {
        let connection = async { Builder::address(self.0.as_str())?.build().await };
        match connection.await {
            Ok(connection) => Client::over(connection, reach).await,
            Err(source) => Err(Absent::NoBus { bus: "session", source: Box::new(source) }),
        }
    }

    async fn session(&self) -> zbus::Result<Connection> {
        Builder::address(self.0.as_str())?.build().await
    }
}

/// What the test plays.
#[derive(Default)]
pub(crate) struct Played {
    /// How often each method was called.
    pub(crate) calls: Mutex<BTreeMap<&'static str, u32>>,
    pub(crate) overviews: Mutex<Vec<Overview>>,
    pub(crate) revision: Mutex<String>,
    /// What the calls to act answer with, if not with a job.
    pub(crate) refusal: Mutex<Option<Error>>,
    /// What the calls to act wait for, if for anything.
    pub(crate) password: Mutex<Option<Arc<Notify>>>,
    /// Whether reading takes a password that was not given yet.
    pub(crate) locked: Mutex<bool>,
    pub(crate) jobs: Mutex<Vec<Arc<watch::Sender<Report>>>>,
    pub(crate) job_begun: Notify,
    pub(crate) last_order: Mutex<Option<Order>>,
    pub(crate) last_changes: Mutex<Option<Changes>>,
    /// The near ends of the streams of figures.
    pub(crate) figures: tokio::sync::Mutex<Vec<UnixStream>>,
    pub(crate) figures_wanted: Notify,
    /// How many lines the log has, and how many of them were taken.
    pub(crate) log_lines: Mutex<u64>,
    pub(crate) log_sent: watch::Sender<u64>,
    pub(crate) log_filters: Mutex<Vec<LogFilter>>,
    pub(crate) level: Mutex<LogLevel>,
    tree: Mutex<Option<Tree>>,
}

impl Played {
    pub(crate) fn new(overviews: Vec<Overview>) -> Arc<Self> {
        Arc::new(Self { overviews: Mutex::new(overviews), ..Self::default() })
    }

    /// One instance, which is called shop.
    pub(crate) fn shop(state: InstanceState) -> Arc<Self> {
        Self::new(vec![super::overview("shop", state)])
    }

    /// Serves it; the daemon dies when what is returned is closed.
    pub(crate) async fn serve(self: &Arc<Self>, bus: &Bus) -> Connection {
        let connection = Builder::address(bus.address.as_str()).unwrap().build().await.unwrap();
        let first = self.overviews.lock().unwrap().clone();
        let tree = Tree::new(&connection, Arc::<Self>::clone(self), "user", first).await.unwrap();
        tree.claim_name().await.unwrap();
        *self.tree.lock().unwrap() = Some(tree);
        connection
    }

    pub(crate) fn tree(&self) -> Tree {
        self.tree.lock().unwrap().clone().unwrap()
    }

    pub(crate) async fn publish(&self, overviews: Vec<Overview>) {
        *self.overviews.lock().unwrap() = overviews.clone();
        self.tree().publish(overviews).await.unwrap();
    }

    /// How often any method was called.
    pub(crate) fn called(&self) -> u32 {
        self.calls.lock().unwrap().values().sum()
    }

    pub(crate) fn called_for(&self, method: &str) -> u32 {
        self.calls.lock().unwrap().get(method).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self, method: &'static str) {
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
    }

    /// Sends a frame into the streams of figures.
    pub(crate) async fn send_figures(&self, time_us: u64, name: &str) {
        let mut text = serde_json::to_vec(&MetricsLine { time_us, detail: self.detail_of(name) }).unwrap();
        text.push(b'\n');
        for stream in self.figures.lock().await.iter_mut() {
            let _ = stream.write_all(&text).await;
        }
    }

    fn detail_of(&self, name: &str) -> Detail {
        let overviews = self.overviews.lock().unwrap();
        let overview = overviews.iter().find(|one| one.name == name).cloned().unwrap_or_default();
        let runs = overview.state == InstanceState::Serving;
        let observed = Observed { generation: overview.generation, workers_ready: 2, ..Observed::default() };
        let status = Status { observed, ..Status::default() };
        let revision = self.revision.lock().unwrap().clone();
        Detail { overview, instance: runs.then_some(status), revision, ..Detail::default() }
    }

    async fn job(&self, instance: &str, kind: JobKind) -> Result<u64> {
        let password = self.password.lock().unwrap().clone();
        if let Some(password) = password {
            password.notified().await;
        }
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let report = Report { kind, instance: instance.to_owned(), state: JobState::Running, ..Report::default() };
        let sender = Arc::new(watch::Sender::new(report));
        let number = {
            let mut jobs = self.jobs.lock().unwrap();
            jobs.push(Arc::clone(&sender));
            jobs.len() as u64
        };
        self.tree().add_job(number, sender.subscribe()).await.unwrap();
        self.job_begun.notify_one();
        Ok(number)
    }

    /// The job that was begun last.
    pub(crate) fn last_job(&self) -> Arc<watch::Sender<Report>> {
        Arc::clone(self.jobs.lock().unwrap().last().unwrap())
    }

    pub(crate) fn end_job(&self, result: Result<Outcome>) {
        self.last_job().send_modify(|report| report.result = Some(result));
    }

    /// As hostlerd: whoever was asked once reads the rest without.
    async fn read(&self, caller: &Caller) -> Result<()> {
        self.answer()?;
        if !*self.locked.lock().unwrap() {
            return Ok(());
        }
        if !caller.interactive {
            return Err(Error::AuthenticationNeeded { purpose: "read it".to_owned() });
        }
        self.count("question");
        let password = self.password.lock().unwrap().clone();
        if let Some(password) = password {
            password.notified().await;
        }
        // It may be another answer by now.
        self.answer()?;
        *self.locked.lock().unwrap() = false;
        Ok(())
    }

    fn answer(&self) -> Result<()> {
        self.refusal.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A line of the log by its number.
pub(crate) fn line(number: u64) -> LogLine {
    LogLine {
        time_us: number + 1,
        priority: 6,
        message: format!("GET /item/{number} 200"),
        cursor: format!("{number}"),
        fields: [("worker".to_owned(), "1".to_owned())].into(),
        ..LogLine::default()
    }
}

async fn send_log(sent: watch::Sender<u64>, count: u64, filter: LogFilter, stream: StdStream) {
    stream.set_nonblocking(true).unwrap();
    let mut stream = UnixStream::from_std(stream).unwrap();
    let first = filter.cursor.parse::<u64>().map_or(0, |last| last + 1);
    for number in first..count {
        let mut text = serde_json::to_vec(&line(number)).unwrap();
        text.push(b'\n');
        if stream.write_all(&text).await.is_err() {
            return;
        }
        sent.send_replace(number + 1);
    }
    if filter.follow {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Daemon for Played {
    async fn list(&self, _: Caller) -> Result<Vec<Overview>> {
        self.count("list");
        Ok(self.overviews.lock().unwrap().clone())
    }
    async fn create(&self, _: Caller, name: String, changes: Changes, _: NewInstance) -> Result<u64> {
        self.count("create");
        *self.last_changes.lock().unwrap() = Some(changes);
        self.job(&name, JobKind::Create).await
    }
    async fn remove(&self, _: Caller, name: String) -> Result<u64> {
        self.count("remove");
        self.job(&name, JobKind::Remove).await
    }
    async fn schema(&self) -> Result<Vec<SettingInfo>> {
        self.count("schema");
        Ok(vec![SettingInfo { key: "workers".to_owned(), ..SettingInfo::default() }])
    }
    async fn watch(&self, _: Caller) -> Result<()> {
        self.count("watch");
        Ok(())
    }
    async fn unwatch(&self, _: Caller) -> Result<()> {
        Ok(())
    }
    async fn detail(&self, _: Caller, name: String) -> Result<Detail> {
        self.count("detail");
        Ok(self.detail_of(&name))
    }
    async fn samples(&self, _: Caller, _: String, since_us: u64) -> Result<Samples> {
        self.count("samples");
        let mut samples = Samples::default();
        samples.push(&Sample { at_us: since_us + 1, seconds: 10.0, responses_2xx: 50, ..Sample::default() });
        samples.events = vec![hostler_bus::Event { message: "started".to_owned(), ..Default::default() }];
        Ok(samples)
    }
    async fn workers(&self, _: Caller, _: String) -> Result<Vec<Worker>> {
        self.count("workers");
        Ok(vec![Worker { place: 1, pid: 2, ..Worker::default() }])
    }
    async fn requests(&self, caller: Caller, _: String) -> Result<Vec<Request>> {
        self.count(if caller.interactive { "requests, asking" } else { "requests" });
        self.read(&caller).await?;
        Ok(vec![Request { id: "a1".to_owned(), ..Request::default() }])
    }
    async fn stacks(&self, _: Caller, _: String, worker: u32) -> Result<String> {
        self.count("stacks");
        self.answer()?;
        Ok(format!("stacks of {worker}"))
    }
    async fn begin(&self, _: Caller, name: String, order: Order) -> Result<u64> {
        self.count("begin");
        let kind = match order {
            Order::Reload => JobKind::Reload,
            Order::Restart => JobKind::Restart,
            Order::Upgrade => JobKind::Upgrade,
            Order::Stop => JobKind::Stop,
            _ => JobKind::Unknown,
        };
        *self.last_order.lock().unwrap() = Some(order);
        self.job(&name, kind).await
    }
    async fn reads(&self, _: Caller, _: String) -> bool {
        true
    }
    async fn cancel(&self, _: Caller, job: u64) -> Result<()> {
        self.count("cancel");
        self.answer()?;
        self.jobs.lock().unwrap()[job as usize - 1].send_modify(|report| report.result = Some(Err(Error::Cancelled)));
        Ok(())
    }
    async fn enable(&self, _: Caller, _: String, _: bool) -> Result<()> {
        self.count("enable");
        self.answer()
    }
    async fn scale(&self, _: Caller, _: String, _: u32) -> Result<()> {
        self.count("scale");
        self.answer()
    }
    async fn recycle(&self, _: Caller, _: String, _: u32) -> Result<()> {
        self.count("recycle");
        self.answer()
    }
    async fn log_level(&self, _: Caller, _: String) -> Result<LogLevel> {
        self.answer()?;
        Ok(*self.level.lock().unwrap())
    }
    async fn set_log_level(&self, _: Caller, _: String, level: LogLevel) -> Result<()> {
        self.answer()?;
        *self.level.lock().unwrap() = level;
        Ok(())
    }
    async fn logs(&self, caller: Caller, _: String, filter: LogFilter) -> Result<OwnedFd> {
        self.count("logs");
        self.read(&caller).await?;
        self.log_filters.lock().unwrap().push(filter.clone());
        let (ours, theirs) = StdStream::pair().unwrap();
        tokio::spawn(send_log(self.log_sent.clone(), *self.log_lines.lock().unwrap(), filter, ours));
        Ok(theirs.into())
    }
    async fn read_logs(&self, caller: Caller, _: String, filter: LogFilter) -> Result<LogPage> {
        self.count("read_logs");
        self.read(&caller).await?;
        self.log_filters.lock().unwrap().push(filter.clone());
        let (count, most) = (*self.log_lines.lock().unwrap(), u64::from(filter.lines.unwrap_or(500).min(5_000)));
        // As hostlerd does: the last lines, or the first that follow the cursor.
        let numbers = match filter.cursor.parse::<u64>() {
            Ok(last) => last + 1..count.min(last + 1 + most),
            Err(_) => count.saturating_sub(most)..count,
        };
        let lines: Vec<LogLine> = numbers.map(line).collect();
        let cursor = lines.last().map_or(filter.cursor, |line| line.cursor.clone());
        self.log_sent.send_modify(|sent| *sent += lines.len() as u64);
        Ok(LogPage { lines, cursor })
    }
    async fn metrics(&self, _: Caller, _: String, _: u32) -> Result<OwnedFd> {
        self.count("metrics");
        let (ours, theirs) = StdStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        self.figures.lock().await.push(UnixStream::from_std(ours).unwrap());
        self.figures_wanted.notify_one();
        Ok(theirs.into())
    }
    async fn values(&self, caller: Caller, _: String) -> Result<(String, Vec<SettingValue>)> {
        self.count("values");
        self.read(&caller).await?;
        Ok((self.revision.lock().unwrap().clone(), Vec::new()))
    }
    async fn text(&self, caller: Caller, _: String) -> Result<(String, String)> {
        self.count("text");
        self.read(&caller).await?;
        Ok((self.revision.lock().unwrap().clone(), "workers = 2\n".to_owned()))
    }
    async fn validate(&self, caller: Caller, _: String, changes: Changes) -> Result<Vec<Problem>> {
        self.count("validate");
        self.read(&caller).await?;
        *self.last_changes.lock().unwrap() = Some(changes);
        Ok(vec![Problem { key: "workers".to_owned(), ..Problem::default() }])
    }
    async fn validate_text(&self, _: Caller, _: String, _: String) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }
    async fn history(&self, caller: Caller, _: String) -> Result<Vec<RevisionInfo>> {
        self.count("history");
        self.read(&caller).await?;
        let revision = self.revision.lock().unwrap().clone();
        Ok(vec![RevisionInfo { revision, current: true, ..RevisionInfo::default() }])
    }
}
