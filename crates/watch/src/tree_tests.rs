//! What happens to files, and what is seen of it: with the system's hints taken away, so that each step is looked at by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use super::*;

struct Project {
    _directory: tempfile::TempDir,
    root: PathBuf,
    tree: Tree<&'static str>,
    asked: Arc<Mutex<Vec<PathBuf>>>,
}

impl Project {
    /// A project of these files, watched.
    fn new(files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("project");
        fs::create_dir(&root).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&asked);
        let tell: Tell<&'static str> = Box::new(move |path| {
            theirs.lock().unwrap().push(path.to_owned());
            Ok(())
        });
        let mut project = Self { _directory: directory, tree: Tree::new(Rules::default(), tell), root, asked };
        files.iter().for_each(|file| project.write(file, "one"));
        project.tree.add_directory(project.root.clone());
        project
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What is seen when something happened at these places; a `-` before a place says that it went away.
    fn seen(&mut self, places: &[&str]) -> Vec<String> {
        let mut changed = Vec::new();
        for place in places {
            let (place, gone) = place.strip_prefix('-').map_or((*place, false), |place| (place, true));
            self.tree.follow(&Hint { path: self.root.join(place), gone }, &mut changed);
        }
        self.short(changed)
    }

    fn seen_at_all(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        self.tree.look_at_all(&mut changed);
        self.short(changed)
    }

    fn short(&self, changed: Vec<PathBuf>) -> Vec<String> {
        let mut short: Vec<String> =
            changed.iter().map(|path| path.strip_prefix(&self.root).unwrap_or(path).display().to_string()).collect();
        short.sort();
        short
    }

    fn asks(&self, directory: &str) -> bool {
        let path = if directory.is_empty() { self.root.clone() } else { self.root.join(directory) };
        self.asked.lock().unwrap().contains(&path)
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_changed_file_is_seen_once() {
    let mut project = Project::new(&["app.py", "a/b.py"]);
    assert_eq!(project.seen(&["app.py"]), NOTHING, "it is what it was");
    project.write("app.py", "two, longer");
    assert_eq!(project.seen(&["app.py", "app.py"]), ["app.py"]);
    assert_eq!(project.seen(&["notes.txt", "app.pyc"]), NOTHING);
}

#[test]
fn a_file_that_is_touched_changed_and_one_whose_mode_changed_did_not() {
    use std::os::unix::fs::PermissionsExt;
    let mut project = Project::new(&["app.py"]);
    let path = project.root.join("app.py");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(project.seen(&["app.py"]), NOTHING);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(project.seen(&["app.py"]), ["app.py"]);
}

#[test]
fn a_file_saved_by_renaming_or_made_anew_changed() {
    let mut project = Project::new(&["app.py"]);
    project.write("app.py.tmp", "one");
    fs::rename(project.root.join("app.py.tmp"), project.root.join("app.py")).unwrap();
    assert_eq!(project.seen(&["-app.py.tmp", "app.py"]), ["app.py"], "of the same size");
    fs::remove_file(project.root.join("app.py")).unwrap();
    assert_eq!(project.seen(&["-app.py"]), ["app.py"]);
    project.write("app.py", "one");
    assert_eq!(project.seen(&["app.py"]), ["app.py"]);
}

#[test]
fn new_directories_are_watched_with_what_is_in_them() {
    let mut project = Project::new(&["app.py"]);
    project.write("new/deep/a.py", "one");
    assert_eq!(project.seen(&["new"]), ["new/deep/a.py"]);
    assert!(project.asks("new") && project.asks("new/deep"));
    project.write("new/deep/b.py", "one");
    assert_eq!(project.seen(&["new/deep/b.py"]), ["new/deep/b.py"]);
}

#[test]
fn a_directory_that_went_away_and_came_back_is_watched_again() {
    let mut project = Project::new(&["app.py", "a/x.py", "a/b/y.py"]);
    fs::rename(project.root.join("a"), project.root.join("z")).unwrap();
    assert_eq!(project.seen(&["-a", "z"]), ["a/b/y.py", "a/x.py", "z/b/y.py", "z/x.py"]);
    project.asked.lock().unwrap().clear();
    project.write("a/x.py", "one");
    assert_eq!(project.seen(&["a"]), ["a/x.py"]);
    assert!(project.asks("a"));
    // The same inode, or one that is used again.
    fs::remove_dir_all(project.root.join("a")).unwrap();
    project.write("a/x.py", "one");
    project.asked.lock().unwrap().clear();
    project.seen(&["-a", "a"]);
    assert!(project.asks("a"));
}

#[test]
fn the_project_itself_may_be_replaced() {
    let mut project = Project::new(&["app.py"]);
    assert!(project.asked.lock().unwrap().contains(&project.root.parent().unwrap().to_owned()), "its place is watched");
    fs::remove_dir_all(&project.root).unwrap();
    assert_eq!(project.seen(&["-"]), ["app.py"]);
    project.write("app.py", "one");
    project.write("more.py", "one");
    assert_eq!(project.seen(&[""]), ["app.py", "more.py"]);
    assert_eq!(project.seen(&["app.py"]), NOTHING);
}

#[test]
fn links_are_followed_and_circles_are_not() {
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().canonicalize().unwrap();
    fs::create_dir(outside.join("lib")).unwrap();
    fs::write(outside.join("lib/l.py"), "one").unwrap();
    fs::write(outside.join("one.py"), "one").unwrap();
    let mut project = Project::new(&["app.py"]);
    symlink(outside.join("lib"), project.root.join("lib")).unwrap();
    symlink(outside.join("one.py"), project.root.join("one.py")).unwrap();
    symlink(&project.root, project.root.join("again")).unwrap();
    assert_eq!(project.seen_at_all(), ["lib/l.py", "one.py"]);
    assert!(project.asked.lock().unwrap().contains(&outside), "where the link leads");
    fs::write(outside.join("one.py"), "two, longer").unwrap();
    let place = outside.join("one.py").display().to_string();
    assert_eq!(project.seen(&[&place]), ["one.py"]);
    // A link that leads elsewhere: another release.
    fs::create_dir(outside.join("lib2")).unwrap();
    fs::write(outside.join("lib2/m.py"), "one").unwrap();
    symlink(outside.join("lib2"), project.root.join("next")).unwrap();
    fs::rename(project.root.join("next"), project.root.join("lib")).unwrap();
    assert_eq!(project.seen(&["-next", "lib"]), ["lib/l.py", "lib/m.py"]);
}

#[test]
fn a_directory_that_two_paths_lead_to_is_told_of_under_one_and_seen_under_both() {
    let mut project = Project::new(&["app.py", "real.py"]);
    let place = project.root.parent().unwrap().join("current");
    symlink(&project.root, &place).unwrap();
    // A single file by the other path, and a link within the project.
    fs::write(project.root.join("settings.toml"), "one").unwrap();
    project.tree.add_file(place.join("settings.toml"));
    assert!(!project.asked.lock().unwrap().contains(&place), "the system would tell under this path only");
    fs::write(project.root.join("settings.toml"), "two, longer").unwrap();
    assert_eq!(project.seen(&["settings.toml"]), [place.join("settings.toml").display().to_string()]);
    symlink("real.py", project.root.join("link.py")).unwrap();
    assert_eq!(project.seen_at_all(), ["link.py"]);
    project.write("real.py", "two, longer");
    assert_eq!(project.seen(&["real.py"]), ["link.py", "real.py"]);
    assert_eq!(project.seen_at_all(), NOTHING);
}

#[test]
fn what_nobody_told_is_found_by_looking_at_all() {
    let mut project = Project::new(&["app.py", "a/x.py", "b/y.py"]);
    assert_eq!(project.seen_at_all(), NOTHING);
    project.write("app.py", "two, longer");
    project.write("c/z.py", "one");
    fs::remove_dir_all(project.root.join("a")).unwrap();
    assert_eq!(project.seen_at_all(), ["a/x.py", "app.py", "c/z.py"]);
    assert_eq!(project.seen_at_all(), NOTHING);
}

#[test]
fn virtual_environments_and_caches_are_not_looked_into() {
    let mut project = Project::new(&[
        "app.py",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        ".git/x.py",
        "node_modules/g/x.py",
        "__pycache__/x.py",
    ]);
    assert_eq!(project.tree.size(), (1, 1));
    assert!(!project.asks("env") && !project.asks(".git") && !project.asks("node_modules"));
    project.write("env/lib/x.py", "two, longer");
    assert_eq!(project.seen(&["env/lib/x.py", ".git/x.py"]), NOTHING);
    assert_eq!(project.seen_at_all(), NOTHING);
}

#[test]
fn a_single_file_matters_whatever_it_is_called() {
    let mut project = Project::new(&["app.py", ".env"]);
    project.tree.add_file(project.root.join(".env"));
    project.tree.add_file(project.root.join("not/yet.toml"));
    assert_eq!(project.seen(&[".env"]), NOTHING);
    project.write(".env", "two, longer");
    project.write("not/yet.toml", "one");
    assert_eq!(project.seen(&[".env"]), [".env"]);
    assert_eq!(project.seen_at_all(), ["not/yet.toml"]);
}

#[test]
fn who_cannot_be_told_says_so_once() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("a")).unwrap();
    let mut tree = Tree::new(Rules::default(), Box::new(|_| Err("no more")));
    tree.add_directory(directory.path().to_owned());
    assert_eq!((tree.take_blind(), tree.take_blind()), (Some("no more"), None));
    assert_eq!(tree.size().0, 2, "everything is known nevertheless");
}
