//! The desktop's file chooser, by a portal that the test plays on the same bus.

use std::collections::HashMap;
use std::path::PathBuf;

use hostler_manager::bus::{Bus as _, ChoiceKind, ChoiceWish, Event, Order};
use hostler_manager::model::Failure;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::connection::Builder;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, interface};

use super::fake::Bus;
use super::{Window, run};

/// What a portal was asked.
#[derive(Debug)]
struct Asked {
    method: &'static str,
    title: String,
    options: HashMap<String, OwnedValue>,
    /// Where the answer goes.
    request: OwnedObjectPath,
    caller: String,
}

struct Portal(UnboundedSender<Asked>);

#[interface(name = "org.freedesktop.portal.FileChooser")]
impl Portal {
    async fn open_file(
        &self,
        #[zbus(header)] header: Header<'_>,
        _parent: String,
        title: String,
        options: HashMap<String, OwnedValue>,
    ) -> OwnedObjectPath {
        self.take("OpenFile", &header, title, options)
    }

    async fn save_file(
        &self,
        #[zbus(header)] header: Header<'_>,
        _parent: String,
        title: String,
        options: HashMap<String, OwnedValue>,
    ) -> OwnedObjectPath {
        self.take("SaveFile", &header, title, options)
    }

    #[zbus(property, name = "version")]
    async fn version(&self) -> u32 {
        3
    }
}

impl Portal {
    fn take(
        &self,
        method: &'static str,
        header: &Header<'_>,
        title: String,
        options: HashMap<String, OwnedValue>,
    ) -> OwnedObjectPath {
        let caller = header.sender().unwrap().to_string();
        let token = String::try_from(options["handle_token"].try_clone().unwrap()).unwrap();
        let sender = caller.trim_start_matches(':').replace('.', "_");
        let path = format!("/org/freedesktop/portal/desktop/request/{sender}/{token}");
        let request = OwnedObjectPath::try_from(path).unwrap();
        self.0.send(Asked { method, title, options, request: request.clone(), caller }).unwrap();
        request
    }
}

async fn portal(bus: &Bus) -> (Connection, UnboundedReceiver<Asked>) {
    let (sender, asked) = unbounded_channel();
    let connection = Builder::address(bus.address.as_str())
        .unwrap()
        .name("org.freedesktop.portal.Desktop")
        .unwrap()
        .serve_at("/org/freedesktop/portal/desktop", Portal(sender))
        .unwrap()
        .build()
        .await
        .unwrap();
    (connection, asked)
}

/// Answers as the portal does: 0 with what was chosen, 1 where the person closed the dialog.
async fn answer(portal: &Connection, asked: &Asked, response: u32, uris: &[&str]) {
    let results: HashMap<&str, Value<'_>> = [("uris", Value::from(uris.to_vec()))].into();
    let emitter =
        SignalEmitter::new(portal, &asked.request).unwrap().set_destination(asked.caller.as_str().try_into().unwrap());
    emitter.emit("org.freedesktop.portal.Request", "Response", &(response, results)).await.unwrap();
}

async fn chosen(window: &Window) -> (u64, Result<Vec<PathBuf>, Failure>) {
    window.until(|event| if let Event::Chosen(number, result) = event { Some((number, result)) } else { None }).await
}

fn wish(number: u64, kind: ChoiceKind) -> Order {
    Order::Choose(ChoiceWish { number, kind, title: "Folder of the project".to_owned(), folder: "/srv".into() })
}

#[test]
fn what_the_person_chooses_comes_back() {
    run(async {
        let bus = Bus::start();
        let (portal, mut asked) = portal(&bus).await;
        let window = Window::open(&bus);
        window.thread.send(wish(1, ChoiceKind::Folder));
        let first = asked.recv().await.unwrap();
        assert_eq!((first.method, first.title.as_str()), ("OpenFile", "Folder of the project"));
        assert!(bool::try_from(first.options["directory"].try_clone().unwrap()).unwrap());
        let folder = Vec::<u8>::try_from(first.options["current_folder"].try_clone().unwrap()).unwrap();
        assert_eq!(folder, b"/srv\0");
        answer(&portal, &first, 0, &["file:///srv/my%20shop"]).await;
        assert_eq!(chosen(&window).await, (1, Ok(vec![PathBuf::from("/srv/my shop")])));
        window.thread.send(wish(2, ChoiceKind::Files));
        let second = asked.recv().await.unwrap();
        assert!(bool::try_from(second.options["multiple"].try_clone().unwrap()).unwrap());
        answer(&portal, &second, 0, &["file:///a.ini", "file:///b.ini"]).await;
        assert_eq!(chosen(&window).await, (2, Ok(vec!["/a.ini".into(), "/b.ini".into()])));
        window.thread.send(wish(3, ChoiceKind::Save("shop.log".to_owned())));
        let third = asked.recv().await.unwrap();
        let name = String::try_from(third.options["current_name"].try_clone().unwrap()).unwrap();
        assert_eq!((third.method, name.as_str()), ("SaveFile", "shop.log"));
        answer(&portal, &third, 1, &[]).await;
        assert_eq!(chosen(&window).await, (3, Ok(Vec::new())), "nothing is chosen where the dialog is closed");
    });
}

#[test]
fn where_no_portal_answers_that_is_said() {
    run(async {
        let mut bus = Bus::start();
        let window = Window::open(&bus);
        window.thread.send(wish(1, ChoiceKind::Folder));
        let (number, result) = chosen(&window).await;
        let message = result.unwrap_err().message;
        assert_eq!(number, 1);
        assert!(message.contains("Type the path") && message.contains("xdg-desktop-portal"), "{message}");
        bus.stop();
        window.thread.send(wish(2, ChoiceKind::Folder));
        let message = chosen(&window).await.1.unwrap_err().message;
        assert!(message.contains("the session's bus"), "{message}");
    });
}

#[test]
fn a_file_elsewhere_is_refused_with_a_reason() {
    run(async {
        let bus = Bus::start();
        let (portal, mut asked) = portal(&bus).await;
        let window = Window::open(&bus);
        window.thread.send(wish(1, ChoiceKind::Folder));
        let first = asked.recv().await.unwrap();
        // Another dialog takes the place of the one that is open: its answer alone comes.
        window.thread.send(wish(2, ChoiceKind::Folder));
        let second = asked.recv().await.unwrap();
        answer(&portal, &first, 0, &["file:///first"]).await;
        answer(&portal, &second, 0, &["sftp://web1/srv/shop"]).await;
        let (number, result) = chosen(&window).await;
        assert_eq!(number, 2);
        assert!(result.unwrap_err().message.starts_with("sftp://web1/srv/shop is no file of this computer"));
    });
}
