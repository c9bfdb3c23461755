//! The logs of an instance: where they go, and going elsewhere while it serves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_log::{AccessLog, ErrorLog, Format, Sink};
use hostler_router::Router;
use hostler_settings::{Log, LogFile, Settings};
use tracing::level_filters::LevelFilter;

use super::translate;

/// The error log, and what the access logs of the router's threads write to.
pub(super) struct Logs {
    pub(super) errors: ErrorLog,
    access: Mutex<Option<Access>>,
    /// What the settings say of the error log, as it is.
    error_logfile: Mutex<LogFile>,
    /// Everything is logged, whatever the settings say.
    debugs: bool,
}

/// Where the access log goes.
#[derive(Clone)]
struct Access {
    format: Format,
    sink: Arc<Sink>,
    is_stream: bool,
}

/// Logs that can be had.
pub(super) struct Prepared {
    settings: Log,
    access: Option<Access>,
}

impl Logs {
    /// Opens both; `debugs` has everything logged from now on. The error is for people.
    pub(super) fn open(settings: &Settings, debugs: bool) -> Result<Self, String> {
        let errors = translate::error_log(&settings.log).map_err(|error| error.to_string())?;
        if debugs {
            errors.set_level(LevelFilter::DEBUG);
        }
        let access = Mutex::new(access(&settings.log)?);
        Ok(Self { errors, access, error_logfile: Mutex::new(settings.log.error_logfile.clone()), debugs })
    }

    /// The access log of one thread of the router.
    pub(super) fn access_log(&self) -> Option<AccessLog> {
        let access = locked(&self.access).clone()?;
        let log = AccessLog::new(access.format, access.sink);
        Some(if access.is_stream { self.errors.with_entries(log) } else { log })
    }

    pub(super) fn reopen(&self) {
        let access = locked(&self.access).as_ref().map_or(Ok(()), |access| access.sink.reopen());
        for reopened in [self.errors.reopen(), access] {
            if let Err(error) = reopened {
                tracing::error!(%error, "a log cannot be reopened: the old file is written on");
            }
        }
        tracing::info!("the logs were reopened");
    }

    /// Sees whether the logs that settings ask for can be had. Nothing changes. The error is for people.
    pub(super) fn prepare(&self, settings: &Log) -> Result<Prepared, String> {
        translate::can_log_errors(settings).map_err(|error| error.to_string())?;
        Ok(Prepared { settings: settings.clone(), access: access(settings)? })
    }

    /// Writes them from now on. An error log that cannot be had any more stays where it is, which is logged.
    pub(super) async fn take(&self, prepared: Prepared, router: &Router) {
        let Prepared { settings, access } = prepared;
        if !self.debugs {
            self.errors.set_level(translate::level(settings.log_level));
        }
        if *locked(&self.error_logfile) != settings.error_logfile {
            tracing::info!("the error log goes to {} from now on", name_of(&settings.error_logfile));
            match self.errors.move_to(&translate::error_target(&settings)) {
                Ok(()) => *locked(&self.error_logfile) = settings.error_logfile,
                Err(error) => tracing::error!(%error, "the error log stays where it is"),
            }
        }
        *locked(&self.access) = access;
        router.log_to(|| self.access_log()).await;
    }
}

fn access(settings: &Log) -> Result<Option<Access>, String> {
    let opened = translate::access_sink(settings).map_err(|error| error.to_string())?;
    let is_stream = settings.access_logfile == Some(LogFile::Stream);
    Ok(opened.map(|(format, sink)| Access { format, sink, is_stream }))
}

fn name_of(file: &LogFile) -> String {
    match file {
        LogFile::Stream => "standard error".to_owned(),
        LogFile::Path(path) => path.display().to_string(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is put in with one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
