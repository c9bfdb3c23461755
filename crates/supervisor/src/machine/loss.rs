//! What becomes of the place, and of the seat, of a worker that is gone; and of the whole, when none can be started.

use super::state::back_off;
use super::{Action, BOOT_DEATHS, BOOT_KILLS, BROKEN_DEATHS, Change, Failure, Machine, Phase, Remark, State};

impl Machine {
    /// Whether a failure is the end.
    pub(super) fn gives_up(&self) -> bool {
        self.phase == Phase::Booting && !self.limits.outlive_failures
    }

    /// The process in this place is gone, or there never was one. `at_boot` says why, when it was not ready yet.
    pub(super) fn lost(&mut self, worker: u16, at_boot: Option<Failure>) {
        // Nobody waits for one that is not wanted any more.
        let at_boot = at_boot.filter(|_| !self.workers[usize::from(worker)].released);
        if let Some(failure) = &at_boot {
            self.roll_failed(worker, failure);
            self.count_failed_start(failure);
            if self.gives_up() && self.fails_for_good(BOOT_DEATHS) {
                self.vacate(worker);
                self.fail(failure.clone());
                return;
            }
        }
        self.settle(worker);
        if let Some(failure) = at_boot
            && !self.gives_up()
        {
            self.consider_broken(failure);
        }
    }

    /// Counts a process that was not ready when it ended. One that was ended from outside says nothing about the application, and nothing at all while
    /// others serve.
    pub(super) fn count_failed_start(&mut self, failure: &Failure) {
        match failure {
            Failure::KilledAtBoot { .. } if self.ready_seats() > 0 => {}
            Failure::KilledAtBoot { .. } => {
                self.boot_kills = self.boot_kills.saturating_add(1);
                if self.killed.replace(failure.clone()).is_none() && self.broken.is_none() {
                    self.actions.push(Action::Remark(Remark::KilledAtBoot));
                }
            }
            Failure::Import { .. } | Failure::DiedAtBoot { .. } => {
                self.boot_deaths = self.boot_deaths.saturating_add(1)
            }
        }
    }

    /// A worker is ready.
    pub(super) fn forget_failed_starts(&mut self) {
        self.boot_deaths = 0;
        self.boot_kills = 0;
        self.killed = None;
    }

    /// Whether that many processes died at boot, or far more were ended from outside: what is killed whenever it starts does not serve either.
    pub(super) fn fails_for_good(&self, deaths: u32) -> bool {
        // One keeper starts for all of them.
        let starting = if self.limits.preload { 1 } else { u32::from(self.wanted) };
        self.boot_deaths >= deaths || self.boot_kills >= BOOT_KILLS.saturating_mul(starting)
    }

    /// What becomes of the place, and of the seat, of a worker that is gone.
    pub(super) fn settle(&mut self, worker: u16) {
        let entry = &mut self.workers[usize::from(worker)];
        let (was_seat, replaces) = (entry.is_seat(), entry.replaces);
        entry.wish = None;
        if let Some(old) = replaces {
            self.vacate(worker);
            self.replacement_failed(old);
        } else if let Some(replacement) = self.replacement_of(worker) {
            self.workers[usize::from(replacement)].replaces = None;
            self.vacate(worker);
        } else if !was_seat || self.seats() > self.hoped_for() {
            self.vacate(worker);
        } else {
            self.replace(worker);
        }
    }

    /// Fills the place of a worker that is gone: at once, or after a while when it keeps dying.
    pub(super) fn replace(&mut self, worker: u16) {
        let entry = &mut self.workers[usize::from(worker)];
        let was_ready = entry.count_death(self.now);
        let delay = back_off(entry.deaths, was_ready);
        if delay.is_zero() {
            self.spawn(worker);
        } else {
            self.set_state(worker, State::Backoff { until: self.now + delay });
            self.actions.push(Action::Remark(Remark::BackingOff { worker, delay }));
        }
    }

    pub(super) fn consider_broken(&mut self, failure: Failure) {
        if self.broken.is_some() || !self.fails_for_good(BROKEN_DEATHS) || self.ready_seats() > 0 {
            return;
        }
        self.actions.extend([
            Action::Remark(Remark::Broken(failure.clone())),
            Action::Tell(Change::Broken { failure: failure.clone() }),
        ]);
        self.broken = Some(failure);
        for worker in (0..self.limits.places).rev() {
            if self.seats() > self.hoped_for()
                && matches!(self.state(worker), Some(State::Backoff { .. } | State::Waiting))
            {
                self.vacate(worker);
            }
        }
    }
}
