//! Listening on a unix socket: a file, or an abstract name.
//!
//! A socket file is made under the path with `.new` at its end, gets its mode and owner, starts to listen, and is then
//! renamed into place. So whoever sees the path can connect to it, and nobody sees it with a wrong mode. (The price:
//! `ss -x` goes on to show the name with `.new`, since the kernel keeps the name that was bound.)
//!
//! Meanwhile the directory is locked (flock(2)), so that of two servers that start on one path the second finds the
//! first one answering. A lock on the directory leaves no file behind.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, Uid, chmod, chownat, flock, openat,
    renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::bound::{Bound, SocketFile};
use crate::error::Problem;
use crate::holder::Holder;
use crate::left::{FileId, Left, set_backlog};
use crate::owner::Owner;

/// `sun_path` has 108 bytes, one of which ends a path or begins an abstract name (unix(7)).
pub(crate) const NAME_LIMIT: usize = 107;

/// Ends the name that a socket file has until it is ready.
const NEW_ENDING: &str = ".new";

/// The whole of that name where the ending does not fit.
const SHORT_NEW_NAME: &str = ".socket.new";

/// How long another server may take to make its socket in the same directory.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// How often the lock is tried: flock(2) has no time limit of its own.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Mode bits that a socket file can have.
const MODE_BITS: u32 = 0o777;

/// Listens on the socket file `path`, taking over one on which nobody answers. Blocks for 5 seconds at most, while
/// another server makes its socket in the same directory.
pub(crate) fn bind_path(
    path: &Path,
    mode: Option<u32>,
    owner: Option<Owner>,
    backlog: i32,
    left: &mut Left,
) -> Result<Bound, Problem> {
    let path = std::path::absolute(path)
        .map_err(|error| Problem::System { action: "finding the current directory", error })?;
    let length = path.as_os_str().len();
    if length > NAME_LIMIT {
        return Err(Problem::TooLong { length });
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Problem::NotASocket { path, kind: "a directory" });
    };
    let place = Place { directory: open_directory(directory)?, name, path: &path };
    place.lock()?;
    if let Some((kept_as, listener)) = place.left(left) {
        let file = place.dress(name, mode, owner)?;
        set_backlog(&listener, backlog)?;
        return Ok(place.bound(listener, file, Some(kept_as)));
    }
    let there = place.look()?;
    let socket = place.make(mode, owner, backlog, there)?;
    Ok(place.bound(UnixListener::from(OwnedFd::from(socket.socket)), socket.file, None))
}

/// Listens on an abstract name.
pub(crate) fn bind_abstract(name: &[u8], backlog: i32, left: &mut Left) -> Result<Bound, Problem> {
    if name.len() > NAME_LIMIT {
        return Err(Problem::TooLong { length: name.len() });
    }
    let shown = format!("unix:@{}", String::from_utf8_lossy(name));
    if let Some((kept_as, listener)) = left.take_abstract(name) {
        set_backlog(&listener, backlog)?;
        let mut bound = Bound::unix(listener, shown, None);
        bound.keep_as(kept_as);
        return Ok(bound);
    }
    let mut raw = vec![0];
    raw.extend_from_slice(name);
    let address = SockAddr::unix(OsStr::from_bytes(&raw)).map_err(system("the socket's name"))?;
    let socket = new_socket()?;
    match socket.bind(&address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => {
            return Err(Problem::SocketInUse(match answer_at(&address)? {
                Answer::Process(holder) => holder,
                Answer::Nobody => Holder::Unseen,
            }));
        }
        result => result.map_err(system("bind"))?,
    }
    socket.listen(backlog).map_err(system("listen"))?;
    Ok(Bound::unix(UnixListener::from(OwnedFd::from(socket)), shown, None))
}

/// The path that a socket file was made for, from the one that it was made at; `None` where that does not tell.
pub(crate) fn made_for(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(NEW_ENDING)?;
    (path.is_absolute() && path.file_name()? != SHORT_NEW_NAME).then(|| path.with_file_name(name))
}

/// Where a socket file shall be. The lock lasts as long as `directory` is open.
struct Place<'a> {
    directory: OwnedFd,
    name: &'a OsStr,
    path: &'a Path,
}

/// What is at the path already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    LeftOver,
}

/// Who answers on a socket's address.
enum Answer {
    Process(Holder),
    Nobody,
}

struct Made {
    socket: Socket,
    file: OwnedFd,
}

impl Place<'_> {
    fn lock(&self) -> Result<(), Problem> {
        let limit = Instant::now() + LOCK_LIMIT;
        loop {
            match flock(&self.directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK) if Instant::now() < limit => thread::sleep(LOCK_INTERVAL),
                Err(Errno::WOULDBLOCK) => return Err(Problem::Locked(self.parent())),
                Err(Errno::INTR) => {}
                // A file system without locks: the race of two servers is then open, as it is for everybody else.
                Err(Errno::NOLCK | Errno::NOTSUP | Errno::INVAL | Errno::NOSYS) => return Ok(()),
                Err(error) => return Err(Problem::system("locking the directory")(error)),
            }
        }
    }

    /// The socket whose file is there, if it was left by a process before this one.
    fn left(&self, left: &mut Left) -> Option<(String, UnixListener)> {
        let stat = statat(&self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        left.take_file(FileId::of(&stat))
    }

    fn bound(&self, listener: UnixListener, file: OwnedFd, kept_as: Option<String>) -> Bound {
        let file = SocketFile { path: self.path.to_owned(), file, is_given_away: AtomicBool::new(false) };
        let mut bound = Bound::unix(listener, format!("unix:{}", self.path.display()), Some(file));
        if let Some(name) = kept_as {
            bound.keep_as(name);
        }
        bound
    }

    /// Whether the path is free, or holds a socket on which nobody answers.
    fn look(&self) -> Result<There, Problem> {
        let stat = match statat(&self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(error) => return Err(self.explain("look at", error)),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Socket {
            let address = SockAddr::unix(self.path).map_err(system("the socket's path"))?;
            return match answer_at(&address).map_err(|problem| self.name_path(problem))? {
                Answer::Process(holder) => Err(Problem::SocketInUse(holder)),
                Answer::Nobody => Ok(There::LeftOver),
            };
        }
        let kind = kind(stat.st_mode);
        Err(Problem::NotASocket { path: self.path.to_owned(), kind })
    }

    fn make(&self, mode: Option<u32>, owner: Option<Owner>, backlog: i32, there: There) -> Result<Made, Problem> {
        let new_name = self.new_name();
        self.clear(&new_name)?;
        let socket = new_socket()?;
        let address = SockAddr::unix(self.bindable(&new_name)).map_err(system("the path"))?;
        socket.bind(&address).map_err(|error| self.explain_io("create", error))?;
        let made = self.dress(&new_name, mode, owner).and_then(|file| {
            // Only now can anybody connect, and by now mode and owner are right.
            socket.listen(backlog).map_err(system("listen"))?;
            self.put_in_place(&new_name, there)?;
            Ok(Made { socket, file })
        });
        if made.is_err() {
            // It is ours, and useless: the first error is the one to tell.
            let _ = unlinkat(&self.directory, &new_name, AtFlags::empty());
        }
        made
    }

    /// Removes what a server left that was killed between bind and rename. Under the lock nobody else is there.
    fn clear(&self, new_name: &OsStr) -> Result<(), Problem> {
        let stat = match statat(&self.directory, new_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(self.explain("look at", error)),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
            return Err(Problem::NotASocket { path: self.path.with_file_name(new_name), kind: "another file" });
        }
        unlinkat(&self.directory, new_name, AtFlags::empty()).map_err(|error| self.explain("replace", error))
    }

    /// The temporary name: a short one where the path has no room for the ending. The lock makes it ours.
    fn new_name(&self) -> OsString {
        let mut name = self.name.to_owned();
        name.push(NEW_ENDING);
        if self.path.as_os_str().len() + NEW_ENDING.len() <= NAME_LIMIT {
            return name;
        }
        OsString::from(SHORT_NEW_NAME)
    }

    /// The path to bind. One that is too long even so is reached through the open directory.
    fn bindable(&self, new_name: &OsStr) -> PathBuf {
        let path = self.path.with_file_name(new_name);
        if path.as_os_str().len() <= NAME_LIMIT {
            return path;
        }
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd()));
        path.push(new_name);
        path
    }

    /// Gives the new file its owner and mode, both through one descriptor, so that no link can be put in between.
    fn dress(&self, new_name: &OsStr, mode: Option<u32>, owner: Option<Owner>) -> Result<OwnedFd, Problem> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            openat(&self.directory, new_name, flags, Mode::empty()).map_err(|error| self.explain("open", error))?;
        if let Some(owner) = owner {
            let user = owner.user.map(Uid::from_raw);
            let group = owner.group.map(Gid::from_raw);
            chownat(&file, "", user, group, AtFlags::EMPTY_PATH).map_err(|error| match error {
                Errno::PERM => Problem::Owner { user: geteuid().as_raw(), wanted: shown(owner) },
                error => self.explain("change the owner of", error),
            })?;
        }
        if let Some(mode) = mode {
            // fchmod(2) refuses O_PATH descriptors; their entry in /proc leads to the file itself.
            let entry = format!("/proc/self/fd/{}", file.as_raw_fd());
            chmod(entry, Mode::from_raw_mode(mode & MODE_BITS))
                .map_err(|error| self.explain("change the mode of", error))?;
        }
        Ok(file)
    }

    fn put_in_place(&self, new_name: &OsStr, there: There) -> Result<(), Problem> {
        let directory = &self.directory;
        if there == There::Nothing {
            let flags = RenameFlags::NOREPLACE;
            match renameat_with(directory, new_name, directory, self.name, flags) {
                // Some file systems do not know the flag.
                Err(Errno::INVAL | Errno::NOSYS) => {}
                result => return result.map_err(|error| self.explain("create", error)),
            }
        }
        renameat(directory, new_name, directory, self.name).map_err(|error| self.explain("replace", error))
    }

    fn parent(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).to_owned()
    }

    fn explain(&self, action: &'static str, error: Errno) -> Problem {
        match error {
            Errno::ACCESS | Errno::PERM => {
                Problem::NoPermission { action, path: self.path.to_owned(), user: geteuid().as_raw() }
            }
            Errno::ROFS => Problem::ReadOnly(self.path.to_owned()),
            error => Problem::System { action: "making the socket file", error: error.into() },
        }
    }

    fn explain_io(&self, action: &'static str, error: io::Error) -> Problem {
        match Errno::from_io_error(&error) {
            Some(errno) => self.explain(action, errno),
            None => system("making the socket file")(error),
        }
    }

    /// Puts the path into an error of [`answer_at`], which knows only an address.
    fn name_path(&self, problem: Problem) -> Problem {
        match problem {
            Problem::System { error, .. } => self.explain_io("ask who answers on", error),
            problem => problem,
        }
    }
}

/// What a file that is no socket is, in words.
pub(crate) fn kind(mode: u32) -> &'static str {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        _ => "a device",
    }
}

fn open_directory(directory: &Path) -> Result<OwnedFd, Problem> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, directory, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT => Problem::NoDirectory(directory.to_owned()),
        Errno::NOTDIR => Problem::NotADirectory(directory.to_owned()),
        Errno::ACCESS | Errno::PERM => {
            Problem::NoPermission { action: "read the directory", path: directory.to_owned(), user: geteuid().as_raw() }
        }
        error => Problem::system("opening the directory")(error),
    })
}

/// Connects, to learn whether somebody answers, and who (SO_PEERCRED: the process that called listen).
fn answer_at(address: &SockAddr) -> Result<Answer, Problem> {
    let probe = new_socket()?;
    let Err(error) = probe.connect(address) else {
        // Through nix: rustix's process ids cannot be 0, as one of another PID namespace is.
        let pid = getsockopt(&probe, PeerCredentials).ok().and_then(|peer| u32::try_from(peer.pid()).ok()).unwrap_or(0);
        return Ok(Answer::Process(Holder::of_process(pid, 0)));
    };
    match Errno::from_io_error(&error) {
        Some(Errno::CONNREFUSED | Errno::NOENT) => Ok(Answer::Nobody),
        // Its backlog is full, or it is a datagram socket: somebody is there, who cannot be asked.
        Some(Errno::AGAIN | Errno::INPROGRESS | Errno::PROTOTYPE) => Ok(Answer::Process(Holder::Unseen)),
        _ => Err(system("asking who answers on the socket")(error)),
    }
}

fn new_socket() -> Result<Socket, Problem> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map_err(system("socket"))
}

fn system(action: &'static str) -> impl Fn(io::Error) -> Problem {
    move |error| Problem::System { action, error }
}

fn shown(owner: Owner) -> String {
    let number = |id: Option<u32>| id.map(|id| id.to_string()).unwrap_or_default();
    format!("{}:{}", number(owner.user), number(owner.group))
}

#[cfg(test)]
#[path = "unix_tests.rs"]
mod tests;
