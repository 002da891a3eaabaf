//! What administrators change of users: locked, looked at, judged, and
//! written with the log entries, in one transaction.

use super::{
    accounts, audit,
    engine::Engine,
    log, one_time,
    port::{EndUser, StoreError, UpdateUser, UserEnded, UserEnding, UserUpdated},
    revoke::bumped,
    rows::joined,
    sql,
    unit::Unit,
};
use crate::domain::{
    account::{Account, Role},
    error::Fault,
    id::UserId,
    one_time::Purpose,
    revocation::{Draft, Revocation},
};

pub(super) async fn update<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    update: &UpdateUser,
) -> Result<UserUpdated, StoreError> {
    let outcome = try_update(unit, update).await?;
    if !matches!(outcome, UserUpdated::Updated { .. }) {
        unit.undo();
    }
    Ok(outcome)
}

async fn try_update<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    update: &UpdateUser,
) -> Result<UserUpdated, StoreError> {
    let Some(before) = lock(unit, update.id).await? else { return Ok(UserUpdated::NotFound) };
    if update.revision.is_some_and(|revision| revision != before.revision) {
        return Ok(UserUpdated::Conflict);
    }
    if let Some(kind) = replace_identifiers(unit, update).await? {
        return Ok(UserUpdated::Taken(kind));
    }
    let roles = update.roles.as_ref().unwrap_or(&before.roles);
    let name = update.display_name.as_ref().unwrap_or(&before.display_name);
    let profile = unit.query(sql::UPDATE_PROFILE).bind(update.id).bind(name);
    profile.bind(joined(roles.iter().map(Role::as_str))).run().await?;
    let narrowed = before.roles.iter().any(|role| !roles.contains(role));
    let revocation = if narrowed { narrow(unit, update, &before).await? } else { None };
    if narrowed && revocation.is_none() {
        return Ok(UserUpdated::Conflict);
    }
    if is_last(unit, update.kept_role.as_ref(), &before).await? {
        return Ok(UserUpdated::LastOfRole);
    }
    let account = accounts::by_id(unit, &update.id).await?.ok_or_else(gone)?;
    if account.identifiers().next().is_none() {
        return Ok(UserUpdated::NoIdentifier);
    }
    audit::record(unit, update.event()).await?;
    Ok(UserUpdated::Updated { account, revocation })
}

pub(super) async fn end<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    end: &EndUser,
) -> Result<UserEnded, StoreError> {
    let Some(before) = lock(unit, end.id).await? else { return Ok(UserEnded::NotFound) };
    let entry = match end.ending {
        UserEnding::Disable => {
            let bump = unit.query(sql::DISABLE_USER).bind(end.id).bind(end.now);
            let Some(version) = bumped(bump).await? else {
                let at = before.disabled_at.unwrap_or(end.now);
                let known = Draft { at, ..end.draft(before.version) };
                return log::in_force(unit, known).await.map(UserEnded::Ended);
            };
            log::append(unit, end.draft(version)).await?
        }
        UserEnding::Delete => {
            unit.query(sql::DELETE_USER).bind(end.id).run().await?;
            // Whatever version a token of theirs carries.
            log::append(unit, end.draft(i64::MAX)).await?
        }
    };
    if is_last(unit, end.kept_role.as_ref(), &before).await? {
        unit.undo();
        return Ok(UserEnded::LastOfRole);
    }
    audit::record(unit, end.event()).await?;
    Ok(UserEnded::Ended(entry))
}

/// The user, whom nobody else can change until the transaction ends.
async fn lock<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    id: UserId,
) -> Result<Option<Account>, StoreError> {
    if unit.query(sql::LOCK_USER_ROW).bind(id).optional().await?.is_none() {
        return Ok(None);
    }
    accounts::by_id(unit, &id).await
}

/// The kind of an identifier that is taken, if one is. A token to set a new
/// password may have been sent to what the user had before, and goes.
async fn replace_identifiers<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    update: &UpdateUser,
) -> Result<Option<&'static str>, StoreError> {
    if !update.identifiers.is_empty() {
        one_time::forget(unit, update.id, Purpose::PasswordReset).await?;
    }
    for (kind, identifier) in &update.identifiers {
        unit.query(sql::DELETE_IDENTIFIER).bind(update.id).bind(*kind).run().await?;
        let Some(identifier) = identifier else { continue };
        if !accounts::take_identifier(unit, identifier, update.id).await? {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// Kills the user's access tokens, but not their sessions. `None`: everything
/// was revoked while this waited for its place in the log, and the sessions
/// that were taken along must not come after that.
async fn narrow<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    update: &UpdateUser,
    before: &Account,
) -> Result<Option<Revocation>, StoreError> {
    let bump = unit.query(sql::BUMP_USER).bind(update.id);
    let version = bumped(bump).await?.ok_or_else(gone)?;
    let moved = unit.query(sql::MOVE_SESSIONS_OF_USER).bind(update.id).bind(before.version);
    let moved = moved.bind(version).all().await?.len();
    let locked = log::take_places(unit, 1).await?;
    if moved > 0 && before.version < locked.version_floor {
        return Ok(None);
    }
    log::write_newest(unit, &locked, update.draft(version)).await.map(Some)
}

/// Was this the last enabled user with the role? Asked while the head of the
/// log is locked: of two who are to lose it at once, the second sees what has
/// become of the first.
async fn is_last<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    role: Option<&Role>,
    before: &Account,
) -> Result<bool, StoreError> {
    let had = |role: &&Role| before.disabled_at.is_none() && before.roles.contains(role);
    let Some(role) = role.filter(had) else { return Ok(false) };
    let query = unit.query(sql::SELECT_ENABLED_WITH_ROLE).bind(accounts::with_role(role));
    Ok(query.optional().await?.is_none())
}

fn gone() -> StoreError {
    StoreError::Corrupt(Fault::from("a locked user has disappeared"))
}
