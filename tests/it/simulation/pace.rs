//! How long things take in one process: the scheduler of the simulation. Tasks
//! overtake each other because each step of each sleeps for as long as the dice
//! say, in time that stands while anything can run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    dice::Dice,
    life::Life,
    mood::{Mood, Weather},
};

/// The pace of one process.
pub(super) struct Pace {
    dice: Arc<Dice>,
    life: Arc<Life>,
    weather: Arc<Mutex<Weather>>,
}

/// What becomes of one step of the store.
#[derive(Clone, Copy)]
pub(super) struct Course {
    /// Until there is a connection.
    pub(super) connecting: Duration,
    /// Until the commit.
    pub(super) before: Duration,
    /// Until the answer is there.
    pub(super) after: Duration,
    pub(super) fault: Option<Fault>,
    /// Does it reach its commit if the process dies before?
    pub(super) outlives: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// An error, and nothing has happened.
    Before,
    /// An error, and yet it was committed.
    After,
}

impl Course {
    pub(super) fn is_plain(&self) -> bool {
        self.before.is_zero() && self.after.is_zero() && self.fault.is_none()
    }
}

impl Pace {
    pub(super) fn new(dice: Arc<Dice>, life: Arc<Life>, weather: Arc<Mutex<Weather>>) -> Self {
        Self { dice, life, weather }
    }

    pub(super) fn roll(&self) -> u64 {
        self.dice.roll()
    }

    /// A computation.
    pub(super) async fn work(&self) {
        pause(self.delay(self.weather())).await;
        self.life.runs().await;
    }

    /// A step of the store.
    pub(super) fn course(&self) -> Course {
        let weather = self.weather();
        let fault = match self.dice.below(2_000) {
            n if n < weather.faults => Some(Fault::Before),
            n if n < 2 * weather.faults => Some(Fault::After),
            _ => None,
        };
        Course {
            connecting: self.delay(weather),
            before: self.delay(weather),
            after: self.delay(weather),
            fault,
            outlives: self.dice.one_of_thousand(500),
        }
    }

    fn delay(&self, weather: Weather) -> Duration {
        if self.dice.one_of_thousand(weather.slow) {
            self.dice.millis(weather.slowness)
        } else {
            Duration::ZERO
        }
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all processes share.
pub(super) fn clear_up(weather: &Mutex<Weather>) {
    *weather.lock().unwrap_or_else(PoisonError::into_inner) = Mood::CALM;
}

pub(super) async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}
