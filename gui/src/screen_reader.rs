//! Screen readers: what egui says of its widgets goes to the accessibility bus (AT-SPI), and what is asked there comes
//! back as input.
//!
//! eframe has an adapter of its own, which would bring a second runtime into the process, as it takes `accesskit_unix`
//! with async-io. This one takes it with tokio. Nothing is described while nobody listens: the adapter says when a
//! screen reader comes, and when it goes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use accesskit_unix::Adapter;
use egui::accesskit::{self, ActionHandler, ActionRequest, ActivationHandler, DeactivationHandler, TreeUpdate};
use egui::{Context, Event, FullOutput, Plugin, RawInput, Rect};

/// What the adapter's thread tells.
#[derive(Debug, PartialEq)]
enum News {
    /// A screen reader is there: it wants all widgets.
    Wanted,
    /// It is gone.
    Unwanted,
    /// It wants something to be done.
    Asked(ActionRequest),
}

/// The adapter's end: tells news, and wakes the window to see them.
#[derive(Clone)]
struct Teller {
    news: Sender<News>,
    context: Context,
}

impl Teller {
    fn tell(&self, news: News) {
        // Without a receiver the window is closing.
        if self.news.send(news).is_ok() {
            self.context.request_repaint();
        }
    }
}

impl ActivationHandler for Teller {
    fn request_initial_tree(&mut self) -> Option<TreeUpdate> {
        self.tell(News::Wanted);
        // It comes with the next frame.
        None
    }
}

impl ActionHandler for Teller {
    fn do_action(&mut self, request: ActionRequest) {
        self.tell(News::Asked(request));
    }
}

impl DeactivationHandler for Teller {
    fn deactivate_accessibility(&mut self) {
        self.tell(News::Unwanted);
    }
}

/// The plugin that connects egui with the accessibility bus.
pub struct ScreenReader {
    /// None once the window closes: the handlers hold the context, which holds this.
    adapter: Option<Adapter>,
    /// A plugin has to be `Sync`, which a receiver is not.
    news: Mutex<Receiver<News>>,
    /// What the adapter was told of the window, so that it is told of changes alone.
    is_focused: bool,
    bounds: Option<(Rect, Rect)>,
}

/// Connects a window with the accessibility bus.
pub fn connect(context: &Context) {
    let (sender, news) = channel();
    let teller = Teller { news: sender, context: context.clone() };
    let adapter = Adapter::new(teller.clone(), teller.clone(), teller);
    context.add_plugin(ScreenReader {
        adapter: Some(adapter),
        news: Mutex::new(news),
        is_focused: false,
        bounds: None,
    });
}

impl ScreenReader {
    /// Tells the adapter where the window is, and whether it has the keys.
    fn tell_window(&mut self, context: &Context, input: &RawInput) {
        let Some(adapter) = &mut self.adapter else { return };
        let window = input.viewport();
        let is_focused = window.focused.unwrap_or(false);
        if is_focused != self.is_focused {
            self.is_focused = is_focused;
            adapter.update_window_focus_state(is_focused);
        }
        // Wayland does not say where a window is.
        let bounds = window.outer_rect.zip(window.inner_rect);
        if let Some((outer, inner)) = bounds
            && bounds != self.bounds
        {
            self.bounds = bounds;
            let scale = context.pixels_per_point();
            adapter.set_root_window_bounds(pixels(outer, scale), pixels(inner, scale));
        }
    }
}

impl Plugin for ScreenReader {
    fn debug_name(&self) -> &'static str {
        "screen reader"
    }

    fn input_hook(&mut self, context: &Context, input: &mut RawInput) {
        let news = self.news.get_mut().unwrap_or_else(PoisonError::into_inner);
        for news in news.try_iter() {
            match news {
                News::Wanted => context.enable_accesskit(),
                News::Unwanted => context.disable_accesskit(),
                News::Asked(request) => input.events.push(Event::AccessKitActionRequest(request)),
            }
        }
        self.tell_window(context, input);
    }

    fn output_hook(&mut self, _context: &Context, output: &mut FullOutput) {
        if let (Some(adapter), Some(update)) = (&mut self.adapter, output.platform_output.accesskit_update.take()) {
            adapter.update_if_active(|| update);
        }
    }

    fn on_exit(&mut self, _context: &Context) {
        self.adapter = None;
    }
}

/// A rectangle of points in pixels of the screen.
fn pixels(rect: Rect, scale: f32) -> accesskit::Rect {
    let [x0, y0, x1, y1] =
        [rect.min.x, rect.min.y, rect.max.x, rect.max.y].map(|coordinate| f64::from(coordinate * scale));
    accesskit::Rect { x0, y0, x1, y1 }
}
