//! Pauses between attempts.

use std::time::Duration;

use super::options::Options;

/// Longer after each failure up to a bound, and never the same for two.
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { failures: 0 }
    }

    /// It works again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause before the next attempt: between half of its bound and all of
    /// it.
    pub(super) fn pause(&mut self, options: &Options) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let bound = options.backoff_min.saturating_mul(factor).min(options.backoff_max);
        let mut random = [0; 2];
        // Without randomness everybody comes at the bound.
        if options.entropy.fill(&mut random).is_err() {
            return bound;
        }
        let half = bound / 2;
        half + half.saturating_mul(u32::from(u16::from_be_bytes(random))) / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::entropy::{Entropy, EntropyError};

    struct Bytes(u8);

    impl Entropy for Bytes {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    fn pauses(byte: u8, count: usize) -> Vec<u128> {
        let mut options = Options::new("https://auth.example.org");
        options.entropy = Arc::new(Bytes(byte));
        let mut backoff = Backoff::new();
        (0..count).map(|_| backoff.pause(&options).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread() {
        assert_eq!(pauses(255, 8), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pauses(0, 8), [50, 100, 200, 400, 800, 1600, 2500, 2500]);
        assert_eq!(pauses(255, 100).last(), Some(&5000), "for ever");
    }

    #[test]
    fn success_begins_anew() {
        let mut options = Options::new("https://auth.example.org");
        options.entropy = Arc::new(Bytes(255));
        let mut backoff = Backoff::new();
        let first = backoff.pause(&options);
        assert!(backoff.pause(&options) > first);
        backoff.reset();
        assert_eq!(backoff.pause(&options), first);
    }
}
