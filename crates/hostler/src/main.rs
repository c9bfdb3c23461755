//! The `hostler` command. It reads what was asked for, finds the application, its Python and the extension, and hands
//! them on; it owns the answers to bad input. What serving is stands in `serve`, what is asked of running instances in
//! `manage`, how instances are written and taken away in `new`, `remove` and `import`.

// These panic where the other end was closed.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod extension;
mod import;
mod install;
mod manage;
mod new;
mod refusal;
mod remove;
mod serve;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use hostler_project::{Surroundings, application, python};

use arguments::{Asked, Install, Places, Refused, Verb};
use hostler_settings::Settings;
use refusal::Refusal;

/// The instance refused or failed.
const FAILED: u8 = 1;
/// Wrong words or settings (sysexits.h: EX_USAGE).
const USAGE: u8 = 64;
/// Nobody is there to ask (sysexits.h: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// Something that should not be (sysexits.h: EX_SOFTWARE).
const INTERNAL: u8 = 70;

/// For tests: a child has all that this process has open until it runs its program, and so a socket that was closed meanwhile still listens. Who
/// starts one writes; who closes a socket and then counts on that reads.
#[cfg(test)]
static CHILDREN: std::sync::RwLock<()> = std::sync::RwLock::new(());

fn main() -> ExitCode {
    manage::daemon::completion::answer(arguments::command);
    let surroundings = match surroundings() {
        Ok(surroundings) => surroundings,
        Err(error) => return fail(&error, INTERNAL),
    };
    let (verb, settings, places) = match arguments::read(std::env::args_os(), &surroundings) {
        Ok(Asked::Serve(verb, settings, places)) => (verb, *settings, places),
        Ok(Asked::Manage(request)) => return manage::run(&request, &surroundings),
        Ok(Asked::UpgradeAll(request)) => return manage::all::run(&request, &surroundings),
        Ok(Asked::Daemon(request)) => return manage::daemon::run(&request, &surroundings),
        Ok(Asked::Completion(matches)) => return manage::daemon::completion::run(&matches),
        Ok(Asked::Install(what, matches)) => {
            return match what {
                Install::New => new::command_run(&matches, &surroundings),
                Install::Remove => remove::command_run(&matches, &surroundings),
                Install::Import => import::command_run(&matches, &surroundings),
            };
        }
        Err(Refused::Words(error)) => return answer(&error),
        Err(error) if serves() => return serve::refused(&Refusal::from(error), &surroundings),
        Err(error) => return fail(&error, USAGE),
    };
    let prepared = prepare(settings, places, &surroundings)
        .and_then(|served| Ok((served, extension::find(&surroundings).map_err(Refusal::of_extension)?)));
    let (served, extension) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) if serves() => return serve::refused(&refusal, &surroundings),
        Err(refusal) => return fail(&refusal.message, refusal.code),
    };
    match verb {
        Verb::Run | Verb::Serve => {
            let (again, settings_again) = (surroundings.clone(), surroundings.clone());
            let read = Arc::new(move || read_again(&again));
            let read_settings = Arc::new(move || Ok(patient(read_settings(&settings_again)?)));
            let source = serve::Source::new(surroundings, read, read_settings);
            serve::run(served, extension, &source)
        }
        Verb::Check => serve::check(&served, extension),
    }
}

/// Whether the words are of a command that serves, and not of one that somebody typed to ask: such a one says to systemd why it does not.
fn serves() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == "serve" || word == "run")
}

/// Finds what the settings ask for.
fn prepare(settings: Settings, places: Places, surroundings: &Surroundings) -> Result<serve::Served, Refusal> {
    let settings = patient(settings);
    let application =
        application::locate(&settings, surroundings).map_err(|error| Refusal::of_application(&error, &places))?;
    let python = python::find(&settings, &application.directory, surroundings)
        .map_err(|error| Refusal::of_python(&error, &settings, &places))?;
    let environment = surroundings.variables.clone().into_iter().collect();
    let name = serve::instance_name(surroundings);
    Ok(serve::Served { name, settings, places, application, python, environment })
}

/// The settings, with as much patience as whoever develops has.
fn patient(mut settings: Settings) -> Settings {
    if settings.develop.reload {
        settings.pool.graceful_timeout = settings.pool.graceful_timeout.min(serve::DEVELOPERS_PATIENCE);
    }
    settings
}

/// What the same command line says now: the file may have changed, and what is found by looking.
fn read_again(surroundings: &Surroundings) -> Result<serve::Served, Refusal> {
    let (settings, places) = read_places(surroundings)?;
    prepare(settings, places, surroundings)
}

/// The settings of the same command line now.
fn read_settings(surroundings: &Surroundings) -> Result<Settings, String> {
    read_places(surroundings).map(|(settings, _)| settings).map_err(|refusal| refusal.message)
}

fn read_places(surroundings: &Surroundings) -> Result<(Settings, Places), Refusal> {
    match arguments::read(std::env::args_os(), surroundings)? {
        Asked::Serve(_, settings, places) => Ok((*settings, places)),
        _ => Err(Refusal::new("the command line is no longer one that serves", USAGE)),
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
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if serves() {
        serve::answer_waiting_clients();
    }
    ExitCode::from(USAGE)
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    say(&error.to_string());
    ExitCode::from(code)
}

/// A message for whoever typed the command.
fn say(message: &str) {
    message.lines().for_each(|line| complain(&format!("hostler: {line}")));
}

/// Lines on standard error, as they are.
fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Lines on standard output. Who has closed it, as `head` does, wants no more; what is being done goes on.
fn show(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}
