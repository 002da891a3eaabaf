//! Rounds, counted aloud, that can be ended before their time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::CancellationToken;

/// How often is said how far it is.
const TIMES: usize = 10;

/// Clones count together.
#[derive(Clone)]
pub(crate) struct Progress {
    begun: Arc<AtomicUsize>,
    rounds: usize,
    stop: CancellationToken,
}

impl Progress {
    /// So many rounds, or less if it is stopped.
    pub(crate) fn new(rounds: usize, stop: &CancellationToken) -> Self {
        Self { begun: Arc::default(), rounds, stop: stop.clone() }
    }

    /// How many rounds there were.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Iterator for Progress {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let round = self.begun();
        if round == self.rounds || self.stop.is_cancelled() {
            return None;
        }
        if round > 0 && round.is_multiple_of((self.rounds / TIMES).max(1)) {
            eprintln!("  {round} of {}", self.rounds);
        }
        self.begun.store(round + 1, Ordering::SeqCst);
        Some(round)
    }
}
