//! What several views are made of.

pub mod badge;
pub mod button;
pub mod card;
pub mod empty;
pub mod figures;
pub mod sparkline;
pub mod text;
