//! Housekeeping: rows whose time is over go, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{clock::Clock, error::chain},
    store::port::Store,
};

/// Deletes expired rows each `interval` until told to stop; at most `batch`
/// rows of a kind in one transaction, so that it never holds up a login.
pub async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    batch: u32,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        match store.sweep(clock.now(), batch).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "removed expired rows"),
            Err(error) => {
                tracing::warn!(error = chain(&error), "expired rows could not be removed");
            }
        }
    }
}
