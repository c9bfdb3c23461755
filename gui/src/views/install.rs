//! How Hostler's package is installed on a machine, as far as that can be told: by what os-release(5) says of this one.

use std::sync::OnceLock;

use hostler_bus::daemon::Reach;

/// Where the machine says what it is; the first that is there.
const FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The command that installs it; none for another machine, and for one whose package manager is not known.
#[must_use]
pub(super) fn command(reach: &Reach) -> Option<String> {
    static HERE: OnceLock<Option<&'static str>> = OnceLock::new();
    if reach.host.is_some() {
        return None;
    }
    // Two small files, which are read once.
    let here = HERE
        .get_or_init(|| FILES.iter().find_map(|file| std::fs::read_to_string(file).ok()).and_then(|text| of(&text)));
    here.map(str::to_owned)
}

/// The command of a distribution, or of the one that it is like.
fn of(os_release: &str) -> Option<&'static str> {
    let value = |key: &str| {
        let mut lines = os_release.lines().rev().filter_map(|line| line.trim().split_once('='));
        // The last one counts, as where a shell reads it.
        let (_, found) = lines.find(|(name, _)| *name == key)?;
        Some(found.trim_matches(['"', '\'']).to_ascii_lowercase())
    };
    let names = [value("ID"), value("ID_LIKE")].into_iter().flatten().collect::<Vec<String>>().join(" ");
    names.split_whitespace().find_map(|name| {
        Some(match name {
            "debian" | "ubuntu" => "sudo apt install hostler",
            "fedora" | "rhel" | "centos" => "sudo dnf install hostler",
            "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => "sudo zypper install hostler",
            "arch" | "archlinux" => "sudo pacman -S hostler",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_manager_is_that_of_the_distribution() {
        for (text, command) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", Some("sudo apt install hostler")),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Some("sudo apt install hostler")),
            ("ID=fedora\n", Some("sudo dnf install hostler")),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Some("sudo dnf install hostler")),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", Some("sudo zypper install hostler")),
            ("ID=manjaro\nID_LIKE=arch\n", Some("sudo pacman -S hostler")),
            ("ID=nixos\n", None),
            ("", None),
        ] {
            assert_eq!(of(text), command, "{text}");
        }
        assert_eq!(
            command(&Reach { user: false, host: Some("web1".to_owned()) }),
            None,
            "nobody knows what runs there"
        );
    }
}
