//! The settings of the application: which one, in which Python, with which surroundings. Declarations only.

use std::path::PathBuf;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::application::Application;
use crate::values::choice::Interface;
use crate::values::mode::Mode;
use crate::values::name::{ModuleName, UrlPath, Variable};

settings! {
    /// Which application is served, in which Python, with which surroundings.
    App, "Application";

    /// The application, as `package.module:attribute` or `package.module:factory()`.
    /// With the module alone the attribute is `application`, else what the file shows. Without it, the obvious one is
    /// looked for in `chdir`: a Django project, or `app`, `application`, `api` or a `create_app()` factory in `app.py`,
    /// `wsgi.py`, `main.py`, `asgi.py`, `server.py` or `application.py`. Where there is one for WSGI and one for ASGI,
    /// the one for WSGI is taken, unless `interface` is `asgi`.
    app: Option<Application> = None, positional() gunicorn("wsgi_app");

    /// The interface that the application speaks.
    /// With `auto` it is told by looking at the application.
    interface: Interface = Interface::Auto;

    /// The directory that workers run in, and import from.
    /// Without it, the directory that hostler is started in.
    chdir: Option<PathBuf> = None;

    /// More directories to import from, before all others.
    pythonpath: Vec<PathBuf> = Vec::new(), commas();

    /// The Python interpreter that runs the application.
    /// Without it and without `venv`: the one of `.venv` or `venv` beside the application, of `$VIRTUAL_ENV`, or
    /// `python3` of `$PATH`.
    python: Option<PathBuf> = None;

    /// The virtual environment that holds the application's packages.
    venv: Option<PathBuf> = None;

    /// Variables for the workers' environment, `NAME=VALUE`; may be given more than once.
    /// In a file it can be a table as well.
    env: Vec<Variable> = Vec::new(), letter('e') gunicorn("raw_env");

    /// A module with functions that are called as workers start and end, and around requests: gunicorn's hooks.
    /// In each worker: `post_fork(server, worker)` before the application is imported, or after the fork with `preload`;
    /// `post_worker_init(worker)` when it is about to serve; `worker_int(worker)` when the worker itself gets SIGINT, as by
    /// Ctrl-C in a terminal, or SIGQUIT; `worker_abort(worker)` before a request past its `timeout` is interrupted, or what
    /// keeps an event loop from turning, in a thread of its own; `worker_exit(server, worker)` when it has served its last
    /// request. Around each request of a WSGI application: `pre_request(worker, req)` before the application is called, where
    /// an exception is answered as one of the application's is; `post_request(worker, req, environ, resp)`, or with fewer
    /// parameters, when the answer was given. For an ASGI application these two are not called: write a middleware. In the
    /// keeper, with `preload` alone: `on_starting(server)` before the import, or `on_reload(server)` where the server was
    /// reloaded; `when_ready(server)` after it; `pre_fork(server, worker)`; `child_exit(server, worker)` after the end of a
    /// worker, however it came; `on_exit(server)`. A worker is not started where `pre_fork`, `post_fork` or
    /// `post_worker_init` raises; what another one raises is logged. `server` has `pid`, `log` and `cfg`; `worker` has `pid`,
    /// `ppid`, `age`, `number`, `log` and `cfg`; `req` has `method`, `uri`, `path`, `query`, `fragment`, `version`,
    /// `headers`, `scheme` and `remote_addr`; `resp` has `status` (`None` where the application began no answer),
    /// `status_code`, `headers` and `sent`. The log names gunicorn's other hooks, where the module has them: they are never
    /// called.
    hooks: Option<ModuleName> = None;

    /// The part of the URL's path that belongs to the mount point: `SCRIPT_NAME`, or the scope's `root_path`.
    /// It is written without percent-encoding. A request whose path does not begin with it is passed on as
    /// it is to a WSGI application; for an ASGI application it is put before the path, as its specification says.
    root_path: Option<UrlPath> = None;

    /// The file mode creation mask of the server and its workers, in octal.
    /// Without it, the one that hostler is started with.
    umask: Option<Mode> = None, letter('m') apply(Apply::Restart);

    /// A file that the process number of the server is written to.
    pidfile: Option<PathBuf> = None, letter('p') option("pid") apply(Apply::Restart);
}
