//! Hostler Manager: what an administrator keeps open all day. It talks to `hostlerd` over D-Bus and to nothing else,
//! shows what it was told, and never waits while it draws.
//!
//! ```text
//!   application  one window for one person: the name on the session bus, links
//!   bus     a thread with connections to the daemons: takes orders, tells events
//!   model   what is known: changed by events alone, without a window
//!   state   what the person chose: selection, filters, drafts, theme; kept between runs in part
//!   draft   changes of settings that are being made, without a window
//!   commands  the one list of what can be done, for menus, shortcuts and the palette
//!   views   draw model and state, and answer with orders; widgets are what several of them use
//!   theme   the tokens: colours, sizes, fonts, icons
//!   secrets   what texts of settings do not show before one asks
//!   screen_reader   egui's accessible tree on the accessibility bus
//! ```

pub mod app;
pub mod application;
pub mod arguments;
pub mod bus;
pub mod commands;
pub mod draft;
pub mod model;
pub mod screen_reader;
pub mod secrets;
pub mod state;
pub mod theme;
pub mod views;
pub mod widgets;
