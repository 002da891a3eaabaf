//! Times that were measured.

use std::time::Duration;

/// Sorted times.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Duration {
        self.per_mille(500)
    }

    /// The smallest sample that so many in a thousand do not exceed; zero if
    /// there are none.
    pub(super) fn per_mille(&self, share: usize) -> Duration {
        let rank = (self.0.len() * share).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

/// In milliseconds.
pub(super) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The middle one of a few numbers, and the least and greatest.
pub(super) fn middle(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| numbers.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(numbers.len() / 2), at(numbers.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let samples = Samples::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.median(), Duration::from_millis(50));
        assert_eq!(samples.per_mille(990), Duration::from_millis(99));
        assert_eq!(samples.per_mille(991), Duration::from_millis(100));
        assert_eq!(samples.per_mille(1000), Duration::from_millis(100));
        assert_eq!(Samples::new(vec![Duration::from_millis(7)]).median().as_millis(), 7);
        assert_eq!(Samples::default().median(), Duration::ZERO);
    }

    #[test]
    fn the_middle_of_a_few() {
        assert_eq!(middle(vec![3.0, 1.0, 2.0]), (1.0, 2.0, 3.0));
        assert!(middle(Vec::new()).1.is_nan());
    }
}
