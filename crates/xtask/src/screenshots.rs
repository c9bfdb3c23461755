//! `cargo xtask screenshots`: pictures of Hostler Manager, of a world that is always the same, by the true window. What it
//! can draw, and in which sizes, is said by `gui/examples/pictures`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::screen::{self, Screen};
use crate::{packages, workspace};

/// Draws what `arguments` name into `target/screenshots`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut build = workspace::cargo();
    build.args(["build", "-p", "hostler-manager", "--features", "example", "--example", "pictures"]);
    workspace::run(&mut build)?;
    packages::ensure(&screen::NEEDS)?;
    let screen = Screen::start()?;
    let directory = workspace::target_directory("screenshots")?;
    let mut pictures = Command::new(workspace::target().join("debug/examples/pictures"));
    pictures.arg("--out").arg(&directory).args(arguments);
    screen.lend(&mut pictures);
    workspace::run(&mut pictures)?;
    println!("drawn into {}", directory.display());
    Ok(ExitCode::SUCCESS)
}
