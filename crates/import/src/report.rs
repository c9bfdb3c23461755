//! What is told of an import: what is to be looked at, what is lost and what to do about it, what is not missed.

use super::gathered::{Loss, Told};

/// The kinds, in the order in which they are told.
const HEADINGS: [(Loss, &str); 4] = [
    (Loss::Look, "carried over, to be looked at:"),
    (Loss::Lost, "not carried over:"),
    (Loss::Unknown, "not carried over, as Hostler does not know it:"),
    (Loss::Needless, "not needed:"),
];

/// The lines for people; none where all was carried over.
pub fn lines(told: &[Told]) -> Vec<String> {
    let mut lines = Vec::new();
    for (loss, heading) in HEADINGS {
        let mut of: Vec<&Told> = told.iter().filter(|told| told.loss == loss).collect();
        if of.is_empty() {
            continue;
        }
        of.dedup();
        lines.push(heading.to_owned());
        lines.extend(of.into_iter().map(|told| format!("  {} ({}): {}", told.what, told.place, told.why)));
    }
    lines
}
