//! Whether an instance can have its addresses, told before anything is written. systemd would say it only when its socket is started,
//! with all files in place; and a socket file on which somebody else listens it would take away from them without a word.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use hostler_instances::{Instance, Scope, Unit};
use hostler_listener::{Address, BindError, Holder, Host, Problem, probe};
use serde::Deserialize;

use super::{Manager, Refusal, Target};

/// Looks at each address. Who is about to start the instance is refused; who is not has time to change it, and gets a sentence for each
/// address that cannot be had now.
///
/// # Errors
/// When the instance is to be started, and has an address that cannot be had.
pub(super) fn look(instance: &Instance, target: &Target, manager: &Manager) -> Result<Vec<String>, Refusal> {
    if target.places.is_image() {
        return Ok(Vec::new());
    }
    let mut taken: Vec<Taken> = addresses(instance, target).filter_map(Taken::find).collect();
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let scope = target.places.scope();
    let own = |unit: Unit| Owner { scope, unit: unit.of(&instance.name) };
    let (own_socket, own_service) = (own(Unit::Socket), own(Unit::Service));
    let (own, others): (Vec<Listening>, Vec<Listening>) =
        manager.socket_units(scope).into_iter().partition(|listening| listening.owner() == own_socket);
    taken.retain(|one| !own.iter().any(|own| own.is_in_the_way_of(&one.address)));
    for one in &mut taken {
        let socket = others.iter().find(|other| other.is_in_the_way_of(&one.address)).map(Listening::owner);
        one.owner = socket.or_else(|| service_of(&one.error.problem));
    }
    taken.retain(|one| one.owner.as_ref() != Some(&own_service));
    let sentences = taken.iter().map(|one| one.sentence(scope));
    if taken.is_empty() || !target.start {
        let mend = "mend that before it is started, or name another address with --bind";
        return Ok(sentences.map(|sentence| format!("{} {sentence}; {mend}", own_socket.unit)).collect());
    }
    let mut message = sentences.collect::<Vec<_>>().join("\n");
    message.push_str(
        "\nnothing was written. Name another address with --bind, or mend that first; without --start the files are written all the same",
    );
    Err(Refusal::usage(message))
}

/// Where it is to listen, as `bind` says it.
fn addresses<'a>(instance: &'a Instance, target: &Target) -> impl Iterator<Item = String> + 'a {
    let template = format!("unix:{}", target.places.template_socket(&instance.name).display());
    let template = instance.addresses.is_empty().then_some(template);
    instance.addresses.iter().cloned().chain(template)
}

/// An address that cannot be had.
struct Taken {
    address: Address,
    error: BindError,
    /// Whose it is, if a unit has it.
    owner: Option<Owner>,
}

/// A unit, and whose systemd has it: there may be one of that name in each.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    scope: Scope,
    unit: String,
}

impl Taken {
    fn find(text: String) -> Option<Self> {
        let address = as_systemd(text.parse().ok()?);
        let problem = probe(&address).err()?;
        Some(Self { address, error: BindError { address: text, problem }, owner: None })
    }

    fn sentence(&self, scope: Scope) -> String {
        let address = &self.error.address;
        match (&self.error.problem, &self.owner) {
            (Problem::Privileged { first_free }, _) if scope == Scope::User => format!(
                "cannot listen on {address}: ports below {first_free} are not for systemd of a user; an instance of the system may \
                 have them (--system)"
            ),
            (Problem::PortInUse(holder) | Problem::SocketInUse(holder), Some(Owner { scope: theirs, unit })) => {
                let of = match theirs {
                    _ if *theirs == scope => "",
                    Scope::System => " of the system",
                    Scope::User => " of a user",
                };
                let mut sentence = format!("cannot listen on {address}: it is in use by {unit}{of}");
                if let Holder::Process { pid, .. } = holder
                    && !unit.ends_with(".socket")
                {
                    // Writing to a text does not fail.
                    let _ = write!(sentence, ", process {pid}");
                }
                sentence
            }
            _ => self.error.to_string(),
        }
    }
}

/// An address as systemd listens on it: a name is none for it, but for the one that is written as an address.
fn as_systemd(address: Address) -> Address {
    match address {
        Address::Tcp { host: Host::Name(name), port } if name == "localhost" => {
            Address::Tcp { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port }
        }
        other => other,
    }
}

/// The service of the process that has an address (proc_pid_cgroup(5)).
fn service_of(problem: &Problem) -> Option<Owner> {
    let (Problem::PortInUse(Holder::Process { pid, .. }) | Problem::SocketInUse(Holder::Process { pid, .. })) = problem
    else {
        return None;
    };
    service_in(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The innermost service of a control group: the services of a user are below that of the user's manager.
fn service_in(groups: &str) -> Option<Owner> {
    let systemd = groups.lines().find_map(|line| line.strip_prefix("0::").filter(|path| *path != "/"));
    let systemd =
        systemd.or_else(|| groups.lines().find_map(|line| line.split_once(":name=systemd:").map(|(_, path)| path)));
    let mut services = systemd?.rsplit('/').filter(|part| part.ends_with(".service"));
    let is_manager = |service: &str| service.starts_with("user@");
    let service = services.next().filter(|service| !is_manager(service))?;
    let scope = if services.any(is_manager) { Scope::User } else { Scope::System };
    Some(Owner { scope, unit: service.to_owned() })
}

/// What a socket unit listens on, as `systemctl list-sockets` tells it.
#[derive(Debug, Deserialize)]
struct Listening {
    listen: String,
    unit: String,
    /// Whose systemd told it.
    #[serde(skip, default = "of_the_system")]
    scope: Scope,
}

fn of_the_system() -> Scope {
    Scope::System
}

impl Listening {
    fn owner(&self) -> Owner {
        Owner { scope: self.scope, unit: self.unit.clone() }
    }

    /// Whether nobody else can listen on that address beside it.
    fn is_in_the_way_of(&self, address: &Address) -> bool {
        match address {
            Address::Tcp { host, port } => {
                let Ok(held) = self.listen.parse::<SocketAddr>() else { return false };
                // What listens on `[::]` as systemd does takes the port of both families (BindIPv6Only= of systemd.socket(5)).
                let takes_all = |ip: IpAddr| ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
                let same = match host {
                    Host::Ip(ip) => {
                        let (ip, held) = (ip.to_canonical(), held.ip().to_canonical());
                        let either_is_any = ip.is_unspecified() || held.is_unspecified();
                        ip == held || ip.is_ipv4() == held.is_ipv4() && either_is_any || takes_all(ip)
                    }
                    Host::All | Host::Name(_) => true,
                };
                held.port() == *port && (same || takes_all(held.ip()))
            }
            Address::UnixPath(path) => Path::new(&self.listen) == path,
            Address::UnixAbstract(name) => self.listen.strip_prefix('@').is_some_and(|held| held.as_bytes() == name),
            Address::Inherited(_) => false,
        }
    }
}

impl Manager<'_> {
    /// The sockets that systemd holds for units now: those of this manager's scope, and those of the system. None where that cannot be told.
    fn socket_units(&self, scope: Scope) -> Vec<Listening> {
        if !self.runs() {
            return Vec::new();
        }
        let words = ["list-sockets", "--state=active", "--output=json", "--no-pager"];
        let mut all = listening(&self.command(&words), scope);
        if scope == Scope::User {
            let system: Vec<String> = std::iter::once("systemctl").chain(words).map(str::to_owned).collect();
            all.extend(listening(&system, Scope::System));
        }
        all
    }
}

fn listening(command: &[String], scope: Scope) -> Vec<Listening> {
    let Some((program, words)) = command.split_first() else { return Vec::new() };
    let told = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let all: Vec<Listening> = told.ok().and_then(|told| serde_json::from_slice(&told.stdout).ok()).unwrap_or_default();
    all.into_iter().map(|one| Listening { scope, ..one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(listen: &str) -> Listening {
        Listening { listen: listen.to_owned(), unit: "other.socket".to_owned(), scope: Scope::System }
    }

    #[test]
    fn what_is_in_the_way_of_an_address() {
        for (held, address, is) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", ":80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::1]:80", "0.0.0.0:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.2:80", "127.0.0.1:80", false),
            ("127.0.0.1:81", "127.0.0.1:80", false),
            ("/run/x.sock", "unix:/run/x.sock", true),
            ("/run/x.sock", "unix:/run/y.sock", false),
            ("@x", "unix:@x", true),
            ("kobject-uevent 1", "127.0.0.1:80", false),
            ("127.0.0.1:80", "localhost:80", true),
        ] {
            let found = listening(held).is_in_the_way_of(&as_systemd(address.parse().unwrap()));
            assert_eq!(found, is, "{held} and {address}");
        }
    }

    #[test]
    fn the_service_of_a_control_group() {
        let system = |unit: &str| Some(Owner { scope: Scope::System, unit: unit.to_owned() });
        let user = |unit: &str| Some(Owner { scope: Scope::User, unit: unit.to_owned() });
        for (groups, service) in [
            ("0::/system.slice/nginx.service\n", system("nginx.service")),
            ("0::/hostler.slice/hostler@shop.service/server\n", system("hostler@shop.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/site.service\n", user("site.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
            ("2:cpu:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n", system("nginx.service")),
            ("0::/init.scope\n", None),
            ("", None),
        ] {
            assert_eq!(service_in(groups), service, "{groups}");
        }
    }

    #[test]
    fn who_has_an_address_is_named_as_well_as_it_is_known() {
        let taken = |problem, unit: Option<&str>| Taken {
            address: Address::Inherited(0),
            error: BindError { address: "127.0.0.1:80".to_owned(), problem },
            owner: unit.map(|unit| Owner { scope: Scope::System, unit: unit.to_owned() }),
        };
        let process = || Holder::Process { pid: 7, command: "nginx".to_owned(), others: 0 };
        for (taken, sentence) in [
            (
                taken(Problem::PortInUse(process()), None),
                "cannot listen on 127.0.0.1:80: the port is in use by process 7 (nginx)",
            ),
            (
                taken(Problem::PortInUse(process()), Some("nginx.service")),
                "cannot listen on 127.0.0.1:80: it is in use by nginx.service, process 7",
            ),
            (
                taken(Problem::PortInUse(process()), Some("nginx.socket")),
                "cannot listen on 127.0.0.1:80: it is in use by nginx.socket",
            ),
            (
                taken(Problem::SocketInUse(Holder::Unseen), Some("nginx.socket")),
                "cannot listen on 127.0.0.1:80: it is in use by nginx.socket",
            ),
        ] {
            assert_eq!(taken.sentence(Scope::System), sentence);
        }
        let of_the_system = taken(Problem::SocketInUse(Holder::Unseen), Some("hostler@shop.socket"));
        assert!(of_the_system.sentence(Scope::User).ends_with("in use by hostler@shop.socket of the system"));
        let low = taken(Problem::Privileged { first_free: 1024 }, None);
        assert!(low.sentence(Scope::User).contains("ports below 1024 are not for systemd of a user"));
    }
}
