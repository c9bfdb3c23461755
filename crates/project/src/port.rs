//! A port of this machine for an instance of a user: the one that it has, else a free one.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use hostler_instances::{Name, Places, Unit};

/// The ports that are tried, from the first on.
const PORTS: std::ops::Range<u16> = 8000..8100;

/// None of the ports that are tried is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the ports {} to {} of 127.0.0.1 is free: name an address with --bind", PORTS.start, PORTS.end - 1)]
pub struct NoPort;

/// The address for an instance: what its drop-in says since an earlier run, else a port that nobody listens on and no other
/// instance of the user has.
///
/// # Errors
/// When none of the ports that are tried is free.
pub fn of(name: &Name, places: &Places) -> Result<String, NoPort> {
    let units = places.on_disk(&places.units());
    let own = places.on_disk(&places.drop_ins(name, Unit::Socket));
    if let Some(address) = streams(&own).into_iter().find(|stream| is_local(stream)) {
        return Ok(address);
    }
    let others = fs::read_dir(&units).into_iter().flatten().flatten().filter(|entry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        file.starts_with("hostler@") && file.ends_with(".socket.d")
    });
    let taken: Vec<String> = others.flat_map(|entry| streams(&entry.path())).collect();
    let ends_so = |port: u16| taken.iter().any(|stream| stream.rsplit(':').next() == Some(&port.to_string()));
    PORTS
        .filter(|port| !ends_so(*port))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .map(|port| format!("127.0.0.1:{port}"))
        .ok_or(NoPort)
}

fn is_local(stream: &str) -> bool {
    stream.starts_with("127.0.0.1:")
}

/// What the drop-ins of a directory listen on.
fn streams(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let listening = |text: String| {
        let values = text.lines().filter_map(|line| line.trim().strip_prefix("ListenStream=").map(str::to_owned));
        values.filter(|value| !value.is_empty()).collect::<Vec<_>>()
    };
    texts.flat_map(listening).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_and_not_given_twice() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::user(root.path(), Path::new("/usr"), Path::new("/c"), Path::new("/r"));
        let name = |text: &str| text.parse::<Name>().unwrap();
        let first = of(&name("shop"), &places).unwrap();
        let directory = places.on_disk(&places.drop_ins(&name("shop"), Unit::Socket));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("10-address.conf"), format!("[Socket]\nListenStream=\nListenStream={first}\n"))
            .unwrap();
        assert_ne!(of(&name("blog"), &places).unwrap(), first);
        let _listens = TcpListener::bind(&first);
        assert_eq!(of(&name("shop"), &places).unwrap(), first, "though somebody, itself, listens there");
    }
}
