//! What becomes of a database that was restored.
//!
//! It has forgotten what happened after the backup: what was revoked then is
//! good again, and versions that were used up will be given out once more. So
//! it gets another epoch, by which replicas and watchers know that it is not
//! the log that they followed; and unless somebody vouches that nothing was
//! lost, the version floor rises above every version that can ever have been
//! reached, which ends all sessions and all tokens.

use uuid::Uuid;

use super::{
    audit,
    body::SqlStore,
    connect::ConnectError,
    engine::Engine,
    instance,
    port::{Claim, Instance, Revoke, RevokeTarget, Store as _, StoreError},
    revoke, sql,
    unit::Unit,
};
use crate::domain::{
    audit::{Action, Event, Origin},
    revocation::Reason,
};

/// More versions than can have been used up between a backup and the loss of
/// its database. A `ver` claim stays exact in every JSON parser (below 2^53)
/// through two million restores.
const LEAP: i64 = 1 << 32;

/// How a restored database is to be renewed.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Whose it must be, and its new epoch.
    pub instance: Instance,
    /// Whether nothing was lost: then only the epoch is another one.
    pub trusted: bool,
    /// Random; the id of the log entry that ends everything.
    pub entry_id: Uuid,
    /// Who has restored it.
    pub origin: Origin,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The new epoch.
    pub epoch: Uuid,
    /// The number of the log entry that has ended everything; `None` when the
    /// backup was trusted.
    pub revocation_seq: Option<i64>,
}

/// Why a restored database was not renewed. Nothing of it was changed, but
/// for its schema.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// It cannot be opened.
    #[error("database")]
    Connect(#[from] ConnectError),
    /// It cannot be written.
    #[error("database")]
    Store(#[from] StoreError),
    /// It serves another issuer.
    #[error("the database was made for the issuer {0}")]
    OtherIssuer(String),
}

/// Renews the database, and closes it.
pub(super) async fn run<DB: Engine>(
    store: SqlStore<DB>,
    renewal: Renewal,
) -> Result<Renewed, RenewalError> {
    let step = store.write(renewal, |unit, renewal| Box::pin(renew(unit, renewal)));
    let outcome = step.await;
    store.close().await;
    outcome?.map_err(RenewalError::OtherIssuer)
}

/// `Err`: the issuer that the database serves.
async fn renew<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    renewal: &Renewal,
) -> Result<Result<Renewed, String>, StoreError> {
    let Renewal { instance, trusted, entry_id, origin } = renewal;
    if let Claim::OtherIssuer { issuer } = instance::claim(unit, instance).await? {
        return Ok(Err(issuer));
    }
    let (epoch, now) = (instance.epoch, instance.now);
    let leap = if *trusted { 0 } else { LEAP };
    unit.query(sql::RENEW_LOG).bind(epoch).bind(leap).run().await?;
    let mut revocation_seq = None;
    if !trusted {
        unit.query(sql::DELETE_ONE_TIME_TOKENS).run().await?;
        let (target, reason) = (RevokeTarget::All, Reason::DatabaseRestored);
        let everything =
            Revoke { target, reason, origin: origin.clone(), entry_id: *entry_id, now };
        revocation_seq = revoke::revoke(unit, &everything).await?.map(|entry| entry.seq);
    }
    let event = Event::new(Action::Restore, origin, now);
    audit::record(unit, event.detail(format!("epoch={epoch} trusted={trusted}"))).await?;
    Ok(Ok(Renewed { epoch, revocation_seq }))
}
