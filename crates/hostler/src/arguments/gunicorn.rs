//! The options of gunicorn 27 that Hostler does not have, and what takes their place. Those that both have are declared
//! with the settings.

/// What takes the place of one of gunicorn's options, as the end of a message that names it; `None` where the option is
/// not one of gunicorn's. `option` is as it was written, without a value.
pub(super) fn answer(option: &str) -> Option<String> {
    let (_, end) = OPTIONS.iter().find(|(options, _)| options.split(' ').any(|known| known == option))?;
    Some(format!("gunicorn's {option} is not part of Hostler{end}"))
}

const SYSTEMD_USER: &str = ": let systemd do that: User= and Group= in the unit";
const TLS: &str = ": let a proxy in front of it, such as nginx, speak TLS";
const SYSLOG: &str = ": let systemd do that: its journal takes what is logged to standard error";
const PLAIN: &str = "";

/// Options with the same answer, and the answer.
const OPTIONS: [(&str, &str); 19] = [
    ("-k --worker-class", ": Hostler needs none: workers and threads say how requests are run"),
    ("--worker-connections", ": --limit-concurrency says how many requests may run and wait"),
    ("--worker-tmp-dir", ": Hostler needs none: workers write no heartbeat file"),
    ("-c --config", ": `hostler import` makes a TOML file of it, for `hostler serve FILE.toml`"),
    ("--check-config", ": use `hostler check`"),
    ("-v", ": use `hostler --version`"),
    ("-D --daemon", ": let systemd do that: Hostler stays in the foreground"),
    ("-u --user -g --group --initgroups", SYSTEMD_USER),
    ("--keyfile --certfile --ca-certs --cert-reqs --ssl-version --ciphers", TLS),
    ("--suppress-ragged-eofs --do-handshake-on-connect", TLS),
    ("--log-syslog --log-syslog-to --log-syslog-prefix --log-syslog-facility", SYSLOG),
    ("--disable-redirect-access-to-syslog", SYSLOG),
    (
        "--print-config --spew --no-sendfile --reuse-port --capture-output --logger-class --log-config \
         --log-config-json -R --enable-stdio-inheritance -n --name --paste --paster --paste-global",
        PLAIN,
    ),
    ("--statsd-host --statsd-prefix --dogstatsd-tags --enable-backlog-metric", PLAIN),
    (
        "--proxy-protocol --proxy-allow-from --protocol --uwsgi-allow-from --http-protocols --http2-cleartext \
         --http2-max-concurrent-streams --http2-initial-window-size --http2-max-frame-size \
         --http2-max-header-list-size --http-parser",
        PLAIN,
    ),
    (
        "--permit-obsolete-folding --strip-header-spaces --permit-unconventional-http-method \
         --permit-unconventional-http-version --casefold-http-method --forwarder-headers",
        PLAIN,
    ),
    ("--asgi-disconnect-grace-period", PLAIN),
    ("--websocket-max-message-size", ": --websocket-max-size says how long a message may be"),
    (
        "--dirty-app --dirty-workers --dirty-timeout --dirty-threads --dirty-graceful-timeout --control-socket-mode \
         --no-control-socket",
        PLAIN,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_is_answered_once() {
        let all: Vec<&str> = OPTIONS.iter().flat_map(|(options, _)| options.split(' ')).collect();
        for option in &all {
            assert!(option.starts_with('-'), "{option:?}");
            assert_eq!(all.iter().filter(|other| *other == option).count(), 1, "{option}");
        }
    }

    #[test]
    fn answers() {
        assert_eq!(answer("--spew").as_deref(), Some("gunicorn's --spew is not part of Hostler"));
        assert!(answer("-k").is_some_and(|told| told.ends_with("workers and threads say how requests are run")));
        assert_eq!(answer("--workers"), None);
        assert_eq!(answer(""), None);
    }
}
