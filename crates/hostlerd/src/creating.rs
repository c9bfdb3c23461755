//! New instances, and their end. What an instance is on disk is `hostler-instances`' affair, as for `hostler new`.

use std::path::Path;

use hostler_bus::daemon::{Changes, Error, NewInstance, Outcome, Overview, Problem, ProblemKind, Result};
use hostler_instances::{Account, Change, Entry, Impossible, Instance, Name, Places, Plan, Step, take_all};

use crate::beside::beside;
use crate::daemon::Hostlerd;
use crate::jobs::Progress;
use crate::scope::Kind;
use crate::settings::{told, written};
use crate::units::{Verb, service_of, socket_of};

/// Where Hostler is when the command does not tell.
const PREFIX: &str = "/usr";
/// The setting of how much of the system is kept from an instance.
const PROFILE: &str = "profile";

impl Hostlerd {
    /// What a client wants, checked as far as that goes without writing.
    pub(crate) fn planned(&self, name: &str, changes: &Changes, new: &NewInstance) -> Result<(Instance, Places)> {
        let name: Name = name.parse().map_err(refused)?;
        if changes.set.contains_key("bind") {
            return Err(refused(
                "its socket unit has the addresses: give them as `addresses`, not as the setting `bind`",
            ));
        }
        let mut entries = Vec::new();
        for meta in hostler_settings::metas() {
            if let Some(value) = changes.set.get(meta.key) {
                let value = written(meta.key, value).ok_or_else(|| no_value(meta.key))?;
                entries.push(Entry::new(meta.key, value));
            }
        }
        if let Some(unknown) = changes.set.keys().find(|key| !entries.iter().any(|entry| entry.key == **key)) {
            let problem = Problem {
                kind: ProblemKind::UnknownKey,
                key: unknown.clone(),
                message: format!("unknown key `{unknown}`"),
                ..Problem::default()
            };
            return Err(Error::InvalidSettings { problems: vec![problem] });
        }
        if !new.profile.is_empty() && !changes.set.contains_key(PROFILE) {
            // The settings file says it from now on; what the template says need not be said.
            let standard = new.profile == hostler_settings::Profile::Standard.word();
            entries.extend((!standard).then(|| Entry::new(PROFILE, new.profile.as_str())));
        }
        let account = Account {
            user: new.user.clone(),
            group: new.group.clone(),
            sees_homes: new.sees_homes,
            ..Account::default()
        };
        let instance = Instance { settings: entries, addresses: new.addresses.clone(), account, name };
        let places = self.places(&instance.name)?;
        // All that is wrong is told before anybody is asked for a password.
        Plan::of(&instance, &places).map_err(impossible)?;
        Ok((instance, places))
    }

    /// Writes it.
    pub(crate) async fn create_instance(
        self,
        instance: Instance,
        places: Places,
        new: NewInstance,
        progress: Progress,
    ) -> Result<Outcome> {
        let name = instance.name.as_str();
        let lock = self.edit_lock(name);
        let _alone = lock.lock().await;
        progress.at("writing its files", 0.1);
        let steps = Plan::of(&instance, &places).map_err(impossible)?.compare(&places, false).map_err(refused)?;
        if let Some(step) = steps.iter().find(|step| matches!(step.change, Change::Refused(_))) {
            return Err(refused(format!(
                "{} is there already, and was not written by Hostler; nothing was written. Look at it, and take it away",
                step.path.display()
            )));
        }
        if !steps.is_empty() && steps.iter().all(|step| step.change == Change::Same) {
            let revision = Some(self.stored(name)?.revision);
            let message = format!("{name} is there as it is to be: nothing to write");
            return Ok(Outcome { message, revision, ..Outcome::default() });
        }
        if self.knows(name) || self.scope().settings_file(name).exists() {
            return Err(refused(format!(
                "there is an instance called {name} already; change its settings, or remove it"
            )));
        }
        // What is kept of one that was called so is not this one's.
        let history = self.history_of(name);
        let write = move || {
            history.part().map_err(|error| refused(format!("its history cannot be begun: {error}")))?;
            take_all(&steps, &places).map_err(refused)
        };
        beside(write).await?;
        let mut outcome = Outcome { message: format!("{name} is made"), ..Outcome::default() };
        outcome.revision = Some(self.stored(name)?.revision);
        match self.units() {
            Ok(units) => {
                progress.at("telling systemd", 0.5);
                units.read_again(&socket_of(name)).await?;
                if new.enable {
                    units.enable(name, true).await?;
                }
                if new.start {
                    progress.at("starting its socket", 0.8);
                    units.act(&socket_of(name), Verb::Start).await?;
                }
            }
            Err(error) => outcome.message.push_str(&format!(", and not started: {error}")),
        }
        self.refresh().await;
        Ok(outcome)
    }

    /// Takes it away.
    pub(crate) async fn remove_instance(
        self,
        overview: Overview,
        user: Option<u32>,
        progress: Progress,
    ) -> Result<Outcome> {
        let name: Name = overview.name.parse().map_err(refused)?;
        let places = self.places(&name)?;
        let lock = self.edit_lock(name.as_str());
        let _alone = lock.lock().await;
        if self.running(name.as_str()).is_ok() && !overview.managed {
            return Err(refused(format!("{name} was started by hand: stop it where it was started first")));
        }
        if let Ok(units) = self.units() {
            progress.at("stopping it", 0.1);
            units.act(&socket_of(name.as_str()), Verb::Stop).await?;
            units.act(&service_of(name.as_str()), Verb::Stop).await?;
            units.enable(name.as_str(), false).await?;
        }
        progress.at("taking its files away", 0.6);
        let stored = self.stored(name.as_str())?;
        if !stored.revision.is_empty() {
            // Whatever a person wrote into it can be had back.
            let history = self.history_of(name.as_str());
            beside(move || history.keep(&stored, user, "removed").map_err(refused)).await?;
        }
        let (mut left, mut steps) = (Vec::new(), Vec::new());
        for mut step in Plan::nothing(&name, &places).compare(&places, false).map_err(refused)? {
            if step.path == places.settings_file(&name) {
                step.change = Change::Remove;
            }
            match step.change {
                Change::Kept => left.push(shown(&step)),
                _ => steps.push(step),
            }
        }
        let history = self.history_of(name.as_str());
        let remove = move || {
            take_all(&steps, &places).map_err(refused)?;
            // Another instance of that name has nothing to do with it.
            history.part().map_err(|error| refused(format!("it is removed, and its history is left: {error}")))
        };
        beside(remove).await?;
        if let Ok(units) = self.units() {
            units.read_again(&socket_of(name.as_str())).await?;
        }
        self.refresh().await;
        let but = if left.is_empty() {
            String::new()
        } else {
            format!(" but for what a person changed: {}", left.join(", "))
        };
        Ok(Outcome { message: format!("{name} is removed{but}"), ..Outcome::default() })
    }

    /// The directories as `hostler-instances` has them.
    pub(crate) fn places(&self, name: &Name) -> Result<Places> {
        let scope = self.scope();
        let prefix = prefix();
        let parent = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let places = match scope.kind {
            Kind::System => Places::system(Path::new("/"), &prefix),
            Kind::User => Places::user(Path::new("/"), &prefix, &parent(&scope.settings), &parent(&scope.runtime)),
        };
        // A daemon that was told of other directories must not write into these.
        if places.settings_file(name) != scope.settings_file(name.as_str()) {
            let reason =
                format!("{} is not where instances are made: they would be elsewhere", scope.settings.display());
            return Err(Error::Refused { reason });
        }
        Ok(places)
    }
}

/// Where Hostler was installed: this command is `lib/hostler/hostlerd` there.
fn prefix() -> std::path::PathBuf {
    let own = std::env::current_exe().ok();
    let installed = own.as_deref().and_then(|own| own.parent()).filter(|directory| directory.ends_with("lib/hostler"));
    installed.and_then(|directory| directory.ancestors().nth(2)).unwrap_or(Path::new(PREFIX)).to_owned()
}

fn shown(step: &Step) -> String {
    step.path.display().to_string()
}

fn no_value(key: &str) -> Error {
    let message = format!("`{key}`: a value is a boolean, a number, a text, or a list of those");
    let problem = Problem { kind: ProblemKind::WrongValue, key: key.to_owned(), message, ..Problem::default() };
    Error::InvalidSettings { problems: vec![problem] }
}

pub(crate) fn impossible(error: Impossible) -> Error {
    match error {
        Impossible::Settings(mistakes) => Error::InvalidSettings { problems: told(&mistakes) },
        other => refused(other),
    }
}

fn refused(reason: impl ToString) -> Error {
    Error::Refused { reason: reason.to_string() }
}
