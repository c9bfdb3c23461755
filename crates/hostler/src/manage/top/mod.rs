//! `hostler top`: an instance, looked at once a second. `view` decides what keys and answers mean and how it looks;
//! this file asks and acts.

mod screen;
mod view;

use std::time::Duration;

use hostler_bus::{Error, InstanceProxy};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::line::Paint;
use super::{Failed, QUICK, SLOW, now_us, within};
use screen::{Input, Screen};
use view::{Order, Told, View};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Answers that wait to be shown. Each order gives one.
const ANSWERS: usize = 16;

/// Shows the instance until a key, a signal or the instance ends it.
pub(super) async fn run(instance: &InstanceProxy<'static>, paint: Paint) -> Result<(), Failed> {
    let mut terminated = signal(SignalKind::terminate()).map_err(Failed::Terminal)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failed::Terminal)?;
    // Asked before the screen is taken, so that what is wrong is told in the usual place.
    let mut view = View::new(look(instance).await?);
    let mut screen = Screen::take()?;
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looking = false;
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
                if let Told::Gone(failed) = told {
                    return Err(failed);
                }
                view.told(told);
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
        let (instance, answers) = (instance.clone(), answers.clone());
        tokio::spawn(async move {
            // Nobody takes it when the screen was left meanwhile.
            let _ = answers.send(carry_out(&instance, order).await).await;
        });
    }
}

async fn look(instance: &InstanceProxy<'static>) -> Result<view::Seen, Failed> {
    let status = within(QUICK, instance.status()).await?;
    let workers = within(QUICK, instance.workers()).await?;
    Ok(view::Seen { status, workers })
}

async fn carry_out(instance: &InstanceProxy<'static>, order: Order) -> Told {
    match order {
        Order::Quit | Order::Look => match look(instance).await {
            Ok(seen) => Told::Looked(Box::new(seen)),
            Err(failed) => Told::Gone(failed),
        },
        Order::Reload => Told::Done(match instance.reload().await {
            Ok(done) => Ok(format!("generation {} serves", done.generation)),
            Err(Error::ReloadFailed { reason, .. }) => Err(format!("not reloaded: {reason}")),
            Err(error) => Err(error.to_string()),
        }),
        Order::Stacks(worker) => match within(SLOW, instance.stacks(worker)).await {
            Ok(stacks) => Told::Stacks { worker, stacks },
            Err(failed) => Told::Done(Err(failed.to_string())),
        },
        Order::Recycle(worker) => Told::Done(match within(SLOW, instance.recycle(worker)).await {
            Ok(()) => Ok(format!("worker {worker} is being replaced")),
            Err(failed) => Err(failed.to_string()),
        }),
    }
}
