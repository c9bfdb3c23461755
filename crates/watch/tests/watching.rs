//! The whole of it, with the system's own events and without them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hostler_watch::{Changed, Plan, Rules, Watch};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watched {
    watch: Watch,
    changes: Receiver<Changed>,
    root: PathBuf,
    _directory: tempfile::TempDir,
}

/// An empty project that is watched: the first change was told.
fn watched(poll: bool) -> Watched {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let (tell, changes) = channel();
    let plan = Plan { directories: vec![root.clone()], files: Vec::new(), rules: Rules::default(), poll };
    let watch = Watch::start(plan, move |changed| tell.send(changed).unwrap()).unwrap();
    let watched = Watched { watch, changes, root, _directory: directory };
    // Before this is told the thread may not have come to the project yet, and then it is no change: so it is written until it is one.
    let first = watched.root.join("first.py");
    for size in 1.. {
        fs::write(&first, "#".repeat(size)).unwrap();
        if watched.changes.recv_timeout(Duration::from_millis(100)).is_ok() {
            break;
        }
        assert!(size < 600, "nothing is told");
    }
    // With one that came later, alone or together with the first, all is told: the last writing of the first, too.
    let second = watched.root.join("second.py");
    save_by_renaming(&second, "one");
    loop {
        let told = watched.next();
        if told.path == second || told.files == 2 {
            return watched;
        }
    }
}

impl Watched {
    fn next(&self) -> Changed {
        self.changes.recv_timeout(PATIENCE).unwrap()
    }
}

fn save_by_renaming(path: &Path, text: &str) {
    let beside = path.with_extension("tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn changes_are_told() {
    for poll in [false, true] {
        let watched = watched(poll);
        let app = watched.root.join("app.py");
        save_by_renaming(&app, "one");
        assert_eq!(watched.next(), Changed { path: app.clone(), files: 1 });
        // What does not matter is not told: the next thing told is the next that does.
        fs::write(watched.root.join("notes.txt"), "one").unwrap();
        fs::create_dir(watched.root.join("__pycache__")).unwrap();
        fs::write(watched.root.join("__pycache__/app.py"), "one").unwrap();
        let deep = watched.root.join("a/b/c/deep.py");
        fs::create_dir_all(deep.parent().unwrap()).unwrap();
        fs::write(&deep, "one").unwrap();
        assert_eq!(watched.next().path, deep);
        fs::remove_dir_all(watched.root.join("a")).unwrap();
        assert_eq!(watched.next().path, deep);
        fs::create_dir_all(deep.parent().unwrap()).unwrap();
        fs::write(&deep, "one").unwrap();
        assert_eq!(watched.next().path, deep);
    }
}

#[test]
fn a_checkout_is_one_change() {
    let watched = watched(false);
    for number in 0..500 {
        fs::write(watched.root.join(format!("m{number}.py")), "one").unwrap();
    }
    let (mut files, mut parts) = (0, 0);
    while files < 500 {
        files += watched.next().files;
        parts += 1;
    }
    // Whoever writes may get no processor for longer than changes have to be quiet.
    assert!(parts < 20, "in few parts, even where writing is slow: {parts}");
}

#[test]
fn what_is_added_later_is_watched() {
    let watched = watched(false);
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().canonicalize().unwrap();
    watched.watch.also(vec![elsewhere.clone(), watched.root.clone()]);
    let module = elsewhere.join("module.py");
    for size in 1..600 {
        fs::write(&module, "#".repeat(size)).unwrap();
        if let Ok(told) = watched.changes.recv_timeout(Duration::from_millis(100)) {
            assert_eq!(told.path, module);
            return;
        }
    }
    panic!("nothing is told");
}
