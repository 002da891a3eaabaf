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

use crate::{
    crypto::port::KeyPurpose,
    domain::{
        audit::{Actor, Origin},
        claims::{AccessClaims, RefreshClaims, Subject},
        clock::Timestamp,
        error::{AuthError, Denial, Refusal},
        id::{SessionId, UserId},
        json::InvalidJson,
        revocation::Reason,
        token::{CompactToken, TokenType},
    },
    store::port::Revoke,
};

pub use crate::store::port::RevokeTarget;

use super::{Administrator, Auth, Caller, index::Knowledge, verify::acting_user};

impl Auth {
    /// Ends the session of a token, whatever the token's kind or age, as
    /// long as its signature is ours. Gives the sequence number from which
    /// on any replica knows.
    pub async fn revoke_token(&self, token: &str, caller: &Caller) -> Result<i64, AuthError> {
        if token.is_empty() {
            return Err(AuthError::invalid("token", "must not be empty"));
        }
        let now = self.now();
        let Some(session) = self.session_of(token, now)? else {
            return self.index.read(Knowledge::seq);
        };
        let (target, origin) = (RevokeTarget::Session(session), caller.acting_as(Actor::Bearer));
        let seq = self.revoke_for(target, Reason::Logout, origin).await?;
        // What was revoked long ago is answered with the newest number, as what
        // was never ours is.
        Ok(self.index.read(Knowledge::seq)?.max(seq.unwrap_or_default()))
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
        let seq = self.revoke_for(target, Reason::Logout, origin).await?;
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
        let seq = self.revoke_for(target, Reason::Logout, origin).await?;
        seq.ok_or(AuthError::Unauthenticated(Refusal::Revoked))
    }

    /// Revokes by id. `None`: there is no such thing.
    pub async fn revoke(
        &self,
        target: RevokeTarget,
        admin: &Administrator,
    ) -> Result<Option<i64>, AuthError> {
        self.revoke_for(target, Reason::Operator, admin.origin()).await
    }

    pub(super) async fn revoke_for(
        &self,
        target: RevokeTarget,
        reason: Reason,
        origin: Origin,
    ) -> Result<Option<i64>, AuthError> {
        let (entry_id, now) = (self.random_uuid()?, self.now());
        let request = Revoke { target, reason, origin, entry_id, now };
        let Some(entry) = self.store.revoke(request).await? else {
            return Ok(None);
        };
        self.index.apply([&entry]);
        Ok(Some(entry.seq))
    }

    /// The session that a token of ours names. That of a client names none: it
    /// dies by its time, or when an administrator says so.
    fn session_of(&self, text: &str, now: Timestamp) -> Result<Option<SessionId>, AuthError> {
        let Ok(token) = CompactToken::parse(text) else {
            return Ok(None);
        };
        // Whoever stole a key must not end sessions with it.
        if self.index.kills_key(&token.kid)? {
            return Ok(None);
        }
        let claims = match (self.keys.check(&token, now), token.token_type) {
            (Some(KeyPurpose::Access), TokenType::Access(_)) => {
                of_user(AccessClaims::parse(token.payload()))
            }
            (Some(KeyPurpose::Refresh), TokenType::Cookie) => {
                of_user(AccessClaims::parse_cookie(token.payload()))
            }
            (Some(KeyPurpose::Refresh), TokenType::Refresh) => {
                let claims = RefreshClaims::parse(token.payload()).ok();
                claims.map(|claims| (claims.issuer, claims.session_id))
            }
            _ => None,
        };
        let ours = claims.filter(|(issuer, _)| *issuer == self.policy.issuer);
        Ok(ours.map(|(_, session)| session))
    }
}

/// Issuer and session, if there is a session.
fn of_user(claims: Result<AccessClaims, InvalidJson>) -> Option<(String, SessionId)> {
    match claims {
        Ok(AccessClaims { issuer, subject: Subject::User(user), .. }) => {
            Some((issuer, user.session_id))
        }
        _ => None,
    }
}
