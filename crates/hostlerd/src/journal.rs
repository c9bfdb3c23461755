//! The journal's lines of one instance, read by a journalctl(1) child: no library of systemd's is linked for it.

use std::process::Stdio;

use hostler_bus::daemon::{LogFilter, LogLine};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::scope::Kind;
use crate::units::{service_of, socket_of};

/// A longer entry is passed over: a frame has to fit into memory, and somebody's screen.
const ENTRY_LIMIT: u64 = 1 << 20;

/// Fields of the journal that are in a line anyway, or that say nothing to an operator.
const PASSED_OVER: [&str; 12] = [
    "MESSAGE",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_FACILITY",
    "SYSLOG_PID",
    "SYSLOG_TIMESTAMP",
    "SYSLOG_RAW",
    "CODE_FILE",
    "CODE_LINE",
    "CODE_FUNC",
    "TID",
    "INVOCATION_ID",
];

/// The message id of systemd's complaints about unit files (SD_MESSAGE_INVALID_CONFIGURATION of sd-messages.h).
const INVALID_CONFIGURATION: &str = "c772d24e9a884cbeb9ea12625c306c01";
/// How the paths of the units end that the package brings.
const OUR_UNITS: [&str; 2] = ["/lib/systemd/system/hostler@.", "/lib/systemd/user/hostler@."];

/// So many entries more are asked for than are shown, as some are passed over.
const PASSED_OVER_MOST: u32 = 100;

/// A journalctl that runs; it ends when this is dropped.
pub(crate) struct Journal {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Journal {
    /// Begins to read. With `follow` it goes on with what is logged from then on.
    ///
    /// # Errors
    /// When journalctl cannot be started.
    pub(crate) fn open(kind: Kind, name: &str, filter: &LogFilter, follow: bool) -> std::io::Result<Self> {
        let mut child = Command::new("journalctl")
            .args(arguments(kind, name, filter, follow.then(machine_id)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| std::io::Error::other("journalctl has no output"))?;
        Ok(Self { child, output: BufReader::new(output) })
    }

    /// The next entry; `None` at the end. Not cancel safe: an entry that was begun is lost.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<LogLine>> {
        loop {
            match entry(&mut self.output).await? {
                None => return Ok(None),
                Some(text) => match line(&text) {
                    Some(line) if is_of_newer_keys(&line) => {}
                    Some(line) => return Ok(Some(line)),
                    None => tracing::debug!("an entry of the journal was not understood, or too long"),
                },
            }
        }
    }

    /// Waits for its end; the error says why it failed.
    pub(crate) async fn end(mut self) -> Result<(), String> {
        match self.child.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("journalctl failed ({status}); does it work by hand?")),
            Err(error) => Err(format!("journalctl: {error}")),
        }
    }
}

/// Which machine this is (machine-id(5)); empty where it is not known.
fn machine_id() -> String {
    std::fs::read_to_string("/etc/machine-id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// `follow` goes on with what comes, and has the machine whose entries are followed.
fn arguments(kind: Kind, name: &str, filter: &LogFilter, follow: Option<String>) -> Vec<String> {
    let unit = if kind == Kind::User { "--user-unit" } else { "--unit" };
    let mut all: Vec<String> = ["--output=json", "--all", "--no-pager", "--quiet"].map(str::to_owned).to_vec();
    all.extend([service_of(name), socket_of(name)].map(|id| format!("{unit}={id}")));
    let seconds = |us: u64| format!("@{}.{:06}", us / 1_000_000, us % 1_000_000);
    all.extend(filter.since_us.map(|us| format!("--since={}", seconds(us))));
    all.extend(filter.until_us.filter(|_| follow.is_none()).map(|us| format!("--until={}", seconds(us))));
    all.extend(filter.priority.map(|priority| format!("--priority={}", priority.min(7))));
    if !filter.cursor.is_empty() {
        all.push(format!("--after-cursor={}", filter.cursor));
    }
    if let Some(machine) = follow {
        all.extend(["--follow".to_owned(), "--lines=all".to_owned()]);
        if !machine.is_empty() {
            // Else it follows the entries of this boot alone, whose id it looks for below /proc/sys: a hardened hostlerd sees none there, or in
            // a container that of the host.
            all.extend(["--merge".to_owned(), format!("_MACHINE_ID={machine}")]);
        }
    } else if let Some(lines) = filter.lines.filter(|_| filter.text.is_empty() && filter.request.is_empty()) {
        // Else it is not known how many have to be looked at for so many that match. The last so many of these are taken.
        all.push(format!("--lines={}", lines.saturating_mul(2).saturating_add(PASSED_OVER_MOST)));
    }
    all
}

/// The next line of text; empty where it was too long.
async fn entry(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    if (&mut *from).take(ENTRY_LIMIT).read_until(b'\n', &mut text).await? == 0 {
        return Ok(None);
    }
    let mut ended = text.ends_with(b"\n");
    let long = !ended;
    while !ended {
        text.clear();
        ended = (&mut *from).take(ENTRY_LIMIT).read_until(b'\n', &mut text).await? == 0 || text.ends_with(b"\n");
    }
    if long {
        text.clear();
    }
    Ok(Some(text))
}

/// From journalctl's JSON (systemd.io/JOURNAL_EXPORT_FORMATS).
fn line(text: &[u8]) -> Option<LogLine> {
    let Value::Object(entry) = serde_json::from_slice(text).ok()? else { return None };
    let number = |name: &str| text_of(&entry, name).and_then(|text| text.parse::<u64>().ok());
    Some(LogLine {
        time_us: number("_SOURCE_REALTIME_TIMESTAMP").or_else(|| number("__REALTIME_TIMESTAMP"))?,
        priority: number("PRIORITY").map_or(6, |priority| priority.min(7) as u32),
        message: text_of(&entry, "MESSAGE").unwrap_or_default(),
        pid: number("_PID").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        identifier: text_of(&entry, "SYSLOG_IDENTIFIER").unwrap_or_default(),
        cursor: text_of(&entry, "__CURSOR").unwrap_or_default(),
        fields: entry
            .keys()
            .filter(|name| !name.starts_with('_') && !PASSED_OVER.contains(&name.as_str()))
            .filter_map(|name| Some((name.to_ascii_lowercase(), text_of(&entry, name)?)))
            .collect(),
    })
}

/// Whether it is systemd's note, at each reading of unit files, that it passes over a key of our templates: they have keys that only newer
/// versions know, and there is nothing to be done about it. What it says of drop-ins is for whoever wrote them.
fn is_of_newer_keys(line: &LogLine) -> bool {
    line.fields.get("message_id").is_some_and(|id| id == INVALID_CONFIGURATION)
        && line.fields.get("config_file").is_some_and(|file| OUR_UNITS.iter().any(|unit| file.contains(unit)))
}

/// A field is a text, or a list of bytes where it is not UTF-8, or a list of such where it stands several times: then the
/// first counts.
fn text_of(entry: &Map<String, Value>, name: &str) -> Option<String> {
    match entry.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => match items.first()? {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) => {
                let bytes: Vec<u8> = items.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a line is asked for, beyond what journalctl filters.
pub(crate) fn matches(line: &LogLine, filter: &LogFilter) -> bool {
    let has = |text: &str| text.is_empty() || line.message.to_lowercase().contains(&text.to_lowercase());
    let about = |request: &str| {
        request.is_empty() || line.fields.values().any(|value| value == request) || line.message.contains(request)
    };
    has(&filter.text) && about(&filter.request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = br#"{"__REALTIME_TIMESTAMP":"17","PRIORITY":"3","MESSAGE":[195,169,255],"_PID":"4","__CURSOR":"s=1",
            "SYSLOG_IDENTIFIER":"hostler","REQUEST":"ab12","_UID":"0","HOSTLER_WORKER":["2","3"],"BIG":null}"#;
        let line = line(text).unwrap();
        assert_eq!((line.time_us, line.priority, line.pid, line.message.as_str()), (17, 3, 4, "é\u{FFFD}"));
        let fields: Vec<_> = line.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(fields, ["hostler_worker=2", "request=ab12"]);
        let filter = |text: &str, request: &str| LogFilter {
            text: text.into(),
            request: request.into(),
            ..LogFilter::default()
        };
        assert!(matches(&line, &filter("É", "ab12")));
        assert!(!matches(&line, &filter("é", "other")) && !matches(&line, &filter("x", "")));
        assert!(super::line(b"[]").is_none() && super::line(b"").is_none() && super::line(b"{}").is_none());
    }

    #[test]
    fn what_is_said_of_our_own_units_is_passed_over() {
        let entry = |file: &str| {
            let text = format!(
                r#"{{"__REALTIME_TIMESTAMP":"17","MESSAGE":"x: Unknown key","MESSAGE_ID":"{INVALID_CONFIGURATION}","CONFIG_FILE":"{file}"}}"#
            );
            line(text.as_bytes()).unwrap()
        };
        assert!(is_of_newer_keys(&entry("/usr/lib/systemd/system/hostler@.service")));
        assert!(is_of_newer_keys(&entry("/opt/h/lib/systemd/user/hostler@.socket")));
        assert!(!is_of_newer_keys(&entry("/etc/systemd/system/hostler@shop.service.d/50-mine.conf")));
        let other = br#"{"__REALTIME_TIMESTAMP":"17","CONFIG_FILE":"/usr/lib/systemd/system/hostler@.service"}"#;
        assert!(!is_of_newer_keys(&line(other).unwrap()));
    }

    #[tokio::test]
    async fn an_entry_that_is_too_long_is_passed_over() {
        let long = "x".repeat(ENTRY_LIMIT as usize * 2 + 5);
        let text = format!("{long}\nshort\nlast");
        let mut from = text.as_bytes();
        assert_eq!(entry(&mut from).await.unwrap(), Some(Vec::new()));
        assert_eq!(entry(&mut from).await.unwrap().as_deref(), Some(&b"short\n"[..]));
        // The end without a line break: cut off in the middle.
        assert_eq!(entry(&mut from).await.unwrap(), Some(Vec::new()));
        assert_eq!(entry(&mut from).await.unwrap(), None);
    }

    #[test]
    fn what_journalctl_is_asked() {
        let filter =
            LogFilter { since_us: Some(1_500_000), priority: Some(99), lines: Some(3), ..LogFilter::default() };
        let words = arguments(Kind::User, "shop", &filter, None).join(" ");
        assert!(words.ends_with("--user-unit=hostler@shop.service --user-unit=hostler@shop.socket --since=@1.500000 --priority=7 --lines=106"), "{words}");
        let filter = LogFilter { text: "x".into(), lines: Some(3), cursor: "c".into(), ..filter };
        let words = arguments(Kind::System, "shop", &filter, Some("m1".to_owned())).join(" ");
        assert!(
            words.ends_with("--after-cursor=c --follow --lines=all --merge _MACHINE_ID=m1")
                && words.contains("--unit=hostler@shop.service"),
            "{words}"
        );
    }
}
