//! The life of real processes that do not die by themselves: recycled, scaled, measured, asked, put to sleep, broken and healed.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

mod fake;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fake::{PATIENCE, Running, SERVE, kill, options, python, set};
use hostler_supervisor::{
    Change, Collected, Condition, Failure, Load, NoRoom, NotServing, Notice, Options, RecycleReason, Recycling,
    Restarts, Scaling, StacksError, WorkerState, WorkerStatus,
};
use tokio::sync::broadcast::Receiver;

/// Ends the test, said by name, when there is no Python.
macro_rules! python_or_skip {
    ($test:literal) => {
        match python($test) {
            Some(python) => python,
            None => return,
        }
    };
}

/// Writes its stacks as a worker does: as a record, on the signal for it.
const TELLS_STACKS: &str = r#"
def tell(*_):
    send({"log": {"severity": "warning", "message": "the Python stacks of a worker that runs nothing", "detail": "File x", "request_id": None}})
signal.signal(int(os.environ["STACKS"]), tell)
ready()
receive()
"#;

fn with_places(options: Options) -> Options {
    Options { places: options.workers * 2, ..options }
}

fn is_ready(worker: &WorkerStatus) -> bool {
    worker.state == WorkerState::Ready
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    tokio::time::timeout(PATIENCE, changes.recv()).await.expect("a change in time").expect("a change")
}

#[tokio::test]
async fn a_recycled_worker_goes_when_its_replacement_is_ready() {
    let python = python_or_skip!("a_recycled_worker_goes_when_its_replacement_is_ready");
    let mut running = Running::start(with_places(options(&python, 2, SERVE)));
    running.until(|notice| *notice == Notice::AllReady).await;
    assert_eq!(running.handle.recycle(0).await, Ok(()));
    assert_eq!(running.handle.workers()[0].recycling, Some(RecycleReason::ByHand));
    assert_eq!(running.handle.recycle(3).await, Err(NotServing { worker: 3 }));
    running.observe("the old one gone", |workers| workers[0].pid.is_none()).await;
    let workers = running.handle.workers();
    assert_eq!(workers.iter().map(is_ready).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(running.handle.restarts(), Restarts { by_hand: 1, ..Restarts::default() });
    assert_eq!(running.handle.strength().ready, 2);
    let calls = running.stop(true).await;
    let place = |wanted: &str| calls.iter().position(|call| call == wanted).unwrap();
    assert!(place("prepare 2") < place("retire 0"), "{calls:?}");
}

#[tokio::test]
async fn a_worker_that_served_its_requests_or_grew_is_replaced() {
    let python = python_or_skip!("a_worker_that_served_its_requests_or_grew_is_replaced");
    for memory in [false, true] {
        let recycling = Recycling {
            max_requests: (!memory).then_some(100),
            max_memory: memory.then_some(1),
            ..Recycling::default()
        };
        let mut running = Running::start(Options { recycling, ..with_places(options(&python, 1, SERVE)) });
        running.until(|notice| *notice == Notice::AllReady).await;
        running.pool.served.store(100, Ordering::SeqCst);
        running.observe("a reason", |workers| workers[0].recycling.is_some()).await;
        let reason = running.handle.workers()[0].recycling.unwrap();
        match reason {
            RecycleReason::MaxRequests { served: 100, limit: 100 } => assert!(!memory),
            RecycleReason::MaxMemory { limit: 1, .. } => assert!(memory),
            other => panic!("{other:?}"),
        }
        running.pool.served.store(0, Ordering::SeqCst);
        running.observe("the old one gone", |workers| workers[0].pid.is_none() && is_ready(&workers[1])).await;
        let restarts = running.handle.restarts();
        assert_eq!((restarts.max_requests, restarts.max_memory), (u64::from(!memory), u64::from(memory)));
        running.stop(true).await;
    }
}

#[tokio::test]
async fn the_number_is_changed_by_hand() {
    let python = python_or_skip!("the_number_is_changed_by_hand");
    let mut running = Running::start(Options { places: 4, ..options(&python, 1, SERVE) });
    running.until(|notice| *notice == Notice::AllReady).await;
    assert_eq!(running.handle.scale(2).await, Ok(()));
    running.observe("two", |workers| workers.iter().filter(|worker| is_ready(worker)).count() == 2).await;
    for refused in [0, 4, 100] {
        assert_eq!(running.handle.scale(refused).await, Err(NoRoom { most: 3 }), "one place is kept");
        assert_eq!(running.handle.strength().wanted, 2, "nothing changes");
    }
    assert_eq!(running.handle.scale(3).await, Ok(()));
    running.observe("three", |workers| workers.iter().filter(|worker| is_ready(worker)).count() == 3).await;
    assert_eq!(running.handle.scale(1).await, Ok(()));
    running.observe("one", |workers| workers.iter().filter(|worker| worker.pid.is_some()).count() == 1).await;
    assert!(is_ready(&running.handle.workers()[0]), "the oldest stays");
    assert_eq!(running.handle.strength().reason, "set by hand");
    assert_eq!(running.handle.restarts(), Restarts::default());
    running.stop(true).await;
}

#[tokio::test]
async fn nobody_asks_and_it_sleeps_until_it_is_woken() {
    let python = python_or_skip!("nobody_asks_and_it_sleeps_until_it_is_woken");
    let mut running = Running::start(Options {
        scaling: Some(Scaling { min: 0, max: 2 }),
        idle_timeout: Some(Duration::from_millis(100)),
        ..with_places(options(&python, 2, SERVE))
    });
    let mut changes = running.handle.changes();
    let long_ago = Load { last_activity: Some(Instant::now()), ..Load::default() };
    running.pool.load.lock().unwrap().push_back(long_ago.clone());
    running.until(|notice| *notice == Notice::AllReady).await;
    running.handle.wake();
    assert_eq!(next(&mut changes).await, Change::Asleep);
    running.observe("all gone", |workers| workers.iter().all(|worker| worker.pid.is_none())).await;
    assert_eq!(running.handle.condition(), Condition::Asleep);

    // Now somebody is there; and then, in the very moment of falling asleep, a request comes that nobody wakes anybody for.
    running.pool.load.lock().unwrap().extend([Load { queued: 1, ..long_ago }]);
    running.handle.wake();
    running.handle.wake();
    assert_eq!(next(&mut changes).await, Change::Awake);
    assert_eq!(running.handle.condition(), Condition::Serving);
    assert_eq!(running.handle.strength().wanted, 1);
    let last = running.pool.load.lock().unwrap().back().cloned().unwrap();
    running.pool.load.lock().unwrap().push_front(Load { queued: 0, ..last });
    assert_eq!(next(&mut changes).await, Change::Asleep);
    assert_eq!(next(&mut changes).await, Change::Awake);
    running.stop(true).await;
    assert!(changes.recv().await.is_err(), "closed after the end");
}

#[tokio::test]
async fn what_processes_use_is_measured_when_asked() {
    let python = python_or_skip!("what_processes_use_is_measured_when_asked");
    let mut running = Running::start(options(&python, 2, SERVE));
    running.until(|notice| *notice == Notice::AllReady).await;
    assert!(running.handle.workers().iter().all(|worker| worker.usage.is_none()));
    let (first, second) = tokio::join!(running.handle.sample(), running.handle.sample());
    for worker in &first {
        let usage = worker.usage.unwrap();
        assert!(usage.memory.is_none_or(|memory| memory > 500_000), "{usage:?}");
    }
    assert_eq!(first, second);
    assert_eq!(running.handle.sample().await[0].usage, first[0].usage, "not so soon again");
    let handle = running.handle.clone();
    running.stop(true).await;
    assert!(handle.sample().await.iter().all(|worker| worker.usage.is_none()));
}

#[tokio::test]
async fn a_worker_tells_its_stacks_and_lives_on() {
    let python = python_or_skip!("a_worker_tells_its_stacks_and_lives_on");
    let mut tells = options(&python, 1, TELLS_STACKS);
    set(&mut tells, "STACKS", hostler_supervisor::STACKS_SIGNAL.to_string());
    let mut running = Running::start(with_places(tells));
    running.until(|notice| *notice == Notice::AllReady).await;
    let pid = running.pid(0);
    let text = "the Python stacks of a worker that runs nothing\nFile x".to_owned();
    let (first, second) = tokio::join!(running.handle.stacks(0), running.handle.stacks(0));
    assert_eq!((first, second), (Ok(text.clone()), Ok(text.clone())));
    assert_eq!(running.handle.stacks(0).await, Ok(text));
    assert_eq!(running.pid(0), pid);
    assert_eq!(running.handle.stacks(1).await, Err(NotServing { worker: 1 }.into()));
    running.stop(true).await;

    // One that has not registered the signal is ended by it.
    let mut running = Running::start(options(&python, 1, SERVE));
    running.until(|notice| *notice == Notice::AllReady).await;
    assert_eq!(running.handle.stacks(0).await, Err(StacksError::Ended { worker: 0 }));
    running.stop(false).await;
}

#[tokio::test]
async fn what_is_broken_is_told_once_and_heals_by_itself() {
    let python = python_or_skip!("what_is_broken_is_told_once_and_heals_by_itself");
    let directory = tempfile::tempdir().unwrap();
    let program = r#"
if not os.path.exists("fixed"):
    send({"failed": {"message": "no module named site", "traceback": "Traceback: ..."}})
    sys.exit(1)
ready()
receive()
"#;
    let mut options = options(&python, 2, program);
    options.directory = directory.path().to_owned();
    options.outlive_failures = true;
    let mut running = Running::start(with_places(options));
    let mut changes = running.handle.changes();
    let failure = Failure::Import { message: "no module named site".into(), traceback: Some("Traceback: ...".into()) };
    assert_eq!(next(&mut changes).await, Change::Broken { failure: failure.clone() });
    assert_eq!(running.handle.condition(), Condition::Broken { failure });
    let failed = |worker: &WorkerStatus| worker.last_failure.clone().map(|last| (last.message, last.traceback));
    let last = running.handle.workers().iter().find_map(failed);
    assert_eq!(last, Some(("no module named site".into(), Some("Traceback: ...".into()))));
    std::fs::write(directory.path().join("fixed"), "").unwrap();
    assert_eq!(next(&mut changes).await, Change::Healed);
    running.until(|notice| *notice == Notice::AllReady).await;
    assert!(running.handle.restarts().failed_at_boot >= 5);
    running.stop(true).await;
}

/// Collects its garbage when it is asked to; the second worker never gets around to it.
const COLLECTS: &str = r#"
ready()
while message := receive():
    if message == "stop":
        break
    if message == "collect" and start["worker"] == 0:
        send({"collected": {"objects": 5, "before": 3000, "after": 1000}})
"#;

#[tokio::test]
async fn who_serves_is_asked_to_collect_garbage_and_who_is_late_is_not_waited_for() {
    let python = python_or_skip!("who_serves_is_asked_to_collect_garbage_and_who_is_late_is_not_waited_for");
    let mut running = Running::start(options(&python, 2, COLLECTS));
    running.until(|notice| *notice == Notice::AllReady).await;
    // The one that is late is waited for as long as this: the other has all of it to get a processor.
    let collected = running.handle.collect(Duration::from_secs(10)).await;
    assert_eq!(collected, [Collected { worker: 0, objects: 5, before: 3000, after: 1000 }]);
    // Who dies meanwhile is not waited for either.
    let began = Instant::now();
    let dies = running.pid(1).unwrap();
    // It is asked first: the order of a join is that of its arguments.
    let (collected, ()) = tokio::join!(running.handle.collect(PATIENCE), async { kill(dies) });
    assert_eq!(collected.len(), 1);
    assert!(began.elapsed() < PATIENCE);
    running.stop(true).await;
}
