//! Which instances the sidebar and the list show, and in which order: search, states, sorting, favourites first.

use std::cmp::Reverse;

use hostler_bus::daemon::InstanceState;

use crate::model::{Instance, InstanceKey, Machine, World};
use crate::state::{Sort, State};

/// The instances of one machine that are shown, in their order.
#[must_use]
pub fn of_machine<'a>(machine: &'a Machine, state: &State) -> Vec<(InstanceKey, &'a Instance)> {
    let mut shown: Vec<(InstanceKey, &Instance)> = machine
        .instances
        .iter()
        .filter(|(name, instance)| matches(name, instance, state))
        .map(|(name, instance)| (InstanceKey { reach: machine.reach.clone(), name: name.clone() }, instance))
        .collect();
    match state.sort {
        Sort::Name => {}
        Sort::State => shown.sort_by_key(|(_, instance)| urgency(instance.state())),
        Sort::Requests => shown.sort_by(|(_, one), (_, other)| rate(other).total_cmp(&rate(one))),
        Sort::Memory => shown.sort_by_key(|(_, instance)| Reverse(memory(instance))),
    }
    shown.sort_by_key(|(key, _)| !state.favourites.contains(key));
    shown
}

/// The instances of all machines that are shown, or of the one that is chosen.
#[must_use]
pub fn listed<'a>(world: &'a World, state: &State) -> Vec<(InstanceKey, &'a Instance)> {
    let chosen = world.machines.iter().filter(|machine| state.machine.as_ref().is_none_or(|one| *one == machine.reach));
    chosen.flat_map(|machine| of_machine(machine, state)).collect()
}

/// Whether an instance is one of those that are searched for.
fn matches(name: &str, instance: &Instance, state: &State) -> bool {
    let is_state = state.states.is_empty() || state.states.contains(&instance.state());
    let has = |text: &str, word: &str| text.to_lowercase().contains(word);
    let search = state.search.to_lowercase();
    is_state
        && search.split_whitespace().all(|word| {
            let overview = &instance.overview;
            has(name, word)
                || has(&overview.application, word)
                || has(&overview.framework, word)
                || instance.state().as_str() == word
        })
}

/// How much an instance needs somebody; the least first.
#[must_use]
pub fn urgency(state: InstanceState) -> u8 {
    match state {
        InstanceState::Failed => 0,
        InstanceState::Broken => 1,
        InstanceState::Starting | InstanceState::Reloading | InstanceState::Stopping => 2,
        InstanceState::Unknown => 3,
        InstanceState::Serving => 4,
        InstanceState::Asleep => 5,
        InstanceState::Stopped => 6,
        InstanceState::Configured => 7,
    }
}

/// Requests a second, of one that runs.
#[must_use]
pub fn rate(instance: &Instance) -> f64 {
    if runs(instance.state()) { instance.samples.last().map_or(0.0, crate::model::Sample::rate) } else { 0.0 }
}

/// Its memory in bytes, of one that runs.
#[must_use]
pub fn memory(instance: &Instance) -> u64 {
    if runs(instance.state()) { instance.samples.last().map_or(0, |sample| sample.memory_bytes) } else { 0 }
}

/// Whether an instance in this state has processes whose figures mean something.
#[must_use]
pub fn runs(state: InstanceState) -> bool {
    use InstanceState as Is;
    matches!(state, Is::Serving | Is::Reloading | Is::Broken | Is::Stopping | Is::Starting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example;

    fn names(state: &State) -> Vec<String> {
        listed(&example::world(), state).into_iter().map(|(key, _)| key.name).collect()
    }

    #[test]
    fn what_needs_somebody_comes_first() {
        let state = State { sort: Sort::State, machine: Some(example::system()), ..State::default() };
        assert_eq!(names(&state)[..3], ["billing", "jobs", "api"]);
    }

    #[test]
    fn favourites_are_on_top_in_any_order() {
        let mut state = State { machine: Some(example::system()), ..State::default() };
        state.favourites.insert(example::key("webhooks"));
        for sort in [Sort::Name, Sort::State, Sort::Requests, Sort::Memory] {
            state.sort = sort;
            assert_eq!(names(&state)[0], "webhooks");
        }
    }

    #[test]
    fn words_of_the_search_are_looked_for_in_name_application_and_state() {
        let mut state = State { search: "SHOP wsgi".to_owned(), ..State::default() };
        assert_eq!(names(&state), ["shop"]);
        state.search = "failed".to_owned();
        assert_eq!(names(&state), ["billing"]);
        state.search = "nothing of that name".to_owned();
        assert!(names(&state).is_empty());
    }

    #[test]
    fn states_can_be_chosen() {
        let states = vec![InstanceState::Asleep, InstanceState::Stopped];
        assert_eq!(names(&State { states, ..State::default() }), ["admin", "blog"]);
    }
}
