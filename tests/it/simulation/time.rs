//! True time, and what the replicas take it for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenward::domain::clock::{Clock, Timestamp};
use tokio::time::Instant;

use super::model::ClockState;
use crate::support::determinism::START;

/// What a machine has been on for, when its process starts.
const UPTIME: Duration = Duration::from_hours(1);

/// So far off, a wall clock still counts as right: two of them then differ by
/// less than the service allows.
pub(super) const RIGHT_WITHIN_MS: i64 = 900;

/// True time: the runtime's, which stands while anything can run, and leaps in
/// which nothing happened. No two readings are the same: each takes a
/// microsecond.
pub(super) struct Time {
    began: Instant,
    leaps: AtomicU64,
    readings: AtomicU64,
}

/// What readings take that belong together.
pub(super) const A_MOMENT: Duration = Duration::from_millis(1);

impl Time {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), leaps: AtomicU64::new(0), readings: AtomicU64::new(0) }
    }

    /// Since the beginning of the run.
    pub(super) fn elapsed(&self) -> Duration {
        let leaps = Duration::from_millis(self.leaps.load(Ordering::Relaxed));
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        self.began.elapsed() + leaps + Duration::from_micros(readings)
    }

    pub(super) fn now(&self) -> Timestamp {
        START.plus(self.elapsed())
    }

    /// The world is switched off, and on again after this.
    pub(super) fn leap(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.leaps.fetch_add(millis, Ordering::Relaxed);
    }
}

/// The clocks of one machine.
pub(super) struct ReplicaClock {
    time: Arc<Time>,
    /// By how many milliseconds its wall clock is ahead.
    ahead: AtomicI64,
    /// For how many milliseconds both have stood; not 0 only by a planted bug.
    stood: AtomicU64,
    /// How often it was set.
    settings: AtomicU64,
}

impl ReplicaClock {
    pub(super) fn new(time: Arc<Time>, ahead: i64) -> Self {
        let (ahead, stood, settings) =
            (AtomicI64::new(ahead), AtomicU64::new(0), AtomicU64::new(0));
        Self { time, ahead, stood, settings }
    }

    /// Sets the wall clock.
    pub(super) fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
        self.settings.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> ClockState {
        let is_right = self.ahead.load(Ordering::Relaxed).abs() <= RIGHT_WITHIN_MS;
        ClockState { is_right, settings: self.settings.load(Ordering::Relaxed) }
    }

    /// Plants a bug: both clocks have stood for so long.
    pub(super) fn stand_for(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.stood.fetch_add(millis, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        let stood = Duration::from_millis(self.stood.load(Ordering::Relaxed));
        self.time.elapsed().saturating_sub(stood)
    }
}

impl Clock for ReplicaClock {
    fn now(&self) -> Timestamp {
        let now = START.plus(self.elapsed());
        Timestamp::from_micros(now.micros() + 1_000 * self.ahead.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        UPTIME + self.elapsed()
    }
}
