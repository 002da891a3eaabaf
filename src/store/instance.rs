//! Whose database it is, and what it must remember of the configuration.

use std::time::Duration;

use super::{
    engine::Engine,
    port::{Claim, Instance, StoreError},
    rows::{Fields, log_head},
    sql,
    unit::Unit,
};
use crate::domain::{clock::Timestamp, error::Fault};

pub(super) async fn claim<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    instance: &Instance,
) -> Result<Claim, StoreError> {
    let session_s = instance.max_session_lifetime_s();
    let access_s = instance.max_access_lifetime_s();
    if let Some(issuer) = &instance.issuer {
        let insert = unit.query(sql::INSERT_INSTANCE);
        insert.bind(issuer.as_str()).bind(session_s).bind(instance.now).run().await?;
    }
    if let (Some((found, _)), Some(issuer)) = (owner(unit).await?, &instance.issuer)
        && found != *issuer
    {
        return Ok(Claim::OtherIssuer { issuer: found });
    }
    unit.query(sql::RAISE_SESSION_LIFETIME).bind(session_s).run().await?;
    for client in &instance.clients {
        unit.query(sql::INSERT_CLIENT).bind(client).bind(instance.now).run().await?;
        unit.query(sql::ENABLE_CONFIGURED_CLIENT).bind(client).run().await?;
    }
    unit.query(sql::INSERT_HEAD).bind(instance.epoch).bind(access_s).run().await?;
    unit.query(sql::RAISE_ACCESS_LIFETIME).bind(access_s).run().await?;
    let head = log_head::<DB>(&unit.query(sql::SELECT_HEAD).one().await?)?;
    let raised = owner(unit).await?.map(|(_, max_session_lifetime)| max_session_lifetime);
    Ok(Claim::Ours { head, max_session_lifetime: raised.unwrap_or(instance.max_session_lifetime) })
}

/// The issuer; `None` while no server has claimed the database.
pub(super) async fn issuer<DB: Engine>(
    unit: &mut Unit<'_, DB>,
) -> Result<Option<String>, StoreError> {
    Ok(owner(unit).await?.map(|(issuer, _)| issuer))
}

/// The issuer, and the largest session lifetime; `None` while no server has
/// claimed the database.
pub(super) async fn owner<DB: Engine>(
    unit: &mut Unit<'_, DB>,
) -> Result<Option<(String, Duration)>, StoreError> {
    let Some(row) = unit.query(sql::SELECT_INSTANCE).optional().await? else { return Ok(None) };
    let fields = Fields::<DB>::new(&row, "instance", "issuer");
    let seconds = u64::try_from(fields.int("max_session_lifetime_s")?)
        .map_err(|_| fields.corrupt("max_session_lifetime_s"))?;
    Ok(Some((fields.text("issuer")?, Duration::from_secs(seconds))))
}

/// The database's clock, if it is not this machine's.
pub(super) async fn database_time<DB: Engine>(
    unit: &mut Unit<'_, DB>,
) -> Result<Option<Timestamp>, StoreError> {
    let Some(statement) = DB::DATABASE_TIME else { return Ok(None) };
    let row = unit.query(statement).one().await?;
    match DB::int(&row, "micros") {
        Ok(Some(micros)) => Ok(Some(Timestamp::from_micros(micros))),
        _ => Err(StoreError::Corrupt(Fault::from("the database's clock gives no number"))),
    }
}
