//! The options of uvicorn, and what becomes of each.

use super::convert::{count, level, list, mount, seconds, text, truth};
use super::gathered::Gathered;
use super::rule::Fate::{Into, Key, Needless, Without};
use super::rule::{Given, Rule, alone, valued};

const TLS: &str = "a proxy in front, such as nginx, speaks TLS";
const OWN: &str = "Hostler speaks HTTP and WebSocket itself";

/// What becomes of each.
pub(crate) const RULES: &[Rule] = &[
    valued("app", Key("app", text)),
    valued("--host", Into(host)),
    valued("--port", Into(port)),
    valued("--uds", Into(uds)),
    valued("--fd", Needless("sockets are passed on by the socket unit: hostler@NAME.socket")),
    valued("--workers", Key("workers", count)),
    valued("--loop", Key("loop", text)),
    valued("--http", Needless(OWN)),
    alone("--http2", Without("Hostler speaks HTTP/1.1; the proxy in front may speak HTTP/2 to clients")),
    valued("--ws", Needless(OWN)),
    valued("--ws-max-size", Key("websocket_max_size", count)),
    valued("--ws-max-queue", Needless("what waits is bounded by memory: request_buffer")),
    valued("--ws-ping-interval", Key("websocket_ping_interval", seconds)),
    valued("--ws-ping-timeout", Key("websocket_ping_timeout", seconds)),
    valued("--ws-per-message-deflate", Key("websocket_compression", truth)),
    valued("--lifespan", Into(lifespan)),
    valued("--interface", Into(interface)),
    valued("--env-file", Into(env_file)),
    valued(
        "--log-config",
        Without("what the application logs goes to the journal; Python's own logging says where else"),
    ),
    valued("--log-level", Key("log_level", level)),
    alone("--access-log", Into(access_log)),
    alone("--no-access-log", Needless("there is none unless access_logfile is set")),
    alone("--use-colors --no-use-colors", Needless("colours are for terminals")),
    alone("--proxy-headers", Needless("trusted proxies are believed: forwarded_allow_ips")),
    alone("--no-proxy-headers", Into(no_proxy)),
    alone("--server-header", Key("server_header", truth)),
    alone("--no-server-header", Needless("there is none unless server_header is set")),
    alone("--date-header", Needless("answers have it")),
    alone("--no-date-header", Without("answers have a Date, as RFC 9110 (6.6.1) wants it")),
    valued("--forwarded-allow-ips", Key("forwarded_allow_ips", list)),
    valued("--root-path", Key("root_path", mount)),
    valued("--limit-concurrency", Key("limit_concurrency", count)),
    valued("--backlog", Key("backlog", count)),
    valued("--limit-max-requests", Key("max_requests", count)),
    valued("--limit-max-requests-jitter", Key("max_requests_jitter", count)),
    valued("--timeout-keep-alive", Key("keepalive", seconds)),
    valued("--timeout-graceful-shutdown", Key("graceful_timeout", seconds)),
    valued("--timeout-worker-healthcheck", Needless("a worker whose loop is stuck is found: timeout")),
    alone("--reload", Key("reload", truth)),
    valued("--reload-dir", Key("reload_dirs", list)),
    valued("--reload-include", Key("reload_include", list)),
    valued("--reload-exclude", Key("reload_exclude", list)),
    valued("--reload-delay", Needless("changes are told by the system, and not looked for")),
    valued("--ssl-keyfile", Without(TLS)),
    valued("--ssl-certfile", Without(TLS)),
    valued("--ssl-keyfile-password", Without(TLS)),
    valued("--ssl-version", Without(TLS)),
    valued("--ssl-cert-reqs", Without(TLS)),
    valued("--ssl-ca-certs", Without(TLS)),
    valued("--ssl-ciphers", Without(TLS)),
    valued("--header", Without("a middleware adds header fields to answers")),
    valued("--app-dir", Key("pythonpath", list)),
    valued(
        "--h11-max-incomplete-event-size",
        Without("limit_request_line, limit_request_fields and limit_request_field_size say how long a head may be"),
    ),
    alone("--reset-contextvars", Needless("each request has a context of its own")),
    alone("--factory", Into(factory)),
];

fn host(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.host = Some(given.text()?);
    Ok(())
}

fn port(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let text = given.text()?;
    gathered.port = Some(text.parse().map_err(|_| format!("`{text}` is not a port"))?);
    Ok(())
}

fn uds(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.listen(&format!("unix:{}", given.text()?))
}

fn env_file(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let file = gathered.base.join(given.text()?);
    gathered.unit.environment_files.push(file.display().to_string());
    gathered.remark("read by systemd (EnvironmentFile=), which takes no `export` and expands no variables");
    Ok(())
}

fn interface(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    match given.text()?.as_str() {
        "auto" => Ok(()),
        "asgi3" => gathered.set("interface", "asgi".into()),
        "asgi2" => Err("Hostler serves version 3 of ASGI: wrap the application with asgiref.compatibility.guarantee_single_callable".to_owned()),
        other => gathered.set("interface", other.into()),
    }
}

fn lifespan(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.set("lifespan", given.text()?.into())
}

fn access_log(gathered: &mut Gathered, _: &Given) -> Result<(), String> {
    gathered.set("access_logfile", "-".into())
}

fn no_proxy(gathered: &mut Gathered, _: &Given) -> Result<(), String> {
    gathered.set("forwarded_headers", toml_edit::Array::new().into())
}

fn factory(gathered: &mut Gathered, _: &Given) -> Result<(), String> {
    gathered.factory = true;
    Ok(())
}

/// Puts together what is said in two options, when all were read.
pub(crate) fn finish(gathered: &mut Gathered) -> Result<(), String> {
    if let Some(app) = gathered.text_of("app").filter(|app| gathered.factory && !app.ends_with(')')) {
        gathered.set("app", format!("{app}()").into())?;
    }
    match (gathered.host.take(), gathered.port.take()) {
        (None, None) => Ok(()),
        (host, port) => {
            let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            gathered.listen(&format!("{host}:{}", port.unwrap_or(8000)))
        }
    }
}
