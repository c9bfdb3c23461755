//! Who holds a port: from /proc, as far as it tells (proc_pid_net(5), proc_pid_fd(5)).

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The process that holds an address which was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process that can be seen.
    Process {
        /// Its id; the lowest when several share the socket.
        pid: u32,
        /// Its command line, printable and shortened; its short name when that is hidden.
        command: String,
        /// How many more processes share the socket.
        others: usize,
    },
    /// This process: two addresses of its list cover each other.
    Ourselves,
    /// Another user's, or one outside of this container.
    Unseen,
}

/// Longer command lines are cut: the start tells which program it is.
const COMMAND_LIMIT: usize = 120;

/// A socket in /proc/net/tcp that listens.
const STATE_LISTEN: &str = "0A";

impl Holder {
    /// Who listens on a TCP address that cannot be bound.
    pub(crate) fn of_port(wanted: SocketAddr) -> Holder {
        let inodes: HashSet<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listening_inodes(&table, wanted))
            .collect();
        Holder::of_sockets(&inodes)
    }

    /// Who has one of the sockets with these inodes open.
    pub(crate) fn of_sockets(inodes: &HashSet<u64>) -> Holder {
        let mut pids = if inodes.is_empty() { Vec::new() } else { processes_with(inodes) };
        pids.sort_unstable();
        match pids.split_first() {
            Some((first, others)) => Holder::of_process(*first, others.len()),
            None => Holder::Unseen,
        }
    }

    /// The process with this id; 0, which stands for one of another PID namespace, is unseen.
    pub(crate) fn of_process(pid: u32, others: usize) -> Holder {
        match pid {
            0 => Holder::Unseen,
            pid if pid == std::process::id() => Holder::Ourselves,
            pid => Holder::Process { pid, command: command_line(pid), others },
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Process {
                pid,
                command,
                others,
            } => {
                write!(formatter, "process {pid} ({command})")?;
                match others {
                    0 => Ok(()),
                    1 => formatter.write_str(" and another one"),
                    _ => write!(formatter, " and {others} others"),
                }
            }
            Holder::Ourselves => formatter.write_str("this server itself, through another of its addresses"),
            Holder::Unseen => formatter.write_str(
                "another process that cannot be seen from here (another user's or another container's; root may ask ss -ltnpx)",
            ),
        }
    }
}

/// Inodes of the listening sockets of one /proc/net/tcp table that stand in the way of `wanted`.
fn listening_inodes(table: &str, wanted: SocketAddr) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let local = parse_local(fields.get(1)?)?;
            (*fields.get(3)? == STATE_LISTEN && in_the_way(local, wanted))
                .then(|| fields.get(9)?.parse().ok())
                .flatten()
        })
        .collect()
}

fn in_the_way(held: SocketAddr, wanted: SocketAddr) -> bool {
    held.port() == wanted.port()
        && (held.ip().is_unspecified()
            || wanted.ip().is_unspecified()
            || held.ip().to_canonical() == wanted.ip().to_canonical())
}

/// `0100007F:1F90`: the address as 32-bit words in the machine's own byte order, then the port.
fn parse_local(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |index: usize| -> Option<[u8; 4]> {
        let digits = address.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Processes that have one of the sockets open. Those of other users are not readable and so not found.
fn processes_with(inodes: &HashSet<u64>) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| holds_any(*pid, inodes))
        .collect()
}

fn holds_any(pid: u32, inodes: &HashSet<u64>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?;
            let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        })
        .any(|inode: u64| inodes.contains(&inode))
}

fn command_line(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline"))
        .ok()
        .filter(|raw| !raw.is_empty())
        .or_else(|| fs::read(format!("/proc/{pid}/comm")).ok())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&raw);
    let text = text.trim_end_matches(['\0', '\n']);
    if text.is_empty() {
        return "command unknown".to_owned();
    }
    // Another process chooses these bytes, and they go to a terminal.
    let mut shown: String = text
        .chars()
        .take(COMMAND_LIMIT)
        .map(|character| match character {
            '\0' => ' ',
            character if character.is_control() => '?',
            character => character,
        })
        .collect();
    if text.chars().nth(COMMAND_LIMIT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let v4 = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
            \x20  1: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n\
            \x20  2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n";
        let v6 = "  sl  local_address rem_address st\n\
            \x20  0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4714 1\n";
        if cfg!(target_endian = "little") {
            let wanted = "127.0.0.1:8080".parse().unwrap();
            assert_eq!(listening_inodes(v4, wanted), [4711]);
            assert_eq!(listening_inodes(v4, "0.0.0.0:8080".parse().unwrap()), [4711, 4712]);
            assert_eq!(listening_inodes(v4, "[::]:8080".parse().unwrap()), [4711, 4712]);
            assert_eq!(listening_inodes(v6, wanted), [4714]);
            assert!(listening_inodes(v6, "127.0.0.1:8081".parse().unwrap()).is_empty());
        }
        for broken in ["", "x\n", "x\ny z\n", "x\n0: 01:1F90 x 0A\n", "x\n0: é:1 x 0A\n"] {
            assert!(listening_inodes(broken, "127.0.0.1:1".parse().unwrap()).is_empty());
        }
    }

    #[test]
    fn a_command_line_is_shown_safely() {
        let starting = crate::CHILDREN.write();
        let mut child = std::process::Command::new("cat")
            .args(["-", "a\x1b[31m\nb", &"x".repeat(200)])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        drop(starting);
        // What comes back shows that the program runs, and so that the command line is its own.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"x").unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        let text = Holder::of_process(child.id(), 2).to_string();
        drop(stdin);
        drop(stdout);
        child.wait().unwrap();
        let start = format!("process {} (cat - a?[31m?b xxx", child.id());
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with("xxx…) and 2 others"), "{text}");
        assert_eq!(Holder::of_process(0, 0), Holder::Unseen);
        assert_eq!(Holder::of_process(std::process::id(), 0), Holder::Ourselves);
    }
}
