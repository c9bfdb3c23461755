//! From the text of a TOML file to what was written for each setting, with lines. Values get their types elsewhere.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, Table, Value};

use crate::input::Input;
use crate::meta::SettingMeta;
use crate::mistake::{Mistake, Place, Wrong};
use crate::reading::metas;

/// What a file says of one setting.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) meta: &'static SettingMeta,
    pub(crate) input: Input,
    pub(crate) line: usize,
}

/// So many unknown keys of a file are told one by one; the last of them says how many more there are.
const UNKNOWN_TOLD: usize = 100;

/// A key that is longer than this is like no setting's, in bytes.
const LONGEST_KEY: usize = 64;

/// All entries of a file whose key is known, and a mistake for each other key, up to a hundred. A file that is not TOML gives a
/// single mistake.
pub(crate) fn entries(path: &Path, text: &str) -> (Vec<Entry>, Vec<Mistake>) {
    let lines = Lines::of(text);
    let line_of = |span: Option<Range<usize>>| lines.at(span.map_or(0, |span| span.start));
    let mistake = |line, what, message| {
        let place = Place::File { path: path.to_owned(), line };
        Mistake { place, what, message, public: None }
    };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let reason = error.message().trim().replace('\n', ", ");
            return (Vec::new(), vec![mistake(line_of(error.span()), Wrong::Syntax, format!("is not TOML: {reason}"))]);
        }
    };
    let (mut entries, mut mistakes, mut more) = (Vec::new(), Vec::new(), 0);
    let table = document.as_table();
    for (key, item) in table {
        let line = line_of(table.key(key).and_then(|key| key.span()).or_else(|| item.span()));
        match metas().iter().find(|meta| meta.key == key) {
            Some(meta) => entries.push(Entry { meta, input: input(item, text), line }),
            None if mistakes.len() >= UNKNOWN_TOLD => more += 1,
            None => {
                let what = Wrong::Key { key: key.to_owned(), nearest: meant(key) };
                mistakes.push(mistake(line, what, unknown(key, item)));
            }
        }
    }
    if let Some(last) = mistakes.last_mut().filter(|_| more > 0) {
        last.message.push_str(&format!("; and {more} more unknown keys after it"));
    }
    (entries, mistakes)
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(index, _)| index + 1)).collect())
    }

    /// The number of the line that a byte is in, counted from 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

/// The answer to a key that is no setting.
fn unknown(key: &str, item: &Item) -> String {
    if item.is_table() || item.is_array_of_tables() {
        return format!("unknown section [{key}]: settings have no sections, write them at the top of the file");
    }
    if let Some(meta) = metas().iter().find(|meta| meta.gunicorn == Some(key)) {
        return format!("unknown key `{key}`: gunicorn's `{key}` is `{}` here", meta.key);
    }
    match nearest(key) {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => format!("unknown key `{key}`: `hostler run --help` lists the settings"),
    }
}

/// The known key that was meant by an unknown one.
fn meant(key: &str) -> Option<&'static str> {
    metas().iter().find(|meta| meta.gunicorn == Some(key)).map(|meta| meta.key).or_else(|| nearest(key))
}

/// The known key that is most like this one, if any is like it at all.
fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > LONGEST_KEY {
        return None;
    }
    let written = key.to_ascii_lowercase().replace('-', "_");
    let option_of = |meta: &SettingMeta| meta.options.iter().any(|option| option.replace('-', "_") == written);
    if let Some(meta) = metas().iter().find(|meta| option_of(meta)) {
        return Some(meta.key);
    }
    metas()
        .iter()
        .map(|meta| (strsim::jaro_winkler(meta.key, &written), meta.key))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, key)| key)
}

fn input(item: &Item, text: &str) -> Input {
    match item {
        Item::Value(value) => value_input(value, text),
        Item::Table(table) => Input::Table(table_input(table, text)),
        Item::ArrayOfTables(tables) => {
            Input::List(tables.iter().map(|table| Input::Table(table_input(table, text))).collect())
        }
        Item::None => Input::Table(Vec::new()),
    }
}

fn table_input(table: &Table, text: &str) -> Vec<(String, Input)> {
    table.iter().map(|(key, item)| (key.to_owned(), input(item, text))).collect()
}

fn value_input(value: &Value, text: &str) -> Input {
    match value {
        Value::String(string) => Input::Text(string.value().clone()),
        Value::Integer(integer) => {
            // Only the text tells how the number was written.
            let written = integer.span().and_then(|span| text.get(span));
            Input::Integer { value: *integer.value(), octal: written.is_some_and(|written| written.starts_with("0o")) }
        }
        Value::Float(float) => Input::Float(*float.value()),
        Value::Boolean(boolean) => Input::Boolean(*boolean.value()),
        Value::Datetime(_) => Input::Date,
        Value::Array(array) => Input::List(array.iter().map(|value| value_input(value, text)).collect()),
        Value::InlineTable(table) => {
            Input::Table(table.iter().map(|(key, value)| (key.to_owned(), value_input(value, text))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::{EventLoop, Mistakes, Mode, Reading, Settings, Variable, Workers};

    fn read(text: &str) -> Result<Settings, Mistakes> {
        let mut reading = Reading::new();
        reading.file(Path::new("site.toml"), text);
        reading.finish()
    }

    fn mistakes(text: &str) -> Vec<String> {
        read(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_type_is_read() {
        let settings = read(
            r#"
            app = "site.wsgi:application"
            workers = "auto"
            threads = 4
            timeout = 1.5
            graceful_timeout = "2m"
            request_buffer = "128KiB"
            limit_request_body = 1_000_000
            bind = [":80", "unix:/run/x"]
            umask = 0o022
            unix_socket_mode = "0660"
            server_header = true
            loop = "uvloop"
            websocket_max_size = 0
            env = ["A=b"]
            "#,
        )
        .unwrap();
        assert_eq!(settings.pool.workers, Workers::Auto);
        assert_eq!(settings.pool.threads, 4);
        assert_eq!(settings.pool.timeout, Duration::from_millis(1500));
        assert_eq!(settings.pool.graceful_timeout, Duration::from_secs(120));
        assert_eq!(settings.pool.request_buffer, 128 << 10);
        assert_eq!(settings.limits.limit_request_body, 1_000_000);
        assert_eq!(settings.bind.bind, [":80", "unix:/run/x"]);
        assert_eq!(settings.app.umask, Some(Mode(0o22)));
        assert_eq!(settings.bind.unix_socket_mode, Some(Mode(0o660)));
        assert!(settings.http.server_header);
        assert_eq!(settings.asgi.r#loop, EventLoop::Uvloop);
        assert_eq!(settings.asgi.websocket_max_size, 0);
    }

    #[test]
    fn a_list_may_be_one_text_and_variables_a_table() {
        let settings =
            read("bind = \":80\"\nforwarded_allow_ips = \"::1, 10.0.0.0/8\"\n[env]\nA = \"b=c\"\nD = \"\"\n");
        let settings = settings.unwrap();
        assert_eq!(settings.bind.bind, [":80"]);
        assert_eq!(settings.http.forwarded_allow_ips.len(), 2);
        let variable = |name: &str, value: &str| Variable { name: name.into(), value: value.into() };
        assert_eq!(settings.app.env, [variable("A", "b=c"), variable("D", "")]);
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let text = "\
# a comment
wokers = 4
threads = \"4\"

timeout = -1
request_buffer = 50000
response_buffer = \"8KiB\"
bind = [\":80\", 81]
log_level = \"loud\"
header_timeout = 0
accesslog = \"-\"
pid = \"x\"
xyzzy = 1
umask = 22
";
        assert_eq!(
            mistakes(text),
            [
                "site.toml:2: unknown key `wokers`: did you mean `workers`?",
                "site.toml:3: `threads` wants a whole number, found the text \"4\": take the quotation marks away",
                "site.toml:5: `timeout` wants a time, found the number -1, which is below zero",
                "site.toml:6: `request_buffer` wants a power of two between 16KiB and 16MiB, found the number 50000",
                "site.toml:7: `response_buffer` wants a power of two between 16KiB and 16MiB, found the text \"8KiB\"",
                "site.toml:8: `bind` item 2: wants a text, found the number 81",
                "site.toml:9: `log_level` wants one of \"debug\", \"info\", \"warning\", \"error\", found the text \"loud\"",
                "site.toml:10: `header_timeout` wants between 0.1 and 3600, found the number 0",
                "site.toml:11: unknown key `accesslog`: gunicorn's `accesslog` is `access_logfile` here",
                "site.toml:12: unknown key `pid`: did you mean `pidfile`?",
                "site.toml:13: unknown key `xyzzy`: `hostler run --help` lists the settings",
                "site.toml:14: `umask` wants permission bits in octal, as 0o660 or \"660\", found the decimal number 22: write 0o22",
            ]
        );
    }

    #[test]
    fn a_hundred_mistakes_are_told_and_the_rest_is_counted() {
        let text: String = (1..=250).map(|number| format!("a{number} = 1\n")).collect();
        let told = mistakes(&format!("{text}workers = 0\n"));
        assert_eq!(told.len(), 101);
        assert!(told[98].starts_with("site.toml:99: unknown key `a99`: "), "{}", told[98]);
        assert!(told[99].ends_with("; and 150 more unknown keys after it"), "{}", told[99]);
        assert!(told[100].starts_with("site.toml:251: `workers` wants "), "{}", told[100]);
    }

    #[test]
    fn a_large_file_of_mistakes_takes_no_time_worth_telling() {
        // Quadratic in either, this would take minutes.
        let mut text: String = (0..150_000).map(|number| format!("a{number}=1\n")).collect();
        assert_eq!(mistakes(&text).len(), 100);
        text = format!("{} = 1\n", "a".repeat(1 << 20));
        assert_eq!(mistakes(&text).len(), 1);
        for deep in [
            "a.".repeat(1 << 19) + "a = 1",
            format!("a = {}", "[".repeat(1 << 20)),
            "a = ".to_owned() + &"{a=".repeat(1 << 18),
        ] {
            let _no_panic = read(&deep);
        }
    }

    #[test]
    fn sections_are_explained() {
        assert_eq!(
            mistakes("[pool]\nworkers = 4\n"),
            ["site.toml:1: unknown section [pool]: settings have no sections, write them at the top of the file"]
        );
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let told = mistakes("workers = 4\ntimeout = = 3\n");
        assert!(told[0].starts_with("site.toml:2: is not TOML: "), "{told:?}");
        let told = mistakes("workers = 4\nworkers = 5\n");
        assert!(told[0].starts_with("site.toml:2: is not TOML: duplicate key"), "{told:?}");
    }

    #[test]
    fn any_shape_of_value_is_refused_without_a_panic() {
        for meta in crate::metas() {
            for value in [
                "[[1]]",
                "{ a = { b = 1 } }",
                "1979-05-27",
                "nan",
                "-inf",
                "[1, \"\", []]",
                "9223372036854775807",
                "-1",
            ] {
                let told = mistakes(&format!("{} = {value}", meta.key));
                assert_eq!(told.len(), 1, "{} = {value}: {told:?}", meta.key);
            }
        }
    }
}
