//! What is said of addresses that are free, and of those that somebody has. Here, as nothing in this process starts another: a child
//! would have our sockets open for a moment after we let them go.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test; clippy knows only the functions marked as such")]

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use hostler_listener::{Options, bind_all, probe};

fn told(address: &str) -> Result<(), String> {
    probe(&address.parse().unwrap()).map_err(|problem| problem.to_string())
}

const OURS: &str = "in use by this server itself";

#[test]
fn a_port_that_somebody_has_is_told_and_a_free_one_is_left_free() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!(":{port}")] {
        let problem = told(&address).unwrap_err();
        assert!(problem.contains(OURS), "{address}: {problem}");
    }
    // Of another address, whose ports nobody else is given.
    assert_eq!(told(&format!("127.9.8.7:{port}")), Ok(()));
    assert_eq!(told(&format!("127.9.8.7:{port}")), Ok(()), "it was given back");
    assert!(told("192.0.2.1:1").unwrap_err().contains("no interface"));
}

#[test]
fn a_socket_file_counts_while_somebody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b.sock");
    let address = format!("unix:{}", path.display());
    assert_eq!(told(&address), Ok(()));
    let listener = UnixListener::bind(&path).unwrap();
    assert!(told(&address).unwrap_err().contains(OURS));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody was connected");
    drop(listener);
    assert!(path.exists());
    assert_eq!(told(&address), Ok(()), "left over");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(told(&address).unwrap_err().contains("a regular file, not a socket"));
    assert_eq!(told("unix:/absent/directory/x.sock"), Ok(()), "systemd makes it");
    assert!(told(&format!("unix:/{}", "x".repeat(200))).unwrap_err().contains("more than the 107"));
}

#[test]
fn a_socket_of_hostler_is_found_by_the_path_that_it_was_put_at() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/x.sock", directory.path().display());
    let _bound = bind_all(std::slice::from_ref(&address), &Options::default()).unwrap();
    assert!(told(&address).unwrap_err().contains(OURS));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    assert!(told(&format!("unix:{}/x.sock", link.display())).unwrap_err().contains(OURS));
}

#[test]
fn an_abstract_name_that_somebody_has_is_told() {
    let name = format!("hostler-probe-{}", std::process::id());
    let address = format!("unix:@{name}");
    assert_eq!(told(&address), Ok(()));
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert!(told(&address).unwrap_err().contains(OURS));
    drop(listener);
    assert_eq!(told(&address), Ok(()));
}
