//! Directories of static files. Hostler hands requests to the application and serves no files itself, so that they are told to
//! whoever sets up the proxy in front of it.

use std::path::{Path, PathBuf};

use crate::reading;
use crate::source::{Source, quoted};

/// Files below a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statics {
    /// With a slash before and behind.
    pub url: String,
    /// Where they are.
    pub directory: PathBuf,
    /// What is to be done before they are there, if anything.
    pub first: Option<&'static str>,
}

/// Those of a project. `disk` is where `directory` is now, `package` is the first part of the application's module.
pub(crate) fn find(disk: &Path, directory: &Path, package: &str, framework: Option<&str>) -> Vec<Statics> {
    if framework == Some("Django") {
        return django(disk, directory, package).into_iter().collect();
    }
    let beside = [format!("{package}/static"), "static".to_owned()];
    let found = beside.into_iter().map(PathBuf::from).find(|path| disk.join(path).is_dir());
    found
        .map(|path| Statics { url: "/static/".to_owned(), directory: directory.join(path), first: None })
        .into_iter()
        .collect()
}

/// What the settings say as `STATIC_ROOT` and `STATIC_URL`, where they say it plainly.
fn django(disk: &Path, directory: &Path, package: &str) -> Option<Statics> {
    let files = ["settings.py", "settings/base.py", "settings/production.py", "settings/__init__.py"];
    let sources = files.iter().filter_map(|file| reading::bytes(&disk.join(package).join(file)).ok());
    let source = sources
        .map(|bytes| Source::parse(&String::from_utf8_lossy(&bytes)))
        .find(|source| source.value("STATIC_ROOT").is_some())?;
    let root = directory.join(root(source.value("STATIC_ROOT")?)?);
    let url = source.string("STATIC_URL").filter(|url| !url.contains("://")).unwrap_or("/static/");
    let url = format!("/{}/", url.trim_matches('/'));
    let there = disk.join(root.strip_prefix(directory).unwrap_or(&root)).is_dir();
    Some(Statics { url, directory: root, first: (!there).then_some("python manage.py collectstatic") })
}

/// A path that is written as a text, as `BASE_DIR / "a" / "b"`, or as `os.path.join(BASE_DIR, "a", "b")`.
fn root(expression: &str) -> Option<PathBuf> {
    let plain = |part: &str| quoted(part.trim()).map(str::to_owned);
    if let Some(text) = plain(expression) {
        return Some(PathBuf::from(text));
    }
    let parts: Vec<&str> = match expression.strip_prefix("os.path.join(").and_then(|rest| rest.strip_suffix(')')) {
        Some(arguments) => arguments.split(',').filter(|part| !part.trim().is_empty()).collect(),
        None => expression.split('/').collect(),
    };
    let (first, rest) = parts.split_first()?;
    let names: Option<Vec<String>> = rest.iter().map(|part| plain(part)).collect();
    let names = names.filter(|names| !names.is_empty() && first.trim() == "BASE_DIR")?;
    Some(names.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn ways_to_write_a_directory() {
        for (expression, path) in [
            ("'/var/www/static'", Some("/var/www/static")),
            ("BASE_DIR / \"static\"", Some("static")),
            ("BASE_DIR / 'var' / 'static'", Some("var/static")),
            ("os.path.join(BASE_DIR, 'var', 'static')", Some("var/static")),
            ("os.environ['STATIC']", None),
            ("OTHER / 'static'", None),
            ("BASE_DIR", None),
            ("BASE_DIR / name", None),
        ] {
            assert_eq!(root(expression), path.map(PathBuf::from), "{expression}");
        }
    }

    #[test]
    fn what_a_project_has_is_found() {
        let disk = tempfile::tempdir().unwrap();
        let at = Path::new("/srv/shop");
        assert_eq!(find(disk.path(), at, "shop", Some("Flask")), []);
        fs::create_dir_all(disk.path().join("shop/static")).unwrap();
        assert_eq!(find(disk.path(), at, "shop", Some("Flask"))[0].directory, Path::new("/srv/shop/shop/static"));
        assert_eq!(
            find(disk.path(), at, "shop", Some("Django")),
            [],
            "the settings do not say where they are collected"
        );
        fs::write(disk.path().join("shop/settings.py"), "STATIC_URL = 'files/'\nSTATIC_ROOT = BASE_DIR / 'out'\n")
            .unwrap();
        let statics = find(disk.path(), at, "shop", Some("Django"));
        let expected = Statics {
            url: "/files/".into(),
            directory: "/srv/shop/out".into(),
            first: Some("python manage.py collectstatic"),
        };
        assert_eq!(statics, [expected]);
        fs::create_dir(disk.path().join("out")).unwrap();
        assert_eq!(find(disk.path(), at, "shop", Some("Django"))[0].first, None);
    }
}
