//! How many workers: a number, as many as the machine has cores, or anything between two bounds.

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// The most workers that may be set.
pub(crate) const MOST: u64 = 512;

/// How many workers there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// As many as the process may use cores.
    Auto,
    /// This many.
    Count(u32),
    /// As many as the load asks for.
    Between {
        /// Never fewer; 0 lets all go while nobody asks anything.
        min: u32,
        /// Never more; at least 1, and not below `min`.
        max: u32,
    },
}

impl Workers {
    /// The least and the greatest number, where the process may use `cores` cores. The greatest is never 0.
    #[must_use]
    pub fn bounds(self, cores: usize) -> (usize, usize) {
        match self {
            Self::Auto => (cores.max(1), cores.max(1)),
            Self::Count(count) => ((count as usize).max(1), (count as usize).max(1)),
            Self::Between { min, max } => (min as usize, (max as usize).max(1)),
        }
    }
}

/// Why a text is no pair of bounds.
enum NoBounds {
    /// It does not look like one.
    Shape,
    /// It does, and is wrong all the same; the rest of a sentence.
    Mistake(String),
}

/// `1..8`, or `min=1,max=8` in any order.
fn bounds(text: &str) -> Result<Workers, NoBounds> {
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| NoBounds::Shape);
    if let Some((min, max)) = text.split_once("..") {
        return between(number(min)?, number(max)?);
    }
    let (mut min, mut max) = (None, None);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or(NoBounds::Shape)?;
        let place = match key.trim() {
            "min" => &mut min,
            "max" => &mut max,
            _ => return Err(NoBounds::Shape),
        };
        if place.replace(number(value)?).is_some() {
            return Err(NoBounds::Mistake(format!("has {} twice", key.trim())));
        }
    }
    both(min, max)
}

fn table(entries: &[(String, Input)]) -> Result<Workers, NoBounds> {
    let (mut min, mut max) = (None, None);
    for (key, value) in entries {
        let place = match key.as_str() {
            "min" => &mut min,
            "max" => &mut max,
            _ => return Err(NoBounds::Mistake(format!("has the unknown key `{key}`: it takes min and max"))),
        };
        let Input::Integer { value, .. } = value else {
            return Err(NoBounds::Mistake(format!("wants a whole number for {key}, found {}", value.describe())));
        };
        *place = Some(*value);
    }
    both(min, max)
}

fn both(min: Option<i64>, max: Option<i64>) -> Result<Workers, NoBounds> {
    match (min, max) {
        (Some(min), Some(max)) => between(min, max),
        (min, _) => {
            let missing = if min.is_none() { "min" } else { "max" };
            Err(NoBounds::Mistake(format!("has no {missing}: write both, as {{ min = 1, max = 8 }}")))
        }
    }
}

fn between(min: i64, max: i64) -> Result<Workers, NoBounds> {
    let mistake = |message| Err(NoBounds::Mistake(message));
    let Some(most) = u32::try_from(max).ok().filter(|most| (1..=MOST).contains(&u64::from(*most))) else {
        return mistake(format!("wants a max between 1 and {MOST}, found {max}"));
    };
    match u32::try_from(min) {
        Ok(min) if min <= most => Ok(Workers::Between { min, max: most }),
        Ok(_) => mistake(format!("has a min of {min}, which is above its max of {max}")),
        Err(_) => mistake(format!("wants a min between 0 and {most}, found {min}")),
    }
}

impl Value for Workers {
    const KIND: Kind = Kind::Workers;

    fn from_input(input: &Input) -> Result<Self, String> {
        let read = match input {
            Input::Word(text) | Input::Text(text) if text == "auto" => return Ok(Self::Auto),
            Input::Word(word) if word.trim().parse::<i64>().is_ok() => {
                return u32::from_input(input).map(Self::Count);
            }
            Input::Integer { .. } => return u32::from_input(input).map(Self::Count),
            Input::Word(text) | Input::Text(text) => bounds(text),
            Input::Table(entries) => table(entries),
            _ => Err(NoBounds::Shape),
        };
        read.map_err(|error| match error {
            NoBounds::Shape => wrong(&Self::KIND, input),
            NoBounds::Mistake(message) => message,
        })
    }

    /// Of two bounds the greater: it is what memory is set aside for.
    fn measure(&self) -> Option<u64> {
        match self {
            Self::Auto => None,
            Self::Count(count) => Some(u64::from(*count)),
            Self::Between { max, .. } => Some(u64::from(*max)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Between { min, max } => format!("{{ min = {min}, max = {max} }}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Reading;

    fn word(text: &str) -> Result<Workers, String> {
        Workers::from_input(&Input::Word(text.to_owned()))
    }

    fn file(text: &str) -> Result<Workers, String> {
        let mut reading = Reading::new();
        reading.file(Path::new("x"), text);
        reading.finish().map(|settings| settings.pool.workers).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn bounds_are_written_in_a_file_and_on_the_command_line() {
        let both = Ok(Workers::Between { min: 0, max: 8 });
        for text in ["0..8", "min=0,max=8", "max=8, min=0", " 0 .. 8 "] {
            assert_eq!(word(text), both, "{text}");
        }
        for text in ["workers = { min = 0, max = 8 }", "workers = \"0..8\""] {
            assert_eq!(file(text), both, "{text}");
        }
        assert_eq!(word("4"), Ok(Workers::Count(4)));
        assert_eq!(file("workers = \"auto\""), Ok(Workers::Auto));
        let shown = Workers::Between { min: 1, max: 3 }.render().unwrap();
        assert_eq!(file(&format!("workers = {shown}")), Ok(Workers::Between { min: 1, max: 3 }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wanted = "wants a whole number, \"auto\", or bounds as { min = 1, max = 8 } or \"1..8\"";
        for text in ["many", "1..", "..8", "1...8", "1..auto", "least=1,max=8", "1,8"] {
            assert_eq!(word(text), Err(format!("{wanted}, found `{text}`")));
        }
        assert_eq!(word("8..1"), Err("has a min of 8, which is above its max of 1".to_owned()));
        assert_eq!(word("min=1"), Err("has no max: write both, as { min = 1, max = 8 }".to_owned()));
        assert_eq!(word("min=1,min=2,max=3"), Err("has min twice".to_owned()));
        let told = |text: &str| file(text).unwrap_err();
        assert_eq!(
            told("workers = { min = 1, most = 8 }"),
            "x:1: `workers` has the unknown key `most`: it takes min and max"
        );
        assert_eq!(
            told("workers = { min = \"1\", max = 8 }"),
            "x:1: `workers` wants a whole number for min, found the text \"1\""
        );
        assert_eq!(told("workers = { min = 0, max = 0 }"), "x:1: `workers` wants a max between 1 and 512, found 0");
        assert_eq!(told("workers = { min = -1, max = 8 }"), "x:1: `workers` wants a min between 0 and 8, found -1");
        assert_eq!(told("workers = { min = 1, max = 513 }"), "x:1: `workers` wants a max between 1 and 512, found 513");
        assert_eq!(told("workers = 0"), "x:1: `workers` wants between 1 and 512, found the number 0");
    }

    #[test]
    fn who_may_not_sleep_has_no_idle_timeout() {
        let told = file("workers = { min = 2, max = 8 }\nidle_timeout = \"5m\"").unwrap_err();
        let expected =
            "x:2: `idle_timeout` lets all workers go, and workers has a min of 2: only with a min of 0 all may go";
        assert_eq!(told, expected);
        for text in [
            "workers = { min = 0, max = 8 }\nidle_timeout = 5",
            "workers = 2\nidle_timeout = 5",
            "workers = \"2..8\"\nidle_timeout = 0",
        ] {
            assert!(file(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn there_is_always_room_for_one() {
        assert_eq!(Workers::Auto.bounds(6), (6, 6));
        assert_eq!(Workers::Auto.bounds(0), (1, 1));
        assert_eq!(Workers::Between { min: 0, max: 8 }.bounds(6), (0, 8));
    }
}
