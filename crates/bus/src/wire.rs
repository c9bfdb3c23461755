//! How a field of an answer travels: as a variant of a dictionary on D-Bus, and as itself in JSON. For
//! `#[serde(with = "…")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zbus::zvariant::{Type, as_value};

pub(crate) fn serialize<T: Type + Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() { value.serialize(to) } else { as_value::serialize(value, to) }
}

pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Type + Deserialize<'de> + 'de,
    D: Deserializer<'de>,
{
    if from.is_human_readable() { T::deserialize(from) } else { as_value::deserialize(from) }
}

/// For fields that may have no value: D-Bus has none that says so, and the key is left out.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn serialize<T: Type + Serialize, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { value.serialize(to) } else { as_value::optional::serialize(value, to) }
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: Type + Deserialize<'de> + 'de,
        D: Deserializer<'de>,
    {
        if from.is_human_readable() { Option::deserialize(from) } else { as_value::optional::deserialize(from) }
    }
}
