//! Which setting a passed socket is for, and which settings and sockets have no partner.
//!
//! A socket says what it is for by its name (`FileDescriptorName=`). One that was not named has its unit's name, which ends
//! in `.socket`, or `unknown`, and is for HTTP. All mistakes are found at once.

use std::fmt;

use thiserror::Error;

use super::{Address, Kind, Passed};

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// HTTP without TLS.
    Http,
    /// HTTP with TLS.
    Https,
    /// The uwsgi protocol.
    Uwsgi,
    /// The control socket of the instance.
    Control,
    /// Metrics.
    Metrics,
}

/// A setting that takes passed sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The setting as its file writes it, for messages: `bind = "127.0.0.1:8000"`.
    pub setting: String,
    /// For what. Sockets of this name are meant.
    pub purpose: Purpose,
    /// Only the socket of this number, whatever its name (`fd://N`).
    pub number: Option<u32>,
    /// Only the socket that listens here.
    pub address: Option<Address>,
    /// Whether it is an error that no socket fits.
    pub required: bool,
}

/// A socket or a setting without a partner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// No setting takes a socket.
    #[error(
        "systemd passed the socket \"{name}\" ({kind}, descriptor {number}), which no setting claims{}{}: {}",
        meant_for(*.purpose), unlike(.settings), remedy(*.purpose)
    )]
    Unclaimed {
        /// Its name.
        name: String,
        /// Its number.
        number: u32,
        /// What it is, in words.
        kind: String,
        /// What its name says it is for.
        purpose: Option<Purpose>,
        /// The settings for that, which name other addresses.
        settings: Vec<String>,
    },
    /// No socket fits a setting.
    #[error(
        "the setting {setting} asks for a socket of systemd named \"{purpose}\"{}, but {passed}: write \
         FileDescriptorName={purpose} and {} into the socket unit, then restart it", at(.address), directive(.address)
    )]
    Missing {
        /// The setting.
        setting: String,
        /// What it is for.
        purpose: Purpose,
        /// Where it should listen.
        address: Option<Address>,
        /// What was passed instead, in words.
        passed: String,
    },
    /// A passed descriptor is nothing that can be accepted from.
    #[error(
        "systemd passed \"{name}\" (descriptor {number}), which is {kind}; only sockets that listen are served: write \
         ListenStream= and Accept=no into its socket unit"
    )]
    NotAListener {
        /// Its name.
        name: String,
        /// Its number.
        number: u32,
        /// What it is, in words.
        kind: String,
    },
    /// Two settings take the same socket.
    #[error(
        "the settings {first} and {second} both claim the socket \"{name}\" ({kind}, descriptor {number}): keep one"
    )]
    Twice {
        /// Its name.
        name: String,
        /// Its number.
        number: u32,
        /// What it is, in words.
        kind: String,
        /// One setting.
        first: String,
        /// The other.
        second: String,
    },
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 5] = [Purpose::Http, Purpose::Https, Purpose::Uwsgi, Purpose::Control, Purpose::Metrics];

    /// What a socket of this name is for. `None` for a name that says nothing known.
    pub fn of_name(name: &str) -> Option<Self> {
        // systemd-socket-activate and sockets of older managers come without a name.
        if name.is_empty() || name == "unknown" || name.ends_with(".socket") {
            return Some(Purpose::Http);
        }
        Purpose::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// The name of its sockets.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Http => "http",
            Purpose::Https => "https",
            Purpose::Uwsgi => "uwsgi",
            Purpose::Control => "control",
            Purpose::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Gives each passed socket to the claim that it fits. The answer has the sockets of each claim, in the order of `claims`;
/// several sockets may share a claim (IPv4 and IPv6).
///
/// # Errors
/// Every socket and every claim that stays without a partner.
pub fn claim(passed: Vec<Passed>, claims: &[Claim]) -> Result<Vec<Vec<Passed>>, Vec<ClaimError>> {
    let summary = summary(&passed);
    let mut errors = Vec::new();
    let mut given: Vec<Vec<Passed>> = claims.iter().map(|_| Vec::new()).collect();
    for socket in passed {
        match partner(&socket, claims) {
            Ok(index) => given[index].push(socket),
            Err(error) => errors.push(error),
        }
    }
    for (claim, sockets) in claims.iter().zip(&given) {
        if claim.required && sockets.is_empty() {
            errors.push(ClaimError::Missing {
                setting: claim.setting.clone(),
                purpose: claim.purpose,
                address: claim.address.clone(),
                passed: summary.clone(),
            });
        }
    }
    if errors.is_empty() { Ok(given) } else { Err(errors) }
}

/// The index of the claim that a socket fits.
fn partner(socket: &Passed, claims: &[Claim]) -> Result<usize, ClaimError> {
    let Passed { number, name, kind, .. } = socket;
    let (number, name) = (*number, name.clone());
    let Kind::Listener(address) = kind else {
        return Err(ClaimError::NotAListener { name, number, kind: kind.to_string() });
    };
    let kind = kind.to_string();
    let purpose = Purpose::of_name(&name);
    let fits = |claim: &Claim| {
        let named = match claim.number {
            Some(wanted) => wanted == number,
            None => Some(claim.purpose) == purpose,
        };
        named && claim.address.as_ref().is_none_or(|wanted| wanted == address)
    };
    let mut fitting = claims.iter().enumerate().filter(|(_, claim)| fits(claim)).collect::<Vec<_>>();
    // What says more about the socket wins: `fd://3` over the name alone.
    let weight = |claim: &Claim| usize::from(claim.number.is_some()) + usize::from(claim.address.is_some());
    let most = fitting.iter().map(|(_, claim)| weight(claim)).max();
    fitting.retain(|(_, claim)| Some(weight(claim)) == most);
    match fitting.as_slice() {
        [] => {
            let others = claims.iter().filter(|claim| purpose == Some(claim.purpose));
            let settings = others.map(|claim| claim.setting.clone()).collect();
            Err(ClaimError::Unclaimed { name, number, kind, purpose, settings })
        }
        [(index, _)] => Ok(*index),
        [(_, first), (_, second), ..] => {
            let (first, second) = (first.setting.clone(), second.setting.clone());
            Err(ClaimError::Twice { name, number, kind, first, second })
        }
    }
}

/// What was passed, in words.
fn summary(passed: &[Passed]) -> String {
    if passed.is_empty() {
        return "none was passed".to_owned();
    }
    let list: Vec<String> = passed.iter().map(|socket| format!("\"{}\" ({})", socket.name, socket.kind)).collect();
    format!("what was passed is {}", list.join(", "))
}

fn meant_for(purpose: Option<Purpose>) -> String {
    purpose.map(|purpose| format!(" for {purpose}")).unwrap_or_default()
}

/// The settings that would claim it if they named its address.
fn unlike(settings: &[String]) -> String {
    match settings {
        [] => String::new(),
        _ => format!(" ({} asks for another address)", settings.join(", ")),
    }
}

fn remedy(purpose: Option<Purpose>) -> String {
    match purpose {
        Some(Purpose::Http) => "remove it from the socket unit, or bind it".to_owned(),
        Some(Purpose::Https) => "Hostler does not speak TLS itself: let a proxy before it do so, and write \
             FileDescriptorName=http into the socket unit, or remove the socket"
            .to_owned(),
        Some(Purpose::Uwsgi) => {
            "Hostler does not speak the uwsgi protocol: let the web server speak HTTP to it (nginx: \
             proxy_pass in place of uwsgi_pass), and write FileDescriptorName=http into the socket unit, or remove the \
             socket"
                .to_owned()
        }
        Some(purpose) => format!(
            "set what serves {purpose}, or remove the socket from its unit; FileDescriptorName=http serves it as HTTP"
        ),
        None => {
            let names = Purpose::ALL.map(Purpose::name).join(", ");
            format!("write FileDescriptorName= with one of {names} into its socket unit, or remove the socket")
        }
    }
}

fn at(address: &Option<Address>) -> String {
    address.as_ref().map(|address| format!(" that listens on {address}")).unwrap_or_default()
}

fn directive(address: &Option<Address>) -> String {
    let listen = match address {
        Some(Address::Tcp(address)) => address.to_string(),
        Some(Address::Path(path)) => path.display().to_string(),
        Some(Address::Abstract(name)) => format!("@{}", name.escape_ascii()),
        Some(Address::Unnamed) | None => String::new(),
    };
    format!("ListenStream={listen}")
}
