//! What the tokens of sessions and of clients say. Every claim of a rotating
//! session is derived from what is stored, so that any replica mints the
//! identical token again.

use std::time::Duration;

use serde_json::Map;
use uuid::Uuid;

use super::{
    account::Account,
    claims::{AccessClaims, RefreshClaims, Subject, UserClaims},
    clock::Timestamp,
    custom_claims::{self, InvalidClaims},
    id::{SessionId, TokenId},
    policy::{Grant, Lifetimes, Policy},
    session::Session,
};

/// Expiries are brought forward by up to one part in this many, so that
/// clients that logged in together do not refresh together.
const JITTER_PARTS: u64 = 20;

/// The `jti` of the access token of one generation.
pub fn access_token_id(session: SessionId, generation: i64) -> TokenId {
    derived_id(session, "access", generation)
}

/// The `jti` of the refresh token of one generation.
pub fn refresh_token_id(session: SessionId, generation: i64) -> TokenId {
    derived_id(session, "refresh", generation)
}

/// A version 5 UUID in the session's namespace (RFC 9562 section 5.5).
fn derived_id(session: SessionId, kind: &str, generation: i64) -> TokenId {
    TokenId::new(Uuid::new_v5(&session.uuid(), format!("{kind}.{generation}").as_bytes()))
}

/// The claims of an access token of `session`, issued at `at` under the name
/// `token_id`. Fails when its audiences' custom claims contradict each other:
/// the session was opened under another configuration.
pub fn access_claims(
    policy: &Policy,
    lifetimes: &Lifetimes,
    session: &Session,
    account: &Account,
    at: Timestamp,
    token_id: TokenId,
) -> Result<AccessClaims, InvalidClaims> {
    let claims = session_claims(policy, lifetimes, session, account, at, token_id);
    with_custom_claims(policy, Some(account), claims)
}

/// What any token of `session` says that is judged from memory: an access token
/// without custom claims, or a cookie, in which nobody would read them.
pub fn session_claims(
    policy: &Policy,
    lifetimes: &Lifetimes,
    session: &Session,
    account: &Account,
    at: Timestamp,
    token_id: TokenId,
) -> AccessClaims {
    AccessClaims {
        issuer: policy.issuer.clone(),
        audience: session.audience.clone(),
        subject: Subject::User(UserClaims {
            id: session.user_id,
            session_id: session.id,
            // Never later than `iat`, which is set back by as much.
            auth_time: issued_at(policy, session.auth_time),
            amr: session.amr.clone(),
            roles: account.roles.clone(),
            name: account.display_name.clone(),
            email: account.email.clone(),
        }),
        client_id: session.client_id.clone(),
        issued_at: issued_at(policy, at),
        expires_at: access_token_end(policy, lifetimes, session, at, token_id),
        token_id,
        scopes: policy.scopes_for(&session.scopes, &account.roles),
        user_version: session.user_version,
        client_version: session.client_version,
        custom: Map::new(),
    }
}

/// The versions that the token of a client is issued at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientVersions {
    /// The client's own.
    pub client: i64,
    /// The version floor: so a revocation of everything kills the token too.
    pub floor: i64,
}

/// The claims of an access token of a client itself, without any user. Its
/// scopes are those that the client was granted: what is for some roles only
/// is among them because its own settings name it.
pub fn client_claims(
    policy: &Policy,
    lifetimes: &Lifetimes,
    grant: Grant,
    versions: ClientVersions,
    at: Timestamp,
    token_id: TokenId,
) -> Result<AccessClaims, InvalidClaims> {
    let claims = AccessClaims {
        issuer: policy.issuer.clone(),
        audience: grant.audience,
        subject: Subject::Client,
        client_id: grant.client_id,
        issued_at: issued_at(policy, at),
        expires_at: life_end(policy, lifetimes, at, token_id),
        token_id,
        scopes: grant.scopes,
        user_version: versions.floor,
        client_version: versions.client,
        custom: Map::new(),
    };
    with_custom_claims(policy, None, claims)
}

fn with_custom_claims(
    policy: &Policy,
    account: Option<&Account>,
    claims: AccessClaims,
) -> Result<AccessClaims, InvalidClaims> {
    let custom = custom_claims::render(&policy.custom_claims(&claims.audience), account, &claims)?;
    Ok(AccessClaims { custom, ..claims })
}

/// The `exp` of such a token. It outlives neither its session, nor the time in
/// which the session must be refreshed.
pub fn access_token_end(
    policy: &Policy,
    lifetimes: &Lifetimes,
    session: &Session,
    at: Timestamp,
    token_id: TokenId,
) -> Timestamp {
    let idle_end = session.idle_expires_at.map_or(session.expires_at, Timestamp::floor_to_second);
    life_end(policy, lifetimes, at, token_id).min(session.expires_at).min(idle_end)
}

/// Where nothing ends it sooner.
fn life_end(policy: &Policy, lifetimes: &Lifetimes, at: Timestamp, token_id: TokenId) -> Timestamp {
    let life = lifetimes.access.saturating_sub(jitter(token_id, lifetimes.access));
    issued_at(policy, at).plus(life).floor_to_second()
}

/// The claims of the newest refresh token of `session`.
pub fn refresh_claims(policy: &Policy, session: &Session) -> RefreshClaims {
    RefreshClaims {
        issuer: policy.issuer.clone(),
        subject: session.user_id,
        client_id: session.client_id.clone(),
        issued_at: issued_at(policy, session.rotated_at),
        expires_at: session.expires_at,
        token_id: refresh_token_id(session.id, session.generation),
        session_id: session.id,
        generation: session.generation,
        user_version: session.user_version,
    }
}

/// When a client does best to refresh: after four fifths of the life that
/// the access token has left at `at`.
pub fn refresh_after(at: Timestamp, expires_at: Timestamp) -> Timestamp {
    at.plus(expires_at.since(at) / 5 * 4)
}

/// The claim for a moment: set back, in whole seconds.
fn issued_at(policy: &Policy, at: Timestamp) -> Timestamp {
    at.minus(policy.issued_at_backdate).floor_to_second()
}

/// Up to 1/20 of `life`, fixed by the token's id.
fn jitter(token_id: TokenId, life: Duration) -> Duration {
    let [high, low, ..] = *token_id.uuid().as_bytes();
    let share = u64::from(u16::from_be_bytes([high, low]));
    let most = life.as_secs() / JITTER_PARTS;
    Duration::from_secs(most.saturating_mul(share) / u64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_ids_differ_by_kind_session_and_generation() {
        let one = SessionId::new(Uuid::from_u128(1));
        let two = SessionId::new(Uuid::from_u128(2));
        let ids = [
            access_token_id(one, 1),
            access_token_id(one, 2),
            refresh_token_id(one, 1),
            access_token_id(two, 1),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids.iter().skip(index + 1).any(|other| other == id));
        }
        assert_eq!(access_token_id(one, 1), access_token_id(one, 1));
    }

    #[test]
    fn jitter_stays_within_a_twentieth() {
        let life = Duration::from_mins(15);
        for n in 0..1000 {
            let id = access_token_id(SessionId::new(Uuid::from_u128(n)), 1);
            assert!(jitter(id, life) <= Duration::from_secs(45));
        }
        let most = TokenId::new(Uuid::from_u128(u128::MAX));
        assert_eq!(jitter(most, life), Duration::from_secs(45));
        assert_eq!(jitter(TokenId::new(Uuid::nil()), life), Duration::ZERO);
    }

    #[test]
    fn refresh_comes_before_expiry() {
        let now = Timestamp::from_seconds(1_000);
        assert_eq!(
            refresh_after(now, Timestamp::from_seconds(1_100)),
            Timestamp::from_seconds(1_080)
        );
        assert_eq!(refresh_after(now, Timestamp::from_seconds(900)), now);
    }
}
