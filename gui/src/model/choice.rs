//! What the person chooses in the desktop's own dialog: asked for by a view, answered when they are done.

use std::path::PathBuf;

use super::{Failure, World};
use crate::bus::{Event, Order};

/// A dialog of the desktop's that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its number.
    pub number: u64,
    /// What was chosen, nothing where the dialog was closed; none while it is open.
    pub answer: Option<Result<Vec<PathBuf>, Failure>>,
}

impl World {
    /// The number of the next dialog.
    #[must_use]
    pub fn next_choice(&self) -> u64 {
        self.choice.as_ref().map_or(1, |choice| choice.number + 1)
    }

    pub(super) fn ordered_choice(&mut self, order: &Order) {
        if let Order::Choose(wish) = order {
            self.choice = Some(Choice { number: wish.number, answer: None });
        }
    }

    pub(super) fn take_choice(&mut self, event: &Event) {
        if let (Event::Chosen(number, result), Some(choice)) = (event, &mut self.choice)
            && choice.number == *number
        {
            choice.answer = Some(result.clone());
        }
    }
}
