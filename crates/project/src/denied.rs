//! Why a path cannot be used, in words: which part of the way is missing or closed, to whom, and what opens it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{Access, access};

/// What systemd keeps from a service with `ProtectHome=yes` (systemd.exec(5)): there it finds empty directories that nobody may enter.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// What a service has of its own with `PrivateTmp=yes`: there it finds nothing of what others see.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// The rest of a sentence that begins with what was wanted of `path`, for what the system said.
#[must_use]
pub fn why_not(path: &Path, error: &io::Error) -> String {
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match error.kind() {
        io::ErrorKind::NotFound => missing(path).unwrap_or_else(|| error.to_string()),
        io::ErrorKind::PermissionDenied => closed(path).unwrap_or_else(|| error.to_string()),
        io::ErrorKind::NotADirectory => match on_the_way(path).find(|part| part.exists() && !part.is_dir()) {
            Some(part) => format!("{} is no directory", part.display()),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// The path's directories from the root on, and itself.
fn on_the_way(path: &Path) -> impl Iterator<Item = &Path> {
    let mut all: Vec<&Path> = path.ancestors().collect();
    all.reverse();
    all.into_iter()
}

fn missing(path: &Path) -> Option<String> {
    let first = on_the_way(path).find(|part| part.symlink_metadata().is_err())?;
    if let Some(hidden) = hidden(first.parent()?) {
        return Some(hidden);
    }
    if let Some(own) = own_temporary(first) {
        return Some(own);
    }
    let remedy =
        if first == path { "create it, or name another" } else { "create it and what belongs below, or name another" };
    Some(format!("there is no {}: {remedy}", first.display()))
}

/// The first part that this process may not pass, or the end if it may not be read.
fn closed(path: &Path) -> Option<String> {
    let passes = |part: &Path| {
        let wanted = match (part == path, part.is_dir()) {
            (false, _) => Access::EXEC_OK,
            (true, true) => Access::READ_OK | Access::EXEC_OK,
            (true, false) => Access::READ_OK,
        };
        access(part, wanted).is_ok()
    };
    let first = on_the_way(path).find(|part| !passes(part))?;
    if let Some(hidden) = hidden(first) {
        return Some(hidden);
    }
    let me = user(rustix::process::geteuid().as_raw());
    let action = if first == path { "read" } else { "enter" };
    let shown = first.display();
    let Ok(data) = first.metadata() else { return Some(format!("user {me} may not {action} {shown}")) };
    let (owner, mode) = (user(data.uid()), data.mode() & 0o7777);
    let group = Group::from_gid(Gid::from_raw(data.gid())).ok().flatten();
    let group = group.map_or_else(|| data.gid().to_string(), |group| group.name);
    let serve = match data.uid() {
        0 => "give it to a user of its own and serve as that one (under systemd: User=, DynamicUser=no)".to_owned(),
        _ => format!("serve as its owner (under systemd: User={owner}, DynamicUser=no)"),
    };
    let bits = if first.is_dir() { if first == path { "o+rx" } else { "o+x" } } else { "o+r" };
    Some(format!(
        "user {me} may not {action} {shown}, which belongs to {owner}:{group} with mode {mode:04o}: open it (chmod {bits} \
         {shown}), or {serve}"
    ))
}

/// What is said of a part that systemd hides.
fn hidden(part: &Path) -> Option<String> {
    let home = HOMES.iter().find(|home| part.starts_with(home))?;
    let is_hidden = |home: &Path| home.metadata().is_ok_and(|data| data.mode() & 0o7777 == 0 && data.uid() == 0);
    is_hidden(Path::new(home)).then(|| {
        format!("{home} is hidden from this service (ProtectHome=yes): write ProtectHome=read-only into a drop-in, or move the project")
    })
}

/// What is said of a missing part that others may see.
fn own_temporary(missing: &Path) -> Option<String> {
    let directory = TEMPORARY.iter().find(|directory| missing.starts_with(directory))?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    is_private(directory, &mounts).then(|| {
        format!(
            "there is no {} for this service, which has a {directory} of its own (PrivateTmp=yes): move the project, as to /srv",
            missing.display()
        )
    })
}

/// Whether systemd mounted a directory of the service's own there; `mounts` as in proc_pid_mountinfo(5).
fn is_private(directory: &str, mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, at) = (fields.next().unwrap_or_default(), fields.next());
        at == Some(directory) && root.contains("/systemd-private-")
    })
}

/// A user by name, where there is one.
fn user(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &Path) -> String {
        why_not(path, &std::fs::read_dir(path).unwrap_err())
    }

    #[test]
    fn the_first_part_that_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        assert_eq!(
            reason(&directory.path().join("shop")),
            format!("there is no {at}/shop: create it, or name another")
        );
        let deep = reason(&directory.path().join("a/b/c"));
        assert!(deep.starts_with(&format!("there is no {at}/a: create it and")), "{deep}");
        std::fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(reason(&directory.path().join("file/shop")), format!("{at}/file is no directory"));
        assert_eq!(reason(&directory.path().join("file")), format!("{at}/file is no directory"));
    }

    #[test]
    fn a_directory_for_temporary_files_may_be_the_services_own() {
        let own = "61 40 0:35 /tmp/systemd-private-1f-hostler@shop.service-x/tmp /tmp rw,nosuid - tmpfs tmpfs rw\n";
        assert!(is_private("/tmp", own) && !is_private("/var/tmp", own));
        assert!(!is_private("/tmp", "61 40 0:35 / /tmp rw,nosuid - tmpfs tmpfs rw\n"));
    }
}
