//! The supervisors of an instance, each from the first time that its generation serves until the last of its processes is gone: whether that
//! generation is the current one, a former one, parked, on its way back, or ousted makes no difference. What is summed over all generations is
//! summed over these.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_supervisor::{Handle, Restarts};

/// All of them.
#[derive(Debug)]
pub(super) struct Supervisors<S = Handle>(Mutex<Known<S>>);

#[derive(Debug)]
struct Known<S> {
    living: Vec<S>,
    /// Of those that have ended.
    ended: Restarts,
}

/// What is asked of a supervisor.
pub(super) trait Counting {
    /// Whether both are one: a generation that is brought back, or replaced worker by worker, goes on with the supervisor it had.
    fn is(&self, other: &Self) -> bool;
    /// All its processes are gone: it counts nothing more.
    fn has_ended(&self) -> bool;
    /// Ends of its processes by cause.
    fn restarts(&self) -> Restarts;
}

impl Counting for Handle {
    fn is(&self, other: &Self) -> bool {
        self.is_same(other)
    }

    fn has_ended(&self) -> bool {
        self.is_stopped()
    }

    fn restarts(&self) -> Restarts {
        Handle::restarts(self)
    }
}

impl<S> Default for Supervisors<S> {
    fn default() -> Self {
        Self(Mutex::new(Known { living: Vec::new(), ended: Restarts::default() }))
    }
}

impl<S: Counting + Clone> Supervisors<S> {
    /// The generation of this one serves. It may be known already.
    pub(super) fn add(&self, supervisor: &S) {
        let mut known = self.lock();
        if !known.living.iter().any(|other| other.is(supervisor)) {
            known.living.push(supervisor.clone());
        }
    }

    /// Those that have processes, the eldest first.
    pub(super) fn living(&self) -> Vec<S> {
        self.lock().living.clone()
    }

    /// Ends of processes by cause, of all there ever were: none of the numbers ever goes back.
    pub(super) fn restarts(&self) -> Restarts {
        let known = self.lock();
        let mut sum = known.ended;
        known.living.iter().for_each(|supervisor| sum += supervisor.restarts());
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Known<S>> {
        // Plain values, each put in with one assignment.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<S> = known.living.extract_if(.., |supervisor| supervisor.has_ended()).collect();
        gone.iter().for_each(|supervisor| known.ended += supervisor.restarts());
        known
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Fake(Rc<(Cell<u64>, Cell<bool>)>);

    impl Fake {
        fn crash(&self, times: u64) {
            self.0.0.set(self.0.0.get() + times);
        }

        fn end(&self) {
            self.0.1.set(true);
        }
    }

    impl Counting for Fake {
        fn is(&self, other: &Self) -> bool {
            Rc::ptr_eq(&self.0, &other.0)
        }

        fn has_ended(&self) -> bool {
            self.0.1.get()
        }

        fn restarts(&self) -> Restarts {
            Restarts { crashed: self.0.0.get(), ..Restarts::default() }
        }
    }

    #[test]
    fn each_is_counted_once_whatever_becomes_of_its_generation() {
        let all = Supervisors::<Fake>::default();
        let (first, second) = (Fake::default(), Fake::default());
        all.add(&first);
        first.crash(3);
        all.add(&second);
        second.crash(1);
        assert_eq!(all.restarts().crashed, 4);
        // It was parked, and is brought back under another number.
        all.add(&first.clone());
        first.crash(5);
        assert_eq!(all.restarts().crashed, 9);
        assert_eq!(all.living().len(), 2);
        // That fails: its last processes count, too, and go on to count when it is gone.
        first.crash(1);
        first.end();
        assert_eq!(all.restarts().crashed, 10);
        assert_eq!(all.living().len(), 1);
        second.crash(1);
        assert_eq!(all.restarts().crashed, 11);
        second.end();
        assert_eq!((all.living().len(), all.restarts().crashed), (0, 11));
    }
}
