//! An instance that does nothing, and clients over its real socket and over a pair.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use async_trait::async_trait;
use futures_lite::StreamExt;
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::{
    Applied, Configured, Error, Event, EventKind, InstanceProxy, LastError, LastReload, LogLevel, Observed, Phase,
    Reloaded, Request, Result, Running, Sample, Samples, State, Status, Unreachable, Upgraded, Worker, WorkerState,
    connect, connect_over,
};

const TEST_LIMIT: Duration = Duration::from_secs(120);

struct Fake {
    condition: watch::Sender<Condition>,
    level: Mutex<LogLevel>,
    asked: Mutex<Vec<String>>,
    /// Says that a reload began, and lets it end.
    reload_began: Notify,
    reload_may_end: Notify,
    reload_ended: Mutex<Option<oneshot::Sender<()>>>,
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            condition: watch::Sender::new(Condition { state: State::Serving, generation: 3 }),
            level: Mutex::new(LogLevel::Info),
            asked: Mutex::default(),
            reload_began: Notify::new(),
            reload_may_end: Notify::new(),
            reload_ended: Mutex::default(),
        })
    }

    fn note(&self, asked: impl Into<String>) {
        self.asked.lock().unwrap().push(asked.into());
    }
}

fn status() -> Status {
    Status {
        configured: Configured {
            name: "shop".to_owned(),
            application: "shop.wsgi:application".to_owned(),
            binds: vec!["http://127.0.0.1:8000".to_owned(), "unix:/run/shop.sock".to_owned()],
            workers_min: 0,
            workers_max: 8,
            threads: 2,
            interface: "wsgi".to_owned(),
            error_log: "journal".to_owned(),
            settings_file: Some("/etc/hostler/shop.toml".to_owned()),
        },
        observed: Observed {
            state: State::Reloading,
            since_us: 1_700_000_000_000_000,
            pid: 77,
            version: "0.1.0".to_owned(),
            python: "3.11.2".to_owned(),
            event_loop: None,
            generation: 3,
            last_reload: Some(LastReload {
                at_us: 5,
                succeeded: false,
                generation: 4,
                seconds: 1.5,
                message: "no\0ne".to_owned(),
            }),
            workers_ready: 2,
            workers_wanted: 3,
            requests_per_second: 12.5,
            p99_us: 9_000,
            memory_bytes: 5 << 30,
            cpu_seconds: 1.5,
            framework: "Flask".to_owned(),
            last_error: Some(LastError { at_us: 6, message: "it\0 failed".to_owned() }),
            restarts: [("crashed".to_owned(), 2)].into(),
            responses: [("2xx".to_owned(), 40), ("5xx".to_owned(), 1)].into(),
            events: vec![Event {
                kind: EventKind::WorkerDied,
                at_us: 4,
                generation: 3,
                message: "worker 1\0 died".to_owned(),
            }],
            ..Observed::default()
        },
    }
}

fn worker() -> Worker {
    Worker {
        place: 1,
        pid: 88,
        state: WorkerState::Busy,
        restarts: [("crashed".to_owned(), 2)].into(),
        cpu_seconds: 0.25,
        running: Some(Running { method: "GET".to_owned(), age_us: 12, ..Running::default() }),
        ..Worker::default()
    }
}

#[async_trait]
impl Control for Fake {
    fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    async fn status(&self) -> Result<Status> {
        Ok(status())
    }

    async fn samples(&self, since_us: u64) -> Result<Samples> {
        let mut samples = Samples::default();
        samples.push(&Sample { at_us: since_us + 1, seconds: 10.0, generation: 3, ..Sample::default() });
        samples.events = status().observed.events;
        Ok(samples)
    }

    async fn apply_settings(&self) -> Result<Applied> {
        Ok(Applied { in_effect: vec!["timeout".to_owned()], ..Applied::default() })
    }

    async fn workers(&self) -> Result<Vec<Worker>> {
        Ok(vec![Worker::default(), worker()])
    }

    async fn requests(&self) -> Result<Vec<Request>> {
        Ok(vec![Request { worker: Some(1), phase: Phase::Queued, ..Request::default() }, Request::default()])
    }

    async fn stacks(&self, worker: u32) -> Result<String> {
        if worker == 1 { Ok("File \"é\0.py\"".to_owned()) } else { Err(Error::NoWorker { worker }) }
    }

    async fn reload(&self) -> Result<Reloaded> {
        self.reload_began.notify_one();
        self.reload_may_end.notified().await;
        if let Some(ended) = self.reload_ended.lock().unwrap().take() {
            let _ = ended.send(());
        }
        Err(Error::ReloadFailed {
            reason: "it does not import".to_owned(),
            traceback: "Traceback\0…\nSyntaxError".to_owned(),
        })
    }

    async fn rollback(&self) -> Result<Reloaded> {
        Ok(Reloaded { generation: 2, seconds: 0.5 })
    }

    async fn cancel_reload(&self) -> Result<()> {
        Ok(())
    }

    async fn upgrade(&self) -> Result<Upgraded> {
        Ok(Upgraded { pid: 4712, seconds: 1.5, version: "1.2.3".to_owned() })
    }

    async fn scale(&self, workers: u32) -> Result<()> {
        self.note(format!("scale {workers}"));
        if workers > 8 { Err(Error::Refused { reason: "8 at most".to_owned() }) } else { Ok(()) }
    }

    async fn recycle(&self, worker: u32) -> Result<()> {
        self.note(format!("recycle {worker}"));
        Ok(())
    }

    async fn log_level(&self) -> Result<LogLevel> {
        Ok(*self.level.lock().unwrap())
    }

    async fn set_log_level(&self, level: LogLevel) -> Result<()> {
        *self.level.lock().unwrap() = level;
        Ok(())
    }

    async fn metrics(&self) -> Result<String> {
        panic!("a metric that cannot be had")
    }
}

/// Runs a test on one thread, as the instance's own runtime is, within a limit.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(TEST_LIMIT, test).await.expect("the test took too long") });
}

/// All calls, over whatever carries them.
async fn all_calls(instance: &InstanceProxy<'_>, fake: &Fake) {
    let told = instance.status().await.unwrap();
    let mut expected = status();
    expected.observed.last_reload.as_mut().unwrap().message = "no\u{FFFD}ne".to_owned();
    expected.observed.last_error.as_mut().unwrap().message = "it\u{FFFD} failed".to_owned();
    expected.observed.events[0].message = "worker 1\u{FFFD} died".to_owned();
    assert_eq!(told, expected);
    let samples = instance.samples(41).await.unwrap();
    assert_eq!((samples.get(0).unwrap().at_us, samples.events), (42, expected.observed.events));
    assert_eq!(instance.apply_settings().await.unwrap().in_effect, ["timeout"]);
    assert_eq!(instance.workers().await.unwrap(), [Worker::default(), worker()]);
    let requests = instance.requests().await.unwrap();
    assert_eq!((requests[0].worker, requests[0].phase), (Some(1), Phase::Queued));
    assert_eq!(requests[1], Request::default());
    assert_eq!(instance.stacks(1).await.unwrap(), "File \"é\u{FFFD}.py\"");
    assert_eq!(instance.stacks(9).await, Err(Error::NoWorker { worker: 9 }));
    assert_eq!(instance.rollback().await, Ok(Reloaded { generation: 2, seconds: 0.5 }));
    assert_eq!(instance.upgrade().await, Ok(Upgraded { pid: 4712, seconds: 1.5, version: "1.2.3".to_owned() }));
    assert_eq!(instance.scale(4).await, Ok(()));
    assert_eq!(instance.scale(9).await, Err(Error::Refused { reason: "8 at most".to_owned() }));
    assert_eq!(instance.recycle(1).await, Ok(()));
    assert_eq!(*fake.asked.lock().unwrap(), ["scale 4", "scale 9", "recycle 1"]);
    assert_eq!(instance.log_level().await, Ok(LogLevel::Info));
    instance.set_log_level(LogLevel::Debug).await.unwrap();
    assert_eq!(instance.log_level().await, Ok(LogLevel::Debug));
    assert!(matches!(instance.set_log_level(LogLevel::Unknown).await, Err(Error::Refused { .. })));
    assert!(matches!(instance.metrics().await, Err(Error::Internal { .. })), "a panic is an answer");
    assert_eq!(instance.state().await.unwrap(), "serving");
    assert_eq!(instance.generation().await.unwrap(), 3);
    assert_eq!(instance.version().await.unwrap(), env!("CARGO_PKG_VERSION"));
    // Another call is answered while a reload is under way.
    let reload = async { instance.reload().await };
    let meanwhile = async {
        fake.reload_began.notified().await;
        assert_eq!(instance.rollback().await.unwrap().generation, 2);
        fake.reload_may_end.notify_one();
    };
    let (failed, ()) = tokio::join!(reload, meanwhile);
    let traceback = "Traceback\u{FFFD}…\nSyntaxError".to_owned();
    assert_eq!(failed, Err(Error::ReloadFailed { reason: "it does not import".to_owned(), traceback }));
    let other = instance.inner().call_method("Dance", &()).await.unwrap_err();
    assert!(matches!(Error::from(other), Error::OtherVersion { .. }));
}

#[test]
fn every_call_over_a_pair() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let fake = Fake::new();
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(talk(ours, fake.clone(), stopped));
        let instance = connect_over(theirs).await.unwrap();
        all_calls(&instance, &fake).await;
        stop.send_replace(true);
        served.await.unwrap();
    });
}

#[test]
fn every_call_over_the_socket_and_nothing_is_left() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let fake = Fake::new();
        let server = serve(&path, fake.clone()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let instance = connect(&path).await.unwrap();
        all_calls(&instance, &fake).await;
        server.stop().await;
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(matches!(instance.rollback().await, Err(Error::Lost(_))));
        assert!(matches!(connect(&path).await, Err(Unreachable::NotThere(_))));
    });
}

#[test]
fn changes_are_signalled() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let fake = Fake::new();
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(talk(ours, fake.clone(), stopped));
        let instance = connect_over(theirs).await.unwrap();
        assert_eq!(instance.state().await.unwrap(), "serving");
        let mut states = instance.receive_state_changed().await.skip(1);
        let mut generations = instance.receive_generation_changed().await.skip(1);
        fake.condition.send_replace(Condition { state: State::Reloading, generation: 3 });
        assert_eq!(states.next().await.unwrap().get().await.unwrap(), "reloading");
        fake.condition.send_replace(Condition { state: State::Serving, generation: 4 });
        assert_eq!(generations.next().await.unwrap().get().await.unwrap(), 4);
        assert_eq!(states.next().await.unwrap().get().await.unwrap(), "serving");
    });
}

#[test]
fn a_client_that_hangs_up_does_not_end_its_reload() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let fake = Fake::new();
        let (ended, reload_ended) = oneshot::channel();
        *fake.reload_ended.lock().unwrap() = Some(ended);
        let server = serve(&path, fake.clone()).unwrap();
        let instance = connect(&path).await.unwrap();
        tokio::select! {
            _ = instance.reload() => panic!("it was not to end yet"),
            () = fake.reload_began.notified() => {}
        }
        instance.inner().connection().clone().close().await.unwrap();
        drop(instance);
        let another = connect(&path).await.unwrap();
        assert_eq!(another.rollback().await.unwrap().generation, 2);
        fake.reload_may_end.notify_one();
        reload_ended.await.unwrap();
        drop(another);
        server.stop().await;
    });
}

#[test]
fn a_stop_lets_an_answer_out() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let fake = Fake::new();
        let server = serve(&path, fake.clone()).unwrap();
        let instance = connect(&path).await.unwrap();
        let stop = async {
            fake.reload_began.notified().await;
            let end = async { fake.reload_may_end.notify_one() };
            tokio::join!(server.stop(), end);
        };
        let (answer, ()) = tokio::join!(instance.reload(), stop);
        assert!(matches!(answer, Err(Error::ReloadFailed { .. })), "{answer:?}");
    });
}

#[test]
fn who_may_not_is_refused() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let own_user = 1000;
        type PeerUser = fn(&UnixStream) -> io::Result<u32>;
        let cases: [(PeerUser, bool); 4] = [
            (|_| Ok(1000), true),
            (|_| Ok(0), true),
            (|_| Ok(1001), false),
            (|_| Err(io::Error::other("unknown")), false),
        ];
        for (peer_user, admitted) in cases {
            let server = serve_as(&path, Fake::new(), Admission { own_user, peer_user }).unwrap();
            match connect(&path).await {
                Ok(instance) => assert!(admitted && instance.rollback().await.is_ok()),
                Err(error) => assert!(!admitted && matches!(error, Unreachable::HungUp(_)), "{error}"),
            }
            server.stop().await;
        }
    });
}

#[test]
fn one_path_has_one_server() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        // What an instance leaves that was killed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = connect(&path).await.unwrap_err();
        assert!(matches!(error, Unreachable::NobodyAnswers(_)), "{error}");
        let server = serve(&path, Fake::new()).unwrap();
        let second = serve(&path, Fake::new()).unwrap_err();
        assert!(matches!(second, NotServed::Bind(_)), "{second}");
        assert!(connect(&path).await.unwrap().rollback().await.is_ok(), "the first is not disturbed");
        drop(server);
        assert!(!path.exists());
    });
}

#[test]
fn clients_beyond_the_limit_are_hung_up_on_and_places_come_back() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let server = serve(&path, Fake::new()).unwrap();
        let mut clients = Vec::new();
        for _ in 0..CONNECTION_LIMIT {
            clients.push(connect(&path).await.unwrap());
        }
        let error = connect(&path).await.unwrap_err();
        assert!(error.to_string().ends_with("to 16 clients at once"), "{error}");
        let gone = clients.pop().unwrap();
        let connection = gone.inner().connection().clone();
        drop(gone);
        connection.graceful_shutdown().await;
        while connect(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    });
}

#[test]
fn other_versions_understand_each_other() {
    use std::collections::HashMap;

    use zbus::zvariant::{LE, Value, serialized::Context, to_bytes};
    let context = Context::new_dbus(LE, 0);
    let newer: HashMap<&str, Value<'_>> = [
        ("place", Value::from(4_u32)),
        ("state", Value::from("dancing")),
        ("colours", Value::from(vec!["red"])),
        ("mood", Value::from(HashMap::from([("good", Value::from(1_u8))]))),
    ]
    .into();
    let bytes = to_bytes(context, &newer).unwrap();
    let read: Worker = bytes.deserialize().unwrap().0;
    assert_eq!(read, Worker { place: 4, state: WorkerState::Unknown, ..Worker::default() });
}

#[test]
fn json_is_plain() {
    let text = serde_json::to_string(&worker()).unwrap();
    assert!(text.starts_with(r#"{"place":1,"pid":88,"generation":0,"state":"busy","since_us":0,"#), "{text}");
    assert_eq!(serde_json::from_str::<Worker>(&text).unwrap(), worker());
    assert_eq!(serde_json::from_str::<Status>(&serde_json::to_string(&status()).unwrap()).unwrap(), status());
}
