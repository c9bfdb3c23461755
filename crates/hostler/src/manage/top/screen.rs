//! The terminal: taken as a whole, written a screen at a time, and given back in every case, also on a panic.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, event, queue, terminal};
use tokio::sync::mpsc;

use crate::manage::Failed;
use crate::manage::line::{Line, Paint};

/// How often the thread that reads keys looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// Keys that wait to be handled.
const KEYS: usize = 64;

/// Whether the terminal is ours. It is given back once: a second time would move the cursor over a panic's message.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What was pressed, as far as it means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Escape,
    Interrupt,
    Letter(char),
}

/// What comes from the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    Resized,
}

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    inputs: mpsc::Receiver<Input>,
    wanted: Arc<AtomicBool>,
}

impl Screen {
    /// Whether there is a terminal to take.
    ///
    /// # Errors
    /// When input or output is not one.
    pub(super) fn possible() -> Result<(), Failed> {
        if io::stdout().is_terminal() && io::stdin().is_terminal() { Ok(()) } else { Err(Failed::NoTerminal) }
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// When input or output is not one, or it does not obey.
    pub(super) fn take() -> Result<Self, Failed> {
        Self::possible()?;
        // A panic's message would be written on the screen that is thrown away.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        let (keys, inputs) = mpsc::channel(KEYS);
        let wanted = Arc::new(AtomicBool::new(true));
        // From here on its drop gives the terminal back, whatever fails.
        let screen = Self { inputs, wanted: Arc::clone(&wanted) };
        TAKEN.store(true, Ordering::Relaxed);
        enable_raw_mode().map_err(Failed::Terminal)?;
        let mut out = io::stdout().lock();
        queue!(out, EnterAlternateScreen, cursor::Hide, DisableLineWrap).map_err(Failed::Terminal)?;
        out.flush().map_err(Failed::Terminal)?;
        drop(out);
        std::thread::Builder::new()
            .name("hostler-keys".to_owned())
            .spawn(move || read_keys(&keys, &wanted))
            .map_err(Failed::Terminal)?;
        Ok(screen)
    }

    /// Columns and lines. A terminal that does not know them has 80 and 24.
    pub(super) fn size(&self) -> io::Result<(usize, usize)> {
        let (width, height) = terminal::size()?;
        Ok(if width == 0 || height == 0 { (80, 24) } else { (width.into(), height.into()) })
    }

    /// Writes the whole screen at once.
    pub(super) fn show(&mut self, lines: &[Line], width: usize, height: usize, paint: Paint) -> io::Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        queue!(out, BeginSynchronizedUpdate, cursor::MoveTo(0, 0))?;
        for (index, line) in lines.iter().take(height).enumerate() {
            if index > 0 {
                out.write_all(b"\r\n")?;
            }
            queue!(out, Clear(ClearType::CurrentLine))?;
            out.write_all(line.clone().cut(width).painted(paint).as_bytes())?;
        }
        queue!(out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        out.flush()
    }

    /// What comes next; `None` when the terminal is gone. Cancel safe.
    pub(super) async fn input(&mut self) -> Option<Input> {
        self.inputs.recv().await
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        give_back();
    }
}

/// There is nobody to tell of an error.
fn give_back() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(out, EndSynchronizedUpdate, EnableLineWrap, cursor::Show, LeaveAlternateScreen);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

fn read_keys(keys: &mpsc::Sender<Input>, wanted: &AtomicBool) {
    while wanted.load(Ordering::Relaxed) {
        match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => return,
        }
        let input = match event::read() {
            Ok(Event::Key(pressed)) => key(pressed).map(Input::Key),
            Ok(Event::Resize(..)) => Some(Input::Resized),
            Ok(_) => None,
            Err(_) => return,
        };
        if input.is_some_and(|input| keys.blocking_send(input).is_err()) {
            return;
        }
    }
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    match pressed.code {
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Char('c') if pressed.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
        KeyCode::Char(_) if pressed.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => None,
        KeyCode::Char(letter) => Some(Key::Letter(letter)),
        _ => None,
    }
}
