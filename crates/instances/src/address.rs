//! Addresses as systemd writes them: `bind` of the settings, and `ListenStream=` of a socket unit (systemd.socket(5)).

use std::net::IpAddr;

use hostler_listener::{Address, Host};

/// Why a socket unit cannot listen there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address of Hostler's.
    #[error("{address}: {reason}")]
    Form {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// systemd resolves no names.
    #[error("{address}: systemd listens on addresses, not on names: give the address that {host} has")]
    Named {
        /// What was given.
        address: String,
        /// The name in it.
        host: String,
    },
    /// A descriptor.
    #[error("{0}: systemd opens the sockets itself: give an address instead")]
    Inherited(String),
    /// Any port.
    #[error("{0}: a socket unit needs a port of its own: give a number above 0")]
    AnyPort(String),
    /// Characters with a meaning in units.
    #[error("{0}: a path for a socket unit is absolute, and has no line break and no `%` in it")]
    Path(String),
    /// The same address again.
    #[error("{0} is given twice")]
    Twice(String),
}

/// The values of `ListenStream=` for these values of `bind`.
///
/// # Errors
/// When systemd cannot listen on one of them.
pub fn listen_streams(addresses: &[String]) -> Result<Vec<String>, AddressError> {
    let mut streams: Vec<String> = Vec::new();
    for address in addresses {
        let stream = listen_stream(address)?;
        if streams.contains(&stream) {
            return Err(AddressError::Twice(address.clone()));
        }
        streams.push(stream);
    }
    Ok(streams)
}

fn listen_stream(text: &str) -> Result<String, AddressError> {
    let address = text.to_owned();
    let parsed = text.parse::<Address>();
    let parsed = parsed.map_err(|error| AddressError::Form { address: address.clone(), reason: error.to_string() })?;
    match parsed {
        Address::Tcp { port: 0, .. } => Err(AddressError::AnyPort(address)),
        Address::Tcp { host: Host::All, port } => Ok(port.to_string()),
        Address::Tcp { host: Host::Ip(IpAddr::V6(ip)), port } => Ok(format!("[{ip}]:{port}")),
        Address::Tcp { host: Host::Ip(IpAddr::V4(ip)), port } => Ok(format!("{ip}:{port}")),
        Address::Tcp { host: Host::Name(name), port } if name == "localhost" => Ok(format!("127.0.0.1:{port}")),
        Address::Tcp { host: Host::Name(host), .. } => Err(AddressError::Named { address, host }),
        Address::UnixPath(path) => match path.to_str().filter(|path| path.starts_with('/') && plain(path)) {
            Some(path) => Ok(path.to_owned()),
            None => Err(AddressError::Path(address)),
        },
        Address::UnixAbstract(name) => match String::from_utf8(name) {
            Ok(name) if plain(&name) => Ok(format!("@{name}")),
            _ => Err(AddressError::Path(address)),
        },
        Address::Inherited(_) => Err(AddressError::Inherited(address)),
    }
}

/// Whether a text stands for itself in a unit.
fn plain(text: &str) -> bool {
    !text.contains(['%', '\\']) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(addresses: &[&str]) -> Result<Vec<String>, String> {
        let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
        listen_streams(&addresses).map_err(|error| error.to_string())
    }

    #[test]
    fn what_both_know_is_written_as_systemd_writes_it() {
        for (address, stream) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("localhost:8000", "127.0.0.1:8000"),
            (":8000", "8000"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8000", "[::1]:8000"),
            ("unix:/run/shop.sock", "/run/shop.sock"),
            ("unix:///run/shop.sock", "/run/shop.sock"),
            ("unix:@shop", "@shop"),
        ] {
            assert_eq!(streams(&[address]), Ok(vec![stream.to_owned()]), "{address}");
        }
    }

    #[test]
    fn what_systemd_cannot_is_refused() {
        for (address, words) in [
            ("example.org:80", "give the address that example.org has"),
            ("fd://3", "systemd opens the sockets itself"),
            ("127.0.0.1:0", "a port of its own"),
            ("unix:shop.sock", "a path for a socket unit is absolute"),
            ("unix:/run/%n", "no `%` in it"),
            ("unix:/run/a\nListenStream=80", "no line break"),
            ("8000", "write 127.0.0.1:8000 for this machine alone"),
        ] {
            let told = streams(&[address]).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(streams(&["localhost:80", "127.0.0.1:80"]), Err("127.0.0.1:80 is given twice".to_owned()));
    }
}
