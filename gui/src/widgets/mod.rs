//! What several views are made of.

pub mod badge;
pub mod button;
pub mod card;
pub mod command_line;
pub mod diff;
pub mod empty;
pub mod facts;
pub mod figures;
pub mod markdown;
pub mod sparkline;
pub mod switch;
pub mod table;
pub mod text;
pub mod traceback;
