//! The control socket, by which an instance is found: there is one, whoever serves.

use std::path::PathBuf;
use std::sync::Arc;

use hostler_bus::Places;
use hostler_listener::Bound;

use super::Source;
use super::control::Desk;

/// The control socket, with what is left to tidy after it.
pub(super) struct ControlSocket {
    server: hostler_bus::Server,
    /// The places, and the socket in them, unless the settings say where it is.
    placed: Option<(Places, PathBuf)>,
}

impl ControlSocket {
    pub(super) async fn close(self) {
        self.server.stop().await;
        if let Some((places, path)) = self.placed {
            places.tidy(&path);
        }
    }
}

/// Opens the control socket. An instance serves without one, too: then the log says why.
pub(super) fn open_control(source: &Source, desk: Desk, passed: Vec<Bound>) -> Option<ControlSocket> {
    // One that was passed is the only one: whoever passes several has them lead to the same instance.
    if let Some(bound) = passed.into_iter().next() {
        let served = hostler_bus::serve_on(bound, Arc::new(desk));
        return served.map(|server| ControlSocket { server, placed: None }).inspect_err(unserved).ok();
    }
    let opened = match &desk.instance.current().served.settings.bind.control_socket {
        Some(path) => {
            let path = source.directory().join(path);
            hostler_bus::serve(&path, Arc::new(desk)).map(|server| ControlSocket { server, placed: None })
        }
        None => {
            let places = Places::of_environment(|name| source.variable(name));
            let serve = |desk: Desk| {
                let path = places.socket_of(&desk.name)?;
                places.prepare(&path)?;
                Ok((hostler_bus::serve(&path, Arc::new(desk)), path))
            };
            let own = serve(desk.clone());
            // Two projects may be called the same: then the process number tells them apart.
            let opened = match own {
                Ok((Err(_), _)) => serve(Desk { name: format!("{}-{}", desk.name, std::process::id()), ..desk }),
                own => own,
            };
            match opened {
                Ok((server, path)) => server.map(|server| ControlSocket { server, placed: Some((places, path)) }),
                Err(error) => {
                    let error: hostler_bus::NoPlace = error;
                    tracing::debug!(%error, "there is no control socket");
                    return None;
                }
            }
        }
    };
    opened.inspect_err(unserved).ok()
}

fn unserved(error: &hostler_bus::NotServed) {
    tracing::warn!(%error, "there is no control socket: hostler status and the like will not find this instance");
}
