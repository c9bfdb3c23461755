//! Texts that D-Bus carries.

/// Takes out what D-Bus cannot carry: a NUL character, which a traceback can show.
pub(crate) fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}
