//! Minting: from a stored session, or a client, to signed tokens.

use secrecy::SecretString;

use crate::domain::{
    account::Account,
    claims::AccessClaims,
    clock::Timestamp,
    error::AuthError,
    id::TokenId,
    issuance,
    policy::{Lifetimes, Scopes},
    session::Session,
    token::TokenType,
};

use super::Auth;

/// Tokens on their way to the client.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// The access token.
    pub access_token: SecretString,
    /// Its `exp`.
    pub expires_at: Timestamp,
    /// The refresh token, unless none was wanted.
    pub refresh_token: Option<SecretString>,
    /// The end of the session; `None` without one.
    pub session_expires_at: Option<Timestamp>,
    /// When a client does best to refresh.
    pub refresh_after: Timestamp,
    /// Those of the access token.
    pub scopes: Scopes,
}

impl Auth {
    /// The tokens of a session's newest generation: the same session gives
    /// the same tokens, on any replica, as long as the account is the same.
    pub(super) async fn mint_generation(
        &self,
        lifetimes: &Lifetimes,
        session: &Session,
        account: &Account,
        with_refresh_token: bool,
    ) -> Result<TokenPair, AuthError> {
        let at = session.rotated_at;
        let token_id = issuance::access_token_id(session.id, session.generation);
        let claims = self.access_claims(lifetimes, session, account, at, token_id)?;
        if !with_refresh_token {
            return self.pair(session, &claims, None, at).await;
        }
        let refresh_claims = issuance::refresh_claims(&self.policy, session).to_json();
        let refresh_token = self.keys.sign(TokenType::Refresh, refresh_claims, at);
        let (refresh_token, pair) = tokio::try_join!(
            async { Ok(refresh_token.await?) },
            self.pair(session, &claims, None, at)
        )?;
        Ok(TokenPair { refresh_token: Some(SecretString::from(refresh_token)), ..pair })
    }

    /// A further access token beside a refresh token that stays what it is.
    pub(super) async fn mint_beside(
        &self,
        lifetimes: &Lifetimes,
        session: &Session,
        account: &Account,
        refresh_token: SecretString,
        now: Timestamp,
    ) -> Result<TokenPair, AuthError> {
        let token_id = TokenId::new(self.random_uuid()?);
        let claims = self.access_claims(lifetimes, session, account, now, token_id)?;
        self.pair(session, &claims, Some(refresh_token), now).await
    }

    fn access_claims(
        &self,
        lifetimes: &Lifetimes,
        session: &Session,
        account: &Account,
        at: Timestamp,
        token_id: TokenId,
    ) -> Result<AccessClaims, AuthError> {
        issuance::access_claims(&self.policy, lifetimes, session, account, at, token_id)
            .map_err(|error| AuthError::internal(error.to_string()))
    }

    async fn pair(
        &self,
        session: &Session,
        claims: &AccessClaims,
        refresh_token: Option<SecretString>,
        at: Timestamp,
    ) -> Result<TokenPair, AuthError> {
        let session_expires_at = Some(session.expires_at);
        Ok(TokenPair { refresh_token, session_expires_at, ..self.access_only(claims, at).await? })
    }

    /// An access token, and nothing beside it.
    pub(super) async fn access_only(
        &self,
        claims: &AccessClaims,
        at: Timestamp,
    ) -> Result<TokenPair, AuthError> {
        let token_type = TokenType::Access(self.policy.access_token_type);
        let access_token = self.keys.sign(token_type, claims.to_json(), at).await?;
        Ok(TokenPair {
            access_token: SecretString::from(access_token),
            expires_at: claims.expires_at,
            refresh_token: None,
            session_expires_at: None,
            refresh_after: issuance::refresh_after(at, claims.expires_at),
            scopes: claims.scopes.clone(),
        })
    }
}
