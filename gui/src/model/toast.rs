//! Short words at the edge of the window about what was done.

use super::InstanceKey;
use crate::bus::Action;

/// How a toast sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastTone {
    /// It was done.
    Good,
    /// It was not.
    Bad,
    /// It is only said.
    Plain,
}

/// One toast.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// Its number, larger than those before.
    pub number: u64,
    /// How it sounds.
    pub tone: ToastTone,
    /// What it says.
    pub text: String,
    /// The instance that it is about.
    pub about: Option<InstanceKey>,
    /// What takes the action back, with the word for it.
    pub undo: Option<(&'static str, Action)>,
    /// When it goes, in microseconds since 1970 (UTC).
    pub until_us: u64,
}
