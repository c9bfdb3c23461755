//! What is known of the watched directories and files: what they were when they were last looked at.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::inbox::Hint;
use crate::rules::Rules;

/// Directories that are watched, at most: more than any project has, and less than a whole disk.
const MOST_DIRECTORIES: usize = 20_000;

/// Asks the system to tell of what happens in a directory, not in those within it. The error is what stands in the way.
pub(crate) type Tell<E> = Box<dyn FnMut(&Path) -> Result<(), E> + Send>;

/// What tells a file from what it was before. Its mode and its owner do not matter, so that `chmod` is no change, and `touch` is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    modified: (i64, i64),
    size: u64,
    inode: Id,
}

/// Device and inode.
type Id = (u64, u64);

/// The watched directories and files.
pub(crate) struct Tree<E> {
    rules: Rules,
    tell: Tell<E>,
    roots: Vec<PathBuf>,
    /// Files that matter whatever the rules say.
    singles: HashSet<PathBuf>,
    /// Directories that were looked into.
    directories: HashMap<PathBuf, Id>,
    /// The same: links may lead to a directory in two ways, or in a circle.
    inodes: HashMap<Id, PathBuf>,
    files: HashMap<PathBuf, Print>,
    /// Files that links among `files` lead to, and the link.
    linked: HashMap<PathBuf, PathBuf>,
    /// Directories that the system was asked to tell of, and the path that it tells under: the first one that was asked with.
    asked: HashMap<Id, PathBuf>,
    /// Such a path, and others that lead to the same directory.
    aliases: HashMap<PathBuf, HashSet<PathBuf>>,
    /// The system does not tell, for this reason.
    blind: Option<E>,
    full: bool,
}

impl<E> Tree<E> {
    pub(crate) fn new(rules: Rules, tell: Tell<E>) -> Self {
        Self {
            rules,
            tell,
            roots: Vec::new(),
            singles: HashSet::new(),
            directories: HashMap::new(),
            inodes: HashMap::new(),
            files: HashMap::new(),
            linked: HashMap::new(),
            asked: HashMap::new(),
            aliases: HashMap::new(),
            blind: None,
            full: false,
        }
    }

    /// How many directories and files are known.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.directories.len(), self.files.len())
    }

    /// Why the system does not tell of all that happens, if something came up since the last time that was asked.
    pub(crate) fn take_blind(&mut self) -> Option<E> {
        self.blind.take()
    }

    /// Does without being told from now on.
    pub(crate) fn stop_asking(&mut self) {
        self.tell = Box::new(|_| Ok(()));
    }

    /// Adds a directory with what is in it. What it holds now is no change.
    pub(crate) fn add_directory(&mut self, path: PathBuf) {
        if self.roots.contains(&path) || self.directories.contains_key(&path) {
            return;
        }
        self.ask_parent(&path);
        self.roots.push(path.clone());
        self.walk(path, &mut Vec::new());
    }

    /// Adds a single file. What it is now is no change.
    pub(crate) fn add_file(&mut self, path: PathBuf) {
        if self.files.contains_key(&path) || !self.singles.insert(path.clone()) {
            return;
        }
        self.ask_parent(&path);
        self.look(&path, &mut Vec::new());
    }

    /// Looks at a place that something happened at; adds the files to `changed` that are not what they were.
    pub(crate) fn follow(&mut self, hint: &Hint, changed: &mut Vec<PathBuf>) {
        let mut paths = vec![hint.path.clone()];
        if let (Some(parent), Some(name)) = (hint.path.parent(), hint.path.file_name()) {
            paths.extend(self.aliases.get(parent).into_iter().flatten().map(|alias| alias.join(name)));
        }
        let links: Vec<PathBuf> = paths.iter().filter_map(|path| self.linked.get(path).cloned()).collect();
        for path in paths.into_iter().chain(links) {
            self.follow_one(path, hint.gone, changed);
        }
    }

    fn follow_one(&mut self, path: PathBuf, gone: bool, changed: &mut Vec<PathBuf>) {
        if gone {
            // Not told by comparing alone: an inode may be used again for what is there now.
            self.forget(&path, changed);
        }
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                if self.directories.get(&path).is_some_and(|known| *known != id(&found)) {
                    self.forget(&path, changed);
                }
                if self.belongs(&path) && !self.directories.contains_key(&path) {
                    self.walk(path, changed);
                }
            }
            _ if self.matters(&path) => self.look(&path, changed),
            _ => {}
        }
    }

    /// Looks at everything; adds the files to `changed` that are not what they were.
    pub(crate) fn look_at_all(&mut self, changed: &mut Vec<PathBuf>) {
        self.directories.clear();
        self.inodes.clear();
        self.asked.clear();
        self.aliases.clear();
        self.full = false;
        for root in self.roots.clone() {
            self.ask_parent(&root);
            self.walk(root, changed);
        }
        for path in self.singles.clone() {
            self.ask_parent(&path);
            self.look(&path, changed);
        }
        // Those that are gone.
        for path in self.files.keys().cloned().collect::<Vec<_>>() {
            self.look(&path, changed);
        }
    }

    // ---- Looking -----------------------------------------------------------------------------------------------------------

    /// Looks into a directory and those within it.
    fn walk(&mut self, from: PathBuf, changed: &mut Vec<PathBuf>) {
        let mut to_do = vec![from];
        while let Some(directory) = to_do.pop() {
            let Ok(found) = std::fs::metadata(&directory) else { continue };
            let is_root = self.roots.contains(&directory);
            if !found.is_dir() || !self.enters(&directory) || self.inodes.contains_key(&id(&found)) {
                continue;
            }
            if !is_root && directory.join("pyvenv.cfg").exists() {
                continue;
            }
            if self.directories.len() >= MOST_DIRECTORIES {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(
                        at = %directory.display(),
                        "more than {MOST_DIRECTORIES} directories: the rest is not watched; name those that matter with reload_dirs, or \
                         leave some out with reload_exclude"
                    );
                }
                return;
            }
            self.directories.insert(directory.clone(), id(&found));
            self.inodes.insert(id(&found), directory.clone());
            // Before it is listed: what comes in between is told.
            self.ask(&directory);
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                // A link may lead to either.
                if kind.is_dir() || (kind.is_symlink() && path.is_dir()) {
                    to_do.push(path);
                } else if self.takes(&path) {
                    if kind.is_symlink() {
                        self.follow_link(&path);
                    }
                    self.look(&path, changed);
                }
            }
        }
    }

    /// Looks at one file.
    fn look(&mut self, path: &Path, changed: &mut Vec<PathBuf>) {
        let now = std::fs::metadata(path).ok().filter(Metadata::is_file).map(|found| print(&found));
        let before = match now {
            Some(now) => self.files.insert(path.to_owned(), now),
            None => self.files.remove(path),
        };
        if now != before {
            changed.push(path.to_owned());
        }
    }

    /// Forgets a directory that is no longer what it was; its files are looked at.
    fn forget(&mut self, path: &Path, changed: &mut Vec<PathBuf>) {
        if self.directories.contains_key(path) {
            self.directories.retain(|directory, _| !directory.starts_with(path));
            self.inodes.retain(|_, directory| !directory.starts_with(path));
            self.asked.retain(|_, asked| !asked.starts_with(path));
            self.aliases.retain(|asked, _| !asked.starts_with(path));
            let within: Vec<PathBuf> = self.files.keys().filter(|file| file.starts_with(path)).cloned().collect();
            for file in within {
                self.look(&file, changed);
            }
        }
    }

    /// The file that a link leads to is written where it is.
    fn follow_link(&mut self, link: &Path) {
        if let Ok(target) = link.canonicalize()
            && target != link
        {
            self.ask_parent(&target);
            self.linked.insert(target, link.to_owned());
        }
    }

    fn ask_parent(&mut self, path: &Path) {
        if let Some(parent) = path.parent() {
            let parent = parent.to_owned();
            self.ask(&parent);
        }
    }

    /// Asks the system to tell of a directory. It tells under one path alone, so that another is only written down.
    fn ask(&mut self, directory: &Path) {
        // One that is gone is told of when it comes back.
        let Ok(found) = std::fs::metadata(directory) else { return };
        match self.asked.get(&id(&found)) {
            Some(asked)
                if asked != directory && std::fs::metadata(asked).is_ok_and(|there| id(&there) == id(&found)) =>
            {
                self.aliases.entry(asked.clone()).or_default().insert(directory.to_owned());
                return;
            }
            _ => {}
        }
        match (self.tell)(directory) {
            Ok(()) => {
                self.asked.insert(id(&found), directory.to_owned());
            }
            // One that may not be read has nothing to tell.
            Err(error) if self.blind.is_none() && directory.read_dir().is_ok() => self.blind = Some(error),
            Err(_) => {}
        }
    }

    // ---- Rules -------------------------------------------------------------------------------------------------------------

    fn within<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.roots.iter().filter_map(move |root| path.strip_prefix(root).ok())
    }

    /// Whether a directory is to be looked into.
    fn enters(&self, path: &Path) -> bool {
        self.within(path).any(|within| self.rules.enters(path, within))
    }

    /// Whether a file in a directory that was looked into matters.
    fn takes(&self, path: &Path) -> bool {
        self.within(path).any(|within| self.rules.takes(path, within))
    }

    /// Whether a directory is a watched one, or in one that was looked into.
    fn belongs(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| root == path)
            || path.parent().is_some_and(|parent| self.directories.contains_key(parent))
    }

    fn matters(&self, path: &Path) -> bool {
        self.singles.contains(path)
            || self.files.contains_key(path)
            || (path.parent().is_some_and(|parent| self.directories.contains_key(parent)) && self.takes(path))
    }
}

fn id(found: &Metadata) -> Id {
    (found.dev(), found.ino())
}

fn print(found: &Metadata) -> Print {
    Print { modified: (found.mtime(), found.mtime_nsec()), size: found.size(), inode: id(found) }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
