//! Tests of where things are: in each view, at each size down to the smallest, nothing runs out of the window, nothing
//! covers anything else, and all names are words. They read the accessible nodes with their places.

use std::collections::HashMap;

use egui::accesskit::{Node, NodeId, Role, TreeUpdate};
use egui::{Context, Rect, Theme, Vec2, ViewportId};

use super::{Stage, shell};
use crate::model::example::{self, extremes};
use crate::model::{InstanceKey, World};
use crate::state::{State, Tab};
use crate::theme;

/// Widths and heights in points: those of the pictures, 800x600, and 1000x700 at 150 %.
const SIZES: [[f32; 2]; 4] = [[1600.0, 1000.0], [1000.0, 700.0], [800.0, 600.0], [667.0, 467.0]];

/// A widget with its place, as far as it can be seen.
#[derive(Debug)]
struct Seen {
    name: String,
    role: Role,
    rect: Rect,
    path: Vec<NodeId>,
}

/// Draws the whole window until it is at rest, and answers with its accessible nodes, and the world.
fn draw(mut world: World, mut state: State, size: [f32; 2]) -> (TreeUpdate, World) {
    let context = Context::default();
    context.enable_accesskit();
    theme::install(&context);
    context.set_theme(Theme::Dark);
    let mut update = None;
    for frame in 0..3 {
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, Vec2::from(size))),
            viewport_id: ViewportId::ROOT,
            time: Some(f64::from(frame)),
            ..egui::RawInput::default()
        };
        let mut orders = Vec::new();
        let mut output = context.run_ui(input, |ui| {
            let tokens = theme::tokens(ui);
            let mut stage =
                Stage { world: &mut world, state: &mut state, orders: &mut orders, tokens, now: example::NOW_US };
            shell::show(ui, &mut stage);
        });
        output.textures_delta.clear();
        update = output.platform_output.accesskit_update;
    }
    (update.expect("accessible nodes"), world)
}

/// The widgets that can be seen, in the order in which they are drawn.
fn seen(update: &TreeUpdate, size: [f32; 2]) -> Vec<Seen> {
    let nodes: HashMap<NodeId, &Node> = update.nodes.iter().map(|(id, node)| (*id, node)).collect();
    let parents: HashMap<NodeId, NodeId> =
        update.nodes.iter().flat_map(|(id, node)| node.children().iter().map(move |child| (*child, *id))).collect();
    let rect = |node: &Node| {
        let bounds = node.bounds()?;
        let (min, max) =
            (egui::pos2(bounds.x0 as f32, bounds.y0 as f32), egui::pos2(bounds.x1 as f32, bounds.y1 as f32));
        Some(Rect::from_min_max(min, max))
    };
    let mut all = Vec::new();
    for (id, node) in &update.nodes {
        let Some(mut visible) = rect(node) else { continue };
        let mut path = Vec::new();
        let mut above = *id;
        while let Some(parent) = parents.get(&above) {
            path.push(*parent);
            // What is scrolled out is not seen.
            if let Some(area) =
                nodes.get(parent).filter(|node| node.role() == Role::ScrollView).and_then(|node| rect(node))
            {
                visible = Rect::from_x_y_ranges(visible.x_range(), visible.y_range().intersection(area.y_range()));
            }
            above = *parent;
        }
        let name = node.label().or(node.value()).unwrap_or_default().to_owned();
        let is_in_window = visible.is_positive() && visible.top() < size[1] - 1.0;
        if is_in_window && !name.is_empty() {
            all.push(Seen { name, role: node.role(), rect: visible, path });
        }
    }
    all
}

/// Roles of what one reads or presses.
fn is_leaf(role: Role) -> bool {
    matches!(
        role,
        Role::Button | Role::CheckBox | Role::RadioButton | Role::Tab | Role::TextInput | Role::Link | Role::Label
    )
}

fn shop(tab: Tab) -> State {
    State { selected: Some(example::key("shop")), tab, ..State::default() }
}

/// Each view of each world with what it is called.
fn views() -> Vec<(String, World, State)> {
    let mut views = Vec::new();
    type Make = fn() -> World;
    let worlds: [(&str, Make); 7] = [
        ("world", example::world),
        ("idle", extremes::idle),
        ("awaited", extremes::awaited),
        ("forbidden", extremes::forbidden),
        ("lost", extremes::lost),
        ("reloads", extremes::reloads),
        ("failed", extremes::reload_failed),
    ];
    for (name, world) in worlds {
        for tab in Tab::ALL {
            views.push((format!("{name}, {}", tab.title()), world(), shop(tab)));
        }
    }
    for tab in Tab::ALL {
        let key = InstanceKey { reach: example::system(), name: extremes::LONG_NAME.to_owned() };
        let state = State { selected: Some(key), tab, ..State::default() };
        views.push((format!("long names, {}", tab.title()), extremes::long_names(), state));
    }
    let lists: [(&str, Make); 5] = [
        ("world", example::world),
        ("many", extremes::many),
        ("away", example::away),
        ("connecting", example::connecting),
        ("empty", example::empty),
    ];
    for (name, world) in lists {
        views.push((format!("{name}, list"), world(), State::default()));
    }
    let marked = ["admin", "shop"].map(example::key).into();
    views.push(("marked, list".to_owned(), example::world(), State { marked, ..State::default() }));
    views
}

/// What runs out of the window, and what covers what is beside it.
fn faults(view: &str, widgets: &[Seen], size: [f32; 2]) -> Vec<String> {
    let leaves: Vec<&Seen> = widgets.iter().filter(|widget| is_leaf(widget.role)).collect();
    let mut faults = Vec::new();
    for (place, one) in leaves.iter().enumerate() {
        if one.rect.right() > size[0] + 0.5 || one.rect.left() < -0.5 {
            faults.push(format!("{size:?} {view}: {} runs out of the window: {:?}", one.name, one.rect));
        }
        for other in &leaves[place + 1..] {
            let both = one.rect.intersect(other.rect);
            let is_covered = both.width() > 1.5 && both.height() > 3.0 && one.path == other.path;
            // Words that go on in a second line begin it at the left, below those before them.
            let is_wrapped = one.role == Role::Label && other.role == Role::Label;
            if is_covered && !is_wrapped {
                faults
                    .push(format!("{size:?} {view}: {} {:?} and {} {:?}", one.name, one.rect, other.name, other.rect));
            }
        }
    }
    faults
}

#[test]
fn nothing_runs_out_of_the_window_nor_covers_what_is_beside_it() {
    let mut found = Vec::new();
    for (view, world, state) in views() {
        // What fits into a little room fits into more; the large window is looked at where most is drawn.
        let sizes = if view.starts_with("world") { &SIZES[..] } else { &SIZES[2..] };
        let mut world = world;
        for size in sizes {
            let (update, back) = draw(world, state.clone(), *size);
            world = back;
            found.extend(faults(&view, &seen(&update, *size), *size));
        }
    }
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

#[test]
fn names_are_words() {
    let mut faults = Vec::new();
    for (view, world, state) in views() {
        for widget in seen(&draw(world, state, SIZES[1]).0, SIZES[1]) {
            let is_sign = |letter: char| ('\u{e000}'..='\u{f8ff}').contains(&letter);
            let is_control = !matches!(widget.role, Role::Label | Role::TextRun);
            if is_control && widget.name.contains(is_sign) {
                faults.push(format!("{view}: {:?} {:?}", widget.role, widget.name));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "names with signs of the icon font:\n{}", faults.join("\n"));
}

#[test]
fn right_edges_are_one_line() {
    for size in SIZES {
        for tab in [Tab::Overview, Tab::Units] {
            let widgets = seen(&draw(example::world(), shop(tab), size).0, size);
            let cards = widgets.iter().filter(|widget| widget.role == Role::Group || widget.role == Role::Figure);
            let most = cards.map(|card| card.rect.right()).fold(0.0, f32::max);
            // The margin of the window, and that of a card.
            assert!(most <= size[0] - theme::Size::WIDE + 0.5, "{size:?} {tab:?}: {most}");
        }
    }
}
