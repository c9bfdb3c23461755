//! Units of systemd that run another server, and their sockets: what is in them for Hostler's settings, for a drop-in, or for nothing
//! since the templates have it.

use std::path::{Path, PathBuf};

use hostler_project::reading;
use toml_edit::Array;

use super::command::{self, Where};
use super::convert::mode;
use super::gathered::{Gathered, Loss};
use super::gunicorn;
use super::rule::Given;

/// What the templates have, in their own way.
const TEMPLATE: &str = "hostler@.service has its own";
const NEEDLESS: &str = "Type NotifyAccess Restart RestartSec RestartPreventExitStatus KillMode KillSignal ExecReload ExecStop PIDFile TimeoutStopSec \
    TimeoutStartSec TimeoutSec TimeoutAbortSec SendSIGKILL SuccessExitStatus WatchdogSec StandardOutput StandardError StandardInput \
    SyslogIdentifier RuntimeDirectory RuntimeDirectoryMode StateDirectory CacheDirectory LogsDirectory DynamicUser NoNewPrivileges \
    PrivateTmp PrivateDevices PrivateUsers PrivateMounts ProtectSystem ProtectHome ProtectClock ProtectHostname ProtectKernelLogs \
    ProtectKernelModules ProtectKernelTunables ProtectControlGroups ProtectProc ProcSubset RestrictNamespaces RestrictRealtime \
    RestrictSUIDSGID RestrictAddressFamilies RemoveIPC LockPersonality MemoryDenyWriteExecute SystemCallArchitectures SystemCallFilter \
    SystemCallErrorNumber CapabilityBoundingSet AmbientCapabilities KeyringMode Sockets NonBlocking";
/// Units that the templates follow anyway, or that say nothing.
const ORDINARY: [&str; 5] =
    ["network.target", "network-online.target", "syslog.target", "basic.target", "sysinit.target"];

/// One line: the section, the key, the value.
type Setting = (String, String, String);

/// Takes a unit and the drop-ins beside it.
pub(crate) fn take(gathered: &mut Gathered, path: &Path) -> Result<(), String> {
    let settings = read(path)?;
    let place = path.display().to_string();
    if path.extension().is_some_and(|ending| ending == "socket") {
        return socket(gathered, &settings, &place);
    }
    let directory = values(&settings, "WorkingDirectory").next_back().map(|value| value.trim_start_matches('-'));
    let directory = directory.filter(|value| value.starts_with('/')).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let variables = variables(values(&settings, "Environment"));
    let commands: Vec<&str> = values(&settings, "ExecStart").collect();
    let [command] = commands[..] else {
        return Err(format!("{place}: it has {} lines ExecStart=, and one is wanted", commands.len()));
    };
    let words = words(&expanded(command.trim_start_matches(['@', '-', ':', '+', '!']), &variables));
    let path_of = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut line = command::line(&words).ok_or_else(|| {
        format!("{place}: ExecStart={command} is no command line of gunicorn, uvicorn or uWSGI that is understood: give that line itself")
    })?;
    // A bare program is found by the unit's $PATH.
    let first = path_of("PATH").and_then(|path| path.split(':').next().map(PathBuf::from));
    let environment = path_of("VIRTUAL_ENV").map(PathBuf::from).or_else(|| {
        first
            .filter(|bin| bin.ends_with("bin") && !bin.starts_with("/usr") && bin != Path::new("/bin"))?
            .parent()
            .map(Path::to_owned)
    });
    line.venv = line.venv.or(environment);
    command::take(gathered, &line, &Where { place: &place, directory: &directory, variables: &variables })?;
    gathered.turn_to(&place, &directory);
    for (section, key, value) in &settings {
        one(gathered, section, key, value)?;
    }
    if directory != Path::new("/") && gathered.text_of("chdir").is_none() {
        gathered.set("chdir", directory.display().to_string().into())?;
    }
    Ok(())
}

/// All values of a key.
fn values<'a>(settings: &'a [Setting], wanted: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
    settings.iter().filter(move |(_, key, _)| key == wanted).map(|(_, _, value)| value.as_str())
}

fn one(gathered: &mut Gathered, section: &str, key: &str, value: &str) -> Result<(), String> {
    let shown = format!("{key}={value}");
    let text = Given::Text(value.to_owned());
    match (section, key) {
        _ if value.is_empty() => {}
        ("Service", "ExecStart" | "WorkingDirectory") | ("Unit", "Description" | "Documentation") | ("Install", _) => {}
        ("Service", "User") => gunicorn::user(gathered, &text)?,
        ("Service", "Group") => gunicorn::group(gathered, &text)?,
        ("Service", "Environment") => {
            let process = ["PATH", "VIRTUAL_ENV", "PYTHONUNBUFFERED", "GUNICORN_CMD_ARGS"];
            let own =
                words(value).into_iter().filter(|item| !process.contains(&item.split('=').next().unwrap_or_default()));
            let own: Array = own.collect();
            if !own.is_empty() {
                gathered.set("env", own.into())?;
            }
        }
        ("Service", "EnvironmentFile") => gathered.unit.environment_files.push(value.to_owned()),
        ("Service", "ReadWritePaths") => {
            let paths = words(value).into_iter().map(|path| PathBuf::from(path.trim_start_matches(['-', '+'])));
            gathered.unit.writable.extend(paths);
        }
        ("Service", "UMask") => match mode(&text).and_then(|value| gathered.set("umask", value)) {
            Ok(()) => {}
            Err(why) => gathered.tell(Loss::Lost, &shown, &why),
        },
        ("Service", key) if NEEDLESS.split_whitespace().any(|known| known == key) => {
            gathered.tell(Loss::Needless, &shown, TEMPLATE)
        }
        ("Unit", "StartLimitIntervalSec" | "StartLimitBurst" | "ConditionPathExists") => {
            gathered.tell(Loss::Needless, &shown, TEMPLATE)
        }
        ("Unit", "After" | "Wants" | "Requires" | "Before" | "PartOf" | "BindsTo") => {
            let own = |unit: &&str| !ORDINARY.contains(unit) && !unit.ends_with(".socket");
            let others: Vec<&str> = value.split_whitespace().filter(own).collect();
            if !others.is_empty() {
                gathered.tell(
                    Loss::Lost,
                    &format!("{key}={}", others.join(" ")),
                    "a drop-in takes it: systemctl edit hostler@NAME.service",
                );
            }
        }
        _ => gathered.tell(Loss::Lost, &shown, "a drop-in takes it as it is: systemctl edit hostler@NAME.service"),
    }
    Ok(())
}

fn socket(gathered: &mut Gathered, settings: &[Setting], place: &str) -> Result<(), String> {
    gathered.turn_to(place, Path::new("/"));
    for (section, key, value) in settings.iter().filter(|(section, _, value)| section == "Socket" && !value.is_empty())
    {
        let shown = format!("{key}={value}");
        let address = match value {
            path if path.starts_with('/') => format!("unix:{path}"),
            name if name.starts_with('@') => format!("unix:{name}"),
            port if port.bytes().all(|byte| byte.is_ascii_digit()) => format!(":{port}"),
            other => other.clone(),
        };
        let outcome = match key.as_str() {
            "ListenStream" => gathered.listen(&address),
            "Backlog" | "Accept" | "NoDelay" | "Service" => Ok(()),
            _ => Err("a drop-in takes it as it is: systemctl edit hostler@NAME.socket".to_owned()),
        };
        if let Err(why) = outcome {
            gathered.tell(Loss::Lost, &shown, &why);
        }
        let _ = section;
    }
    Ok(())
}

/// The unit, and the drop-ins in the directory beside it, in their order. An empty assignment takes back those before.
fn read(path: &Path) -> Result<Vec<Setting>, String> {
    let text = |path: &Path| reading::text(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut settings = parsed(&text(path)?);
    let mut beside: Vec<PathBuf> = std::fs::read_dir(format!("{}.d", path.display()))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    // One that leads to /dev/null is masked.
    let masked = |path: &Path| path.canonicalize().is_ok_and(|file| file == Path::new("/dev/null"));
    beside.retain(|path| path.extension().is_some_and(|ending| ending == "conf") && !masked(path));
    beside.sort();
    for path in &beside {
        settings.extend(parsed(&text(path)?));
    }
    let mut kept: Vec<Setting> = Vec::new();
    for (section, key, value) in settings {
        if value.is_empty() {
            kept.retain(|(_, known, _)| *known != key);
        } else {
            kept.push((section, key, value));
        }
    }
    Ok(kept)
}

/// systemd.syntax(7): sections, comments, lines that go on behind a backslash.
fn parsed(text: &str) -> Vec<Setting> {
    let (mut settings, mut section, mut before) = (Vec::new(), String::new(), String::new());
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && before.is_empty()) {
            continue;
        }
        if let Some(part) = trimmed.strip_suffix('\\') {
            before.push_str(part);
            before.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut before) + trimmed;
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            settings.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    settings
}

/// The words of a value; one with a quotation mark that is not closed is split at spaces.
fn words(value: &str) -> Vec<String> {
    shlex::split(value).unwrap_or_else(|| value.split_whitespace().map(str::to_owned).collect())
}

fn variables<'a>(values: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let items = values.flat_map(words);
    items.filter_map(|item| item.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// With `${NAME}` and `$NAME` of the unit's own variables, and `%%`, replaced; others stay as they are.
fn expanded(command: &str, variables: &[(String, String)]) -> String {
    let mut text = command.replace("%%", "%");
    for (name, value) in variables {
        text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name} "), &format!("{value} "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_are_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.service");
        std::fs::write(&path, "# x\n[Service]\nExecStart=gunicorn \\\n  # between\n  -w 4 \\\n  a:b\nUser = www\n")
            .unwrap();
        std::fs::create_dir(directory.path().join("shop.service.d")).unwrap();
        std::fs::write(directory.path().join("shop.service.d/o.conf"), "[Service]\nUser=\nUser=deploy\n").unwrap();
        let settings = read(&path).unwrap();
        let shown: Vec<String> =
            settings.iter().map(|(section, key, value)| format!("[{section}] {key}={value}")).collect();
        assert_eq!(shown, ["[Service] ExecStart=gunicorn  -w 4  a:b", "[Service] User=deploy"]);
    }

    #[test]
    fn variables_are_put_in() {
        let known = variables(["PORT=80 \"NAME=a b\""].into_iter());
        assert_eq!(known[1], ("NAME".to_owned(), "a b".to_owned()));
        assert_eq!(expanded("gunicorn -b :${PORT} -w $WORKERS %%", &known), "gunicorn -b :80 -w $WORKERS %");
    }
}
