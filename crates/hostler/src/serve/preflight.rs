//! What `hostler check` can tell of the settings without serving: addresses, owners and directories that `run` would
//! refuse, and what is in its way just now. Nothing stays bound, and no file is made or removed.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use hostler_listener::{Address, Options, Owner, bind_all};
use hostler_settings::{LogFile, Settings};

use crate::USAGE;

/// What was found, each a sentence or two.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Mistakes in the settings themselves.
    pub(super) mistakes: Vec<String>,
    /// What the system lacks: directories.
    pub(super) missing: Vec<String>,
    /// What would be in the way now, and need not be when the server is started, or by whom.
    pub(super) warnings: Vec<String>,
}

impl Findings {
    /// The exit code that `run` would end with; `None` where it would go on.
    pub(super) fn code(&self) -> Option<u8> {
        if !self.mistakes.is_empty() {
            Some(USAGE)
        } else if !self.missing.is_empty() {
            Some(super::SYSTEM)
        } else {
            None
        }
    }
}

/// Looks at everything, and tells all at once.
pub(super) fn look(settings: &Settings) -> Findings {
    let mut findings = Findings::default();
    let addresses = addresses(settings, &mut findings);
    if let Some(owner) = &settings.bind.unix_socket_owner {
        let text = [&owner.user, &owner.group].map(|part| part.as_deref().unwrap_or_default()).join(":");
        if let Err(error) = text.parse::<Owner>() {
            findings.mistakes.push(format!("unix_socket_owner: {error}"));
        }
    }
    if let Err(error) = super::developing::rules(settings) {
        findings.mistakes.push(format!("reload_include, reload_exclude: {error}"));
    }
    directories(settings, &addresses, &mut findings);
    in_use(settings, &addresses, &mut findings);
    findings
}

/// The addresses that can be read and are not given twice, with their text.
fn addresses(settings: &Settings, findings: &mut Findings) -> Vec<(String, Address)> {
    let bind = &settings.bind.bind;
    if bind.is_empty() {
        findings.mistakes.push("bind names no address: there would be nothing to listen on".to_owned());
    }
    let mut seen = HashSet::new();
    let mut addresses = Vec::new();
    for text in bind {
        match text.parse::<Address>() {
            Ok(address) => {
                let repeatable = matches!(address, Address::Tcp { port: 0, .. });
                if repeatable || seen.insert(address.clone()) {
                    addresses.push((text.clone(), address));
                } else {
                    findings.mistakes.push(format!("cannot listen on {text}: it is given twice"));
                }
            }
            Err(error) => findings.mistakes.push(format!("cannot listen on {text}: {error}")),
        }
    }
    addresses
}

fn directories(settings: &Settings, addresses: &[(String, Address)], findings: &mut Findings) {
    let log = &settings.log;
    let mut files: Vec<(&str, &Path)> = Vec::new();
    for (name, file) in [("error_logfile", Some(&log.error_logfile)), ("access_logfile", log.access_logfile.as_ref())] {
        if let Some(LogFile::Path(path)) = file {
            files.push((name, path));
        }
    }
    files.extend(settings.app.pidfile.as_deref().map(|path| ("pidfile", path)));
    for (_, address) in addresses {
        if let Address::UnixPath(path) = address {
            files.push(("bind", path));
        }
    }
    findings.missing.extend(files.into_iter().filter_map(|(name, path)| without_place(name, path)));
}

/// What is wrong with the place of a file that is to be made.
fn without_place(name: &str, path: &Path) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        return Some(format!("{name} {shown} is a directory: name a file in it"));
    }
    let directory: PathBuf = std::path::absolute(path).ok()?.parent()?.to_owned();
    match std::fs::metadata(&directory) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some(format!("{name} {shown}: {} is not a directory", directory.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!(
            "{name} {shown}: the directory {} does not exist: create it (under systemd: RuntimeDirectory=, \
             LogsDirectory=)",
            directory.display()
        )),
        Err(error) => Some(format!("{name} {shown}: {}: {error}", directory.display())),
    }
}

/// Who listens already. Ports and abstract names are bound and released; a socket file is only asked, for binding would
/// put another in its place. Descriptors that are handed over are left alone: they are there when the server is started.
fn in_use(settings: &Settings, addresses: &[(String, Address)], findings: &mut Findings) {
    let mut binding = Vec::new();
    for (text, address) in addresses {
        match address {
            Address::Tcp { .. } | Address::UnixAbstract(_) => binding.push(text.clone()),
            Address::UnixPath(path) => findings.warnings.extend(unix_in_use(text, path)),
            Address::Inherited(_) => {}
        }
    }
    let options = Options { backlog: settings.bind.backlog, ..Options::default() };
    if let Err(errors) = bind_all(&binding, &options) {
        findings.warnings.extend(errors.iter().map(ToString::to_string));
    }
}

fn unix_in_use(text: &str, path: &Path) -> Option<String> {
    use std::os::unix::fs::FileTypeExt;
    let found = path.symlink_metadata().ok()?;
    if !found.file_type().is_socket() {
        // A directory was told of already.
        let other = !path.is_dir();
        return other.then(|| format!("cannot listen on {text}: the path exists and is not a socket"));
    }
    match answers(path) {
        Ok(()) => Some(format!("cannot listen on {text}: a server answers on it (see who: ss -xlp)")),
        // A left-over file is taken over.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => None,
        Err(error) => Some(format!("cannot tell who listens on {text}: {error}")),
    }
}

/// Connects without waiting, as the standard library would where many others wait to be accepted.
fn answers(path: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(tokio::net::UnixStream::connect(path)) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn found(toml: &str) -> Findings {
        let mut reading = hostler_settings::Reading::new();
        reading.file(Path::new("site.toml"), toml);
        look(&reading.finish().unwrap())
    }

    #[test]
    fn what_can_be_served_gives_no_findings() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        let toml = format!(
            "bind = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"unix:{at}/a.sock\", \"fd://3\"]\npidfile = \"{at}/pid\"\n\
             error_logfile = \"{at}/log\"\naccess_logfile = \"-\"\nunix_socket_owner = \"0:0\""
        );
        assert_eq!(found(&toml), Findings::default());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "no file was made");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let findings = found(
            "bind = [\"nowhere\", \"127.0.0.1:99999\", \"unix:@a\", \"unix:@a\"]\n\
             unix_socket_owner = \"no-such-user-here\"\npidfile = \"/absent/pid\"",
        );
        assert_eq!(findings.mistakes.len(), 4, "{findings:?}");
        assert_eq!((findings.missing.len(), findings.code()), (1, Some(USAGE)));
        assert!(found("bind = []").mistakes[0].starts_with("bind names no address"));
    }

    #[test]
    fn directories_are_to_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        fs::write(directory.path().join("file"), "").unwrap();
        let findings = found(&format!(
            "bind = [\"unix:{at}/absent/a.sock\"]\npidfile = \"{at}/file/pid\"\nerror_logfile = \"{at}\"\n\
             access_logfile = \"{at}/absent/access\""
        ));
        assert_eq!(findings.missing.len(), 4, "{findings:?}");
        assert!(findings.missing[0].ends_with("is a directory: name a file in it"));
        assert!(findings.missing[1].starts_with("access_logfile ") && findings.missing[1].contains("does not exist"));
        assert!(findings.missing[2].ends_with("file is not a directory"), "{findings:?}");
        assert_eq!((findings.code(), findings.warnings.len()), (Some(super::super::SYSTEM), 0));
    }

    #[test]
    fn addresses_in_use_are_warnings_and_stay_as_they_are() {
        let _no_child = crate::CHILDREN.read();
        let directory = tempfile::tempdir().unwrap();
        let (taken, left) = (directory.path().join("taken.sock"), directory.path().join("left.sock"));
        let _listens = UnixListener::bind(&taken).unwrap();
        drop(UnixListener::bind(&left).unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let findings = found(&format!(
            "bind = [\"{}\", \"unix:{}\", \"unix:{}\"]",
            port.local_addr().unwrap(),
            taken.display(),
            left.display()
        ));
        assert_eq!((findings.warnings.len(), findings.code()), (2, None), "{findings:?}");
        assert!(findings.warnings[0].contains("taken.sock: a server answers on it"), "{findings:?}");
        assert!(findings.warnings[1].contains("the port is in use by"), "{findings:?}");
        assert!(taken.exists() && left.exists());
    }
}
