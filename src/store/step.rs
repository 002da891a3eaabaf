//! Running one step on one connection, and what becomes of the connection.

use std::time::Duration;

use sqlx::{Connection as _, Pool, pool::PoolConnection};
use tokio::{sync::oneshot, time::timeout};

use super::{
    engine::{BoxFuture, Engine},
    error::failed,
    port::StoreError,
    unit::{Line, Unit},
};
use crate::domain::{audit::Sha256, error::Fault};

/// A step: what it does on a connection with its input.
pub(super) type Step<DB, I, T> =
    for<'a> fn(&'a mut Unit<'_, DB>, &'a I) -> BoxFuture<'a, Result<T, StoreError>>;

/// Gets a connection and does `work` with it, in a task of its own.
///
/// A caller that goes away must not stop a step half way: sqlx gives a
/// connection whose `BEGIN` was cancelled back to its pool inside an open
/// transaction, and whoever writes on it next is told that all is well. But a
/// caller that goes away while still waiting for a connection leaves the
/// queue, or the work of those who are gone would delay those who are not.
pub(super) async fn in_own_task<DB: Engine, T, F>(
    pool: &Pool<DB>,
    work: impl FnOnce(PoolConnection<DB>) -> F + Send + 'static,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send,
{
    let pool = pool.clone();
    let (mut answer, answered) = oneshot::channel();
    tokio::spawn(async move {
        let connection = tokio::select! {
            biased;
            () = answer.closed() => return,
            connection = acquire(&pool) => connection,
        };
        let outcome = match connection {
            Ok(connection) => work(connection).await,
            Err(error) => Err(error),
        };
        // Nobody may be there any more to hear it.
        drop(answer.send(outcome));
    });
    answered.await.unwrap_or_else(|error| {
        Err(StoreError::Corrupt(Fault::caused_by("a step of the store ended early", error)))
    })
}

pub(super) async fn acquire<DB: Engine>(pool: &Pool<DB>) -> Result<PoolConnection<DB>, StoreError> {
    pool.acquire().await.map_err(|error| failed::<DB>("getting a connection", error))
}

/// What every step is given.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// How long it may keep a connection.
    pub(super) limit: Duration,
    /// Seals what it writes into the audit log.
    pub(super) sha256: Sha256,
}

/// Runs a step that reads, without a transaction.
pub(super) async fn look<DB: Engine, I, T>(
    mut connection: PoolConnection<DB>,
    bounds: Bounds,
    input: &I,
    step: Step<DB, I, T>,
) -> Result<T, StoreError> {
    let Bounds { limit, sha256 } = bounds;
    let work = async { step(&mut Unit::new(&mut *connection, sha256), input).await };
    // Outside of transactions nothing can be left open, but an answer.
    let (outcome, end) = match timeout(limit, work).await {
        Ok(outcome) => (outcome, End::Proven),
        Err(_) => (Err(no_answer()), End::Unknown),
    };
    settle(connection, limit, end);
    outcome
}

/// Runs a step that writes, in a transaction.
pub(super) async fn transact<DB: Engine, I, T>(
    mut connection: PoolConnection<DB>,
    bounds: Bounds,
    input: &I,
    step: Step<DB, I, T>,
) -> Result<T, StoreError> {
    let Bounds { limit, sha256 } = bounds;
    let work = in_transaction::<DB, _, _>(&mut *connection, sha256, input, step);
    let work = timeout(limit, work).await;
    let (outcome, end) = work.unwrap_or_else(|_| (Err(no_answer()), End::Unknown));
    settle(connection, limit, end);
    outcome
}

/// What is known of the transaction that a connection was last used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The database has said that it is over.
    Proven,
    /// It may be open still, or sqlx may believe so.
    Unknown,
}

/// Runs a step between `BEGIN` and a `COMMIT`, or a `ROLLBACK` when it failed
/// or has undone itself.
async fn in_transaction<DB: Engine, I, T>(
    connection: &mut DB::Connection,
    sha256: Sha256,
    input: &I,
    step: Step<DB, I, T>,
) -> (Result<T, StoreError>, End) {
    let mut transaction = match connection.begin_with(DB::BEGIN_WRITE).await {
        Ok(transaction) => transaction,
        Err(error) => return (Err(failed::<DB>(DB::BEGIN_WRITE, error)), End::Unknown),
    };
    let mut unit = Unit::new(&mut *transaction, sha256);
    let outcome = step(&mut unit, input).await;
    let keep = outcome.is_ok() && !unit.is_undone();
    let lines = unit.into_lines();
    let end = if keep { transaction.commit().await } else { transaction.rollback().await };
    match end {
        Ok(()) => {
            lines.iter().filter(|_| keep).for_each(Line::tell);
            (outcome, End::Proven)
        }
        Err(error) => {
            let unended = |_| Err(failed::<DB>("ending a transaction", error));
            (outcome.and_then(unended), End::Unknown)
        }
    }
}

/// Gives the connection back, or closes it unless its last transaction is
/// known to be over. SQLite ends a transaction by itself when the disk is
/// full, and sqlx goes on counting it as open: such a connection would refuse
/// every `BEGIN` for ever. And after a silent loss of the network it would
/// keep its place in the pool for many minutes.
fn settle<DB: Engine>(mut connection: PoolConnection<DB>, limit: Duration, end: End) {
    if end == End::Proven {
        // Dropping it would do the same, but without a limit: the pool pings
        // the server first. Nobody has to wait for that.
        drop(tokio::spawn(timeout(limit, connection.return_to_pool())));
    } else {
        drop(connection.detach());
    }
}

fn no_answer() -> StoreError {
    StoreError::Unavailable(Fault::from("the database has not answered in time"))
}
