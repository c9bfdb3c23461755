//! What only a real bus shows: the shipped policy, who may, foreign clients, leaving.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::process::{Command, Stdio};

use hostler_bus::daemon::Error;

use support::{Bus, Daemon, Instance, OPEN, Place, run};

/// What a system bus has beside the shipped file, as in its own system.conf.
const SYSTEM: &str = "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\
    <allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>\
    <allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>\
    <allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\
    <allow send_destination=\"org.freedesktop.DBus\"/></policy>";

const NOBODY: &str = "65534";

fn shipped() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/dbus/system.d/org.hostler.Hostler1.conf");
    format!("{SYSTEM}<include>{}</include>", std::fs::canonicalize(path).unwrap().display())
}

/// busctl as that user; its standard output, and its error output.
async fn busctl(bus: &Bus, user: Option<&str>, words: &[&str]) -> (bool, String, String) {
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "busctl"]);
            command
        }
        None => Command::new("busctl"),
    };
    command.arg(format!("--address={}", bus.address)).args(words).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

const MANAGER: [&str; 3] = ["org.hostler.Hostler1", "/org/hostler/Hostler1", "org.hostler.Hostler1.Manager"];
const SHOP: [&str; 2] = ["org.hostler.Hostler1", "/org/hostler/Hostler1/instances/shop"];

#[test]
fn only_root_owns_the_name_and_others_are_refused_by_polkit_or_its_absence() {
    if !rustix::process::geteuid().is_root() {
        // Users cannot be changed. The rig of real systemd runs the same as root.
        println!("skipped: only_root_owns_the_name needs root");
        return;
    }
    run(async {
        let place = Place::new();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        place.write("shop", "workers = 1\nenv = [\"SECRET=x\"]\n");
        let bus = Bus::start(place.path(), "system", &shipped());
        let client = bus.connect().await;
        let daemon = Daemon::start(&bus, &place, &[]);
        daemon.ready(&client).await;
        assert_eq!(client.manager().await.scope().await.unwrap(), "system");
        // Root may all, also without polkit.
        let (revision, _) = client.settings("shop").await.text().await.unwrap();
        // Another user may look at the list,
        let (fine, out, error) = busctl(&bus, Some(NOBODY), &[&["call"][..], &MANAGER, &["List"]].concat()).await;
        assert!(fine && out.contains("\"shop\"") && !out.contains("SECRET"), "{out}{error}");
        // and nothing else.
        let settings = "org.hostler.Hostler1.Settings";
        let instance = "org.hostler.Hostler1.Instance";
        let attempts: [&[&str]; 14] = [
            &[settings, "Text"],
            &[settings, "Values"],
            &[settings, "History"],
            &[settings, "Validate", "a{sv}as", "0", "0"],
            &[settings, "Apply", "sa{sv}as", &revision, "1", "workers", "s", "4", "0"],
            &[settings, "Apply", "sa{sv}as", "0000", "1", "workers", "s", "4", "0"],
            &[settings, "ApplyText", "ss", &revision, "app = \"evil:app\""],
            &[instance, "Start"],
            &[instance, "Reload"],
            &[instance, "Enable"],
            &[instance, "Scale", "u", "9"],
            &[instance, "Stacks", "u", "1"],
            &[instance, "Requests"],
            &[instance, "ReadLogs", "a{sv}", "0"],
        ];
        for words in attempts {
            let (fine, out, error) = busctl(&bus, Some(NOBODY), &[&["call"][..], &SHOP, words].concat()).await;
            assert!(!fine && error.contains("Access denied"), "{words:?}: {out}{error}");
        }
        assert_eq!(place.text("shop"), "workers = 1\nenv = [\"SECRET=x\"]\n");
        // In words, also to a client that is not ours. `busctl` has its own words for this name.
        let mut gdbus = Command::new("setpriv");
        gdbus.args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--clear-groups",
            "gdbus",
            "call",
            "--address",
            &bus.address,
        ]);
        gdbus.args(["--dest", SHOP[0], "--object-path", SHOP[1], "--method", "org.hostler.Hostler1.Instance.Start"]);
        let output = tokio::task::spawn_blocking(move || gdbus.output().unwrap()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("not authorized to control the instance \"shop\": polkit cannot be asked"), "{error}");
        let taking =
            ["call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", "su", MANAGER[0], "0"];
        let (fine, _, error) = busctl(&bus, Some(NOBODY), &taking).await;
        assert!(!fine && error.contains("Access denied"), "{error}");
    });
}

#[test]
fn foreign_clients_understand_it() {
    run(async {
        let place = Place::new();
        place.write("my-shop", "workers = 1\n");
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let daemon = Daemon::start(&bus, &place, &["--user"]);
        daemon.ready(&client).await;
        let path = "/org/hostler/Hostler1/instances/my_2dshop";
        let (fine, out, error) = busctl(&bus, None, &["introspect", MANAGER[0], path]).await;
        assert!(fine && out.contains("org.hostler.Hostler1.Settings"), "{out}{error}");
        let words = ["--json=short", "call", MANAGER[0], path, "org.hostler.Hostler1.Settings", "Text"];
        let (_, out, _) = busctl(&bus, None, &words).await;
        let text: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(text["data"][1], "workers = 1\n");
        let gdbus = |words: &[&str]| {
            let mut command = Command::new("gdbus");
            command.args(["call", "--address", &bus.address, "--dest", MANAGER[0], "--object-path"]).args(words);
            tokio::task::spawn_blocking(move || command.output().unwrap())
        };
        let output =
            gdbus(&[MANAGER[1], "--method", "org.freedesktop.DBus.ObjectManager.GetManagedObjects"]).await.unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.contains(path) && out.contains("'State': <'configured'>"), "{out}");
        let revision = text["data"][0].as_str().unwrap();
        let output =
            gdbus(&[path, "--method", "org.hostler.Hostler1.Settings.Apply", revision, "{'workers': <900>}", "[]"]);
        let error = String::from_utf8(output.await.unwrap().stderr).unwrap();
        // GDBus shows the text of an error only if that is all there is.
        assert!(error.contains("org.hostler.Error.InvalidSettings: line 1: `workers` wants between"), "{error}");
        let stop = gdbus(&[path, "--method", "org.hostler.Hostler1.Instance.Stop"]).await.unwrap();
        let job = String::from_utf8(stop.stdout).unwrap();
        let job = job.split('\'').nth(1).unwrap();
        let waited = gdbus(&[job, "--method", "org.hostler.Hostler1.Job.Wait"]).await.unwrap();
        let error = String::from_utf8(waited.stderr).unwrap();
        assert!(error.contains("org.hostler.Error.Refused: systemd does not answer on this bus"), "{error}");
        let words = ["call", MANAGER[0], path, "org.hostler.Hostler1.Settings", "Apply", "sa{sv}as", revision];
        let (fine, _, error) = busctl(&bus, None, &[&words[..], &["1", "workers", "u", "900", "0"]].concat()).await;
        assert!(!fine && error.contains("line 1: `workers` wants between"), "{error}");
    });
}

#[test]
fn it_leaves_when_nobody_needs_it() {
    run(async {
        let place = Place::new();
        place.write("shop", "");
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let mut daemon = Daemon::start(&bus, &place, &["--user", "--idle", IDLE]);
        daemon.ready(&client).await;
        // It stays until the second has tried.
        let watcher = bus.connect().await;
        watcher.manager().await.watch().await.unwrap();
        let mut second = Daemon::start(&bus, &place, &["--user"]);
        let (mut first, ended) = tokio::task::spawn_blocking(move || {
            let ended = second.process.wait().unwrap();
            (second, ended)
        })
        .await
        .map(|(second, ended)| (second, ended.code()))
        .unwrap();
        assert_eq!(ended, Some(69), "the name is taken");
        let _ = first.process.try_wait();
        watcher.connection.close().await.unwrap();
        let ended = tokio::task::spawn_blocking(move || daemon.process.wait().unwrap()).await.unwrap();
        assert!(ended.success(), "{ended}");
        let error = client.manager().await.list().await.unwrap_err();
        assert!(matches!(error, Error::Lost(_) | Error::Internal { .. } | Error::OtherVersion { .. }), "{error:?}");
    });
}

/// What a process used of the processor, in ticks of 10 ms (proc_pid_stat(5)).
fn processor_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// After how many seconds a daemon leaves that nobody uses: time enough for a client to call it first.
const IDLE: &str = "4";

/// It uses no processor time. What the start takes is over before that is looked at.
async fn rests(daemon: &Daemon) {
    // Time is what this is about: more than two of those spans.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(4500));
    ticks.tick().await;
    ticks.tick().await;
    let before = processor_time(daemon.process.id());
    ticks.tick().await;
    let used = processor_time(daemon.process.id()) - before;
    // One, and one more as the time of the process and of the kernel for it are rounded apart.
    assert!(used <= 2, "at rest it used {used} ticks of 10 ms in 4.5 s");
}

#[test]
fn it_rests_with_instances_that_somebody_watches() {
    run(async {
        let place = Place::new();
        ["shop", "blog", "docs"].iter().for_each(|name| place.write(name, "workers = 1\n"));
        let fake = Instance::new(false);
        let _server = place.instance("shop", &fake);
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let daemon = Daemon::start(&bus, &place, &["--user"]);
        daemon.ready(&client).await;
        client.manager().await.watch().await.unwrap();
        let instances = client.manager().await.list().await.unwrap();
        assert_eq!(instances.len(), 3);
        assert!(instances.iter().any(|one| one.state == hostler_bus::daemon::InstanceState::Serving), "{instances:?}");
        rests(&daemon).await;
    });
}

#[test]
fn it_stays_while_somebody_watches_and_leaves_after() {
    run(async {
        let place = Place::new();
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let mut daemon = Daemon::start(&bus, &place, &["--user", "--idle", IDLE]);
        daemon.ready(&client).await;
        client.manager().await.watch().await.unwrap();
        let watcher = client.connection.clone();
        drop(client);
        rests(&daemon).await;
        assert!(daemon.process.try_wait().unwrap().is_none(), "it left though somebody watches");
        watcher.close().await.unwrap();
        let ended = tokio::task::spawn_blocking(move || daemon.process.wait().unwrap()).await.unwrap();
        assert!(ended.success());
    });
}

/// What a stranger is told who calls a method.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    /// The answer, or what is wrong with the call: it is everybody's.
    Answer,
    /// That it takes a right, in the words of that.
    Lacks(&'static str),
    /// What stands before the right: these instances are in a place where none are made.
    NotHere,
}

const READ: Told = Told::Lacks("not authorized to read logs and settings of the instance");
const CONTROL: Told = Told::Lacks("not authorized to control the instance");
const MANAGE: Told = Told::Lacks("not authorized to make or remove the instance");

/// Every method of the daemon, what it is called with, and what somebody without any right is told. `REVISION` is that of the settings.
const METHODS: [(&str, &str, &[&str], Told); 40] = [
    ("Manager", "List", &[], Told::Answer),
    ("Manager", "GetInstance", &["shop"], Told::Answer),
    ("Manager", "Create", &["new", "{}", "{}"], Told::NotHere),
    ("Manager", "Remove", &["shop"], MANAGE),
    ("Manager", "Schema", &[], Told::Answer),
    ("Manager", "Watch", &[], Told::Answer),
    ("Manager", "Unwatch", &[], Told::Answer),
    ("Instance", "Status", &[], Told::Answer),
    ("Instance", "Samples", &["0"], Told::Answer),
    ("Instance", "Workers", &[], READ),
    ("Instance", "Requests", &[], READ),
    ("Instance", "Stacks", &["1"], READ),
    ("Instance", "Start", &[], CONTROL),
    ("Instance", "Stop", &[], CONTROL),
    ("Instance", "Restart", &[], CONTROL),
    ("Instance", "Reload", &[], CONTROL),
    ("Instance", "Rollback", &[], CONTROL),
    ("Instance", "Upgrade", &[], CONTROL),
    ("Instance", "Wake", &[], CONTROL),
    ("Instance", "Sleep", &[], CONTROL),
    ("Instance", "Enable", &[], MANAGE),
    ("Instance", "Disable", &[], MANAGE),
    ("Instance", "Scale", &["1"], CONTROL),
    ("Instance", "Recycle", &["1"], CONTROL),
    ("Instance", "LogLevel", &[], Told::Answer),
    ("Instance", "SetLogLevel", &["debug"], CONTROL),
    ("Instance", "Logs", &["{}"], READ),
    ("Instance", "ReadLogs", &["{}"], READ),
    ("Instance", "Metrics", &["1000"], Told::Answer),
    ("Settings", "Values", &[], READ),
    ("Settings", "Text", &[], READ),
    ("Settings", "Validate", &["{}", "[]"], READ),
    ("Settings", "ValidateText", &["workers = 1"], Told::Answer),
    // What is wrong with a change, and which right it takes, tells of the file's content.
    ("Settings", "Apply", &["REVISION", "{'workers': <4>}", "[]"], READ),
    ("Settings", "ApplyText", &["REVISION", "app = 'evil:app'"], READ),
    ("Settings", "History", &[], READ),
    ("Settings", "Undo", &["none"], READ),
    ("Settings", "Restore", &["REVISION", "none"], READ),
    ("Job", "Cancel", &[], CONTROL),
    // It ends after the refused Cancel.
    ("Job", "Wait", &[], Told::Answer),
];

/// The methods of the interfaces as they are committed, which a test of theirs compares with the code.
fn committed_methods() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/dbus/interfaces");
    let mut methods = Vec::new();
    for interface in ["Manager", "Instance", "Settings", "Job"] {
        let text = std::fs::read_to_string(format!("{directory}/org.hostler.Hostler1.{interface}.xml")).unwrap();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&text, options).unwrap();
        let names = document.descendants().filter(|node| node.has_tag_name("method"));
        methods.extend(names.map(|node| (interface.to_owned(), node.attribute("name").unwrap().to_owned())));
    }
    methods.sort();
    methods
}

#[test]
fn each_method_takes_its_right_and_a_new_one_has_to_say_which() {
    let mut told: Vec<_> = METHODS.iter().map(|(on, method, ..)| ((*on).to_owned(), (*method).to_owned())).collect();
    told.sort();
    told.dedup();
    assert_eq!(told, committed_methods(), "a method that METHODS does not have: say there what it takes");
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the calls of another user need root");
        return;
    }
    run(async {
        let place = Place::new();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let before = "workers = 1\nenv = [\"SECRET=x\"]\n";
        place.write("shop", before);
        let fake = Instance::new(true);
        let server = place.instance("shop", &fake);
        let bus = Bus::start(place.path(), "system", &shipped());
        let client = bus.connect().await;
        let daemon = Daemon::start(&bus, &place, &[]);
        daemon.ready(&client).await;
        let (revision, _) = client.settings("shop").await.text().await.unwrap();
        let job = client.instance("shop").await.reload().await.unwrap();
        fake.reload_began.notified().await;
        for (interface, method, words, told) in METHODS {
            let path = match interface {
                "Manager" => MANAGER[1],
                "Job" => job.as_str(),
                _ => SHOP[1],
            };
            if method == "Wait" {
                fake.reload_may_end.as_ref().unwrap().notify_one();
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "gdbus", "call", "--address"]);
            command.args([&bus.address, "--dest", SHOP[0], "--object-path", path, "--method"]);
            command.arg(format!("org.hostler.Hostler1.{interface}.{method}"));
            command.args(words.iter().map(|&word| if word == "REVISION" { revision.as_str() } else { word }));
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            let answer = String::from_utf8(output.stdout).unwrap();
            assert!(!answer.contains(&revision), "{interface}.{method} tells the revision: {answer}");
            let said = String::from_utf8(output.stderr).unwrap();
            let fits = match told {
                Told::Answer => output.status.success(),
                Told::Lacks(words) => said.contains(words),
                Told::NotHere => said.contains("is not where instances are made"),
            };
            assert!(fits, "{interface}.{method}: {told:?}: {said}");
        }
        assert_eq!(place.text("shop"), before);
        server.stop().await;
    });
}

/// Any one call of somebody without rights, over gdbus: all that it says.
async fn stranger(bus: &Bus, path: &str, method: &str, words: &[&str]) -> String {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "gdbus", "call", "--address"]);
    command.args([&bus.address, "--dest", SHOP[0], "--object-path", path, "--method", method]).args(words);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn nobody_hears_what_a_job_of_somebody_else_says_of_files_and_logs() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the calls of another user need root");
        return;
    }
    run(async {
        let place = Place::new();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        place.write("shop", "env = [\"A=SECRET-1\"]\n");
        let fake = Instance::new(true);
        let server = place.instance("shop", &fake);
        let bus = Bus::start(place.path(), "system", &shipped());
        let (client, listener) = (bus.connect().await, bus.connect().await);
        let daemon = Daemon::start(&bus, &place, &[]);
        daemon.ready(&client).await;
        let rule = zbus::MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.freedesktop.DBus.Properties")
            .unwrap()
            .build();
        let mut signals = zbus::MessageStream::for_match_rule(rule, &listener.connection, Some(1000)).await.unwrap();
        let settings = client.settings("shop").await;
        let (revision, _) = settings.text().await.unwrap();
        let set = |value: &'static str| {
            let value = zbus::zvariant::Value::from(vec![value]).try_to_owned().unwrap();
            std::collections::HashMap::from([("env".to_owned(), value)])
        };
        // Two changes of the same text: whichever comes second finds lines that it does not know, mostly when it is a job already.
        let one = settings.apply(revision.clone(), set("A=SECRET-2"), Vec::new());
        let other = settings.apply(revision, set("A=SECRET-3"), Vec::new());
        let (one, other) = tokio::join!(one, other);
        fake.reload_began.notified().await;
        fake.reload_may_end.as_ref().unwrap().notify_one();
        // Each with what is told of it in public.
        let mut jobs = Vec::new();
        let mut conflicts = 0;
        for (begun, of_the_other) in [(one, "SECRET-3"), (other, "SECRET-2")] {
            let job = begun.as_ref().ok().cloned();
            let told = match client.outcome(begun).await {
                Ok(_) => "it is done",
                Err(conflict) => {
                    let whole = format!("{conflict:?}");
                    assert!(whole.contains(of_the_other), "whoever began it is told all: {whole}");
                    conflicts += 1;
                    "org.hostler.Error.Conflict: the settings were changed meanwhile"
                }
            };
            jobs.extend(job.map(|job| (job, told)));
        }
        assert_eq!(conflicts, 1);
        // And one that the instance refuses, with a traceback.
        fake.refuse("no module SECRET-4");
        let refused = client.instance("shop").await.reload().await.unwrap();
        fake.reload_began.notified().await;
        fake.reload_may_end.as_ref().unwrap().notify_one();
        let error = client.outcome(Ok(refused.clone())).await.unwrap_err();
        assert!(format!("{error:?}").contains("Traceback"), "{error:?}");
        jobs.push((refused, "org.hostler.Error.ReloadFailed: the next generation did not come"));
        // Each that failed says so.
        let mut failures = jobs.len() - 1;
        let mut heard = Vec::new();
        for (job, told) in jobs {
            let path = job.as_str();
            let said = stranger(&bus, path, "org.hostler.Hostler1.Job.Wait", &[]).await;
            assert!(said.contains(told), "{told}: {said}");
            heard.push(said);
            heard.push(
                stranger(&bus, path, "org.freedesktop.DBus.Properties.GetAll", &["org.hostler.Hostler1.Job"]).await,
            );
        }
        while failures > 0 {
            let signal = futures_lite::StreamExt::next(&mut signals).await.unwrap().unwrap();
            let said = format!("{:?}", signal.body().deserialize::<zbus::zvariant::Structure<'_>>().unwrap());
            failures -= usize::from(said.contains("Failure"));
            heard.push(said);
        }
        for said in heard {
            assert!(!said.contains("SECRET") && !said.contains("Traceback"), "{said}");
        }
        server.stop().await;
    });
}

#[test]
fn told_to_end_in_the_middle_of_a_change_it_takes_that_back_first() {
    run(async {
        let place = Place::new();
        place.write("shop", "workers = 1\n");
        let fake = Instance::new(true);
        let server = place.instance("shop", &fake);
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let mut daemon = Daemon::start(&bus, &place, &["--user"]);
        daemon.ready(&client).await;
        let settings = client.settings("shop").await;
        let (revision, _) = settings.text().await.unwrap();
        let job = settings.apply_text(revision.clone(), "workers = 2\n".to_owned()).await;
        let waited = tokio::spawn({
            let client = client.clone();
            async move { client.outcome(job).await }
        });
        fake.reload_began.notified().await;
        assert_eq!(place.text("shop"), "workers = 2\n");
        let process = rustix::process::Pid::from_raw(daemon.process.id().cast_signed()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || daemon.process.wait().unwrap()).await.unwrap();
        assert!(ended.success(), "{ended}");
        assert_eq!(waited.await.unwrap().unwrap_err(), Error::Cancelled, "who waits is told");
        assert_eq!(place.text("shop"), "workers = 1\n");
        let next = Daemon::start(&bus, &place, &["--user"]);
        next.ready(&client).await;
        let all = client.settings("shop").await.history().await.unwrap();
        assert_eq!((all[0].refused.as_str(), all[1].current), ("cancelled", true), "{all:?}");
        server.stop().await;
    });
}

#[test]
fn killed_in_the_middle_of_a_change_it_leaves_one_text_whole_and_a_true_history() {
    run(async {
        let place = Place::new();
        // Large enough that a write is not one step.
        let text = |workers: usize| format!("workers = {workers}\n{}", "# A line of the person's.\n".repeat(8_000));
        place.write("shop", &text(1));
        let bus = Bus::start(place.path(), "session", OPEN);
        let client = bus.connect().await;
        let names = zbus::fdo::DBusProxy::new(&client.connection).await.unwrap();
        let (mut settled, mut taken_back) = (0, 0);
        for round in 0..12 {
            let fake = Instance::new(true);
            let server = (round % 3 == 2).then(|| place.instance("shop", &fake));
            let mut daemon = Daemon::start(&bus, &place, &["--user"]);
            daemon.ready(&client).await;
            let settings = client.settings("shop").await;
            let (revision, before) = settings.text().await.unwrap();
            let after = text(round + 2);
            let begun = settings.apply_text(revision, after.clone());
            match round % 3 {
                // Wherever it is when the call is answered: its job goes on beside that.
                0 => drop(begun.await.unwrap()),
                // When the new text comes to be there.
                1 => {
                    let temporary = place.settings("shop").with_file_name(".shop.toml.new");
                    tokio::pin!(begun);
                    let mut sent = false;
                    while !temporary.exists() && place.text("shop") == before {
                        tokio::select! {
                            biased;
                            _ = &mut begun, if !sent => sent = true,
                            () = tokio::task::yield_now() => {}
                        }
                    }
                }
                // When the running instance is taking it.
                _ => {
                    drop(begun.await.unwrap());
                    fake.reload_began.notified().await;
                }
            }
            let mut gone = names.receive_name_owner_changed_with_args(&[(0, MANAGER[0])]).await.unwrap();
            daemon.process.kill().unwrap();
            daemon.process.wait().unwrap();
            futures_lite::StreamExt::next(&mut gone).await.unwrap();
            if let Some(server) = server {
                server.stop().await;
            }
            let found = place.text("shop");
            assert!(found == before || found == after, "round {round}: {} bytes, neither text", found.len());
            // The next daemon says what became of it, and changes are made and taken back as ever.
            let next = Daemon::start(&bus, &place, &["--user"]);
            next.ready(&client).await;
            let settings = client.settings("shop").await;
            let (now, _) = settings.text().await.unwrap();
            let history = settings.history().await.unwrap();
            assert!(history.iter().filter(|one| one.current).all(|one| one.revision == now), "round {round}");
            if found == after {
                settled += 1;
                assert!(history[0].current && history[0].refused.is_empty(), "round {round}");
            } else if let Some(latest) = history.first().filter(|one| one.summary == "edited" && !one.current) {
                taken_back += 1;
                assert_eq!(latest.refused, "hostlerd ended before it was in the file", "round {round}");
            }
            let job = settings.apply_text(now.clone(), text(round + 100)).await;
            let changed = client.outcome(job).await.unwrap().revision.unwrap();
            client.outcome(settings.undo(changed).await).await.unwrap();
            assert_eq!(place.text("shop"), found, "round {round}");
            let mut gone = names.receive_name_owner_changed_with_args(&[(0, MANAGER[0])]).await.unwrap();
            drop(next);
            futures_lite::StreamExt::next(&mut gone).await.unwrap();
        }
        println!("of 12 changes {settled} were in the file, and {taken_back} were kept and not written");
    });
}
