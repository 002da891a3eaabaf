//! Opening sessions, and listing them.

use super::{
    accounts, audit,
    engine::Engine,
    log::{self, Logged},
    port::{CLEARED_PER_LOGIN, NewSession, OpenSession, StoreError},
    rows::{Fields, joined, session},
    sql,
    unit::Unit,
};
use crate::domain::{
    clock::Timestamp,
    error::Fault,
    id::{SessionId, UserId},
    policy::Audience,
    revocation::{Draft, ENTRY_MARGIN, LEEWAY_MAX, Reason},
    session::Session,
};

/// Stands behind every id, whose characters are `0-9 a-f -`.
const BEHIND_EVERY_ID: &str = "g";

/// The write that locks the user comes first, so logins of one user pass one
/// after another, and each sees the sessions of those before it.
pub(super) async fn open<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewSession,
) -> Result<OpenSession, StoreError> {
    let event = new.event();
    let Some(session) = admitted(unit, new).await? else {
        audit::record(unit, event.refused("CHANGED_MEANWHILE")).await?;
        return Ok(OpenSession::Refused);
    };
    let dead = unit.query(sql::DELETE_DEAD_OF_USER).bind(session.user_id);
    let dead = dead.bind(session.created_at.minus(LEEWAY_MAX));
    let dead = dead.bind(session.created_at.minus(ENTRY_MARGIN)).bind(CLEARED_PER_LOGIN);
    dead.run().await?;
    let over = revoke_over_limit(unit, new, &session).await?;
    insert(unit, &session).await?;
    let account = accounts::by_id(unit, &session.user_id).await?;
    let gone = || StoreError::Corrupt(Fault::from("a locked user has disappeared"));
    let account = account.ok_or_else(gone)?;
    let ended = log::append_all(unit, over).await?;
    let mut events = vec![event];
    events.extend(ended.iter().filter_map(|entry| new.over_limit_event(entry)));
    audit::record_all(unit, &events).await?;
    Ok(OpenSession::Opened { session, account, ended })
}

/// The session at the versions of now, if user and client still allow it.
async fn admitted<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewSession,
) -> Result<Option<Session>, StoreError> {
    let session = &new.session;
    let client = unit.query(sql::SELECT_ENABLED_CLIENT).bind(&session.client_id);
    let Some(client) = client.optional().await? else { return Ok(None) };
    let login = unit.query(sql::RECORD_LOGIN).bind(session.user_id).bind(new.checked_version);
    let login = login.bind(session.created_at).bind(new.checked_hash.expose());
    let Some(user) = login.optional().await? else { return Ok(None) };
    let user_version = Fields::<DB>::new(&user, "users", "version").int("version")?;
    Ok(Some(Session {
        user_version,
        min_refresh_version: user_version,
        client_version: Fields::<DB>::new(&client, "clients", "version").int("version")?,
        revoked_at: None,
        revoke_reason: None,
        ..session.clone()
    }))
}

/// Makes room for `session` among the live ones.
async fn revoke_over_limit<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewSession,
    session: &Session,
) -> Result<Vec<Draft>, StoreError> {
    let rows = unit
        .query(sql::REVOKE_OVER_LIMIT)
        .bind(session.user_id)
        .bind(session.user_version)
        .bind(&session.client_id)
        .bind(session.client_version)
        .bind(session.created_at)
        .bind(new.max_sessions.saturating_sub(1))
        .bind(Reason::SessionLimit.as_str())
        .all()
        .await?;
    let id = |row| Fields::<DB>::new(row, "sessions", "id").parse("id", SessionId::parse);
    let mut ended = rows.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    ended.sort_unstable();
    Ok(ended.into_iter().map(|id| new.over_limit(id)).collect())
}

async fn insert<DB: Engine>(unit: &mut Unit<'_, DB>, session: &Session) -> Result<(), StoreError> {
    unit.query(sql::INSERT_SESSION)
        .bind(session.id)
        .bind(session.user_id)
        .bind(session.user_version)
        .bind(session.min_refresh_version)
        .bind(&session.client_id)
        .bind(session.client_version)
        .bind(session.generation)
        .bind(session.rotated_at)
        .bind(session.created_at)
        .bind(session.expires_at)
        .bind(session.idle_expires_at)
        .bind(session.auth_time)
        .bind(joined(session.amr.iter().map(String::as_str)))
        .bind(session.scopes.to_string())
        .bind(joined(session.audience.iter().map(Audience::as_str)))
        .bind(session.label.as_str())
        .bind(session.ip.as_str())
        .bind(session.user_agent.as_str())
        .run()
        .await
}

/// Revokes one session, once. `None` when there is no such session.
pub(super) async fn revoke<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    id: SessionId,
    draft: Draft,
) -> Result<Option<Logged>, StoreError> {
    if mark_revoked(unit, id, &draft).await? {
        return log::append(unit, draft).await.map(|entry| Some(Logged::New(entry)));
    }
    let row = unit.query(sql::SELECT_SESSION).bind(id).optional().await?;
    let Some(row) = row else { return Ok(None) };
    let known = session::<DB>(&row)?;
    let at = known.revoked_at.unwrap_or(draft.at);
    let reason = known.revoke_reason.unwrap_or(Reason::Other(String::new()));
    let known = log::in_force(unit, Draft { at, reason, actor: "system", ..draft }).await?;
    Ok(Some(Logged::InForce(known)))
}

/// True when this call is the one that revoked it.
pub(super) async fn mark_revoked<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    id: SessionId,
    draft: &Draft,
) -> Result<bool, StoreError> {
    let mark = unit.query(sql::REVOKE_SESSION).bind(id).bind(draft.at);
    Ok(mark.bind(draft.reason.as_str()).optional().await?.is_some())
}

/// What is asked of the list: whose, before which id, when, how many.
pub(super) type Page = (UserId, Option<SessionId>, Timestamp, u32);

pub(super) async fn list_live<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (user, before, now, limit): &Page,
) -> Result<Vec<Session>, StoreError> {
    let before = before.map_or_else(|| BEHIND_EVERY_ID.to_owned(), |id| id.to_string());
    let page = unit.query(sql::SELECT_LIVE_SESSIONS).bind(*user).bind(before);
    let rows = page.bind(*now).bind(*limit).all().await?;
    rows.iter().map(session::<DB>).collect()
}
