//! When a command can be had, and why it cannot.

use egui::ThemePreference;
use hostler_bus::daemon::{InstanceState, Overview, Reach};

use super::Command;
use crate::model::{Instance, InstanceKey, Machine, World};
use crate::state::{State, Tab};

/// What commands are judged by.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// What is known.
    pub world: &'a World,
    /// What the person chose.
    pub state: &'a State,
    /// The instance that commands are about.
    pub subject: Option<&'a InstanceKey>,
}

impl<'a> Scene<'a> {
    /// Commands about the instance that is shown.
    #[must_use]
    pub fn new(world: &'a World, state: &'a State) -> Self {
        Self { world, state, subject: state.selected.as_ref().filter(|key| world.instance(key).is_some()) }
    }

    /// Commands about a certain instance.
    #[must_use]
    pub fn about(world: &'a World, state: &'a State, subject: &'a InstanceKey) -> Self {
        Self { world, state, subject: Some(subject) }
    }

    /// The daemon that a new instance is made by: the one that is looked at, else the first of this computer that is there.
    #[must_use]
    pub fn maker(&self) -> Option<&'a Reach> {
        let can = |reach: &&Reach| reach.host.is_none() && self.world.machine(reach).is_some_and(Machine::is_ready);
        let near = [self.state.machine.as_ref(), self.subject.map(|key| &key.reach)];
        let all = self.world.machines.iter().map(|machine| &machine.reach);
        near.into_iter().flatten().chain(all).find(can)
    }

    /// The instance that commands are about, as it is known.
    #[must_use]
    pub fn instance(&self) -> Option<&'a Instance> {
        self.world.instance(self.subject?)
    }
}

/// Whether a command can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Available,
    /// It cannot, and why, in a few words.
    Unavailable(String),
}

impl Availability {
    /// Whether it can.
    #[must_use]
    pub fn is_available(&self) -> bool {
        *self == Self::Available
    }

    /// Why it cannot; empty if it can.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Available => "",
            Self::Unavailable(reason) => reason,
        }
    }

    fn when(condition: bool, otherwise: &str) -> Self {
        if condition { Self::Available } else { Self::Unavailable(otherwise.to_owned()) }
    }
}

impl Command {
    /// Whether it can be had.
    #[must_use]
    pub fn availability(self, scene: &Scene<'_>) -> Availability {
        match self {
            Self::Browse | Self::CopyAddress | Self::Favourite | Self::Mark | Self::Show(_) => {
                self.of_what_is_known(scene)
            }
            Self::New | Self::Import => Availability::when(
                scene.maker().is_some(),
                "no daemon of this computer can be reached, and a project is looked for here",
            ),
            Self::NextInstance | Self::PreviousInstance | Self::MarkAll => Availability::when(
                scene.world.machines.iter().any(|machine| !machine.instances.is_empty()),
                "there is no instance",
            ),
            Self::StartMarked | Self::ReloadMarked | Self::RestartMarked | Self::StopMarked | Self::ClearMarks => {
                Availability::when(!scene.state.marked.is_empty(), "no instance is marked")
            }
            Self::RemoveHost => Availability::when(
                scene.state.machine.as_ref().is_some_and(|reach| scene.state.hosts.contains(reach)),
                "choose a host that you added",
            ),
            // These views have a search of their own, which the same keys call.
            Self::Find => Availability::when(
                scene.instance().is_none() || !matches!(scene.state.tab, Tab::Logs | Tab::Settings),
                "the view that is shown has its own search",
            ),
            Self::Start | Self::Wake | Self::Reload | Self::Restart | Self::Sleep | Self::Stop => {
                self.of_actions(scene)
            }
            Self::Rollback | Self::Upgrade | Self::Scale | Self::LogLevel | Self::Cancel => self.of_actions(scene),
            Self::Enable | Self::Disable | Self::Remove => self.of_actions(scene),
            Self::ZoomPlotsIn | Self::ZoomPlotsOut | Self::PlotsEarlier | Self::PlotsLater | Self::PlotsWhole => {
                self.of_plots(scene)
            }
            _ => Availability::Available,
        }
    }

    /// Whether what it switches is on; none where it switches nothing.
    #[must_use]
    pub fn is_on(self, scene: &Scene<'_>) -> Option<bool> {
        let state = scene.state;
        Some(match self {
            Self::Favourite => state.favourites.contains(scene.subject?),
            Self::Mark => state.marked.contains(scene.subject?),
            Self::Show(tab) => scene.subject.is_some() && state.selected.as_ref() == scene.subject && state.tab == tab,
            Self::Sidebar => !state.views.sidebar.hidden,
            Self::SystemTheme => state.theme == ThemePreference::System,
            Self::LightTheme => state.theme == ThemePreference::Light,
            Self::DarkTheme => state.theme == ThemePreference::Dark,
            _ => return None,
        })
    }

    /// What needs an instance, and not that its daemon is there.
    fn of_what_is_known(self, scene: &Scene<'_>) -> Availability {
        let Some(instance) = scene.instance() else { return no_instance() };
        let binds = &instance.overview.binds;
        match self {
            Self::Browse => {
                let host = scene.subject.and_then(|key| key.reach.host.as_deref());
                Availability::when(
                    address(&instance.overview, host).is_some(),
                    "it has no address that a browser on this machine can open",
                )
            }
            Self::CopyAddress => Availability::when(!binds.is_empty(), "nobody knows where it listens"),
            _ => Availability::Available,
        }
    }

    /// What changes the part of the range that the plots show.
    fn of_plots(self, scene: &Scene<'_>) -> Availability {
        let is_shown = scene.subject.is_some() && scene.state.selected.as_ref() == scene.subject;
        if !is_shown || scene.state.tab != Tab::Overview {
            return Availability::Unavailable("no plots are shown; open the overview of an instance".to_owned());
        }
        let needs_part = matches!(self, Self::ZoomPlotsOut | Self::PlotsLater | Self::PlotsWhole);
        let is_zoomed = scene.state.passing.overview.is_zoomed();
        Availability::when(!needs_part || is_zoomed, "the plots show the whole range")
    }

    /// What is done to an instance.
    fn of_actions(self, scene: &Scene<'_>) -> Availability {
        let (Some(key), Some(instance)) = (scene.subject, scene.instance()) else { return no_instance() };
        if !scene.world.machine(&key.reach).is_some_and(|machine| machine.is_ready()) {
            return Availability::Unavailable("its machine cannot be reached".to_owned());
        }
        if self == Self::Cancel {
            return Availability::when(instance.is_busy(), "nothing is being done to it");
        }
        if instance.is_busy() {
            return Availability::Unavailable("something is being done to it; cancel that, or wait".to_owned());
        }
        match self.refusal(&instance.overview) {
            Some(reason) => Availability::Unavailable(reason.to_owned()),
            None => Availability::Available,
        }
    }

    /// Why an action makes no sense for an instance as it is.
    fn refusal(self, overview: &Overview) -> Option<&'static str> {
        use InstanceState as Is;
        let state = overview.state;
        let is_down = matches!(state, Is::Configured | Is::Stopped | Is::Failed);
        let serves = matches!(state, Is::Serving | Is::Broken);
        // An instance that runs and that systemd does not know was started in a terminal.
        let by_hand = !overview.managed && !is_down;
        let is_unmanaged = by_hand.then_some("it was started by hand; stop it where it was started");
        match self {
            Self::Start if state == Is::Asleep => Some("it is asleep; wake it"),
            Self::Start if !is_down => Some("it is running"),
            Self::Wake if state != Is::Asleep => Some("it is not asleep"),
            Self::Stop if matches!(state, Is::Configured | Is::Stopped) => Some("it is not running"),
            Self::Stop if state == Is::Stopping => Some("it is stopping"),
            Self::Restart if is_down => Some("it is not running; start it"),
            Self::Restart if state == Is::Asleep => Some("it is asleep; wake it"),
            Self::Sleep if state == Is::Asleep => Some("it is asleep"),
            Self::Sleep | Self::Scale | Self::Upgrade if !serves => Some("it does not serve"),
            Self::LogLevel if !serves && state != Is::Reloading => Some("it does not serve"),
            Self::Reload if !matches!(state, Is::Serving | Is::Broken | Is::Reloading) => Some("it does not run"),
            Self::Rollback if !serves => Some("it does not run"),
            Self::Rollback if overview.generation < 2 => Some("no generation served before this one"),
            Self::Enable if matches!(overview.enabled.as_str(), "enabled" | "socket") => {
                Some("it starts automatically")
            }
            Self::Disable if overview.enabled == "disabled" => Some("it does not start automatically"),
            Self::Enable | Self::Disable if overview.enabled.is_empty() => Some("there is no systemd to start it"),
            Self::Stop | Self::Restart | Self::Sleep | Self::Remove => is_unmanaged,
            _ => None,
        }
    }
}

/// The address of an instance that a browser on this machine can open; `host` is where it runs, none for this machine.
/// What listens on all addresses is opened at that host.
#[must_use]
pub fn address(overview: &Overview, host: Option<&str>) -> Option<String> {
    let host = host.map(|host| host.rsplit('@').next().unwrap_or(host));
    overview.binds.iter().find_map(|bind| {
        let (scheme, place) = bind.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let is_local = ["127.", "localhost", "[::1]"].iter().any(|local| place.starts_with(local));
        let anywhere = ["0.0.0.0", "[::]", "*"].into_iter().find(|any| place.starts_with(any));
        match (host, anywhere) {
            (Some(_), None) if is_local => None,
            (_, None) => Some(bind.clone()),
            (host, Some(any)) => Some(format!("{scheme}://{}{}", host.unwrap_or("127.0.0.1"), &place[any.len()..])),
        }
    })
}

fn no_instance() -> Availability {
    Availability::Unavailable("choose an instance first".to_owned())
}
