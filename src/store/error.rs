//! From what sqlx reports to the port's two kinds of failure.

use std::error::Error as _;

use super::{
    engine::{Engine, Trouble},
    port::StoreError,
};
use crate::domain::error::Fault;

/// What a failure of sqlx means.
pub(super) fn classify<DB: Engine>(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Database(error) => DB::classify(error.as_ref()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        // A transaction is open, or counted as open, that should be over.
        | sqlx::Error::InvalidSavePointStatement => Trouble::Outage,
        _ => Trouble::Defect,
    }
}

/// A failure while doing `what`, which names no value.
pub(super) fn failed<DB: Engine>(what: &str, error: sqlx::Error) -> StoreError {
    let trouble = classify::<DB>(&error);
    let fault = Fault::caused_by(format!("{what}: {trouble}"), error);
    match trouble {
        Trouble::Conflict | Trouble::Outage => StoreError::Unavailable(fault),
        Trouble::Defect => StoreError::Corrupt(fault),
    }
}

/// Was the step rolled back only because another one was in its way?
pub(super) fn is_conflict<DB: Engine>(error: &StoreError) -> bool {
    let StoreError::Unavailable(fault) = error else { return false };
    let cause = fault.source().and_then(|cause| cause.downcast_ref::<sqlx::Error>());
    cause.is_some_and(|cause| classify::<DB>(cause) == Trouble::Conflict)
}
