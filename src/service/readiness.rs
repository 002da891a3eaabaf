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
    store::port::{Store, StoreError},
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
    /// Not ready until the log is loaded and the clocks were compared.
    pub fn new(index: Arc<LiveIndex>, keys: Arc<dyn TokenKeys>, clock: Arc<dyn Clock>) -> Self {
        let (clocks_agree, draining) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { index, keys, clock, clocks_agree, draining }
    }

    /// Why this process should get no traffic, if it should not.
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            Some("draining")
        } else if !self.index.is_usable() {
            Some("revocation log not loaded, or too old")
        } else if !self.clocks_agree() {
            Some(
                "this machine's clock and the database's differ by more than 2 s, or were not compared",
            )
        } else if !self.keys.can_sign(self.clock.now()) {
            Some("no signing key")
        } else {
            None
        }
    }

    /// What an operator should see to although traffic is welcome. The log says
    /// more; this may be read by anybody.
    pub fn remark(&self) -> Option<&'static str> {
        let remark = "the key folders cannot be used as they are; the former keys stay in use";
        self.keys.fault().map(|_| remark)
    }

    /// Do this machine's clock and the database's agree?
    pub fn clocks_agree(&self) -> bool {
        self.clocks_agree.load(Ordering::Relaxed)
    }

    /// From now on no traffic is wanted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Compares this machine's clock with the database's until told to stop.
    pub async fn watch_clock(self: Arc<Self>, store: Arc<dyn Store>, stop: CancellationToken) {
        // Clocks are expected to agree: it is news, even at the start, if not.
        let mut agreed = true;
        loop {
            match clock_difference(self.clock.as_ref(), store.as_ref()).await {
                Ok(difference) => agreed = self.note(difference, agreed),
                Err(error) => {
                    tracing::debug!(error = chain(&error), "the database's clock cannot be read");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CLOCK_CHECK_INTERVAL) => {}
            }
        }
    }

    /// Says so when the clocks begin or cease to agree.
    fn note(&self, difference: Duration, agreed: bool) -> bool {
        let agree = difference <= CLOCK_DIFFERENCE_MAX;
        self.clocks_agree.store(agree, Ordering::Relaxed);
        match (agreed, agree) {
            (true, false) => {
                tracing::error!(?difference, "this machine's clock and the database's differ");
            }
            (false, true) => tracing::info!("this machine's clock and the database's agree again"),
            _ => {}
        }
        agree
    }
}

/// How far this machine's clock and the database's are apart; zero if they
/// are the same clock. The database answers some time between two readings of
/// ours, so only what lies outside of both is a difference.
pub async fn clock_difference(
    clock: &dyn Clock,
    store: &dyn Store,
) -> Result<Duration, StoreError> {
    let before = clock.now();
    let theirs = store.database_time().await?;
    let after = clock.now();
    Ok(theirs.map_or(Duration::ZERO, |theirs| before.since(theirs).max(theirs.since(after))))
}
