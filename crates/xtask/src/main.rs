//! `cargo xtask`: what a developer of Hostler does besides writing code. Owns the build, the demo, the tests, the
//! benchmarks and what is installed, and all the set-up that they need on a fresh machine; nothing here is shipped.

#[cfg(test)]
mod architecture;
mod bench;
mod demo;
#[cfg(test)]
mod desktop_files;
mod install;
mod packages;
mod screen;
mod screenshots;
mod test;
mod venv;
mod workspace;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  demo [notes|shortlinks] [--port N]
        Builds Hostler and serves a real example application (default: notes, a Django site).
  test [rust|python|loom|systemd]... [--no-skip] [-- ARGS]
        Runs every test, or the named parts. With --no-skip a test that cannot run here is a failure.
        ARGS go to `cargo test` or to `pytest` when exactly that part is named.
        The part systemd boots real systems of Debian, as root.
  bench [hello|mixed-sleep|mixed-compute|transfer|idle|asgi-hello|fastapi|websocket|asgi-mixed|websockets-idle|sse|reload|kill|preload|sleep]... [--rounds N] [--quick] [--servers A,B]
        Measures Hostler beside its peers, in interleaved rounds, and prints medians.
  install [--destdir DIR] [--prefix DIR] [--built DIR] [--dev] [--no-gui]
        Builds Hostler and installs it below the prefix (default: /usr/local) within DIR, as packages do. With --built
        what cargo has built in that directory, as target/release, with --dev a quick build, with --no-gui without the
        desktop application.
  screenshots [--size WIDTHxHEIGHT]... [--theme light|dark]... [SCENE]...
        Draws Hostler Manager's views, or the named ones, into target/screenshots.

Each installs what it needs: Python packages into target/venv, Debian packages with apt-get when run as root.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asks_for_help = arguments.iter().take_while(|word| *word != "--").any(|word| word == "-h" || word == "--help");
    if asks_for_help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = match arguments.split_first() {
        Some((command, rest)) => match command.as_str() {
            "demo" => demo::run(rest),
            "test" => test::run(rest),
            "bench" => bench::run(rest),
            "install" => install::run(rest),
            "screenshots" => screenshots::run(rest),
            "help" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            unknown => Err(anyhow::anyhow!("there is no command {unknown:?}\n\n{USAGE}")),
        },
        None => Err(anyhow::anyhow!("name a command\n\n{USAGE}")),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
