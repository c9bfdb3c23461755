//! The drop-ins of an instance's units (systemd.unit(5)): what differs from the templates.

use std::path::{Path, PathBuf};

use crate::name::USER_PREFIX;
use crate::stamp::fingerprint;
use crate::{Name, Scope, Unit};

/// The addresses, where they are not the template's.
pub(crate) const ADDRESS: &str = "10-address.conf";
/// The profile: a link.
pub(crate) const PROFILE: &str = "10-profile.conf";
/// No network: a link.
pub(crate) const NETWORK: &str = "20-no-network.conf";
/// The account, and what it may see.
pub(crate) const ACCOUNT: &str = "20-account.conf";

/// As whom a service runs, and what it may see of the file system; the default is what the template says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// A user that exists; without it one is made while the service runs (`DynamicUser=`).
    pub user: Option<String>,
    /// A group that exists; without it the user's own.
    pub group: Option<String>,
    /// Whether it may read what is below `/home`, `/root` and `/run/user`.
    pub sees_homes: bool,
    /// What it may write besides its own directories below `/var`; absolute paths.
    pub writable: Vec<PathBuf>,
    /// Files with variables for its environment, as `EnvironmentFile=` takes them: with a `-` before it, it may be missing.
    pub environment_files: Vec<String>,
}

impl Account {
    /// A part of it that would break its line.
    pub(crate) fn broken(&self) -> Option<String> {
        let names = [&self.user, &self.group].into_iter().flatten().chain(&self.environment_files).cloned();
        let paths = self.writable.iter().map(|path| path.to_string_lossy().into_owned());
        names.chain(paths).find(|part| part.contains(char::is_control))
    }
}

/// The text of the socket's drop-in; `None` where the template's own address is meant.
pub(crate) fn addresses(name: &Name, scope: Scope, streams: &[String]) -> Option<String> {
    if streams.is_empty() {
        return None;
    }
    let manager = manager(scope);
    let mut text = format!(
        "# Where {} listens. After a change: {manager} daemon-reload, then {manager} restart {}\n\n\
         [Socket]\n# Not where the template says.\nListenStream=\n",
        Unit::Socket.of(name),
        Unit::Socket.of(name)
    );
    for stream in streams {
        text.push_str(&format!("ListenStream={stream}\n"));
    }
    // systemd complains where a unix socket is among them; the server sets it as well.
    if streams.iter().all(|stream| !stream.starts_with(['/', '@'])) {
        text.push_str("NoDelay=yes\n");
    }
    Some(text)
}

/// The text of the service's drop-in; `None` where nothing differs.
pub(crate) fn account(name: &Name, scope: Scope, account: &Account) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(user) = &account.user {
        lines.push("# A user that exists, in place of one that is made while the service runs.".to_owned());
        lines.push("DynamicUser=no".to_owned());
        lines.push(format!("User={user}"));
    } else if scope == Scope::System && !name.makes_user() {
        lines.push("# A user's name has no dots and is shorter than this instance's.".to_owned());
        lines.push(format!("User={USER_PREFIX}{}", fingerprint(name.as_str())));
    }
    lines.extend(account.group.iter().map(|group| format!("Group={group}")));
    if account.sees_homes {
        lines.push("# The application or its Python is in a home directory.".to_owned());
        lines.push("ProtectHome=read-only".to_owned());
    }
    if !account.writable.is_empty() {
        lines.push("# What the application writes besides its own directories below /var.".to_owned());
    }
    lines.extend(account.writable.iter().map(|path| format!("ReadWritePaths={}", quoted(path))));
    if !account.environment_files.is_empty() {
        lines.push("# Variables of the application.".to_owned());
    }
    lines.extend(account.environment_files.iter().map(|file| format!("EnvironmentFile={file}")));
    if lines.is_empty() {
        return None;
    }
    let manager = manager(scope);
    let service = Unit::Service.of(name);
    Some(format!(
        "# How {service} runs. After a change: {manager} daemon-reload, then {manager} restart {service}\n\n[Service]\n{}\n",
        lines.join("\n")
    ))
}

/// The command that talks to the scope's systemd.
fn manager(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "systemctl",
        Scope::User => "systemctl --user",
    }
}

/// A path as an item of a list in a unit (systemd.syntax(7), Quoting).
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_where_nothing_differs() {
        let name = "shop".parse().unwrap();
        assert_eq!(addresses(&name, Scope::System, &[]), None);
        assert_eq!(account(&name, Scope::System, &Account::default()), None);
    }

    #[test]
    fn a_name_that_makes_no_user_has_one_all_the_same() {
        let user = |name: &str| {
            let text = account(&name.parse().unwrap(), Scope::System, &Account::default()).unwrap();
            let line = text.lines().find(|line| line.starts_with("User=")).unwrap().to_owned();
            assert!(line.len() <= "User=".len() + 31 && !line.contains('.'), "{line}");
            line
        };
        assert_ne!(user("shop.example.org"), user("blog.example.org"));
        assert_ne!(user(&"a".repeat(30)), user(&"a".repeat(31)));
        assert_eq!(account(&"a.b".parse().unwrap(), Scope::User, &Account::default()), None, "it runs as the user");
        let deploy = Account { user: Some("deploy".into()), ..Account::default() };
        let text = account(&"a.b".parse().unwrap(), Scope::System, &deploy).unwrap();
        assert_eq!(text.matches("\nUser=").count(), 1, "{text}");
    }

    #[test]
    fn what_differs_is_written() {
        let name = "shop".parse().unwrap();
        let text = addresses(&name, Scope::User, &["127.0.0.1:8000".into(), "/run/x.sock".into()]).unwrap();
        assert!(text.ends_with(
            "[Socket]\n# Not where the template says.\nListenStream=\nListenStream=127.0.0.1:8000\nListenStream=/run/x.sock\n"
        ));
        assert!(text.contains("systemctl --user restart hostler@shop.socket"));
        assert!(addresses(&name, Scope::User, &["127.0.0.1:8000".into()]).unwrap().ends_with("\nNoDelay=yes\n"));
        let text = addresses(&name, Scope::User, &["@x".into()]).unwrap();
        assert!(!text.contains("NoDelay"), "a unix socket has none");
        let text = account(
            &name,
            Scope::System,
            &Account {
                user: Some("deploy".into()),
                group: None,
                sees_homes: true,
                writable: vec!["/srv/my \"100%\" site".into()],
                environment_files: vec!["-/etc/default/shop".into()],
            },
        )
        .unwrap();
        for line in [
            "DynamicUser=no\nUser=deploy\n",
            "\nProtectHome=read-only\n",
            "\nReadWritePaths=\"/srv/my \\\"100%%\\\" site\"\n",
            "\nEnvironmentFile=-/etc/default/shop\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
