//! The columns of the table: their titles, which there is room for, and how rows are ordered by them.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::model::{Instance, InstanceKey};
use crate::views::filter;
use crate::widgets::table;

/// From this width of the table on, the machine has a column of its own; else it stands behind the name.
pub(super) const MACHINE_FROM: f32 = 1000.0;
/// From this width of the table on, requests are drawn as a line as well.
const LINE_FROM: f32 = 800.0;

/// The columns of a table of a width: that of the marks, and the others in the order of [`Column::ALL`]. Machines are
/// named where there are several.
pub(super) fn columns(width: f32, machines: bool) -> [table::Column; 10] {
    let machine_from = if machines { MACHINE_FROM } else { f32::INFINITY };
    let requests = if width < LINE_FROM { 84.0 } else { 168.0 };
    [
        table::Column::exact("", 32.0),
        table::Column::exact("State", 108.0).sorts(),
        table::Column::wide("Name", if width < MACHINE_FROM { 96.0 } else { 230.0 }).parts(4.0).sorts(),
        table::Column::exact("Machine", 140.0).sorts().from(machine_from),
        table::Column::wide("Application", 150.0).sorts().from(1000.0),
        table::Column::exact("Requests", requests).right().sorts(),
        table::Column::exact("p95", 76.0).right().sorts().from(500.0),
        table::Column::exact("Workers", 72.0).right().sorts().from(570.0),
        table::Column::exact("Memory", 80.0).right().sorts().from(420.0),
        table::Column::exact("In state", 92.0).right().sorts().from(720.0),
    ]
}

/// A column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// What it does.
    State,
    /// What it is called.
    #[default]
    Name,
    /// The machine or scope that it is of.
    Machine,
    /// The application.
    Application,
    /// Requests a second.
    Requests,
    /// The time that 95 of 100 requests do not exceed.
    P95,
    /// Workers that are ready.
    Workers,
    /// Memory.
    Memory,
    /// Since when it is in its state.
    Since,
}

/// What it keeps between runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// What the rows are ordered by; none as in the sidebar.
    pub by: Option<Column>,
    /// Whether the greatest are first.
    pub descending: bool,
}

impl Kept {
    /// Orders by a column; by the same once more the other way round, and then as in the sidebar again.
    pub fn choose(&mut self, column: Column) {
        *self = match (self.by == Some(column), self.descending == column.is_figure()) {
            (false, _) => Self { by: Some(column), descending: column.is_figure() },
            (true, true) => Self { by: Some(column), descending: !column.is_figure() },
            (true, false) => Self::default(),
        };
    }
}

impl Column {
    /// All, in their order.
    pub(super) const ALL: [Self; 9] = [
        Self::State,
        Self::Name,
        Self::Machine,
        Self::Application,
        Self::Requests,
        Self::P95,
        Self::Workers,
        Self::Memory,
        Self::Since,
    ];

    /// Whether it holds figures, which stand to the right.
    pub(super) fn is_figure(self) -> bool {
        matches!(self, Self::Requests | Self::P95 | Self::Workers | Self::Memory | Self::Since)
    }

    /// The order of two rows, the least first.
    pub(super) fn compare(self, one: (&InstanceKey, &Instance), other: (&InstanceKey, &Instance)) -> Ordering {
        let ((one_key, one), (other_key, other)) = (one, other);
        match self {
            Self::State => filter::urgency(one.state()).cmp(&filter::urgency(other.state())),
            Self::Name => one_key.name.cmp(&other_key.name),
            Self::Machine => (&one_key.reach, &one_key.name).cmp(&(&other_key.reach, &other_key.name)),
            Self::Application => one.overview.application.cmp(&other.overview.application),
            Self::Requests => filter::rate(one).total_cmp(&filter::rate(other)),
            Self::P95 => p95(one).cmp(&p95(other)),
            Self::Workers => workers(one).cmp(&workers(other)),
            Self::Memory => filter::memory(one).cmp(&filter::memory(other)),
            Self::Since => one.overview.since_us.cmp(&other.overview.since_us),
        }
    }
}

/// The time that 95 of 100 requests did not exceed, in microseconds; none of one that does not run.
pub(super) fn p95(instance: &Instance) -> Option<u64> {
    instance.samples.last().filter(|_| filter::runs(instance.state())).map(|sample| sample.p95_us)
}

/// Workers that are ready, and how many there should be; none of one that does not run.
pub(super) fn workers(instance: &Instance) -> Option<(u32, u32)> {
    let status = instance.status().filter(|_| filter::runs(instance.state()))?;
    Some((status.observed.workers_ready, status.observed.workers_wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_orders_one_way_then_the_other_then_not() {
        let mut kept = Kept::default();
        for (column, first) in [(Column::Name, false), (Column::Memory, true)] {
            kept.choose(column);
            assert_eq!((kept.by, kept.descending), (Some(column), first));
            kept.choose(column);
            assert_eq!((kept.by, kept.descending), (Some(column), !first));
            kept.choose(column);
            assert_eq!(kept.by, None);
        }
    }
}
