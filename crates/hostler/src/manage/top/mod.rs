//! `hostler top`: an instance, looked at once a second. `view` decides what keys and answers mean and how it looks;
//! this file asks and acts.

mod lines;
mod screen;
mod view;
mod watched;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::line::Paint;
use super::{Failed, now_us};
pub(super) use lines::lines;
use screen::{Input, Screen};
use view::{Order, Told, View};
pub(super) use watched::Watched;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// For how long an instance is looked for that does not answer: it may be started anew, as after a crash.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers that wait to be shown. Each order gives one.
const ANSWERS: usize = 16;

/// Shows the instance until a key, a signal or the instance ends it.
pub(super) async fn run(watched: &Watched, paint: Paint) -> Result<(), Failed> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Failed::Terminal)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failed::Terminal)?;
    // Asked before the screen is taken, so that what is wrong is told in the usual place.
    Screen::possible()?;
    let mut view = View::new(watched.look().await?);
    let mut screen = Screen::take()?;
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looking = false;
    // Since when it does not answer.
    let mut away: Option<Instant> = None;
    loop {
        let (width, height) = screen.size().map_err(Failed::Terminal)?;
        screen.show(&view.lines(height, now_us()), width, height, paint).map_err(Failed::Terminal)?;
        let order = tokio::select! {
            _ = terminated.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
            _ = interval.tick() => {
                if looking {
                    continue;
                }
                Order::Look
            }
            Some(told) = answered.recv() => {
                looking = looking && !matches!(told, Told::Looked(_) | Told::Gone(_));
                match told {
                    Told::Gone(failed) if !failed.passes() => return Err(failed),
                    Told::Gone(failed) if away.get_or_insert_with(Instant::now).elapsed() > PATIENCE => return Err(failed),
                    told => {
                        away = away.filter(|_| !matches!(told, Told::Looked(_)));
                        view.told(told);
                    }
                }
                continue;
            }
            input = screen.input() => match input {
                Some(Input::Key(key)) => match view.key(key) {
                    Some(order) => order,
                    None => continue,
                },
                Some(Input::Resized) => continue,
                // The terminal is gone.
                None => return Ok(()),
            },
        };
        match order {
            Order::Quit => return Ok(()),
            Order::Look => looking = true,
            Order::Reload | Order::Stacks(_) | Order::Recycle(_) => {}
        }
        let (watched, answers) = (watched.clone(), answers.clone());
        tokio::spawn(async move {
            // Nobody takes it when the screen was left meanwhile.
            let _ = answers.send(carry_out(&watched, order).await).await;
        });
    }
}

async fn carry_out(watched: &Watched, order: Order) -> Told {
    match order {
        Order::Quit | Order::Look => match watched.look().await {
            Ok(seen) => Told::Looked(Box::new(seen)),
            Err(failed) => Told::Gone(failed),
        },
        Order::Reload => Told::Done(watched.reload().await.map(|generation| format!("generation {generation} serves"))),
        Order::Stacks(worker) => match watched.stacks(worker).await {
            Ok(stacks) => Told::Stacks { worker, stacks },
            Err(failed) => Told::Done(Err(failed.to_string())),
        },
        Order::Recycle(worker) => Told::Done(match watched.recycle(worker).await {
            Ok(()) => Ok(format!("worker {worker} is being replaced")),
            Err(failed) => Err(failed.to_string()),
        }),
    }
}
