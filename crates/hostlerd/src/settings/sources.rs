//! Where each value of an instance comes from: defaults, its unit's environment, its file, its unit's command line.

use std::path::Path;

use hostler_bus::daemon::{Origin, SettingValue};
use hostler_settings::{Explained, Place, Reading, command_line};

use crate::units::ServiceWords;

/// All settings, as the service would see them. `drop_ins` are those of the service.
#[must_use]
pub(crate) fn values(path: &Path, text: &str, words: &ServiceWords, drop_ins: &[String]) -> Vec<SettingValue> {
    let mut reading = Reading::new();
    reading.environment(|name| {
        let value = |variable: &String| Some(variable.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        words.environment.iter().rev().find_map(value)
    });
    reading.file(path, text);
    // `hostler serve FILE` and what follows it. Words that are no options of ours are the service's own mistake, and told by it.
    let command =
        clap::Command::new("hostler").args(command_line::arguments()).ignore_errors(true).no_binary_name(true);
    let command = command.arg(clap::Arg::new("file"));
    if let Ok(matches) = command.try_get_matches_from(words.command.iter().skip(2)) {
        reading.command_line(&matches);
    }
    reading.explain().into_iter().map(|explained| value(explained, words, drop_ins)).collect()
}

fn value(explained: Explained, words: &ServiceWords, drop_ins: &[String]) -> SettingValue {
    let (origin, file, line) = match explained.place {
        None => (Origin::Default, String::new(), 0),
        Some(Place::File { path, line }) => {
            (Origin::File, path.display().to_string(), u32::try_from(line).unwrap_or(u32::MAX))
        }
        Some(Place::Environment { name }) => unit(words, drop_ins, &["Environment=", name]),
        Some(Place::CommandLine) => unit(words, drop_ins, &["ExecStart="]),
    };
    SettingValue { key: explained.meta.key.to_owned(), value: explained.value, origin, file, line }
}

/// The last drop-in that has a line with all of these in it, else the unit file. The paths are systemd's.
fn unit(words: &ServiceWords, drop_ins: &[String], marks: &[&str]) -> (Origin, String, u32) {
    let says = |path: &&String| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| !line.starts_with('#') && marks.iter().all(|mark| line.contains(mark)))
    };
    match drop_ins.iter().rev().find(says) {
        Some(path) => (Origin::DropIn, path.clone(), 0),
        None => (Origin::Unit, words.unit_file.clone(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let drop_in = directory.path().join("more.conf");
        std::fs::write(&drop_in, "[Service]\nEnvironment=WEB_CONCURRENCY=3\n").unwrap();
        let words = ServiceWords {
            unit_file: "/lib/hostler@.service".to_owned(),
            environment: vec!["A=b".to_owned(), "WEB_CONCURRENCY=3".to_owned()],
            command: ["hostler", "serve", "/etc/hostler/x.toml", "--threads", "7"].map(str::to_owned).to_vec(),
        };
        let drop_ins = [drop_in.display().to_string()];
        let values = values(Path::new("/etc/hostler/x.toml"), "timeout = 5\nthreads = 2", &words, &drop_ins);
        let of = |key: &str| values.iter().find(|one| one.key == key).unwrap();
        let told = |key: &str| (of(key).value.as_deref(), of(key).origin, of(key).file.as_str(), of(key).line);
        assert_eq!(told("timeout"), (Some("5"), Origin::File, "/etc/hostler/x.toml", 1));
        assert_eq!(told("workers"), (Some("3"), Origin::DropIn, drop_ins[0].as_str(), 0));
        assert_eq!(told("threads"), (Some("7"), Origin::Unit, "/lib/hostler@.service", 0));
        assert_eq!(told("backlog").1, Origin::Default);
    }
}
