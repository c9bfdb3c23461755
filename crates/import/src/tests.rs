//! What becomes of whole sources.

use super::*;
use std::fs;
use tempfile::TempDir;

struct World {
    root: TempDir,
    surroundings: Surroundings,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("ROOT", &root.path().display().to_string())).unwrap();
        }
        let surroundings = Surroundings { directory: root.path().to_owned(), ..Surroundings::default() };
        Self { root, surroundings }
    }

    fn gather(&self, sources: &[&str]) -> Gathered {
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        let mut gathered = read(&sources, &self.surroundings).unwrap();
        complete(&mut gathered, &self.surroundings);
        gathered
    }

    /// The settings, as `key = value`, with the directory left out.
    fn settings(&self, sources: &[&str]) -> Vec<String> {
        let at = self.root.path().display().to_string();
        let entries = self.gather(sources).settings();
        entries
            .iter()
            .map(|entry| format!("{} = {}", entry.key, entry.value.to_string().trim()).replace(&at, "ROOT"))
            .collect()
    }
}

fn why<'a>(gathered: &'a Gathered, what: &str) -> &'a str {
    gathered.told.iter().find(|told| told.what.starts_with(what)).map_or("nothing", |told| &told.why)
}

#[test]
fn a_line_of_gunicorn() {
    let world = World::new(&[]);
    let line = "gunicorn -w 4 --threads=2 -b 0.0.0.0:80 -b unix:run/x.sock -t60 -e A=1 -e B=2,3 -k gevent --log-level CRITICAL \
                --limit-request-line 0 --keyfile k --max-requests 1000 -u deploy -g www --no-such shop.wsgi";
    let gathered = world.gather(&[line]);
    assert_eq!(
        world.settings(&[line]),
        [
            "app = \"shop.wsgi\"",
            "chdir = \"ROOT\"",
            "env = [\"A=1\", \"B=2,3\"]",
            "workers = 4",
            "threads = 2",
            "timeout = 60",
            "max_requests = 1000",
            "log_level = \"error\"",
        ]
    );
    assert_eq!(
        gathered.addresses,
        ["0.0.0.0:80".to_owned(), format!("unix:{}/run/x.sock", world.root.path().display())]
    );
    assert_eq!((gathered.unit.user.as_deref(), gathered.unit.group.as_deref()), (Some("deploy"), Some("www")));
    assert!(why(&gathered, "worker_class = gevent").starts_with("Hostler runs no greenlets"));
    assert!(why(&gathered, "limit_request_line = 0").starts_with("Hostler's `limit_request_line` wants between"));
    assert!(why(&gathered, "keyfile").contains("speaks TLS"));
    assert_eq!(why(&gathered, "--no-such"), "it is not known what this is");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(world.settings(&words), world.settings(&[line]), "the shell split it");
}

#[test]
fn a_configuration_of_gunicorn_is_run_and_the_line_wins() {
    let configuration = "import os\nbind = ['127.0.0.1:9000']\nworkers = 2 * 2 + 1\numask = 0o022\nown = object()\n_hidden = 1\n\
                         raw_env = ['A=1']\nchdir = 'ROOT/site'\npreload_app = False\nprint('noise')\n\
                         def post_fork(server, worker): pass\ndef pre_request(worker, req): pass\n";
    let world = World::new(&[("gunicorn.conf.py", configuration), ("site/app.py", "")]);
    let expected = ["app = \"app:app\"", "chdir = \"ROOT/site\"", "env = [\"A=1\"]", "umask = \"022\"", "workers = 7"];
    assert_eq!(
        world.settings(&["gunicorn", "-w", "7", "app:app"]),
        expected,
        "the file of the directory is gunicorn's default"
    );
    let gathered = world.gather(&["gunicorn.conf.py"]);
    assert_eq!(gathered.addresses, ["127.0.0.1:9000"]);
    assert!(why(&gathered, "pre_request").contains("hooks"));
    assert_eq!(why(&gathered, "own"), "nothing", "gunicorn passes over it as well");
    let line = world.gather(&["gunicorn -c gunicorn.conf.py -b :80 app:app"]);
    assert_eq!(line.addresses, [":80"]);
}

#[test]
fn a_configuration_that_fails_is_told() {
    let world = World::new(&[("gunicorn.conf.py", "workers = 1 / 0")]);
    let told = read(&["gunicorn.conf.py".to_owned()], &world.surroundings).unwrap_err();
    assert!(
        told.contains("gunicorn.conf.py: python3 could not run it") && told.ends_with("division by zero"),
        "{told}"
    );
}

#[test]
fn a_line_of_uvicorn() {
    let world = World::new(&[]);
    let line = "uvicorn main:create_app --factory --host 0.0.0.0 --port 80 --workers 4 --loop uvloop --ws-max-size 1024 --env-file .env \
                --timeout-keep-alive 5 --no-access-log --root-path /api/ --ssl-keyfile x --header a:b";
    let expected = [
        "app = \"main:create_app()\"",
        "chdir = \"ROOT\"",
        "root_path = \"/api\"",
        "workers = 4",
        "loop = \"uvloop\"",
        "websocket_max_size = 1024",
        "keepalive = 5",
    ];
    assert_eq!(world.settings(&[line]), expected);
    let gathered = world.gather(&[line]);
    assert_eq!(gathered.addresses, ["0.0.0.0:80"]);
    assert!(gathered.unit.environment_files[0].ends_with("/.env"));
    assert!(why(&gathered, "--header").contains("a middleware"));
}

#[test]
fn a_file_of_uwsgi() {
    let ini = "[uwsgi]\nproject = shop\nchdir = ROOT/%(project)\nmodule = %(project).wsgi\ncallable = application\nhome = %(chdir)/venv\n\
               master = true\nprocesses = 4\nthreads = 2\nharakiri = 60\nsocket = /run/shop.sock\nmax-requests = 5000\nreload-on-rss = 256\n\
               env = A=1\nenv = B=2\nuid = www-data\nvacuum = true\nstatic-map = /static=/srv/static\nwhatever = 1\nlazy-apps = false\n";
    let world = World::new(&[("shop.ini", ini)]);
    let expected = [
        "app = \"shop.wsgi:application\"",
        "chdir = \"ROOT/shop\"",
        "venv = \"ROOT/shop/venv\"",
        "env = [\"A=1\", \"B=2\"]",
        "workers = 4",
        "threads = 2",
        "timeout = 60",
        "max_requests = 5000",
        "max_memory = \"256MiB\"",
    ];
    assert_eq!(world.settings(&["shop.ini"]), expected);
    assert_eq!(world.settings(&["uwsgi", "--ini", "shop.ini"]), expected);
    let gathered = world.gather(&["shop.ini"]);
    assert_eq!(gathered.addresses, ["unix:/run/shop.sock"]);
    assert_eq!(gathered.unit.user.as_deref(), Some("www-data"));
    assert!(why(&gathered, "socket").contains("proxy_pass takes the place of uwsgi_pass"));
    assert!(why(&gathered, "static-map").contains("Hostler serves no files"));
    assert_eq!(why(&gathered, "whatever = 1"), "it is not known what this is");
    assert_eq!((why(&gathered, "project"), why(&gathered, "lazy-apps")), ("nothing", "nothing"));
}

#[test]
fn workers_of_uwsgi_by_load() {
    let world = World::new(&[(
        "a.ini",
        "[uwsgi]\nmodule = a:b\nprocesses = 8\ncheaper = 2\nidle = 60\ncheaper-algo = busyness\n",
    )]);
    let expected = ["app = \"a:b\"", "chdir = \"ROOT\"", "workers = { min = 2, max = 8 }"];
    assert_eq!(world.settings(&["a.ini"]), expected);
    assert_eq!(why(&world.gather(&["a.ini"]), "idle"), "all workers go with cheaper = 0 alone");
}

#[test]
fn a_unit_that_runs_gunicorn() {
    let unit = "[Unit]\nDescription=Shop\nAfter=network.target postgresql.service\n[Service]\nType=notify\nUser=deploy\n\
                WorkingDirectory=ROOT/shop\nEnvironment=\"DJANGO_SETTINGS_MODULE=shop.settings\" PORT=8000\nEnvironmentFile=-/etc/default/shop\n\
                ExecStart=ROOT/venv/bin/gunicorn \\\n  --bind 127.0.0.1:${PORT} -w 3 shop.wsgi\nPrivateTmp=true\nMemoryMax=1G\nUMask=0027\n\
                [Install]\nWantedBy=multi-user.target\n";
    let world = World::new(&[
        ("shop.service", unit),
        ("shop.socket", "[Socket]\nListenStream=/run/shop.sock\nSocketUser=www\n"),
    ]);
    let expected = [
        "app = \"shop.wsgi\"",
        "chdir = \"ROOT/shop\"",
        "venv = \"ROOT/venv\"",
        "env = [\"DJANGO_SETTINGS_MODULE=shop.settings\", \"PORT=8000\"]",
        "umask = \"0027\"",
        "workers = 3",
    ];
    assert_eq!(world.settings(&["shop.service"]), expected);
    let gathered = world.gather(&["shop.service"]);
    assert_eq!(gathered.addresses, ["127.0.0.1:8000"]);
    assert_eq!(gathered.unit.user.as_deref(), Some("deploy"));
    assert_eq!(gathered.unit.environment_files, ["-/etc/default/shop"]);
    assert!(why(&gathered, "MemoryMax=1G").contains("systemctl edit"));
    assert_eq!(why(&gathered, "PrivateTmp"), "hostler@.service has its own");
    assert!(why(&gathered, "After=postgresql.service").contains("a drop-in"));
    let both = world.gather(&["shop.service", "shop.socket"]);
    assert_eq!(both.addresses, ["unix:/run/shop.sock"]);
    assert!(why(&both, "SocketUser").contains("hostler@NAME.socket"));
}

#[test]
fn what_is_nothing_of_the_kind_is_refused() {
    let world = World::new(&[("x.service", "[Service]\nExecStart=/usr/bin/nginx\n")]);
    let refused = |source: &str| read(&[source.to_owned()], &world.surroundings).unwrap_err();
    assert!(refused("nginx.conf").contains("nothing which can be imported"));
    assert!(refused("/etc/no-such-file").contains("there is no such file"));
    assert!(refused("absent.service").contains("absent.service: No such file"));
    assert!(refused("x.service").contains("ExecStart=/usr/bin/nginx is no command line of gunicorn"));
    assert!(refused("absent.ini").contains("No such file"));
    assert_eq!(refused("absent.py").matches("absent.py").count(), 1, "{}", refused("absent.py"));
}
