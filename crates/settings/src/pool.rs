//! The settings of workers, and of what waits for them. Declarations only.

use std::time::Duration;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::count::CountOrAuto;
use crate::values::duration::DAY;
use crate::values::size::{KIB, MIB};
use crate::values::workers::{MOST, Workers};

settings! {
    /// The processes and threads that run the application, and what waits for them.
    Pool, "Workers";

    /// How many worker processes: a number, `auto` for one a core, or `MIN..MAX` for as many as the load asks for.
    /// In a file the bounds are `{ min = 1, max = 8 }`, on the command line `1..8` or `min=1,max=8`. Within them, workers
    /// are added when requests wait in the queue, and go one a minute when one fewer would do. Memory and descriptors are
    /// set aside for the most. With a `min` of 0 all go while nobody asks anything: see `idle_timeout`.
    workers: Workers = Workers::Count(1), letter('w') range(1..=MOST) environment("WEB_CONCURRENCY");

    /// After how long without a request all workers are let go, in seconds; 0 is never.
    /// The server stays, and the next request starts them again: it waits for the import. Without it that is 15 minutes where the
    /// `min` of `workers` is 0, and never otherwise. A number of workers sleeps as well if this is set, bounds with a `min` above 0
    /// do not: that is refused. An open stream or WebSocket keeps the workers awake. When systemd says that memory is short and goes on
    /// saying so, five seconds without a request are enough.
    idle_timeout: Option<Duration> = None, range(0..=365 * DAY);

    /// How many requests a worker process runs at once, each in a thread.
    /// The event loop of an ASGI application runs any number of them in one thread, whatever is said here.
    threads: u32 = 1, range(1..=64);

    /// Whether the application is imported once, by a process that then forks the workers: the keeper.
    /// A new worker is there within milliseconds, and workers share the memory of what was imported. What the import opens and starts is
    /// shared or lost: a thread runs in no worker, and a connection would be used by all of them at once; the log names both.
    /// Open those in the hook `post_fork`, or with the first request. Functions registered with `atexit` run in each worker that ends by itself, and
    /// in the keeper.
    preload: bool = false, also("preload-app") gunicorn("preload_app");

    /// How long a request may run without giving or taking a byte, in seconds; 0 is without end.
    /// Past it the client gets 504, the log gets the stacks, and `hostler.RequestTimeout` (no `Exception`; `import hostler`)
    /// is raised where the request runs. If that does not end it within a second the worker is replaced, after its other
    /// requests. For an ASGI application it counts until the head of the answer is out: the client gets 504 and the request's
    /// task is cancelled, while the worker goes on with its others. Streams and WebSockets may be quiet for as long as they
    /// like. An event loop that is stuck is found all the same: what keeps it gets the exception, or the worker is replaced.
    /// So is a worker that runs nothing and does not come for requests, or whose process was stopped (SIGSTOP).
    timeout: Duration = Duration::from_secs(30), letter('t') range(0..=DAY) apply(Apply::Live);

    /// How long the application may take until a worker has imported it, in seconds; past it the worker is killed.
    boot_timeout: Duration = Duration::from_secs(120), range(1..=DAY) apply(Apply::Live);

    /// How long running requests may take to finish when the server stops or a worker is replaced, in seconds.
    /// Past it they are cut off; tasks of an ASGI application are cancelled, and it has two seconds more to shut down. Tasks
    /// that its requests started and did not wait for have two seconds at a stop or a reload, then they are cancelled: nobody
    /// waits for their end.
    graceful_timeout: Duration = Duration::from_secs(30), range(0..=DAY) apply(Apply::Live);

    /// How many threads serve connections; with `auto`, up to one for each core.
    router_threads: CountOrAuto = CountOrAuto::Auto, range(1..=64) apply(Apply::Restart);

    /// How many requests may run and wait for a worker at once; more are answered with 503.
    /// A stream counts as one for as long as it lasts; WebSockets are counted apart, by `limit_websockets`.
    limit_concurrency: u32 = 1024, range(1..=16_384);

    /// Shared memory for the body of each request on its way to a worker.
    /// A body of any size streams through it; it is held once for each request of `limit_concurrency`.
    request_buffer: u64 = 256 * KIB, range(16 * KIB..=16 * MIB) power_of_two();

    /// Shared memory for the answer to each request on its way to the client.
    /// An answer of any size streams through it; a worker that fills it waits for the client.
    response_buffer: u64 = 256 * KIB, range(16 * KIB..=16 * MIB) power_of_two();
}

impl Pool {
    /// Why `idle_timeout` cannot be kept; the rest of a sentence.
    pub(crate) fn stays_awake(&self) -> Option<String> {
        match (self.workers, self.idle_timeout) {
            (Workers::Between { min: min @ 1.., .. }, Some(limit)) if !limit.is_zero() => {
                Some(format!("lets all workers go, and workers has a min of {min}: only with a min of 0 all may go"))
            }
            _ => None,
        }
    }
}
