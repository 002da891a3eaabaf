//! The store over any engine: each method of the port as one unit of work.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection as _, Pool, pool::PoolConnection};
use tokio::{sync::oneshot, time::timeout};

use super::{
    accounts,
    engine::{BoxFuture, Engine},
    error::{failed, is_conflict},
    instance, log,
    port::{
        Claim, CreateUser, Credentials, Instance, Look, NewSession, OpenSession, Revoke, Rotate,
        Rotated, Store, StoreError, Swept,
    },
    revoke, rotation, sessions,
    unit::Unit,
};
use crate::domain::{
    account::{Account, Identifier, NewAccount},
    clock::Timestamp,
    error::Fault,
    id::{SessionId, UserId},
    password::PasswordHash,
    revocation::Revocation,
    session::Session,
};

/// How often a step is tried that other transactions are in the way of.
const ATTEMPTS: usize = 3;

/// A step: what it does on a connection with its input.
type Step<DB, I, T> =
    for<'a> fn(&'a mut Unit<'_, DB>, &'a I) -> BoxFuture<'a, Result<T, StoreError>>;

/// The store over one engine.
pub(super) struct SqlStore<DB: Engine> {
    /// Connections for steps that write.
    pub(super) writer: Pool<DB>,
    /// Connections for steps that only read.
    pub(super) reader: Pool<DB>,
    /// Connections for following the log: whatever else is going on, what was
    /// revoked must be seen in time.
    pub(super) watcher: Pool<DB>,
    /// How long one step may keep a connection.
    pub(super) step_limit: Duration,
}

impl<DB: Engine> SqlStore<DB> {
    /// Runs a step that reads, for a caller who waits for the answer.
    async fn read<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.read_on(&self.reader, input, step).await
    }

    /// Runs a step that reads, for the follower of the log.
    async fn watch<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.read_on(&self.watcher, input, step).await
    }

    async fn read_on<I, T>(
        &self,
        pool: &Pool<DB>,
        input: I,
        step: Step<DB, I, T>,
    ) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let limit = self.step_limit;
        in_own_task(pool, move |mut connection: PoolConnection<DB>| async move {
            let work = async { step(&mut Unit::new(&mut *connection), &input).await };
            // Outside of transactions nothing can be left open, but an answer.
            let (outcome, end) = match timeout(limit, work).await {
                Ok(outcome) => (outcome, End::Proven),
                Err(_) => (Err(no_answer()), End::Unknown),
            };
            settle(connection, limit, end);
            outcome
        })
        .await
    }

    /// Runs a step that writes, in a transaction.
    async fn write<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pool, limit) = (self.writer.clone(), self.step_limit);
        let work = move |connection| async move {
            let mut outcome = transact(connection, limit, &input, step).await;
            for _ in 1..ATTEMPTS {
                match &outcome {
                    Err(error) if is_conflict::<DB>(error) => {
                        let connection = acquire(&pool).await?;
                        outcome = transact(connection, limit, &input, step).await;
                    }
                    _ => break,
                }
            }
            outcome
        };
        in_own_task(&self.writer, work).await
    }
}

/// Gets a connection and does `work` with it, in a task of its own.
///
/// A caller that goes away must not stop a step half way: sqlx gives a
/// connection whose `BEGIN` was cancelled back to its pool inside an open
/// transaction, and whoever writes on it next is told that all is well. But a
/// caller that goes away while still waiting for a connection leaves the
/// queue, or the work of those who are gone would delay those who are not.
async fn in_own_task<DB: Engine, T, F>(
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

async fn acquire<DB: Engine>(pool: &Pool<DB>) -> Result<PoolConnection<DB>, StoreError> {
    pool.acquire().await.map_err(|error| failed::<DB>("getting a connection", error))
}

async fn transact<DB: Engine, I, T>(
    mut connection: PoolConnection<DB>,
    limit: Duration,
    input: &I,
    step: Step<DB, I, T>,
) -> Result<T, StoreError> {
    let work = timeout(limit, in_transaction::<DB, _, _>(&mut *connection, input, step)).await;
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
    input: &I,
    step: Step<DB, I, T>,
) -> (Result<T, StoreError>, End) {
    let mut transaction = match connection.begin_with(DB::BEGIN_WRITE).await {
        Ok(transaction) => transaction,
        Err(error) => return (Err(failed::<DB>(DB::BEGIN_WRITE, error)), End::Unknown),
    };
    let mut unit = Unit::new(&mut *transaction);
    let outcome = step(&mut unit, input).await;
    let keep = outcome.is_ok() && !unit.is_undone();
    let end = if keep { transaction.commit().await } else { transaction.rollback().await };
    match end {
        Ok(()) => (outcome, End::Proven),
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

#[async_trait]
impl<DB: Engine> Store for SqlStore<DB> {
    async fn claim(&self, instance: Instance) -> Result<Claim, StoreError> {
        self.write(instance, |unit, instance| Box::pin(instance::claim(unit, instance))).await
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, StoreError> {
        if DB::DATABASE_TIME.is_none() {
            return Ok(None);
        }
        self.watch((), |unit, ()| Box::pin(instance::database_time(unit))).await
    }

    async fn create_user(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<CreateUser, StoreError> {
        self.write((account, now), |unit, new| Box::pin(accounts::create(unit, new))).await
    }

    async fn credentials(&self, identifier: Identifier) -> Result<Option<Credentials>, StoreError> {
        self.read(identifier, |unit, id| Box::pin(accounts::credentials(unit, id))).await
    }

    async fn user(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.read(id, |unit, id| Box::pin(accounts::by_id(unit, id))).await
    }

    async fn user_by_identifier(
        &self,
        identifier: Identifier,
    ) -> Result<Option<Account>, StoreError> {
        Ok(self.credentials(identifier).await?.map(|credentials| credentials.account))
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.read((after, limit), |unit, page| Box::pin(accounts::list(unit, page))).await
    }

    async fn replace_password_hash(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<bool, StoreError> {
        let change = (user, old, new);
        self.write(change, |unit, change| Box::pin(accounts::replace_password_hash(unit, change)))
            .await
    }

    async fn open_session(&self, session: NewSession) -> Result<OpenSession, StoreError> {
        self.write(session, |unit, new| Box::pin(sessions::open(unit, new))).await
    }

    async fn rotate(&self, request: Rotate) -> Result<Rotated, StoreError> {
        self.write(request, |unit, request| Box::pin(rotation::rotate(unit, request))).await
    }

    async fn sessions(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let page = (user, before, now, limit);
        self.read(page, |unit, page| Box::pin(sessions::list_live(unit, page))).await
    }

    async fn revoke(&self, request: Revoke) -> Result<Option<Revocation>, StoreError> {
        self.write(request, |unit, request| Box::pin(revoke::revoke(unit, request))).await
    }

    async fn look(&self, known_seq: i64) -> Result<Look, StoreError> {
        self.watch(known_seq, |unit, seq| Box::pin(log::look(unit, seq))).await
    }

    async fn log_after(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.watch((seq, limit), |unit, page| Box::pin(log::after(unit, page))).await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> Result<Swept, StoreError> {
        self.write((now, limit), |unit, batch| Box::pin(log::sweep(unit, batch))).await
    }

    async fn close(&self) {
        self.watcher.close().await;
        self.reader.close().await;
        self.writer.close().await;
    }
}
