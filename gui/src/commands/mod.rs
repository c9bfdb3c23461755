//! The one list of what can be done: the menu bar, context menus, buttons, shortcuts and the palette are made from it, and
//! one place carries a command out ([`run`](fn@run)).
//!
//! A command is about a *subject*: the instance that a context menu was opened on, else the one that is shown. What it
//! is called and looks like is in `words`, which keys it has in `shortcuts`, when it can be had in `availability`, what
//! one would type in a terminal for it in `equivalent`.

mod availability;
mod equivalent;
mod run;
mod shortcuts;
mod words;

pub use availability::{Availability, Scene, address};
pub use equivalent::scope;
pub use run::{able_and_not, act_on_marked, add_host, go_to, remove_host, run};
pub use shortcuts::{shown_shortcut, take};
pub use words::{Group, Words};

use crate::state::Tab;

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Make a new instance from a folder.
    New,
    /// Make one from what another server was told.
    Import,
    /// Start the instance.
    Start,
    /// Wake the instance, which sleeps.
    Wake,
    /// Make its next generation.
    Reload,
    /// Stop and start its service.
    Restart,
    /// Let it sleep until the next request.
    Sleep,
    /// Stop it.
    Stop,
    /// Bring its previous generation back.
    Rollback,
    /// Start the program of its server anew.
    Upgrade,
    /// Set the number of its workers.
    Scale,
    /// Set the least severity that it logs.
    LogLevel,
    /// Cancel what is being done to it.
    Cancel,
    /// Let it start by itself.
    Enable,
    /// Do not let it start by itself.
    Disable,
    /// Open its address in the browser.
    Browse,
    /// Copy its address.
    CopyAddress,
    /// Put it at the top of the list, or back.
    Favourite,
    /// Mark it for an action on several, or unmark it.
    Mark,
    /// Take it away.
    Remove,
    /// Show one view of it.
    Show(Tab),
    /// Show all instances.
    ShowAll,
    /// Show the next instance of the sidebar.
    NextInstance,
    /// Show the one before.
    PreviousInstance,
    /// Show half of the time of the plots.
    ZoomPlotsIn,
    /// Show twice the time.
    ZoomPlotsOut,
    /// Show what was before.
    PlotsEarlier,
    /// Show what came after.
    PlotsLater,
    /// Show the whole range of the plots.
    PlotsWhole,
    /// Start the marked instances.
    StartMarked,
    /// Reload them.
    ReloadMarked,
    /// Restart them.
    RestartMarked,
    /// Stop them.
    StopMarked,
    /// Mark all that are listed.
    MarkAll,
    /// Unmark all.
    ClearMarks,
    /// Add another machine.
    AddHost,
    /// Take a machine that was added out again.
    RemoveHost,
    /// Connect again to what cannot be reached, and ask anew for what is shown.
    Refresh,
    /// Search the instances.
    Find,
    /// Show or hide the sidebar.
    Sidebar,
    /// Go to the next part of the window.
    NextPane,
    /// Go to the part before.
    PreviousPane,
    /// Look as the desktop does.
    SystemTheme,
    /// Be light.
    LightTheme,
    /// Be dark.
    DarkTheme,
    /// Show everything larger.
    ZoomIn,
    /// Show everything smaller.
    ZoomOut,
    /// Show everything in its own size.
    ZoomReset,
    /// Open the palette.
    Palette,
    /// Show what was told lately.
    Notices,
    /// Show the shortcuts.
    Shortcuts,
    /// Close the window.
    Quit,
}

impl Command {
    /// All, in the order of menus.
    pub const ALL: [Self; 58] = [
        Self::New,
        Self::Import,
        Self::Start,
        Self::Wake,
        Self::Reload,
        Self::Restart,
        Self::Sleep,
        Self::Stop,
        Self::Rollback,
        Self::Upgrade,
        Self::Scale,
        Self::LogLevel,
        Self::Cancel,
        Self::Enable,
        Self::Disable,
        Self::Browse,
        Self::CopyAddress,
        Self::Favourite,
        Self::Mark,
        Self::Remove,
        Self::Show(Tab::Overview),
        Self::Show(Tab::Workers),
        Self::Show(Tab::Requests),
        Self::Show(Tab::Logs),
        Self::Show(Tab::Settings),
        Self::Show(Tab::Units),
        Self::Show(Tab::History),
        Self::ShowAll,
        Self::NextInstance,
        Self::PreviousInstance,
        Self::ZoomPlotsIn,
        Self::ZoomPlotsOut,
        Self::PlotsEarlier,
        Self::PlotsLater,
        Self::PlotsWhole,
        Self::StartMarked,
        Self::ReloadMarked,
        Self::RestartMarked,
        Self::StopMarked,
        Self::MarkAll,
        Self::ClearMarks,
        Self::AddHost,
        Self::RemoveHost,
        Self::Refresh,
        Self::Find,
        Self::Sidebar,
        Self::NextPane,
        Self::PreviousPane,
        Self::SystemTheme,
        Self::LightTheme,
        Self::DarkTheme,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::ZoomReset,
        Self::Palette,
        Self::Notices,
        Self::Shortcuts,
        Self::Quit,
    ];
}

#[cfg(test)]
mod tests;
