//! Which Python interpreter runs the application, and whether Hostler's extension can be loaded in it.

use std::path::{Path, PathBuf};

use hostler_settings::Settings;

use super::Surroundings;
use super::probe::{self, Answer};

/// The oldest minor version of Python 3 that the extension's stable ABI (PEP 384) serves.
const OLDEST: u32 = 9;

/// An interpreter that can run the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// The executable, an absolute path. Links stay what they are, for they tell Python which environment it is in.
    pub path: PathBuf,
    /// Major, minor and micro version.
    pub version: (u32, u32, u32),
    /// `sys.prefix`: the virtual environment, or where Python is installed.
    pub prefix: PathBuf,
    /// Why it was taken, as `the virtual environment .venv`.
    pub reason: String,
}

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("{reason}: {} is missing{}. Make the environment anew: python3 -m venv --clear {}", path.display(),
        target.as_deref().map(|target| format!(" (it is a link to {}, which is gone)", target.display())).unwrap_or_default(), venv.display())]
    VenvWithoutPython { reason: String, venv: PathBuf, path: PathBuf, target: Option<PathBuf> },
    #[error("{reason}: {} was made for another Python than the {}.{} that it has now. Make it anew with\n\
        python3 -m venv --clear {}\nand install the packages again",
        venv.display(), version.0, version.1, venv.display())]
    VenvOfAnother { reason: String, venv: PathBuf, version: (u32, u32, u32) },
    #[error("{reason}: {} is no virtual environment{}. Make one: python3 -m venv {}", path.display(), shut(path), path.display())]
    NoVenv { reason: String, path: PathBuf },
    #[error("found no python3 in $PATH, and no .venv or venv in {}{passed_over}. Install Python, or name one with --python or --venv", directory.display())]
    Nowhere { directory: PathBuf, passed_over: String },
    #[error(
        "the settings python ({}) and venv ({}) are both given, and each names a Python: give one of them (an option \
         with an empty value, as --venv= or --python=, takes back what a file says)",
        python.display(), venv.display()
    )]
    Both { python: PathBuf, venv: PathBuf },
    #[error("{reason}: there is no program {name} in $PATH")]
    NotInPath { reason: String, name: String },
    #[error("{reason}: {}: {source}", path.display())]
    Probe { reason: String, path: PathBuf, source: probe::Error },
    #[error("{reason}: {} {wrong}", path.display())]
    Unfit { reason: String, path: PathBuf, wrong: String },
}

/// Why it is not even seen whether it is one.
fn shut(path: &Path) -> String {
    match path.join("bin").read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            format!(", as far as can be seen: {}", super::why_not(path, &error))
        }
        _ => String::new(),
    }
}

/// Finds the interpreter: the settings `python`, then `venv`; `.venv` or `venv` in `directory`, the application's;
/// `$VIRTUAL_ENV`; `python3` of `$PATH`. It is started once to ask what it is.
///
/// # Errors
/// When there is none, or it cannot run the application. What was asked for and does not fit is an error, never a
/// reason to take another.
pub fn find(settings: &Settings, directory: &Path, surroundings: &Surroundings) -> Result<Python, Error> {
    let (path, reason) = candidate(settings, directory, surroundings)?;
    let answer = match probe::ask(&path) {
        Ok(answer) => answer,
        Err(source) => return Err(Error::Probe { reason, path, source }),
    };
    if let Some(wrong) = unfit(&answer) {
        return Err(Error::Unfit { reason, path, wrong });
    }
    let version = answer.version;
    let library = answer.prefix.join(format!("lib/python{}.{}", version.0, version.1));
    if answer.prefix != answer.base_prefix && !library.is_dir() {
        // The distribution's Python went on to another minor version, and the environment's packages stayed behind.
        return Err(Error::VenvOfAnother { reason, venv: answer.prefix, version });
    }
    // A launcher that was found is needed no more; one that was named is kept, for it may prepare something.
    let path = match answer.executable {
        Some(executable) if settings.app.python.is_none() && executable.is_absolute() && executable.is_file() => {
            executable
        }
        _ => path,
    };
    Ok(Python { path, version, prefix: answer.prefix, reason })
}

fn candidate(settings: &Settings, directory: &Path, surroundings: &Surroundings) -> Result<(PathBuf, String), Error> {
    if let (Some(python), Some(venv)) = (&settings.app.python, &settings.app.venv) {
        return Err(Error::Both { python: python.clone(), venv: venv.clone() });
    }
    if let Some(python) = &settings.app.python {
        let reason = "the setting python".to_owned();
        if python.components().count() > 1 {
            return Ok((surroundings.absolute(python), reason));
        }
        let name = python.display().to_string();
        return match in_path(python, surroundings) {
            Some(path) => Ok((path, reason)),
            None => Err(Error::NotInPath { reason, name }),
        };
    }
    if let Some(venv) = &settings.app.venv {
        return of_venv(surroundings.absolute(venv), "the setting venv".to_owned());
    }
    // Whoever has such a directory may believe that it is used.
    let mut passed_over = String::new();
    for name in [".venv", "venv"] {
        let venv = directory.join(name);
        if is_venv(&venv) {
            return of_venv(venv, format!("the virtual environment {name} beside the application{passed_over}"));
        }
        if let Some(lacking) = lacking(&venv) {
            passed_over.push_str(&format!("; {name} is passed over: {lacking}"));
        }
    }
    if let Some(venv) = surroundings.variable("VIRTUAL_ENV") {
        let reason = format!("the virtual environment of $VIRTUAL_ENV{passed_over}");
        return of_venv(surroundings.absolute(venv.as_ref()), reason);
    }
    match in_path(Path::new("python3"), surroundings) {
        Some(path) => Ok((path, format!("python3 of $PATH{passed_over}"))),
        None => Err(Error::Nowhere { directory: directory.to_owned(), passed_over }),
    }
}

/// What keeps something that is called like a virtual environment from being one; `None` where there is nothing.
fn lacking(venv: &Path) -> Option<&'static str> {
    venv.symlink_metadata().ok()?;
    Some(if !venv.is_dir() {
        "it is no directory"
    } else if !venv.join("bin/python").exists() {
        "it has no bin/python"
    } else {
        "it has no pyvenv.cfg"
    })
}

fn of_venv(venv: PathBuf, reason: String) -> Result<(PathBuf, String), Error> {
    let path = venv.join("bin/python");
    if path.exists() {
        Ok((path, reason))
    } else if is_venv(&venv) {
        let target = path.read_link().ok();
        Err(Error::VenvWithoutPython { reason, venv, path, target })
    } else {
        Err(Error::NoVenv { reason, path: venv })
    }
}

/// Whether a directory is a virtual environment, with or without its Python: any directory may be called `venv`, and
/// the advice to clear one must not meet another.
fn is_venv(directory: &Path) -> bool {
    directory.join("pyvenv.cfg").is_file() || directory.join("bin/activate").is_file()
}

/// A program of `$PATH`. Whether it can be executed shows when it is.
fn in_path(name: &Path, surroundings: &Surroundings) -> Option<PathBuf> {
    let directories = surroundings.variable("PATH")?;
    std::env::split_paths(directories)
        .map(|directory| surroundings.absolute(&directory).join(name))
        .find(|path| path.is_file())
}

/// What keeps the extension from being loaded in this interpreter: the rest of a sentence.
fn unfit(answer: &Answer) -> Option<String> {
    let (major, minor, micro) = answer.version;
    if answer.implementation != "cpython" {
        return Some(format!(
            "is {} and not CPython, the only one that Hostler's extension is made for",
            answer.implementation
        ));
    }
    if major != 3 || minor < OLDEST {
        return Some(format!("is Python {major}.{minor}.{micro}; Hostler needs 3.{OLDEST} or later"));
    }
    if answer.free_threaded {
        return Some(format!(
            "is a free-threaded build of Python {major}.{minor}, which Hostler does not serve yet: take a build with the GIL"
        ));
    }
    let (ours, our_bits) = (std::env::consts::ARCH, usize::BITS);
    // i686 is x86, as Rust calls it; powerpc64le has another name there too: what is not known to differ is tried.
    let theirs = match answer.machine.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    let known = ["x86_64", "aarch64", "riscv64", "s390x"];
    if answer.pointer_bits != our_bits || (theirs != ours && known.contains(&theirs) && known.contains(&ours)) {
        return Some(format!(
            "is built for {theirs} ({} bits); this hostler is built for {ours} ({our_bits} bits)",
            answer.pointer_bits
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_settings::Reading;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::{MutexGuard, PoisonError};
    use tempfile::TempDir;

    /// A directory in which interpreters are shell scripts that answer as is told.
    struct World {
        root: TempDir,
        surroundings: Surroundings,
        _alone: MutexGuard<'static, ()>,
    }

    impl World {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let surroundings = Surroundings { directory: root.path().to_owned(), ..Surroundings::default() };
            let _alone = probe::EXECUTABLES.lock().unwrap_or_else(PoisonError::into_inner);
            Self { root, surroundings, _alone }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn script(&self, name: &str, text: &str) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn python(&self, name: &str, change: (&str, &str)) -> PathBuf {
            self.script(
                name,
                &format!("echo '{}'", ANSWER.replace(change.0, change.1).replace("x86_64", std::env::consts::ARCH)),
            )
        }

        fn venv(&self, name: &str) -> PathBuf {
            let path = self.python(&format!("{name}/bin/python"), ("", ""));
            fs::write(self.path(name).join("pyvenv.cfg"), "").unwrap();
            path
        }

        fn find(&self, toml: &str) -> Result<Python, String> {
            let mut reading = Reading::new();
            reading.file(Path::new("site.toml"), toml);
            find(&reading.finish().unwrap(), self.root.path(), &self.surroundings).map_err(|error| error.to_string())
        }

        fn set(&mut self, name: &str, value: &Path) {
            self.surroundings.variables.insert(name.into(), value.into());
        }
    }

    const ANSWER: &str = r#"{"version": [3, 11, 2], "implementation": "cpython", "pointer_bits": 64, "machine": "x86_64", "free_threaded": false, "prefix": "/usr", "base_prefix": "/usr"}"#;

    #[test]
    fn the_order_of_the_places() {
        let mut world = World::new();
        let told = world.find("").unwrap_err();
        assert!(told.starts_with("found no python3 in $PATH"), "{told}");

        let in_path = world.python("bin/python3", ("", ""));
        world.set("PATH", &world.path("bin"));
        assert_eq!(world.find("").unwrap().path, in_path);

        let active = world.venv("active");
        world.set("VIRTUAL_ENV", &world.path("active"));
        assert_eq!(world.find("").unwrap().path, active);

        let plain = world.venv("venv");
        assert_eq!(world.find("").unwrap().path, plain);
        let hidden = world.venv(".venv");
        let found = world.find("").unwrap();
        assert_eq!(
            (found.path, found.reason.as_str()),
            (hidden, "the virtual environment .venv beside the application")
        );

        let named = world.venv("named");
        assert_eq!(world.find("venv = \"named\"").unwrap().path, named);
        let own = world.python("own/python3.11", ("", ""));
        let found = world.find("python = \"own/python3.11\"").unwrap();
        assert_eq!((found.path, found.version, found.prefix), (own, (3, 11, 2), PathBuf::from("/usr")));
        assert_eq!(world.find("python = \"python3\"").unwrap().path, in_path);
        assert_eq!(
            world.find("python = \"python3.99\"").unwrap_err(),
            "the setting python: there is no program python3.99 in $PATH"
        );
    }

    #[test]
    fn a_directory_called_venv_need_not_be_one() {
        let mut world = World::new();
        fs::create_dir(world.path("venv")).unwrap();
        let in_path = world.python("bin/python3", ("", ""));
        let told = world.find("").unwrap_err();
        assert!(told.contains("; venv is passed over: it has no bin/python. Install Python"), "{told}");
        world.set("PATH", &world.path("bin"));
        let python = world.find("").unwrap();
        assert_eq!(python.path, in_path);
        assert_eq!(python.reason, "python3 of $PATH; venv is passed over: it has no bin/python");
        fs::write(world.path(".venv"), "name of an environment").unwrap();
        world.python("venv/bin/python", ("", ""));
        assert_eq!(
            world.find("").unwrap().reason,
            "python3 of $PATH; .venv is passed over: it is no directory; venv is passed over: it has no pyvenv.cfg"
        );
        world.venv("venv");
        assert_eq!(
            world.find("").unwrap().reason,
            "the virtual environment venv beside the application; .venv is passed over: it is no directory"
        );
    }

    #[test]
    fn python_and_venv_are_not_both_given() {
        let world = World::new();
        world.venv("v");
        let told = world.find("python = \"v/bin/python\"\nvenv = \"v\"").unwrap_err();
        assert!(told.starts_with("the settings python (v/bin/python) and venv (v) are both given"), "{told}");
    }

    #[test]
    fn a_venv_without_python_is_an_error_and_not_passed_over() {
        let world = World::new();
        fs::remove_file(world.venv(".venv")).unwrap();
        let told = world.find("").unwrap_err();
        assert!(
            told.contains(".venv/bin/python is missing. Make the environment anew: python3 -m venv --clear "),
            "{told}"
        );
        symlink("/gone/python3.8", world.path(".venv/bin/python")).unwrap();
        let told = world.find("").unwrap_err();
        assert!(told.contains("(it is a link to /gone/python3.8, which is gone)"), "{told}");
        let told = world.find("venv = \"absent\"").unwrap_err();
        assert!(told.starts_with("the setting venv: ") && told.contains("absent is no virtual environment"), "{told}");
    }

    #[test]
    fn a_venv_of_a_python_that_has_moved_on() {
        let world = World::new();
        let prefix = world.path("v");
        world.python("v/bin/python", ("\"prefix\": \"/usr\"", &format!("\"prefix\": \"{}\"", prefix.display())));
        let told = world.find("venv = \"v\"").unwrap_err();
        assert!(told.contains("was made for another Python than the 3.11 that it has now"), "{told}");
        fs::create_dir_all(prefix.join("lib/python3.11")).unwrap();
        assert_eq!(world.find("venv = \"v\"").unwrap().prefix, prefix);
    }

    #[test]
    fn interpreters_that_do_not_fit() {
        let world = World::new();
        for (change, expected) in [
            (("3, 11, 2", "3, 8, 20"), "is Python 3.8.20; Hostler needs 3.9 or later"),
            (("3, 11, 2", "2, 7, 18"), "is Python 2.7.18; Hostler needs 3.9 or later"),
            (("cpython", "pypy"), "is pypy and not CPython"),
            (("\"pointer_bits\": 64", "\"pointer_bits\": 32"), "(32 bits)"),
            (("\"machine\": \"x86_64\"", "\"machine\": \"s390x\""), "is built for s390x"),
            (("false", "true"), "is a free-threaded build"),
        ] {
            world.python("p/python", change);
            let told = world.find("python = \"p/python\"").unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_told() {
        let world = World::new();
        let told = world.find("python = \"p/absent\"").unwrap_err();
        assert!(told.contains("No such file or directory"), "{told}");
        let path = world.script("p/python", "true");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = world.find("python = \"p/python\"").unwrap_err();
        assert!(told.contains("Permission denied"), "{told}");
        assert!(told.contains("is not executable"), "{told}");
    }
}
