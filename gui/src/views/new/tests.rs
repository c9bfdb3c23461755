//! The dialog by its accessible names.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

use super::*;
use crate::bus::{Action, ChoiceKind, Event, Order, Progress};
use crate::model::{Failure, FailureKind, InstanceKey, World, example};
use crate::theme;

/// A world with the dialog in front of it.
struct Window {
    world: World,
    state: State,
    orders: Vec<Order>,
}

fn window(imports: bool) -> Harness<'static, Window> {
    let mut state = State::default();
    begin(&mut state, example::user(), imports);
    let window = Window { world: example::world(), state, orders: Vec::new() };
    let mut installed = false;
    Harness::builder().with_size([1000.0, 700.0]).build_ui_state(
        move |ui, window: &mut Window| {
            if !installed {
                theme::install(ui.ctx());
                installed = true;
                return;
            }
            let mut orders = Vec::new();
            let tokens = theme::tokens(ui);
            let mut stage = Stage {
                world: &mut window.world,
                state: &mut window.state,
                orders: &mut orders,
                tokens,
                now: example::NOW_US,
            };
            show(ui, &mut stage);
            for order in &orders {
                window.world.ordered(order, example::NOW_US);
            }
            window.orders.extend(orders);
        },
        window,
    )
}

/// Draws until a text is there: threads look for it.
fn until(harness: &mut Harness<'static, Window>, text: &str) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while harness.query_all_by_label_contains(text).next().is_none() {
        assert!(std::time::Instant::now() < end, "{text:?} does not come");
        std::thread::yield_now();
        harness.step();
    }
}

/// Names a folder, and draws until its list is there: what is below the list moves when it comes.
fn choose(harness: &mut Harness<'static, Window>, folder: &std::path::Path) {
    let folder = folder.display().to_string();
    harness.state_mut().state.passing.new.open.as_mut().unwrap().folder = folder.clone();
    while harness.state().state.passing.new.open.as_ref().unwrap().folders.0 != folder {
        std::thread::yield_now();
        harness.step();
    }
    harness.run_steps(3);
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("saddles").tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), "from flask import Flask\napp = Flask(__name__)\n").unwrap();
    folder
}

#[test]
fn a_folder_is_looked_into_and_its_instance_made() {
    let folder = project();
    let mut harness = window(false);
    choose(&mut harness, folder.path());
    harness.get_by_label("Continue").click();
    until(&mut harness, "Flask");
    harness.run_steps(3);
    harness.run_steps(3);
    harness.get_by_label("Create").click();
    harness.run_steps(2);
    let order = harness.state().orders.last().cloned();
    let Some(Order::Create { reach, name, change, options }) = order else { panic!("{order:?}") };
    assert_eq!(reach, example::user());
    assert!(change.set.contains(&("app".to_owned(), vec!["app:app".to_owned()])), "{change:?}");
    assert!(options.start && options.addresses[0].starts_with("127.0.0.1:"));

    let key = InstanceKey { reach, name };
    let progress = Progress { stage: "telling systemd".to_owned(), fraction: 0.5 };
    harness.state_mut().world.take(Event::Progress(key.clone(), Action::Create, progress), example::NOW_US);
    harness.run_steps(2);
    harness.get_by_label_contains("telling systemd");
    let outcome = hostler_bus::daemon::Outcome { message: "saddles is made".to_owned(), ..Default::default() };
    harness.state_mut().world.take(Event::Ended(key.clone(), Action::Create, Ok(outcome)), example::NOW_US);
    harness.run_steps(2);
    harness.get_by_label("Open in browser");
    harness.get_by_label("Show it").click();
    harness.run_steps(2);
    assert_eq!(harness.state().state.selected.as_ref(), Some(&key));
    assert!(harness.state().state.passing.new.open.is_none(), "the dialog closes");
}

#[test]
fn a_refusal_leads_back_to_the_form() {
    let folder = project();
    let mut harness = window(false);
    choose(&mut harness, folder.path());
    harness.get_by_label("Continue").click();
    until(&mut harness, "Flask");
    harness.run_steps(3);
    harness.get_by_label("Create").click();
    harness.run_steps(2);
    let key = harness.state().world.making.clone().unwrap().key;
    let failure =
        Failure { kind: FailureKind::NotPermitted, message: "not authorized".to_owned(), ..Default::default() };
    harness.state_mut().world.take(Event::Ended(key, Action::Create, Err(failure)), example::NOW_US);
    harness.run_steps(2);
    harness.get_by_label_contains("You may not make instances here");
    harness.get_by_label("Back").click();
    harness.run_steps(2);
    harness.get_by_label("Create");
}

#[test]
fn an_import_says_what_is_lost() {
    let mut harness = window(true);
    let words = "gunicorn -w 3 --worker-tmp-dir /dev/shm -b 127.0.0.1:9000 shop.wsgi";
    harness.state_mut().state.passing.new.open.as_mut().unwrap().words = words.to_owned();
    harness.run_steps(3);
    harness.get_by_label("Continue").click();
    until(&mut harness, "worker_tmp_dir");
    harness.get_by_label("Create");
}

#[test]
fn an_empty_folder_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(false);
    choose(&mut harness, folder.path());
    harness.get_by_label("Continue").click();
    until(&mut harness, "found no application");
    harness.run();
    harness.get_by_label("Cancel").click();
    harness.run();
    assert!(harness.state().state.passing.new.open.is_none());
}

/// Answers the desktop's dialog that was asked for last.
fn answer(harness: &mut Harness<'static, Window>, result: Result<Vec<std::path::PathBuf>, Failure>) {
    let choice = harness.state().world.choice.clone().expect("a dialog was asked for");
    harness.state_mut().world.take(Event::Chosen(choice.number, result), example::NOW_US);
    harness.run_steps(3);
}

#[test]
fn a_folder_is_chosen_in_the_desktops_dialog() {
    let folder = project();
    let mut harness = window(false);
    harness.run_steps(3);
    harness.get_by_label("Browse…").click();
    harness.run_steps(3);
    let Some(Order::Choose(wish)) = harness.state().orders.last().cloned() else { panic!("nothing was ordered") };
    assert_eq!((wish.kind, wish.title.as_str()), (ChoiceKind::Folder, "Folder of the project"));
    harness.get_by_label("Choosing…");
    let typed =
        |harness: &Harness<'static, Window>| harness.state().state.passing.new.open.as_ref().unwrap().folder.clone();
    let before = typed(&harness);
    answer(&mut harness, Ok(Vec::new()));
    assert_eq!(typed(&harness), before, "a dialog that was closed changes nothing");
    harness.get_by_label("Browse…").click();
    harness.run_steps(3);
    answer(&mut harness, Ok(vec![folder.path().to_owned()]));
    assert_eq!(typed(&harness), folder.path().display().to_string());
    harness.get_by_label("Browse…").click();
    harness.run_steps(3);
    let failure = Failure { message: "no portal answers. Type the path.".to_owned(), ..Failure::default() };
    answer(&mut harness, Err(failure));
    harness.get_by_label_contains("no portal answers. Type the path.");
    harness.get_by_label("Folder of the project");
}

#[test]
fn files_of_another_server_are_chosen_in_the_desktops_dialog() {
    let mut harness = window(true);
    harness.run_steps(3);
    harness.get_by_label("Browse…").click();
    harness.run_steps(3);
    answer(&mut harness, Ok(vec!["/srv/my shop/a.ini".into(), "/srv/b.ini".into()]));
    let words = harness.state().state.passing.new.open.as_ref().unwrap().words.clone();
    assert_eq!(words, "'/srv/my shop/a.ini' /srv/b.ini");
}
