//! Clients that administrators make: their settings, secrets, and the
//! assertions that they have used.

use super::{
    audit,
    engine::Engine,
    log,
    port::{
        ChangeClient, ClientChange, ClientChanged, ClientStanding, CreateClient, NewClient,
        NewSecret, StoreError, UseAssertion,
    },
    rows::{Fields, client, client_secret, joined},
    sql,
    unit::{Query, Unit},
};
use crate::domain::{
    client::{Client, ClientProfile},
    clock::Timestamp,
    error::Fault,
    id::ClientId,
    policy::{Audience, Rotation},
    revocation::{Draft, Reason},
};

/// An id that was another client's before goes on with its versions, and what
/// was issued at the older ones dies.
pub(super) async fn create<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewClient,
) -> Result<CreateClient, StoreError> {
    let (id, now) = (&new.id, new.context.now);
    let row = unit.query(sql::REOPEN_CLIENT).bind(id).bind(now).one().await?;
    let version = Fields::<DB>::new(&row, "clients", "version").int("version")?;
    let insert = unit.query(sql::INSERT_CLIENT_SETTINGS).bind(id).bind(new.etag);
    if bind_profile(insert, &new.profile).bind(now).optional().await?.is_none() {
        unit.undo();
        return Ok(CreateClient::Taken);
    }
    if let Some(secret) = &new.secret {
        insert_secret(unit, id, secret, now).await?;
    }
    let client = found(unit, id).await?;
    let revocation =
        if version > 1 { Some(log::append(unit, new.draft(version)).await?) } else { None };
    audit::record(unit, new.event()).await?;
    Ok(CreateClient::Created { client, revocation })
}

pub(super) async fn by_id<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    id: &ClientId,
) -> Result<Option<ClientStanding>, StoreError> {
    let rows = unit.query(sql::SELECT_CLIENT).bind(id).all().await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let fields = Fields::<DB>::new(first, "revocation_head", "client_id");
    let version_floor = fields.int("version_floor")?;
    let client = with_secrets::<DB>(&rows)?.into_iter().next();
    Ok(client.map(|client| ClientStanding { client, version_floor }))
}

pub(super) async fn list<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (after, limit): &(Option<ClientId>, u32),
) -> Result<Vec<Client>, StoreError> {
    // The empty text stands before every id.
    let after = after.as_ref().map_or("", ClientId::as_str);
    let rows = unit.query(sql::SELECT_CLIENTS).bind(after).bind(*limit).all().await?;
    with_secrets::<DB>(&rows)
}

/// The write that locks the settings comes first, so changes of one client
/// pass one after another, and each sees what those before it have left.
pub(super) async fn change<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangeClient,
) -> Result<ClientChanged, StoreError> {
    let (id, now) = (&request.id, request.context.now);
    let expected = request.expected.map(|etag| etag.hyphenated().to_string()).unwrap_or_default();
    let lock = unit.query(sql::LOCK_CLIENT).bind(id).bind(expected);
    if lock.optional().await?.is_none() {
        let there = by_id(unit, id).await?.is_some();
        return Ok(if there { ClientChanged::Stale } else { ClientChanged::Absent });
    }
    let before = found(unit, id).await?;
    let repeated = match &request.change {
        ClientChange::Disable => before.disabled_at.is_some(),
        ClientChange::Enable => before.disabled_at.is_none(),
        _ => false,
    };
    if repeated {
        return repeated_change(unit, request, before).await;
    }
    unit.query(sql::TOUCH_CLIENT).bind(id).bind(request.etag).bind(now).run().await?;
    let killed = apply(unit, request).await?;
    let client = match request.change {
        ClientChange::Delete => before,
        _ => found(unit, id).await?,
    };
    let revocation = match killed {
        Some(draft) => Some(log::append(unit, draft).await?),
        None => None,
    };
    audit::record(unit, request.event()).await?;
    Ok(ClientChanged::Changed { client, revocation })
}

/// Makes the change, and gives the log entry that it needs.
async fn apply<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangeClient,
) -> Result<Option<Draft>, StoreError> {
    let (id, now) = (&request.id, request.context.now);
    match &request.change {
        ClientChange::Update { profile, .. } => {
            let update = unit.query(sql::UPDATE_CLIENT_SETTINGS).bind(id);
            bind_profile(update, profile).run().await?;
        }
        ClientChange::Enable => unit.query(sql::ENABLE_CLIENT).bind(id).run().await?,
        ClientChange::Rotate { secret, grace } => {
            let old =
                if grace.is_zero() { sql::DELETE_SECRETS } else { sql::DELETE_ENDING_SECRETS };
            unit.query(old).bind(id).run().await?;
            unit.query(sql::END_SECRETS).bind(id).bind(now.plus(*grace)).run().await?;
            insert_secret(unit, id, secret, now).await?;
        }
        ClientChange::Disable => {
            let version = closed(unit.query(sql::DISABLE_CLIENT).bind(id).bind(now)).await?;
            return Ok(Some(request.draft(version, Reason::ClientDisabled)));
        }
        ClientChange::Delete => {
            unit.query(sql::DELETE_CLIENT_SETTINGS).bind(id).run().await?;
            let version = closed(unit.query(sql::CLOSE_CLIENT).bind(id).bind(now)).await?;
            return Ok(Some(request.draft(version, Reason::ClientDeleted)));
        }
    }
    Ok(None)
}

/// What was done already changes nothing, and needs no second entry.
async fn repeated_change<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &ChangeClient,
    client: Client,
) -> Result<ClientChanged, StoreError> {
    let revocation = match request.change {
        ClientChange::Disable => {
            let draft = request.draft(client.version, Reason::ClientDisabled);
            Some(log::in_force(unit, draft).await?)
        }
        _ => None,
    };
    Ok(ClientChanged::Changed { client, revocation })
}

/// The version that a client was closed at, whose settings are locked.
async fn closed<DB: Engine>(close: Query<'_, DB>) -> Result<i64, StoreError> {
    Fields::<DB>::new(&close.one().await?, "clients", "version").int("version")
}

/// Used assertions are the only rows that a call of a client adds. They are
/// swept when they are over.
pub(super) async fn use_assertion<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    used: &UseAssertion,
) -> Result<bool, StoreError> {
    let insert = unit.query(sql::USE_ASSERTION).bind(&used.client_id);
    let insert = insert.bind(used.digest.to_text()).bind(used.expires_at);
    Ok(insert.optional().await?.is_some())
}

/// The client that this transaction has locked.
async fn found<DB: Engine>(unit: &mut Unit<'_, DB>, id: &ClientId) -> Result<Client, StoreError> {
    let gone = || StoreError::Corrupt(Fault::from("a locked client has disappeared"));
    by_id(unit, id).await?.map(|standing| standing.client).ok_or_else(gone)
}

/// Rows of one client stand one after another, each with one of its secrets.
fn with_secrets<DB: Engine>(rows: &[DB::Row]) -> Result<Vec<Client>, StoreError> {
    let mut clients: Vec<Client> = Vec::new();
    for row in rows {
        let next = client::<DB>(row)?;
        if clients.last().is_none_or(|last| last.id != next.id) {
            clients.push(next);
        }
        if let (Some(last), Some(secret)) = (clients.last_mut(), client_secret::<DB>(row)?) {
            last.secrets.push(secret);
        }
    }
    Ok(clients)
}

async fn insert_secret<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    client: &ClientId,
    secret: &NewSecret,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert = unit.query(sql::INSERT_SECRET).bind(secret.id).bind(client);
    insert.bind(secret.digest.to_text()).bind(now).run().await
}

/// The eleven columns of a profile, in the order in which every statement has
/// them.
fn bind_profile<'u, DB: Engine>(query: Query<'u, DB>, profile: &ClientProfile) -> Query<'u, DB> {
    let policy = &profile.policy;
    let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    query
        .bind(profile.display_name.as_str())
        .bind(joined(policy.audiences.iter().map(Audience::as_str)))
        .bind(policy.scopes.to_string())
        .bind(policy.default_scopes.to_string())
        .bind(seconds(policy.lifetimes.access))
        .bind(seconds(policy.lifetimes.session))
        .bind(policy.lifetimes.idle.map(seconds))
        .bind(policy.rotation == Rotation::On)
        .bind(policy.max_sessions_per_user)
        .bind(profile.allow_login)
        .bind(Some(profile.keys.to_text()).filter(|text| !text.is_empty()))
}
