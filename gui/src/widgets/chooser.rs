//! The button that opens the desktop's own file chooser, and why there is none. The typed way stays beside it.

use std::path::{Path, PathBuf};

use egui::{Align, Layout, Ui};

use super::{button, spinner, text};
use crate::bus::{ChoiceKind, ChoiceWish, Order};
use crate::model::World;
use crate::theme::Tokens;
use crate::theme::icon::Icon;

/// A chooser that a view offers.
#[derive(Clone, Debug, Default)]
pub struct Chooser {
    /// The number of the dialog that is open.
    number: Option<u64>,
    /// Why the last one did not come.
    failure: Option<String>,
}

impl Chooser {
    /// Draws the button, or that the dialog is open; answers with the order to open it. At the end of a [`line`].
    pub fn button(
        &mut self,
        ui: &mut Ui,
        tokens: &Tokens,
        world: &World,
        wish: impl FnOnce(u64) -> ChoiceWish,
    ) -> Option<Order> {
        if self.number.is_some() {
            // From right to left.
            if button::icon_only(ui, Icon::X, "Do not wait for the desktop's dialog").clicked() {
                self.number = None;
            }
            ui.label(text::muted(tokens, "Choosing…")).on_hover_text("The desktop's own dialog is asked for.");
            spinner::show(ui, 15.0, tokens.moving);
            return None;
        }
        let chosen = button::plain(ui, Icon::FolderOpen, "Browse…").on_hover_text("Choose in the desktop's own dialog");
        if !chosen.clicked() {
            return None;
        }
        let wish = wish(world.next_choice());
        self.number = Some(wish.number);
        self.failure = None;
        Some(Order::Choose(wish))
    }

    /// What was chosen, once; nothing where the dialog was closed.
    pub fn take(&mut self, world: &World) -> Option<Vec<PathBuf>> {
        let choice = world.choice.as_ref().filter(|choice| Some(choice.number) == self.number)?;
        let answer = choice.answer.clone()?;
        self.number = None;
        match answer {
            Ok(paths) => Some(paths).filter(|paths| !paths.is_empty()),
            Err(failure) => {
                self.failure = Some(failure.message);
                None
            }
        }
    }

    /// Says why the desktop's dialog did not come, if it did not.
    pub fn explain(&self, ui: &mut Ui, tokens: &Tokens) {
        if let Some(failure) = &self.failure {
            ui.add(egui::Label::new(text::with_icon(Icon::TriangleAlert, failure).color(tokens.caution)).wrap());
        }
    }
}

/// A line with the button at its end, and before that what fills the rest.
pub fn line<T>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> T) -> T {
    ui.horizontal(|ui| ui.with_layout(Layout::right_to_left(Align::Center), content).inner).inner
}

/// A wish for something in or about a typed path: the dialog begins in its folder.
#[must_use]
pub fn wish(number: u64, kind: ChoiceKind, title: &str, typed: &Path) -> ChoiceWish {
    let folder = match &kind {
        ChoiceKind::Save(_) => typed.parent().unwrap_or(typed),
        _ => typed,
    };
    let folder = if folder.as_os_str().is_empty() { Path::new("/") } else { folder };
    ChoiceWish { number, kind, title: title.to_owned(), folder: folder.to_path_buf() }
}
