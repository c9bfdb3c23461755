//! The manager end to end: the real application over the real bus thread, a real hostlerd, and an instance that serves
//! a real application under load. It is read and pressed by accessible names, as a screen reader does. That the
//! window itself works is shown by `tests/manager`.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod load;
mod session;
mod window;

use std::fs;

use egui::Role;
use hostler_bus::daemon::InstanceState;
use hostler_manager::application::Call;
use hostler_manager::state::Tab;

use load::Load;
use session::{APPLICATION, Session};
use window::Window;

/// The generation that serves.
fn generation(window: &Window) -> u64 {
    window.shop().map_or(0, |shop| shop.overview.generation)
}

/// An instance under load, and the window that shows it.
fn watched(session: &Session) -> (Load, Window) {
    let load = Load::start(&session.path("shop.sock"));
    let mut window = Window::open(session);
    window.choose_shop();
    (load, window)
}

#[test]
fn what_runs_is_listed_and_seen_to_work() {
    let session = Session::start();
    let load = Load::start(&session.path("shop.sock"));
    let mut window = Window::open(&session);
    window.until("shop serving", |window| window.shop().is_some_and(|shop| shop.state() == InstanceState::Serving));
    window.choose_shop();
    window.until("requests a second", |window| {
        let sample = window.shop().and_then(|shop| shop.samples.last().copied());
        sample.is_some_and(|sample| sample.rate() > 0.0 && sample.p95_us > 0 && sample.memory_bytes > 0)
    });
    window.until_said("shop:app");
    window.until_said("generation 1");
    window.press(Role::Tab, "Workers");
    window.until("both workers", |window| {
        let workers = window.shop().and_then(|shop| shop.workers.value());
        workers.is_some_and(|workers| {
            workers.len() == 2 && workers.iter().all(|worker| window.says(&worker.pid.to_string()))
        })
    });
    window.press(Role::Tab, "Requests");
    window.until_said("/slow");
    load.end();
}

#[test]
fn a_reload_from_the_window_loses_no_request() {
    let session = Session::start();
    let (load, mut window) = watched(&session);
    load.wait("one", 50);
    session.write_application(&APPLICATION.replace("\"one\"", "\"two\""));
    window.press(Role::Button, "Reload");
    assert!(window.shop().is_some_and(|shop| shop.is_busy()), "what was pressed is seen at once");
    window.until("generation 2", |window| generation(window) == 2 && window.says("generation 2"));
    window.until("the end of the reload", |window| window.shop().is_some_and(|shop| !shop.is_busy()));
    load.wait("two", 50);
    load.end();
}

#[test]
fn a_broken_reload_is_shown_with_its_traceback_and_costs_nothing() {
    let session = Session::start();
    let (load, mut window) = watched(&session);
    session.write_application("import absent_module\n");
    window.press(Role::Button, "Reload");
    window.until_said("No module named 'absent_module'");
    window.until_said("shop.py, line 1");
    window.until_said("generation 1 goes on serving");
    load.wait("one", 50);
    session.write_application(&APPLICATION.replace("\"one\"", "\"mended\""));
    window.press(Role::Button, "Try again");
    window.until("generation of the mended code", |window| generation(window) >= 2);
    window.until("no failure any more", |window| !window.says("goes on serving"));
    load.wait("mended", 50);
    load.end();
}

#[test]
fn a_daemon_that_dies_is_said_and_waited_for() {
    let mut session = Session::start();
    let mut window = Window::open(&session);
    window.choose_shop();
    window.until_said("generation 1");
    session.end_daemon();
    window.until_said("as it was last seen");
    assert!(window.says("generation 1"), "what was known stays");
    session.start_daemon();
    window.until("all as before", |window| !window.says("as it was last seen"));
    session.write_application(&APPLICATION.replace("\"one\"", "\"two\""));
    window.press(Role::Button, "Reload");
    // One that is made of that number is spoken of, too.
    window.until("generation 2", |window| generation(window) == 2);
}

#[test]
fn a_bus_that_dies_is_said_and_waited_for() {
    let mut session = Session::start();
    let mut window = Window::open(&session);
    window.choose_shop();
    window.until_said("generation 1");
    session.end_daemon();
    session.end_bus();
    window.until_said("as it was last seen");
    session.start_bus();
    session.start_daemon();
    window.until("all as before", |window| !window.says("as it was last seen"));
}

#[test]
fn a_link_leads_to_a_view() {
    let session = Session::start();
    let mut window = Window::open(&session);
    window.manager().begin(Call::Open(vec!["hostler://app/shop/workers".to_owned()]));
    window.until("the workers", |window| window.shop().is_some_and(|shop| shop.workers.value().is_some()));
    assert_eq!(window.manager().state_mut().tab, Tab::Workers);
    window.manager().begin(Call::Open(vec!["hostler://app/absent".to_owned()]));
    window.until_said("No machine in the sidebar has an instance \"absent\"");
}

#[test]
fn settings_are_checked_as_typed_applied_under_load_and_undone() {
    let session = Session::start();
    let before = fs::read_to_string(session.settings()).unwrap();
    let (load, mut window) = watched(&session);
    window.press(Role::Tab, "Settings");
    window.write("Search settings", "threads");
    window.press(Role::Button, "More threads");
    window.until("the draft of two threads", |window| window.value("threads").as_deref() == Some("2"));
    // What is typed is looked through by the daemon, and what is wrong is said beside it.
    window.write("threads", "many");
    window.until_said("wants");
    window.empty("threads");
    window.write("threads", "2");
    window.until("no mistake any more", |window| !window.says("wants"));
    window.press(Role::Button, "Review…");
    window.until_said("threads = 2");
    window.press(Role::Button, "Apply");
    window.until("generation 2", |window| generation(window) == 2);
    assert_eq!(fs::read_to_string(session.settings()).unwrap(), format!("{before}threads = 2\n"));
    window.press(Role::Button, "Undo");
    window.until("generation 3", |window| generation(window) == 3);
    assert_eq!(fs::read_to_string(session.settings()).unwrap(), before);
    load.wait("one", 20);
    load.end();
}

#[test]
fn settings_that_the_instance_refuses_are_taken_back() {
    let session = Session::start();
    let before = fs::read_to_string(session.settings()).unwrap();
    let (load, mut window) = watched(&session);
    window.press(Role::Tab, "Settings");
    window.write("Search settings", "app");
    window.until("the application", |window| window.value("app").as_deref() == Some("shop:app"));
    window.empty("app");
    window.write("app", "absent:app");
    window.press(Role::Button, "Review…");
    window.press(Role::Button, "Apply");
    window.until_said("there is no module \"absent\"");
    window.until_said("Not applied: the settings are as before");
    assert_eq!(fs::read_to_string(session.settings()).unwrap(), before);
    assert_eq!(generation(&window), 1);
    load.wait("one", 20);
    load.end();
}

#[test]
fn the_log_is_followed() {
    let mut session = Session::start();
    // What systemd has not started logs elsewhere while it runs.
    session.end_instance();
    let mut window = Window::open(&session);
    window.choose_shop();
    window.press(Role::Tab, "Logs");
    window.until_said("INFO stopped");
    for line in ["WARN the first line that is followed", "INFO the second"] {
        session.append_log(line);
        window.until_said(line);
    }
}

#[test]
fn what_an_instance_logged_is_shown_and_where_it_logs_now() {
    let session = Session::start();
    let mut window = Window::open(&session);
    window.choose_shop();
    window.press(Role::Tab, "Logs");
    window.until_said("listening on");
    window.until_said("its log goes to its standard error, where it was started");
}
