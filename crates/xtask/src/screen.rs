//! A screen for windows on a machine that has none: Xvfb, with what a window needs from the distribution beside it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::packages::{Need, Sign};

/// The screen, and what the window loads when it is opened: X11, keyboards, OpenGL without a graphics card.
pub(crate) const NEEDS: [Need; 8] = [
    Need { package: "xvfb", sign: Sign::Program("Xvfb") },
    library("libx11-xcb1", "libX11-xcb.so.1"),
    library("libxcursor1", "libXcursor.so.1"),
    library("libxi6", "libXi.so.6"),
    library("libxkbcommon-x11-0", "libxkbcommon-x11.so.0"),
    library("libegl1", "libEGL.so.1"),
    library("libgl1", "libGL.so.1"),
    Need { package: "libgl1-mesa-dri", sign: Sign::File(RENDERER) },
];

/// Mesa's renderer that needs no graphics card. Elsewhere than on these, apt-get is asked each time whether it is there.
const RENDERER: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/dri/swrast_dri.so"
} else {
    "/usr/lib/x86_64-linux-gnu/dri/swrast_dri.so"
};

const fn library(package: &'static str, file: &'static str) -> Need {
    Need { package, sign: Sign::Library(file) }
}

/// An X server without a display. It ends with this value.
pub(crate) struct Screen {
    server: Child,
    number: String,
}

impl Screen {
    /// Starts one that holds every window of ours, on a number that is free.
    ///
    /// # Errors
    /// When Xvfb does not start.
    pub(crate) fn start() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Xvfb")?;
        let mut number = String::new();
        if let Some(output) = server.stdout.take() {
            // It says which number it took as soon as clients can come.
            BufReader::new(output).read_line(&mut number)?;
        }
        let screen = Self { server, number: number.trim().to_owned() };
        ensure!(!screen.number.is_empty(), "Xvfb ended before it was ready; what does it say when it is run by hand?");
        Ok(screen)
    }

    /// Has a command open its windows here, and draw them without a graphics card.
    pub(crate) fn lend(&self, command: &mut Command) {
        command.env("DISPLAY", format!(":{}", self.number)).env("LIBGL_ALWAYS_SOFTWARE", "1");
        command.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
