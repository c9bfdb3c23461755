//! Tests of unix sockets, with real ones.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;
use crate::CHILDREN;

fn bind_path(path: &Path, mode: Option<u32>, owner: Option<Owner>, backlog: i32) -> Result<Bound, Problem> {
    super::bind_path(path, mode, owner, backlog, &mut Left::default())
}

fn bind_abstract(name: &[u8], backlog: i32) -> Result<Bound, Problem> {
    super::bind_abstract(name, backlog, &mut Left::default())
}

fn bind(path: &Path) -> Result<Bound, Problem> {
    bind_path(path, None, None, 16)
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_socket_file_appears_with_its_mode_and_owner_and_goes_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let ours = fs::metadata(directory.path()).unwrap();
    let owner = Owner { user: Some(ours.uid()), group: Some(ours.gid()) };
    for mode in [0o660, 0o777, 0o600] {
        let bound = bind_path(&path, Some(mode), Some(owner), 16).unwrap();
        let file = fs::symlink_metadata(&path).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, mode);
        assert_eq!((file.uid(), file.gid()), (ours.uid(), ours.gid()));
        assert_eq!(bound.name, format!("unix:{}", path.display()));
        assert_eq!(bound.socket_file(), Some(path.as_path()));
        assert_eq!(entries(directory.path()), ["x.sock"]);
        let flags = rustix::io::fcntl_getfd(&bound.listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let flags = rustix::fs::fcntl_getfl(&bound.listener).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK));
        UnixStream::connect(&path).unwrap();
        let second = bound.listener.try_clone().unwrap();
        assert!(rustix::io::fcntl_getfd(&second).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        bound.close();
        assert!(entries(directory.path()).is_empty());
    }
}

#[test]
fn root_gives_the_file_away_and_others_are_told_that_they_may_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let owner = Some(Owner { user: Some(12345), group: Some(54321) });
    if geteuid().is_root() {
        let _bound = bind_path(&path, None, owner, 16).unwrap();
        let file = fs::symlink_metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (12345, 54321));
    }
    let path = directory.path().join("y.sock");
    let problem = without_privileges(|| bind_path(&path, None, owner, 16).unwrap_err());
    assert!(problem.to_string().contains("owner 12345:54321"), "{problem}");
    assert!(!entries(directory.path()).contains(&"y.sock.new".to_owned()));
}

#[test]
fn a_left_over_file_is_taken_over() {
    let _no_child = CHILDREN.read();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    // std's listener leaves its file behind.
    drop(UnixListener::bind(&path).unwrap());
    drop(UnixListener::bind(directory.path().join("x.sock.new")).unwrap());
    let bound = bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(entries(directory.path()), ["x.sock"]);
    bound.close();
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn a_socket_that_answers_is_left_alone_and_its_process_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let _first = bind(&path).unwrap();
    match bind(&path) {
        Err(Problem::SocketInUse(Holder::Ourselves)) => {}
        other => panic!("{other:?}"),
    }
    UnixStream::connect(&path).unwrap();
    assert_eq!(entries(directory.path()), ["x.sock"]);
}

#[test]
fn another_process_is_named_with_its_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let program = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('up', flush=True); sys.stdin.read()";
    let starting = CHILDREN.write();
    let mut child = Command::new("python3")
        .args(["-c", program])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(starting);
    let mut line = String::new();
    let mut output = io::BufReader::new(child.stdout.take().unwrap());
    io::BufRead::read_line(&mut output, &mut line).unwrap();
    let result = bind(&path);
    drop(child.stdin.take());
    child.wait().unwrap();
    let message = result.unwrap_err().to_string();
    // The path of the interpreter depends on the machine.
    let expected = format!("it is in use by process {} (", child.id());
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("-c import socket, sys?"), "{message}");
    // Now that it is gone, its file is a left-over.
    bind(&path).unwrap();
}

#[test]
fn a_full_backlog_and_a_datagram_socket_are_somebody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("full.sock");
    let bound = bind_path(&path, None, None, 1).unwrap();
    let address = SockAddr::unix(&path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = new_socket().unwrap();
        match client.connect(&address) {
            Ok(()) => waiting.push(client),
            Err(error) => {
                assert_eq!(Errno::from_io_error(&error), Some(Errno::AGAIN));
                break;
            }
        }
    }
    assert!(matches!(bind(&path), Err(Problem::SocketInUse(_))));
    drop(bound);
    let path = directory.path().join("datagram.sock");
    let _datagram = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(Problem::SocketInUse(_))));
    assert!(path.exists());
}

#[test]
fn what_is_no_socket_is_never_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = directory.path().join("link");
    symlink(&file, &link).unwrap();
    let sub = directory.path().join("sub");
    fs::create_dir(&sub).unwrap();
    for (path, kind) in [(&file, "a regular file"), (&link, "a symbolic link"), (&sub, "a directory")] {
        let message = bind(path).unwrap_err().to_string();
        assert!(message.contains(kind), "{message}");
    }
    fs::rename(&file, directory.path().join("x.sock.new")).unwrap();
    let message = bind(&directory.path().join("x.sock")).unwrap_err().to_string();
    assert!(message.contains("x.sock.new exists"), "{message}");
    assert_eq!(entries(directory.path()), ["link", "sub", "x.sock.new"]);
    assert_eq!(fs::read(directory.path().join("x.sock.new")).unwrap(), b"precious");
    assert!(bind(Path::new("/")).is_err());
}

#[test]
fn directories_that_are_missing_or_closed_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no/x.sock");
    let message = bind(&missing).unwrap_err().to_string();
    assert!(message.contains("/no does not exist"), "{message}");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let message = bind(&file.join("x.sock")).unwrap_err().to_string();
    assert!(message.contains("is not a directory"), "{message}");
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let path = closed.join("x.sock");
    let message = without_privileges(|| bind(&path).unwrap_err()).to_string();
    assert!(message.contains("no permission to create"), "{message}");
    assert!(entries(&closed).is_empty());
}

#[test]
fn names_are_at_most_107_bytes_long() {
    let directory = tempfile::tempdir().unwrap();
    let fill = |length: usize| {
        let taken = directory.path().as_os_str().len() + 1;
        directory.path().join("x".repeat(length - taken))
    };
    // 107 bytes with no room for the temporary ending.
    for length in [103, 104, 107] {
        let path = fill(length);
        let bound = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        bound.close();
    }
    assert!(matches!(bind(&fill(108)), Err(Problem::TooLong { length: 108 })));
    assert!(matches!(bind_abstract(&[b'x'; 108], 16), Err(Problem::TooLong { length: 108 })));
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn a_file_that_another_server_put_in_place_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let first = bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = bind(&path).unwrap();
    first.close();
    UnixStream::connect(&path).unwrap();
    second.close();
    assert!(!path.exists());
}

#[test]
fn of_many_that_start_at_once_one_gets_the_path() {
    let _no_child = CHILDREN.read();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).unwrap());
        let barrier = std::sync::Barrier::new(4);
        let bound: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        bind(&path)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (taken, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(taken.len(), 1);
        for problem in refused {
            assert!(matches!(problem, Err(Problem::SocketInUse(_))), "{problem:?}");
        }
        drop(taken);
        assert!(entries(directory.path()).is_empty());
    }
}

#[test]
fn an_abstract_name_is_had_once() {
    let _no_child = CHILDREN.read();
    let name = format!("hostler-listener-test-{}", std::process::id());
    let bound = bind_abstract(name.as_bytes(), 16).unwrap();
    assert_eq!(bound.name, format!("unix:@{name}"));
    assert_eq!(bound.socket_file(), None);
    match bind_abstract(name.as_bytes(), 16) {
        Err(Problem::SocketInUse(Holder::Ourselves)) => {}
        other => panic!("{other:?}"),
    }
    bound.close();
    bind_abstract(name.as_bytes(), 16).unwrap();
}

/// Runs in a thread of its own that has no capabilities: to it, root is a user as any other.
fn without_privileges<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut sets = capabilities(None).unwrap();
                sets.effective = CapabilitySet::empty();
                set_capabilities(None, sets).unwrap();
                work()
            })
            .join()
            .unwrap()
    })
}
