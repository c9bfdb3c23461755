//! The Django project of a directory, and the WSGI or ASGI file that it is served by.

use std::fs;
use std::path::Path;

use hostler_settings::{Application, Interface};

use super::application::{application, read_module};
use super::reading;

/// Why a Django project cannot be served.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error(
        "{place} belongs to a Django project with the settings {settings} that has no {kind} file: looked for {}. Write it, with the \
         line `application = get_{}_application()`, or name the application, as in: hostler run package.module:attribute",
        looked.join(", "), kind.to_lowercase()
    )]
    NoGateway { place: String, settings: String, kind: &'static str, looked: Vec<String> },
    #[error("there are several Django projects: {}. Name the one to serve, as in: hostler run {}",
        found.join(", "), found.first().map(String::as_str).unwrap_or_default())]
    Several { found: Vec<String> },
}

/// Which of the two files of a project is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// `wsgi.py`.
    Wsgi,
    /// `asgi.py`.
    Asgi,
}

impl Gateway {
    /// The ones that serve by `interface`, the preferred one first.
    pub(crate) fn of(interface: Interface) -> &'static [Self] {
        match interface {
            Interface::Auto => &[Self::Wsgi, Self::Asgi],
            Interface::Wsgi => &[Self::Wsgi],
            Interface::Asgi => &[Self::Asgi],
        }
    }

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Wsgi => "wsgi.py",
            Self::Asgi => "asgi.py",
        }
    }

    fn module(self) -> &'static str {
        self.file().trim_end_matches(".py")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wsgi => "WSGI",
            Self::Asgi => "ASGI",
        }
    }
}

/// The application of the directory's Django project and why it was taken; `None` where there is no project. A project that has both files is
/// served by WSGI unless `interface` says otherwise.
///
/// # Errors
/// When there is a project, and no file to serve it by, or several to choose from.
pub(crate) fn find(directory: &Path, interface: Interface) -> Result<Option<(Application, String)>, Error> {
    let mut missing = None;
    for gateway in Gateway::of(interface) {
        match find_by(directory, *gateway) {
            // What is said of the preferred one says the most.
            Err(error @ Error::NoGateway { .. }) => missing = missing.or(Some(error)),
            Ok(None) => {}
            found => return found,
        }
    }
    missing.map_or(Ok(None), Err)
}

/// The same, by one of the two files.
fn find_by(directory: &Path, gateway: Gateway) -> Result<Option<(Application, String)>, Error> {
    if let Some(settings) = settings_of_manage(directory) {
        return by_settings(directory, &settings, gateway).map(Some);
    }
    let projects = packages(directory, |package| read_module(directory, &format!("{package}.settings")).is_some());
    let served: Vec<&String> = projects
        .iter()
        .filter(|package| {
            let file = read_module(directory, &format!("{package}.{}", gateway.module()));
            // Programs that are no Django projects have a settings.py and an asgi.py too, whose application has another name.
            file.is_some_and(|(_, source)| gateway == Gateway::Wsgi || source.binding("application").is_some())
        })
        .collect();
    match served[..] {
        [package] => {
            let application = application(&format!("{package}.{}", gateway.module()), "application");
            let reason = format!("took {application}: {package}/ is a Django project");
            Ok(Some((application, reason)))
        }
        [] => projects
            .iter()
            .find(|package| is_django(directory, package))
            .map_or(Ok(None), |package| by_settings(directory, &format!("{package}.settings"), gateway).map(Some)),
        _ => Err(Error::Several {
            found: served.iter().map(|package| format!("{package}.{}:application", gateway.module())).collect(),
        }),
    }
}

/// The application of the project with this settings module: the one that the settings name, else the file in one of
/// the packages around the settings.
fn by_settings(directory: &Path, settings: &str, gateway: Gateway) -> Result<(Application, String), Error> {
    let place = if directory.join("manage.py").is_file() {
        "manage.py".to_owned()
    } else {
        format!("{}/", settings.split('.').next().unwrap_or(settings))
    };
    let found = |application: Application, why: &str| {
        let reason = format!("took {application}: {place} belongs to a Django project{why}");
        (application, reason)
    };
    let mut looked = Vec::new();
    let named = read_module(directory, settings)
        .and_then(|(_, source)| source.string(&format!("{}_APPLICATION", gateway.name())).map(str::to_owned));
    if let Some((module, attribute)) = named.as_deref().and_then(|named| named.rsplit_once('.')) {
        if read_module(directory, module).is_some() {
            return Ok(found(
                application(module, attribute),
                &format!(" whose settings name it as {}_APPLICATION", gateway.name()),
            ));
        }
        looked.push(format!("{}.py", module.replace('.', "/")));
    }
    let mut package = settings;
    while let Some((parent, _)) = package.rsplit_once('.') {
        let module = format!("{parent}.{}", gateway.module());
        if read_module(directory, &module).is_some() {
            return Ok(found(application(&module, "application"), ""));
        }
        looked.push(format!("{}.py", module.replace('.', "/")));
        package = parent;
    }
    looked.dedup();
    if looked.is_empty() {
        looked.push(gateway.file().to_owned());
    }
    Err(Error::NoGateway { place, settings: settings.to_owned(), kind: gateway.name(), looked })
}

/// The settings module that manage.py sets as `DJANGO_SETTINGS_MODULE`. That line stands inside of a function, so it is
/// looked for in the plain text.
fn settings_of_manage(directory: &Path) -> Option<String> {
    let bytes = reading::bytes(&directory.join("manage.py")).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let literal = |line: &str| {
        let behind = line.split_once("DJANGO_SETTINGS_MODULE")?.1.get(1..)?;
        let start = behind.find(['"', '\''])?;
        let quote = behind[start..].chars().next()?;
        let inside = behind[start + 1..].split(quote).next()?;
        let dotted = !inside.is_empty()
            && inside.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '.'));
        dotted.then(|| inside.to_owned())
    };
    // A formatter may have put the value on a line of its own.
    let joined = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join(" ");
    let mut rest = joined.as_str();
    while let Some(start) = rest.find("DJANGO_SETTINGS_MODULE") {
        if let Some(settings) = literal(&rest[start..]) {
            return Some(settings);
        }
        rest = &rest[start + 1..];
    }
    None
}

/// The directories that `wanted` accepts, sorted by name.
fn packages(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.chars().all(|character| character.is_alphanumeric() || character == '_') && wanted(name))
        .collect();
    names.sort();
    names
}

/// Whether a `settings.py` is one of Django: many other programs have a file of that name.
fn is_django(directory: &Path, package: &str) -> bool {
    read_module(directory, &format!("{package}.settings"))
        .is_some_and(|(_, source)| ["ROOT_URLCONF", "INSTALLED_APPS"].iter().any(|name| source.binding(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGE: &str =
        "import os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n";

    fn find_in(files: &[(&str, &str)], interface: Interface) -> Result<Option<(String, String)>, Error> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        find(directory.path(), interface)
            .map(|found| found.map(|(application, reason)| (application.to_string(), reason)))
    }

    fn found(files: &[(&str, &str)]) -> String {
        find_in(files, Interface::Auto).unwrap().unwrap().0
    }

    #[test]
    fn a_project_as_startproject_makes_it() {
        let files = [
            ("manage.py", MANAGE),
            ("mysite/settings.py", "WSGI_APPLICATION = 'mysite.wsgi.application'\n"),
            ("mysite/wsgi.py", "application = get_wsgi_application()"),
            ("mysite/asgi.py", "application = get_asgi_application()"),
        ];
        assert_eq!(found(&files), "mysite.wsgi:application");
        let asgi = find_in(&files, Interface::Asgi).unwrap().unwrap();
        assert_eq!(
            asgi,
            (
                "mysite.asgi:application".into(),
                "took mysite.asgi:application: manage.py belongs to a Django project".into()
            )
        );
    }

    #[test]
    fn a_project_with_an_asgi_file_alone_is_served_by_it() {
        let settings =
            ("mysite/settings.py", "ROOT_URLCONF = 'mysite.urls'\nASGI_APPLICATION = 'mysite.routing.site'\n");
        let files = [("manage.py", MANAGE), settings, ("mysite/asgi.py", ""), ("mysite/routing.py", "")];
        assert_eq!(found(&files), "mysite.routing:site");
        assert_eq!(found(&files[..3]), "mysite.asgi:application");
        let asgi = ("site/asgi.py", "application = get_asgi_application()");
        assert_eq!(found(&[("site/settings.py", ""), asgi]), "site.asgi:application");
        let other = [("site/settings.py", ""), ("site/asgi.py", "app = FastAPI()")];
        assert_eq!(find_in(&other, Interface::Auto), Ok(None));
        let error = find_in(&files, Interface::Wsgi).unwrap_err().to_string();
        assert!(error.contains("has no WSGI file: looked for mysite/wsgi.py"), "{error}");
        let both = [&files[..], &[("mysite/wsgi.py", "")]].concat();
        assert_eq!(found(&both), "mysite.wsgi:application");
    }

    #[test]
    fn settings_may_be_a_package_and_the_value_on_its_own_line() {
        let manage = "os.environ.setdefault(\n    \"DJANGO_SETTINGS_MODULE\",\n    \"config.settings.local\",\n)";
        let files = [("manage.py", manage), ("config/settings/local.py", ""), ("config/wsgi.py", "")];
        assert_eq!(found(&files), "config.wsgi:application");
        let files = [("manage.py", "os.environ['DJANGO_SETTINGS_MODULE'] = 'a.settings'"), ("a/wsgi.py", "")];
        assert_eq!(found(&files), "a.wsgi:application");
    }

    #[test]
    fn the_settings_may_name_another_file() {
        let files = [
            ("manage.py", MANAGE),
            ("mysite/settings.py", "WSGI_APPLICATION = \"deploy.entry.site\""),
            ("deploy/entry.py", ""),
        ];
        assert_eq!(found(&files), "deploy.entry:site");
    }

    #[test]
    fn a_project_without_its_file_says_what_is_missing() {
        let settings = ("mysite/settings.py", "ROOT_URLCONF = 'mysite.urls'\n");
        let error = find_in(&[("manage.py", MANAGE), settings], Interface::Auto).unwrap_err().to_string();
        assert!(error.starts_with("manage.py belongs to a Django project with the settings mysite.settings that has no WSGI file: looked for mysite/wsgi.py."), "{error}");
        let error = find_in(&[settings], Interface::Wsgi).unwrap_err().to_string();
        assert!(error.starts_with("mysite/ belongs to a Django project"), "{error}");
    }

    #[test]
    fn without_manage_the_directories_are_looked_at() {
        assert_eq!(
            found(&[("site/settings.py", ""), ("site/wsgi.py", ""), ("other/x.py", "")]),
            "site.wsgi:application"
        );
        let two = [("a/settings.py", ""), ("a/wsgi.py", ""), ("b/settings.py", ""), ("b/wsgi.py", "")];
        let error = find_in(&two, Interface::Auto).unwrap_err().to_string();
        assert!(error.contains("a.wsgi:application, b.wsgi:application"), "{error}");
    }

    #[test]
    fn what_is_no_django_project_is_left_alone() {
        assert_eq!(find_in(&[("tool/settings.py", "X = 1"), ("manage.py", "print(1)")], Interface::Auto), Ok(None));
    }
}
