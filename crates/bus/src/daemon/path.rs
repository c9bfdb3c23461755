//! Object paths and what they name.

use std::fmt::Write;

use zbus::zvariant::{ObjectPath, OwnedObjectPath};

use super::PATH;

/// The object of the instance called `name`. Bytes other than ASCII letters and digits are written as `_` and two
/// hexadecimal digits, and so is a digit at the front, as sd_bus_path_encode(3) does it; so each name has one path.
#[must_use]
pub fn instance_path(name: &str) -> OwnedObjectPath {
    let mut path = format!("{PATH}/instances/");
    if name.is_empty() {
        path.push('_');
    }
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    ObjectPath::from_string_unchecked(path).into()
}

/// The name of the instance whose object that is; `None` for other objects.
#[must_use]
pub fn name_of(path: &str) -> Option<String> {
    let element = path.strip_prefix(PATH)?.strip_prefix("/instances/")?;
    let mut name = Vec::new();
    let mut rest = element.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'_', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = tail;
            }
            (b'_', _) => return element.eq("_").then(String::new),
            (byte, _) => name.push(*byte),
        }
    }
    String::from_utf8(name).ok()
}

/// The object of a job.
#[must_use]
pub fn job_path(number: u64) -> OwnedObjectPath {
    ObjectPath::from_string_unchecked(format!("{PATH}/jobs/{number}")).into()
}
