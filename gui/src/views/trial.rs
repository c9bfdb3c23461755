//! Tries a view without a window: a world, a state, and the orders that the view gave.

use egui::Theme;
use egui_kittest::Harness;

use super::Stage;
use crate::bus::Order;
use crate::model::{Instance, World, example};
use crate::state::State;
use crate::theme;

/// The sizes that a view has to look well at.
pub(crate) const SIZES: [[f32; 2]; 2] = [[1000.0, 700.0], [1600.0, 1000.0]];

/// What a view is drawn with, and what it answered.
pub(crate) struct Trial {
    /// What is known.
    pub(crate) world: World,
    /// What the person chose.
    pub(crate) state: State,
    /// What the view ordered.
    pub(crate) orders: Vec<Order>,
}

impl Trial {
    /// The instance that is shown.
    pub(crate) fn instance(&mut self) -> &mut Instance {
        let key = self.state.selected.clone().expect("an instance is selected");
        self.world.instance_mut(&key).expect("the selected instance is there")
    }
}

/// A view of an instance of the example world, with what `change` makes of it.
pub(crate) fn of(
    name: &str,
    (theme, size): (Theme, [f32; 2]),
    view: fn(&mut egui::Ui, &mut Stage<'_>),
    change: impl FnOnce(&mut Trial),
) -> Harness<'static, Trial> {
    let state = State { selected: Some(example::key(name)), ..State::default() };
    let mut trial = Trial { world: example::world(), state, orders: Vec::new() };
    change(&mut trial);
    let builder = Harness::builder().with_size(size).with_theme(theme).with_context_setup(theme::install);
    let mut harness = builder.build_ui_state(
        move |ui, trial: &mut Trial| {
            let mut orders = Vec::new();
            let mut stage = Stage {
                world: &mut trial.world,
                state: &mut trial.state,
                orders: &mut orders,
                tokens: theme::tokens(ui),
                now: example::NOW_US,
            };
            view(ui, &mut stage);
            for order in &orders {
                trial.world.ordered(order, example::NOW_US);
            }
            trial.orders.extend(orders);
        },
        trial,
    );
    harness.run();
    harness
}

/// Each theme at each size.
pub(crate) fn looks() -> impl Iterator<Item = (Theme, [f32; 2])> {
    [Theme::Light, Theme::Dark].into_iter().flat_map(|theme| SIZES.map(|size| (theme, size)))
}

/// Dark and small.
pub(crate) const DARK: (Theme, [f32; 2]) = (Theme::Dark, SIZES[0]);
