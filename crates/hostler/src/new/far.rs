//! `hostler new` where the project cannot be looked at or the files are not ours to write: on another machine, or for the machine as
//! another user than root. hostlerd writes the instance then, from what was said.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use hostler_bus::daemon::{Change, NewInstance};

use super::{APP, BIND, DIRECTORY, NAME, NO_NETWORK, PROFILE, RUN_AS, WRITABLE};
use crate::install::target;
use crate::manage::daemon::{Request, words};

/// Options that are about the files of this machine.
const HERE: [&str; 4] = ["root", "dry-run", "force", WRITABLE];

/// What hostlerd is asked for; `None` where this command writes itself.
pub(crate) fn request(matches: &ArgMatches) -> Option<Request> {
    let said = |name: &str| matches.value_source(name).is_some_and(|source| source != ValueSource::DefaultValue);
    let here = HERE.into_iter().find(|name| said(name));
    let others = target::given(matches, "system") && !rustix::process::geteuid().is_root();
    if !words::is_far(matches) && (!others || here.is_some()) {
        return None;
    }
    let name = matches.get_one::<String>(NAME).cloned().unwrap_or_default();
    let made = match here {
        Some(option) => Err(format!("--{option} is for the files of this machine, which are not written here")),
        None => order(matches),
    };
    Some(words::creation(matches, name, made))
}

/// The settings, and the rest of the instance; else what is missing.
fn order(matches: &ArgMatches) -> Result<(Change, NewInstance), String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let directory = matches.get_one::<PathBuf>(DIRECTORY).filter(|path| path.is_absolute());
    let (Some(directory), Some(app)) = (directory, text(APP)) else {
        return Err(
            "its project is not looked at from here: name its directory, with --directory /…, and its application, \
                    with --app package.module:attribute"
                .to_owned(),
        );
    };
    let mut set =
        vec![("app".to_owned(), vec![app]), ("chdir".to_owned(), vec![directory.to_string_lossy().into_owned()])];
    // As for one that is written here.
    if !target::given(matches, "user") {
        set.push(("workers".to_owned(), vec!["auto".to_owned()]));
    }
    if target::given(matches, NO_NETWORK) {
        set.push(("network".to_owned(), vec!["false".to_owned()]));
    }
    let run_as = text(RUN_AS).unwrap_or_default();
    let (user, group) = run_as.split_once(':').unwrap_or((&run_as, ""));
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let new = NewInstance {
        addresses: matches.get_many::<String>(BIND).into_iter().flatten().cloned().collect(),
        profile: text(PROFILE).unwrap_or_default(),
        user: named(user),
        group: named(group),
        sees_homes: ["/home", "/root", "/run/user"].iter().any(|home| directory.starts_with(home)),
        enable: target::given(matches, "enable"),
        start: target::given(matches, "start"),
    };
    Ok((Change { set, unset: Vec::new() }, new))
}
