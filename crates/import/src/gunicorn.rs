//! The settings of gunicorn 27, with their keys in `gunicorn.conf.py` and their options, and what becomes of each.

use super::convert::{count, level, list, mode, mount, seconds, text, truth, whole_items};
use super::gathered::Gathered;
use super::rule::Fate::{Into, Key, Needless, Without};
use super::rule::{Given, Rule, alone, valued};

const TLS: &str = "a proxy in front, such as nginx, speaks TLS";
const SYSLOG: &str = "the journal of systemd takes what is logged to standard error";
const JOURNAL: &str = "what the application logs goes to the journal; Python's own logging says where else";
const STATSD: &str = "Hostler is asked, and does not send: metrics_bind serves Prometheus' text";
const STRICT: &str = "Hostler's HTTP parser is strict, and has no switch for that";
const HTTP2: &str = "Hostler speaks HTTP/1.1; the proxy in front may speak HTTP/2 to clients";
const UWSGI: &str = "Hostler speaks HTTP alone: use proxy_pass in nginx, and no PROXY protocol";
const DIRTY: &str = "Hostler has no workers of that kind: a queue of jobs (Celery, RQ) has";
const FOREGROUND: &str = "systemd keeps the server running, and Hostler stays in the foreground";
const HOOK: &str = "Hostler does not call this hook of gunicorn's";

/// What becomes of each.
pub(crate) const RULES: &[Rule] = &[
    valued("wsgi_app", Key("app", text)),
    valued("bind -b --bind", Into(bind)),
    valued("workers -w --workers", Key("workers", count)),
    valued("threads --threads", Key("threads", count)),
    valued("worker_class -k --worker-class", Into(worker_class)),
    valued("timeout -t --timeout", Key("timeout", seconds)),
    valued("graceful_timeout --graceful-timeout", Key("graceful_timeout", seconds)),
    valued("keepalive --keep-alive", Key("keepalive", seconds)),
    valued("max_requests --max-requests", Key("max_requests", count)),
    valued("max_requests_jitter --max-requests-jitter", Key("max_requests_jitter", count)),
    valued("limit_request_line --limit-request-line", Key("limit_request_line", count)),
    valued("limit_request_fields --limit-request-fields", Key("limit_request_fields", count)),
    valued("limit_request_field_size --limit-request-field_size", Key("limit_request_field_size", count)),
    valued("backlog --backlog", Key("backlog", count)),
    valued("chdir --chdir", Key("chdir", text)),
    valued("pythonpath --pythonpath", Key("pythonpath", list)),
    valued("raw_env -e --env", Key("env", whole_items)),
    valued("umask -m --umask", Key("umask", mode)),
    valued("root_path --root-path", Key("root_path", mount)),
    valued("pidfile -p --pid", Needless("systemd knows the process; no file with its number is needed")),
    valued("accesslog --access-logfile", Key("access_logfile", text)),
    valued(
        "access_log_format --access-logformat",
        Without("access_logformat is `combined` or `json`, which has more in it"),
    ),
    valued("errorlog --error-logfile --log-file", Key("error_logfile", text)),
    valued("loglevel --log-level", Key("log_level", level)),
    valued("forwarded_allow_ips --forwarded-allow-ips", Key("forwarded_allow_ips", list)),
    valued("header_map --header-map", Key("header_map", text)),
    valued("asgi_loop --asgi-loop", Key("loop", text)),
    valued("asgi_lifespan --asgi-lifespan", Key("lifespan", text)),
    valued("websocket_max_message_size --websocket-max-message-size", Key("websocket_max_size", count)),
    alone("preload_app --preload", Key("preload", truth)),
    alone("reload --reload", Key("reload", truth)),
    valued("reload_engine --reload-engine", Key("reload_engine", text)),
    valued("reload_extra_files --reload-extra-file", Key("reload_extra_files", list)),
    valued("user -u --user", Into(user)),
    valued("group -g --group", Into(group)),
    alone("initgroups --initgroups", Needless("systemd sets the groups of User=")),
    valued("proc_name -n --name", Needless("units and the journal have the instance's name")),
    valued("default_proc_name", Needless("units and the journal have the instance's name")),
    alone("daemon -D --daemon", Needless(FOREGROUND)),
    valued("config -c --config", Needless("its settings are these")),
    alone("check_config --check-config", Needless("use `hostler check`")),
    alone("print_config --print-config", Needless("use `hostler check`")),
    valued("worker_connections --worker-connections", Into(worker_connections)),
    valued("worker_tmp_dir --worker-tmp-dir", Needless("workers write no heartbeat file")),
    valued("tmp_upload_dir", Needless("bodies stream to the application, and are not put into files")),
    alone("reuse_port --reuse-port", Needless("one queue serves all workers")),
    alone(
        "sendfile --no-sendfile",
        Needless("files are sent without passing through Python, by means of Hostler's own"),
    ),
    alone(
        "enable_stdio_inheritance -R --enable-stdio-inheritance",
        Needless("what the application prints goes to the log"),
    ),
    alone("capture_output --capture-output", Needless("what the application prints goes to the log")),
    alone("spew --spew", Without("for debugging there is `hostler stacks`")),
    valued("keyfile --keyfile", Without(TLS)),
    valued("certfile --certfile", Without(TLS)),
    valued("ca_certs --ca-certs", Without(TLS)),
    valued("cert_reqs --cert-reqs", Without(TLS)),
    valued("ssl_version --ssl-version", Without(TLS)),
    valued("ciphers --ciphers", Without(TLS)),
    valued("ssl_context", Without(TLS)),
    alone("suppress_ragged_eofs --suppress-ragged-eofs", Needless(TLS)),
    alone("do_handshake_on_connect --do-handshake-on-connect", Needless(TLS)),
    alone("syslog --log-syslog", Without(SYSLOG)),
    valued("syslog_addr --log-syslog-to", Without(SYSLOG)),
    valued("syslog_prefix --log-syslog-prefix", Without(SYSLOG)),
    valued("syslog_facility --log-syslog-facility", Without(SYSLOG)),
    alone("disable_redirect_access_to_syslog --disable-redirect-access-to-syslog", Needless(SYSLOG)),
    valued("logger_class --logger-class", Without(JOURNAL)),
    valued("logconfig --log-config", Without(JOURNAL)),
    valued("logconfig_json --log-config-json", Without(JOURNAL)),
    valued("logconfig_dict", Without(JOURNAL)),
    valued("statsd_host --statsd-host", Without(STATSD)),
    valued("statsd_prefix --statsd-prefix", Without(STATSD)),
    valued("dogstatsd_tags --dogstatsd-tags", Without(STATSD)),
    alone("enable_backlog_metric --enable-backlog-metric", Needless(STATSD)),
    valued(
        "paste --paste --paster",
        Without("write a module that makes the application: from paste.deploy import loadapp"),
    ),
    valued(
        "raw_paste_global_conf --paste-global",
        Without("write a module that makes the application: from paste.deploy import loadapp"),
    ),
    valued("proxy_protocol --proxy-protocol", Without(UWSGI)),
    valued("proxy_allow_ips --proxy-allow-from", Without(UWSGI)),
    valued("protocol --protocol", Without(UWSGI)),
    valued("uwsgi_allow_ips --uwsgi-allow-from", Without(UWSGI)),
    valued("http_protocols --http-protocols", Without(HTTP2)),
    valued("http2_cleartext --http2-cleartext", Without(HTTP2)),
    valued("http2_max_concurrent_streams --http2-max-concurrent-streams", Without(HTTP2)),
    valued("http2_initial_window_size --http2-initial-window-size", Without(HTTP2)),
    valued("http2_max_frame_size --http2-max-frame-size", Without(HTTP2)),
    valued("http2_max_header_list_size --http2-max-header-list-size", Without(HTTP2)),
    valued("http_parser --http-parser", Needless("Hostler has its own")),
    alone("permit_obsolete_folding --permit-obsolete-folding", Without(STRICT)),
    alone("strip_header_spaces --strip-header-spaces", Without(STRICT)),
    alone("permit_unconventional_http_method --permit-unconventional-http-method", Without(STRICT)),
    alone("permit_unconventional_http_version --permit-unconventional-http-version", Without(STRICT)),
    alone("casefold_http_method --casefold-http-method", Without(STRICT)),
    valued("forwarder_headers --forwarder-headers", Without("root_path says where the application is mounted")),
    valued("secure_scheme_headers", Without("of a trusted proxy, X-Forwarded-Proto is taken: forwarded_headers")),
    valued("asgi_disconnect_grace_period --asgi-disconnect-grace-period", Needless("graceful_timeout holds for all")),
    valued("control_socket --control-socket", Needless("`hostler status` finds its own")),
    valued("control_socket_mode --control-socket-mode", Needless("it is for the instance's user and root")),
    alone("control_socket_disable --no-control-socket", Needless("it is for the instance's user and root")),
    valued("dirty_apps --dirty-app", Without(DIRTY)),
    valued("dirty_workers --dirty-workers", Without(DIRTY)),
    valued("dirty_threads --dirty-threads", Without(DIRTY)),
    valued("dirty_timeout --dirty-timeout", Without(DIRTY)),
    valued("dirty_graceful_timeout --dirty-graceful-timeout", Without(DIRTY)),
    valued("on_starting", Into(hook)),
    valued("on_reload", Into(hook)),
    valued("when_ready", Into(hook)),
    valued("pre_fork", Into(hook)),
    valued("post_fork", Into(hook)),
    valued("post_worker_init", Into(hook)),
    valued("worker_exit", Into(hook)),
    valued("worker_int", Into(hook)),
    valued("worker_abort", Into(hook)),
    valued("child_exit", Into(hook)),
    valued("pre_exec", Without(HOOK)),
    valued("pre_request", Into(hook)),
    valued("post_request", Into(hook)),
    valued("nworkers_changed", Without(HOOK)),
    valued("on_exit", Without(HOOK)),
    valued("on_dirty_starting", Without(DIRTY)),
    valued("dirty_post_fork", Without(DIRTY)),
    valued("dirty_worker_init", Without(DIRTY)),
    valued("dirty_worker_exit", Without(DIRTY)),
];

/// gunicorn's port where an address has none.
const PORT: u16 = 8000;

fn bind(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    for item in given.items() {
        let item = item.trim_start_matches("tcp://").trim_start_matches("http://");
        let named = item.starts_with("unix:") || item.starts_with("fd://");
        let bare = if item.starts_with('[') { item.ends_with(']') } else { !item.contains(':') };
        let address = if !named && bare { format!("{item}:{PORT}") } else { item.to_owned() };
        gathered.listen(&address)?;
    }
    Ok(())
}

fn worker_class(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let class = given.text()?;
    let name = class.rsplit(['.', ':']).next().unwrap_or(&class).to_ascii_lowercase();
    match name.as_str() {
        "sync" | "gthread" | "threadworker" | "syncworker" => Ok(()),
        "asgi" | "uvicornworker" | "uvicornh11worker" => gathered.set("interface", "asgi".into()),
        _ if name.contains("gevent") || name.contains("eventlet") => Err(
            "Hostler runs no greenlets, and `monkey.patch_all()` has to go: take as many threads as requests wait at once for others, \
             or write the application for ASGI"
                .to_owned(),
        ),
        _ => Err("workers and threads say how requests are run".to_owned()),
    }
}

fn worker_connections(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let _ = (gathered, given.number()?);
    Err("limit_concurrency says how many requests may run and wait in all, and is 1024 without it".to_owned())
}

pub(crate) fn user(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let user = given.text()?;
    gathered.unit.user = (user != "0" && user != "root").then_some(user);
    Ok(())
}

pub(crate) fn group(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let group = given.text()?;
    gathered.unit.group = (group != "0" && group != "root").then_some(group);
    Ok(())
}

/// A function of the file; Hostler's `hooks` names a module with such functions.
fn hook(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let _ = (gathered, given);
    let known = hostler_settings::metas().iter().any(|meta| meta.key == "hooks");
    Err(if known {
        "the setting `hooks` names a module of the project with such functions: put it there".to_owned()
    } else {
        HOOK.to_owned()
    })
}
