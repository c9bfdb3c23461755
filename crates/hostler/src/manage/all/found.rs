//! Which instances run here: control sockets in the runtime directories, and where settings files name others.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use hostler_bus::Places;
use hostler_settings::Reading;
use nix::unistd::{Uid, User};

use super::Whose;
use hostler_project::Surroundings;

/// The settings files of the machine's instances.
const MACHINE_SETTINGS: &str = "/etc/hostler";
/// The runtime directories of users, each called by its user's number (pam_systemd(8)).
const USERS: &str = "/run/user";
/// Where `/proc/PID/stat` has the terminal, counted from the state, which is its third field and the first after the name (proc_pid_stat(5):
/// field 7); 0 is none.
const TERMINAL: usize = 7 - 3;

/// Whose an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Machine,
    /// Whoever asks.
    Own,
    /// Another user, by number.
    Other(u32),
}

/// A control socket. Whether somebody answers was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) socket: PathBuf,
    pub(super) owner: Owner,
}

impl Owner {
    /// The name of the user; none of the machine.
    pub(super) fn user(self) -> Option<String> {
        let number = match self {
            Self::Machine => return None,
            Self::Own => nix::unistd::geteuid(),
            Self::Other(number) => Uid::from_raw(number),
        };
        let name = User::from_uid(number).ok().flatten().map(|user| user.name);
        Some(name.unwrap_or_else(|| number.to_string()))
    }
}

/// All that may run, each once. That a service sees no neighbour does not hold here: all were asked for.
pub(super) fn all(whose: Whose, places: &Places, surroundings: &Surroundings) -> Vec<Found> {
    let root = places.root && whose == Whose::Everybody;
    let mut all = Vec::new();
    if whose != Whose::Own {
        all.extend(below(&places.system, Owner::Machine));
        all.extend(named(Path::new(MACHINE_SETTINGS), Owner::Machine));
    }
    if whose != Whose::Machine {
        all.extend(places.user.iter().flat_map(|base| below(base, Owner::Own)));
        if let Some((configuration, _)) = surroundings.user_directories() {
            all.extend(named(&configuration.join("hostler"), Owner::Own));
        }
    }
    if root {
        for directory in entries(Path::new(USERS)) {
            let number = directory.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
            let own = places.user.as_deref() == Some(&directory.join("hostler"));
            if let Some(number) = number.filter(|_| !own) {
                all.extend(below(&directory.join("hostler"), Owner::Other(number)));
            }
        }
    }
    each_once(all)
}

/// The sockets of a base of runtime directories.
fn below(base: &Path, owner: Owner) -> Vec<Found> {
    let places = Places { own: None, user: None, system: base.to_owned(), root: false };
    let found = places.found().into_iter();
    found.map(|found| Found { name: found.name, socket: found.path, owner }).collect()
}

/// The sockets that settings files in this directory name.
fn named(directory: &Path, owner: Owner) -> Vec<Found> {
    let files = entries(directory).into_iter().filter(|path| path.extension() == Some(OsStr::new("toml")));
    let found = files.filter_map(|path| {
        let mut reading = Reading::new();
        reading.file(&path, &fs::read_to_string(&path).ok()?);
        // One with mistakes may run all the same, as it was before; then its socket is where the mistakes let it be read.
        let socket = reading.finish().ok()?.bind.control_socket?;
        let is_socket = socket.symlink_metadata().is_ok_and(|data| data.file_type().is_socket());
        let name = path.file_stem()?.to_string_lossy().into_owned();
        (socket.is_absolute() && is_socket).then_some(Found { name, socket, owner })
    });
    found.collect()
}

fn each_once(all: Vec<Found>) -> Vec<Found> {
    let mut known = Vec::new();
    let mut kept: Vec<Found> = all
        .into_iter()
        .filter(|found| {
            // Where it may not be looked at, it is what it is called.
            let path = found.socket.canonicalize().unwrap_or_else(|_| found.socket.clone());
            let new = !known.contains(&path);
            known.push(path);
            new
        })
        .collect();
    kept.sort_by(|one, other| (&one.name, &one.socket).cmp(&(&other.name, &other.socket)));
    kept
}

/// What is in a directory, in order; nothing where it cannot be read.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Whether the process has a terminal, as one that somebody started by hand; `false` where that cannot be told.
pub(super) fn has_terminal(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| terminal(&stat).is_some_and(|number| number != 0))
}

fn terminal(stat: &str) -> Option<i64> {
    // The name before may have anything in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(TERMINAL)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn listen(path: &Path) -> UnixListener {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        UnixListener::bind(path).unwrap()
    }

    #[test]
    fn sockets_are_found_where_they_are_and_where_settings_say() {
        let base = tempfile::tempdir().unwrap();
        let (runtime, home) = (base.path().join("run/hostler"), base.path().join("config"));
        let shop = runtime.join("shop/control.sock");
        let elsewhere = base.path().join("elsewhere.sock");
        let _listeners = [listen(&shop), listen(&elsewhere)];
        fs::create_dir_all(home.join("hostler")).unwrap();
        let write = |name: &str, socket: &Path| {
            let text = format!("app = \"a:b\"\ncontrol_socket = \"{}\"\n", socket.display());
            fs::write(home.join(format!("hostler/{name}")), text).unwrap();
        };
        write("blog.toml", &elsewhere);
        write("shop.toml", &shop);
        write("gone.toml", &base.path().join("gone.sock"));
        write("notes.txt", &elsewhere);
        fs::write(home.join("hostler/wrong.toml"), "workers = many\n").unwrap();
        let places = Places { own: None, user: Some(runtime), system: base.path().join("none"), root: true };
        let mut surroundings = Surroundings::default();
        surroundings.variables.insert("XDG_CONFIG_HOME".into(), home.into());
        surroundings.variables.insert("HOME".into(), base.path().into());
        surroundings.variables.insert("XDG_RUNTIME_DIR".into(), base.path().join("run").into());
        let found = all(Whose::Own, &places, &surroundings);
        let found: Vec<(&str, &Path, Owner)> =
            found.iter().map(|found| (found.name.as_str(), found.socket.as_path(), found.owner)).collect();
        assert_eq!(found, [("blog", elsewhere.as_path(), Owner::Own), ("shop", &shop, Owner::Own)]);
        let within = Places { own: Some(base.path().join("own")), ..places };
        assert_eq!(all(Whose::Own, &within, &surroundings).len(), 2, "also for who runs in a service");
    }

    #[test]
    fn a_terminal_is_told_from_none() {
        assert_eq!(terminal("7 (a) b) S 1 7 7 34816 7 4194304"), Some(34816));
        assert_eq!(terminal("7 (a) S 1 7 7 0 -1 4194304"), Some(0));
        assert_eq!((terminal("7 (a) S"), has_terminal(0)), (None, false));
    }
}
