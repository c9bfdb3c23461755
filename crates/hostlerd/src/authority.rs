//! Who may do what: polkit on the system bus, one action for each class of risk; on a session bus whoever the bus lets in.

use std::collections::HashMap;

use hostler_bus::daemon::{Caller, Error, Result};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::zvariant::Value;

/// A class of risk: an action of `org.hostler.Hostler1.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    /// Read logs, requests, stacks and settings.
    ReadLogs,
    /// Start, stop, restart, reload, roll back, wake, scale, recycle.
    Control,
    /// Change settings that cannot change what code runs.
    Configure,
    /// Change what code runs, and the files that it reads and writes.
    Deploy,
    /// Make and remove instances, and change what starts with the machine.
    Manage,
}

impl Right {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::ReadLogs, Self::Control, Self::Configure, Self::Deploy, Self::Manage];

    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::ReadLogs => "org.hostler.Hostler1.read-logs",
            Self::Control => "org.hostler.Hostler1.control",
            Self::Configure => "org.hostler.Hostler1.configure",
            Self::Deploy => "org.hostler.Hostler1.deploy",
            Self::Manage => "org.hostler.Hostler1.manage",
        }
    }

    fn purpose(self, instance: &str) -> String {
        match self {
            Self::ReadLogs => format!("read logs and settings of the instance {instance:?}"),
            Self::Control => format!("control the instance {instance:?}"),
            Self::Configure => format!("change settings of the instance {instance:?}"),
            Self::Deploy => format!("change what code the instance {instance:?} runs"),
            Self::Manage => format!("make or remove the instance {instance:?}, or change whether it starts by itself"),
        }
    }
}

/// Who decides.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Whoever can call, may: on a session bus, and at the other end of a pair of sockets.
    Everyone,
    /// polkit, asked over this connection to the system bus. Root always may.
    Polkit(Connection),
}

#[zbus::proxy(
    interface = "org.freedesktop.PolicyKit1.Authority",
    default_service = "org.freedesktop.PolicyKit1",
    default_path = "/org/freedesktop/PolicyKit1/Authority",
    gen_blocking = false
)]
trait PolicyKit {
    /// The last answer's fields: authorized, whether a challenge would help, details.
    fn check_authorization(
        &self,
        subject: &(&str, HashMap<&str, Value<'_>>),
        action: &str,
        details: &HashMap<&str, &str>,
        flags: u32,
        cancellation: &str,
    ) -> zbus::Result<(bool, bool, HashMap<String, String>)>;
    fn cancel_check_authorization(&self, cancellation: &str) -> zbus::Result<()>;
}

/// `AllowUserInteraction` of polkit's CheckAuthorizationFlags.
const ALLOW_USER_INTERACTION: u32 = 1;

impl Authority {
    /// Checks, and asks a person if the caller allowed that. Answers with the caller's user, where it is known.
    ///
    /// # Errors
    /// When the caller may not, or may only after authentication.
    pub(crate) async fn check(&self, caller: &Caller, right: Right, instance: &str) -> Result<Option<u32>> {
        let refuse = |reason: String| Error::NotAuthorized { purpose: right.purpose(instance), reason };
        let (bus, sender) = match (self, &caller.sender) {
            (Self::Everyone, _) => return Ok(Some(rustix::process::geteuid().as_raw())),
            (Self::Polkit(bus), Some(sender)) => (bus, sender),
            // A bus always says it; whoever came in another way is nobody.
            (Self::Polkit(_), None) => return Err(refuse("nobody says who asks".to_owned())),
        };
        let user =
            user_of(bus, sender).await.map_err(|error| refuse(format!("the bus does not say who asks: {error}")))?;
        if user == 0 {
            return Ok(Some(user));
        }
        let unavailable = |error: zbus::Error| refuse(format!("polkit cannot be asked ({error}), so only root may"));
        let polkit = PolicyKitProxy::new(bus).await.map_err(unavailable)?;
        let subject = ("system-bus-name", HashMap::from([("name", Value::from(sender.as_str()))]));
        let details = HashMap::from([("instance", instance)]);
        let flags = if caller.interactive { ALLOW_USER_INTERACTION } else { 0 };
        let cancellation = if caller.interactive { format!("{sender}-{}", serial()) } else { String::new() };
        let check = polkit.check_authorization(&subject, right.action(), &details, flags, &cancellation);
        let (authorized, challenge, told) = tokio::select! {
            answer = check => answer.map_err(unavailable)?,
            () = crate::clients::gone(bus, sender), if caller.interactive => {
                // Nobody waits: the dialog goes away.
                let _ = polkit.cancel_check_authorization(&cancellation).await;
                return Err(Error::Cancelled);
            }
        };
        match (authorized, challenge) {
            (true, _) => Ok(Some(user)),
            (false, true) if !caller.interactive => {
                Err(Error::AuthenticationNeeded { purpose: right.purpose(instance) })
            }
            (false, _) if told.contains_key(DISMISSED) => Err(Error::Dismissed { purpose: right.purpose(instance) }),
            (false, _) => Err(refuse(refusal(right, caller.interactive, challenge))),
        }
    }
}

/// The detail by which polkit says that the person did not want to type a password.
const DISMISSED: &str = "polkit.dismissed";

/// Why polkit said no, as far as it tells: a wrong password and a rule that forbids it look the same.
fn refusal(right: Right, asked: bool, challenge: bool) -> String {
    let action = right.action();
    match (asked, challenge) {
        (true, true) => "it takes authentication, and no polkit agent is there to ask for it".to_owned(),
        (true, false) => {
            format!("the authentication failed, or polkit's action {action} does not allow it to this user")
        }
        (false, _) => format!("polkit's action {action} does not allow it to this user"),
    }
}

impl Authority {
    /// The user of a caller whom the daemon has to share itself out to; none for root, and where all callers are one user.
    pub(crate) async fn sharing(&self, caller: &Caller) -> Option<u32> {
        let (Self::Polkit(bus), Some(sender)) = (self, &caller.sender) else { return None };
        user_of(bus, sender).await.ok().filter(|user| *user != 0)
    }
}

async fn user_of(bus: &Connection, sender: &str) -> zbus::Result<u32> {
    let sender = BusName::try_from(sender)?;
    Ok(DBusProxy::new(bus).await?.get_connection_unix_user(sender).await?)
}

fn serial() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_not_known_may_nothing() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let server = zbus::connection::Builder::unix_stream(ours).server(zbus::Guid::generate()).unwrap().p2p().build();
        let client = zbus::connection::Builder::unix_stream(theirs).p2p().build();
        let (bus, _client) = tokio::try_join!(server, client).unwrap();
        let nobody = Caller::default();
        for right in Right::ALL {
            let refused = Authority::Polkit(bus.clone()).check(&nobody, right, "shop").await;
            assert!(matches!(refused, Err(Error::NotAuthorized { .. })), "{refused:?}");
            assert!(Authority::Everyone.check(&nobody, right, "shop").await.is_ok());
        }
    }

    /// polkit(8): further actions that whoever may do one may do.
    const IMPLY: &str = "org.freedesktop.policykit.imply";

    #[test]
    fn a_refusal_says_no_more_than_polkit_does() {
        let told = |asked, challenge| refusal(Right::Control, asked, challenge);
        assert!(told(true, true).contains("no polkit agent"));
        assert!(told(true, false).starts_with("the authentication failed, or "));
        assert_eq!(told(false, false), "polkit's action org.hostler.Hostler1.control does not allow it to this user");
    }

    #[test]
    fn the_policy_has_our_actions_and_no_others() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/polkit/org.hostler.Hostler1.policy");
        let text = std::fs::read_to_string(path).unwrap();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&text, options).unwrap();
        let actions: Vec<_> = document.descendants().filter(|node| node.has_tag_name("action")).collect();
        let ids: Vec<_> = actions.iter().filter_map(|action| action.attribute("id")).collect();
        assert_eq!(ids, Right::ALL.map(Right::action));
        for action in actions {
            let of = |tag: &str| {
                let found = action.descendants().find(|node| node.has_tag_name(tag));
                found.and_then(|node| node.text()).unwrap_or_default()
            };
            assert!(of("message").contains("$(instance)"), "{}", of("message"));
            // Nothing is given to whoever happens to be there.
            for tag in ["allow_any", "allow_inactive", "allow_active"] {
                assert!(of(tag).starts_with("auth_admin"), "{tag}: {}", of(tag));
            }
        }
        // Who may do the greater may do the smaller; nothing smaller gives anything greater, nor control the logs.
        let implied = |right: Right| {
            let action = document.descendants().find(|node| node.attribute("id") == Some(right.action())).unwrap();
            let found = action.descendants().find(|node| node.attribute("key") == Some(IMPLY));
            found.and_then(|node| node.text()).unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect()
        };
        let table: [(Right, &[Right]); 5] = [
            (Right::ReadLogs, &[]),
            (Right::Control, &[]),
            (Right::Configure, &[Right::ReadLogs]),
            (Right::Deploy, &[Right::ReadLogs, Right::Configure]),
            (Right::Manage, &[Right::ReadLogs, Right::Control, Right::Configure, Right::Deploy]),
        ];
        for (right, expected) in table {
            let words: Vec<&str> = implied(right);
            assert_eq!(words, expected.iter().map(|one| one.action()).collect::<Vec<_>>(), "{right:?}");
        }
        // What is kept is kept for all instances: never for what runs code.
        for right in [Right::Deploy, Right::Manage] {
            let action = document.descendants().find(|node| node.attribute("id") == Some(right.action())).unwrap();
            assert!(action.descendants().all(|node| node.text() != Some("auth_admin_keep")), "{right:?}");
        }
    }
}
