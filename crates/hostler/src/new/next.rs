//! What is left to do when an instance was written: start it, look at it, put a proxy in front of it.

use hostler_instances::{Instance, Scope, Unit};
use hostler_project::Statics;

use crate::install::{Manager, Target, show::indented};

/// What to do next; lines for people.
pub(crate) fn next(instance: &Instance, target: &Target, statics: &[Statics]) -> String {
    let places = &target.places;
    let manager = match places.scope() {
        Scope::System => "systemctl",
        Scope::User => "systemctl --user",
    };
    let (socket, service) = (Unit::Socket.of(&instance.name), Unit::Service.of(&instance.name));
    let mut lines = Vec::new();
    let missing: Vec<String> = [Unit::Socket, Unit::Service]
        .into_iter()
        .filter(|unit| places.template(*unit).is_none())
        .map(|unit| unit.of(&instance.name).replace(instance.name.as_str(), ""))
        .collect();
    if !missing.is_empty() {
        lines.push(format!(
            "note: the template {} of Hostler is not installed{}; without it systemd knows no {socket}",
            missing.join(" and "),
            if places.is_image() { " in the image" } else { " here" }
        ));
    }
    lines.push("next:".to_owned());
    let mut steps: Vec<(String, &str)> = Vec::new();
    let mut step = |command: String, purpose| steps.push((command, purpose));
    if !Manager::of(target).is_ok_and(|manager| manager.runs()) {
        let image = places.is_image();
        let place = if image { "on the system of the image" } else { "where systemd runs; it does not here" };
        step(format!("{manager} daemon-reload"), place);
    }
    match (target.enable, target.start) {
        (true, true) => {}
        _ => {
            step(format!("{manager} enable --now {socket}"), "start with the first request, and listen after each boot")
        }
    }
    step(ask(instance, target), "ask it something");
    step(format!("{manager} status {service}"), "see how it does");
    if !target.places.is_image() && Manager::of(target).is_ok_and(|manager| manager.runs()) {
        step(format!("{manager} restart {socket} {service}"), "if it ran before: addresses and users change so");
    }
    if places.scope() == Scope::User {
        step("loginctl enable-linger".to_owned(), "if it is to go on while you are not logged in");
    }
    let width = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    lines.extend(steps.iter().map(|(command, purpose)| format!("  {command:<width$}  {purpose}")));
    if places.scope() == Scope::System {
        lines.push("nginx (a unix socket needs: usermod --append --groups hostler-web www-data):".to_owned());
        lines.push(indented(&nginx(instance, target, statics)));
    }
    lines.join("\n")
}

/// The first address, as `bind` writes it.
fn address(instance: &Instance, target: &Target) -> String {
    instance
        .addresses
        .first()
        .cloned()
        .unwrap_or_else(|| format!("unix:{}", target.places.template_socket(&instance.name).display()))
}

fn ask(instance: &Instance, target: &Target) -> String {
    match upstream(&address(instance, target)) {
        Upstream::Path(path) => format!("curl --unix-socket {path} http://localhost/"),
        Upstream::Abstract(name) => format!("curl --abstract-unix-socket {name} http://localhost/"),
        Upstream::Tcp(address) => format!("curl http://{address}/"),
    }
}

enum Upstream {
    Path(String),
    Abstract(String),
    Tcp(String),
}

/// An address as clients of this machine call it.
fn upstream(address: &str) -> Upstream {
    if let Some(name) = address.strip_prefix("unix:@") {
        return Upstream::Abstract(name.to_owned());
    }
    if let Some(path) = address.strip_prefix("unix:") {
        return Upstream::Path(path.strip_prefix("//").unwrap_or(path).to_owned());
    }
    let all = ["", "0.0.0.0", "[::]"];
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
    Upstream::Tcp(format!("{}:{port}", if all.contains(&host) { "127.0.0.1" } else { host }))
}

fn nginx(instance: &Instance, target: &Target, statics: &[Statics]) -> String {
    let mut text = String::new();
    for files in statics {
        let first = files.first.map(|first| format!("  # after: {first}")).unwrap_or_default();
        let directory = files.directory.display().to_string();
        text.push_str(&format!("location {} {{ alias {}/; }}{first}\n", files.url, directory.trim_end_matches('/')));
    }
    let server = match upstream(&address(instance, target)) {
        Upstream::Path(path) => format!("unix:{path}"),
        Upstream::Tcp(address) => address,
        Upstream::Abstract(_) => return text + "# nginx cannot connect to abstract sockets\n",
    };
    text.push_str(&format!(
        "location / {{\n    proxy_pass http://{server};\n    proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    \
         proxy_set_header Host $host;\n    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    \
         proxy_set_header X-Forwarded-Proto $scheme;\n    proxy_set_header X-Request-Id $request_id;\n}}\n"
    ));
    text
}
