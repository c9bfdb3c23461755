//! Which instance is meant when none was named: the only one there is.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hostler_bus::{Found, Places, SOCKET_FILE, reach};
use tokio::time::{Instant, sleep};

/// How long nobody has to be there until nobody runs: between two servers of an upgrade there is no control socket, for milliseconds.
const NOBODY_FOR: Duration = Duration::from_millis(500);
/// How often is looked meanwhile.
const AGAIN_AFTER: Duration = Duration::from_millis(25);

/// Why none can be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoChoice {
    #[error(
        "no instance is running here: {0} is not there; see `hostler run --control-socket`, or name one with --socket"
    )]
    Nobody(String),
    #[error("several instances are running; name one:{}", listed(.0))]
    Several(Vec<Found>),
}

/// The control socket of the only instance.
pub(super) async fn only(places: &Places) -> Result<PathBuf, NoChoice> {
    let until = Instant::now() + NOBODY_FOR;
    loop {
        match at_this_moment(places).await {
            Err(NoChoice::Nobody(_)) if Instant::now() < until => sleep(AGAIN_AFTER).await,
            other => return other,
        }
    }
}

async fn at_this_moment(places: &Places) -> Result<PathBuf, NoChoice> {
    let mut all = places.found();
    // A single one is asked whatever state it is in: what is wrong with it is then told.
    if all.len() > 1 {
        let mut answering = Vec::new();
        for found in all {
            if answers(&found).await {
                answering.push(found);
            }
        }
        all = answering;
    }
    match all.len() {
        0 => Err(NoChoice::Nobody(wanted(places))),
        1 => Ok(all.swap_remove(0).path),
        _ => Err(NoChoice::Several(all)),
    }
}

/// Whether it is not a file that was left behind. One that may not be asked is taken for an instance.
async fn answers(found: &Found) -> bool {
    match reach(&found.path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
    }
}

/// Where an instance would be.
fn wanted(places: &Places) -> String {
    let directories = places.user.iter().chain([&places.system]);
    match &places.own {
        Some(own) => own.join(SOCKET_FILE).display().to_string(),
        None => directories
            .map(|directory| directory.join("NAME").join(SOCKET_FILE).display().to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

fn listed(all: &[Found]) -> String {
    all.iter().map(|found| format!("\n  {}: --socket {}", found.name, found.path.display())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    fn places(base: &Path) -> Places {
        Places { own: None, user: None, system: base.to_owned(), root: true }
    }

    fn choice(places: &Places) -> Result<PathBuf, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(only(places)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_one_is_taken_and_several_are_listed() {
        let _no_child = crate::CHILDREN.read();
        let base = tempfile::tempdir().unwrap();
        let at = base.path().display();
        let places = places(base.path());
        let nobody = choice(&places).unwrap_err();
        assert!(nobody.starts_with(&format!("no instance is running here: {at}/NAME/control.sock is not there;")));
        let listen = |name: &str| {
            let path = places.socket_of(name).unwrap();
            places.prepare(&path).unwrap();
            UnixListener::bind(path).unwrap()
        };
        let _shop = listen("shop");
        assert_eq!(choice(&places), Ok(places.socket_of("shop").unwrap()));
        drop(listen("killed"));
        assert_eq!(choice(&places), Ok(places.socket_of("shop").unwrap()), "nobody answers on the other");
        let _blog = listen("blog");
        let expected = format!(
            "several instances are running; name one:\n  blog: --socket {at}/blog/control.sock\n  shop: --socket {at}/shop/control.sock"
        );
        assert_eq!(choice(&places), Err(expected));
    }

    #[test]
    fn one_between_two_servers_is_found() {
        let base = tempfile::tempdir().unwrap();
        let places = places(base.path());
        let socket = places.socket_of("shop").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (found, _server) = runtime.block_on(async {
            // The first look is over when the other future is polled.
            tokio::join!(only(&places), async {
                places.prepare(&socket).unwrap();
                UnixListener::bind(&socket).unwrap()
            })
        });
        assert_eq!(found.unwrap(), socket);
    }
}
