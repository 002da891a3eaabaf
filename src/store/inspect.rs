//! Looking at a database without changing anything: not its rows, and not its
//! schema.

use std::collections::HashSet;

use secrecy::SecretString;
use sqlx::{Connection as _, Postgres, Sqlite, migrate::Migrate};
use uuid::Uuid;

use super::{
    connect::{ConnectError, Database, StoreOptions},
    engine::Engine,
    instance,
    migrate::{self, POSTGRES, SQLITE, Scripts},
    port::StoreError,
    postgres,
    rows::{Fields, log_head},
    sql, sqlite,
    unit::Unit,
};
use crate::domain::{clock::Timestamp, id::KeyId};

/// What a look at a database has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The migrations that it does not have yet.
    pub missing: Vec<&'static str>,
    /// Whose it is; `None` while no server has used it.
    pub issuer: Option<String>,
    /// Which log it has; `None` in a database without one.
    pub epoch: Option<Uuid>,
    /// The keys that its log says are revoked.
    pub revoked_keys: HashSet<KeyId>,
    /// Its clock, if that is not this machine's.
    pub time: Option<Timestamp>,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// It cannot be opened, or has a schema that is not known.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at the database that `url` names.
pub async fn inspect(
    url: &SecretString,
    options: StoreOptions,
) -> Result<Inspection, InspectionError> {
    match Database::parse(url)? {
        Database::Sqlite(path) => {
            let mut connection = sqlite::look(path.as_ref(), options).await?;
            let seen = look::<Sqlite>(&mut connection, SQLITE).await;
            // What was seen counts, however the connection ends.
            drop(connection.close().await);
            seen
        }
        Database::Postgres(server) => {
            let mut connection = postgres::look(&server, options).await?;
            let seen = look::<Postgres>(&mut connection, POSTGRES).await;
            drop(connection.close().await);
            seen
        }
    }
}

async fn look<DB: Engine>(
    connection: &mut DB::Connection,
    scripts: Scripts,
) -> Result<Inspection, InspectionError>
where
    DB::Connection: Migrate,
{
    let missing = migrate::missing(connection, scripts).await?;
    // Nothing is written, so there is nothing to seal.
    let mut unit = Unit::<DB>::new(connection, |_| [0; 32]);
    let time = instance::database_time(&mut unit).await?;
    if missing.len() == scripts.len() {
        let revoked_keys = HashSet::new();
        return Ok(Inspection { missing, issuer: None, epoch: None, revoked_keys, time });
    }
    let issuer = instance::owner(&mut unit).await?.map(|(issuer, _)| issuer);
    let head = unit.query(sql::SELECT_HEAD).optional().await?;
    let epoch = head.map(|row| log_head::<DB>(&row)).transpose()?.map(|head| head.epoch);
    let revoked_keys = revoked_keys(&mut unit).await?;
    Ok(Inspection { missing, issuer, epoch, revoked_keys, time })
}

async fn revoked_keys<DB: Engine>(unit: &mut Unit<'_, DB>) -> Result<HashSet<KeyId>, StoreError> {
    let rows = unit.query(sql::SELECT_REVOKED_KEYS).all().await?;
    let key = |row: &DB::Row| {
        let fields = Fields::<DB>::new(row, "revocations", "subject");
        KeyId::parse(&fields.text("subject")?).map_err(|_| fields.corrupt("subject"))
    };
    rows.iter().map(key).collect()
}
