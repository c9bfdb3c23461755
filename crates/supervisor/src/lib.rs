//! The life of workers: started, watched, replaced when they die or have served their time, let go, stopped.
//!
//! Owns the processes and their channels. Knows nothing of HTTP, of settings' names, or of what the shared memory holds:
//! that is behind [`Pool`]. What to do is decided in `machine`, a pure state machine, and in `scaling`; `driver` acts on it. A
//! supervisor has one generation; what comes before and after it is somebody else's.

mod check;
mod driver;
mod ended;
mod extension;
mod groups;
mod handle;
mod keeper;
mod machine;
mod measure;
mod message;
mod options;
mod orphans;
mod pool;
mod process;
mod report;
mod scaling;
mod status;
mod tended;
mod watch;

pub use check::check;
pub use driver::Supervisor;
pub use ended::Ended;
pub use extension::Extension;
pub use groups::{Groups, OutOfMemory};
pub use handle::{Collected, Handle, NoRoom, NotServing, RollFailed, StacksError};
pub use machine::WorkerState;
pub use measure::{Vitals, family_cpu, usage, vitals};
pub use options::{Options, Recycling, Scaling};
pub use orphans::adopt_orphans;
pub use pool::{Load, Look, Pool};
pub use process::{BOOTSTRAP, STACKS_SIGNAL};
pub use report::kind;
pub use status::{
    Change, Condition, Failure, KeeperStatus, LastFailure, Notice, RecycleReason, Restarts, Strength, Usage,
    WorkerStatus,
};
