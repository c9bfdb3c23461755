//! How settings come together: defaults, then the environment, then a file, then the command line. All mistakes are
//! collected on the way, so that a person sees them at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use clap::ArgMatches;

use crate::declare::Group;
use crate::input::Input;
use crate::meta::SettingMeta;
use crate::mistake::{Mistake, Mistakes, Place, Wrong};
use crate::{App, Asgi, Bind, Develop, Http, Life, Limits, Log, Pool, Service, Settings, command_line, file};

/// What is known of every setting, in the order of the reference.
#[must_use]
pub fn metas() -> &'static [SettingMeta] {
    static METAS: OnceLock<Vec<SettingMeta>> = OnceLock::new();
    METAS.get_or_init(|| {
        [
            App::metas(),
            Bind::metas(),
            Pool::metas(),
            Life::metas(),
            Asgi::metas(),
            Http::metas(),
            Limits::metas(),
            Log::metas(),
            Develop::metas(),
            Service::metas(),
        ]
        .concat()
    })
}

/// Settings on their way from their sources. Call the sources in the order of this type's methods: a later one wins.
#[derive(Debug, Default)]
pub struct Reading {
    settings: Settings,
    mistakes: Vec<Mistake>,
    /// Where `idle_timeout` was set last.
    idle_timeout: Option<Place>,
    places: BTreeMap<&'static str, Place>,
}

/// One setting as it came out, and where its value stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The setting.
    pub meta: &'static SettingMeta,
    /// The value as it would be written in a file; `None` where it is unset.
    pub value: Option<String>,
    /// Where it was given; `None` for a default.
    pub place: Option<Place>,
}

impl Reading {
    /// Begins with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the few variables that gunicorn takes, such as `WEB_CONCURRENCY`; `lookup` finds a variable's value.
    pub fn environment(&mut self, lookup: impl Fn(&str) -> Option<String>) {
        for meta in metas() {
            if let Some(name) = meta.environment
                && let Some(value) = lookup(name).filter(|value| !value.is_empty())
            {
                self.set(meta, &Input::Word(value), || Place::Environment { name });
            }
        }
    }

    /// Takes the text of a TOML file; `path` is for mistakes only.
    pub fn file(&mut self, path: &Path, text: &str) {
        let earlier = self.mistakes.len();
        let (entries, mistakes) = file::entries(path, text);
        self.mistakes.extend(mistakes);
        for entry in entries {
            self.set(entry.meta, &entry.input, || Place::File { path: path.to_owned(), line: entry.line });
        }
        // A person reads a file from top to bottom, whatever kind the mistakes are of.
        self.mistakes[earlier..].sort_by_key(|mistake| match mistake.place {
            Place::File { line, .. } => line,
            Place::CommandLine | Place::Environment { .. } => 0,
        });
    }

    /// Takes the options that [`command_line::arguments`] put into a command.
    pub fn command_line(&mut self, matches: &ArgMatches) {
        for (meta, input) in command_line::inputs(matches) {
            self.set(meta, &input, || Place::CommandLine);
        }
    }

    /// The settings, if nothing was wrong.
    ///
    /// # Errors
    /// All mistakes of all sources, in the order in which they were met.
    pub fn finish(mut self) -> Result<Settings, Mistakes> {
        if let Some(place) = self.idle_timeout.take()
            && let Some(reason) = self.settings.pool.stays_awake()
        {
            let name = metas().iter().find(|meta| meta.key == "idle_timeout").map(|meta| place.name_of(meta));
            let message = format!("{} {reason}", name.unwrap_or_default());
            self.mistakes.push(Mistake { place, what: Wrong::Value { key: "idle_timeout" }, message, public: None });
        }
        if self.mistakes.is_empty() { Ok(self.settings) } else { Err(Mistakes(self.mistakes)) }
    }

    /// Every setting with its value and where that stands, in the order of [`metas`], whether or not something is wrong: a value
    /// that was refused leaves the one before.
    #[must_use]
    pub fn explain(&self) -> Vec<Explained> {
        metas()
            .iter()
            .zip(self.settings.rendered())
            .map(|(meta, value)| Explained { meta, value, place: self.places.get(meta.key).cloned() })
            .collect()
    }

    /// Where each setting was given last, by its key; those that were not given have none.
    #[must_use]
    pub fn places(&self) -> &BTreeMap<&'static str, Place> {
        &self.places
    }

    fn set(&mut self, meta: &'static SettingMeta, input: &Input, place: impl Fn() -> Place) {
        let Settings { app, bind, pool, life, asgi, http, limits, log, develop, service, is_bind_given } =
            &mut self.settings;
        *is_bind_given |= meta.key == "bind";
        let outcome = app
            .set(meta, input)
            .or_else(|| bind.set(meta, input))
            .or_else(|| pool.set(meta, input))
            .or_else(|| life.set(meta, input))
            .or_else(|| asgi.set(meta, input))
            .or_else(|| http.set(meta, input))
            .or_else(|| limits.set(meta, input))
            .or_else(|| log.set(meta, input))
            .or_else(|| develop.set(meta, input))
            .or_else(|| service.set(meta, input));
        if meta.key == "idle_timeout" {
            self.idle_timeout = Some(place());
        }
        let place = place();
        if let Some(Err(message)) = outcome {
            let name = place.name_of(meta);
            let what = Wrong::Value { key: meta.key };
            let public = format!("{name} wants {}, and has another value, which its log shows", meta.wanted());
            self.mistakes.push(Mistake { place, what, message: format!("{name} {message}"), public: Some(public) });
        } else {
            self.places.insert(meta.key, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::{HeaderName, Kind, Peers, Workers};

    #[test]
    fn later_sources_win() {
        let matches = clap::Command::new("run").args(command_line::arguments()).get_matches_from([
            "run",
            "--threads",
            "3",
            "-b",
            ":3",
        ]);
        let mut reading = Reading::new();
        reading.environment(|name| (name == "WEB_CONCURRENCY").then(|| "7".to_owned()));
        reading.file(Path::new("x"), "threads = 2\nbacklog = 5\nbind = [\":1\", \":2\"]");
        reading.command_line(&matches);
        let settings = reading.finish().unwrap();
        assert_eq!(settings.pool.workers, Workers::Count(7), "from the environment");
        assert_eq!(settings.bind.backlog, 5, "from the file");
        assert_eq!(settings.pool.threads, 3, "from the command line");
        assert_eq!(settings.bind.bind, [":3"], "a list is replaced, not extended");
    }

    #[test]
    fn the_environment_is_below_the_file() {
        let mut reading = Reading::new();
        reading.environment(|_| Some("*".to_owned()));
        reading.file(Path::new("x"), "workers = 2");
        let told = reading.finish().unwrap_err().to_string();
        assert_eq!(
            told,
            "environment: $WEB_CONCURRENCY wants a whole number, \"auto\", or bounds as { min = 1, max = 8 } or \"1..8\", found `*`"
        );

        let mut reading = Reading::new();
        reading.environment(|name| (name == "FORWARDED_ALLOW_IPS").then(|| "*".to_owned()));
        assert_eq!(reading.finish().unwrap().http.forwarded_allow_ips, [Peers::Everyone]);
    }

    /// Everybody reads why a service does not start (`systemctl status`), and a secret is easily put in the wrong line.
    #[test]
    fn no_value_is_told_in_public() {
        const SECRET: &str = "postgres://shop:sesame@db/shop";
        for meta in metas() {
            let inputs = [
                Input::Word(SECRET.to_owned()),
                Input::Text(SECRET.to_owned()),
                Input::List(vec![Input::Text(SECRET.to_owned()), Input::Boolean(true), Input::Text("a\0".to_owned())]),
                Input::Table(vec![(SECRET.to_owned(), Input::Text(SECRET.to_owned()))]),
            ];
            for input in inputs {
                let mut reading = Reading::new();
                reading.set(meta, &input, || Place::File { path: "shop.toml".into(), line: 3 });
                let Err(mistakes) = reading.finish() else { continue };
                let told = mistakes.in_public();
                let begins = format!("shop.toml:3: `{}` wants ", meta.key);
                assert!(told.starts_with(&begins) && !told.contains("sesame"), "{told}");
            }
        }
        let mut reading = Reading::new();
        reading.file(
            Path::new("x"),
            &format!("threads = \"{SECRET}\"\nSECRET = \"{SECRET}\"\nbind = [1]\n[env]\nDSN = 4\n"),
        );
        assert_eq!(
            reading.finish().unwrap_err().in_public().lines().collect::<Vec<_>>(),
            [
                "x:1: `threads` wants a whole number, between 1 and 64, and has another value, which its log shows",
                "x:2: unknown key `SECRET`: `hostler run --help` lists the settings",
                "x:3: `bind` wants a list, each item a text, and has another value, which its log shows",
                "x:4: `env` wants a list, each item a variable as \"NAME=VALUE\", and has another value, which its log shows",
            ]
        );
        for text in [
            format!("app = {SECRET}"),
            format!("app = \"{SECRET}"),
            format!("{SECRET} = 1"),
            format!("a.b = 1\n{SECRET}"),
        ] {
            let mut reading = Reading::new();
            reading.file(Path::new("x"), &text);
            let told = reading.finish().unwrap_err().in_public();
            assert!(told.contains("is not TOML") && !told.contains("sesame"), "{told}");
        }
    }

    #[test]
    fn every_value_is_explained() {
        let mut reading = Reading::new();
        reading.environment(|name| (name == "WEB_CONCURRENCY").then(|| "7".to_owned()));
        reading.file(Path::new("x"), "\ntimeout = 60\nthreads = \"many\"");
        let explained = reading.explain();
        let of = |key: &str| {
            let one = explained.iter().find(|one| one.meta.key == key).unwrap();
            (one.value.clone(), one.place.clone())
        };
        let line = |line| Some(Place::File { path: "x".into(), line });
        assert_eq!(of("timeout"), (Some("60".to_owned()), line(2)));
        assert_eq!(of("threads"), (Some("1".to_owned()), None), "what is refused changes nothing");
        assert_eq!(of("workers"), (Some("7".to_owned()), Some(Place::Environment { name: "WEB_CONCURRENCY" })));
        assert_eq!(of("app"), (None, None));
        for one in &explained {
            assert!(one.place.is_some() || one.value == one.meta.default, "{}", one.meta.key);
        }
    }

    #[test]
    fn every_default_can_be_written_and_is_in_range() {
        for meta in metas() {
            let Some(default) = &meta.default else { continue };
            let mut reading = Reading::new();
            reading.file(Path::new("x"), &format!("{} = {default}", meta.key));
            let default = Settings { is_bind_given: meta.key == "bind", ..Settings::default() };
            assert_eq!(reading.finish(), Ok(default), "{}", meta.key);
        }
        let header = HeaderName::declared("X-Request-Id");
        assert_eq!(HeaderName::from_input(&Input::Word("X-Request-Id".into())), Ok(header));
    }

    #[test]
    fn declarations_are_whole() {
        let mut keys: Vec<_> = metas().iter().map(|meta| meta.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), metas().len(), "a key is declared twice");
        for meta in metas() {
            let summary = meta.doc.lines().next().unwrap_or_default();
            assert!(summary.ends_with('.') && summary.len() < 120, "{}: {summary}", meta.key);
            let ranged =
                matches!(meta.kind, Kind::Count | Kind::CountOrAuto | Kind::Workers | Kind::Bytes | Kind::Duration);
            assert_eq!(meta.range.is_some(), ranged, "{}", meta.key);
        }
    }
}
