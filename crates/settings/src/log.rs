//! The settings of logs. Declarations only.

use std::time::Duration;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::choice::{AccessLogFormat, LogLevel};
use crate::values::duration::DAY;
use crate::values::log_file::LogFile;

settings! {
    /// What is written down, and where.
    Log, "Logs";

    /// The file of the access log; `-` is standard output. Without it there is none.
    /// Requests never wait for it, nor for the error log: what a disk that hangs, or the reader of a pipe, does not take is
    /// kept up to 1 MiB, and what comes beyond is lost and counted (`hostler_log_records_lost_total`). Standard error says
    /// when that begins and when it ends.
    access_logfile: Option<LogFile> = None, apply(Apply::Live) gunicorn("accesslog");

    /// The format of the access log.
    access_logformat: AccessLogFormat = AccessLogFormat::Combined, apply(Apply::Live) gunicorn("access_log_format");

    /// The file of the error log; `-` is standard error.
    error_logfile: LogFile = LogFile::Stream, also("log-file") apply(Apply::Live) gunicorn("errorlog");

    /// The least severity that goes to the error log.
    log_level: LogLevel = LogLevel::Info, apply(Apply::Live) gunicorn("loglevel");

    /// Requests that take longer than this many seconds are logged as slow; 0 logs none.
    slow_request: Duration = Duration::ZERO, range(0..=DAY) apply(Apply::Live);
}
