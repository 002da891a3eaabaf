//! `Refresh`: the next tokens of a session, safe to repeat.
//!
//! 1. Check the token: form, key, signature, time. Only a token that is
//!    truly ours goes further, so garbage can end nobody's session.
//! 2. One guarded step in the store decides (see [`crate::domain::session`]).
//! 3. Sign what the store says, and answer. A process that dies between 2
//!    and 3 loses nothing: the client presents its token again, and the
//!    replay rule gives it the same successor.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    crypto::port::KeyPurpose,
    domain::{
        audit::{Action, Actor},
        claims::RefreshClaims,
        clock::Timestamp,
        error::{AuthError, Fault, Refusal},
        id::{SessionId, UserId},
        policy::Rotation,
        session::Presented,
        token::{CompactToken, TokenType},
    },
    store::port::{Rotate, Rotated},
};

use super::{Auth, Caller, client_auth::ClientCredentials, tokens::TokenPair};

/// What a refresh gave.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The tokens.
    pub tokens: TokenPair,
    /// The session.
    pub session_id: SessionId,
    /// True when this is what an earlier call got already.
    pub replayed: bool,
}

impl Auth {
    /// Exchanges a refresh token for a client that has to prove who it is,
    /// unless it is a public one.
    pub async fn refresh_for(
        &self,
        credentials: &ClientCredentials,
        token: SecretString,
        caller: &Caller,
    ) -> Result<Refreshed, AuthError> {
        let client = self.identify_client(credentials, Action::Refresh, caller, self.now()).await?;
        self.refresh(token, client.id().as_str(), caller).await
    }

    /// Exchanges a refresh token, presented by the client of that name
    /// (empty: the default client).
    pub async fn refresh(
        &self,
        token: SecretString,
        client_id: &str,
        caller: &Caller,
    ) -> Result<Refreshed, AuthError> {
        let now = self.now();
        let (client_id, client) = self.login_client(client_id).await?;
        let claims = self.check_refresh_token(token.expose_secret(), now)?;
        let request = Rotate {
            session_id: claims.session_id,
            presented: Presented {
                generation: claims.generation,
                user_version: claims.user_version,
                client_id,
                now,
                replay_window: self.policy.replay_window,
            },
            rotation: client.rotation,
            idle: client.lifetimes.idle,
            entry_id: self.random_uuid()?,
            origin: caller.acting_as(Actor::User(claims.subject)),
        };
        let (session, account, replayed) = match self.rotate(request, claims.subject).await? {
            Rotated::Advanced { session, account } => (session, account, false),
            Rotated::Replayed { session, account } => (session, account, true),
            Rotated::Refused(refusal) | Rotated::Ended { refusal, .. } => {
                return Err(AuthError::Unauthenticated(refusal));
            }
        };
        // The session is what we signed for. A token that says otherwise is a
        // forgery with our own key: nothing is minted for it.
        if (session.user_id, &session.client_id) != (claims.subject, &claims.client_id) {
            return Err(AuthError::Unauthenticated(Refusal::InvalidToken));
        }
        let tokens = match client.rotation {
            // A replay is answered with the successor, even if rotation was
            // switched off since.
            Rotation::Off if !replayed => {
                self.mint_beside(&client.lifetimes, &session, &account, token, now).await?
            }
            _ => self.mint_generation(&client.lifetimes, &session, &account, true).await?,
        };
        Ok(Refreshed { tokens, session_id: session.id, replayed })
    }

    /// The step in the store, and the alarm if it found misuse: both in a task
    /// of their own, since a thief that hangs up must not silence the alarm.
    pub(super) async fn rotate(&self, request: Rotate, user: UserId) -> Result<Rotated, AuthError> {
        let (store, index) = (Arc::clone(&self.store), Arc::clone(&self.index));
        let session = request.session_id;
        let step = tokio::spawn(async move {
            let outcome = store.rotate(request).await?;
            if let Rotated::Ended { refusal, revocation } = &outcome {
                index.apply([revocation]);
                tracing::warn!(%session, %user, %refusal, "refresh token misused; session revoked");
            }
            Ok(outcome)
        });
        let ended =
            |error| AuthError::internal(Fault::caused_by("the rotation ended early", error));
        step.await.map_err(ended)?
    }

    /// Checks all that can be checked without the store.
    pub(super) fn check_refresh_token(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<RefreshClaims, AuthError> {
        let refused = AuthError::Unauthenticated;
        if text.is_empty() {
            return Err(AuthError::invalid("refresh_token", "must not be empty"));
        }
        let token = CompactToken::parse(text).map_err(|_| refused(Refusal::InvalidToken))?;
        match (self.keys.check(&token, now), token.token_type) {
            (Some(KeyPurpose::Refresh), TokenType::Refresh) => {}
            (Some(KeyPurpose::Access), TokenType::Access(_))
            | (Some(KeyPurpose::Refresh), TokenType::Cookie) => {
                return Err(refused(Refusal::WrongType));
            }
            _ => return Err(refused(Refusal::InvalidToken)),
        }
        let claims = RefreshClaims::parse(token.payload())
            .ok()
            .filter(|claims| claims.issuer == self.policy.issuer)
            .ok_or(refused(Refusal::InvalidToken))?;
        if self.index.kills_key(&token.kid)? {
            return Err(refused(Refusal::KeyRevoked));
        }
        if now >= claims.expires_at.plus(self.policy.leeway) {
            return Err(refused(Refusal::Expired));
        }
        Ok(claims)
    }
}
