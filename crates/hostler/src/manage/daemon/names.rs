//! The names of instances and settings for whoever completes a command line: read from directories, so that a press of a key waits
//! for no daemon.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use hostler_bus::Places;

/// Where the settings of the machine's instances are.
const SYSTEM_SETTINGS: &str = "/etc/hostler";

pub(super) fn completer() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let mut names: BTreeSet<String> = files(Path::new(SYSTEM_SETTINGS));
        names.extend(own(variable));
        names.extend(Places::of_environment(variable).found().into_iter().map(|found| found.name));
        let typed = typed.to_string_lossy();
        names.iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    })
}

/// The keys of settings, each with what is to follow it.
pub(super) fn keys(end: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy().replace('-', "_");
        let all = hostler_settings::metas().iter().filter(|meta| meta.key.starts_with(&typed));
        all.map(|meta| CompletionCandidate::new(format!("{}{end}", meta.key))).collect()
    })
}

/// The user's own instances that have a settings file.
pub(super) fn own(variable: impl Fn(&str) -> Option<OsString>) -> BTreeSet<String> {
    let configuration = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    configuration.map(|configuration| files(&configuration.join("hostler"))).unwrap_or_default()
}

/// The names of settings files; none where the directory cannot be read.
fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_files_are_names() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["shop.toml", "blog.toml", "shop.toml.old", "notes"] {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        assert_eq!(files(directory.path()), BTreeSet::from(["blog".to_owned(), "shop".to_owned()]));
        assert!(files(&directory.path().join("absent")).is_empty());
        let home = directory.path().join("home");
        std::fs::create_dir_all(home.join(".config/hostler")).unwrap();
        std::fs::write(home.join(".config/hostler/api.toml"), "").unwrap();
        let own = own(|name| (name == "HOME").then(|| home.clone().into_os_string()));
        assert_eq!(own, BTreeSet::from(["api".to_owned()]));
    }
}
