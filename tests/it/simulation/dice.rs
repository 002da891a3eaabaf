//! Chance that repeats.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Numbers that one seed gives (`SplitMix64`).
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub(super) fn roll(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not 0.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.roll() % end
    }

    /// True so many times in a thousand.
    pub(super) fn one_of_thousand(&self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// At least `least` and at most `most`.
    pub(super) fn between(&self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.below(most.abs_diff(least) + 1)).unwrap_or(0)
    }

    /// One of a list, unless that is empty.
    pub(super) fn pick<'a, T>(&self, list: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(list.len()).unwrap_or(u64::MAX).max(1);
        list.get(usize::try_from(self.below(length)).unwrap_or(0))
    }

    /// At most so many milliseconds; whole ones, as tokio's timers count.
    pub(super) fn millis(&self, most: u64) -> Duration {
        Duration::from_millis(self.below(most + 1))
    }
}
