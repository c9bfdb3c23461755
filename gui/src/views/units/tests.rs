//! The units by their accessible names.

use egui_kittest::kittest::Queryable;
use hostler_bus::daemon::{Detail, Security};

use super::show;
use crate::bus::{Action, Order};
use crate::model::{Loaded, example};
use crate::views::trial::{self, DARK, Trial};

fn detail(trial: &mut Trial) -> &mut Detail {
    match &mut trial.instance().detail {
        Loaded::Here(detail) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn socket_service_and_profiles_are_there() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("hostler@shop.service");
        harness.get_by_label("hostler@shop.socket");
        harness.get_by_label("/run/hostler/shop.sock");
        harness.get_by_label("Copy /usr/lib/systemd/system/hostler@.service");
        harness.get_by_label("Copy /usr/lib/systemd/system/hostler@.socket");
        harness.get_by_label("/etc/systemd/system/hostler@shop.service.d/profile.conf");
        harness.get_by_role_and_label(egui::Role::Row, "RestrictNamespaces");
        harness.get_by_label("profile standard");
        harness.get_by_label_contains("in use");
        harness.get_by_label("Copy `systemctl cat hostler@shop.service`");
        assert!(harness.query_by_label_contains("daemon-reload").is_none());
    }
}

#[test]
fn changed_unit_files_are_warned_of() {
    let harness = trial::of("shop", DARK, show, |trial| {
        detail(trial).service.as_mut().expect("a service").needs_daemon_reload = true;
    });
    harness.get_by_label("Copy `systemctl daemon-reload`");
}

#[test]
fn a_bad_end_says_what_to_do() {
    let harness = trial::of("shop", DARK, show, |trial| {
        let service = detail(trial).service.as_mut().expect("a service");
        service.active = "failed".to_owned();
        service.result = "exit-code".to_owned();
        service.exit_status = 65;
    });
    harness.get_by_label("failed · running");
    harness.get_by_label_contains("does not import");
}

#[test]
fn it_is_disabled_and_put_to_sleep() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Disable").click();
    harness.run();
    assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), Action::Enable(false))]);
    harness.get_by_label("Under way…");
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Let it sleep").click();
    harness.run();
    assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), Action::Sleep)]);
}

#[test]
fn a_sandbox_that_is_not_known_or_changed_is_said() {
    let harness = trial::of("shop", DARK, show, |trial| detail(trial).security = None);
    harness.get_by_label_contains("systemd does not say how its sandbox is");
    assert!(harness.query_by_label_contains("in use").is_none());
    let harness = trial::of("shop", DARK, show, |trial| {
        let security = Security { exposure: 6.2, rating: "MEDIUM".to_owned(), profile: "changed".to_owned() };
        detail(trial).security = Some(security);
    });
    harness.get_by_label("medium");
    harness.get_by_label_contains("changed beyond Hostler's profiles");
}

#[test]
fn without_systemd_it_is_said() {
    trial::of("shop", DARK, show, |trial| trial.instance().detail = Loaded::Here(Detail::default()))
        .get_by_label("systemd does not manage it");
    trial::of("shop", DARK, show, |trial| trial.instance().detail = Loaded::Never)
        .get_by_label("Waiting for the units");
    trial::of("shop", DARK, show, |trial| trial.instance().detail = Loaded::Failed(example::refused(), None))
        .get_by_label("You may not see the units");
}
