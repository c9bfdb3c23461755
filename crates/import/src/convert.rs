//! Conversions of values, by the name of what comes out.

use toml_edit::{Array, Value};

use super::rule::Given;

pub(crate) fn text(given: &Given) -> Result<Value, String> {
    given.text().map(Value::from)
}

pub(crate) fn count(given: &Given) -> Result<Value, String> {
    whole(given).map(Value::from)
}

/// Seconds, with or without a fraction.
pub(crate) fn seconds(given: &Given) -> Result<Value, String> {
    let number = given.number()?;
    Ok(if number.fract() == 0.0 { Value::from(number as i64) } else { Value::from(number) })
}

pub(crate) fn mebibytes(given: &Given) -> Result<Value, String> {
    Ok(Value::from(format!("{}MiB", whole(given)?)))
}

pub(crate) fn truth(given: &Given) -> Result<Value, String> {
    given.truth().map(Value::from)
}

/// The items of a list, or of a text with commas.
pub(crate) fn list(given: &Given) -> Result<Value, String> {
    Ok(Value::from(given.items().into_iter().collect::<Array>()))
}

/// Items that may have commas in them.
pub(crate) fn whole_items(given: &Given) -> Result<Value, String> {
    match given {
        Given::List(items) => Ok(Value::from(items.iter().collect::<Array>())),
        other => Ok(Value::from([other.text()?].into_iter().collect::<Array>())),
    }
}

/// Permission bits: a number as it is, a text in octal, as shells write them.
pub(crate) fn mode(given: &Given) -> Result<Value, String> {
    let text = match given {
        Given::Number(_) => return Ok(Value::from(format!("{:03o}", whole(given)?))),
        other => other.text()?,
    };
    let digits = text.trim_start_matches("0o");
    i64::from_str_radix(digits, 8).map_err(|_| format!("`{text}` is not a mode in octal"))?;
    Ok(Value::from(format!("{digits:0>3}")))
}

/// A log level of Python's: those that Hostler does not tell apart become the nearest.
pub(crate) fn level(given: &Given) -> Result<Value, String> {
    let word = given.text()?.to_ascii_lowercase();
    let level = match word.as_str() {
        "critical" | "fatal" => "error",
        "warn" => "warning",
        "trace" => "debug",
        known => known,
    };
    Ok(Value::from(level))
}

/// uWSGI has no unset mount point but `/`, gunicorn and uvicorn an empty one.
pub(crate) fn mount(given: &Given) -> Result<Value, String> {
    let text = given.text()?;
    Ok(Value::from(format!("/{}", text.trim_matches('/'))))
}

fn whole(given: &Given) -> Result<i64, String> {
    let number = given.number()?;
    if number.fract() == 0.0 { Ok(number as i64) } else { Err(format!("{number} is not a whole number")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Result<Value, String>) -> String {
        value.map_or_else(|error| error, |value| value.to_string())
    }

    #[test]
    fn values_are_converted() {
        let text_of = |text: &str| Given::Text(text.to_owned());
        assert_eq!(shown(count(&text_of("4"))), "4");
        assert_eq!(shown(count(&Given::Number(4.0))), "4");
        assert_eq!(shown(count(&Given::Number(4.5))), "4.5 is not a whole number");
        assert_eq!(shown(count(&text_of("%k"))), "`%k` is not a number");
        assert_eq!(shown(seconds(&text_of("0.5"))), "0.5");
        assert_eq!(shown(seconds(&text_of("30"))), "30");
        assert_eq!(shown(mebibytes(&text_of("256"))), "\"256MiB\"");
        assert_eq!(shown(list(&text_of("a, b"))), "[\"a\", \"b\"]");
        assert_eq!(shown(whole_items(&text_of("A=b,c"))), "[\"A=b,c\"]");
        assert_eq!(shown(mode(&Given::Number(18.0))), "\"022\"");
        assert_eq!(shown(mode(&text_of("7"))), "\"007\"");
        assert_eq!(shown(mode(&text_of("9"))), "`9` is not a mode in octal");
        assert_eq!(shown(level(&text_of("CRITICAL"))), "\"error\"");
        assert_eq!(shown(mount(&text_of("shop/"))), "\"/shop\"");
        assert_eq!(shown(truth(&text_of("on"))), "true");
        assert_eq!(shown(truth(&text_of("x"))), "`x` is neither true nor false");
    }
}
