//! Whether an instance can have its addresses, told before anything is written. systemd would say it only when its socket is started,
//! with all files in place; and a socket file on which somebody else listens it would take away from them without a word.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
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
    let (own_socket, own_service) = (Unit::Socket.of(&instance.name), Unit::Service.of(&instance.name));
    let (own, others): (Vec<Listening>, Vec<Listening>) =
        manager.socket_units().into_iter().partition(|listening| listening.unit == own_socket);
    taken.retain(|one| !own.iter().any(|own| own.is_in_the_way_of(&one.address)));
    for one in &mut taken {
        one.unit = others.iter().find(|other| other.is_in_the_way_of(&one.address)).map(|other| other.unit.clone());
        one.unit = one.unit.take().or_else(|| service_of(&one.error.problem));
    }
    taken.retain(|one| one.unit.as_ref() != Some(&own_service));
    let sentences = taken.iter().map(|one| one.sentence(target.places.scope()));
    if taken.is_empty() || !target.start {
        let mend = "mend that before it is started, or name another address with --bind";
        return Ok(sentences.map(|sentence| format!("{own_socket} {sentence}; {mend}")).collect());
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
    /// The unit that has it.
    unit: Option<String>,
}

impl Taken {
    fn find(text: String) -> Option<Self> {
        let address = as_systemd(text.parse().ok()?);
        let problem = probe(&address).err()?;
        Some(Self { address, error: BindError { address: text, problem }, unit: None })
    }

    fn sentence(&self, scope: Scope) -> String {
        let address = &self.error.address;
        match (&self.error.problem, &self.unit) {
            (Problem::Privileged { first_free }, _) if scope == Scope::User => format!(
                "cannot listen on {address}: ports below {first_free} are not for systemd of a user; an instance of the system may \
                 have them (--system)"
            ),
            (Problem::PortInUse(holder) | Problem::SocketInUse(holder), Some(unit)) => {
                let mut sentence = format!("cannot listen on {address}: it is in use by {unit}");
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
fn service_of(problem: &Problem) -> Option<String> {
    let (Problem::PortInUse(Holder::Process { pid, .. }) | Problem::SocketInUse(Holder::Process { pid, .. })) = problem
    else {
        return None;
    };
    service_in(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The innermost service of a control group: the services of a user are below that of the user's manager.
fn service_in(groups: &str) -> Option<String> {
    let systemd = groups.lines().find_map(|line| line.strip_prefix("0::").filter(|path| *path != "/"));
    let systemd =
        systemd.or_else(|| groups.lines().find_map(|line| line.split_once(":name=systemd:").map(|(_, path)| path)));
    let service = systemd?.rsplit('/').find(|part| part.ends_with(".service"))?;
    (!service.starts_with("user@")).then(|| service.to_owned())
}

/// What a socket unit listens on, as `systemctl list-sockets` tells it.
#[derive(Debug, Deserialize)]
struct Listening {
    listen: String,
    unit: String,
}

impl Listening {
    /// Whether nobody else can listen on that address beside it.
    fn is_in_the_way_of(&self, address: &Address) -> bool {
        match address {
            Address::Tcp { host, port } => {
                let Ok(held) = self.listen.parse::<SocketAddr>() else { return false };
                let same = match host {
                    Host::Ip(ip) => ip.is_unspecified() || ip.to_canonical() == held.ip().to_canonical(),
                    Host::All | Host::Name(_) => true,
                };
                held.port() == *port && (same || held.ip().is_unspecified())
            }
            Address::UnixPath(path) => Path::new(&self.listen) == path,
            Address::UnixAbstract(name) => self.listen.strip_prefix('@').is_some_and(|held| held.as_bytes() == name),
            Address::Inherited(_) => false,
        }
    }
}

impl Manager<'_> {
    /// The sockets that systemd holds for units now: those of the scope, and those of the system. None where that cannot be told.
    fn socket_units(&self) -> Vec<Listening> {
        if !self.runs() {
            return Vec::new();
        }
        let words = ["list-sockets", "--state=active", "--output=json", "--no-pager"];
        let mut asked = vec![self.command(&words)];
        let system = std::iter::once("systemctl").chain(words).map(str::to_owned).collect();
        if !asked.contains(&system) {
            asked.push(system);
        }
        asked.iter().filter_map(|command| listening(command)).flatten().collect()
    }
}

fn listening(command: &[String]) -> Option<Vec<Listening>> {
    let (program, words) = command.split_first()?;
    let told = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    serde_json::from_slice(&told.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(listen: &str) -> Listening {
        Listening { listen: listen.to_owned(), unit: "other.socket".to_owned() }
    }

    #[test]
    fn what_is_in_the_way_of_an_address() {
        for (held, address, is) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", ":80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
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
        for (groups, service) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            ("0::/hostler.slice/hostler@shop.service/server\n", Some("hostler@shop.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/site.service\n", Some("site.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
            ("2:cpu:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n", Some("nginx.service")),
            ("0::/init.scope\n", None),
            ("", None),
        ] {
            assert_eq!(service_in(groups).as_deref(), service, "{groups}");
        }
    }

    #[test]
    fn who_has_an_address_is_named_as_well_as_it_is_known() {
        let taken = |problem, unit: Option<&str>| Taken {
            address: Address::Inherited(0),
            error: BindError { address: "127.0.0.1:80".to_owned(), problem },
            unit: unit.map(str::to_owned),
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
        let low = taken(Problem::Privileged { first_free: 1024 }, None);
        assert!(low.sentence(Scope::User).contains("ports below 1024 are not for systemd of a user"));
    }
}
