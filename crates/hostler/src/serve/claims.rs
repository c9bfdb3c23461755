//! Which setting takes which socket that systemd passed.
//!
//! A socket is for what its name says (`FileDescriptorName=`): `http`, `metrics`, `control`; one without a name of its own is for requests. Where
//! `bind` was not set it takes whatever was passed; where it was, what it names and what was passed must fit. So a unit and a file that
//! contradict each other are told of, and not served by halves.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hostler_listener::{Address, Host, adopt};
use hostler_settings::{Bind, Settings};
use hostler_systemd::sockets::{Address as Where, Claim, Passed, Purpose, claim};

use super::sockets::{Role, Sockets};

/// The sockets among `passed`, each with the setting that takes it. The error is for people, a line each.
pub(super) fn claimed(settings: &Settings, passed: Vec<Passed>) -> Result<Sockets, String> {
    let mut sockets = Sockets::default();
    if passed.is_empty() {
        return Ok(sockets);
    }
    let Bind { bind, metrics_bind, .. } = &settings.bind;
    let is_passed = |purpose| passed.iter().any(|passed| Purpose::of_name(&passed.name) == Some(purpose));
    let mut claims = Vec::new();
    let mut roles = Vec::new();
    let mut take = |role, all: Vec<Claim>| {
        roles.extend(all.iter().map(|_| role));
        claims.extend(all);
    };
    // What was given is meant, be it what would be there without it.
    let any = !settings.is_bind_given;
    take(Role::Clients, claims_of("bind", bind, any, Purpose::Http, is_passed(Purpose::Http)));
    let any = metrics_bind.is_empty();
    take(Role::Metrics, claims_of("metrics_bind", metrics_bind, any, Purpose::Metrics, is_passed(Purpose::Metrics)));
    take(Role::Control, vec![any_socket("control_socket", Purpose::Control)]);
    let given = claim(passed, &claims).map_err(|errors| lines(&errors))?;
    for (role, passed) in
        roles.into_iter().zip(given).flat_map(|(role, all)| all.into_iter().map(move |one| (role, one)))
    {
        let Passed { number, name, descriptor, .. } = passed;
        let bound = adopt(number, descriptor).map_err(|problem| format!("systemd passed {name:?}: {problem}"))?;
        sockets.add(role, bound);
    }
    sockets.passed = !sockets.clients.is_empty();
    Ok(sockets)
}

fn lines<E: std::fmt::Display>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a setting takes: anything for its purpose, or what its addresses name. `required` says that such sockets were passed, so that each
/// address must be among them.
fn claims_of(key: &str, addresses: &[String], any: bool, purpose: Purpose, required: bool) -> Vec<Claim> {
    if any {
        return vec![any_socket(key, purpose)];
    }
    let claim = |text: &String| {
        let (number, address) = match text.parse() {
            Ok(Address::Inherited(number)) => (Some(number), None),
            Ok(address) => (None, place(address)),
            // It is told of when it is bound.
            Err(_) => (None, None),
        };
        Claim { setting: format!("{key} = {text:?}"), purpose, number, address, required: required || number.is_some() }
    };
    addresses.iter().map(claim).collect()
}

fn any_socket(key: &str, purpose: Purpose) -> Claim {
    Claim { setting: key.to_owned(), purpose, number: None, address: None, required: false }
}

/// Where that is; `None` for a host name, which may be any of several addresses.
fn place(address: Address) -> Option<Where> {
    match address {
        Address::Tcp { host, port } => {
            let ip = match host {
                Host::All => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                Host::Ip(ip) => ip,
                Host::Name(_) => return None,
            };
            Some(Where::Tcp(SocketAddr::new(ip, port)))
        }
        Address::UnixPath(path) => Some(Where::Path(path)),
        Address::UnixAbstract(name) => Some(Where::Abstract(name)),
        Address::Inherited(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;

    use hostler_systemd::sockets::Kind;

    use super::*;

    fn passed(name: &str) -> (Passed, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let descriptor = OwnedFd::from(listener);
        let kind = Kind::of(&descriptor).unwrap();
        (Passed { number: 3, name: name.to_owned(), descriptor, kind }, address)
    }

    fn with_bind(bind: &[String]) -> Settings {
        let mut settings = Settings::default();
        settings.bind.bind = bind.to_vec();
        settings.is_bind_given = true;
        settings
    }

    #[test]
    fn without_a_bind_whatever_is_passed_is_served() {
        let all = vec![passed("hostler@shop.socket").0, passed("http").0, passed("metrics").0];
        let sockets = claimed(&Settings::default(), all).unwrap();
        assert_eq!((sockets.clients.len(), sockets.metrics.len()), (2, 1));
    }

    #[test]
    fn a_bind_and_a_socket_must_fit_and_both_are_named() {
        let (socket, address) = passed("http");
        assert_eq!(claimed(&with_bind(&[address.to_string()]), vec![socket]).unwrap().clients.len(), 1);
        let (socket, address) = passed("http");
        let told = claimed(&with_bind(&["127.0.0.1:1".to_owned()]), vec![socket]).err().unwrap();
        assert!(told.contains("127.0.0.1:1") && told.contains(&address.to_string()), "{told}");
    }

    #[test]
    fn a_bind_of_the_default_is_meant_where_it_is_given() {
        let (socket, address) = passed("http");
        let default = Bind::default().bind;
        let told = claimed(&with_bind(&default), vec![socket]).err().unwrap();
        assert!(told.contains(&format!("bind = {:?}", default[0])) && told.contains(&address.to_string()), "{told}");
    }

    #[test]
    fn a_socket_for_what_is_not_served_is_an_error_that_says_what_to_do() {
        for (name, remedy) in [("https", "let a proxy before it do so"), ("uwsgi", "proxy_pass in place of uwsgi_pass")]
        {
            let told = claimed(&Settings::default(), vec![passed(name).0]).err().unwrap();
            assert!(
                told.starts_with(&format!("systemd passed the socket \"{name}\" (a listening socket on 127.0.0.1:")),
                "{told}"
            );
            assert!(
                told.contains(remedy) && told.contains("write FileDescriptorName=http into the socket unit"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_socket_at_another_address_names_the_setting_that_it_does_not_fit() {
        let (fits, address) = passed("http");
        let (odd, elsewhere) = passed("http");
        let told = claimed(&with_bind(&[address.to_string()]), vec![fits, odd]).err().unwrap();
        let wanted = format!("no setting claims for http (bind = \"{address}\" asks for another address)");
        assert!(told.contains(&wanted) && told.contains(&elsewhere.to_string()), "{told}");
    }
}
