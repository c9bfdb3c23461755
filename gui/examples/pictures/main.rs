//! Draws the example world in the true window, each view in both themes and two sizes, into png files: what
//! `cargo xtask screenshots` runs. It ends by itself.

mod camera;
mod hands;
mod scenes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser;
use hostler_manager::app;
use hostler_manager::theme::icon;

/// Draws the example world into png files.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory that they are written into; it is made.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The sizes of the window in points.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, default_values = ["1000x700", "1600x1000"])]
    size: Vec<[u16; 2]>,
    /// The themes.
    #[arg(long, value_name = "light|dark", default_values = ["light", "dark"])]
    theme: Vec<String>,
    /// The scenes, all of them by default.
    #[arg(value_name = "SCENE")]
    scenes: Vec<String>,
}

fn size(text: &str) -> Result<[u16; 2], String> {
    let read = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
    let (width, height) = text.split_once('x').ok_or("it is written WIDTHxHEIGHT")?;
    Ok([read(width)?, read(height)?])
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shots = match camera::shots(&arguments) {
        Ok(shots) => shots,
        Err(error) => {
            eprintln!("pictures: {error:#}");
            return ExitCode::from(64);
        }
    };
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_app_id(app::ID)
            .with_title(app::TITLE)
            .with_icon(icon::window())
            .with_decorations(false)
            .with_position([0.0, 0.0])
            .with_inner_size([1000.0, 700.0]),
        renderer: eframe::Renderer::Glow,
        persist_window: false,
        ..Default::default()
    };
    let failure = Arc::new(Mutex::new(None));
    let outcome = Arc::clone(&failure);
    let run = eframe::run_native(
        "org.hostler.Manager.Pictures",
        options,
        Box::new(move |context| Ok(Box::new(camera::Camera::new(&context.egui_ctx, shots, outcome)))),
    );
    let failure = failure.lock().map_or_else(|_| None, |mut failure| failure.take());
    match (run, failure) {
        (Ok(()), None) => ExitCode::SUCCESS,
        (Ok(()), Some(error)) => {
            eprintln!("pictures: {error:#}");
            ExitCode::FAILURE
        }
        (Err(error), _) => {
            eprintln!("pictures: the window cannot be opened: {error}");
            ExitCode::FAILURE
        }
    }
}
