//! Whether an address could be listened on now. Nothing listens for that and nothing is connected to, so that no client is let in, and no
//! service woken whose socket somebody else holds: a port and an abstract name are bound and given back at once, and whether somebody
//! listens on a socket file stands in the kernel's table (`/proc/net/unix`, unix(7)).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Address;
use crate::error::Problem;
use crate::holder::Holder;
use crate::{tcp, unix};

/// The unix sockets of this network namespace.
const TABLE: &str = "/proc/net/unix";
/// In the flags of a socket that listens (`__SO_ACCEPTCON` of the kernel).
const LISTENS: u32 = 1 << 16;
/// The type of a socket that takes datagrams from whoever knows its name: it needs not listen.
const DATAGRAMS: &str = "0002";

/// Says who or what is in the way of listening on an address. A socket file on which nobody listens is not, and neither is a directory
/// that is missing. A descriptor (`fd://N`) is not looked at.
///
/// # Errors
/// What is in the way; or that it cannot be told.
///
/// Blocks on the resolver where the host is a name.
pub fn probe(address: &Address) -> Result<(), Problem> {
    match address {
        Address::Tcp { host, port } => tcp::probe(host, *port),
        Address::UnixPath(path) => look_at(path),
        Address::UnixAbstract(name) => bind_abstract(name),
        Address::Inherited(_) => Ok(()),
    }
}

fn look_at(path: &Path) -> Result<(), Problem> {
    let length = path.as_os_str().len();
    if length > unix::NAME_LIMIT {
        return Err(Problem::TooLong { length });
    }
    // What cannot be looked at is for whoever makes the socket to tell.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Problem::NotASocket { path: path.to_owned(), kind: unix::kind(found.mode()) });
    }
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_it = |name: &str| {
        let bound = Path::new(name);
        let made_for = unix::made_for(bound);
        [Some(bound), made_for.as_deref()].into_iter().flatten().any(|bound| bound == path || bound == real)
    };
    let sockets = answering(&table(), is_it);
    if sockets.is_empty() { Ok(()) } else { Err(Problem::SocketInUse(Holder::of_sockets(&sockets))) }
}

fn bind_abstract(name: &[u8]) -> Result<(), Problem> {
    if name.len() > unix::NAME_LIMIT {
        return Err(Problem::TooLong { length: name.len() });
    }
    let system = |action| move |error| Problem::System { action, error };
    let address = SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat())).map_err(system("the socket's name"))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(system("socket"))?;
    match socket.bind(&address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => {
            let shown = format!("@{}", String::from_utf8_lossy(name));
            let sockets = entries(&table()).filter(|entry| entry.name == shown).map(|entry| entry.inode).collect();
            Err(Problem::SocketInUse(Holder::of_sockets(&sockets)))
        }
        result => result.map_err(system("bind")),
    }
}

/// A line of the table.
struct Entry<'a> {
    answers: bool,
    inode: u64,
    /// As it was bound; an abstract one with `@` for its NUL.
    name: &'a str,
}

fn table() -> String {
    String::from_utf8_lossy(&fs::read(TABLE).unwrap_or_default()).into_owned()
}

/// The inodes of the sockets with such a name to which clients can come.
fn answering(table: &str, is_it: impl Fn(&str) -> bool) -> HashSet<u64> {
    entries(table).filter(|entry| entry.answers && is_it(entry.name)).map(|entry| entry.inode).collect()
}

/// Sockets that have a name. One name may stand there twice: a file may have been put in the place of another.
fn entries(table: &str) -> impl Iterator<Item = Entry<'_>> {
    table.lines().skip(1).filter_map(|line| {
        // Num RefCount Protocol Flags Type St Inode Path; the name may have spaces in it.
        let (mut fields, mut rest) = ([""; 7], line);
        for field in &mut fields {
            (*field, rest) = rest.trim_start().split_once(' ')?;
        }
        let flags = u32::from_str_radix(fields[3], 16).ok()?;
        let answers = flags & LISTENS != 0 || fields[4] == DATAGRAMS;
        Some(Entry { answers, inode: fields[6].parse().ok()?, name: rest })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_as_the_kernel_writes_it() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01    47 /run/a b.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 48123 /run/a b.sock\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 48124 /run/log\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 48125\n\
            broken\n";
        assert_eq!(answering(table, |name| name == "/run/a b.sock"), HashSet::from([47]));
        assert_eq!(answering(table, |name| name == "/run/log"), HashSet::from([48124]));
        assert!(answering(table, |name| name == "/run/other").is_empty());
    }
}
