//! When files that may have changed are looked at again.
//!
//! Looking at the contents at a fixed pace is the truth: it misses nothing on
//! any file system. SIGHUP only brings the next look forward.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The looks of one watcher.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    hangup: Option<Signal>,
}

impl Pace {
    /// A look each `interval`, and at SIGHUP.
    pub fn new(interval: Duration) -> Self {
        let hangup = signal(SignalKind::hangup());
        let hangup = hangup.inspect_err(|error| tracing::warn!(%error, "cannot listen for SIGHUP"));
        Self { interval, hangup: hangup.ok() }
    }

    /// Waits until it is time for the next look. Any number of signals that
    /// come during a look are one.
    pub async fn next(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(self.interval) => {}
            () = hung_up(&mut self.hangup) => {}
        }
    }
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
