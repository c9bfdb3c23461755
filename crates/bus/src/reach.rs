//! A connection to a socket whose directory may be another user's. Who owns the directory can put anything there: a link to the socket of
//! another instance, above all, so that what was allowed for the one would be done to the other.
//!
//! So a link is followed only in a directory where nobody but root and this process' own user can make one. In any other the file is
//! opened, looked at and connected to as one and the same file, and who serves it has to be root or the directory's owner, where that
//! can be told; the file's own owner where root or this user lets others have files beside each other, as in `/tmp`.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::process::geteuid;
use tokio::net::UnixStream;

/// The group or all others may write to it.
const SHARED: u32 = 0o022;
/// Who owns what systemd gives to a user that exists only while its service runs: it is mapped for that service alone
/// (`DynamicUser=` with mount_setattr(2), since 257), so that its owner says nothing of who serves there.
const NOBODY: u32 = 65_534;

/// Connects to the socket at this path, and to no other.
///
/// # Errors
/// When nobody is there, as for connect(2); [`io::ErrorKind::InvalidInput`] for what is no socket, or served by somebody whose place that
/// is not.
pub async fn reach(path: &Path) -> io::Result<UnixStream> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path).await;
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let directory = open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let about = fstat(&directory)?;
    if is_safe(&about) {
        return UnixStream::connect(path).await;
    }
    let socket = openat(&directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let file = fstat(&socket)?;
    if FileType::from_raw_mode(file.st_mode) != FileType::Socket {
        return Err(strange(format!(
            "is no socket, in a directory of user {}; links are not followed there",
            about.st_uid
        )));
    }
    // The file that was looked at, whatever has its name by now (proc_pid_fd(5)).
    let stream = UnixStream::connect(format!("/proc/self/fd/{}", socket.as_fd().as_raw_fd())).await?;
    let server = stream.peer_cred()?.uid();
    // Where several may have sockets beside each other, each serves its own.
    let owner = if is_ours(&about) { file.st_uid } else { about.st_uid };
    if server != 0 && server != owner && owner != NOBODY {
        return Err(strange(format!("is served by user {server}, and belongs to user {owner}")));
    }
    Ok(stream)
}

/// Whether nobody but root and this process' user can put anything there.
fn is_safe(directory: &Stat) -> bool {
    is_ours(directory) && directory.st_mode & SHARED == 0
}

fn is_ours(directory: &Stat) -> bool {
    directory.st_uid == 0 || directory.st_uid == geteuid().as_raw()
}

fn strange(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::thread::{Uid, set_thread_res_uid};

    use super::*;

    fn reached(path: &Path) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(reach(path)).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_link_in_somebody_elses_directory_leads_nowhere() {
        let base = tempfile::tempdir().unwrap();
        let (bank, shop) = (base.path().join("bank"), base.path().join("shop"));
        for directory in [&bank, &shop] {
            std::fs::create_dir(directory).unwrap();
            std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let socket = bank.join("control.sock");
        let _bank = UnixListener::bind(&socket).unwrap();
        let link = shop.join("control.sock");
        symlink(&socket, &link).unwrap();
        assert_eq!((reached(&socket), reached(&link)), (Ok(()), Ok(())), "what we linked ourselves");
        // Whoever may write there may have made the link.
        std::fs::set_permissions(&shop, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(reached(&link).unwrap_err().contains("links are not followed there"));
        if !geteuid().is_root() {
            return println!("skipped: a directory of another user needs root");
        }
        std::fs::set_permissions(&shop, PermissionsExt::from_mode(0o755)).unwrap();
        chown(&shop, Some(65534), None).unwrap();
        assert!(reached(&link).unwrap_err().contains("in a directory of user 65534"));
        std::fs::remove_file(&link).unwrap();
        std::fs::hard_link(&socket, &link).unwrap();
        assert_eq!(reached(&link), Ok(()), "root serves it");
        chown(&bank, Some(65533), None).unwrap();
        assert_eq!(reached(&socket), Ok(()));
    }

    #[test]
    fn who_serves_it_is_whose_directory_it_is() {
        if !geteuid().is_root() {
            return println!("skipped: servers of other users need root");
        }
        let base = tempfile::tempdir().unwrap();
        std::fs::set_permissions(base.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let socket = base.path().join("control.sock");
        // A thread may be another user, and what it listens on is that user's.
        let path = socket.clone();
        let listen = move || {
            let other = Uid::from_raw(65532);
            set_thread_res_uid(other, other, other).unwrap();
            UnixListener::bind(path).unwrap()
        };
        let _server = std::thread::spawn(listen).join().unwrap();
        for (owner, mode, expected) in [
            (65532, 0o755, true),
            (65533, 0o755, false),
            (65533, 0o1777, false),
            (0, 0o1777, true),
            (0, 0o775, true),
            (NOBODY, 0o755, true),
        ] {
            chown(base.path(), Some(owner), None).unwrap();
            std::fs::set_permissions(base.path(), PermissionsExt::from_mode(mode)).unwrap();
            let reached = reached(&socket);
            assert_eq!(reached.is_ok(), expected, "{owner} {mode:o}: {reached:?}");
        }
    }
}
