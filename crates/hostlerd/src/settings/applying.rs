//! Changing the settings of an instance, from the check of the revision to a running instance that took them, or the former
//! file again.

use std::collections::BTreeSet;
use std::path::Path;

use hostler_bus::InstanceProxy;
use hostler_bus::daemon::{Error, Order, Outcome, Problem, Result};
use hostler_instances::stamp::{Owner, owner};
use hostler_settings::{Apply, metas};

use super::file::{SIZE_LIMIT, Stored, read, replace};
use super::history::{Former, History, difference};
use super::{BadChange, changed_keys, edited, problems, revision, unclaimed};
use crate::beside::beside;
use crate::daemon::{Hostlerd, comes};
use crate::jobs::Progress;
use crate::orders::reload;
use crate::patience::{QUICK, SLOW, within};

/// A change that was found to be possible.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) before: Stored,
    pub(crate) after: String,
    summary: String,
    /// Where it goes back to a text: the number of that, and what is said of it.
    back: Option<(Option<u64>, String)>,
}

/// So many digits of a revision are shown to people.
const REVISION_DIGITS: usize = 12;

impl Hostlerd {
    /// What the file holds; an empty text with an empty revision where there is none.
    pub(crate) fn stored(&self, name: &str) -> Result<Stored> {
        let path = self.scope().settings_file(name);
        let stored = read(&path).map_err(|error| cannot(&path, "read", &error))?;
        Ok(stored.unwrap_or_else(Stored::none))
    }

    pub(crate) fn history_of(&self, name: &str) -> History {
        History::of(&self.scope().state, name)
    }

    /// All that is wrong with what a change would make of the file.
    pub(crate) fn problems_of(&self, name: &str, before: &str, after: &str) -> Vec<Problem> {
        let mut all = problems(after);
        let passed = self.units().map(|units| units.listens(name)).unwrap_or_default();
        // What was wrong before keeps nobody from changing something else.
        let said = |text: &str| changed_keys("", text).is_some_and(|keys| keys.contains("bind"));
        if said(after) && changed_keys(before, after).is_some_and(|keys| keys.contains("bind")) {
            all.extend(unclaimed(name, self.scope().kind, after, &passed));
        }
        all
    }

    /// What an order would make of the file as it is now. Writes nothing.
    pub(crate) fn plan(&self, name: &str, order: &Order) -> Result<Planned> {
        let before = self.stored(name)?;
        let history = self.history_of(name);
        let expected = match order {
            Order::Apply { revision, .. }
            | Order::ApplyText { revision, .. }
            | Order::Undo { revision }
            | Order::Restore { revision, .. } => revision,
            _ => return Err(Error::Internal { reason: "an order that changes no settings came here".to_owned() }),
        };
        if *expected != before.revision {
            return Err(match order {
                Order::Undo { .. } if history.of_revision(expected).is_some() => not_current(name, expected, &before),
                _ => conflict(name, &history, expected, &before),
            });
        }
        let mut back = None;
        let (after, summary) = match order {
            Order::Apply { changes, .. } => {
                let after =
                    edited(&before.text, changes).map_err(|BadChange(problems)| Error::InvalidSettings { problems })?;
                let mut words: Vec<String> = changes.set.keys().map(|key| format!("set {key}")).collect();
                words.extend(changes.unset.iter().map(|key| format!("unset {key}")));
                words.sort();
                // What was written here is still that, and told from what a person typed into the file.
                (hostler_instances::stamp::changed_here(&before.text, &after), words.join(", "))
            }
            Order::ApplyText { text, .. } => (text.clone(), "edited".to_owned()),
            Order::Restore { to, .. } => {
                let former = history.of_revision(to).ok_or_else(|| Error::Refused {
                    reason: format!(
                        "no revision {to} of the settings of {name} is kept; its history shows those that are"
                    ),
                })?;
                let again = format!("the settings of {name} are those of revision {} again", short(to));
                back = Some((former.again, again));
                (former.stored.text, format!("went back to {} ({})", short(to), former.summary))
            }
            _ => {
                let former = history.before(expected).ok_or_else(|| Error::Refused {
                    reason: format!(
                        "there is nothing to go back to: no settings of {name} from before revision {} were kept that served",
                        short(expected)
                    ),
                })?;
                let Former { stored, summary, again } = former;
                let words = format!(
                    "took back \"{summary}\": the settings of {name} are those of revision {} again",
                    short(&stored.revision)
                );
                back = Some((again, words));
                (stored.text, format!("took back: {summary}"))
            }
        };
        if after.len() as u64 > SIZE_LIMIT {
            return Err(Error::Refused { reason: format!("the settings of {name} would be longer than 1 MiB") });
        }
        let problems = self.problems_of(name, &before.text, &after);
        if !problems.is_empty() {
            return Err(Error::InvalidSettings { problems });
        }
        // What cannot be kept from it is told before anybody is asked for a password.
        self.confinement(name, &before.text, &after)?;
        Ok(Planned { before, after, summary, back })
    }

    /// Does it.
    pub(crate) async fn change(
        self,
        name: String,
        order: Order,
        planned: Planned,
        user: Option<u32>,
        progress: Progress,
    ) -> Result<Outcome> {
        let lock = self.edit_lock(&name);
        let _alone = lock.lock().await;
        self.look_back_alone(&name).await;
        // The file may have changed while somebody typed a password, or another job had the lock. Rights were checked for what was planned, so
        // that only this may be done.
        let (daemon, instance) = (self.clone(), name.clone());
        let now = beside(move || daemon.plan(&instance, &order)).await?;
        if now.before != planned.before || now.after != planned.after {
            return Err(conflict(&name, &self.history_of(&name), &planned.before.revision, &now.before));
        }
        let changed = changed_keys(&now.before.text, &now.after).unwrap_or_default();
        if now.before.text == now.after {
            // The file was written by hand, and its drop-ins were not.
            let confined = self.confine(&name, &now.before.text, &now.after).await?;
            let message = match confined {
                true => format!("the drop-ins of {name} are what its settings say; restart it for them"),
                false => format!("nothing changed in the settings of {name}"),
            };
            return Ok(Outcome { message, revision: Some(now.before.revision), ..Outcome::default() });
        }
        progress.at("writing the settings file", 0.1);
        let stored = Stored { revision: revision(&now.after), text: now.after.clone() };
        let (daemon, instance, change, text) = (self.clone(), name.clone(), now.clone(), stored.clone());
        beside(move || daemon.write(&instance, &change, &text, user)).await?;
        if let Err(error) = self.confine(&name, &now.before.text, &now.after).await {
            return Err(self.taken_back(&name, &now.before, &stored, error).await);
        }
        let (restart, reloads): (BTreeSet<String>, BTreeSet<String>) = changed.into_iter().partition(needs_restart);
        let mut outcome = Outcome { revision: Some(stored.revision.clone()), ..Outcome::default() };
        let Ok(instance) = self.running_soon(&name).await else {
            self.settled(&name).await;
            let runs = self.state_of(&name).is_some_and(comes);
            let effect = match runs {
                true => "it does not answer now: reload it when it serves, if it had read its settings before",
                false => "it takes them when it starts",
            };
            outcome.message = format!("{}; {effect}", now.words(&name));
            return Ok(outcome);
        };
        if !reloads.is_empty() {
            match take_up(&instance, &reloads, &progress).await {
                Ok(generation) => outcome.generation = generation,
                Err(error) => {
                    progress.at("the instance does not take the settings: the former file comes back", 0.9);
                    return Err(self.taken_back(&name, &now.before, &stored, error).await);
                }
            }
        }
        self.settled(&name).await;
        // What takes effect at once changes neither state nor generation, which would be signalled.
        self.look_anew(&name).await;
        let restart = awaiting(&instance, restart, reloads.is_empty()).await;
        let waits = match restart.len() {
            0 => String::new(),
            _ => format!("; restart it for {}", restart.iter().cloned().collect::<Vec<_>>().join(", ")),
        };
        let effect = if reloads.is_empty() { "" } else { ", and are in effect" };
        outcome.message = format!("{}{effect}{waits}", now.words(&name));
        outcome.took_effect = reloads.into_iter().collect();
        outcome.awaits_restart = restart.into_iter().collect();
        Ok(outcome)
    }

    fn write(&self, name: &str, planned: &Planned, stored: &Stored, user: Option<u32>) -> Result<()> {
        let path = &self.scope().settings_file(name);
        let history = self.history_of(name);
        let kept = || {
            if !planned.before.revision.is_empty() {
                history.keep(&planned.before, None, origin(&planned.before.text))?;
            }
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            // First, so that what cannot be kept is not written, and what was written can always be had back.
            let again = planned.back.as_ref().and_then(|(again, _)| *again);
            history.begin(stored, &planned.before, user, &planned.summary, again)
        };
        kept().map_err(|error| cannot(path, "keep the history of", &error))?;
        if let Err(error) = replace(path, &stored.text) {
            note(name, history.refuse(&stored.revision, &format!("it could not be written: {error}")));
            return Err(cannot(path, "write", &error));
        }
        Ok(())
    }

    /// Notes that the text in the settings file is to stay.
    pub(super) async fn settled(&self, name: &str) {
        let (history, instance) = (self.history_of(name), name.to_owned());
        // What cannot be noted is looked at again.
        let settle = move || {
            note(&instance, history.settle());
            Ok(())
        };
        let _noted = beside(settle).await;
    }

    /// Brings the former file and drop-ins back ([`Hostlerd::take_back`]), beside the thread that answers.
    pub(super) async fn taken_back(&self, name: &str, before: &Stored, stored: &Stored, why: Error) -> Error {
        let (daemon, instance) = (self.clone(), name.to_owned());
        let (former, refused) = (before.clone(), stored.clone());
        let back = beside(move || Ok(daemon.take_back(&instance, &former, &refused, why))).await;
        if let Err(error) = self.confine(name, &stored.text, &before.text).await {
            tracing::warn!(name, %error, "the drop-ins of a service are not what its settings say");
        }
        back.unwrap_or_else(|error| error)
    }

    /// Brings the former file back, unless somebody has changed it meanwhile. Returns what the caller is told: why the instance did not take
    /// the settings, and that they are in the file still where nothing could be done about that.
    fn take_back(&self, name: &str, before: &Stored, stored: &Stored, why: Error) -> Error {
        let path = &self.scope().settings_file(name);
        let back = || match before.revision.is_empty() {
            true => std::fs::remove_file(path),
            false => replace(path, &before.text),
        };
        // The file first: a restart must not find what was refused, whatever else fails.
        let told = match self.stored(name) {
            Ok(now) if now != *stored => {
                tracing::warn!(name, "settings that the instance refused were changed again meanwhile; they are left");
                why
            }
            // What cannot be read may be written.
            _ => match back() {
                Ok(()) => why,
                Err(error) => Error::Refused {
                    reason: format!(
                        "{}: the instance did not take these settings, and the former file cannot be brought back ({error}): change it by \
                         hand, or the next restart takes them. {why}",
                        path.display()
                    ),
                },
            },
        };
        let words = told.to_string();
        note(name, self.history_of(name).refuse(&stored.revision, words.lines().next().unwrap_or_default()));
        told
    }
}

/// Where a text comes from that was in the file and not in the history.
fn origin(text: &str) -> &'static str {
    match owner(text) {
        Owner::Ours => "made by hostler new",
        _ => "edited by hand",
    }
}

impl Planned {
    /// What was done, without its effect.
    fn words(&self, name: &str) -> String {
        match &self.back {
            Some((_, words)) => words.clone(),
            None => format!("the settings of {name} were changed"),
        }
    }
}

/// What the history misses is no reason to leave a change half done.
pub(super) fn note(name: &str, noted: std::io::Result<()>) {
    if let Err(error) = noted {
        tracing::error!(name, %error, "what became of a change of settings cannot be noted in its history");
    }
}

fn short(revision: &str) -> &str {
    revision.get(..REVISION_DIGITS).unwrap_or(revision)
}

/// Has a running instance take these settings up: at once where all of them allow that, else with the next generation, which is told.
async fn take_up(instance: &InstanceProxy<'_>, keys: &BTreeSet<String>, progress: &Progress) -> Result<Option<u64>> {
    let is_live = |key: &String| metas().iter().any(|meta| meta.key == *key && meta.apply == Apply::Live);
    if keys.iter().all(is_live) {
        progress.at("the instance takes the settings up", 0.3);
        match within(SLOW, instance.apply_settings()).await {
            Ok(applied) if !applied.needs_reload.iter().any(|key| keys.contains(key)) => return Ok(None),
            // A generation is being made, with the former settings.
            Ok(_) => {}
            // One that was started before there was this call.
            Err(Error::Instance(hostler_bus::Error::OtherVersion { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    progress.at("the instance takes the settings: the next generation is being made", 0.3);
    reload(instance, progress).await.map(|reloaded| Some(reloaded.generation))
}

/// Those of these keys that wait for a restart, as the instance says; going back to what it was started with waits for nothing. `unread`
/// says that it has not read the file yet.
async fn awaiting(instance: &InstanceProxy<'_>, keys: BTreeSet<String>, unread: bool) -> BTreeSet<String> {
    if keys.is_empty() {
        return keys;
    }
    let told = async {
        if unread {
            within(SLOW, instance.apply_settings()).await?;
        }
        Ok::<_, Error>(within(QUICK, instance.status()).await?.observed.awaits_restart)
    };
    match told.await {
        Ok(waiting) => keys.into_iter().filter(|key| waiting.contains(key)).collect(),
        Err(error) => {
            tracing::debug!(%error, "an instance does not say what waits for its restart");
            keys
        }
    }
}

fn needs_restart(key: &String) -> bool {
    metas().iter().any(|meta| meta.key == *key && meta.apply == Apply::Restart)
}

fn not_current(name: &str, expected: &str, now: &Stored) -> Error {
    let (expected, now) = (short(expected), short(&now.revision));
    let reason = format!(
        "revision {expected} is not the current one of {name}, which is {now}: only the last change is undone; an older revision is brought \
         back (Restore, `hostler undo {name} --to {expected}`)"
    );
    Error::Conflict { reason, difference: String::new() }
}

fn conflict(name: &str, history: &History, expected: &str, now: &Stored) -> Error {
    let base = history.text(expected).unwrap_or_default();
    let found = if now.revision.is_empty() { "none" } else { &now.revision };
    Error::Conflict {
        reason: format!(
            "the settings of {name} were changed since you read them (revision {found}, not {expected:?}); read them again"
        ),
        difference: difference(&base, &now.text),
    }
}

fn cannot(path: &Path, what: &str, error: &std::io::Error) -> Error {
    // What the system says, and not what was said here already.
    let hint = match error.raw_os_error() {
        Some(_) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            "; hostlerd is root without capabilities: such a file has to be root's, or readable for it"
        }
        _ => "",
    };
    Error::Refused { reason: format!("{}: cannot {what} the settings: {error}{hint}", path.display()) }
}
