//! What several views are made of.

pub mod age;
pub mod badge;
pub mod button;
pub mod card;
pub mod chooser;
pub mod command_line;
pub mod copy;
pub mod diff;
pub mod empty;
pub mod facts;
pub mod figures;
pub mod glyph;
pub mod happening;
pub mod loaded;
pub mod markdown;
pub mod page;
pub mod reveal;
pub mod segments;
pub mod sparkline;
pub mod spinner;
pub mod switch;
pub mod table;
pub mod text;
pub mod tick;
pub mod traceback;
