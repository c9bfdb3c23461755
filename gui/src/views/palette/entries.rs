//! What the palette finds: commands, instances, machines, and commands for a named instance.

use hostler_bus::daemon::Reach;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::commands::{self, Command, Scene};
use crate::model::InstanceKey;
use crate::theme::icon::{self, Icon};

/// How many entries are shown at most.
const LIMIT: usize = 60;

/// What is offered for each instance by its name.
const FOR_EACH: [Command; 8] = [
    Command::Reload,
    Command::Restart,
    Command::Start,
    Command::Wake,
    Command::Stop,
    Command::Browse,
    Command::Show(crate::state::Tab::Logs),
    Command::Show(crate::state::Tab::Settings),
];

/// What is done when an entry is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A command, about an instance or the one that is shown.
    Command(Command, Option<InstanceKey>),
    /// An instance is shown.
    Instance(InstanceKey),
    /// The instances of a machine are listed.
    Machine(Reach),
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it does.
    pub target: Target,
    /// Its icon.
    pub icon: Icon,
    /// Its words.
    pub title: String,
    /// What stands behind them, of less weight.
    pub detail: String,
    /// Why it cannot be had; empty if it can.
    pub unavailable: String,
    /// The equivalent command line.
    pub hostler: Option<String>,
}

/// The entries that match what was typed, the best first. Without a text: what can be done now, then the instances.
#[must_use]
pub fn find(typed: &str, scene: &Scene<'_>) -> Vec<Entry> {
    let typed = typed.trim();
    let mut entries = all(scene, typed.contains(' ') || typed.chars().count() > 2);
    if typed.is_empty() {
        entries.retain(|entry| entry.unavailable.is_empty());
        // What is on screen is most likely meant.
        let is_about_shown =
            |entry: &Entry| matches!(entry.target, Target::Command(command, _) if command.is_about_one());
        entries.sort_by_key(|entry| !is_about_shown(entry));
        entries.truncate(LIMIT);
        return entries;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Entry)> = entries
        .into_iter()
        .filter_map(|entry| {
            let words = format!("{} {}", entry.title, entry.detail);
            let score = pattern.score(Utf32Str::new(&words, &mut buffer), &mut matcher)?;
            // What is meant by its own words goes before what merely mentions them.
            let own = pattern.score(Utf32Str::new(&entry.title, &mut buffer), &mut matcher).unwrap_or(0);
            let available = if entry.unavailable.is_empty() { 40 } else { 0 };
            Some((score + own + available + begun(typed, &words), entry))
        })
        .collect();
    scored.sort_by_key(|(score, entry)| (std::cmp::Reverse(*score), entry.title.len()));
    scored.into_iter().map(|(_, entry)| entry).take(LIMIT).collect()
}

/// What counts most: that each word that was typed is the beginning of one of an entry's.
fn begun(typed: &str, words: &str) -> u32 {
    let words = words.to_lowercase();
    let begins = |word: &&str| words.split(|one: char| !one.is_alphanumeric()).any(|one| one.starts_with(*word));
    let typed = typed.to_lowercase();
    let begun = typed.split_whitespace().filter(begins).count();
    let all = begun == typed.split_whitespace().count();
    u32::try_from(begun).unwrap_or(u32::MAX).saturating_mul(80) + if all { 200 } else { 0 }
}

fn all(scene: &Scene<'_>, for_each: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Command::ALL
        .into_iter()
        .filter(|command| *command != Command::Palette)
        .map(|one| command(one, scene))
        .collect();
    for machine in &scene.world.machines {
        for (name, instance) in &machine.instances {
            let key = InstanceKey { reach: machine.reach.clone(), name: name.clone() };
            let about = Scene::about(scene.world, scene.state, &key);
            if for_each {
                entries.extend(FOR_EACH.into_iter().filter_map(|one| for_instance(one, &about, &machine.title())));
            }
            entries.push(Entry {
                hostler: Command::Show(crate::state::Tab::Overview).hostler(&about),
                icon: icon::state(instance.state()),
                title: name.clone(),
                detail: format!("{} · {}", instance.state(), machine.title()),
                unavailable: String::new(),
                target: Target::Instance(key),
            });
        }
        entries.push(Entry {
            target: Target::Machine(machine.reach.clone()),
            icon: Icon::Server,
            title: machine.title(),
            detail: "machine".to_owned(),
            unavailable: String::new(),
            hostler: Some(format!("hostler list {}", commands::scope(&machine.reach))),
        });
    }
    entries
}

fn command(command: Command, scene: &Scene<'_>) -> Entry {
    let words = command.words();
    let about = scene.subject.filter(|_| command.is_about_one()).map(|key| format!("{} · ", key.name));
    Entry {
        target: Target::Command(command, None),
        icon: words.icon,
        title: words.title.to_owned(),
        detail: format!("{}{}", about.unwrap_or_default(), words.group.title()),
        unavailable: command.availability(scene).reason().to_owned(),
        hostler: command.hostler(scene),
    }
}

/// A command for an instance that is not the one that is shown, if it can be had.
fn for_instance(command: Command, about: &Scene<'_>, machine: &str) -> Option<Entry> {
    let key = about.subject?;
    if about.state.selected.as_ref() == Some(key) || !command.availability(about).is_available() {
        return None;
    }
    let words = command.words();
    Some(Entry {
        target: Target::Command(command, Some(key.clone())),
        icon: words.icon,
        title: format!("{} {}", words.title.trim_end_matches('…'), key.name),
        detail: machine.to_owned(),
        unavailable: String::new(),
        hostler: command.hostler(about),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example;
    use crate::state::State;

    fn titles(typed: &str, state: &State) -> Vec<String> {
        let world = example::world();
        find(typed, &Scene::new(&world, state)).into_iter().map(|entry| entry.title).collect()
    }

    #[test]
    fn what_is_typed_finds_the_command_it_names_first() {
        let state = State { selected: Some(example::key("shop")), ..State::default() };
        for (typed, title) in [("reload", "Reload"), ("dark", "Dark theme"), ("logs", "Logs"), ("quit", "Quit")] {
            assert_eq!(titles(typed, &state)[0], title, "{typed}");
        }
    }

    #[test]
    fn instances_and_what_can_be_done_to_them_are_found_by_name() {
        let state = State::default();
        assert_eq!(titles("bill", &state)[0], "billing");
        assert_eq!(titles("restart shop", &state)[0], "Restart shop");
        assert!(!titles("stop blog", &state).contains(&"Stop blog".to_owned()), "it does not run");
    }

    #[test]
    fn words_that_are_begun_count_more_than_letters_in_their_order() {
        let state = State { selected: Some(example::key("shop")), ..State::default() };
        let world = example::world();
        let first = find("rest sho", &Scene::new(&world, &state)).remove(0);
        assert_eq!((first.title.as_str(), first.detail.as_str()), ("Restart", "shop · Instance"));
    }

    #[test]
    fn what_can_be_done_says_what_one_would_type() {
        let world = example::world();
        let state = State::default();
        let entry = find("reload shop", &Scene::new(&world, &state)).remove(0);
        assert_eq!(entry.hostler.as_deref(), Some("hostler reload shop --system"));
    }

    #[test]
    fn nothing_typed_offers_only_what_can_be_had() {
        let world = example::world();
        let state = State::default();
        let found = find("", &Scene::new(&world, &state));
        assert!(!found.is_empty() && found.iter().all(|entry| entry.unavailable.is_empty()));
    }
}
