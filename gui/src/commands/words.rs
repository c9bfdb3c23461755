//! What each command is called, what it does in one sentence, its icon, and the group it is listed in.
//!
//! Titles are in sentence case everywhere, as all of the window is: a command has one spelling in the menu, in the palette and
//! on its button. A title that opens a dialog ends with an ellipsis.

use super::Command;
use crate::state::Tab;
use crate::theme::icon::Icon;

/// Which commands are listed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// What is done to one instance.
    Instance,
    /// What is shown of it.
    View,
    /// What is done to the marked ones.
    Marked,
    /// The machines.
    Machines,
    /// The window.
    Window,
    /// What explains.
    Help,
}

impl Group {
    /// All, in the order of the menu bar.
    pub const ALL: [Self; 6] = [Self::Instance, Self::View, Self::Marked, Self::Machines, Self::Window, Self::Help];

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Instance => "Instance",
            Self::View => "View",
            Self::Marked => "Marked",
            Self::Machines => "Machines",
            Self::Window => "Window",
            Self::Help => "Help",
        }
    }
}

/// The words of a command.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Its title: a verb with its object, in sentence case.
    pub title: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Its icon.
    pub icon: Icon,
    /// Where it is listed.
    pub group: Group,
}

impl Command {
    /// Its words.
    #[must_use]
    pub fn words(self) -> Words {
        let (group, icon, title, help) = match self {
            Self::Start | Self::Wake | Self::Reload | Self::Restart | Self::Sleep | Self::Stop => self.living(),
            Self::Rollback | Self::Upgrade | Self::Scale | Self::LogLevel | Self::Cancel => self.living(),
            Self::Enable | Self::Disable => self.living(),
            Self::ZoomPlotsIn | Self::ZoomPlotsOut | Self::PlotsEarlier | Self::PlotsLater | Self::PlotsWhole => {
                self.plotting()
            }
            Self::Browse | Self::CopyAddress | Self::Favourite | Self::Mark | Self::Remove => self.having(),
            Self::Show(_) | Self::ShowAll | Self::NextInstance | Self::PreviousInstance => self.showing(),
            Self::StartMarked | Self::ReloadMarked | Self::RestartMarked | Self::StopMarked => self.marked(),
            Self::MarkAll | Self::ClearMarks => self.marked(),
            Self::New => {
                (Group::Instance, Icon::FilePlus, "New instance…", "Choose a project's folder; what it needs is found.")
            }
            Self::Import => {
                (Group::Instance, Icon::Import, "Import…", "Make an instance from what gunicorn or uWSGI was told.")
            }
            Self::AddHost => {
                (Group::Machines, Icon::Plus, "Add host…", "Show the instances of another machine, reached by ssh.")
            }
            Self::RemoveHost => {
                (Group::Machines, Icon::Unplug, "Remove host", "Take a host out of the sidebar. Nothing changes on it.")
            }
            Self::Refresh => (
                Group::Machines,
                Icon::RefreshCw,
                "Refresh",
                "Connect again at once to what cannot be reached, and ask anew for what is shown.",
            ),
            _ => self.window(),
        };
        Words { title, help, icon, group }
    }

    /// What an instance's life is changed by.
    fn living(self) -> (Group, Icon, &'static str, &'static str) {
        let (icon, title, help) = match self {
            Self::Start => (Icon::Play, "Start", "Start its socket and its service."),
            Self::Wake => (Icon::Sunrise, "Wake", "Start its service now instead of with the next request."),
            Self::Reload => (
                Icon::RefreshCw,
                "Reload",
                "Read settings and code anew. The old generation serves until the next one is ready.",
            ),
            Self::Restart => {
                (Icon::RotateCcw, "Restart", "Stop and start its service. Whoever connects meanwhile waits.")
            }
            Self::Sleep => (Icon::Moon, "Sleep", "Stop its service. The next request starts it."),
            Self::Stop => (Icon::Square, "Stop", "Stop its socket and its service, after what it runs."),
            Self::Rollback => (Icon::Undo2, "Roll back", "Bring the generation back that served before."),
            Self::Upgrade => (
                Icon::PackageCheck,
                "Upgrade",
                "Start the program of its server anew, as after an update. No request is lost.",
            ),
            Self::LogLevel => (
                Icon::SlidersHorizontal,
                "Set log level…",
                "Set the least severity that it logs until the next reload.",
            ),
            Self::Scale => (Icon::Scaling, "Set workers…", "Set the number of workers until the next reload."),
            Self::Cancel => (Icon::X, "Cancel", "Cancel what is being done to it, as far as that can be."),
            Self::Enable => (Icon::Power, "Start automatically", "Let it start with the system or the session."),
            _ => (Icon::PowerOff, "Do not start automatically", "Do not let it start by itself. What runs goes on."),
        };
        (Group::Instance, icon, title, help)
    }

    /// What else there is to do about an instance.
    fn having(self) -> (Group, Icon, &'static str, &'static str) {
        let (icon, title, help) = match self {
            Self::Browse => (Icon::ExternalLink, "Open in browser", "Open its address in the browser."),
            Self::CopyAddress => (Icon::Copy, "Copy address", "Copy where it listens."),
            Self::Favourite => (Icon::Star, "Favourite", "Keep it at the top of the list, or no longer."),
            Self::Mark => (Icon::SquareCheck, "Mark", "Mark it for an action on several, or unmark it."),
            _ => (Icon::Trash2, "Remove…", "Stop it and take away what was written for it. Asks for its name."),
        };
        (Group::Instance, icon, title, help)
    }

    /// What is on screen.
    fn showing(self) -> (Group, Icon, &'static str, &'static str) {
        let (icon, title, help) = match self {
            Self::Show(Tab::Overview) => (Icon::LayoutDashboard, "Overview", "Plots, and what happened lately."),
            Self::Show(Tab::Workers) => (Icon::Cpu, "Workers", "Its workers, and what each of them runs."),
            Self::Show(Tab::Requests) => (Icon::Activity, "Requests", "The requests that are in it."),
            Self::Show(Tab::Logs) => (Icon::ScrollText, "Logs", "What it logs, as it comes."),
            Self::Show(Tab::Settings) => (Icon::Settings2, "Settings", "What it is told to do."),
            Self::Show(Tab::Units) => (Icon::Layers, "Units", "Its socket, its service, and what they may."),
            Self::Show(Tab::History) => (Icon::History, "History", "What was changed, and when."),
            Self::ShowAll => (Icon::ListTree, "All instances", "Show all instances in a table."),
            Self::NextInstance => (Icon::ArrowDown, "Next instance", "Show the next instance of the sidebar."),
            _ => (Icon::ArrowUp, "Previous instance", "Show the instance above in the sidebar."),
        };
        (Group::View, icon, title, help)
    }

    /// Which part of the range the plots show.
    fn plotting(self) -> (Group, Icon, &'static str, &'static str) {
        let (icon, title, help) = match self {
            Self::ZoomPlotsIn => (Icon::ZoomIn, "Plots: look closer", "Show half of the time, around the kept moment."),
            Self::ZoomPlotsOut => (Icon::ZoomOut, "Plots: more time", "Show twice the time, up to the chosen range."),
            Self::PlotsEarlier => (Icon::ChevronLeft, "Plots: earlier", "Show what was before what the plots show."),
            Self::PlotsLater => (Icon::ChevronRight, "Plots: later", "Show what came after what the plots show."),
            _ => (Icon::Maximize2, "Plots: whole range", "Show the whole range up to now again."),
        };
        (Group::View, icon, title, help)
    }

    /// What is done to several.
    fn marked(self) -> (Group, Icon, &'static str, &'static str) {
        let (icon, title, help) = match self {
            Self::StartMarked => (Icon::Play, "Start marked", "Start all marked instances."),
            Self::ReloadMarked => (Icon::RefreshCw, "Reload marked", "Reload all marked instances."),
            Self::RestartMarked => (Icon::RotateCcw, "Restart marked…", "Restart all marked instances."),
            Self::StopMarked => (Icon::Square, "Stop marked…", "Stop all marked instances."),
            Self::MarkAll => (Icon::SquareCheck, "Mark all", "Mark all instances that are listed."),
            _ => (Icon::X, "Clear marks", "Unmark all instances."),
        };
        (Group::Marked, icon, title, help)
    }

    /// The window and what explains it.
    fn window(self) -> (Group, Icon, &'static str, &'static str) {
        match self {
            Self::Find => (Group::Window, Icon::Search, "Find", "Search the instances of the sidebar."),
            Self::Sidebar => (Group::Window, Icon::ListTree, "Sidebar", "Show or hide the sidebar."),
            Self::NextPane => (Group::Window, Icon::ChevronRight, "Next pane", "Go to the next part of the window."),
            Self::PreviousPane => {
                (Group::Window, Icon::ChevronUp, "Previous pane", "Go to the part of the window before.")
            }
            Self::SystemTheme => (Group::Window, Icon::Monitor, "System theme", "Follow the desktop, light or dark."),
            Self::LightTheme => (Group::Window, Icon::Sun, "Light theme", "Show everything in light colours."),
            Self::DarkTheme => (Group::Window, Icon::Moon, "Dark theme", "Show everything in dark colours."),
            Self::ZoomIn => (Group::Window, Icon::ZoomIn, "Zoom in", "Show everything larger."),
            Self::ZoomOut => (Group::Window, Icon::ZoomOut, "Zoom out", "Show everything smaller."),
            Self::ZoomReset => (Group::Window, Icon::Search, "Normal size", "Show everything in its own size."),
            Self::Palette => (Group::Help, Icon::Command, "Command palette", "Search for what can be done."),
            Self::Notices => (Group::Help, Icon::Bell, "Notices", "Show what was told lately."),
            Self::Shortcuts => (Group::Help, Icon::Keyboard, "Keyboard shortcuts", "Show which keys do what."),
            _ => (Group::Window, Icon::LogOut, "Quit", "Close the window. The instances go on."),
        }
    }
}
