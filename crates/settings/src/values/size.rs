//! Sizes in bytes: a whole number, or a text with a binary unit (IEC 80000-13).

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// 1024 bytes.
pub(crate) const KIB: u64 = 1 << 10;
/// 1024 KiB.
pub(crate) const MIB: u64 = 1 << 20;
/// 1024 MiB.
pub(crate) const GIB: u64 = 1 << 30;
/// 1024 GiB.
pub(crate) const TIB: u64 = 1 << 40;

const UNITS: [(&str, u64); 5] = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)];

impl Value for u64 {
    const KIND: Kind = Kind::Bytes;

    fn from_input(input: &Input) -> Result<Self, String> {
        let bytes = match input {
            Input::Integer { value, .. } if *value < 0 => {
                return Err(format!("wants a size, found {}, which is below zero", input.describe()));
            }
            Input::Integer { value, .. } => u64::try_from(*value).ok(),
            Input::Word(text) | Input::Text(text) => bytes(text.trim())?,
            _ => None,
        };
        bytes.ok_or_else(|| wrong(&Self::KIND, input))
    }

    fn measure(&self) -> Option<u64> {
        Some(*self)
    }

    fn render(&self) -> Option<String> {
        // A number needs no quotation marks in a file, a size with a unit does.
        let text = render(*self);
        Some(if text.ends_with('B') { format!("{text:?}") } else { text })
    }
}

/// The size with the greatest unit that leaves a whole number.
pub(crate) fn render(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(_, factor)| *factor > 1 && bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

fn bytes(text: &str) -> Result<Option<u64>, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return Ok(None);
    };
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Ok(Some(number));
    }
    if let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) {
        return Ok(number.checked_mul(*factor));
    }
    // `K`, `kB`, `KB` mean 1000 to some and 1024 to others.
    match unit.chars().next().map(|letter| letter.to_ascii_uppercase()) {
        Some(letter @ ('K' | 'M' | 'G' | 'T')) => {
            Err(format!("wants a size, found `{text}`: write {number}{letter}iB"))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Result<u64, String> {
        u64::from_input(&Input::Word(text.to_owned()))
    }

    #[test]
    fn numbers_and_binary_units() {
        for (text, expected) in [
            ("0", 0),
            ("4094", 4094),
            ("64KiB", 65_536),
            ("10 MiB", 10 << 20),
            ("1GiB", 1 << 30),
            ("2TiB", 2 << 40),
            ("7B", 7),
        ] {
            assert_eq!(word(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn units_of_two_meanings_are_refused_with_the_right_one() {
        assert!(word("64K").is_err_and(|message| message.ends_with("write 64KiB")));
        assert!(word("10mb").is_err_and(|message| message.ends_with("write 10MiB")));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "-1", "KiB", "1.5MiB", "99999999999999999999", "18446744073709551615KiB", "5 parsecs"] {
            assert!(word(text).is_err(), "{text}");
        }
        assert!(u64::from_input(&Input::Integer { value: -1, octal: false }).is_err());
        assert!(u64::from_input(&Input::Float(1.0)).is_err());
    }

    #[test]
    fn sizes_are_shown_with_the_unit_that_fits() {
        for (bytes, shown) in [(0, "0"), (4094, "4094"), (65_536, "64KiB"), (MIB, "1MiB"), (1_048_577, "1048577")] {
            assert_eq!(render(bytes), shown);
        }
    }
}
