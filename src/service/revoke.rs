//! `Revoke`: durable first, then in force here, then answered.
//!
//! 1. Find out which session the token belongs to. A token that is not ours
//!    is answered like one that was revoked long ago: no oracle.
//! 2. The store writes the change and its log entry in one transaction.
//! 3. The entry is applied to this process's index; other replicas follow
//!    the log.
//!
//! A process that dies between 2 and 3 has not answered, and reads the entry
//! when it starts again.

use std::time::Duration;

use crate::{
    crypto::port::KeyPurpose,
    domain::{
        audit::{Action, Actor, Origin},
        claims::{AccessClaims, RefreshClaims},
        clock::Timestamp,
        error::{AuthError, Denial, Refusal},
        id::{ClientId, SessionId, UserId},
        revocation::{Reason, Revocation},
        token::{CompactToken, TokenType},
    },
    store::port::Revoke,
};

pub use crate::store::port::RevokeTarget;

use super::{
    Administrator, Auth, Caller,
    client_auth::ClientCredentials,
    index::{Knowledge, Needs},
    verify::acting_user,
};

/// How it ended that a client wanted a token to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedByClient {
    /// The token is worth nothing, now or since long ago.
    Dead,
    /// It is the client's own access token and lives on: it names no session
    /// that could end.
    NotRevocable,
}

/// What a token of ours says about whose it is.
struct Issued {
    issuer: String,
    client_id: ClientId,
    session: Option<SessionId>,
    expires_at: Timestamp,
}

impl Auth {
    /// Ends the session of a token, whatever the token's kind or age, as
    /// long as its signature is ours. Gives the sequence number from which
    /// on any replica knows.
    pub async fn revoke_token(&self, token: &str, caller: &Caller) -> Result<i64, AuthError> {
        if token.is_empty() {
            return Err(AuthError::invalid("token", "must not be empty"));
        }
        let now = self.now();
        let Some(session) = self.issued(token, now)?.and_then(|issued| issued.session) else {
            return self.index.read(Knowledge::seq);
        };
        let (target, origin) = (RevokeTarget::Session(session), caller.acting_as(Actor::Bearer));
        let seq = self.log_out(target, origin).await?;
        // What was revoked long ago is answered with the newest number, as what
        // was never ours is.
        Ok(self.index.read(Knowledge::seq)?.max(seq.unwrap_or_default()))
    }

    /// Ends the session of a token that was issued to the client which asks for
    /// it (RFC 7009). Whatever is no token of ours is as good as revoked.
    pub async fn revoke_for_client(
        &self,
        credentials: &ClientCredentials,
        token: &str,
        caller: &Caller,
    ) -> Result<RevokedByClient, AuthError> {
        let (now, action) = (self.now(), Action::RevokeSession);
        let client = self.identify_client(credentials, action, caller, now).await?;
        let Some(issued) = self.issued(token, now)? else { return Ok(RevokedByClient::Dead) };
        if issued.client_id != *client.id() {
            return Err(AuthError::Unauthenticated(Refusal::ClientMismatch));
        }
        if let Some(session) = issued.session {
            let (target, origin) =
                (RevokeTarget::Session(session), caller.acting_as(client.actor()));
            self.log_out(target, origin).await?;
        } else if now < issued.expires_at {
            return Ok(RevokedByClient::NotRevocable);
        }
        Ok(RevokedByClient::Dead)
    }

    /// Ends one session of the caller's user. What is somebody else's is
    /// answered as what is not there: with the newest number, and nothing
    /// happens.
    pub async fn revoke_own_session(
        &self,
        claims: &AccessClaims,
        id: &str,
        caller: &Caller,
    ) -> Result<i64, AuthError> {
        let user = acting_user(claims)?.id;
        let id = SessionId::parse(id)
            .map_err(|error| AuthError::invalid("session_id", error.to_string()))?;
        let target = RevokeTarget::OwnSession { id, owner: user };
        let origin = caller.acting_as(Actor::User(user));
        let seq = self.log_out(target, origin).await?;
        Ok(self.index.read(Knowledge::seq)?.max(seq.unwrap_or_default()))
    }

    /// Ends every session of the caller's user, who must be the one named.
    pub async fn revoke_own_sessions(
        &self,
        claims: &AccessClaims,
        user: &str,
        caller: &Caller,
    ) -> Result<i64, AuthError> {
        let own = acting_user(claims)?.id;
        let user = UserId::parse(user)
            .map_err(|error| AuthError::invalid("user_id", error.to_string()))?;
        if user != own {
            return Err(AuthError::PermissionDenied(Denial::NotOwnSessions));
        }
        let target = RevokeTarget::OwnSessions { user, version: claims.user_version };
        let origin = caller.acting_as(Actor::User(user));
        let entry = self.write_revocation(target, Reason::Logout, origin).await?;
        // The user's version has moved on, and sessions with it: what ended the
        // caller's token did not end them.
        let ended = entry.filter(|entry| {
            !matches!(entry.reason, Reason::PasswordChanged | Reason::RolesNarrowed)
        });
        ended.map(|entry| entry.seq).ok_or(AuthError::Unauthenticated(Refusal::Revoked))
    }

    /// Revokes by id. `None`: there is no such thing.
    pub async fn revoke(
        &self,
        target: RevokeTarget,
        admin: &Administrator,
    ) -> Result<Option<i64>, AuthError> {
        self.revoke_for(target, Reason::Operator, admin.origin()).await
    }

    /// Ends a session. One that is not there any more died with its user, maybe
    /// on another replica a moment ago: whoever is told that it is dead must not
    /// meet a replica that has not read so.
    async fn log_out(
        &self,
        target: RevokeTarget,
        origin: Origin,
    ) -> Result<Option<i64>, AuthError> {
        let seq = self.revoke_for(target, Reason::Logout, origin).await?;
        if seq.is_none() {
            let up_to_date = Needs { max_staleness: Some(Duration::ZERO), ..Needs::default() };
            self.index.ready_for(up_to_date).await?;
        }
        Ok(seq)
    }

    pub(super) async fn revoke_for(
        &self,
        target: RevokeTarget,
        reason: Reason,
        origin: Origin,
    ) -> Result<Option<i64>, AuthError> {
        let entry = self.write_revocation(target, reason, origin).await?;
        Ok(entry.map(|entry| entry.seq))
    }

    async fn write_revocation(
        &self,
        target: RevokeTarget,
        reason: Reason,
        origin: Origin,
    ) -> Result<Option<Revocation>, AuthError> {
        let (entry_id, now) = (self.random_uuid()?, self.now());
        let request = Revoke { target, reason, origin, entry_id, now };
        let entry = self.store.revoke(request).await?;
        self.index.apply(&entry);
        Ok(entry)
    }

    /// Whose a token of ours is, whatever its kind or age. That of a client
    /// names no session: it dies by its time, or when an administrator says so.
    fn issued(&self, text: &str, now: Timestamp) -> Result<Option<Issued>, AuthError> {
        let Ok(token) = CompactToken::parse(text) else {
            return Ok(None);
        };
        // Whoever stole a key must not end sessions with it.
        if self.index.kills_key(&token.kid)? {
            return Ok(None);
        }
        let issued = match (self.keys.check(&token, now), token.token_type) {
            (Some(KeyPurpose::Access), TokenType::Access(_)) => {
                AccessClaims::parse(token.payload()).map(Issued::from)
            }
            (Some(KeyPurpose::Refresh), TokenType::Cookie) => {
                AccessClaims::parse_cookie(token.payload()).map(Issued::from)
            }
            (Some(KeyPurpose::Refresh), TokenType::Refresh) => {
                RefreshClaims::parse(token.payload()).map(Issued::from)
            }
            _ => return Ok(None),
        };
        Ok(issued.ok().filter(|issued| issued.issuer == self.policy.issuer))
    }
}

impl From<AccessClaims> for Issued {
    fn from(claims: AccessClaims) -> Self {
        Self {
            session: claims.user().map(|user| user.session_id),
            issuer: claims.issuer,
            client_id: claims.client_id,
            expires_at: claims.expires_at,
        }
    }
}

impl From<RefreshClaims> for Issued {
    fn from(claims: RefreshClaims) -> Self {
        Self {
            session: Some(claims.session_id),
            issuer: claims.issuer,
            client_id: claims.client_id,
            expires_at: claims.expires_at,
        }
    }
}
