//! Which application is served: the one that was named, or the obvious one of a directory. Files are read, nothing is
//! imported.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hostler_settings::{Application, Interface, Settings};

use super::django::{self, Error as DjangoError};
use super::source::{Binding, Source};
use super::{Surroundings, reading};

/// The application to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The application; its `target` is always there.
    pub application: Application,
    /// The directory that workers run in: `chdir`, else the current one; an absolute path.
    pub directory: PathBuf,
    /// One sentence that says why it was taken, without a full stop; `None` where it was named in full.
    pub reason: Option<String>,
}

/// Why there is no application to serve.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("chdir {}: {}", path.display(), super::why_not(path, source))]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "found no application in {}: looked for a Django project (manage.py, or a directory with settings.py and {}), and for \
         `app`, `application`, `api`, `create_app()` or `make_app()` in {}{}. Name it, as package.module:attribute: with the setting app, or as in `hostler run package.module:attribute`",
        directory.display(), gateways, looked.join(", "), hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default()
    )]
    Nothing { directory: PathBuf, gateways: String, looked: Vec<String>, hint: Option<String> },
    #[error("{file}: {attribute} takes no arguments: it looks like a factory; write {module}:{attribute}()")]
    Factory { file: String, module: String, attribute: String },
    #[error("pythonpath: {} {}. Name directories that exist, or leave them out", paths.join(", "),
        if paths.len() == 1 { "is no directory" } else { "are no directories" })]
    PythonPath { paths: Vec<String> },
    #[error(transparent)]
    Django(#[from] DjangoError),
}

impl Error {
    /// The setting that it is about, where it is about one.
    #[must_use]
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Directory { .. } => Some("chdir"),
            Self::PythonPath { .. } => Some("pythonpath"),
            Self::Factory { .. } => Some("app"),
            Self::Nothing { .. } | Self::Django(_) => None,
        }
    }

    /// What the system said of it, as errno(3).
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Directory { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// The names that an application goes by, in the order in which they are tried.
const OBJECTS: [&str; 2] = ["app", "application"];
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
/// A name that is an application's only where one of these frameworks makes it: elsewhere it is a blueprint, a module or a client.
const API: &str = "api";
const FRAMEWORKS: [&str; 4] = ["FastAPI", "Starlette", "Litestar", "Quart"];

/// Finds the application that the settings name, or the obvious one.
///
/// # Errors
/// When the directory or one of `pythonpath` is not there, nothing obvious is in it, or what was taken is by its source
/// a factory that is not called.
pub fn locate(settings: &Settings, surroundings: &Surroundings) -> Result<Located, Error> {
    let directory = settings
        .app
        .chdir
        .as_deref()
        .map_or_else(|| surroundings.directory.clone(), |chdir| surroundings.absolute(chdir));
    if let Err(source) = fs::read_dir(&directory) {
        return Err(Error::Directory { path: directory, source });
    }
    let mut roots = roots(&settings.app.pythonpath, surroundings)?;
    roots.push(directory.clone());
    let (application, reason) = match &settings.app.app {
        Some(application) if application.target.is_some() => (application.clone(), None),
        Some(application) => in_module(&application.module, &roots),
        None => obvious(&directory, settings.app.interface)?,
    };
    refuse_factory(&application, &roots)?;
    Ok(Located { application, directory, reason })
}

/// The directories of `pythonpath`, in the order in which Python looks into them: as under gunicorn, each is put before
/// the others. Python passes over those that are not there without a word. Archives of modules are places to import
/// from as well (zipimport).
fn roots(pythonpath: &[PathBuf], surroundings: &Surroundings) -> Result<Vec<PathBuf>, Error> {
    let archive = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        path.is_file() && matches!(ending, Some("zip" | "egg" | "whl" | "pyz"))
    };
    let roots: Vec<PathBuf> = pythonpath.iter().map(|path| surroundings.absolute(path)).collect();
    let wrong = roots.iter().filter(|path| !path.is_dir() && !archive(path));
    let paths: Vec<String> = wrong.map(|path| path.display().to_string()).collect();
    if !paths.is_empty() {
        return Err(Error::PythonPath { paths });
    }
    Ok(roots.into_iter().rev().collect())
}

/// A factory that is not called would be called for each request, and fail each time.
fn refuse_factory(application: &Application, roots: &[PathBuf]) -> Result<(), Error> {
    let (module, Some(attribute)) = (&application.module, &application.target) else { return Ok(()) };
    let Some((file, source)) = roots.iter().find_map(|root| read_module(root, module)) else { return Ok(()) };
    if !source.is_factory(attribute) {
        return Ok(());
    }
    Err(Error::Factory { file, module: module.clone(), attribute: attribute.clone() })
}

/// With a module alone: gunicorn's default attribute, else what the file shows.
fn in_module(module: &str, roots: &[PathBuf]) -> (Application, Option<String>) {
    let shown = roots.iter().find_map(|root| {
        let (file, source) = read_module(root, module)?;
        let target =
            if source.binding("application").is_some() { Some("application".to_owned()) } else { target(&source).ok() };
        Some((target?, file))
    });
    match shown {
        Some((target, file)) => {
            let application = application(module, &target);
            let reason = format!("took {application} from {file}");
            (application, Some(reason))
        }
        None => (application(module, "application"), None),
    }
}

fn obvious(directory: &Path, interface: Interface) -> Result<(Application, Option<String>), Error> {
    if let Some((application, reason)) = django::find(directory, interface)? {
        return Ok((application, Some(reason)));
    }
    // `app.main` is where the tutorial of FastAPI puts the application of a package.
    let modules: &[&str] = match interface {
        Interface::Auto => &["app", "wsgi", "main", "asgi", "server", "application", "app.main"],
        Interface::Wsgi => &["app", "wsgi", "main", "server", "application", "app.main"],
        Interface::Asgi => &["asgi", "app", "main", "server", "application", "app.main"],
    };
    let mut hint = None;
    for module in modules {
        let Some((file, source)) = read_module(directory, module) else {
            continue;
        };
        match target(&source) {
            Ok(target) => {
                let application = application(module, &target);
                let reason = format!("took {application} from {file}");
                return Ok((application, Some(reason)));
            }
            Err(Some(factory)) => hint = Some(format!("{factory}() of {file} wants arguments")),
            Err(None) => hint = hint.or_else(|| Some(format!("{file} has none of them at its top level"))),
        }
    }
    let looked = modules.iter().map(|module| format!("{}.py", module.replace('.', "/"))).collect();
    let gateways = django::Gateway::of(interface).iter().map(|gateway| gateway.file()).collect::<Vec<_>>().join(" or ");
    Err(Error::Nothing { directory: directory.to_owned(), gateways, looked, hint })
}

/// The application that a file shows. The error is the factory that cannot be called without arguments, if there is one.
fn target(source: &Source) -> Result<String, Option<&'static str>> {
    if let Some(object) = OBJECTS.iter().find(|name| source.binding(name).is_some()) {
        return Ok((*object).to_owned());
    }
    let callable = |name: &&&str| !matches!(source.binding(name), None | Some(Binding::FunctionWithParameters));
    if let Some(factory) = FACTORIES.iter().find(callable) {
        return Ok(format!("{factory}()"));
    }
    if source.constructor(API).is_some_and(|maker| FRAMEWORKS.contains(&maker)) {
        return Ok(API.to_owned());
    }
    Err(FACTORIES.into_iter().find(|name| source.binding(name).is_some()))
}

/// The file of a module, as it is called from `root`, and what stands in it.
pub(crate) fn read_module(root: &Path, module: &str) -> Option<(String, Source)> {
    let stem = module.replace('.', "/");
    [format!("{stem}.py"), format!("{stem}/__init__.py")].into_iter().find_map(|file| {
        // A file in another encoding still has its names in ASCII.
        let bytes = reading::bytes(&root.join(&file)).ok()?;
        Some((file, Source::parse(&String::from_utf8_lossy(&bytes))))
    })
}

/// An application by its words.
pub(crate) fn application(module: &str, target: &str) -> Application {
    Application { module: module.to_owned(), target: Some(target.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_settings::Reading;
    use tempfile::TempDir;

    fn project(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    fn locate_in(files: &[(&str, &str)], toml: &str) -> Result<Located, String> {
        let directory = project(files);
        let mut reading = Reading::new();
        reading.file(Path::new("site.toml"), toml);
        let surroundings = Surroundings { directory: directory.path().to_owned(), ..Surroundings::default() };
        locate(&reading.finish().unwrap(), &surroundings).map_err(|error| error.to_string())
    }

    fn found(files: &[(&str, &str)], toml: &str) -> (String, Option<String>) {
        let located = locate_in(files, toml).unwrap();
        (located.application.to_string(), located.reason)
    }

    fn took(application: &str, reason: &str) -> (String, Option<String>) {
        (application.to_owned(), Some(reason.to_owned()))
    }

    #[test]
    fn what_is_named_in_full_is_taken_as_it_is() {
        assert_eq!(found(&[("app.py", "app = 1")], "app = \"other:thing\""), ("other:thing".to_owned(), None));
    }

    #[test]
    fn the_obvious_files_are_read() {
        assert_eq!(found(&[("app.py", "app = 1")], ""), took("app:app", "took app:app from app.py"));
        assert_eq!(
            found(&[("wsgi.py", "application = 1")], ""),
            took("wsgi:application", "took wsgi:application from wsgi.py")
        );
        assert_eq!(
            found(&[("app.py", "x = 1"), ("main.py", "def make_app(): pass")], ""),
            took("main:make_app()", "took main:make_app() from main.py")
        );
        assert_eq!(found(&[("application.py", "from x import create_app")], "").0, "application:create_app()");
        assert_eq!(
            found(&[("app/__init__.py", "def create_app(config=None): pass")], ""),
            took("app:create_app()", "took app:create_app() from app/__init__.py")
        );
        let both = [("app.py", "def create_app(): pass\napp = create_app()\n")];
        assert_eq!(found(&both, "").0, "app:app");
    }

    #[test]
    fn asgi_is_looked_for_when_asked_for() {
        let files = [("app.py", "app = 1"), ("asgi.py", "application = 1")];
        assert_eq!(found(&files, "").0, "app:app");
        assert_eq!(found(&files, "interface = \"asgi\"").0, "asgi:application");
        let files = [("wsgi.py", "application = 1"), ("asgi.py", "application = 1")];
        assert_eq!(found(&files, "").0, "wsgi:application");
        assert_eq!(found(&files, "interface = \"asgi\"").0, "asgi:application");
        assert_eq!(found(&files[1..], "").0, "asgi:application");
        assert!(locate_in(&files[1..], "interface = \"wsgi\"").unwrap_err().starts_with("found no application"));
        assert!(locate_in(&files[..1], "interface = \"asgi\"").unwrap_err().starts_with("found no application"));
    }

    #[test]
    fn applications_of_asgi_frameworks_are_found() {
        for (file, text, expected) in [
            ("main.py", "from fastapi import FastAPI\n\napp = FastAPI(lifespan=lifespan)\n", "main:app"),
            ("main.py", "import fastapi\napi = fastapi.FastAPI()\n", "main:api"),
            ("server.py", "app = Starlette(debug=True, routes=[\n    Route('/', home),\n])\n", "server:app"),
            ("app.py", "app = Litestar([hello])\n", "app:app"),
            ("app.py", "app = Quart(__name__)\n", "app:app"),
            ("asgi.py", "def create_app() -> Litestar:\n    return Litestar()\n", "asgi:create_app()"),
            ("app/main.py", "app = FastAPI()\n", "app.main:app"),
            ("server/__init__.py", "application = FastAPI()\n", "server:application"),
            ("main.py", "async def app(scope, receive, send):\n    ...\n", "main:app"),
        ] {
            assert_eq!(found(&[(file, text)], "").0, expected, "{file}: {text}");
            assert_eq!(found(&[(file, text)], "interface = \"asgi\"").0, expected, "{file}: {text}");
        }
    }

    #[test]
    fn api_is_an_application_only_where_a_framework_makes_it() {
        let flask = "api = Api()\ndef create_app():\n    pass\n";
        assert_eq!(found(&[("app.py", flask)], "").0, "app:create_app()");
        for text in ["from site import api", "api = Api(key)", "import api"] {
            assert!(locate_in(&[("main.py", text)], "").is_err(), "{text}");
        }
    }

    #[test]
    fn a_module_alone_shows_its_application() {
        let files = [
            ("site/web.py", "app = 1"),
            ("both.py", "app = 1\napplication = 2"),
            ("none.py", "x = 1"),
            ("lib/far.py", "app = 1"),
        ];
        assert_eq!(found(&files, "app = \"site.web\""), took("site.web:app", "took site.web:app from site/web.py"));
        assert_eq!(found(&files, "app = \"both\"").0, "both:application");
        assert_eq!(found(&files, "app = \"none\""), ("none:application".to_owned(), None));
        assert_eq!(found(&files, "app = \"absent\""), ("absent:application".to_owned(), None));
        assert_eq!(found(&files, "app = \"far\"\npythonpath = [\"lib\"]").0, "far:app");
    }

    #[test]
    fn a_factory_that_is_not_called_is_refused() {
        let files = [("site/web.py", "def create_app(config=None): pass"), ("wsgi.py", "def app(): pass")];
        assert_eq!(
            locate_in(&files, "app = \"site.web:create_app\"").unwrap_err(),
            "site/web.py: create_app takes no arguments: it looks like a factory; write site.web:create_app()"
        );
        assert!(locate_in(&files, "").unwrap_err().ends_with("write wsgi:app()"));
        assert_eq!(found(&files, "app = \"site.web:create_app()\"").0, "site.web:create_app()");
        let application = [("app.py", "def create_app(environ, start_response): pass")];
        assert_eq!(found(&application, "app = \"app:create_app\"").0, "app:create_app");
    }

    #[test]
    fn pythonpath_names_directories() {
        let files = [("lib/far.py", "app = 1"), ("file.py", ""), ("packed.zip", "")];
        assert_eq!(found(&files, "app = \"far\"\npythonpath = [\"packed.zip\", \"lib\"]").0, "far:app");
        let told = locate_in(&files, "app = \"far\"\npythonpath = [\"absent\", \"lib\", \"file.py\"]").unwrap_err();
        assert!(told.starts_with("pythonpath: ") && told.contains("file.py are no directories. Name"), "{told}");
        assert!(told.contains("/absent, ") && !told.contains("lib"), "{told}");
        let twice = [("one/far.py", "app = 1"), ("two/far.py", "application = 1")];
        assert_eq!(found(&twice, "app = \"far\"\npythonpath = [\"one\", \"two\"]").0, "far:application");
        let told = locate_in(&[("app.py", "app = 1")], "pythonpath = [\"absent\"]").unwrap_err();
        assert!(told.contains("absent is no directory. Name"), "{told}");
    }

    #[test]
    fn chdir_is_where_it_is_looked_for() {
        let located = locate_in(&[("inner/app.py", "app = 1")], "chdir = \"inner\"").unwrap();
        assert_eq!(located.application.to_string(), "app:app");
        assert!(located.directory.is_absolute() && located.directory.ends_with("inner"));
        let message = locate_in(&[], "chdir = \"absent\"").unwrap_err();
        assert!(message.starts_with("chdir ") && message.contains("absent: create it, or name another"), "{message}");
    }

    #[test]
    fn nothing_found_says_where_it_looked_and_what_to_write() {
        let message = locate_in(&[], "").unwrap_err();
        assert!(message.contains("with settings.py and wsgi.py or asgi.py)"), "{message}");
        assert!(
            message.contains("app.py, wsgi.py, main.py, asgi.py, server.py, application.py, app/main.py. Name it"),
            "{message}"
        );
        let message = locate_in(&[], "interface = \"asgi\"").unwrap_err();
        assert!(message.contains("with settings.py and asgi.py)"), "{message}");
        let message = locate_in(&[("app.py", "def create_app(config): pass")], "").unwrap_err();
        assert!(message.contains("; create_app() of app.py wants arguments. Name it"), "{message}");
        let message = locate_in(&[("main.py", "print(1)")], "").unwrap_err();
        assert!(message.contains("; main.py has none of them at its top level"), "{message}");
    }
}
