//! What is to be written for an instance, compared with what is there: the whole is looked at before anything is changed, and a
//! second run finds nothing to do.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use hostler_settings::{Mistakes, Profile, Service, Settings};
use similar::TextDiff;

use crate::stamp::{self, Owner};
use crate::whose::Whose;
use crate::{AddressError, Instance, Name, Places, Scope, Unit, compose, drop_in, listen_streams};

/// What is offered in a settings file beside what is set, with an example where the default would not show what to write.
const OFFERED: [(&str, &str); 10] = [
    ("workers", ""),
    ("threads", ""),
    ("preload", ""),
    ("idle_timeout", "\"15m\""),
    ("timeout", ""),
    ("graceful_timeout", ""),
    ("max_requests", ""),
    ("ready_path", "\"/health\""),
    ("env", "[\"NAME=VALUE\"]"),
    ("access_logfile", "\"-\""),
];

/// What a path should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A file with this text, which begins with a stamp.
    Text(String),
    /// A link.
    Link(PathBuf),
    /// Nothing that was written here.
    Nothing,
}

/// What is to be done with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Create,
    /// It is made anew, for it was written here and not changed since.
    Update,
    /// It is made anew, though a person changed it; a copy is kept.
    Replace,
    /// It goes.
    Remove,
    /// It is as it should be.
    Same,
    /// A person changed it: it stays, though it would not be written any more.
    Kept,
    /// A person changed it, and it would be written: nothing at all is done. The difference, as diff(1) shows it.
    Refused(String),
}

/// A path, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The path, as the running system sees it.
    pub path: PathBuf,
    /// What it should be.
    pub goal: Goal,
    /// What is to be done.
    pub change: Change,
}

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct Failed {
    /// The file, as it is on disk.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// What an instance cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    /// Its addresses.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Its settings.
    #[error(transparent)]
    Settings(#[from] Mistakes),
    /// What would be another line of a unit.
    #[error("{0:?} has a line break in it, which no unit takes")]
    Line(String),
    /// What a user's systemd cannot keep from it.
    #[error("{0}: profiles are for instances of the system; a user's systemd cannot keep more from them")]
    Confined(String),
    /// A drop-in that no package installed.
    #[error("{setting}: {} is not there. Is Hostler's package installed?", file.display())]
    NotInstalled {
        /// What asks for it.
        setting: String,
        /// The drop-in, as it is on disk.
        file: PathBuf,
    },
}

/// All paths of an instance, and what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(Vec<(PathBuf, Goal)>);

impl Plan {
    /// That the instance is there.
    ///
    /// # Errors
    /// When Hostler would not take its settings, or systemd its addresses.
    pub fn of(instance: &Instance, places: &Places) -> Result<Self, Impossible> {
        let (name, scope) = (&instance.name, places.scope());
        if let Some(broken) = instance.account.broken() {
            return Err(Impossible::Line(broken));
        }
        let streams = listen_streams(&instance.addresses)?;
        let (settings, meant) = settings(instance, places)?;
        let text = |text: Option<String>| text.map_or(Goal::Nothing, |text| Goal::Text(stamp::stamped(&text)));
        let account = drop_in::account(name, scope, &instance.account);
        let [profile, network] = confined(&meant.service, places)?;
        let goals =
            [text(Some(settings)), text(drop_in::addresses(name, scope, &streams)), profile, network, text(account)];
        Ok(Self(Self::paths(name, places).into_iter().zip(goals).collect()))
    }

    /// That as much of the system is kept from it as these settings say, and nothing else of it.
    ///
    /// # Errors
    /// When systemd cannot keep it, or the drop-ins for that are not installed.
    pub fn confinement(name: &Name, service: &Service, places: &Places) -> Result<Self, Impossible> {
        let [_, _, profile, network, _] = Self::paths(name, places);
        Ok(Self([profile, network].into_iter().zip(confined(service, places)?).collect()))
    }

    /// That nothing of it is there.
    #[must_use]
    pub fn nothing(name: &Name, places: &Places) -> Self {
        Self(Self::paths(name, places).map(|path| (path, Goal::Nothing)).into())
    }

    fn paths(name: &Name, places: &Places) -> [PathBuf; 5] {
        [
            places.settings_file(name),
            places.drop_in(name, Unit::Socket, drop_in::ADDRESS),
            places.drop_in(name, Unit::Service, drop_in::PROFILE),
            places.drop_in(name, Unit::Service, drop_in::NETWORK),
            places.drop_in(name, Unit::Service, drop_in::ACCOUNT),
        ]
    }

    /// What has to be done for it; with `force`, to files that a person changed as well. Changes nothing.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn compare(&self, places: &Places, force: bool) -> Result<Vec<Step>, Failed> {
        let step = |(path, goal): &(PathBuf, Goal)| {
            let disk = places.on_disk(path);
            let found = found(&disk).map_err(|source| Failed { path: disk, source })?;
            let Some(change) = change(found.as_ref(), goal, force) else { return Ok(None) };
            Ok(Some(Step { path: path.clone(), goal: goal.clone(), change }))
        };
        self.0.iter().filter_map(|planned| step(planned).transpose()).collect()
    }
}

impl Step {
    /// Does it; a file is there whole or not at all. Returns where a copy of what was there is kept.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn take(&self, places: &Places) -> Result<Option<PathBuf>, Failed> {
        let disk = places.on_disk(&self.path);
        self.act(&disk).map_err(|source| Failed { path: disk, source })
    }

    /// Whether something is done.
    fn acts(&self) -> bool {
        !matches!(self.change, Change::Same | Change::Kept | Change::Refused(_))
    }

    fn act(&self, disk: &Path) -> io::Result<Option<PathBuf>> {
        match self.change {
            _ if !self.acts() => return Ok(None),
            Change::Remove => {
                fs::remove_file(disk)?;
                remove_empty(disk);
                return Ok(None);
            }
            _ => {}
        }
        let copy = match self.change {
            Change::Replace => Some(keep(disk)?),
            _ => None,
        };
        let directory = disk.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        match &self.goal {
            Goal::Text(text) => write(directory, disk, text)?,
            Goal::Link(target) => {
                let fresh =
                    tempfile::Builder::new().prefix(".hostler-").make_in(directory, |path| symlink(target, path))?;
                fs::rename(fresh.path(), disk)?;
                // It was moved: there is nothing to clean up.
                let _gone = fresh.into_temp_path().keep();
            }
            Goal::Nothing => {}
        }
        fs::File::open(directory)?.sync_all()?;
        Ok(copy)
    }
}

/// The links of the profile, and of being without a network.
fn confined(service: &Service, places: &Places) -> Result<[Goal; 2], Impossible> {
    let profile = service.profile.unwrap_or(Profile::Standard);
    let link = |file: Option<PathBuf>, setting: String| match file {
        None => Ok(Goal::Nothing),
        Some(_) if places.scope() == Scope::User => Err(Impossible::Confined(setting)),
        Some(file) if !places.on_disk(&file).is_file() => {
            Err(Impossible::NotInstalled { setting, file: places.on_disk(&file) })
        }
        Some(file) => Ok(Goal::Link(file)),
    };
    Ok([
        link(places.profile(profile), format!("profile = {:?}", profile.word()))?,
        link((!service.network).then(|| places.no_network()), "network = false".to_owned())?,
    ])
}

/// Does all of these, or none: when one fails, those before it are taken back, the last first.
///
/// # Errors
/// When the system does not let one of them; what cannot be taken back stays.
pub fn take_all(steps: &[Step], places: &Places) -> Result<(), Failed> {
    let mut taken: Vec<(PathBuf, Before)> = Vec::new();
    for step in steps.iter().filter(|step| step.acts()) {
        let disk = places.on_disk(&step.path);
        match undoably(step, &disk) {
            Ok(before) => taken.push((disk, before)),
            Err(source) => {
                for (disk, before) in taken.into_iter().rev() {
                    // The first error is the one to be mended.
                    let _ = put_back(&disk, before);
                }
                return Err(Failed { path: disk, source });
            }
        }
    }
    for (disk, before) in taken {
        if let Before::Aside(aside) = before {
            fs::remove_file(&aside).map_err(|source| Failed { path: aside, source })?;
            remove_empty(&disk);
        }
    }
    Ok(())
}

/// What was at a path.
enum Before {
    Was(Option<Found>),
    /// What is to go, itself: beside its place, hidden, until nothing can fail any more.
    Aside(PathBuf),
}

/// Does one, so that it can be taken back.
fn undoably(step: &Step, disk: &Path) -> io::Result<Before> {
    if step.change == Change::Remove && !disk.symlink_metadata()?.is_dir() {
        let name = disk.file_name().unwrap_or_default().to_string_lossy();
        let aside = disk.with_file_name(format!(".{name}.hostler-removed"));
        fs::rename(disk, &aside)?;
        return Ok(Before::Aside(aside));
    }
    let before = found(disk)?;
    step.act(disk)?;
    Ok(Before::Was(before))
}

fn put_back(disk: &Path, before: Before) -> io::Result<()> {
    let removed = Step { path: disk.to_owned(), goal: Goal::Nothing, change: Change::Remove };
    let made = |goal| Step { path: disk.to_owned(), goal, change: Change::Update };
    match before {
        Before::Aside(aside) => return fs::rename(aside, disk),
        Before::Was(None) => removed.act(disk),
        // Who may use it was taken over from it, and is again.
        Before::Was(Some(Found::Text(text))) => made(Goal::Text(text)).act(disk),
        Before::Was(Some(Found::Link(target))) => made(Goal::Link(target)).act(disk),
        // Nothing is done to those but to move them.
        Before::Was(Some(Found::Other)) => Ok(None),
    }
    .map(drop)
}

/// The directory of drop-ins goes with its last one; that of the settings is not ours.
fn remove_empty(disk: &Path) {
    if disk.extension().is_some_and(|ending| ending == "conf")
        && let Some(directory) = disk.parent()
    {
        let _not_empty = fs::remove_dir(directory);
    }
}

/// Without `bind`, which is left to the socket unit: a server that is started with sockets serves those.
fn settings(instance: &Instance, places: &Places) -> Result<(String, Settings), Mistakes> {
    let Instance { name, settings, .. } = instance;
    let manager = match places.scope() {
        Scope::System => "systemctl",
        Scope::User => "systemctl --user",
    };
    let (path, service) = (places.settings_file(name), Unit::Service.of(name));
    let head = format!(
        "The settings of the instance {name}. It listens where {} says.\n\
         After a change: hostler check --file {}\n\
         and then:       {manager} reload {service}",
        Unit::Socket.of(name),
        path.display(),
    );
    compose(&path, &head, settings, &OFFERED)
}

/// What is at a path.
enum Found {
    Text(String),
    Link(PathBuf),
    /// A directory, a socket, or a text that is not one.
    Other,
}

fn found(disk: &Path) -> io::Result<Option<Found>> {
    match disk.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Ok(Some(Found::Link(disk.read_link()?))),
        Ok(metadata) if metadata.is_file() => {
            Ok(Some(String::from_utf8(fs::read(disk)?).map_or(Found::Other, Found::Text)))
        }
        Ok(_) => Ok(Some(Found::Other)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None`: there is nothing, and should be nothing.
fn change(found: Option<&Found>, goal: &Goal, force: bool) -> Option<Change> {
    let Some(found) = found else {
        return (*goal != Goal::Nothing).then_some(Change::Create);
    };
    let (ours, removable) = match found {
        // Settings that were changed by command are not written over: somebody wanted them.
        Found::Text(text) => match stamp::owner(text) {
            Owner::Ours => (true, true),
            Owner::ChangedHere => (false, true),
            Owner::Changed | Owner::Foreign => (false, false),
        },
        Found::Link(target) => {
            let ours = target.parent().is_some_and(|parent| parent.ends_with("lib/hostler/profiles"));
            (ours, ours)
        }
        Found::Other => (false, false),
    };
    let same = match (found, goal) {
        (Found::Text(text), Goal::Text(wanted)) => text == wanted,
        (Found::Link(target), Goal::Link(wanted)) => target == wanted,
        _ => false,
    };
    Some(match goal {
        _ if same => Change::Same,
        Goal::Nothing if removable || force => Change::Remove,
        Goal::Nothing => Change::Kept,
        _ if ours => Change::Update,
        _ if force => Change::Replace,
        _ => Change::Refused(difference(found, goal)),
    })
}

fn difference(found: &Found, goal: &Goal) -> String {
    let there = match found {
        Found::Text(text) => text.clone(),
        Found::Link(target) => format!("(a link to {})\n", target.display()),
        Found::Other => "(not a text)\n".to_owned(),
    };
    let wanted = match goal {
        Goal::Text(text) => text.clone(),
        Goal::Link(target) => format!("(a link to {})\n", target.display()),
        Goal::Nothing => String::new(),
    };
    let difference = TextDiff::from_lines(&there, &wanted);
    difference.unified_diff().context_radius(1).header("what is there", "what would be written").to_string()
}

/// Moves what is there out of the way, beside it, under a name that systemd and Hostler pass over.
fn keep(disk: &Path) -> io::Result<PathBuf> {
    let name = disk.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 1;
    let copy = loop {
        let copy =
            disk.with_file_name(format!("{name}.old{}", if number == 1 { String::new() } else { number.to_string() }));
        if copy.symlink_metadata().is_err() {
            break copy;
        }
        number += 1;
    };
    if disk.is_dir() || disk.is_symlink() {
        fs::rename(disk, &copy)?;
    } else {
        fs::copy(disk, &copy)?;
    }
    Ok(copy)
}

fn write(directory: &Path, disk: &Path, text: &str) -> io::Result<()> {
    // What stands in for a link or a directory is nobody's yet.
    let former = if disk.symlink_metadata().is_ok_and(|data| data.is_file()) { Whose::of(disk)? } else { None };
    let mut fresh = tempfile::Builder::new().prefix(".hostler-").tempfile_in(directory)?;
    match former {
        Some(former) => former.give(fresh.as_file())?,
        // A service with a user of its own reads it, and units are for everybody to read.
        None => fresh.as_file().set_permissions(Permissions::from_mode(0o644))?,
    }
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().sync_all()?;
    fresh.persist(disk)?;
    Ok(())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
