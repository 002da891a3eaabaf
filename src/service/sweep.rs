//! Housekeeping: rows whose time is over go, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        clock::{Clock, Stamp, Timestamp},
        error::chain,
    },
    store::port::{Store, StoreError, Swept},
};

use super::readiness::Readiness;

/// The most transactions of one round of housekeeping.
const BATCHES_MAX: u32 = 100;

/// Between two transactions, so that logins get their turn.
const PAUSE: Duration = Duration::from_millis(10);

/// Deletes expired rows each `interval` until told to stop; at most `batch`
/// rows of a kind in one transaction, so that it never holds up a login. A
/// clock that cannot be trusted deletes nothing.
pub async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    readiness: Arc<Readiness>,
    interval: Duration,
    batch: u32,
    stop: CancellationToken,
) {
    let started = Stamp::of(clock.as_ref());
    loop {
        let round = async {
            tokio::time::sleep(interval).await;
            if !readiness.clocks_agree() {
                return;
            }
            let now = Stamp::of(clock.as_ref()).prudent_wall(started);
            match remove_all(store.as_ref(), now, batch).await {
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
async fn remove_all(store: &dyn Store, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
    let mut removed = 0_u64;
    for _ in 0..BATCHES_MAX {
        let Swept { rows, more } = store.sweep(now, batch).await?;
        removed = removed.saturating_add(rows);
        if !more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(removed)
}
