//! The name on the session bus: a thread that claims it, serves calls, and claims it again when the bus comes back.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use egui::Context;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};
use zbus::connection::Builder;
use zbus::fdo::{self, RequestNameFlags, RequestNameReply};
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, MessageStream, interface, proxy};

use super::Call;
use crate::app::ID;

/// How long a window waits for the bus before it opens without.
const BUS_LIMIT: Duration = Duration::from_secs(5);
/// How long the owner of the name may take to answer: it does so from a thread that does nothing else.
const OWNER_LIMIT: Duration = Duration::from_secs(5);
/// How often the bus is looked for after it went away.
const AGAIN: Duration = Duration::from_secs(3);
/// How often an owner may go away between being found and being called.
const TRIES: usize = 3;
/// The object that is called: the name as a path, as the specification wants it.
const PATH: &str = "/org/hostler/Manager";

/// The actions.
const USER: &str = "user";
const COMPUTER: &str = "computer";
const CONNECT: &str = "connect";

/// What a call may bring along: the token that lets the window come to the front.
type PlatformData = HashMap<String, OwnedValue>;

/// Where calls are put.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) calls: SyncSender<Call>,
    pub(super) window: Arc<OnceLock<Context>>,
}

/// Whose the name is.
pub(super) enum Claimed {
    /// Ours, or nobody's: there is to be a window.
    Here,
    /// Another's, who took the call.
    Elsewhere,
}

/// Claims the name or passes the calls on; what is claimed is held by a thread for as long as the program runs.
pub(super) fn claim(calls: Vec<Call>, address: Option<String>, inbox: Inbox) -> Claimed {
    let (tell, told) = channel();
    let work = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(hold(calls, address, inbox, tell)),
        Err(error) => tracing::warn!(%error, "no other start will find this window: a thread cannot be set up"),
    };
    if let Err(error) = thread::Builder::new().name("application".to_owned()).spawn(work) {
        tracing::warn!(%error, "no other start will find this window: a thread cannot be started");
    }
    // A thread that ended without a word has said why.
    told.recv().unwrap_or(Claimed::Here)
}

async fn hold(calls: Vec<Call>, address: Option<String>, inbox: Inbox, tell: Sender<Claimed>) {
    let connection = match claim_or_call(&calls, address.as_deref(), &inbox).await {
        Ok(None) => {
            let _ = tell.send(Claimed::Elsewhere);
            return;
        }
        Ok(Some(connection)) => Some(connection),
        Err(error) => {
            tracing::info!(%error, "the session bus is not there: no other start will find this window yet");
            None
        }
    };
    let _ = tell.send(Claimed::Here);
    let mut connection = connection;
    loop {
        if let Some(connection) = connection.take() {
            let mut messages = MessageStream::from(&connection);
            while let Some(Ok(_)) = messages.next().await {}
        }
        sleep(AGAIN).await;
        // Who came first while there was no bus keeps the name; this window stays without.
        if let Ok(Ok(again)) = timeout(BUS_LIMIT, serve(address.as_deref(), &inbox)).await
            && matches!(request(&again).await, Ok(true))
        {
            connection = Some(again);
        }
    }
}

/// The connection that owns the name; none if the owner took the calls.
async fn claim_or_call(calls: &[Call], address: Option<&str>, inbox: &Inbox) -> zbus::Result<Option<Connection>> {
    let late = || zbus::Error::Failure(format!("the bus did not answer within {} seconds", BUS_LIMIT.as_secs()));
    // Calls can come as soon as the name is ours: they are served before.
    let connection = timeout(BUS_LIMIT, serve(address, inbox)).await.map_err(|_| late())??;
    for _ in 0..TRIES {
        if timeout(BUS_LIMIT, request(&connection)).await.map_err(|_| late())?? {
            return Ok(Some(connection));
        }
        match timeout(OWNER_LIMIT, pass_on(calls, &connection)).await {
            Ok(Ok(())) => return Ok(None),
            Ok(Err(fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) | fdo::Error::NoReply(_))) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the window that is open refuses to show it; this one is another");
                return Ok(Some(connection));
            }
            Err(_) => {
                tracing::warn!("the window that is open does not answer; this one is another");
                return Ok(Some(connection));
            }
        }
    }
    Ok(Some(connection))
}

async fn serve(address: Option<&str>, inbox: &Inbox) -> zbus::Result<Connection> {
    let builder = match address {
        Some(address) => Builder::address(address)?,
        None => Builder::session()?,
    };
    builder.serve_at(PATH, Served { inbox: inbox.clone() })?.build().await
}

/// Whether the name is ours now.
async fn request(connection: &Connection) -> zbus::Result<bool> {
    match connection.request_name_with_flags(ID, RequestNameFlags::DoNotQueue.into()).await {
        Ok(reply) => Ok(matches!(reply, RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner)),
        Err(zbus::Error::NameTaken) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn pass_on(calls: &[Call], connection: &Connection) -> fdo::Result<()> {
    let owner = OwnerProxy::new(connection).await?;
    for call in calls {
        let data = platform_data();
        match call {
            Call::Activate => owner.activate(data).await?,
            Call::Open(links) => owner.open(links, data).await?,
            Call::Show { user: true } => owner.activate_action(USER, &[], data).await?,
            Call::Show { user: false } => owner.activate_action(COMPUTER, &[], data).await?,
            Call::Connect { host, user } => {
                let whose = if *user { USER } else { COMPUTER };
                owner.activate_action(CONNECT, &[Value::from((whose, host))], data).await?;
            }
        }
    }
    Ok(())
}

/// What the desktop gave us to come to the front with, which is the owner's now.
fn platform_data() -> HashMap<&'static str, Value<'static>> {
    let variables = [("desktop-startup-id", "DESKTOP_STARTUP_ID"), ("activation-token", "XDG_ACTIVATION_TOKEN")];
    let given = variables.into_iter().filter_map(|(key, name)| Some((key, Value::from(std::env::var(name).ok()?))));
    given.collect()
}

#[proxy(
    interface = "org.freedesktop.Application",
    default_service = "org.hostler.Manager",
    default_path = "/org/hostler/Manager",
    gen_blocking = false
)]
trait Owner {
    fn activate(&self, platform_data: HashMap<&str, Value<'_>>) -> fdo::Result<()>;
    fn open(&self, uris: &[String], platform_data: HashMap<&str, Value<'_>>) -> fdo::Result<()>;
    fn activate_action(
        &self,
        name: &str,
        parameter: &[Value<'_>],
        platform_data: HashMap<&str, Value<'_>>,
    ) -> fdo::Result<()>;
}

/// The object that is called.
struct Served {
    inbox: Inbox,
}

impl Served {
    fn put(&self, call: Call) -> fdo::Result<()> {
        let full = |_| fdo::Error::LimitsExceeded("the window has not drawn for a while: try again later".to_owned());
        self.inbox.calls.try_send(call).map_err(full)?;
        if let Some(window) = self.inbox.window.get() {
            window.request_repaint();
        }
        Ok(())
    }
}

/// Whether ssh(1) takes it for a host and not for an option.
fn fits(host: &str) -> bool {
    !host.is_empty() && host.len() <= 255 && !host.starts_with('-') && !host.contains(char::is_whitespace)
}

#[interface(name = "org.freedesktop.Application")]
impl Served {
    async fn activate(&self, _platform_data: PlatformData) -> fdo::Result<()> {
        self.put(Call::Activate)
    }

    async fn open(&self, uris: Vec<String>, _platform_data: PlatformData) -> fdo::Result<()> {
        self.put(Call::Open(uris))
    }

    async fn activate_action(
        &self,
        action_name: String,
        parameter: Vec<OwnedValue>,
        _platform_data: PlatformData,
    ) -> fdo::Result<()> {
        let invalid = fdo::Error::InvalidArgs;
        match (action_name.as_str(), parameter.into_iter().next()) {
            (USER, None) => self.put(Call::Show { user: true }),
            (COMPUTER, None) => self.put(Call::Show { user: false }),
            (CONNECT, Some(parameter)) => {
                let wanted =
                    || invalid(format!("{CONNECT} takes (ss): {USER} or {COMPUTER}, and a host as ssh(1) takes it"));
                let (whose, host) = <(String, String)>::try_from(parameter).map_err(|_| wanted())?;
                match whose.as_str() {
                    USER | COMPUTER if fits(&host) => self.put(Call::Connect { host, user: whose == USER }),
                    _ => Err(wanted()),
                }
            }
            (action, _) => Err(invalid(format!(
                "{action:?} is no action, or its parameter is wrong: there are {USER} and {COMPUTER}, and {CONNECT} with (ss)"
            ))),
        }
    }
}
