//! The settings of uWSGI 2 that people have in their files, and what becomes of each. It has a thousand more: those are told as unknown.

use std::path::Path;

use super::convert::{count, list, mebibytes, mode, seconds, text, whole_items};
use super::gathered::{Gathered, Loss};
use super::gunicorn;
use super::rule::Fate::{Into, Key, Needless, Without};
use super::rule::{Given, Rule, alone, valued};

const ALWAYS: &str = "it is always so";
const SYSTEMD: &str = "systemd does that";
const JOURNAL: &str = "the journal of systemd takes what is logged";
const STATIC: &str = "Hostler serves no files: nginx does (location … { alias …; }), or WhiteNoise in the application";
const ROUTES: &str = "the proxy in front, or a middleware, does that";
const JOBS: &str = "a timer unit, a service of its own, or a queue of jobs (Celery, RQ) does that";
const CACHE: &str = "Hostler has no cache: Redis, memcached or the framework's own";
const CHEAPER: &str = "between the bounds of workers, Hostler goes by the load";
const TLS: &str = "a proxy in front, such as nginx, speaks TLS";
const GREENLETS: &str = "Hostler runs no greenlets: take threads, or write the application for ASGI";
const EMPEROR: &str = "each application is an instance of its own: hostler@NAME.service";
const HOOKS: &str = "a drop-in of the unit has ExecStartPre=, ExecStartPost= and ExecStopPost=";
const STRICT: &str = "broken connections are no errors of the application here";

/// What becomes of each.
pub(crate) const RULES: &[Rule] = &[
    valued("module -w --module wsgi --wsgi", Into(module)),
    valued("wsgi-file --wsgi-file file --file", Into(wsgi_file)),
    valued("callable --callable", Into(callable)),
    valued("mount --mount", Into(mount)),
    alone("manage-script-name --manage-script-name", Needless("root_path does it")),
    valued("chdir --chdir chdir2 --chdir2", Key("chdir", text)),
    valued("pythonpath --pythonpath python-path --python-path pp --pp", Key("pythonpath", list)),
    valued("home -H --home virtualenv --virtualenv venv --venv pyhome --pyhome", Key("venv", text)),
    valued("processes -p --processes workers --workers", Key("workers", count)),
    valued("threads --threads", Key("threads", count)),
    valued("http --http http-socket --http-socket", Into(http)),
    valued("socket -s --socket uwsgi-socket --uwsgi-socket", Into(uwsgi_socket)),
    valued("https --https https-socket --https-socket", Without(TLS)),
    valued("listen -l --listen", Key("backlog", count)),
    valued("harakiri -t --harakiri", Key("timeout", seconds)),
    valued("http-timeout --http-timeout", Needless("timeout holds for all requests")),
    valued("socket-timeout -z --socket-timeout", Key("body_timeout", seconds)),
    valued("http-keepalive --http-keepalive", Needless(ALWAYS)),
    alone("so-keepalive --so-keepalive", Needless("keepalive and header_timeout close connections that are idle")),
    valued("max-requests -R --max-requests", Key("max_requests", count)),
    valued("max-requests-delta --max-requests-delta", Key("max_requests_jitter", count)),
    valued("max-worker-lifetime --max-worker-lifetime", Key("max_lifetime", seconds)),
    valued("max-worker-lifetime-delta --max-worker-lifetime-delta", Key("max_lifetime_jitter", seconds)),
    valued("reload-on-rss --reload-on-rss evil-reload-on-rss --evil-reload-on-rss", Key("max_memory", mebibytes)),
    valued(
        "reload-on-as --reload-on-as evil-reload-on-as --evil-reload-on-as limit-as --limit-as",
        Without("max_memory says how much a worker may use"),
    ),
    valued("worker-reload-mercy --worker-reload-mercy reload-mercy --reload-mercy", Key("graceful_timeout", seconds)),
    valued("limit-post --limit-post", Key("limit_request_body", count)),
    valued(
        "buffer-size -b --buffer-size",
        Needless("limit_request_line, limit_request_fields and limit_request_field_size say how long a head may be"),
    ),
    valued(
        "post-buffering --post-buffering post-buffering-bufsize --post-buffering-bufsize",
        Needless("bodies of any size stream through memory of a fixed size"),
    ),
    valued("env --env", Into(env)),
    valued("stats --stats stats-server --stats-server", Into(stats)),
    valued("idle --idle", Key("idle_timeout", seconds)),
    valued("cheaper --cheaper", Into(cheaper)),
    valued(
        "cheaper-initial --cheaper-initial cheaper-step --cheaper-step cheaper-algo --cheaper-algo",
        Needless(CHEAPER),
    ),
    valued("uid --uid", Into(gunicorn::user)),
    valued("gid --gid", Into(gunicorn::group)),
    valued("umask --umask", Key("umask", mode)),
    valued(
        "chmod-socket -C --chmod-socket",
        Without("a drop-in of hostler@NAME.socket has SocketMode=; the template says 0660, for the group hostler-web"),
    ),
    valued(
        "chown-socket --chown-socket",
        Without(
            "a drop-in of hostler@NAME.socket has SocketUser= and SocketGroup=; the template says the group hostler-web",
        ),
    ),
    valued(
        "touch-reload --touch-reload py-autoreload --py-autoreload py-auto-reload --py-auto-reload",
        Without("`hostler reload`, or `hostler run --reload` while developing"),
    ),
    alone("lazy --lazy lazy-apps --lazy-apps", Needless("each worker imports the application, unless preload is set")),
    alone(
        "log-x-forwarded-for --log-x-forwarded-for",
        Needless("the access log has the client that a trusted proxy tells: forwarded_allow_ips"),
    ),
    valued(
        "logformat --logformat log-format --log-format",
        Without("access_logformat is `combined` or `json`, which has more in it"),
    ),
    alone("disable-logging -L --disable-logging", Needless("there is no access log unless access_logfile is set")),
    alone("log-4xx --log-4xx log-5xx --log-5xx", Without("access_logfile has all requests")),
    valued("logto --logto logto2 --logto2 daemonize -d --daemonize", Into(log_file)),
    valued("req-logger --req-logger logger --logger", Without(JOURNAL)),
    valued("log-maxsize --log-maxsize log-backupname --log-backupname", Needless(JOURNAL)),
    alone("log-reopen --log-reopen log-date --log-date log-master --log-master", Needless(JOURNAL)),
    valued(
        "static-map --static-map check-static --check-static static-index --static-index static-expires --static-expires",
        Without(STATIC),
    ),
    valued("route --route route-uri --route-uri route-host --route-host", Without(ROUTES)),
    valued("add-header --add-header", Without(ROUTES)),
    valued(
        "cron --cron spooler -Q --spooler mule --mule attach-daemon --attach-daemon smart-attach-daemon --smart-attach-daemon timer --timer",
        Without(JOBS),
    ),
    valued("cache2 --cache2 queue --queue sharedarea --sharedarea", Without(CACHE)),
    valued("gevent --gevent asyncio --asyncio async --async ugreen --ugreen", Without(GREENLETS)),
    valued(
        "emperor --emperor vassals-include --vassals-include subscribe-to --subscribe-to fastrouter --fastrouter",
        Without(EMPEROR),
    ),
    valued(
        "exec-asap --exec-asap exec-pre-app --exec-pre-app exec-post-app --exec-post-app exec-as-root --exec-as-root hook-asap --hook-asap",
        Without(HOOKS),
    ),
    valued(
        "hook-accepting --hook-accepting exec-as-user --exec-as-user exec-as-user-atexit --exec-as-user-atexit",
        Without(HOOKS),
    ),
    valued(
        "paste --paste ini-paste --ini-paste pecan --pecan",
        Without("write a module that makes the application: from paste.deploy import loadapp"),
    ),
    valued("import --import shared-import --shared-import", Without("import it in the application's module")),
    valued("cpu-affinity --cpu-affinity", Without("a drop-in of the unit has CPUAffinity=")),
    valued("max-fd --max-fd", Needless("Hostler raises its limit of descriptors itself")),
    valued(
        "plugins --plugins plugin --plugin plugins-dir --plugins-dir",
        Needless("Hostler serves Python, and needs no plugins for it"),
    ),
    valued("pidfile --pidfile pidfile2 --pidfile2 safe-pidfile --safe-pidfile", Needless("systemd knows the process")),
    valued("master-fifo --master-fifo", Needless("`hostler reload` and its like take its place")),
    valued(
        "procname --procname procname-prefix --procname-prefix procname-prefix-spaced --procname-prefix-spaced",
        Needless("units and the journal have the instance's name"),
    ),
    valued("offload-threads --offload-threads", Needless("files are sent without the application's threads")),
    alone("auto-procname --auto-procname", Needless("units and the journal have the instance's name")),
    alone("master -M --master no-orphans --no-orphans need-app --need-app", Needless(ALWAYS)),
    alone("enable-threads -T --enable-threads single-interpreter -i --single-interpreter", Needless(ALWAYS)),
    alone("thunder-lock --thunder-lock", Needless("one queue serves all workers")),
    alone("die-on-term --die-on-term hook-master-start --hook-master-start", Needless("SIGTERM stops the server")),
    alone("vacuum --vacuum", Needless(SYSTEMD)),
    alone("strict --strict", Needless(ALWAYS)),
    alone("memory-report -m --memory-report", Needless("`hostler status` shows it")),
    alone("honour-stdin --honour-stdin py-call-osafterfork --py-call-osafterfork", Needless(SYSTEMD)),
    alone(
        "ignore-sigpipe --ignore-sigpipe ignore-write-errors --ignore-write-errors disable-write-exception --disable-write-exception",
        Needless(STRICT),
    ),
    alone(
        "wsgi-disable-file-wrapper --wsgi-disable-file-wrapper",
        Without("wsgi.file_wrapper is Hostler's own, and always there"),
    ),
    alone("catch-exceptions --catch-exceptions show-config --show-config", Needless("it is for debugging")),
];

fn module(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.set("app", given.text()?.into())
}

/// A file by its path: what can be imported below the directory becomes a module.
fn wsgi_file(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let text = given.text()?;
    let relative = Path::new(&text).strip_prefix(&gathered.base).unwrap_or(Path::new(&text)).to_owned();
    let stem = relative.to_str().and_then(|path| path.strip_suffix(".py")).filter(|stem| !stem.contains('.'));
    match stem.filter(|_| relative.is_relative()) {
        Some(stem) => gathered.set("app", stem.replace('/', ".").into()),
        None => {
            Err("Hostler imports a module: name the file as one in `app`, and its directory in `pythonpath`".to_owned())
        }
    }
}

fn callable(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.callable = Some(given.text()?);
    Ok(())
}

/// `/shop=module:app`.
fn mount(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let mounts = match given {
        Given::List(items) => items.clone(),
        other => vec![other.text()?],
    };
    let [mount] = &mounts[..] else {
        return Err(
            "an instance has one application: make one for each mount, or dispatch in the application".to_owned()
        );
    };
    let (path, module) = mount.split_once('=').ok_or("it is not PATH=APPLICATION")?;
    if !path.trim_matches('/').is_empty() {
        gathered.set("root_path", format!("/{}", path.trim_matches('/')).into())?;
    }
    let module = module.strip_suffix(".py").map_or(module.to_owned(), |stem| stem.replace('/', "."));
    gathered.set("app", module.into())
}

fn http(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    for item in given.items() {
        gathered.listen(&address(&item)?)?;
    }
    Ok(())
}

fn uwsgi_socket(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    http(gathered, given)?;
    gathered.remark("it spoke the uwsgi protocol, and speaks HTTP now: in nginx, proxy_pass takes the place of uwsgi_pass and uwsgi_param");
    Ok(())
}

/// An address, as uWSGI writes it, in Hostler's words.
fn address(text: &str) -> Result<String, String> {
    if text.starts_with('=') || text.starts_with("fd://") {
        return Err("shared sockets are passed on by the socket unit: hostler@NAME.socket".to_owned());
    }
    if let Some(name) = text.strip_prefix('@') {
        return Ok(format!("unix:@{name}"));
    }
    let port = text.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    if port && !text.contains('/') {
        return Ok(if text.contains(':') { text.to_owned() } else { format!(":{text}") });
    }
    Ok(format!("unix:{}", text.trim_start_matches("unix:")))
}

fn stats(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let address = address(&given.text()?)?;
    gathered.set("stats_bind", [address].into_iter().collect::<toml_edit::Array>().into())
}

fn env(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let value = whole_items(given)?;
    gathered.set("env", value)
}

fn cheaper(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    gathered.least_workers = Some(given.number()? as i64);
    Ok(())
}

fn log_file(gathered: &mut Gathered, given: &Given) -> Result<(), String> {
    let file = given.text()?;
    let shown = format!("logto = {file}");
    gathered.tell(Loss::Needless, &shown, JOURNAL);
    Ok(())
}

/// Puts together what is said in two settings, when all were read.
pub(crate) fn finish(gathered: &mut Gathered) -> Result<(), String> {
    bounds(gathered)?;
    let Some(callable) = gathered.callable.take() else { return Ok(()) };
    match gathered.text_of("app") {
        Some(app) if !app.contains(':') => gathered.set("app", format!("{app}:{callable}").into()),
        Some(_) => Ok(()),
        None => Err(format!("callable = {callable} names no module")),
    }
}

/// `cheaper` is the least number of workers, `processes` the greatest.
fn bounds(gathered: &mut Gathered) -> Result<(), String> {
    let Some(least) = gathered.least_workers.take() else { return Ok(()) };
    let shown = format!("cheaper = {least}");
    let Some(most) = gathered.number_of("workers") else {
        gathered.tell(Loss::Lost, &shown, "there is no processes = beside it");
        return Ok(());
    };
    if least > 0 && gathered.unset("idle_timeout") {
        gathered.tell(Loss::Lost, "idle", "all workers go with cheaper = 0 alone");
    }
    let bounds: toml_edit::InlineTable = [("min", least), ("max", most)].into_iter().collect();
    gathered.set("workers", bounds.into())
}
