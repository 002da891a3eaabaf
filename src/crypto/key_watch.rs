//! Following the key directories while the server runs, at the [`Pace`] of
//! everything that is followed.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    key_directory::KeyringError,
    live_keys::{LiveKeys, Reload},
};
use crate::{domain::clock::Clock, pace::Pace};

/// Looks at the directories each `interval`, and at SIGHUP, until told to stop.
pub async fn watch(
    keys: Arc<LiveKeys>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut pace = Pace::new(interval);
    let mut told = None;
    while stop.run_until_cancelled(pace.next()).await.is_some() {
        let (looking, clock) = (Arc::clone(&keys), Arc::clone(&clock));
        let look = tokio::task::spawn_blocking(move || looking.reload(clock.now()));
        match look.await {
            Ok(outcome) => told = tell(outcome, told.as_ref()),
            Err(error) => tracing::error!(%error, "the look at the keys ended early"),
        }
    }
}

/// Says what is news. A fault is told once, until it is another one.
fn tell(outcome: Reload, told: Option<&KeyringError>) -> Option<KeyringError> {
    match outcome {
        Reload::Refused(error) => {
            if told != Some(&error) {
                tracing::error!(%error, "the keys cannot be reloaded; the former ones stay in use");
            }
            Some(error)
        }
        Reload::Taken => {
            tracing::info!("keys reloaded");
            None
        }
        Reload::Unchanged => {
            if told.is_some() {
                tracing::info!("the key folders are good again");
            }
            None
        }
    }
}
