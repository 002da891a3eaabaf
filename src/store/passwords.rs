//! Changing passwords: everything is locked, looked at, judged, and then
//! written, in one transaction.

use super::{
    audit,
    engine::Engine,
    log,
    one_time::{self, Used},
    port::{ChangePassword, PasswordChanged, ResetPassword, SetPassword, StoreError},
    rotation,
    rows::Fields,
    sql, throttle,
    unit::{Query, Unit},
};
use crate::domain::{
    audit::Action,
    error::{Fault, Refusal},
    id::UserId,
    one_time::Purpose,
    password::PasswordHash,
    revocation::{Reason, Revocation},
    session::{Judgement, Standing, judge},
};

/// The user is locked first and the session second, as a login does. What the
/// look then finds stays as it is: refreshes, logins, revocations of the user
/// and other changes of the password wait for this one.
pub(super) async fn change<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangePassword,
) -> Result<PasswordChanged, StoreError> {
    let unchanged = lock(unit, request).await?;
    let Some(standing) = rotation::look(unit, request.session_id).await? else {
        return Ok(PasswordChanged::Refused(Refusal::SessionExpired));
    };
    if standing.session.user_id != request.user_id {
        return Ok(PasswordChanged::Refused(Refusal::InvalidToken));
    }
    match judge(Some(&standing), &request.presented(&standing.session)) {
        Judgement::Refuse(refusal) => Ok(PasswordChanged::Refused(refusal)),
        Judgement::Reused => misused(unit, request, Refusal::Reused).await,
        Judgement::RolledBack => misused(unit, request, Refusal::RolledBack).await,
        // Who has used the token a moment ago may go on with it here: the
        // password proves more than the token does.
        Judgement::Rotate | Judgement::Replay if unchanged => write(unit, request).await,
        Judgement::Rotate | Judgement::Replay => Ok(PasswordChanged::Rehashed),
    }
}

pub(super) async fn set<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &SetPassword,
) -> Result<Option<Revocation>, StoreError> {
    let Some(version) = replace(unit, request.user_id, &request.new).await? else {
        return Ok(None);
    };
    finish(unit, request, version, Action::SetPassword).await.map(Some)
}

/// The user is locked first, as by everything else that ends with a token
/// deleted. The guard on its version lets one of many through; the token that
/// goes is the proof that there was one.
pub(super) async fn reset<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    ResetPassword { digest, user_version, change }: &ResetPassword,
) -> Result<Option<Revocation>, StoreError> {
    let (user_id, user_version) = (change.user_id, *user_version);
    let raise = unit.query(sql::RESET_PASSWORD).bind(user_id).bind(change.new.expose());
    let Some(version) = raised(raise.bind(user_version)).await? else { return Ok(None) };
    let purpose = Purpose::PasswordReset;
    let used = Used { digest, purpose, user_id, user_version, now: change.now };
    if one_time::use_up(unit, used).await?.is_none() {
        unit.undo();
        return Ok(None);
    }
    finish(unit, change, version, Action::ResetPassword).await.map(Some)
}

/// What follows from a new password that no session survives.
async fn finish<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &SetPassword,
    version: i64,
    action: Action,
) -> Result<Revocation, StoreError> {
    throttle::forget(unit, &request.counted_by).await?;
    let revocation = log::append(unit, request.draft(version)).await?;
    audit::record(unit, request.event(action)).await?;
    Ok(revocation)
}

/// True when the user is what it was when the password was checked, and
/// nobody can change it, nor the session, until the transaction ends.
async fn lock<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangePassword,
) -> Result<bool, StoreError> {
    let user = unit.query(sql::LOCK_USER).bind(request.user_id).bind(request.user_version);
    let unchanged = user.bind(request.checked.expose()).optional().await?.is_some();
    unit.query(sql::LOCK_SESSION).bind(request.session_id).run().await?;
    Ok(unchanged)
}

async fn misused<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangePassword,
    refusal: Refusal,
) -> Result<PasswordChanged, StoreError> {
    let draft = request.misuse(Reason::of_misuse(refusal));
    let ended = rotation::end(unit, request.session_id, draft);
    let Some(revocation) = ended.await? else {
        return Ok(PasswordChanged::Refused(Refusal::Revoked));
    };
    let reason = revocation.reason.as_str().to_owned();
    audit::record(unit, request.event().refused(reason)).await?;
    Ok(PasswordChanged::Ended { refusal, revocation })
}

async fn write<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangePassword,
) -> Result<PasswordChanged, StoreError> {
    let version = replace(unit, request.user_id, &request.new).await?.ok_or_else(gone)?;
    let moved = unit.query(sql::MOVE_SESSION).bind(request.session_id).bind(version);
    let moved = moved.bind(request.now).bind(request.idle.map(|idle| request.now.plus(idle)));
    moved.bind(request.session_end).run().await?;
    let Standing { session, account, .. } =
        rotation::look(unit, request.session_id).await?.ok_or_else(gone)?;
    let locked = log::take_places(unit, 1).await?;
    if request.user_version < locked.version_floor {
        // Everything was revoked while this waited for its place. The session
        // of before must not come after that.
        unit.undo();
        return Ok(PasswordChanged::Refused(Refusal::Revoked));
    }
    let revocation = log::write_newest(unit, &locked, request.draft(version)).await?;
    audit::record(unit, request.event()).await?;
    Ok(PasswordChanged::Changed { session, account, revocation })
}

/// Sets the hash and gives the raised version. A token to set another one is
/// of before, and goes. `None`: there is no such user.
async fn replace<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    user: UserId,
    new: &PasswordHash,
) -> Result<Option<i64>, StoreError> {
    let raise = unit.query(sql::SET_PASSWORD).bind(user).bind(new.expose());
    let version = raised(raise).await?;
    one_time::forget(unit, user, Purpose::PasswordReset).await?;
    Ok(version)
}

async fn raised<DB: Engine>(raise: Query<'_, DB>) -> Result<Option<i64>, StoreError> {
    let row = raise.optional().await?;
    row.map(|row| Fields::<DB>::new(&row, "users", "version").int("version")).transpose()
}

fn gone() -> StoreError {
    StoreError::Corrupt(Fault::from("a locked user or session has disappeared"))
}
