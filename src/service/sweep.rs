//! Housekeeping: rows whose time is over go, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        clock::{Clock, Stamp, Timestamp},
        error::chain,
    },
    store::port::{Store, StoreError, Sweep, Swept},
};

use super::readiness::Readiness;

/// The most transactions of one round of housekeeping.
const BATCHES_MAX: u32 = 100;

/// Between two transactions, so that logins get their turn.
const PAUSE: Duration = Duration::from_millis(10);

/// What is swept, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Time between two rounds.
    pub interval: Duration,
    /// The most rows of a kind in one transaction, so that no login has to
    /// wait for it.
    pub batch: u32,
    /// How long the audit log is kept.
    pub audit_retention: Duration,
}

/// Deletes rows whose time is over until told to stop. A clock that cannot be
/// trusted deletes nothing.
pub async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    readiness: Arc<Readiness>,
    rules: Rules,
    stop: CancellationToken,
) {
    let started = Stamp::of(clock.as_ref());
    loop {
        let round = async {
            tokio::time::sleep(rules.interval).await;
            if !readiness.clocks_agree() {
                return;
            }
            let now = Stamp::of(clock.as_ref()).prudent_wall(started);
            match remove_all(store.as_ref(), now, rules).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "removed expired rows"),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "expired rows could not be removed");
                }
            }
        };
        if stop.run_until_cancelled(round).await.is_none() {
            return;
        }
    }
}

/// Goes on while there is more, and gives how many rows went.
async fn remove_all(store: &dyn Store, now: Timestamp, rules: Rules) -> Result<u64, StoreError> {
    let audit_before = now.minus(rules.audit_retention);
    let sweep = Sweep { now, audit_before, limit: rules.batch };
    let mut removed = 0_u64;
    for _ in 0..BATCHES_MAX {
        let Swept { rows, more } = store.sweep(sweep).await?;
        removed = removed.saturating_add(rows);
        if !more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(removed)
}
