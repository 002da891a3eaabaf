//! Revoking: the change itself and its log entry, in one transaction.

use super::{
    accounts, audit,
    engine::Engine,
    log::{self, Logged},
    param::Param,
    port::{Revoke, RevokeTarget, StoreError},
    rows::{Fields, session},
    sessions, sql,
    unit::{Query, Unit},
};
use crate::domain::{
    id::{SessionId, UserId},
    revocation::Revocation,
};

pub(super) async fn revoke<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
) -> Result<Option<Revocation>, StoreError> {
    let logged = write(unit, request).await?;
    // What was dead already needs no second entry, and is worth no row.
    if let Some(Logged::New(entry)) = &logged {
        audit::record(unit, request.event(entry)).await?;
    }
    Ok(logged.map(Logged::into_entry))
}

async fn write<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
) -> Result<Option<Logged>, StoreError> {
    match &request.target {
        RevokeTarget::Session(id) => sessions::revoke(unit, *id, request.draft(0)).await,
        RevokeTarget::OwnSession { id, owner } => own_session(unit, request, *id, *owner).await,
        RevokeTarget::OwnSessions { user, version } => {
            own_sessions(unit, request, *user, *version).await
        }
        RevokeTarget::User(id) => raise(unit, request, sql::BUMP_USER, (*id).into()).await,
        RevokeTarget::Client(id) => raise(unit, request, sql::BUMP_CLIENT, id.into()).await,
        RevokeTarget::Key(_) => revoke_key(unit, request).await.map(Some),
        RevokeTarget::All => revoke_all(unit, request).await.map(|entry| Some(Logged::New(entry))),
    }
}

/// Raises the version of what is revoked, and writes the entry. `None` when
/// there is no such row.
async fn raise<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
    statement: &'static str,
    id: Param,
) -> Result<Option<Logged>, StoreError> {
    let bump = unit.query(statement).bind(id);
    let Some(version) = bumped(bump).await? else { return Ok(None) };
    log::append(unit, request.draft(version)).await.map(|entry| Some(Logged::New(entry)))
}

/// The version that a row was raised to; `None` when no row was.
pub(super) async fn bumped<DB: Engine>(bump: Query<'_, DB>) -> Result<Option<i64>, StoreError> {
    let row = bump.optional().await?;
    row.map(|row| Fields::<DB>::new(&row, "users or clients", "version").int("version")).transpose()
}

/// A session has the same owner for ever, so asking first is as good as asking
/// in the write.
async fn own_session<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
    id: SessionId,
    owner: UserId,
) -> Result<Option<Logged>, StoreError> {
    let row = unit.query(sql::SELECT_SESSION).bind(id).optional().await?;
    match row.map(|row| session::<DB>(&row)).transpose()? {
        Some(found) if found.user_id == owner => sessions::revoke(unit, id, request.draft(0)).await,
        _ => Ok(None),
    }
}

/// A request that comes again must not end what was opened after it.
async fn own_sessions<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
    user: UserId,
    version: i64,
) -> Result<Option<Logged>, StoreError> {
    let bump = unit.query(sql::BUMP_USER_AT).bind(user).bind(version);
    if let Some(version) = bumped(bump).await? {
        return log::append(unit, request.draft(version))
            .await
            .map(|entry| Some(Logged::New(entry)));
    }
    let Some(account) = accounts::by_id(unit, &user).await? else { return Ok(None) };
    let known = log::in_force(unit, request.draft(account.version)).await?;
    Ok(Some(Logged::InForce(known)))
}

/// Entries about keys are kept for ever, so one is enough.
async fn revoke_key<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
) -> Result<Logged, StoreError> {
    let draft = request.draft(0);
    match log::newest_about(unit, &draft.target).await? {
        Some(known) => Ok(Logged::InForce(known)),
        None => log::append(unit, draft).await.map(Logged::New),
    }
}

/// The head is locked before the versions are read: whoever raises a version
/// afterwards also comes afterwards in the log.
async fn revoke_all<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &Revoke,
) -> Result<Revocation, StoreError> {
    let locked = log::take_places(unit, 1).await?;
    let row = unit.query(sql::SELECT_MAX_VERSION).one().await?;
    let largest = Fields::<DB>::new(&row, "users", "version").int("version")?;
    let floor = locked.version_floor.max(largest).saturating_add(1);
    unit.query(sql::RAISE_FLOOR).bind(floor).run().await?;
    log::write_newest(unit, &locked, request.draft(floor)).await
}
