//! `IssueClientToken`: a client's own access token (RFC 6749 section 4.4).
//!
//! 1. Check the form, and that the client is the one that it says it is
//!    ([`super::client_auth`]). A good assertion is used up.
//! 2. Check what is asked for against what the client may have. Sign, answer.
//!
//! There is no session and no refresh token: whoever can prove who it is needs
//! none.

use crate::{
    audit_lines,
    domain::{
        audit::{Action, Actor, Event},
        clock::Timestamp,
        error::AuthError,
        id::TokenId,
        issuance::{self, ClientVersions},
    },
    store::port::ClientStanding,
};

use super::{Auth, Caller, client_auth::ClientCredentials, tokens::TokenPair};

/// What a client asks for; nothing of it is checked yet.
#[derive(Debug)]
pub struct ClientTokenRequest {
    /// Who it is.
    pub credentials: ClientCredentials,
    /// Audiences; empty for the client's default.
    pub audience: Vec<String>,
    /// Scopes, space separated; empty for the client's default.
    pub scope: String,
}

impl Auth {
    /// Issues an access token to a client in its own name.
    pub async fn issue_client_token(
        &self,
        request: ClientTokenRequest,
        caller: &Caller,
    ) -> Result<TokenPair, AuthError> {
        let (now, action) = (self.now(), Action::IssueClientToken);
        let client = self.authenticate_client(&request.credentials, action, caller, now).await?;
        let tokens = self.mint_for(client.standing(), &request, now).await?;
        let origin = caller.acting_as(Actor::Client(client.id().clone()));
        let event = Event::new(action, &origin, now).client(client.id().clone());
        audit_lines::event(&event.detail(client.proved_by()));
        Ok(tokens)
    }

    async fn mint_for(
        &self,
        standing: &ClientStanding,
        request: &ClientTokenRequest,
        now: Timestamp,
    ) -> Result<TokenPair, AuthError> {
        let ClientStanding { client, version_floor } = standing;
        let policy = &client.profile.policy;
        let grant = policy.grant(client.id.clone(), &request.audience, &request.scope)?;
        let versions = ClientVersions { client: client.version, floor: *version_floor };
        let token_id = TokenId::new(self.random_uuid()?);
        let lifetimes = &policy.lifetimes;
        let claims =
            issuance::client_claims(&self.policy, lifetimes, grant, versions, now, token_id)
                .map_err(|error| AuthError::internal(error.to_string()))?;
        self.access_only(&claims, now).await
    }
}
