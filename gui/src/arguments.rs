//! The command line of the manager.

use std::path::PathBuf;

use clap::Parser;
use hostler_bus::daemon::Reach;

use crate::application::{Call, Link};

/// Shows and manages the instances of Hostler on this computer and on others.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "hostler-manager", version)]
pub struct Arguments {
    /// Begin with the instances of this user.
    #[arg(long, conflicts_with = "system")]
    pub user: bool,
    /// Begin with the instances of the computer.
    #[arg(long)]
    pub system: bool,
    /// Show this host as well, reached by ssh; may be given several times.
    #[arg(short = 'H', long, value_name = "HOST")]
    pub host: Vec<String>,
    /// The instance to show, or a link as `hostler://app/NAME/logs`.
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<Link>,
    /// Keep the window's state in this file instead of the user's own.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Log what the manager does to standard error.
    #[arg(short, long)]
    pub verbose: bool,
}

impl Arguments {
    /// What the window is asked for, this one or one that is there already.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let hosts = self.host.iter().map(|host| Call::Connect { host: host.clone(), user: self.user });
        let last = match &self.instance {
            Some(link) => Call::Open(vec![link.to_string()]),
            None if self.user || self.system => Call::Show { user: self.user },
            None => Call::Activate,
        };
        hosts.chain([last]).collect()
    }

    /// The daemons to connect to, besides those that the person added before and those of [`Arguments::calls`].
    #[must_use]
    pub fn reaches(&self) -> Vec<Reach> {
        let mut reaches = vec![Reach { user: true, host: None }, Reach { user: false, host: None }];
        if self.system {
            reaches.reverse();
        }
        reaches
    }
}
