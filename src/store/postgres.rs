//! Opening PostgreSQL.

use std::time::Duration;

use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
};

use super::{
    connect::{ConnectError, Pools, StoreOptions, WATCHERS, unopened},
    engine::Engine as _,
    migrate::{self, POSTGRES},
    sql,
};
use crate::domain::error::Fault;

/// Where a server is, and how to log in there.
pub(super) struct Server(Box<PgConnectOptions>);

impl Server {
    /// Takes a `postgres://` URL. The parser's own words are dropped: with an
    /// unescaped password they can repeat a part of it.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let rule = "must be 'postgres://USER:PASSWORD@HOST:PORT/DATABASE', \
                    with special characters percent-encoded";
        url.parse()
            .map(|options| Self(Box::new(options)))
            .map_err(|_| ConnectError::InvalidUrl(rule))
    }

    /// Says where nothing was reached, and why: a pool that gave up waiting
    /// keeps the reason to itself.
    async fn unreachable(&self, error: sqlx::Error, options: StoreOptions) -> ConnectError {
        let cause = match error {
            sqlx::Error::PoolTimedOut => {
                let connect = PgConnection::connect_with(&self.0);
                match tokio::time::timeout(options.acquire_timeout, connect).await {
                    Ok(Err(cause)) => cause,
                    _ => error,
                }
            }
            _ => error,
        };
        let place = format!("{}:{}", self.0.get_host(), self.0.get_port());
        ConnectError::Unavailable(Fault::caused_by(place, cause))
    }

    fn options(&self) -> PgConnectOptions {
        (*self.0).clone().application_name("tokenward")
    }
}

/// Connections that keep to the limits of `options`. The same ones read and
/// write: a replica of the database would be behind.
pub(super) async fn open(
    server: &Server,
    options: StoreOptions,
) -> Result<Pools<Postgres>, ConnectError> {
    migrate(server, options).await?;
    let writer = pool(server, options, options.max_connections.max(1)).await?;
    check(&mut *writer.acquire().await.map_err(unopened::<Postgres>)?).await?;
    let watcher = pool(server, options, WATCHERS).await?;
    Ok(Pools { reader: writer.clone(), writer, watcher })
}

/// A connection that can change nothing.
pub(super) async fn look(
    server: &Server,
    options: StoreOptions,
) -> Result<PgConnection, ConnectError> {
    let read_only = bounded(server, options).options([("default_transaction_read_only", "on")]);
    let connect = PgConnection::connect_with(&read_only);
    match tokio::time::timeout(options.acquire_timeout, connect).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(server.unreachable(error, options).await),
        Err(_) => Err(server.unreachable(sqlx::Error::PoolTimedOut, options).await),
    }
}

async fn pool(
    server: &Server,
    options: StoreOptions,
    max_connections: u32,
) -> Result<PgPool, ConnectError> {
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                connection.execute(sql::POSTGRES_LEAVE_TRANSACTION).await.map(|_| true)
            })
        });
    pool.connect_with(bounded(server, options)).await.map_err(unopened::<Postgres>)
}

/// Applies migrations on a connection of its own: it has no time limits, and
/// takes the migration lock with it when it goes. It comes from a pool because
/// pools wait for a server that is just starting.
pub(super) async fn migrate(
    server: &Server,
    options: StoreOptions,
) -> Result<Vec<&'static str>, ConnectError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(options.acquire_timeout);
    let pool = match pool.connect_with(server.options()).await {
        Ok(pool) => pool,
        Err(error) => return Err(server.unreachable(error, options).await),
    };
    let mut connection = pool.acquire().await.map_err(unopened::<Postgres>)?;
    let applied = migrate::apply(&mut *connection, POSTGRES).await;
    let closed = connection.close().await.map_err(unopened::<Postgres>);
    applied.and_then(|applied| closed.map(|()| applied))
}

/// The server itself ends what takes too long.
fn bounded(server: &Server, options: StoreOptions) -> PgConnectOptions {
    let millis = |span: Duration| span.as_millis().max(1).to_string();
    server.options().options([
        ("statement_timeout", millis(options.statement_timeout)),
        ("lock_timeout", millis(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
        ("default_transaction_isolation", "read committed".to_owned()),
    ])
}

/// What must be so, and what else must be said of it.
const PROMISED: [(&str, &str, &[&str]); 3] = [
    // With `off`, a crash of the server loses commits that it has reported.
    ("synchronous_commit", "SHOW synchronous_commit", &["on", "remote_apply"]),
    ("server_encoding", "SHOW server_encoding", &["UTF8"]),
    // The steps are cut for it; see `sql`.
    ("transaction_isolation", "SHOW transaction_isolation", &["read committed"]),
];

async fn check(connection: &mut PgConnection) -> Result<(), ConnectError> {
    for (name, statement, allowed) in PROMISED {
        let found = show(connection, name, statement).await?;
        if !allowed.contains(&found.as_str()) {
            let wanted = allowed.join(" or ");
            return Err(ConnectError::Unfit(format!(
                "PostgreSQL has {name}={found}, not {wanted}"
            )));
        }
    }
    if show(connection, "fsync", "SHOW fsync").await? == "off" {
        tracing::warn!("PostgreSQL runs with fsync=off: a power cut can lose everything");
    }
    Ok(())
}

async fn show(
    connection: &mut PgConnection,
    name: &str,
    statement: &'static str,
) -> Result<String, ConnectError> {
    let rows = Postgres::fetch(connection, statement, PgArguments::default()).await;
    let rows = rows.map_err(unopened::<Postgres>)?;
    let text = rows.first().and_then(|row| Postgres::text(row, name).ok().flatten());
    text.ok_or_else(|| ConnectError::Unfit(format!("PostgreSQL does not tell its {name}")))
}
