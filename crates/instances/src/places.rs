//! Where the files of instances are. Paths are those that the running system sees; [`Places::on_disk`] says where such a path
//! is now, which differs while an image is put together.

use std::path::{Path, PathBuf};

use hostler_settings::Profile;

use crate::Name;

/// Whose instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The system's: `/etc/hostler`, the system's own systemd.
    System,
    /// A user's: `~/.config/hostler`, `systemctl --user`.
    User,
}

/// The units of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `hostler@NAME.socket`.
    Socket,
    /// `hostler@NAME.service`.
    Service,
}

impl Unit {
    fn ending(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Service => "service",
        }
    }

    /// The unit's name.
    #[must_use]
    pub fn of(self, name: &Name) -> String {
        format!("hostler@{name}.{}", self.ending())
    }
}

/// The directories of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    scope: Scope,
    /// What stands for `/` on this machine.
    root: PathBuf,
    /// `/etc`, or `~/.config`.
    configuration: PathBuf,
    /// `/run`, or `/run/user/1000`.
    runtime: PathBuf,
    /// Where Hostler was installed: `/usr`.
    prefix: PathBuf,
}

impl Places {
    /// The system's. `root` is `/`, or the directory of an image; `prefix` is where Hostler was installed, as the system sees it.
    #[must_use]
    pub fn system(root: &Path, prefix: &Path) -> Self {
        Self {
            scope: Scope::System,
            root: root.to_owned(),
            configuration: PathBuf::from("/etc"),
            runtime: PathBuf::from("/run"),
            prefix: prefix.to_owned(),
        }
    }

    /// A user's, with `$XDG_CONFIG_HOME` and `$XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn user(root: &Path, prefix: &Path, configuration: &Path, runtime: &Path) -> Self {
        Self {
            scope: Scope::User,
            root: root.to_owned(),
            configuration: configuration.to_owned(),
            runtime: runtime.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// Whose instances these are.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether the files are not those of the running system.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.root != Path::new("/")
    }

    /// The directory that stands for `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the running system is now.
    #[must_use]
    pub fn on_disk(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The settings file of an instance.
    #[must_use]
    pub fn settings_file(&self, name: &Name) -> PathBuf {
        self.configuration.join("hostler").join(format!("{name}.toml"))
    }

    /// A drop-in of one of its units.
    #[must_use]
    pub fn drop_in(&self, name: &Name, unit: Unit, file: &str) -> PathBuf {
        self.drop_ins(name, unit).join(file)
    }

    /// The directory of the drop-ins of one of its units.
    #[must_use]
    pub fn drop_ins(&self, name: &Name, unit: Unit) -> PathBuf {
        self.units().join(format!("{}.d", unit.of(name)))
    }

    /// The directory of the units that people write.
    #[must_use]
    pub fn units(&self) -> PathBuf {
        self.configuration.join("systemd").join(self.kind())
    }

    /// The unix socket that the template listens on.
    #[must_use]
    pub fn template_socket(&self, name: &Name) -> PathBuf {
        self.runtime.join("hostler").join(format!("{name}.sock"))
    }

    /// The drop-in of a profile, as it was installed; the standard one is the template itself.
    #[must_use]
    pub fn profile(&self, profile: Profile) -> Option<PathBuf> {
        (profile != Profile::Standard).then(|| self.installed(profile.word()))
    }

    /// The drop-in that takes the network away, as it was installed.
    #[must_use]
    pub fn no_network(&self) -> PathBuf {
        self.installed("no-network")
    }

    fn installed(&self, drop_in: &str) -> PathBuf {
        self.prefix.join("lib/hostler/profiles").join(format!("{drop_in}.conf"))
    }

    /// The template of a unit, where it is installed (systemd.unit(5), the unit file load path).
    #[must_use]
    pub fn template(&self, unit: Unit) -> Option<PathBuf> {
        let file = format!("hostler@.{}", unit.ending());
        let below = |directory: &str| PathBuf::from(directory).join("systemd").join(self.kind());
        let directories =
            [self.units(), below("/etc"), below("/run"), below("/usr/local/lib"), below("/usr/lib"), below("/lib")];
        directories.into_iter().map(|directory| directory.join(&file)).find(|path| self.on_disk(path).is_file())
    }

    /// What systemd keeps for the service: its state, cache and logs (systemd.exec(5); `private` with `DynamicUser=`).
    #[must_use]
    pub fn data(&self, name: &Name) -> Vec<PathBuf> {
        let own = |directory: &str| PathBuf::from(directory).join("hostler").join(name.as_str());
        match self.scope {
            Scope::System => ["/var/lib", "/var/cache", "/var/log"]
                .into_iter()
                .flat_map(|base| [own(base), own(&format!("{base}/private"))])
                .collect(),
            // %S, %C and %L of a user's manager are left to it, as they depend on its version.
            Scope::User => Vec::new(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.scope {
            Scope::System => "system",
            Scope::User => "user",
        }
    }
}
