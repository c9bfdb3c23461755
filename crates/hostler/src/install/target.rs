//! Where an instance is written: the options that `hostler new`, `remove` and `import` have in common, and what they mean here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use hostler_instances::{Name, Places};

use super::Refusal;
use hostler_project::Surroundings;

const USER: &str = "user";
const SYSTEM: &str = "system";
const ROOT: &str = "root";
const DRY_RUN: &str = "dry-run";
const FORCE: &str = "force";
const ENABLE: &str = "enable";
const START: &str = "start";
const JSON: &str = "json";

/// Where the packages are installed.
const PREFIX: &str = "/usr";

/// Where, and how far.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) places: Places,
    /// Only show.
    pub(crate) dry_run: bool,
    /// Also what a person changed.
    pub(crate) force: bool,
    /// At boot, or when the user logs in.
    pub(crate) enable: bool,
    /// Now.
    pub(crate) start: bool,
    /// Whether the answer is for a program.
    pub(crate) json: bool,
    /// `$PATH`.
    pub(crate) search_path: Option<OsString>,
}

/// The options that say where.
pub(crate) fn places() -> Vec<Arg> {
    vec![
        flag(USER, "An instance of your own, of `systemctl --user`; the default unless you are root")
            .conflicts_with(SYSTEM),
        flag(SYSTEM, "An instance of the system; the default for root"),
        Arg::new(ROOT)
            .long(ROOT)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .help("A directory that stands for /, to put an image together; paths stay those of the image"),
        flag(DRY_RUN, "Show each file and each command, and change nothing"),
        flag(JSON, "Write the answer as JSON, for programs"),
    ]
}

/// The options that say what follows.
pub(crate) fn beginning() -> Vec<Arg> {
    vec![
        flag(FORCE, "Write over files that were changed by hand; a copy of each is kept"),
        flag(ENABLE, "Listen from the next boot (or login) on: systemctl enable"),
        flag(START, "Listen from now on: systemctl start"),
    ]
}

pub(crate) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Whether a switch is given; `false` where the command has none.
pub(crate) fn given(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false)
}

/// What the options mean here.
///
/// # Errors
/// When a user's directories cannot be told.
pub(crate) fn read(matches: &ArgMatches, surroundings: &Surroundings) -> Result<Target, Refusal> {
    let root = matches.get_one::<PathBuf>(ROOT).map_or_else(|| PathBuf::from("/"), |root| surroundings.absolute(root));
    if !root.is_dir() {
        return Err(Refusal::usage(format!("--root {}: there is no such directory", root.display())));
    }
    let prefix = prefix(&surroundings.executable, &root);
    let user =
        given(matches, USER) || !(given(matches, SYSTEM) || root != Path::new("/") || nix::unistd::geteuid().is_root());
    let places = if user {
        let (configuration, runtime) = surroundings.user_directories().ok_or_else(|| {
            Refusal::usage(
                "neither $XDG_CONFIG_HOME nor $HOME names a directory: where your settings are cannot be told",
            )
        })?;
        Places::user(&root, &prefix, &configuration, &runtime)
    } else {
        Places::system(&root, &prefix)
    };
    Ok(Target {
        places,
        dry_run: given(matches, DRY_RUN),
        force: given(matches, FORCE),
        enable: given(matches, ENABLE),
        start: given(matches, START),
        json: given(matches, JSON),
        search_path: surroundings.variable("PATH").map(ToOwned::to_owned),
    })
}

/// The name of an instance.
///
/// # Errors
/// When it is not one.
pub(crate) fn name(text: &str) -> Result<Name, Refusal> {
    text.parse().map_err(Refusal::usage)
}

/// Where this Hostler was installed; what was not installed is taken for what the packages install.
fn prefix(executable: &Path, root: &Path) -> PathBuf {
    let bin = executable.parent().filter(|directory| directory.ends_with("bin") && root == Path::new("/"));
    let prefix = bin.and_then(Path::parent).filter(|prefix| prefix.join("lib/hostler").is_dir());
    prefix.map_or_else(|| PathBuf::from(PREFIX), Path::to_owned)
}
