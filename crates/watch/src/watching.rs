//! The watching thread: asks the system to tell, or looks by itself now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::debounce::Debounce;
use crate::inbox::{Hint, Inbox};
use crate::tree::{Tell, Tree};
use crate::{Changed, Plan};

/// How often all files are looked at where the system does not tell.
const LOOKED_AT: Duration = Duration::from_millis(500);
/// Looking takes at most such a share of a CPU: where it takes long, it is done less often.
const SHARE: u32 = 20;

/// Watches until told to stop.
pub(crate) fn run(plan: Plan, inbox: &Arc<Inbox>, mut changed: impl FnMut(Changed)) {
    let began = Instant::now();
    let Plan { directories, files, rules, poll } = plan;
    let mut polls = poll;
    let tell = if poll { None } else { listen(inbox).inspect_err(explain).ok() };
    polls |= tell.is_none();
    let mut tree = Tree::new(rules, tell.unwrap_or_else(|| Box::new(|_| Ok(()))));
    directories.into_iter().for_each(|path| tree.add_directory(path));
    files.into_iter().for_each(|path| tree.add_file(path));
    let (directories, files) = tree.size();
    let seconds = began.elapsed().as_secs_f64();
    tracing::debug!(directories, files, seconds, polls, "watching");
    let mut debounce = Debounce::default();
    let mut took = Duration::ZERO;
    let mut last_look = Instant::now();
    loop {
        if let Some(error) = tree.take_blind() {
            explain(&error);
            tree.stop_asking();
            polls = true;
        }
        let next_look = polls.then(|| last_look + LOOKED_AT.max(took * SHARE));
        let told = inbox.wait([debounce.due(), next_look].into_iter().flatten().min());
        if told.stop {
            return;
        }
        let mut seen = Vec::new();
        if told.lost || next_look.is_some_and(|next| Instant::now() >= next) {
            let start = Instant::now();
            tree.look_at_all(&mut seen);
            last_look = Instant::now();
            took = start.elapsed();
        } else {
            told.hints.iter().for_each(|hint| tree.follow(hint, &mut seen));
        }
        for path in told.also {
            if path.is_dir() { tree.add_directory(path) } else { tree.add_file(path) }
        }
        let now = Instant::now();
        seen.into_iter().for_each(|path| debounce.note(path, now));
        if let Some(told) = debounce.take(now) {
            changed(told);
        }
    }
}

/// Has the system tell what happens in directories.
fn listen(inbox: &Arc<Inbox>) -> notify::Result<Tell<notify::Error>> {
    let inbox = Arc::clone(inbox);
    let mut watcher = RecommendedWatcher::new(move |event| hear(&inbox, event), notify::Config::default())?;
    Ok(Box::new(move |directory| watcher.watch(directory, RecursiveMode::NonRecursive)))
}

/// In the thread that reads from the system: it must not wait.
fn hear(inbox: &Inbox, event: notify::Result<Event>) {
    match event {
        // Files that are read and closed, as each import does.
        Ok(Event { kind: EventKind::Access(_), .. }) => {}
        Ok(event) if event.need_rescan() => inbox.lose(),
        // Both ends of a renaming were told before.
        Ok(Event { kind: EventKind::Modify(ModifyKind::Name(RenameMode::Both)), .. }) => {}
        Ok(Event { kind, paths, .. }) => {
            let gone = matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)));
            inbox.hint(paths.into_iter().map(|path| Hint { path, gone }));
        }
        Err(error) => {
            tracing::debug!(%error, "the system could not tell of a change");
            inbox.lose();
        }
    }
}

/// Says why the system does not tell, and what can be done.
fn explain(error: &notify::Error) {
    let limit = |name: &str| {
        let value = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).unwrap_or_default();
        format!("fs.inotify.{name}, which is {}", value.trim())
    };
    // EMFILE of inotify_init1(2).
    const TOO_MANY_OPEN: i32 = 24;
    let reason = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => format!("raise {} (sysctl)", limit("max_user_watches")),
        notify::ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY_OPEN) => {
            format!("raise {} (sysctl)", limit("max_user_instances"))
        }
        _ => format!("inotify says: {error}"),
    };
    tracing::warn!("the system does not tell of changed files, so they are looked at every now and then: {reason}");
}
