//! The interfaces' definitions, compared with the committed ones, and what travels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::object_server::Interface;

use super::instance::Instance;
use super::job::Job;
use super::manager::{Calls, Manager};
use super::settings::Settings;
use super::*;

struct Nobody;

#[async_trait::async_trait]
impl Daemon for Nobody {
    async fn list(&self, _: Caller) -> Result<Vec<Overview>> {
        Ok(Vec::new())
    }
    async fn create(&self, _: Caller, _: String, _: Changes, _: NewInstance) -> Result<u64> {
        refused()
    }
    async fn remove(&self, _: Caller, _: String) -> Result<u64> {
        refused()
    }
    async fn schema(&self) -> Result<Vec<SettingInfo>> {
        refused()
    }
    async fn watch(&self, _: Caller) -> Result<()> {
        refused()
    }
    async fn unwatch(&self, _: Caller) -> Result<()> {
        refused()
    }
    async fn detail(&self, _: Caller, _: String) -> Result<Detail> {
        refused()
    }
    async fn samples(&self, _: Caller, _: String, _: u64) -> Result<crate::Samples> {
        refused()
    }
    async fn workers(&self, _: Caller, _: String) -> Result<Vec<crate::Worker>> {
        refused()
    }
    async fn requests(&self, _: Caller, _: String) -> Result<Vec<crate::Request>> {
        refused()
    }
    async fn stacks(&self, _: Caller, _: String, _: u32) -> Result<String> {
        refused()
    }
    async fn begin(&self, _: Caller, _: String, _: Order) -> Result<u64> {
        refused()
    }
    async fn reads(&self, _: Caller, _: String) -> bool {
        false
    }
    async fn cancel(&self, _: Caller, _: u64) -> Result<()> {
        refused()
    }
    async fn enable(&self, _: Caller, _: String, _: bool) -> Result<()> {
        refused()
    }
    async fn scale(&self, _: Caller, _: String, _: u32) -> Result<()> {
        refused()
    }
    async fn recycle(&self, _: Caller, _: String, _: u32) -> Result<()> {
        refused()
    }
    async fn log_level(&self, _: Caller, _: String) -> Result<crate::LogLevel> {
        refused()
    }
    async fn set_log_level(&self, _: Caller, _: String, _: crate::LogLevel) -> Result<()> {
        refused()
    }
    async fn logs(&self, _: Caller, _: String, _: LogFilter) -> Result<std::os::fd::OwnedFd> {
        refused()
    }
    async fn read_logs(&self, _: Caller, _: String, _: LogFilter) -> Result<LogPage> {
        refused()
    }
    async fn metrics(&self, _: Caller, _: String, _: u32) -> Result<std::os::fd::OwnedFd> {
        refused()
    }
    async fn values(&self, _: Caller, _: String) -> Result<(String, Vec<SettingValue>)> {
        refused()
    }
    async fn text(&self, _: Caller, _: String) -> Result<(String, String)> {
        refused()
    }
    async fn validate(&self, _: Caller, _: String, _: Changes) -> Result<Vec<Problem>> {
        refused()
    }
    async fn validate_text(&self, _: Caller, _: String, _: String) -> Result<Vec<Problem>> {
        refused()
    }
    async fn history(&self, _: Caller, _: String) -> Result<Vec<RevisionInfo>> {
        refused()
    }
}

fn refused<T>() -> Result<T> {
    Err(Error::Refused { reason: "nobody".to_owned() })
}

/// The interface as introspection tells it: what other languages' clients are made from.
fn xml<I: Interface>(interface: &I) -> String {
    let mut body = String::new();
    interface.introspect_to_writer(&mut body, 2);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Generated from the definitions in crates/bus/src. To change it, change them and \
         run\n     HOSTLER_UPDATE=1 cargo test -p hostler-bus -->\n<node>\n{}\n</node>\n",
        body.trim_end()
    )
}

#[test]
fn the_interfaces_are_the_committed_ones() {
    let calls = Calls(Arc::new(Nobody));
    let (_, report) = tokio::sync::watch::channel(Report::default());
    let overview = Arc::new(Mutex::new(Overview::default()));
    let name = String::new();
    let all = [
        ("org.hostler.Hostler1.Manager", xml(&Manager { calls: calls.clone(), scope: "user" })),
        ("org.hostler.Hostler1.Instance", xml(&Instance { name: name.clone(), calls: calls.clone(), overview })),
        ("org.hostler.Hostler1.Settings", xml(&Settings { name, calls: calls.clone() })),
        ("org.hostler.Hostler1.Job", xml(&Job { number: 1, calls, report })),
    ];
    for (name, text) in all {
        let path = format!("{}/../../systemd/dbus/interfaces/{name}.xml", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("HOSTLER_UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == text, "{path} is out of date: run HOSTLER_UPDATE=1 cargo test -p hostler-bus");
    }
}

#[test]
fn each_name_has_a_path_of_its_own() {
    let mut paths = std::collections::HashSet::new();
    for name in ["", "_", "shop", "shop-2", "2shop", "a.b", "a_2eb", "é", "A:b_"] {
        let path = instance_path(name);
        assert!(zbus::zvariant::ObjectPath::try_from(path.as_str()).is_ok(), "{path}");
        assert_eq!(name_of(path.as_str()).as_deref(), Some(name), "{path}");
        assert!(paths.insert(path), "{name}");
    }
    assert_eq!(instance_path("my-shop").as_str(), "/org/hostler/Hostler1/instances/my_2dshop");
    for path in ["/org/hostler/Hostler1", "/org/hostler/Hostler1/jobs/1", "/org/hostler/Hostler1/instances/a_zz"] {
        assert_eq!(name_of(path), None, "{path}");
    }
}

/// One of each, with a secret wherever a file or a log may be quoted.
fn all_errors() -> [Error; 13] {
    let problem = Problem {
        key: "threads".to_owned(),
        line: 2,
        message: "`threads` wants SECRET".to_owned(),
        ..Problem::default()
    };
    let text = || "two\nlines of SECRET".to_owned();
    [
        Error::NoInstance { name: "shop".to_owned() },
        Error::Refused { reason: text() },
        Error::Conflict { reason: "changed SECRET".to_owned(), difference: text() },
        Error::InvalidSettings { problems: vec![problem.clone(), problem] },
        Error::NotAuthorized { purpose: "control the instance \"shop\"".to_owned(), reason: "two\nlines".to_owned() },
        Error::AuthenticationNeeded { purpose: "control it".to_owned() },
        Error::Dismissed { purpose: "control the instance \"shop\"".to_owned() },
        Error::Systemd { reason: "two\nlines".to_owned() },
        Error::Cancelled,
        Error::Instance(crate::Error::ReloadFailed { reason: "no SECRET".to_owned(), traceback: text() }),
        Error::Instance(crate::Error::NoWorker { worker: 7 }),
        Error::Internal { reason: text() },
        Error::Instance(crate::Error::ReloadFailed { reason: "SECRET".to_owned(), traceback: String::new() }),
    ]
}

#[test]
fn errors_come_back_as_they_went_and_tell_no_secret_in_public() {
    let all = all_errors();
    for error in all {
        let (name, message, detail) = error.to_wire();
        assert_eq!(Error::from_wire(name, message, detail), error);
        let (name, text) = error.to_reply();
        assert_eq!(Error::from_reply(name, text.clone()), error, "{text}");
    }
    for error in all_errors() {
        let public = error.in_public();
        let (name, message, detail) = public.to_wire();
        assert_eq!(name, error.to_wire().0);
        assert!(!format!("{message}{detail}").contains("SECRET"), "{public:?}");
    }
    // The bus itself refuses: its text is the reason.
    let refused = Error::from_reply("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message".to_owned());
    assert!(matches!(&refused, Error::NotAuthorized { reason, .. } if reason == "Rejected send message"), "{refused}");
    let other = Error::from_wire("org.freedesktop.DBus.Error.UnknownMethod", "Dance".to_owned(), String::new());
    assert!(matches!(other, Error::OtherVersion { .. }));
}

#[test]
fn streams_are_plain_json() {
    let line = LogLine {
        time_us: 1,
        message: "é\n".to_owned(),
        fields: [("worker".into(), "2".into())].into(),
        ..LogLine::default()
    };
    let text = serde_json::to_string(&line).unwrap();
    assert!(text.starts_with(r#"{"time_us":1,"priority":0,"message":"é\n""#), "{text}");
    assert_eq!(serde_json::from_str::<LogLine>(&text).unwrap(), line);
    let frame = MetricsLine { time_us: 5, detail: Detail { revision: "ab".to_owned(), ..Detail::default() } };
    let text = serde_json::to_string(&frame).unwrap();
    assert_eq!(serde_json::from_str::<MetricsLine>(&text).unwrap(), frame);
    let known: HashMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(known.contains_key("time_us") && known.contains_key("overview"));
}
