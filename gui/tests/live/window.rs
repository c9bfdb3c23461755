//! The manager as it runs, save the window itself: the real application over the real bus thread, drawn into a tree of
//! accessible names, by which it is read and pressed.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use egui::{Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable, by};
use hostler_bus::daemon::{Absent, Client, Reach};
use hostler_manager::app::Manager;
use hostler_manager::bus::{Connect, start_over};
use hostler_manager::model::{Instance, InstanceKey};
use hostler_manager::state::State;
use hostler_manager::theme;
use zbus::connection::Builder;

use crate::session::{LIMIT, Session};

/// How long the window rests at most before it looks again: what changes with time alone wakes nobody here.
const REST: Duration = Duration::from_millis(100);

/// The session's bus, by its address.
struct Address(String);

#[async_trait]
impl Connect for Address {
    async fn connect(&self, reach: &Reach) -> Result<Client, Absent> {
        let refused = |source| Absent::NoBus { bus: "session", source: Box::new(source) };
        let connection = Builder::address(self.0.as_str()).map_err(refused)?.build().await.map_err(refused)?;
        Client::over(connection, reach).await
    }
}

/// Whether the bus thread has told something since it was looked.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.rings.notify_all();
    }

    fn wait(&self, limit: Duration) {
        let rung = self.rung.lock().unwrap();
        let (mut rung, _) = self.rings.wait_timeout_while(rung, limit, |rung| !*rung).unwrap();
        *rung = false;
    }
}

/// The window.
pub(crate) struct Window {
    harness: Harness<'static, Manager>,
    bell: Arc<Bell>,
}

/// The user's own instances.
pub(crate) fn user() -> Reach {
    Reach { user: true, host: None }
}

impl Window {
    /// Opens it on the instances of a session.
    pub(crate) fn open(session: &Session) -> Self {
        let bell = Arc::<Bell>::default();
        let rings = Arc::clone(&bell);
        let bus = start_over(Arc::new(Address(session.address())), move || rings.ring());
        let manager = Manager::over(&egui::Context::default(), Arc::new(bus), State::default(), vec![user()]);
        let harness = Harness::builder().with_size([1280.0, 800.0]).with_context_setup(theme::install).build_ui_state(
            |ui, manager: &mut Manager| {
                manager.advance(&ui.ctx().clone());
                manager.draw(ui);
            },
            manager,
        );
        Self { harness, bell }
    }

    /// The instance as it is known.
    pub(crate) fn shop(&self) -> Option<&Instance> {
        self.harness.state().world().instance(&InstanceKey { reach: user(), name: "shop".to_owned() })
    }

    /// The application itself.
    pub(crate) fn manager(&mut self) -> &mut Manager {
        self.harness.state_mut()
    }

    /// Draws until it is as wanted.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        loop {
            self.harness.step();
            if wanted(self) {
                return;
            }
            assert!(Instant::now() < end, "the window does not show {what}; it shows:\n{}", self.words().join("\n"));
            self.bell.wait(REST);
        }
    }

    /// Draws until these words are read somewhere.
    pub(crate) fn until_said(&mut self, words: &str) {
        self.until(&format!("{words:?}"), |window| window.says(words));
    }

    /// Whether these words are read somewhere.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.words().iter().any(|line| line.contains(words))
    }

    /// What a screen reader finds: role, name, value and description of everything.
    pub(crate) fn words(&self) -> Vec<String> {
        let nodes = self.harness.root().children_recursive();
        let line = |node: egui_kittest::Node<'_>| {
            let node = node.accesskit_node();
            let parts = [node.label(), node.value(), node.description()];
            let said: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            (!said.is_empty()).then(|| format!("{:?}: {}", node.role(), said.join(" | ")))
        };
        nodes.filter_map(line).collect()
    }

    /// Presses what has this role and name, once it is there.
    pub(crate) fn press(&mut self, role: Role, name: &str) {
        self.until(&format!("{role:?} {name:?}"), |window| {
            window.harness.query_all_by_role_and_label(role, name).next().is_some()
        });
        self.harness.get_by_role_and_label(role, name).click();
        self.harness.step();
    }

    /// What is in the field of this name.
    pub(crate) fn value(&self, field: &str) -> Option<String> {
        self.harness.query_all_by_role_and_label(Role::TextInput, field).next()?.value()
    }

    /// Writes at the end of the field of this name, once it is there.
    pub(crate) fn write(&mut self, field: &str, text: &str) {
        self.until(&format!("the field {field:?}"), |window| window.value(field).is_some());
        self.harness.get_by_role_and_label(Role::TextInput, field).focus();
        self.harness.step();
        self.harness.key_press(Key::End);
        self.harness.get_by_role_and_label(Role::TextInput, field).type_text(text);
        self.harness.step();
    }

    /// Empties the field of this name.
    pub(crate) fn empty(&mut self, field: &str) {
        self.harness.get_by_role_and_label(Role::TextInput, field).focus();
        self.harness.step();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.harness.key_press(Key::Backspace);
        self.harness.step();
    }

    /// Presses the row of the instance in the sidebar, once it is there.
    pub(crate) fn choose_shop(&mut self) {
        let row = || by().role(Role::ListBoxOption).label_contains("shop, ");
        self.until("shop in the list", |window| window.harness.query_all(row()).next().is_some());
        self.harness.get(row()).click();
        self.harness.step();
    }
}
