//! Why nothing is served, told to everybody who waits for it: whoever reads standard error or the journal, systemd
//! (`systemctl status`), and the server that this one was to follow.

use std::ffi::OsStr;
use std::process::ExitCode;

use hostler_project::{Surroundings, application, python};
use hostler_settings::{Place, Settings};
use hostler_systemd::Environment;
use hostler_systemd::journal::{Entry, Journal, MessageId, Priority, is_journal};

use crate::arguments::{Places, Refused, instance_of};
use crate::{INTERNAL, USAGE, extension, say, serve};

/// Why serving does not begin.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What is wrong, where, and what to do; a line for each mistake.
    pub(crate) message: String,
    /// The same without the values that settings have, one of which may be a secret; `None` where none is quoted.
    pub(crate) public: Option<String>,
    /// The same as errno(3), where the system said it.
    pub(crate) errno: Option<i32>,
    /// The exit code.
    pub(crate) code: u8,
}

impl Refusal {
    /// One that no error of the system is behind.
    pub(crate) fn new(message: impl Into<String>, code: u8) -> Self {
        Self { message: message.into(), public: None, errno: None, code }
    }

    /// An application that is not there.
    pub(crate) fn of_application(error: &application::Error, places: &Places) -> Self {
        let place = places.of(error.setting().unwrap_or(ANY));
        Self { errno: error.errno(), ..Self::new(format!("{place}{error}"), USAGE) }
    }

    /// A Python that cannot run it.
    pub(crate) fn of_python(error: &python::Error, settings: &Settings, places: &Places) -> Self {
        let app = &settings.app;
        let setting = if app.python.is_some() {
            "python"
        } else if app.venv.is_some() {
            "venv"
        } else {
            ANY
        };
        Self::new(format!("{}{error}", places.of(setting)), USAGE)
    }

    /// An extension that cannot be had.
    pub(crate) fn of_extension(error: extension::Error) -> Self {
        Self { errno: error.errno(), ..Self::new(error.to_string(), INTERNAL) }
    }

    /// Tells it to all of them; the exit code.
    pub(crate) fn tell(&self, surroundings: &Surroundings) -> ExitCode {
        let environment = Environment::of_process();
        if !self.enter(&environment) {
            say(&self.message);
        }
        match surroundings.variable(serve::TAKEOVER) {
            Some(given) => self.tell_predecessor(given),
            None => serve::failed(&environment, &self.line(), self.errno),
        }
        ExitCode::from(self.code)
    }

    fn tell_predecessor(&self, given: &OsStr) {
        serve::refuse_succession(given, self.message.clone());
    }

    /// Makes one entry of the journal of it, where standard error leads there: its lines would be entries of their own, and no errors.
    fn enter(&self, environment: &Environment) -> bool {
        if !is_journal(environment, std::io::stderr()) {
            return false;
        }
        let mut entry = Entry::new(Priority::Error, &self.message);
        entry.field("SYSLOG_IDENTIFIER", "hostler").field("MESSAGE_ID", &MessageId::NOT_SERVED.to_string());
        if let Some(name) = instance_of(std::env::args_os()) {
            entry.field("HOSTLER_INSTANCE", &name);
        }
        if let Some(errno) = self.errno {
            entry.field("ERRNO", &errno.to_string());
        }
        Journal::open().and_then(|journal| journal.send(&entry)).is_ok()
    }

    /// In one line, for everybody: whoever may call systemd may read what it says of a service.
    pub(crate) fn line(&self) -> String {
        self.public.as_ref().unwrap_or(&self.message).lines().collect::<Vec<_>>().join("; ")
    }
}

/// A mistake that no single setting makes: then the file is where it is.
const ANY: &str = "";

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let errno = match &refused {
            Refused::File { source, .. } => source.raw_os_error(),
            _ => None,
        };
        let public = match &refused {
            Refused::Settings(mistakes) => Some(mistakes.in_public()),
            Refused::Words(_) | Refused::Wrong(_) | Refused::File { .. } => None,
        };
        Self { public, errno, ..Self::new(refused.to_string(), USAGE) }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self { errno: error.raw_os_error(), ..Self::new(error.to_string(), INTERNAL) }
    }
}

/// How a place begins a message. Who typed a command line knows where that is.
pub(crate) fn shown(place: &Place) -> String {
    match place {
        Place::File { path, line } => format!("{}:{line}: ", path.display()),
        Place::CommandLine => String::new(),
        Place::Environment { name } => format!("${name}: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_mistakes_are_one_line_for_systemd() {
        let refusal = Refusal::new("shop.toml:1: unknown key `worker`\nshop.toml:3: `threads` wants a number", USAGE);
        assert_eq!(refusal.line(), "shop.toml:1: unknown key `worker`; shop.toml:3: `threads` wants a number");
    }

    #[test]
    fn a_value_that_is_wrong_is_told_to_who_reads_the_journal_alone() {
        let mut reading = hostler_settings::Reading::new();
        reading.file(std::path::Path::new("shop.toml"), "worker = 2\nstop_signal = 1\ntimeout = \"sesame\"");
        let refusal = Refusal::from(Refused::from(reading.finish().unwrap_err()));
        assert!(refusal.message.contains("found the text \"sesame\""), "{}", refusal.message);
        let line = refusal.line();
        assert!(line.contains("shop.toml:1: unknown key `worker`: did you mean `workers`?; "), "{line}");
        assert!(
            line.contains("; shop.toml:3: `timeout` wants a time in seconds") && !line.contains("sesame"),
            "{line}"
        );
    }

    #[test]
    fn what_a_setting_names_is_told_with_its_line() {
        let mut reading = hostler_settings::Reading::new();
        reading.file(
            std::path::Path::new("/etc/hostler/shop.toml"),
            "workers = 2\nchdir = \"/absent/shop\"\nvenv = \"/absent/venv\"",
        );
        let places = Places::of_reading(&reading, Some("/etc/hostler/shop.toml".into()));
        let settings = reading.finish().unwrap();
        let surroundings = Surroundings { directory: "/".into(), ..Surroundings::default() };
        let error = application::locate(&settings, &surroundings).unwrap_err();
        let refusal = Refusal::of_application(&error, &places);
        assert_eq!(
            refusal.message,
            "/etc/hostler/shop.toml:2: chdir /absent/shop: there is no /absent: create it and what belongs below, or name another"
        );
        assert_eq!((refusal.errno, refusal.code), (Some(2), USAGE));
        let error = python::find(&settings, std::path::Path::new("/"), &surroundings).unwrap_err();
        let told = Refusal::of_python(&error, &settings, &places).message;
        assert!(told.starts_with("/etc/hostler/shop.toml:3: the setting venv: /absent/venv is no virtual"), "{told}");
        assert_eq!((places.of("bind"), places.of(ANY)), (String::new(), "/etc/hostler/shop.toml: ".to_owned()));
    }
}
