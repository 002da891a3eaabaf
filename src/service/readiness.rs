//! Whether this process should get traffic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    crypto::port::TokenKeys,
    domain::{clock::Clock, error::chain},
    store::port::Store,
};

use super::index::LiveIndex;

/// The most that this machine's clock and the database's may differ: more,
/// and replicas would disagree about what has expired.
pub const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(2);
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// All that readiness depends on.
pub struct Readiness {
    index: Arc<LiveIndex>,
    keys: Arc<dyn TokenKeys>,
    clock: Arc<dyn Clock>,
    clocks_agree: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Not ready until the log is loaded.
    pub fn new(index: Arc<LiveIndex>, keys: Arc<dyn TokenKeys>, clock: Arc<dyn Clock>) -> Self {
        let (clocks_agree, draining) = (AtomicBool::new(true), AtomicBool::new(false));
        Self { index, keys, clock, clocks_agree, draining }
    }

    /// Why this process should get no traffic, if it should not.
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            Some("draining")
        } else if !self.index.is_usable() {
            Some("revocation log not loaded, or too old")
        } else if !self.clocks_agree.load(Ordering::Relaxed) {
            Some("this machine's clock and the database's differ by more than 2 s")
        } else if !self.keys.can_sign(self.clock.now()) {
            Some("no signing key")
        } else {
            None
        }
    }

    /// From now on no traffic is wanted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Compares this machine's clock with the database's until told to stop.
    pub async fn watch_clock(self: Arc<Self>, store: Arc<dyn Store>, stop: CancellationToken) {
        loop {
            self.compare_clocks(store.as_ref()).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CLOCK_CHECK_INTERVAL) => {}
            }
        }
    }

    /// One comparison. The database answers some time between two readings
    /// of our clock, so only what lies outside of both is a difference.
    async fn compare_clocks(&self, store: &dyn Store) {
        let before = self.clock.now();
        let theirs = match store.database_time().await {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(error = chain(&error), "the database's clock cannot be read");
                return;
            }
        };
        let difference = before.since(theirs).max(theirs.since(self.clock.now()));
        let agree = difference <= CLOCK_DIFFERENCE_MAX;
        if self.clocks_agree.swap(agree, Ordering::Relaxed) != agree {
            tracing::warn!(?difference, agree, "this machine's clock against the database's");
        }
    }
}
