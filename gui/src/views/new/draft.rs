//! What a new instance is to be, as it stands in the form: what is wrong with it, the order, and the command that
//! does the same.

use hostler_bus::daemon::{Change, NewInstance, Reach};
use hostler_instances::Name;

use crate::bus::Order;

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name.
    Name,
    /// The application.
    App,
    /// The directory.
    Directory,
    /// The addresses.
    Addresses,
    /// The user.
    RunAs,
}

/// The form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// The application, as `package.module:attribute`.
    pub app: String,
    /// The directory of the project.
    pub directory: String,
    /// Its virtual environment; empty for none.
    pub venv: String,
    /// Where it listens, separated by spaces; empty for the template's own.
    pub addresses: String,
    /// How many workers: a number, two bounds or `auto`; empty for the default.
    pub workers: String,
    /// `strict`, `standard` or `compat`.
    pub profile: String,
    /// `USER` or `USER:GROUP`; empty for a user that exists while it runs.
    pub run_as: String,
    /// Whether it may read what is below the homes.
    pub sees_homes: bool,
    /// Whether its socket starts with the computer or the session.
    pub enable: bool,
    /// Whether its socket starts now.
    pub start: bool,
    /// Further settings, of an import.
    pub more: Vec<(String, Vec<String>)>,
}

impl Draft {
    /// What is wrong, by field. `taken` says whether there is an instance called so.
    pub fn problems(&self, reach: &Reach, taken: impl Fn(&str) -> bool) -> Vec<(Field, String)> {
        let mut problems = Vec::new();
        match self.name.parse::<Name>() {
            Err(error) => problems.push((Field::Name, error.to_string())),
            Ok(_) if taken(&self.name) => {
                problems.push((Field::Name, format!("there is an instance called {} already", self.name)));
            }
            Ok(_) => {}
        }
        if !self.app.is_empty() && (self.app.contains(char::is_whitespace) || self.app.starts_with(':')) {
            problems.push((Field::App, "write it as package.module:attribute".to_owned()));
        }
        if !self.directory.starts_with('/') {
            problems.push((Field::Directory, "write the whole path, from / on".to_owned()));
        }
        if reach.user && self.addresses.trim().is_empty() {
            problems.push((Field::Addresses, "name an address, as 127.0.0.1:8000".to_owned()));
        }
        if self.run_as.contains(char::is_whitespace) || self.run_as.starts_with(':') {
            problems.push((Field::RunAs, "write USER or USER:GROUP".to_owned()));
        }
        problems
    }

    /// The order that makes it.
    #[must_use]
    pub fn order(&self, reach: &Reach) -> Order {
        let mut set = Vec::new();
        let mut put = |key: &str, value: &str| {
            if !value.trim().is_empty() {
                set.push((key.to_owned(), vec![value.trim().to_owned()]));
            }
        };
        put("app", &self.app);
        put("chdir", &self.directory);
        put("venv", &self.venv);
        put("workers", &self.workers);
        set.extend(self.more.iter().cloned());
        let (user, group) = match self.run_as.split_once(':') {
            Some((user, group)) => (user.to_owned(), Some(group.to_owned())),
            None => (self.run_as.clone(), None),
        };
        let of_system = |value: Option<String>| value.filter(|value| !reach.user && !value.is_empty());
        Order::Create {
            reach: reach.clone(),
            name: self.name.clone(),
            change: Change { set, unset: Vec::new() },
            options: NewInstance {
                addresses: self.addresses.split_whitespace().map(str::to_owned).collect(),
                profile: if reach.user { String::new() } else { self.profile.clone() },
                user: of_system(Some(user)),
                group: of_system(group),
                sees_homes: self.sees_homes && !reach.user,
                enable: self.enable,
                start: self.start,
            },
        }
    }

    /// The command that makes it.
    #[must_use]
    pub fn command(&self, reach: &Reach) -> String {
        let mut words = vec!["hostler", "new", &self.name];
        words.push(if reach.user { "--user" } else { "--system" });
        words.extend(["--directory", &self.directory]);
        for (option, value) in [("--app", &self.app), ("--profile", &self.profile), ("--run-as", &self.run_as)] {
            let of_system = option != "--app";
            let is_default = value.is_empty() || (option == "--profile" && value == "standard");
            if !(is_default || of_system && reach.user) {
                words.extend([option, value]);
            }
        }
        for address in self.addresses.split_whitespace() {
            words.extend(["--bind", address]);
        }
        words.extend(self.enable.then_some("--enable"));
        words.extend(self.start.then_some("--start"));
        shlex::try_join(words.into_iter().filter(|word| !word.is_empty())).unwrap_or_default()
    }

    /// Where a browser finds it; none for a unix socket.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let address = self.addresses.split_whitespace().find(|address| !address.starts_with("unix:"))?;
        let (host, port) = address.rsplit_once(':')?;
        let host = if matches!(host, "" | "0.0.0.0" | "[::]") { "127.0.0.1" } else { host };
        Some(format!("http://{host}:{port}/"))
    }
}

/// A name for the project of a directory that is none of the `taken`.
pub(super) fn name_for(directory: &std::path::Path, taken: impl Fn(&str) -> bool) -> String {
    let last = directory.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let fit = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let plain: String = last.chars().map(fit).collect();
    let plain = match plain.trim_matches('-') {
        "" => "app".to_owned(),
        plain => plain.chars().take(40).collect(),
    };
    let numbered = (2..1000).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SYSTEM: Reach = Reach { user: false, host: None };
    const USER: Reach = Reach { user: true, host: None };

    fn draft() -> Draft {
        Draft {
            name: "shop".to_owned(),
            app: "shop.wsgi:application".to_owned(),
            directory: "/srv/my shop".to_owned(),
            addresses: "127.0.0.1:8003".to_owned(),
            profile: "strict".to_owned(),
            run_as: "deploy:web".to_owned(),
            start: true,
            ..Draft::default()
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        assert_eq!(draft().problems(&USER, |_| false), []);
        let wrong = Draft {
            name: "a b".to_owned(),
            app: "shop wsgi".to_owned(),
            directory: "srv".to_owned(),
            addresses: " ".to_owned(),
            run_as: ":web".to_owned(),
            ..Draft::default()
        };
        let fields: Vec<Field> = wrong.problems(&USER, |_| false).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, [Field::Name, Field::App, Field::Directory, Field::Addresses, Field::RunAs]);
        assert_eq!(draft().problems(&SYSTEM, |name| name == "shop")[0].0, Field::Name);
    }

    #[test]
    fn the_order_and_the_command_say_the_same() {
        let Order::Create { name, change, options, .. } = draft().order(&SYSTEM) else { panic!() };
        assert_eq!(name, "shop");
        assert!(change.set.contains(&("chdir".to_owned(), vec!["/srv/my shop".to_owned()])));
        assert_eq!((options.user.as_deref(), options.group.as_deref()), (Some("deploy"), Some("web")));
        assert_eq!(
            draft().command(&SYSTEM),
            "hostler new shop --system --directory '/srv/my shop' --app shop.wsgi:application --profile strict \
             --run-as deploy:web --bind 127.0.0.1:8003 --start"
        );
        let Order::Create { options, .. } = draft().order(&USER) else { panic!() };
        assert_eq!((options.user, options.profile), (None, String::new()), "those are for instances of the system");
        assert!(!draft().command(&USER).contains("--run-as"));
    }

    #[test]
    fn names_are_made_of_directories() {
        assert_eq!(name_for(Path::new("/srv/My Shop!"), |_| false), "my-shop");
        assert_eq!(name_for(Path::new("/srv/shop"), |name| name == "shop"), "shop-2");
        assert_eq!(name_for(Path::new("/"), |_| false), "app");
    }

    #[test]
    fn a_browser_finds_what_listens_on_a_port() {
        assert_eq!(draft().url().as_deref(), Some("http://127.0.0.1:8003/"));
        assert_eq!(
            Draft { addresses: "unix:/run/x.sock :80".to_owned(), ..draft() }.url().as_deref(),
            Some("http://127.0.0.1:80/")
        );
        assert_eq!(Draft::default().url(), None);
    }
}
