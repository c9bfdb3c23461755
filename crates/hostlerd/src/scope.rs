//! Whose instances are managed, and the directories that belong to that. No path here ever comes from a client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Whose instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine's: system bus, system units, polkit.
    System,
    /// A user's: session bus, user units.
    User,
}

/// Whose instances, and where what belongs to them is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub kind: Kind,
    /// The settings files: `NAME.toml`.
    pub settings: PathBuf,
    /// The runtime directories: `NAME/control.sock`.
    pub runtime: PathBuf,
    /// What the daemon keeps: former settings.
    pub state: PathBuf,
}

/// Why a user's directories are not known.
#[derive(Debug, thiserror::Error)]
#[error("neither ${0} nor $HOME is set: hostlerd --user has to be started in the user's session")]
pub struct NoHome(&'static str);

impl Scope {
    /// The machine's; `lookup` finds a variable's value.
    pub fn system(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        // systemd.exec(5), StateDirectory=.
        let state = lookup("STATE_DIRECTORY").map_or_else(|| PathBuf::from("/var/lib/hostlerd"), PathBuf::from);
        Self { kind: Kind::System, settings: "/etc/hostler".into(), runtime: "/run/hostler".into(), state }
    }

    /// A user's, by the XDG base directory specification.
    ///
    /// # Errors
    /// When the environment names none.
    pub fn user(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoHome> {
        let absolute = |name: &str| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let below = |name: &'static str, default: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(default))).ok_or(NoHome(name))
        };
        Ok(Self {
            kind: Kind::User,
            settings: below("XDG_CONFIG_HOME", ".config")?.join("hostler"),
            runtime: absolute("XDG_RUNTIME_DIR").ok_or(NoHome("XDG_RUNTIME_DIR"))?.join("hostler"),
            state: below("XDG_STATE_HOME", ".local/state")?.join("hostlerd"),
        })
    }

    /// The settings file of the instance called so; the name has to be [`valid_name`].
    #[must_use]
    pub fn settings_file(&self, name: &str) -> PathBuf {
        self.settings.join(format!("{name}.toml"))
    }

    /// The control socket of the instance called so.
    #[must_use]
    pub fn control_socket(&self, name: &str) -> PathBuf {
        self.runtime.join(name).join(hostler_bus::SOCKET_FILE)
    }

    /// The names that a directory's entries stand for: files that end in `ending`, or directories.
    pub(crate) fn names(directory: &Path, ending: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|file| Some(file.strip_suffix(ending)?.to_owned()))
            .filter(|name| valid_name(name))
            .collect();
        names.sort();
        names
    }
}

/// Whether an instance can be called so: what systemd takes in a unit's name without escaping it (systemd.unit(5)), and what
/// is a file's name that is not hidden. At most 200 bytes, so that names made of it are within 255.
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':');
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['.', '-']) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["shop", "a", "a.b", "shop-2", "x:1", "_x"] {
            assert!(valid_name(name), "{name}");
        }
        for name in ["", ".", "..", ".x", "-x", "a/b", "../x", "a\0", "a b", "ü", "a@b", "a\\x2d", &"x".repeat(201)] {
            assert!(!valid_name(name), "{name}");
        }
    }

    #[test]
    fn a_users_directories() {
        let scope = Scope::user(|name| match name {
            "HOME" => Some("/home/x".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/7".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(scope.settings_file("shop"), Path::new("/home/x/.config/hostler/shop.toml"));
        assert_eq!(scope.control_socket("shop"), Path::new("/run/user/7/hostler/shop/control.sock"));
        assert_eq!(scope.state, Path::new("/home/x/.local/state/hostlerd"));
        assert!(Scope::user(|_| None).is_err());
    }
}
