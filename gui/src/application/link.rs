//! Links to an instance and its views: `hostler://app/NAME/logs`, or the bare name.

use std::fmt;
use std::str::FromStr;

use crate::model::{InstanceKey, World};
use crate::state::Tab;

const SCHEME: &str = "hostler://";
/// What comes where other links have a host: links to something else than an instance may come later.
const KIND: &str = "app";

/// What a link names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The instance.
    pub name: String,
    /// The view of it; the one that was last shown without it.
    pub tab: Option<Tab>,
}

/// Why something is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is none of ours.
    #[error("{0:?} is no link to an instance: they are written hostler://app/NAME or hostler://app/NAME/VIEW")]
    Foreign(String),
    /// An instance cannot be called so.
    #[error("{0:?} cannot be the name of an instance: it has other signs than letters, digits and _ . - :")]
    Name(String),
    /// There is no such view.
    #[error("there is no view {0:?}: there are {views}", views = views())]
    View(String),
}

/// The views, as links name them.
fn views() -> String {
    Tab::ALL.map(|tab| tab.title().to_lowercase()).join(", ")
}

impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{KIND}/{}", self.name)?;
        match self.tab {
            Some(tab) => write!(out, "/{}", tab.title().to_lowercase()),
            None => Ok(()),
        }
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let foreign = || LinkError::Foreign(text.to_owned());
        let (name, view) = match text.strip_prefix(SCHEME) {
            Some(rest) => {
                let (kind, path) = rest.split_once('/').ok_or_else(foreign)?;
                if kind != KIND {
                    return Err(foreign());
                }
                let path = path.strip_suffix('/').unwrap_or(path);
                path.split_once('/').map_or((path, None), |(name, view)| (name, Some(view)))
            }
            None if text.contains('/') => return Err(foreign()),
            None => (text, None),
        };
        // As hostlerd takes them: systemd.unit(5), without what has to be escaped.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':');
        if name.is_empty() || name.len() > 200 || name.starts_with(['.', '-']) || !name.bytes().all(fits) {
            return Err(LinkError::Name(name.chars().take(200).collect()));
        }
        let tab = match view {
            None => None,
            Some(view) => {
                let of_name = |tab: &Tab| tab.title().eq_ignore_ascii_case(view);
                Some(Tab::ALL.into_iter().find(of_name).ok_or_else(|| LinkError::View(view.to_owned()))?)
            }
        };
        Ok(Self { name: name.to_owned(), tab })
    }
}

/// What came of looking for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It is this one.
    Found(InstanceKey),
    /// A machine that could have it has not said yet.
    NotYet,
    /// No machine has it that says what it has.
    Nowhere,
}

impl Link {
    /// Looks for the instance on the machines in the order of the sidebar: the first that has it is meant.
    #[must_use]
    pub fn resolve(&self, world: &World) -> Resolved {
        for machine in &world.machines {
            if machine.instances.contains_key(&self.name) {
                return Resolved::Found(InstanceKey { reach: machine.reach.clone(), name: self.name.clone() });
            }
            if !machine.listed && machine.absence().is_none() {
                return Resolved::NotYet;
            }
        }
        Resolved::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use hostler_bus::daemon::{Overview, Reach};

    use super::*;
    use crate::bus::Link as Connection;
    use crate::bus::{Absence, Event};

    #[test]
    fn names_and_links_are_read() {
        let link = |name: &str, tab| Ok(Link { name: name.to_owned(), tab });
        for (text, expected) in [
            ("shop", link("shop", None)),
            ("my-shop:2_a.b", link("my-shop:2_a.b", None)),
            ("hostler://app/shop", link("shop", None)),
            ("hostler://app/shop/", link("shop", None)),
            ("hostler://app/shop/logs", link("shop", Some(Tab::Logs))),
            ("hostler://app/shop/Settings/", link("shop", Some(Tab::Settings))),
        ] {
            assert_eq!(text.parse::<Link>(), expected, "{text}");
            assert_eq!(expected.map(|link| link.to_string().parse::<Link>()), Ok(text.parse()), "{text}");
        }
    }

    #[test]
    fn what_is_no_link_is_told_why() {
        for (text, word) in [
            ("https://example.org/", "is no link to an instance"),
            ("hostler:shop/x", "is no link to an instance"),
            ("hostler://shop", "is no link to an instance"),
            ("hostler://host/shop", "is no link to an instance"),
            ("/etc/hostler/shop.toml", "is no link to an instance"),
            ("", "cannot be the name"),
            ("--help", "cannot be the name"),
            ("hostler://app/", "cannot be the name"),
            ("hostler://app/a%20b", "cannot be the name"),
            ("hostler://app/shop/log", "overview, workers, requests, logs, settings, units, history"),
            ("hostler://app/shop/logs/x", "there is no view \"logs/x\""),
        ] {
            let error = text.parse::<Link>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn the_first_machine_that_has_it_is_waited_for_and_meant() {
        let link = Link { name: "shop".to_owned(), tab: None };
        let reach = |user| Reach { user, host: None };
        let shop = || Overview { name: "shop".to_owned(), ..Overview::default() };
        let mut world = World::default();
        world.add_machine(reach(true));
        world.add_machine(reach(false));
        world.take(Event::Listed(reach(false), vec![shop()]), 1);
        assert_eq!(link.resolve(&world), Resolved::NotYet, "the first has not said");
        world.take(Event::Listed(reach(true), Vec::new()), 1);
        let found = |user| Resolved::Found(InstanceKey { reach: reach(user), name: "shop".to_owned() });
        assert_eq!(link.resolve(&world), found(false));
        world.take(Event::Changed(reach(true), shop()), 1);
        assert_eq!(link.resolve(&world), found(true));
        world.take(Event::Gone(reach(true), "shop".to_owned()), 1);
        world.take(Event::Gone(reach(false), "shop".to_owned()), 1);
        assert_eq!(link.resolve(&world), Resolved::Nowhere);
        let absent = Connection::Absent { why: Absence::NoBus, message: String::new(), retry_at_us: None };
        world.take(Event::Link(reach(true), absent), 1);
        assert_eq!(link.resolve(&world), Resolved::Nowhere, "it cannot say");
    }
}
