//! Control groups (cgroups(7), version 2): our own, whether we may divide it, and groups for single workers.
//!
//! A service with `Delegate=` may make groups below its own (systemd.io/CGROUP_DELEGATION). A group that has controllers for
//! its children may hold no processes itself, so the server stands in a group of its own (`DelegateSubgroup=`, since 254)
//! and the workers beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, getxattr};
use rustix::process::{Pid, geteuid};
use thiserror::Error;

/// A group of the unified hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    directory: PathBuf,
}

/// How often the memory limits of a group were met, with its children (`memory.events`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Times that the group was slowed down at `memory.high`.
    pub high: u64,
    /// Times that it came to `memory.max`.
    pub max: u64,
    /// Times that nothing could be freed at the limit.
    pub oom: u64,
    /// Processes that the kernel killed for it.
    pub oom_kill: u64,
}

/// Why something cannot be done with a control group.
#[derive(Debug, Error)]
#[error("control group: {action} {}: {source}{}", path.display(), advice(.source))]
pub struct CgroupError {
    /// What was tried.
    pub action: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl Cgroup {
    /// The group of this process. `None` on a system without the unified hierarchy.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn own() -> Result<Option<Self>, CgroupError> {
        Self::find(Path::new("/proc/self/cgroup"), &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new))
    }

    /// The group with this directory.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// `list` is as `/proc/PID/cgroup`; the hierarchy is mounted at one of `roots`.
    fn find(list: &Path, roots: &[&Path]) -> Result<Option<Self>, CgroupError> {
        let text = fs::read_to_string(list).map_err(failed("reading", list))?;
        let Some(path) = unified(&text) else { return Ok(None) };
        // Only the root of the unified hierarchy has this file.
        let root = roots.iter().find(|root| root.join("cgroup.controllers").exists());
        Ok(root.map(|root| Self { directory: root.join(path) }))
    }

    /// Where it is in the file system.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The group that is ours to divide: the one above this one where this is the server's `subgroup` (`DelegateSubgroup=`), else this
    /// one. `None` when it was not delegated.
    pub fn delegated(&self, subgroup: &str) -> Option<Self> {
        let is_subgroup = self.directory.file_name().is_some_and(|name| name == subgroup);
        // A subgroup belongs to the service's user as well, and looks delegated to it.
        let above = self.directory.parent().filter(|_| is_subgroup).map(Path::to_owned);
        [above, Some(self.directory.clone())]
            .into_iter()
            .flatten()
            .find(|directory| is_delegated(directory))
            .map(|directory| Self { directory })
    }

    /// A group below this one; it may exist already.
    ///
    /// # Errors
    /// The name is not a single plain part of a path, or the kernel refuses.
    pub fn child(&self, name: &str) -> Result<Self, CgroupError> {
        let directory = self.directory.join(name);
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@'));
        if !plain || name.is_empty() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "letters, digits, -, _ and @ make a name");
            return Err(failed("naming", &directory)(source));
        }
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("making", &directory)(error)),
            _ => Ok(Self { directory }),
        }
    }

    /// Gives the children of this group controllers, such as `memory` and `pids`. This group may hold no processes then.
    ///
    /// # Errors
    /// The controller is not there (`Delegate=`), or processes are in this group.
    pub fn enable(&self, controllers: &[&str]) -> Result<(), CgroupError> {
        let text: Vec<String> = controllers.iter().map(|controller| format!("+{controller}")).collect();
        self.write("cgroup.subtree_control", &text.join(" "))
    }

    /// The controllers that this group has, and may give to its children.
    ///
    /// # Errors
    /// The group is gone.
    pub fn controllers(&self) -> Result<Vec<String>, CgroupError> {
        Ok(self.read("cgroup.controllers")?.split_whitespace().map(str::to_owned).collect())
    }

    /// The groups below this one whose name begins so.
    ///
    /// # Errors
    /// The group is gone.
    pub fn children(&self, prefix: &str) -> Result<Vec<Self>, CgroupError> {
        let listed = fs::read_dir(&self.directory).map_err(failed("listing", &self.directory))?;
        let directories = listed.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let named = directories.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()));
        Ok(named.map(|entry| Self { directory: entry.path() }).collect())
    }

    /// When the kernel kills one process of this group for want of memory, it kills all of them (`memory.oom.group`, Linux 4.19).
    ///
    /// # Errors
    /// The group has no memory controller.
    pub fn end_together(&self) -> Result<(), CgroupError> {
        self.write("memory.oom.group", "1")
    }

    /// Moves a process, with all its threads, into this group.
    ///
    /// # Errors
    /// The process is gone, or the kernel refuses.
    pub fn take_in(&self, process: Pid) -> Result<(), CgroupError> {
        self.write("cgroup.procs", &process.as_raw_nonzero().to_string())
    }

    /// The processes of this group, without those of its children. One of another PID namespace is left out.
    ///
    /// # Errors
    /// The group is gone.
    pub fn processes(&self) -> Result<Vec<Pid>, CgroupError> {
        let text = self.read("cgroup.procs")?;
        Ok(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect())
    }

    /// Limits the memory of the group, in bytes (`memory.max`); `None` is no limit. At the limit the kernel kills a process in it.
    ///
    /// # Errors
    /// The group has no memory controller.
    pub fn limit_memory(&self, bytes: Option<u64>) -> Result<(), CgroupError> {
        self.write("memory.max", &bytes.map_or_else(|| "max".to_owned(), |bytes| bytes.to_string()))
    }

    /// What happened at the limits of memory since the group was made.
    ///
    /// # Errors
    /// The group is gone or has no memory controller.
    pub fn memory_events(&self) -> Result<MemoryEvents, CgroupError> {
        Ok(memory_events(&self.read("memory.events")?))
    }

    /// Removes the group; one that is gone is removed.
    ///
    /// # Errors
    /// Processes or groups are in it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", &self.directory)(error)),
            _ => Ok(()),
        }
    }

    fn read(&self, file: &str) -> Result<String, CgroupError> {
        let path = self.directory.join(file);
        fs::read_to_string(&path).map_err(failed("reading", &path))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), CgroupError> {
        let path = self.directory.join(file);
        // Not `fs::write`, which would make the file where it is missing, in a directory that is no group.
        let open = || fs::OpenOptions::new().write(true).open(&path);
        open().and_then(|mut open| io::Write::write_all(&mut open, text.as_bytes())).map_err(failed("writing", &path))
    }
}

/// The path in the unified hierarchy, without its leading slash: the line of hierarchy 0.
fn unified(list: &str) -> Option<&str> {
    let path = list.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A process in a group that was removed, or outside the cgroup namespace's root.
    (!path.ends_with(" (deleted)") && !path.split('/').any(|part| part == "..")).then_some(path)
}

/// systemd marks what it delegated with an attribute, one for all and one for root. To root all groups are writable, so that
/// only the mark tells; another user owns what it was given.
fn is_delegated(directory: &Path) -> bool {
    let marked = |name: &str| {
        let mut value = [0; 8];
        getxattr(directory, name, &mut value[..]).is_ok_and(|length| value.get(..length) == Some(b"1"))
    };
    if marked("trusted.delegate") || marked("user.delegate") {
        return true;
    }
    let writable = |file: &str| access(directory.join(file), Access::WRITE_OK).is_ok();
    !geteuid().is_root() && writable("") && writable("cgroup.procs") && writable("cgroup.subtree_control")
}

fn memory_events(text: &str) -> MemoryEvents {
    let mut events = MemoryEvents::default();
    for (name, count) in text.lines().filter_map(|line| line.split_once(' ')) {
        let Ok(count) = count.trim().parse() else { continue };
        match name {
            "high" => events.high = count,
            "max" => events.max = count,
            "oom" => events.oom = count,
            "oom_kill" => events.oom_kill = count,
            _ => {}
        }
    }
    events
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    move |source| CgroupError { action, path: path.to_owned(), source }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (the service needs Delegate=memory pids, and ProtectControlGroups=no)"
        }
        io::ErrorKind::ResourceBusy => " (processes are in it; DelegateSubgroup= gives the server a group of its own)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_own_group_is_found_in_either_hierarchy() {
        let directory = tempfile::tempdir().unwrap();
        let (list, root) = (directory.path().join("cgroup"), directory.path().join("unified"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("cgroup.controllers"), "").unwrap();
        let find = |text: &str| {
            fs::write(&list, text).unwrap();
            Cgroup::find(&list, &[directory.path(), &root]).unwrap()
        };
        let own = find("4:memory:/x\n0::/system.slice/hostler@a.service\n").unwrap();
        assert_eq!(own.directory(), root.join("system.slice/hostler@a.service"));
        assert_eq!(find("4:memory:/x\n"), None);
        assert_eq!(find("0::/x (deleted)\n"), None);
        assert_eq!(find("0::/../x\n"), None);
        assert!(Cgroup::find(&directory.path().join("none"), &[]).is_err());
    }

    #[test]
    fn a_group_is_written_as_the_kernel_expects() {
        let directory = tempfile::tempdir().unwrap();
        let group = Cgroup { directory: directory.path().to_owned() };
        let child = group.child("worker-1").unwrap();
        assert_eq!(group.child("worker-1").unwrap(), child);
        fs::write(child.directory().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        assert_eq!(child.controllers().unwrap(), ["cpu", "memory", "pids"]);
        assert_eq!(group.children("worker-").unwrap(), std::slice::from_ref(&child));
        assert_eq!(group.children("other-").unwrap(), []);
        for file in ["cgroup.procs", "memory.max", "cgroup.subtree_control", "memory.oom.group"] {
            fs::write(child.directory().join(file), "").unwrap();
        }
        let read = |file: &str| fs::read_to_string(child.directory().join(file)).unwrap();
        child.take_in(Pid::from_raw(4711).unwrap()).unwrap();
        assert_eq!(read("cgroup.procs"), "4711");
        assert_eq!(child.processes().unwrap(), [Pid::from_raw(4711).unwrap()]);
        child.enable(&["memory", "pids"]).unwrap();
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
        child.limit_memory(Some(1024)).unwrap();
        assert_eq!(read("memory.max"), "1024");
        child.end_together().unwrap();
        assert_eq!(read("memory.oom.group"), "1");
        fs::write(child.directory().join("memory.events"), "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\nnew 9\n").unwrap();
        assert_eq!(child.memory_events().unwrap(), MemoryEvents { high: 1, max: 2, oom: 3, oom_kill: 4 });
        assert!(child.remove().unwrap_err().to_string().starts_with("control group: removing "));
        for bad in ["", "..", "a/b", "cgroup.procs"] {
            assert!(group.child(bad).is_err(), "{bad}");
        }
        let gone = group.child("gone").unwrap();
        assert!(gone.take_in(Pid::from_raw(1).unwrap()).is_err());
        assert!(!gone.directory().join("cgroup.procs").exists());
        gone.remove().unwrap();
        gone.remove().unwrap();
    }

    proptest! {
        #[test]
        fn any_events_are_read(text in "((low|high|max|oom|oom_kill) [0-9]{0,25}\n|.{0,20}\n){0,8}") {
            memory_events(&text);
        }
    }
}
