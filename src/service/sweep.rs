//! Housekeeping: rows whose time is over go, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        clock::{Clock, Stamp},
        error::chain,
    },
    store::port::Store,
};

use super::readiness::Readiness;

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
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        if !readiness.clocks_agree() {
            continue;
        }
        let now = Stamp::of(clock.as_ref()).prudent_wall(started);
        match store.sweep(now, batch).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "removed expired rows"),
            Err(error) => {
                tracing::warn!(error = chain(&error), "expired rows could not be removed");
            }
        }
    }
}
