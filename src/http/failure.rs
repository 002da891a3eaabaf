//! Failed requests in the log: each once, by whatever it failed.

use std::time::Duration;

use axum::http::Uri;
use tracing::Level;

use crate::{
    arrival::Arrival,
    domain::error::{AuthError, chain},
};

/// What is to be said of a failure; an extension of its answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What we must repair is an error, what load or a slow peer does a
    /// warning, and what callers do wrong is for information.
    pub(super) level: Level,
    /// The code that the caller was told.
    pub(super) reason: &'static str,
    /// For the operator.
    pub(super) cause: String,
}

impl From<&AuthError> for Failure {
    fn from(error: &AuthError) -> Self {
        Self { level: error.level(), reason: error.reason(), cause: chain(error) }
    }
}

impl Failure {
    /// Writes the line. The path is that of a route.
    pub(super) fn log(&self, uri: &Uri, status: u16, arrival: &Arrival, took: Duration) {
        let Self { level, reason, cause } = self;
        let (path, request_id) = (uri.path(), arrival.id.to_str().unwrap_or_default());
        let peer = arrival.source.as_ref().map(tracing::field::display);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "tokenward::http",
                    path, status, reason, request_id, peer, duration_ms, cause,
                    "request failed"
                )
            };
        }
        match *level {
            Level::ERROR => log!(error),
            Level::WARN => log!(warn),
            _ => log!(info),
        }
    }
}
