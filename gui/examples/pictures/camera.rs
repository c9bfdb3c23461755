//! The application that shows one scene after the other and takes its picture once it has come to rest.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use eframe::icon_data::IconDataExt;
use egui::{ColorImage, Context, IconData, ThemePreference, ViewportCommand};
use hostler_manager::app::Manager;
use hostler_manager::bus::{self, Bus, Order};
use hostler_manager::model::example;
use hostler_manager::state::State;

use crate::Arguments;
use crate::hands::Places;
use crate::scenes::{self, Scene};

/// How many frames are drawn before the first step, between two, and before the picture: sizes settle within three.
const FRAMES: u32 = 4;

/// One picture.
pub(crate) struct Shot {
    scene: Scene,
    theme: ThemePreference,
    size: [u16; 2],
    file: PathBuf,
}

/// All that the arguments ask for.
pub(crate) fn shots(arguments: &Arguments) -> Result<Vec<Shot>> {
    let known = || scenes::ALL.iter().map(|scene| scene.name).collect::<Vec<_>>().join(", ");
    let mut chosen = Vec::new();
    for name in &arguments.scenes {
        let scene = scenes::ALL.iter().copied().find(|scene| scene.name == name);
        chosen.push(scene.with_context(|| format!("there is no scene {name:?}: there are {}", known()))?);
    }
    if chosen.is_empty() {
        chosen = scenes::ALL.to_vec();
    }
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let mut shots = Vec::new();
    for &size in &arguments.size {
        for theme in &arguments.theme {
            let preference = match theme.as_str() {
                "light" => ThemePreference::Light,
                "dark" => ThemePreference::Dark,
                other => bail!("there is no theme {other:?}: there are light, dark"),
            };
            for &scene in &chosen {
                let file = arguments.out.join(format!("{}-{theme}-{}x{}.png", scene.name, size[0], size[1]));
                shots.push(Shot { scene, theme: preference, size, file });
            }
        }
    }
    shots.reverse();
    Ok(shots)
}

/// A bus that takes everything and tells nothing.
struct Silence;

impl Bus for Silence {
    fn send(&self, _order: Order) {}

    fn try_next(&self) -> Option<bus::Event> {
        None
    }
}

/// The application.
pub(crate) struct Camera {
    /// The next is the last of them.
    shots: Vec<Shot>,
    manager: Manager,
    /// How many frames of the shot have been drawn.
    drawn: u32,
    /// The picture, once it was taken.
    taken: Arc<Mutex<Option<Arc<ColorImage>>>>,
    places: Places,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Camera {
    pub(crate) fn new(context: &Context, shots: Vec<Shot>, failure: Arc<Mutex<Option<anyhow::Error>>>) -> Self {
        let manager = Manager::over(context, Arc::new(Silence), State::default(), Vec::new());
        let places = Places::default();
        context.add_plugin(places.clone());
        let mut camera = Self { shots, manager, drawn: 0, taken: Arc::default(), places, failure };
        camera.set_up(context);
        camera
    }

    /// Brings the next scene on; ends after the last one.
    fn set_up(&mut self, context: &Context) {
        self.drawn = 0;
        let Some(shot) = self.shots.last() else {
            context.send_viewport_cmd(ViewportCommand::Close);
            return;
        };
        let mut state = State { theme: shot.theme, ..State::default() };
        (shot.scene.choose)(&mut state);
        self.manager = Manager::over(context, Arc::new(Silence), state, Vec::new());
        self.manager.set_world((shot.scene.world)());
        self.manager.set_clock(example::clock());
        // What one scene left of itself, as how far it was scrolled, is nothing to the next.
        context.memory_mut(|memory| {
            memory.data.clear();
            if let Some(focused) = memory.focused() {
                memory.surrender_focus(focused);
            }
        });
        context.all_styles_mut(|style| style.animation_time = 0.0);
        context.set_zoom_factor(shot.scene.zoom);
        context.request_repaint();
    }

    fn save(&mut self, image: &ColorImage) -> Result<()> {
        let Some(shot) = self.shots.pop() else { return Ok(()) };
        let size = image.size.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        if size != shot.size.map(u32::from) {
            bail!("{} would be of {size:?} pixels: the screen is too small or has another scale", shot.file.display());
        }
        let rgba = image.pixels.iter().flat_map(|pixel| pixel.to_array()).collect();
        let picture = IconData { rgba, width: size[0], height: size[1] };
        let png = picture.to_png_bytes().map_err(anyhow::Error::msg)?;
        std::fs::write(&shot.file, png).with_context(|| format!("cannot write {}", shot.file.display()))
    }

    /// Gives up, as something cannot be done.
    fn fail(&mut self, error: anyhow::Error) {
        if let Ok(mut failure) = self.failure.lock() {
            *failure = Some(error);
        }
        self.shots.clear();
    }
}

impl eframe::App for Camera {
    fn raw_input_hook(&mut self, _context: &Context, input: &mut egui::RawInput) {
        let Some(shot) = self.shots.last() else { return };
        // Where the pointer of the screen is, or was for the former scene, is nothing to this one.
        input.events.retain(|event| !matches!(event, egui::Event::PointerMoved(_) | egui::Event::MouseMoved(_)));
        if self.drawn == 1 {
            input.events.push(egui::Event::PointerGone);
        }
        let (step, rest) = (self.drawn / FRAMES, self.drawn % FRAMES);
        let Some(step) = step.checked_sub(1).filter(|_| rest == 0).and_then(|step| shot.scene.steps.get(step as usize))
        else {
            return;
        };
        match step.events(&self.places) {
            Ok(events) => input.events.extend(events),
            Err(why) => {
                let words = format!("{}: {step:?}: {why}", shot.file.display());
                self.fail(anyhow::Error::msg(words));
            }
        }
    }

    fn persist_egui_memory(&self) -> bool {
        // How the last run left its zoom is nothing to the next.
        false
    }

    fn logic(&mut self, context: &Context, _frame: &mut eframe::Frame) {
        self.manager.advance(context);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let context = ui.ctx().clone();
        if let Some(image) = self.taken.lock().ok().and_then(|mut taken| taken.take()) {
            if let Err(error) = self.save(&image) {
                self.fail(error);
            }
            self.set_up(&context);
        }
        self.manager.draw(ui);
        self.drawn += 1;
        if let Some(shot) = self.shots.last().filter(|_| self.drawn == 1) {
            // In points, which are those of the scene's zoom from this frame on.
            let [width, height] = shot.size.map(|side| f32::from(side) / context.zoom_factor());
            context.send_viewport_cmd(ViewportCommand::InnerSize([width, height].into()));
        }
        let steps = self.shots.last().map_or(0, |shot| shot.scene.steps.len() as u32);
        if self.drawn == FRAMES * (steps + 2) {
            let taken = Arc::clone(&self.taken);
            context.request_screenshot(move |image| {
                if let Ok(mut taken) = taken.lock() {
                    *taken = Some(image);
                }
            });
        }
        if self.shots.is_empty() {
            context.send_viewport_cmd(ViewportCommand::Close);
        }
        context.request_repaint();
    }
}
