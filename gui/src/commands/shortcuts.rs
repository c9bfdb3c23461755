//! The keys of the commands. All are matched together, those with the most modifiers first, so that Ctrl+Shift+R is not
//! taken for Ctrl+R; none takes a key that a text field wants.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::{Command, Scene};
use crate::state::Tab;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);
const ALT: Modifiers = Modifiers::ALT;

const fn keys(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(modifiers, key)
}

impl Command {
    /// Its keys; the first are shown.
    #[must_use]
    pub fn shortcuts(self) -> &'static [KeyboardShortcut] {
        macro_rules! list {
            ($($modifiers:ident $key:ident),+) => { const { &[$(keys($modifiers, Key::$key)),+] } };
        }
        match self {
            Self::New => list![CTRL N],
            Self::Reload => list![CTRL_SHIFT R],
            Self::Start => list![CTRL_SHIFT S],
            Self::Browse => list![CTRL O],
            Self::CopyAddress => list![CTRL_SHIFT C],
            Self::Favourite => list![CTRL D],
            Self::Mark => list![CTRL M],
            Self::Remove => list![SHIFT Delete],
            Self::Show(Tab::Overview) => list![CTRL Num1],
            Self::Show(Tab::Workers) => list![CTRL Num2],
            Self::Show(Tab::Requests) => list![CTRL Num3],
            Self::Show(Tab::Logs) => list![CTRL Num4],
            Self::Show(Tab::Settings) => list![CTRL Num5],
            Self::Show(Tab::Units) => list![CTRL Num6],
            Self::Show(Tab::History) => list![CTRL Num7],
            Self::ShowAll => list![ALT Home],
            Self::NextInstance => list![ALT ArrowDown, CTRL PageDown],
            Self::PreviousInstance => list![ALT ArrowUp, CTRL PageUp],
            Self::ZoomPlotsIn => list![ALT Plus, ALT Equals],
            Self::ZoomPlotsOut => list![ALT Minus],
            Self::PlotsEarlier => list![ALT ArrowLeft],
            Self::PlotsLater => list![ALT ArrowRight],
            Self::PlotsWhole => list![NONE Escape],
            Self::MarkAll => list![CTRL_SHIFT A],
            Self::AddHost => list![CTRL_SHIFT N],
            Self::Refresh => list![NONE F5, CTRL R],
            Self::Find => list![CTRL F],
            Self::Sidebar => list![CTRL B],
            Self::NextPane => list![NONE F6],
            Self::PreviousPane => list![SHIFT F6],
            Self::ZoomIn => list![CTRL Plus, CTRL Equals],
            Self::ZoomOut => list![CTRL Minus],
            Self::ZoomReset => list![CTRL Num0],
            Self::Palette => list![CTRL K, CTRL_SHIFT P],
            Self::Shortcuts => list![NONE F1, NONE Questionmark],
            Self::Quit => list![CTRL Q, CTRL W],
            _ => &[],
        }
    }

    /// Whether it may be called while a dialog is open.
    fn passes_dialogs(self) -> bool {
        matches!(self, Self::Quit | Self::ZoomIn | Self::ZoomOut | Self::ZoomReset | Self::Palette)
    }
}

/// What an open text field does with keys itself: characters, and the keys with which text is edited.
fn is_typing(shortcut: &KeyboardShortcut) -> bool {
    let KeyboardShortcut { modifiers, logical_key } = *shortcut;
    let is_function_key = matches!(logical_key, Key::F1 | Key::F5 | Key::F6);
    let plain = !modifiers.ctrl && !modifiers.command && !modifiers.alt;
    (plain && !is_function_key) || (modifiers == CTRL && matches!(logical_key, Key::W))
}

/// The keys that are shown beside a command.
#[must_use]
pub fn shown_shortcut(context: &Context, command: Command) -> Option<String> {
    command.shortcuts().first().map(|shortcut| context.format_shortcut(shortcut))
}

/// Takes the keys that were pressed out of the input, and answers with the commands that they call. Those of a command
/// that cannot be had stay in the input.
pub fn take(context: &Context, scene: &Scene<'_>) -> Vec<Command> {
    let is_text_edited = context.text_edit_focused();
    let is_dialog_open = context.memory(|memory| memory.top_modal_layer().is_some());
    let is_menu_open = egui::Popup::is_any_open(context);
    let mut all: Vec<(KeyboardShortcut, Command)> = Command::ALL
        .into_iter()
        .filter(|command| command.passes_dialogs() || !is_dialog_open)
        .flat_map(|command| command.shortcuts().iter().map(move |shortcut| (*shortcut, command)))
        .filter(|(shortcut, _)| !is_text_edited || !is_typing(shortcut))
        // Escape is first of all what closes a menu.
        .filter(|(shortcut, _)| !is_menu_open || shortcut.logical_key != Key::Escape)
        .collect();
    all.sort_by_key(|(shortcut, _)| std::cmp::Reverse(modifier_count(shortcut.modifiers)));
    let mut called = Vec::new();
    for (shortcut, command) in all {
        if command.availability(scene).is_available() && context.input_mut(|input| input.consume_shortcut(&shortcut)) {
            called.push(command);
        }
    }
    called
}

fn modifier_count(modifiers: Modifiers) -> u32 {
    u32::from(modifiers.alt) + u32::from(modifiers.shift) + u32::from(modifiers.ctrl || modifiers.command)
}
