//! `cargo xtask install`: lays the built tree out as a package does, below a directory of the caller's. What packages hold, and
//! where, is said here and nowhere else. Runs nothing of what it installs: users, reloads of systemd and the like are the
//! package's scripts' affair.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Extent, Profile};

/// The prefix that the units are written for.
const PACKAGED_PREFIX: &str = "/usr";

/// What is installed beside the command and its extension: a file or a directory of files in the workspace, and the directory
/// below the prefix. What is not in the workspace is an error.
const FILES: [(&str, &str); 14] = [
    // Catalogs of messages: what lies there itself.
    ("systemd", "lib/systemd/catalog"),
    ("systemd/system", "lib/systemd/system"),
    ("systemd/user", "lib/systemd/user"),
    ("systemd/profiles", "lib/hostler/profiles"),
    ("systemd/sysusers.d", "lib/sysusers.d"),
    ("systemd/dbus/system.d", "share/dbus-1/system.d"),
    ("systemd/dbus/system-services", "share/dbus-1/system-services"),
    ("systemd/dbus/services", "share/dbus-1/services"),
    ("systemd/dbus/interfaces", "share/dbus-1/interfaces"),
    ("systemd/polkit", "share/polkit-1/actions"),
    ("completions/bash", "share/bash-completion/completions"),
    // Where Debian's zsh and fish look for what packages bring.
    ("completions/zsh", "share/zsh/vendor-completions"),
    ("completions/fish", "share/fish/vendor_completions.d"),
    ("README.md", "share/doc/hostler"),
];

/// The same of the desktop application, which is a package of its own: servers have no use for it.
const DESKTOP_FILES: [(&str, &str); 5] = [
    ("gui/data/org.hostler.Manager.desktop", "share/applications"),
    ("gui/data/org.hostler.Manager.metainfo.xml", "share/metainfo"),
    ("gui/data/icons/org.hostler.Manager.svg", "share/icons/hicolor/scalable/apps"),
    ("gui/data/icons/org.hostler.Manager-symbolic.svg", "share/icons/hicolor/symbolic/apps"),
    ("gui/data/icons/org.hostler.Manager.png", "share/icons/hicolor/256x256/apps"),
];

/// Installs as `arguments` say.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let hostler = match &options.built {
        Some(directory) => directory.join("hostler"),
        None => workspace::build_hostler(options.profile, options.extent)?,
    };
    tree(&hostler, &options.destination, &options.prefix)?;
    if options.extent == Extent::Desktop {
        desktop(&hostler.with_file_name("hostler-manager"), &options.destination, &options.prefix)?;
    }
    println!("installed below {}", below(&options.destination, &options.prefix).display());
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug)]
struct Options {
    destination: PathBuf,
    prefix: PathBuf,
    /// Where cargo put what is built already; packages are built in a step of their own.
    built: Option<PathBuf>,
    profile: Profile,
    extent: Extent,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            destination: PathBuf::from("/"),
            prefix: PathBuf::from("/usr/local"),
            built: None,
            profile: Profile::Bench,
            extent: Extent::Desktop,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let place = match name {
                "--dev" if value.is_none() => {
                    options.profile = Profile::Dev;
                    continue;
                }
                "--no-gui" if value.is_none() => {
                    options.extent = Extent::Server;
                    continue;
                }
                "--destdir" => &mut options.destination,
                "--prefix" => &mut options.prefix,
                "--built" => options.built.insert(PathBuf::new()),
                unknown => {
                    bail!("install: {unknown:?} is none of --destdir DIR, --prefix DIR, --built DIR, --dev, --no-gui")
                }
            };
            let value = value.or_else(|| rest.next().cloned());
            *place = PathBuf::from(value.with_context(|| format!("install: {name} needs a directory"))?);
        }
        // A relative one would be looked for where the installed units run.
        ensure!(options.prefix.is_absolute(), "install: --prefix {} is not absolute", options.prefix.display());
        Ok(options)
    }
}

/// Installs the command `hostler`, the extension and the daemon that were built beside it, and all else.
pub(crate) fn tree(hostler: &Path, destination: &Path, prefix: &Path) -> Result<()> {
    let to = below(destination, prefix);
    copy(hostler, &to.join("bin/hostler"), 0o755)?;
    // `hostler` looks for it there: crates/hostler/src/extension.rs.
    copy(&hostler.with_file_name("lib_hostler.so"), &to.join("lib/hostler/_hostler.abi3.so"), 0o644)?;
    copy(&hostler.with_file_name("hostlerd"), &to.join("lib/hostler/hostlerd"), 0o755)?;
    write_all(&FILES, &to, prefix)
}

/// Installs the built `hostler-manager` and what a desktop finds it by.
pub(crate) fn desktop(manager: &Path, destination: &Path, prefix: &Path) -> Result<()> {
    let to = below(destination, prefix);
    copy(manager, &to.join("bin/hostler-manager"), 0o755)?;
    write_all(&DESKTOP_FILES, &to, prefix)
}

fn write_all(files_and_directories: &[(&str, &str)], to: &Path, prefix: &Path) -> Result<()> {
    for (source, directory) in files_and_directories {
        for file in files(&workspace::root().join(source))? {
            let name = file.file_name().with_context(|| format!("{} has no name", file.display()))?;
            write(&file, &to.join(directory).join(name), prefix)?;
        }
    }
    Ok(())
}

/// The prefix within the destination, which is where a package is put together.
fn below(destination: &Path, prefix: &Path) -> PathBuf {
    destination.join(prefix.strip_prefix("/").unwrap_or(prefix))
}

/// The file itself, or the files of the directory without those further down.
fn files(source: &Path) -> Result<Vec<PathBuf>> {
    if source.is_file() {
        return Ok(vec![source.to_owned()]);
    }
    let entries = fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// A text, with the paths of the prefix that it is installed below; a picture as it is.
fn write(source: &Path, target: &Path, prefix: &Path) -> Result<()> {
    if source.extension().is_some_and(|extension| extension == "png") {
        return copy(source, target, 0o644);
    }
    let text = fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    place(target, |new| fs::write(new, moved(&text, prefix)), 0o644)
}

fn moved(text: &str, prefix: &Path) -> String {
    let mut text = text.to_owned();
    for place in ["bin/hostler", "lib/hostler/", "share/doc/hostler/"] {
        text = text.replace(&format!("{PACKAGED_PREFIX}/{place}"), &prefix.join(place).to_string_lossy());
    }
    text
}

fn copy(source: &Path, target: &Path, mode: u32) -> Result<()> {
    ensure!(source.is_file(), "{} is not there", source.display());
    place(target, |new| fs::copy(source, new).map(drop), mode)
}

/// Puts a new file in the old one's place at once, so that a server that runs keeps the file that it was started from.
fn place(target: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>, mode: u32) -> Result<()> {
    let name = target.file_name().with_context(|| format!("{} has no name", target.display()))?;
    let new = target.with_file_name(format!(".{}.new", name.to_string_lossy()));
    let made = || {
        fs::create_dir_all(target.parent().unwrap_or(Path::new("/")))?;
        make(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(mode))?;
        fs::rename(&new, target)
    };
    made().with_context(|| format!("cannot install {}", target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_read_in_both_forms() {
        let options = parse("--destdir /tmp/x --prefix=/usr --dev --no-gui").unwrap();
        assert_eq!(options.extent, Extent::Server);
        assert_eq!((options.destination.as_path(), options.prefix.as_path()), (Path::new("/tmp/x"), Path::new("/usr")));
        assert_eq!(below(&options.destination, &options.prefix), Path::new("/tmp/x/usr"));
        let options = parse("").unwrap();
        assert_eq!(options.extent, Extent::Desktop);
        assert_eq!(below(&options.destination, &options.prefix), Path::new("/usr/local"));
        assert_eq!(parse("--built target/release").unwrap().built, Some(PathBuf::from("target/release")));
        for wrong in ["--built", "--prefix usr", "--prefix", "--dev=yes", "--no-gui=1", "there"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn units_name_the_prefix_that_they_are_installed_below() {
        let text = "ExecStart=/usr/bin/hostler serve\n# ln -s /usr/lib/hostler/profiles/x\nExecStopPost=/usr/bin/env\n";
        assert_eq!(moved(text, Path::new("/usr")), text);
        let expected =
            "ExecStart=/opt/h/bin/hostler serve\n# ln -s /opt/h/lib/hostler/profiles/x\nExecStopPost=/usr/bin/env\n";
        assert_eq!(moved(text, Path::new("/opt/h")), expected);
    }

    #[test]
    fn a_tree_is_laid_out_and_replaces_what_is_there() {
        let built = tempfile::tempdir().unwrap();
        let hostler = built.path().join("hostler");
        fs::write(&hostler, "command").unwrap();
        for other in ["lib_hostler.so", "hostlerd"] {
            assert!(tree(&hostler, built.path(), Path::new("/usr")).is_err(), "{other} is missing");
            fs::write(built.path().join(other), other).unwrap();
        }
        let destination = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            tree(&hostler, destination.path(), Path::new("/usr")).unwrap();
        }
        let mode = |path: &str| fs::metadata(destination.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("usr/bin/hostler"), 0o755);
        assert_eq!(mode("usr/lib/hostler/hostlerd"), 0o755);
        for file in [
            "usr/lib/hostler/_hostler.abi3.so",
            "usr/lib/hostler/profiles/strict.conf",
            "usr/lib/systemd/system/hostler@.service",
            "usr/lib/systemd/user/hostler@.socket",
            "usr/lib/sysusers.d/hostler.conf",
            "usr/share/doc/hostler/README.md",
            "usr/share/dbus-1/system.d/org.hostler.Hostler1.conf",
            "usr/share/dbus-1/system-services/org.hostler.Hostler1.service",
            "usr/share/polkit-1/actions/org.hostler.Hostler1.policy",
        ] {
            assert_eq!(mode(file), 0o644, "{file}");
        }
        assert!(!destination.path().join("usr/share/applications").exists(), "servers have no desktop");
    }

    #[test]
    fn the_desktop_application_is_found_by_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let manager = directory.path().join("hostler-manager");
        assert!(desktop(&manager, directory.path(), Path::new("/opt/h")).is_err(), "it is missing");
        fs::write(&manager, "application").unwrap();
        desktop(&manager, directory.path(), Path::new("/opt/h")).unwrap();
        let share = directory.path().join("opt/h/share");
        let entry = fs::read_to_string(share.join("applications/org.hostler.Manager.desktop")).unwrap();
        assert!(entry.contains("\nExec=/opt/h/bin/hostler-manager %u\n") && !entry.contains("/usr/"), "{entry}");
        for file in [
            "metainfo/org.hostler.Manager.metainfo.xml",
            "icons/hicolor/scalable/apps/org.hostler.Manager.svg",
            "icons/hicolor/symbolic/apps/org.hostler.Manager-symbolic.svg",
            "icons/hicolor/256x256/apps/org.hostler.Manager.png",
        ] {
            assert!(share.join(file).is_file(), "{file}");
        }
    }
}
