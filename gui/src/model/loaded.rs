//! A value that comes over the bus: not asked for, awaited, here, or not to be had. What was here before stays until its
//! successor is, so that nothing flickers.

use super::Failure;

/// A value that comes over the bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loaded<T> {
    /// Nobody asked.
    #[default]
    Never,
    /// It was asked for, for the first time.
    Awaited,
    /// It is here.
    Here(T),
    /// It was here, and the last attempt to have it again failed; or it was never here.
    Failed(Failure, Option<T>),
}

impl<T> Loaded<T> {
    /// The value, though it may be a former one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Here(value) | Self::Failed(_, Some(value)) => Some(value),
            _ => None,
        }
    }

    /// Why the last attempt failed.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure, _) => Some(failure),
            _ => None,
        }
    }

    /// Notes that it was asked for.
    pub fn ask(&mut self) {
        if matches!(self, Self::Never) {
            *self = Self::Awaited;
        }
    }

    /// Takes what came of asking.
    pub fn take(&mut self, result: Result<T, Failure>) {
        *self = match (result, std::mem::take(self)) {
            (Ok(value), _) => Self::Here(value),
            (Err(failure), Self::Here(former) | Self::Failed(_, Some(former))) => Self::Failed(failure, Some(former)),
            (Err(failure), _) => Self::Failed(failure, None),
        };
    }
}
