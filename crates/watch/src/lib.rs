//! Watching the files of a project: says when those that matter changed, once for many changes at a time.
//!
//! ```text
//!   inotify ──paths to look at──► inbox ──► the watching thread: what is there now, beside what was known ──► debounce ──► `changed`
//!   or a timer ──"look at all"──────────────┘
//! ```
//!
//! inotify only says where to look. Whether something changed is told by the files themselves (time, size, inode), so that events that come
//! twice, late or not at all make no difference: after an overflow everything is looked at. Knows nothing of Python but the names of its
//! files and caches.

mod debounce;
mod inbox;
mod rules;
mod tree;
mod watching;

use std::path::PathBuf;
use std::sync::Arc;

use inbox::Inbox;
pub use rules::{BadPattern, Rules};

/// What is watched, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Directories, with all that is in them. One that is not there is watched as soon as it is.
    pub directories: Vec<PathBuf>,
    /// Single files, whatever the rules say of them.
    pub files: Vec<PathBuf>,
    /// Which files of the directories matter.
    pub rules: Rules,
    /// Look at all files now and then, and do not ask the system to tell.
    pub poll: bool,
}

/// Files that changed since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// One of them: the first that was seen.
    pub path: PathBuf,
    /// How many there are, this one counted.
    pub files: usize,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    inbox: Arc<Inbox>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Looks at all files, and calls `changed` from a thread of its own when they are no longer what they were. Returns at once; what changes
    /// after it returned is told, except in a directory that the thread had not come to yet.
    ///
    /// Paths must be absolute. When the system cannot tell of changes, which is logged with what to do about it, the files are looked at
    /// every now and then.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(plan: Plan, changed: impl FnMut(Changed) + Send + 'static) -> std::io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let theirs = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("watching".to_owned())
            .spawn(move || watching::run(plan, &theirs, changed))?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    /// Watches these as well: directories with what is in them, files alone. Those it watches already make no difference.
    pub fn also(&self, paths: Vec<PathBuf>) {
        self.inbox.also(paths);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of it was told when it happened.
            let _panicked = thread.join();
        }
    }
}
