//! Settings as options of the command line. clap splits the words; what they mean is read like everything else.

use clap::{Arg, ArgAction, ArgMatches};

use crate::input::Input;
use crate::kind::Kind;
use crate::meta::SettingMeta;
use crate::reading::metas;

/// The options for all settings, grouped under headings; without the ones that are given by their place.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    metas().iter().filter(|meta| !meta.positional).map(argument).collect()
}

/// The setting that is given by its place: the application.
#[must_use]
pub fn positional() -> Vec<Arg> {
    metas().iter().filter(|meta| meta.positional).map(argument).collect()
}

/// What the command line says, by setting.
pub(crate) fn inputs(matches: &ArgMatches) -> Vec<(&'static SettingMeta, Input)> {
    let given = |meta: &'static SettingMeta| {
        // A command need not take every setting: `serve` has no application by its place.
        let words: Vec<Input> = matches.try_get_many::<String>(meta.key).ok()??.cloned().map(Input::Word).collect();
        let input = match meta.kind {
            Kind::List(_) => Input::List(words),
            _ => words.into_iter().next_back()?,
        };
        Some((meta, input))
    };
    metas().iter().filter_map(given).collect()
}

fn argument(meta: &'static SettingMeta) -> Arg {
    let list = matches!(meta.kind, Kind::List(_));
    let mut argument = Arg::new(meta.key)
        .value_name(meta.placeholder)
        .help(help(meta))
        // The last one counts, as with gunicorn, except for lists.
        .action(if list { ArgAction::Append } else { ArgAction::Set })
        .allow_negative_numbers(true);
    if !meta.positional {
        argument = argument.help_heading(meta.group);
    }
    if !list {
        argument = argument.overrides_with(meta.key);
    }
    if let Some(letter) = meta.letter {
        argument = argument.short(letter);
    }
    if let Some((name, others)) = meta.options.split_first() {
        argument = argument.long(name.as_str()).visible_aliases(others.iter().map(String::as_str));
    }
    if meta.kind == Kind::Boolean {
        argument = argument.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    argument
}

/// The first sentence of the documentation, the words to choose from, the default.
fn help(meta: &SettingMeta) -> String {
    let mut help = meta.doc.lines().next().unwrap_or_default().to_owned();
    if let Kind::Choice(words) = meta.kind {
        help.push_str(&format!(" [one of: {}]", words.join(", ")));
    }
    if let Some(default) = meta.default.as_deref().filter(|default| *default != "[]") {
        help.push_str(&format!(" [default: {}]", default.replace(['"', '[', ']'], "")));
    }
    help
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use clap::Command;

    use super::*;
    use crate::{
        AccessLogFormat, EventLoop, Lifespan, LogFile, LogLevel, Mistakes, Mode, Peers, Reading, Settings, Workers,
    };

    fn command() -> Command {
        Command::new("run").args(arguments()).args(positional())
    }

    fn read(line: &[&str]) -> Result<Settings, Mistakes> {
        let words = ["run"].iter().chain(line);
        let matches = command().try_get_matches_from(words).unwrap();
        let mut reading = Reading::new();
        reading.command_line(&matches);
        reading.finish()
    }

    #[test]
    fn no_two_options_clash() {
        command().debug_assert();
    }

    #[test]
    fn nothing_said_is_the_defaults() {
        assert_eq!(read(&[]), Ok(Settings::default()));
    }

    #[test]
    fn a_line_of_gunicorn_means_the_same() {
        let line = "-w 4 --threads 2 -b :8000 -b unix:/x,y -t 60 --chdir d --access-logfile - --limit-request-line 4000 \
            --limit-request-fields 50 --limit-request-field_size 4000 -e A=b -e C=d,e --pid f -m 022 --keep-alive 5 \
            --graceful-timeout 10 --forwarded-allow-ips 10.0.0.0/8,::1 --backlog 64 --pythonpath a,b --log-level DEBUG \
            --log-file err.log --header-map drop site.wsgi:application";
        let settings = read(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(settings.pool.workers, Workers::Count(4));
        assert_eq!(settings.pool.threads, 2);
        assert_eq!(settings.bind.bind, [":8000", "unix:/x,y"]);
        assert_eq!(settings.pool.timeout, Duration::from_secs(60));
        assert_eq!(settings.app.chdir, Some(PathBuf::from("d")));
        assert_eq!(settings.log.access_logfile, Some(LogFile::Stream));
        assert_eq!(settings.limits.limit_request_line, 4000);
        assert_eq!(settings.limits.limit_request_fields, 50);
        assert_eq!(settings.limits.limit_request_field_size, 4000);
        let variables: Vec<_> = settings.app.env.iter().map(|variable| variable.value.as_str()).collect();
        assert_eq!(variables, ["b", "d,e"]);
        assert_eq!(settings.app.pidfile, Some(PathBuf::from("f")));
        assert_eq!(settings.app.umask, Some(Mode(0o22)));
        assert_eq!(settings.http.keepalive, Duration::from_secs(5));
        assert_eq!(settings.pool.graceful_timeout, Duration::from_secs(10));
        assert_eq!(settings.http.forwarded_allow_ips[1], Peers::LOOPBACK_V6);
        assert_eq!(settings.bind.backlog, 64);
        assert_eq!(settings.app.pythonpath, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(settings.log.log_level, LogLevel::Debug);
        assert_eq!(settings.log.error_logfile, LogFile::Path(PathBuf::from("err.log")));
        assert_eq!(settings.app.app.map(|app| app.to_string()).as_deref(), Some("site.wsgi:application"));
    }

    #[test]
    fn letters_and_joined_values() {
        let settings = read(&["-w4", "-t=2.5", "--workers=auto", "--forwarded-allow-ips", "*"]).unwrap();
        assert_eq!(settings.pool.workers, Workers::Auto);
        assert_eq!(settings.pool.timeout, Duration::from_millis(2500));
        assert_eq!(settings.http.forwarded_allow_ips, [Peers::Everyone]);
    }

    #[test]
    fn a_switch_is_on_when_named() {
        assert!(read(&["--server-header"]).unwrap().http.server_header);
        assert!(read(&["--server-header", "app"]).unwrap().http.server_header);
        assert!(!read(&["--server-header=false"]).unwrap().http.server_header);
    }

    #[test]
    fn a_key_that_is_a_word_of_rust_is_an_option_like_others() {
        let settings = read(&["--loop", "asyncio", "--lifespan=on", "--websocket-compression=false"]).unwrap();
        assert_eq!(settings.asgi.r#loop, EventLoop::Asyncio);
        assert_eq!(settings.asgi.lifespan, Lifespan::On);
        assert!(!settings.asgi.websocket_compression);
        assert_eq!(read(&["--asgi-loop", "uvloop"]).unwrap().asgi.r#loop, EventLoop::Uvloop);
        let mistakes = read(&["--loop", "trio"]).unwrap_err().to_string();
        assert_eq!(mistakes, "command line: --loop wants one of \"auto\", \"asyncio\", \"uvloop\", found `trio`");
    }

    #[test]
    fn an_empty_value_unsets() {
        assert_eq!(read(&["--request-id-header", ""]).unwrap().http.request_id_header, None);
        assert_eq!(read(&["--bind", ""]).unwrap().bind.bind, [""; 0]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = read(&["-w", "0", "-t", "-5", "--log-level", "loud", "--limit-concurrency", "9999999999"]);
        let expected = "\
command line: --workers wants between 1 and 512, found `0`
command line: --timeout wants a time, found `-5`, which is below zero
command line: --limit-concurrency wants between 1 and 16384, found `9999999999`
command line: --log-level wants one of \"debug\", \"info\", \"warning\", \"error\", found `loud`";
        assert_eq!(mistakes.unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_format_of_gunicorn_is_refused() {
        assert!(read(&["--access-logformat", "%(h)s"]).is_err());
        let settings = read(&["--access-logformat", "json"]).unwrap();
        assert_eq!(settings.log.access_logformat, AccessLogFormat::Json);
    }

    #[test]
    fn an_unknown_option_is_answered_with_the_nearest() {
        let error = command().try_get_matches_from(["run", "--worker", "4"]).unwrap_err();
        assert!(error.to_string().contains("'--workers'"), "{error}");
    }

    #[test]
    fn help_shows_groups_defaults_and_words() {
        let help = command().render_help().to_string();
        for part in
            ["Workers:", "-w, --workers <N|auto|MIN..MAX>", "[default: 75]", "[one of: drop, refuse, dangerous]"]
        {
            assert!(help.contains(part), "{part} in\n{help}");
        }
    }
}
