//! Following the key directories while the server runs.
//!
//! Looking at the contents at a fixed pace is the truth: it misses nothing on
//! any file system. SIGHUP only brings the next look forward.

use std::{sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    key_directory::KeyringError,
    live_keys::{LiveKeys, Reload},
};
use crate::domain::clock::Clock;

/// Looks at the directories each `interval`, and at SIGHUP, until told to stop.
pub async fn watch(
    keys: Arc<LiveKeys>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut hangup = hangup();
    let mut told = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
            // Any number of signals that come during a look are one.
            () = hung_up(&mut hangup) => tracing::info!("SIGHUP: looking at the keys"),
        }
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

fn hangup() -> Option<Signal> {
    let listening = signal(SignalKind::hangup());
    listening.inspect_err(|error| tracing::warn!(%error, "cannot listen for SIGHUP")).ok()
}

async fn hung_up(hangup: &mut Option<Signal>) {
    let received = match hangup {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if received.is_none() {
        std::future::pending::<()>().await;
    }
}
