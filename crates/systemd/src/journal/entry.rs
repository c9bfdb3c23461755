//! One entry of the journal, in the form that is sent.

/// How serious an entry is: the levels of syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// The system is unusable.
    Emergency = 0,
    /// Somebody must act at once.
    Alert = 1,
    /// Python's `CRITICAL`.
    Critical = 2,
    /// Python's `ERROR`.
    Error = 3,
    /// Python's `WARNING`.
    Warning = 4,
    /// Normal but of significance.
    Notice = 5,
    /// Python's `INFO`.
    Info = 6,
    /// Python's `DEBUG`.
    Debug = 7,
}

/// An entry for [`Journal::send`](super::Journal::send).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    bytes: Vec<u8>,
}

/// The journal ignores fields with longer names.
const NAME_LIMIT: usize = 64;

impl Priority {
    /// The priority of a numeric level of Python's `logging`: 50 and above are critical, 40 error, 30 warning, 20 info. A level
    /// between two of them is the lesser one, as `logging` itself treats it.
    pub fn of_python_level(level: i64) -> Self {
        match level {
            50.. => Priority::Critical,
            40.. => Priority::Error,
            30.. => Priority::Warning,
            20.. => Priority::Info,
            _ => Priority::Debug,
        }
    }
}

impl Entry {
    /// An entry with `MESSAGE` and `PRIORITY`.
    pub fn new(priority: Priority, message: &str) -> Self {
        let mut entry = Self { bytes: Vec::with_capacity(message.len() + 256) };
        entry.add("MESSAGE", message);
        entry.add("PRIORITY", &(priority as u8).to_string());
        entry
    }

    /// Adds a field. The journal knows upper-case letters, digits and underscores in a name, of at most 64 bytes: lower case is
    /// raised, a dot or a dash becomes an underscore, and a field whose name cannot be made one is left out, as are those that
    /// begin with an underscore, which only the journal itself may set. A field may stand several times.
    pub fn field(&mut self, name: &str, value: &str) -> &mut Self {
        if let Some(name) = field_name(name) {
            self.add(&name, value);
        }
        self
    }

    /// As it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn add(&mut self, name: &str, value: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.bytes.push(b'\n');
            self.bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(b'\n');
    }
}

fn field_name(name: &str) -> Option<String> {
    let raised: String = name
        .chars()
        .map(|character| if matches!(character, '.' | '-') { '_' } else { character.to_ascii_uppercase() })
        .collect();
    let plain = raised.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    let begins = raised.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    (plain && begins && raised.len() <= NAME_LIMIT).then_some(raised)
}
