//! Time as a value, and the clock as a parameter.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An instant of wall-clock time: microseconds since 1970-01-01T00:00:00Z,
/// leap seconds not counted (RFC 7519 `NumericDate`, in finer steps).
///
/// Arithmetic saturates: a clock set absurdly cannot panic the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch, as the store keeps them.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant with its fraction of a second cut off.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// The instant `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(span)))
    }

    /// The instant `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(span)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_micros(micros.unsigned_abs())
    }

    /// Parses RFC 3339, for example `2026-12-01T00:00:00Z`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000)).ok().map(Self)
    }
}

fn micros_of(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC; outside the years 0 to 9999, the number of microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0).saturating_mul(1_000);
        match OffsetDateTime::from_unix_timestamp_nanos(nanos).map(|t| t.format(&Rfc3339)) {
            Ok(Ok(text)) => f.write_str(&text),
            _ => write!(f, "{} µs", self.0),
        }
    }
}

/// Where the time comes from. A service call reads it once and passes `now`
/// down; nothing below it holds a clock.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, which no adjustment of the wall clock
    /// moves.
    fn monotonic(&self) -> Duration;
}

/// Both clocks of a [`Clock`] at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic one.
    pub monotonic: Duration,
}

impl Stamp {
    /// Both clocks now.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// How long after `earlier` this is: by the wall clock or the monotonic one,
    /// whichever says more, so that neither a stopped process nor a clock set
    /// back makes anything look fresh.
    pub fn since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        self.wall.since(earlier.wall).max(monotonic)
    }

    /// The wall-clock time of `self`, but no later than monotonic time allows
    /// since `earlier`. What is thrown away by this time is over even if the
    /// wall clock was set ahead by mistake and is set back again.
    pub fn prudent_wall(self, earlier: Self) -> Timestamp {
        let elapsed = self.monotonic.saturating_sub(earlier.monotonic);
        self.wall.min(earlier.wall.plus(elapsed))
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => micros_of(after),
            Err(before) => -micros_of(before.duration()),
        };
        Timestamp(micros)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        for (micros, seconds) in [(-1, -1), (0, 0), (1, 0), (999_999, 0), (1_000_000, 1)] {
            assert_eq!(Timestamp::from_micros(micros).seconds(), seconds, "{micros}");
        }
    }

    /// TM-03.
    #[test]
    fn arithmetic_saturates_instead_of_panicking() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        let start = Timestamp::from_micros(i64::MIN);
        assert_eq!(start.minus(Duration::MAX).micros(), i64::MIN);
        assert_eq!(start.since(end), Duration::ZERO);
    }

    /// TM-01: a clock that is set ahead by mistake makes nothing old.
    #[test]
    fn tm_01_prudent_time_does_not_jump_ahead() {
        let stamp = |wall, monotonic| Stamp {
            wall: Timestamp::from_seconds(wall),
            monotonic: Duration::from_secs(monotonic),
        };
        let earlier = stamp(1_000, 5);
        for (later, prudent) in [
            (stamp(1_010, 15), 1_010),
            (stamp(9_000, 15), 1_010),
            (stamp(1_003, 15), 1_003),
            (stamp(1_010, 0), 1_000),
        ] {
            assert_eq!(later.prudent_wall(earlier), Timestamp::from_seconds(prudent));
        }
    }

    /// VC-36: years in which other systems have overflowed.
    #[test]
    fn vc_36_far_years_print_and_parse() {
        for text in ["2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z", "9999-12-31T23:59:59Z"] {
            let instant = Timestamp::parse_rfc3339(text).expect(text);
            assert_eq!(instant.to_string(), text);
        }
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9223372036854775807 µs");
    }
}
