//! How a run goes: every seed draws its own settings and its own weather, so
//! that some runs are calm and others are all faults.

use std::time::Duration;

use super::dice::Dice;

/// What a seed has drawn.
pub(super) struct Mood {
    pub(super) replicas: usize,
    pub(super) users: usize,
    /// What the run does, one after the other.
    pub(super) actions: u64,
    /// The longest pause between two of them, in milliseconds.
    pub(super) pause: u64,
    pub(super) poll_interval: Duration,
    pub(super) staleness_budget: Duration,
    pub(super) replay_window: Duration,
    pub(super) max_sessions: u32,
    /// Steps of the store that fail, of a thousand: half of them before their
    /// commit, half after it.
    pub(super) faults: u64,
    /// Steps and computations that take their time, of a thousand.
    pub(super) slow: u64,
    /// And how long that is at most, in milliseconds.
    pub(super) slowness: u64,
    /// Calls whose caller goes away, of a thousand.
    pub(super) cancelled: u64,
    /// Actions that are somebody's misfortune, of a thousand.
    pub(super) trouble: u64,
}

impl Mood {
    pub(super) fn draw(dice: &Dice) -> Self {
        let of = |list: &[u64]| dice.pick(list).copied().unwrap_or(0);
        Self {
            replicas: usize::try_from(1 + dice.below(3)).unwrap_or(1),
            users: usize::try_from(1 + dice.below(3)).unwrap_or(1),
            actions: 40 + dice.below(60),
            pause: of(&[5, 20, 60]),
            poll_interval: Duration::from_millis(of(&[50, 100, 100, 250])),
            staleness_budget: Duration::from_secs(of(&[2, 10, 60])),
            replay_window: Duration::from_secs(of(&[5, 30, 30])),
            max_sessions: if dice.one_of_thousand(200) { 2 } else { 100 },
            faults: of(&[0, 10, 50, 150]),
            slow: of(&[50, 300, 800]),
            slowness: of(&[2, 10, 60, 300]),
            cancelled: of(&[0, 30, 150]),
            trouble: of(&[0, 60, 150]),
        }
    }

    /// From now on nothing goes wrong any more.
    pub(super) const CALM: Weather = Weather { faults: 0, slow: 0, slowness: 0 };

    pub(super) const fn weather(&self) -> Weather {
        Weather { faults: self.faults, slow: self.slow, slowness: self.slowness }
    }
}

/// What may happen to a step; the fields are those of [`Mood`].
#[derive(Clone, Copy)]
pub(super) struct Weather {
    pub(super) faults: u64,
    pub(super) slow: u64,
    pub(super) slowness: u64,
}
