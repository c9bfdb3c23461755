//! The program `hostler-manager`: its arguments, its log, its window.

use std::process::ExitCode;

use clap::Parser;
use hostler_manager::app::Manager;
use hostler_manager::application::{self, Begun};
use hostler_manager::arguments::Arguments;
use hostler_manager::theme::icon;

/// Wrong words (sysexits.h: EX_USAGE).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(if arguments.verbose { tracing::Level::DEBUG } else { tracing::Level::WARN })
        .init();
    let application = match application::begin(arguments.calls(), None) {
        Begun::Here(application) => application,
        Begun::Elsewhere => {
            tracing::info!("the window that is open shows it");
            return ExitCode::SUCCESS;
        }
    };
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_app_id(hostler_manager::app::ID)
            .with_title(hostler_manager::app::TITLE)
            .with_icon(icon::window())
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([720.0, 480.0]),
        renderer: eframe::Renderer::Glow,
        persistence_path: arguments.state.clone(),
        ..Default::default()
    };
    let run = eframe::run_native(
        hostler_manager::app::ID,
        options,
        Box::new(move |context| Ok(Box::new(Manager::new(context, &arguments, application)))),
    );
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the window cannot be opened; is DISPLAY or WAYLAND_DISPLAY set, and OpenGL there?");
            ExitCode::FAILURE
        }
    }
}
