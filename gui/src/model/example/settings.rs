//! The example's settings: a schema with each form, values from each origin, and a history.

use hostler_bus::daemon::{Applied, Form, Origin, RevisionInfo, SettingInfo, SettingValue};

use super::{NOW_US, SECOND};
use crate::bus::Settings;

fn info(group: &str, key: &str, form: Form, default: Option<&str>, applied: Applied, doc: &str) -> SettingInfo {
    SettingInfo {
        key: key.to_owned(),
        group: group.to_owned(),
        doc: doc.to_owned(),
        form,
        default: default.map(str::to_owned),
        optional: default.is_none(),
        applied,
        ..Default::default()
    }
}

pub(super) fn schema() -> Vec<SettingInfo> {
    use Applied::{Live, Reload, Restart};
    let app = "The application";
    let workers = "Workers";
    let limits = "Limits";
    let logs = "Logs";
    vec![
        SettingInfo {
            decides_code: true,
            ..info(
                app,
                "app",
                Form::Application,
                None,
                Reload,
                "The application, as `package.module:attribute`.\n\nWithout it, Hostler looks for one: Django's `wsgi.py`, `app.py`, `main.py`.",
            )
        },
        SettingInfo {
            decides_code: true,
            ..info(app, "directory", Form::Path, None, Reload, "The directory to run in and to import from.")
        },
        SettingInfo {
            list: true,
            decides_code: true,
            ..info(
                app,
                "env",
                Form::Variable,
                Some("[]"),
                Reload,
                "Variables of the workers' environment, as `NAME=VALUE`.",
            )
        },
        SettingInfo {
            list: true,
            ..info(
                app,
                "bind",
                Form::Text,
                Some("[]"),
                Restart,
                "Where to listen: `127.0.0.1:8000`, `unix:/run/shop.sock`.",
            )
        },
        info(
            workers,
            "workers",
            Form::Workers,
            Some("\"auto\""),
            Reload,
            "How many workers there are: a number, or two bounds as `1..8`.",
        ),
        SettingInfo {
            least: Some(1),
            most: Some(1024),
            range: "between 1 and 1024".to_owned(),
            wanted: "a whole number".to_owned(),
            ..info(workers, "threads", Form::Count, Some("1"), Reload, "Threads of each worker.")
        },
        info(
            workers,
            "preload",
            Form::Boolean,
            Some("false"),
            Reload,
            "Import once in a keeper process, and fork workers from it.\n\nSaves memory and makes replacements fast; the application must bear a fork after its import.",
        ),
        info(
            limits,
            "timeout",
            Form::Duration,
            Some("30"),
            Live,
            "How long a request may go without a byte given or taken.",
        ),
        info(limits, "max_body", Form::Bytes, Some("\"1MiB\""), Live, "The largest request body."),
        SettingInfo {
            words: ["debug", "info", "warning", "error"].map(str::to_owned).to_vec(),
            ..info(
                logs,
                "log_level",
                Form::Choice,
                Some("\"info\""),
                Live,
                "The least severity that goes to the error log.",
            )
        },
        info(logs, "access_log", Form::LogFile, None, Restart, "Where each request is logged; `-` is standard output."),
    ]
}

pub(super) fn settings() -> Settings {
    let value = |key: &str, value: &str, origin, file: &str, line| SettingValue {
        key: key.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        origin,
        file: file.to_owned(),
        line,
    };
    let file = "/etc/hostler/shop.toml";
    Settings {
        revision: "5e2b1c".to_owned(),
        values: vec![
            value("app", "\"shop.wsgi:application\"", Origin::File, file, 2),
            value("directory", "\"/srv/shop\"", Origin::File, file, 3),
            value("env", "[\"DJANGO_SETTINGS_MODULE=shop.settings\"]", Origin::Unit, "/usr/lib/systemd/system/hostler@.service", 0),
            value("bind", "[\"unix:/run/hostler/shop.sock\"]", Origin::DropIn, "/etc/systemd/system/hostler@shop.socket.d/bind.conf", 0),
            value("workers", "\"2..8\"", Origin::File, file, 6),
            value("threads", "1", Origin::Default, "", 0),
            value("preload", "true", Origin::File, file, 8),
            value("timeout", "30", Origin::Default, "", 0),
            value("max_body", "\"16MiB\"", Origin::File, file, 11),
            value("log_level", "\"info\"", Origin::Default, "", 0),
            value("access_log", "", Origin::Default, "", 0),
        ],
        text: "# The shop of the saddlery.\napp = \"shop.wsgi:application\"\ndirectory = \"/srv/shop\"\n\n# Two at night, eight at noon.\nworkers = \"2..8\"\n\npreload = true\n\n# Pictures of saddles.\nmax_body = \"16MiB\"\n".to_owned(),
    }
}

pub(super) fn history() -> Vec<RevisionInfo> {
    let revision = |revision: &str, hours: u64, user, summary: &str, difference: &str| RevisionInfo {
        revision: revision.to_owned(),
        at_us: NOW_US - hours * 3_600 * SECOND,
        user,
        summary: summary.to_owned(),
        difference: difference.to_owned(),
        current: hours == 1,
        ..Default::default()
    };
    vec![
        revision(
            "5e2b1c",
            1,
            Some(1000),
            "set max_body",
            "@@ -9,2 +9,2 @@\n # Pictures of saddles.\n-max_body = \"4MiB\"\n+max_body = \"16MiB\"\n",
        ),
        revision(
            "a91f30",
            26,
            Some(0),
            "set workers",
            "@@ -5,2 +5,2 @@\n # Two at night, eight at noon.\n-workers = \"2..4\"\n+workers = \"2..8\"\n",
        ),
        revision("07cc42", 170, None, "edited by hand", "@@ -7,0 +8,1 @@\n+preload = true\n"),
    ]
}
