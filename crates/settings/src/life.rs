//! The settings of how long a worker lives, and of how the next generation takes over. Declarations only.

use std::time::Duration;

use crate::declare::settings;
use crate::values::duration::DAY;
use crate::values::name::RequestTarget;
use crate::values::size::TIB;

settings! {
    /// When workers are replaced, and when a reload is a success. A worker that is replaced serves until its replacement is ready.
    Life, "The life of workers";

    /// After how many requests a worker is replaced; 0 is never.
    max_requests: u32 = 0, range(0..=1_000_000_000);

    /// At most how many requests more, by chance, so that workers are not replaced all at once.
    max_requests_jitter: u32 = 0, range(0..=1_000_000_000);

    /// After how long a worker is replaced, in seconds; 0 is never.
    max_lifetime: Duration = Duration::ZERO, range(0..=365 * DAY);

    /// At most how much later, by chance, in seconds.
    max_lifetime_jitter: Duration = Duration::ZERO, range(0..=DAY);

    /// How much memory a worker may use until it is replaced, as its proportional share (PSS); 0 is without limit.
    /// It is looked at every few seconds.
    max_memory: u64 = 0, range(0..=TIB);

    /// How much memory a worker and its children may have until the kernel kills them; 0 is without limit.
    /// It is `memory.max` of cgroups(7), and holds only where workers have control groups of their own, as in a service of systemd with `Delegate=memory`. Well above
    /// `max_memory`, which replaces a worker without losing a request.
    memory_max: u64 = 0, range(0..=TIB);

    /// Replaces worker by worker in a reload, instead of starting all new ones beside the old.
    /// At most one worker more than usual lives at a time. While it goes on, old and new code serve side by side. If the first new worker does not get ready nothing changes; if a later
    /// one does not, those before it stay. Where more changed than new processes take up (anything but the application, its
    /// Python and surroundings, and `loop` and `lifespan`), where `ready_path` is set, and where no worker serves, all are made new
    /// at once, and the log says why.
    rolling: bool = false;

    /// Serves on when the application cannot be started, answers 503, and tries again until it can.
    /// Without it, `hostler` ends when the application cannot be started at first. Once it has served it never ends for that.
    outlive_failures: bool = false;

    /// Tells whoever asks why the application cannot be started, with its traceback. Not for the open network.
    debug: bool = false;

    /// After how long code that does not move is reported while it is stuck, in seconds; 0 is never.
    /// That is a WSGI request that moves no byte for so long and does not wait for its client, or an event loop that
    /// does not turn. The log gets one warning with the stack and the request, and the next after twice the time.
    /// The default is a third of that of `timeout`, so that it comes twice before.
    stall_warning: Duration = Duration::from_secs(10), range(0..=DAY);

    /// A path that must be answered with 2xx by a new generation, before a reload lets it serve.
    /// It is asked for with GET as it is written, percent-encoded and with a query if there is one: `/health/?full=1`.
    ready_path: Option<RequestTarget> = None;

    /// After how long without a connection the server ends, in seconds, so that the next one starts it again; 0 is never.
    /// Only where its sockets were passed by systemd, which holds them meanwhile. When systemd says that memory is short, five
    /// seconds are enough.
    exit_idle_time: Duration = Duration::ZERO, range(0..=365 * DAY);
}
