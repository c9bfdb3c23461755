//! Counts that belong to a list of names, as they are written out: each by its name, so that a version with other names reads what it knows.
//! Before, they were written as a list in the order of the names; that is read as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serializer};

/// As somebody wrote them. Of a list the names are those of now, as far as it goes: new ones were only ever added at the end.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    ByName(BTreeMap<String, u64>),
    InOrder(Vec<u64>),
}

/// Writes the counts that are not 0.
pub(crate) fn write<S: Serializer>(names: &[&'static str], counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(names.iter().zip(counts).filter(|(_, count)| **count > 0))
}

/// Reads them: what is missing is 0, and what nobody knows is left out.
pub(crate) fn read<'de, const N: usize, D: Deserializer<'de>>(
    names: &[&'static str; N],
    deserializer: D,
) -> Result<[u64; N], D::Error> {
    let mut counts = [0; N];
    match Listed::deserialize(deserializer)? {
        Listed::ByName(written) => {
            for (name, count) in names.iter().zip(&mut counts) {
                *count = written.get(*name).copied().unwrap_or(0);
            }
        }
        Listed::InOrder(written) => counts.iter_mut().zip(written).for_each(|(count, was)| *count = was),
    }
    Ok(counts)
}

/// The classes of a status, by its first digit.
pub(crate) mod statuses {
    use super::{Deserializer, Serializer};

    const NAMES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

    pub(crate) fn serialize<S: Serializer>(counts: &[u64; NAMES.len()], serializer: S) -> Result<S::Ok, S::Error> {
        super::write(&NAMES, counts, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u64; NAMES.len()], D::Error> {
        super::read(&NAMES, deserializer)
    }
}

/// How requests ended.
pub(crate) mod outcomes {
    use super::{Deserializer, Serializer};
    use crate::Statistics;

    const NAMES: [&str; Statistics::OUTCOMES.len()] = Statistics::OUTCOMES;

    pub(crate) fn serialize<S: Serializer>(counts: &[u64; NAMES.len()], serializer: S) -> Result<S::Ok, S::Error> {
        super::write(&NAMES, counts, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u64; NAMES.len()], D::Error> {
        super::read(&NAMES, deserializer)
    }
}
