//! Introspection (RFC 7662): what a token says, for clients that it is meant for.

use crate::domain::{audit::Action, claims::AccessClaims, error::AuthError};

use super::{
    Auth, Caller,
    client_auth::{AuthenticatedClient, ClientCredentials},
    verify::{Question, TokenClaims},
};

impl Auth {
    /// What an active access token says. `None` for every other token, and for
    /// one that is none of the client's business: whoever holds tokens of
    /// others must not find out which of them are good (section 4).
    pub async fn introspect(
        &self,
        credentials: &ClientCredentials,
        token: String,
        caller: &Caller,
    ) -> Result<Option<TokenClaims>, AuthError> {
        let (now, action) = (self.now(), Action::Introspect);
        let client = self.authenticate_client(credentials, action, caller, now).await?;
        let verdict = self.verify(&Question { token, ..Question::default() }).await?;
        let active = verdict.claims.filter(|_| verdict.reason.is_none());
        Ok(active.filter(|active| is_meant_for(&client, &active.claims)))
    }
}

/// Is the token for the client itself, or for something that it may ask tokens
/// for?
fn is_meant_for(client: &AuthenticatedClient, claims: &AccessClaims) -> bool {
    let own = &client.standing().client.profile.policy.audiences;
    let mut audience = claims.audience.iter();
    audience.any(|name| name.as_str() == client.id().as_str() || own.contains(name))
}
