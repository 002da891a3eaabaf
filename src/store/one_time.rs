//! One-time tokens: issued, looked at, used up.
//!
//! Whoever writes locks the user first and the token second, so that no two
//! wait for each other.

use super::{
    audit,
    engine::Engine,
    port::{
        IssueOneTimeToken, LiveToken, NewOneTimeToken, PresentedToken, StoreError, VerifyIdentifier,
    },
    rows::{Fields, account},
    sql,
    unit::Unit,
};
use crate::domain::{
    clock::Timestamp,
    id::UserId,
    one_time::{Purpose, Usage},
    throttle::Fingerprint,
};

/// What a token is bound to, as its columns `user_version`, `kind` and
/// `canonical`.
struct Binding {
    user_version: Option<i64>,
    kind: &'static str,
    canonical: String,
}

pub(super) async fn issue<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewOneTimeToken,
) -> Result<IssueOneTimeToken, StoreError> {
    let Some(row) = unit.query(sql::LOCK_USER_FOR_TOKEN).bind(new.user_id).optional().await? else {
        return Ok(IssueOneTimeToken::NoUser);
    };
    let user = Fields::<DB>::new(&row, "users", "version");
    if user.optional_int("disabled_at")?.is_some() {
        return Ok(IssueOneTimeToken::Disabled);
    }
    let Some(binding) = binding(unit, new, user.int("version")?).await? else {
        return Ok(IssueOneTimeToken::NoIdentifier);
    };
    if !insert(unit, new, &binding).await? {
        return too_soon(unit, new, &binding).await;
    }
    audit::record(unit, new.event()).await?;
    Ok(IssueOneTimeToken::Issued)
}

/// `None`: there is no such identifier.
async fn binding<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewOneTimeToken,
    version: i64,
) -> Result<Option<Binding>, StoreError> {
    let Usage::Verification(contact) = new.usage else {
        let user_version = Some(version);
        return Ok(Some(Binding { user_version, kind: "", canonical: String::new() }));
    };
    let kind = contact.kind();
    let row = unit.query(sql::SELECT_IDENTIFIER).bind(new.user_id).bind(kind).optional().await?;
    let Some(row) = row else { return Ok(None) };
    let canonical = Fields::<DB>::new(&row, "user_identifiers", "canonical").text("canonical")?;
    Ok(Some(Binding { user_version: None, kind, canonical }))
}

/// False: the older one is too young.
async fn insert<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewOneTimeToken,
    binding: &Binding,
) -> Result<bool, StoreError> {
    let now = new.context.now;
    let issue = unit
        .query(sql::ISSUE_ONE_TIME_TOKEN)
        .bind(new.digest.to_string())
        .bind(new.usage.purpose().as_str())
        .bind(new.user_id)
        .bind(binding.user_version)
        .bind(binding.kind)
        .bind(binding.canonical.as_str())
        .bind(now)
        .bind(new.expires_at)
        .bind(now.minus(new.interval))
        .bind(now.plus(new.interval));
    Ok(issue.optional().await?.is_some())
}

async fn too_soon<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    new: &NewOneTimeToken,
    binding: &Binding,
) -> Result<IssueOneTimeToken, StoreError> {
    let older = unit.query(sql::SELECT_ONE_TIME_ISSUE).bind(new.user_id);
    let older = older.bind(new.usage.purpose().as_str()).bind(binding.kind).one().await?;
    let fields = Fields::<DB>::new(&older, "one_time_tokens", "created_at");
    let again = fields.time("created_at")?.plus(new.interval);
    Ok(IssueOneTimeToken::TooSoon(again.since(new.context.now)))
}

pub(super) async fn live<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    token: &PresentedToken,
) -> Result<Option<LiveToken>, StoreError> {
    let select = unit.query(sql::SELECT_ONE_TIME_TOKEN).bind(token.digest.to_string());
    let row = select.bind(token.purpose.as_str()).bind(token.now).optional().await?;
    let Some(row) = row else { return Ok(None) };
    let user_version = Fields::<DB>::new(&row, "users", "account_id").int("user_version")?;
    Ok(Some(LiveToken { account: account::<DB>(&row)?, user_version }))
}

pub(super) async fn verify<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    request: &VerifyIdentifier,
) -> Result<bool, StoreError> {
    let user_id = request.user_id;
    let Some(row) = unit.query(sql::LOCK_USER_FOR_TOKEN).bind(user_id).optional().await? else {
        return Ok(false);
    };
    let user = Fields::<DB>::new(&row, "users", "version");
    if user.optional_int("disabled_at")?.is_some() {
        return Ok(false);
    }
    let (purpose, user_version) = (Purpose::Verification, user.int("version")?);
    let token = Used { digest: &request.digest, purpose, user_id, user_version, now: request.now };
    let Some((kind, canonical)) = use_up(unit, token).await? else { return Ok(false) };
    let verify = unit.query(sql::VERIFY_IDENTIFIER).bind(user_id).bind(kind.as_str());
    if verify.bind(canonical).bind(request.now).optional().await?.is_none() {
        // The user has another one by now. The token is worth nothing, and goes.
        return Ok(false);
    }
    audit::record(unit, request.event(&kind)).await?;
    Ok(true)
}

/// A token that is used.
pub(super) struct Used<'a> {
    pub(super) digest: &'a Fingerprint,
    pub(super) purpose: Purpose,
    pub(super) user_id: UserId,
    /// The version that the user was locked at.
    pub(super) user_version: i64,
    pub(super) now: Timestamp,
}

/// Deletes the token and gives kind and text of the identifier that it is
/// about. `None`: it is not there any more, or not good any more.
pub(super) async fn use_up<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    Used { digest, purpose, user_id, user_version, now }: Used<'_>,
) -> Result<Option<(String, String)>, StoreError> {
    let delete = unit.query(sql::USE_ONE_TIME_TOKEN).bind(digest.to_string());
    let delete = delete.bind(purpose.as_str()).bind(user_id).bind(user_version).bind(now);
    let Some(row) = delete.optional().await? else { return Ok(None) };
    let fields = Fields::<DB>::new(&row, "one_time_tokens", "kind");
    Ok(Some((fields.text("kind")?, fields.text("canonical")?)))
}

/// Deletes the user's token for a purpose, if there is one.
pub(super) async fn forget<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    user: UserId,
    purpose: Purpose,
) -> Result<(), StoreError> {
    unit.query(sql::DELETE_ONE_TIME_TOKEN).bind(user).bind(purpose.as_str()).run().await
}
