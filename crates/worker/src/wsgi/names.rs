//! Names of headers to keys of `environ`: each spelling is converted once and remembered.

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;

use crate::text::latin1;

/// How many spellings, and how many keys, are remembered: what clients can make a worker keep is bounded.
const REMEMBERED: usize = 1024;

/// Which headers one request had already.
#[derive(Default)]
pub(crate) struct Seen {
    bits: [u64; REMEMBERED / 64],
}

/// A key of `environ`.
pub(crate) struct Key {
    pub(crate) name: Py<PyString>,
    /// What joins repeated headers: RFC 9110 section 5.3, and for Cookie RFC 9113 section 8.2.3.
    pub(crate) joint: &'static str,
    /// Its place among the remembered, for [`Seen`].
    place: Option<usize>,
}

/// The keys that are known.
pub(crate) struct Names {
    spellings: FxHashMap<Box<[u8]>, usize>,
    keys: Vec<Key>,
    /// The key made last that is not remembered.
    passing: Option<Key>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { spellings: FxHashMap::default(), keys: Vec::new(), passing: None }
    }

    /// The key for a header's name as it was sent.
    pub(crate) fn key(&mut self, py: Python<'_>, name: &[u8]) -> PyResult<&Key> {
        if let Some(&place) = self.spellings.get(name) {
            return Ok(&self.keys[place]);
        }
        let text = environ_key(name);
        if self.spellings.len() >= REMEMBERED {
            let name = latin1(py, &text)?.unbind();
            return Ok(self.passing.insert(Key { name, joint: joint(&text), place: None }));
        }
        let interned = PyString::intern(py, &String::from_utf8_lossy(&text));
        let known = self.keys.iter().position(|key| key.name.is(&interned));
        let place = known.unwrap_or(self.keys.len());
        if known.is_none() {
            self.keys.push(Key { name: interned.unbind(), joint: joint(&text), place: Some(place) });
        }
        self.spellings.insert(name.into(), place);
        Ok(&self.keys[place])
    }
}

impl Seen {
    /// Marks a key; `None` when it is not remembered and only `environ` itself can tell, else whether it was marked before.
    pub(crate) fn mark(&mut self, key: &Key) -> Option<bool> {
        let place = key.place?;
        let (word, bit) = (place / 64, 1 << (place % 64));
        let before = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        Some(before)
    }
}

/// `HTTP_` and the name in upper case with underscores; the two names that CGI knows go without (RFC 3875 section 4.1).
fn environ_key(name: &[u8]) -> Vec<u8> {
    let upper: Vec<u8> = name.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }).collect();
    match upper.as_slice() {
        b"CONTENT_TYPE" | b"CONTENT_LENGTH" => upper,
        _ => [b"HTTP_", upper.as_slice()].concat(),
    }
}

fn joint(key: &[u8]) -> &'static str {
    if key == b"HTTP_COOKIE" { "; " } else { "," }
}
