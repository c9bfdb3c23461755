//! The application: takes events from the bus into the model, draws, and sends the orders of the views.

use std::sync::Arc;

use eframe::Frame;
use egui::{Context, Ui};
use hostler_bus::daemon::Reach;

use crate::application::{Application, Call, Calls};
use crate::arguments::Arguments;
use crate::bus::{Bus, Order};
use crate::model::{Clock, World};
use crate::state::State;
use crate::theme;
use crate::views::{self, Stage};

/// The application's id: that of its desktop file, its window and its name on the session bus.
pub const ID: &str = "org.hostler.Manager";
/// The title of its window.
pub const TITLE: &str = "Hostler Manager";
/// Where the state is kept in eframe's storage.
const STATE_KEY: &str = "hostler-manager";

/// The application.
pub struct Manager {
    bus: Arc<dyn Bus>,
    world: World,
    state: State,
    clock: Clock,
    /// Whether the window was seen when the bus was last told.
    shown: bool,
    calls: Calls,
}

impl Manager {
    /// The application over the daemons that the arguments and the kept state name.
    #[must_use]
    pub fn new(context: &eframe::CreationContext<'_>, arguments: &Arguments, application: Application) -> Self {
        let state: State =
            context.storage.and_then(|storage| eframe::get_value(storage, STATE_KEY)).unwrap_or_default();
        let mut reaches = arguments.reaches();
        reaches.extend(state.hosts.iter().filter(|reach| !reaches.contains(reach)).cloned().collect::<Vec<Reach>>());
        crate::screen_reader::connect(&context.egui_ctx);
        let repaint = context.egui_ctx.clone();
        let bus = crate::bus::start(move || repaint.request_repaint());
        let mut manager = Self::over(&context.egui_ctx, Arc::new(bus), state, reaches);
        manager.calls.attach(application, &context.egui_ctx);
        arguments.calls().into_iter().for_each(|call| manager.begin(call));
        manager
    }

    /// The application over any bus; how tests drive it.
    #[must_use]
    pub fn over(context: &Context, bus: Arc<dyn Bus>, state: State, reaches: Vec<Reach>) -> Self {
        theme::install(context);
        context.set_theme(state.theme);
        let mut world = World::default();
        for reach in reaches {
            world.add_machine(reach.clone());
            bus.send(Order::Connect(reach));
        }
        Self { bus, world, state, clock: Clock::system(), calls: Calls::default(), shown: true }
    }

    /// Does what whoever started the manager wants to see.
    pub fn begin(&mut self, call: Call) {
        if let Some(order) = self.calls.answer(call, &mut self.world, &mut self.state, self.clock.now()) {
            self.order(order);
        }
    }

    fn order(&mut self, order: Order) {
        self.world.ordered(&order, self.clock.now());
        self.bus.send(order);
    }

    /// What is known; for tests.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What the person chose; for tests.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Puts another world in the place of what is known; for tests and pictures.
    pub fn set_world(&mut self, world: World) {
        self.world = world;
    }

    /// Stops the clock at a moment, so that ages are the same in each run of a test.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Tells the bus whether the window is seen: while it is not, nothing is asked for.
    fn tell_shown(&mut self, context: &Context) {
        let shown = context.input(|input| input.viewport().visible()).unwrap_or(true);
        if std::mem::replace(&mut self.shown, shown) != shown {
            self.bus.send(Order::Shown(shown));
        }
    }

    /// Takes what the bus told since the last frame.
    fn take_events(&mut self) {
        let now = self.clock.now();
        while let Some(event) = self.bus.try_next() {
            let follow_up = self.world.take(event, now);
            self.state.follow(&self.world);
            for order in follow_up {
                self.bus.send(order);
            }
        }
    }

    /// Takes what came since the last frame: events of the daemons, calls of those who start the manager again.
    pub fn advance(&mut self, context: &Context) {
        self.tell_shown(context);
        self.take_events();
        for order in self.calls.take(context, &mut self.world, &mut self.state, self.clock.now()) {
            self.order(order);
        }
    }

    /// Draws, and sends what the views order.
    pub fn draw(&mut self, ui: &mut Ui) {
        let mut orders = Vec::new();
        let now = self.clock.now();
        let mut stage = Stage {
            world: &mut self.world,
            state: &mut self.state,
            orders: &mut orders,
            tokens: theme::tokens(ui),
            now,
        };
        views::shell::show(ui, &mut stage);
        for order in orders {
            self.order(order);
        }
    }
}

impl eframe::App for Manager {
    fn logic(&mut self, context: &Context, _frame: &mut Frame) {
        self.advance(context);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        self.draw(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, STATE_KEY, &self.state);
    }

    fn auto_save_interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(300)
    }
}
