//! Which files of a watched directory matter: Python's, and what patterns add, without what patterns and custom leave out.

use std::path::{Component, Path};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Directories that hold nothing a person writes. Those whose name begins with a dot are left out as well (`.git`, `.venv`, `.tox`), and
/// virtual environments, whatever they are called.
const LEFT_OUT: [&str; 4] = ["__pycache__", "node_modules", "site-packages", "dist-packages"];

/// Which files matter.
///
/// A pattern without a slash is matched against the name of a file, and of each directory on the way to it. One with a slash is
/// matched against the path within the watched directory, or against the whole path if it begins with a slash. `*` and `?` match no slash,
/// `**` does.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    include: Patterns,
    exclude: Patterns,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct BadPattern {
    /// As it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug, Clone, Default)]
struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

impl Rules {
    /// Python files, and those that match `include`, except what matches `exclude`.
    ///
    /// # Errors
    /// When a pattern cannot be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, BadPattern> {
        Ok(Self { include: Patterns::new(include)?, exclude: Patterns::new(exclude)? })
    }

    /// Whether a directory is looked into, by its path and its path within the watched one, which is empty for the watched one itself.
    pub(crate) fn enters(&self, path: &Path, within: &Path) -> bool {
        within.components().all(|component| match component {
            Component::Normal(name) => {
                let name = name.to_string_lossy();
                !name.starts_with('.') && !LEFT_OUT.contains(&&*name)
            }
            _ => true,
        }) && !self.exclude.match_any(path, within)
    }

    /// Whether a file in a directory that is looked into matters.
    pub(crate) fn takes(&self, path: &Path, within: &Path) -> bool {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return false };
        // Emacs marks a file that is being edited with a link `.#name.py`.
        let python = name.ends_with(".py") && !name.starts_with('.');
        (python || self.include.match_one(path, within)) && !self.exclude.match_any(path, within)
    }
}

impl Patterns {
    fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let bad = |error: globset::Error| BadPattern { pattern: pattern.clone(), reason: error.kind().to_string() };
            // As people write directories.
            let plain = pattern.trim_start_matches("./").trim_end_matches('/');
            if plain.is_empty() {
                return Err(BadPattern { pattern: pattern.clone(), reason: "it names nothing".to_owned() });
            }
            let glob = GlobBuilder::new(plain).literal_separator(true).build().map_err(bad)?;
            if plain.contains('/') {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let build = |builder: GlobSetBuilder| {
            builder.build().map_err(|error| BadPattern { pattern: patterns.join(" "), reason: error.to_string() })
        };
        Ok(Self { names: build(names)?, paths: build(paths)? })
    }

    /// Whether the file itself is matched.
    fn match_one(&self, path: &Path, within: &Path) -> bool {
        path.file_name().is_some_and(|name| self.names.is_match(Path::new(name)))
            || self.paths.is_match(within)
            || self.paths.is_match(path)
    }

    /// Whether it is matched, or a directory on the way to it.
    fn match_any(&self, path: &Path, within: &Path) -> bool {
        if within.as_os_str().is_empty() {
            return false;
        }
        let steps = within.components().count();
        path.ancestors().zip(within.ancestors()).take(steps).any(|(path, within)| self.match_one(path, within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(include: &[&str], exclude: &[&str]) -> Rules {
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Rules::new(&own(include), &own(exclude)).unwrap()
    }

    /// Whether a file in `/p` would be seen: all directories are entered, and it is taken.
    fn seen(rules: &Rules, within: &str) -> bool {
        let within = Path::new(within);
        let root = Path::new("/p");
        let entered = within.ancestors().skip(1).all(|directory| rules.enters(&root.join(directory), directory));
        entered && rules.takes(&root.join(within), within)
    }

    #[test]
    fn python_files_matter_and_nothing_else() {
        let plain = rules(&[], &[]);
        for file in ["app.py", "shop/views.py", "shop/__init__.py", "a b/c.py"] {
            assert!(seen(&plain, file), "{file}");
        }
        for file in [
            "app.pyc",
            "app.py~",
            "#app.py#",
            ".#app.py",
            ".app.py.swp",
            "4913",
            "app.py.orig",
            "db.sqlite3",
            "page.html",
            ".git/hooks/x.py",
            ".venv/lib/x.py",
            "__pycache__/x.py",
            "web/node_modules/gyp/x.py",
            "env/site-packages/x.py",
        ] {
            assert!(!seen(&plain, file), "{file}");
        }
    }

    #[test]
    fn patterns_add_and_leave_out() {
        let with =
            rules(&["*.html", "conf/*.toml", ".env"], &["tests", "gen_*.py", "web/build/", "/p/one.py", "a/**/z.py"]);
        for file in ["x.html", "a/x.html", "conf/x.toml", ".env", "a/.env", "web/x.py", "b/c/z.py"] {
            assert!(seen(&with, file), "{file}");
        }
        for file in [
            "x.toml",
            "conf/a/x.toml",
            "tests/x.py",
            "a/tests/b/x.html",
            "gen_x.py",
            "a/gen_y.py",
            "web/build/x.py",
            "one.py",
            "a/b/c/z.py",
        ] {
            assert!(!seen(&with, file), "{file}");
        }
    }

    #[test]
    fn a_watched_directory_is_looked_into_whatever_it_is_called() {
        assert!(rules(&[], &["p"]).enters(Path::new("/.x/p"), Path::new("")));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_named() {
        let told = Rules::new(&["[".to_owned()], &[]).unwrap_err().to_string();
        assert!(told.starts_with("`[` is not a pattern: "), "{told}");
        assert!(Rules::new(&[], &["./".to_owned()]).is_err());
    }
}
