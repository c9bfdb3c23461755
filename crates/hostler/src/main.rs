//! The `hostler` command. It reads what was asked for, finds the application, its Python and the extension, and hands
//! them on; it owns the answers to bad input. What serving is stands in `serve`, what is asked of running instances in
//! `manage`.

mod arguments;
mod discover;
mod manage;
mod serve;

use std::process::ExitCode;

use discover::{Surroundings, application, extension, python};

use arguments::{Asked, Refused, Verb};

/// The instance refused or failed.
const FAILED: u8 = 1;
/// Wrong words or settings (sysexits.h: EX_USAGE).
const USAGE: u8 = 64;
/// Nobody is there to ask (sysexits.h: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// Something that should not be (sysexits.h: EX_SOFTWARE).
const INTERNAL: u8 = 70;

fn main() -> ExitCode {
    let surroundings = match surroundings() {
        Ok(surroundings) => surroundings,
        Err(error) => return fail(&error, INTERNAL),
    };
    let (verb, settings) = match arguments::read(std::env::args_os(), &surroundings) {
        Ok(Asked::Serve(verb, settings)) => (verb, *settings),
        Ok(Asked::Manage(request)) => return manage::run(&request, &surroundings),
        Err(Refused::Words(error)) => return answer(&error),
        Err(error) => return fail(&error, USAGE),
    };
    let application = match application::locate(&settings, &surroundings) {
        Ok(application) => application,
        Err(error) => return fail(&error, USAGE),
    };
    let python = match python::find(&settings, &application.directory, &surroundings) {
        Ok(python) => python,
        Err(error) => return fail(&error, USAGE),
    };
    let extension = match extension::find(&surroundings) {
        Ok(extension) => extension,
        Err(error) => return fail(&error, INTERNAL),
    };
    let environment = surroundings.variables.into_iter().collect();
    let served = serve::Served { settings, application, python, extension, environment };
    match verb {
        Verb::Run | Verb::Serve => serve::run(&served),
        Verb::Check => serve::check(&served),
    }
}

/// What the process was started with: the one place that asks.
fn surroundings() -> std::io::Result<Surroundings> {
    Ok(Surroundings {
        variables: std::env::vars_os().collect(),
        directory: std::env::current_dir()?,
        executable: std::env::current_exe()?,
    })
}

/// Help and version go to standard output and are no failure; all else that clap says is about wrong words.
fn answer(error: &clap::Error) -> ExitCode {
    // Standard output may be closed, and then there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    say(&error.to_string());
    ExitCode::from(code)
}

/// A message for whoever typed the command.
fn say(message: &str) {
    for line in message.lines() {
        eprintln!("hostler: {line}");
    }
}
