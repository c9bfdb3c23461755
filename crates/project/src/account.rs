//! As whom a service of the system runs, and what it may see: told by who can read the project.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hostler_instances::{Account, Places, Scope};
use nix::unistd::{Gid, Group, Uid, User};

/// What `ProtectHome=` hides (systemd.exec(5)).
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// As whom it is to run, as `USER` or `USER:GROUP`.
    pub run_as: Option<String>,
    /// What it is to be able to write, as absolute paths.
    pub writable: Vec<PathBuf>,
}

/// Why there is no account that could run it, and what to do, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAccount(pub String);

/// The account, and why, in words. `python` is what the project's interpreter is behind all links.
///
/// # Errors
/// When nobody but root can read the project, or what was asked for is not there.
pub fn choose(
    wish: &Wish,
    directory: &Path,
    python: Option<&Path>,
    places: &Places,
) -> Result<(Account, String), NoAccount> {
    if places.scope() == Scope::User {
        if let Some(option) =
            wish.run_as.as_ref().map(|_| "--run-as").or((!wish.writable.is_empty()).then_some("--writable"))
        {
            return Err(NoAccount(format!(
                "{option} is for instances of the system: yours run as you, and may write what you may"
            )));
        }
        return Ok((Account::default(), "you".to_owned()));
    }
    for path in &wish.writable {
        if !places.on_disk(path).exists() {
            return Err(NoAccount(format!(
                "--writable {}: it does not exist, and systemd would not start the service",
                path.display()
            )));
        }
    }
    let sees_homes =
        std::iter::once(directory).chain(python).any(|path| HOMES.iter().any(|home| path.starts_with(home)));
    let account = Account { sees_homes, writable: wish.writable.clone(), ..Account::default() };
    if let Some(run_as) = &wish.run_as {
        let (user, group) = known(run_as, places.is_image())?;
        let reason = format!("{run_as}, as asked");
        return Ok((Account { user: Some(user), group, ..account }, reason));
    }
    if places.is_image() {
        return Ok((account, "a user of its own that exists while it runs".to_owned()));
    }
    let Some(closed) = std::iter::once(directory).chain(python).find_map(closed) else {
        let mut reason = "a user of its own that exists while it runs".to_owned();
        if let Some(path) = wish.writable.iter().find(|path| is_kept_from_others(path)) {
            reason.push_str(&format!(
                ", and may not write {}: name who may with --run-as, or keep the data in /var/lib/hostler/NAME",
                path.display()
            ));
        }
        return Ok((account, reason));
    };
    let owner = closed.symlink_metadata().map_or(0, |metadata| metadata.uid());
    let owner = User::from_uid(Uid::from_raw(owner)).ok().flatten().filter(|user| !user.uid.is_root());
    match owner {
        Some(user) => {
            let reason = format!("{}, to whom {} belongs, which others cannot read", user.name, closed.display());
            Ok((Account { user: Some(user.name), ..account }, reason))
        }
        None => Err(NoAccount(format!(
            "{} can be read by root alone, and the service does not run as root. Put the project elsewhere (/srv), let others read \
             it (chmod o+rx), or name a user that can with --run-as",
            closed.display()
        ))),
    }
}

/// The first directory on the way to `path`, or `path` itself, that is closed for users to whom nothing belongs.
fn closed(path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let shut = |part: &Path| {
        // Others pass a directory by x, and read the last one by r.
        let wanted = if part == path { 0o5 } else { 0o1 };
        part.metadata().is_ok_and(|metadata| metadata.mode() & wanted != wanted)
    };
    way.into_iter().find(|part| shut(part)).map(Path::to_owned)
}

/// Whether a user to whom nothing belongs may not write there.
fn is_kept_from_others(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.mode() & 0o2 == 0)
}

/// `USER` or `USER:GROUP`, of which this machine knows both; those of an image cannot be asked for.
fn known(text: &str, image: bool) -> Result<(String, Option<String>), NoAccount> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "-_.$".contains(character))
    };
    if !plain(user) || !group.is_none_or(plain) {
        return Err(NoAccount(format!("--run-as {text}: give USER or USER:GROUP")));
    }
    let user_known = image
        || user
            .parse()
            .map_or_else(|_| User::from_name(user), |uid| User::from_uid(Uid::from_raw(uid)))
            .is_ok_and(|user| user.is_some());
    if !user_known {
        return Err(NoAccount(format!(
            "--run-as {text}: there is no user {user} on this machine (see: getent passwd)"
        )));
    }
    if let Some(group) = group.filter(|_| !image) {
        let found = group.parse().map_or_else(|_| Group::from_name(group), |gid| Group::from_gid(Gid::from_raw(gid)));
        if !found.is_ok_and(|group| group.is_some()) {
            return Err(NoAccount(format!(
                "--run-as {text}: there is no group {group} on this machine (see: getent group)"
            )));
        }
    }
    Ok((user.to_owned(), group.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir_all, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_closed_directory_is_found() {
        let root = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let path = root.path().join("a/b");
        create_dir_all(&path).unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&root.path().join("a"), 0o711);
        mode(&path, 0o755);
        assert_eq!(closed(&path), None);
        mode(&path, 0o711);
        assert_eq!(closed(&path).as_deref(), Some(path.as_path()), "others cannot list it");
        mode(&root.path().join("a"), 0o750);
        assert_eq!(closed(&path), Some(root.path().join("a")));
    }

    #[test]
    fn a_user_of_its_own_writes_what_everybody_may() {
        let root = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let data = root.path().join("data");
        create_dir_all(&data).unwrap();
        let wish = Wish { writable: vec![data.clone()], ..Wish::default() };
        let reason = |mode| {
            set_permissions(&data, Permissions::from_mode(mode)).unwrap();
            choose(&wish, root.path(), None, &Places::system(Path::new("/"), Path::new("/usr"))).unwrap().1
        };
        assert!(reason(0o755).contains(&format!("may not write {}", data.display())));
        assert!(!reason(0o777).contains("may not write"));
    }

    #[test]
    fn users_are_to_be_known() {
        assert_eq!(known("root", false).unwrap(), ("root".to_owned(), None));
        assert_eq!(known("root:root", false).unwrap(), ("root".to_owned(), Some("root".to_owned())));
        assert_eq!(known("deploy:web", true).unwrap(), ("deploy".to_owned(), Some("web".to_owned())));
        assert!(known("no-such-user-here", false).unwrap_err().0.contains("no user no-such-user-here"));
        assert!(known("root:no-such-group", false).unwrap_err().0.contains("no group no-such-group"));
        for text in ["", ":", "a b", "a\nExecStart=x", "a:"] {
            assert!(known(text, true).is_err(), "{text:?}");
        }
    }
}
