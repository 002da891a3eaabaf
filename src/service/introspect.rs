//! Introspection (RFC 7662): what a token says, for clients that it is meant for.

use crate::domain::{audit::Action, claims::AccessClaims, error::AuthError};

use super::{
    Auth, Caller,
    client_auth::{AuthenticatedClient, ClientCredentials},
    verify::{Question, TokenClaims, Verdict},
};

/// An active token that the client may know of.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    /// What it says.
    pub claims: TokenClaims,
    /// The newest revocation that was taken into account.
    pub revocation_seq: i64,
}

impl Auth {
    /// The access token that is asked about, if it is active. `None` for every other token, and for
    /// one that is none of the client's business: whoever holds tokens of
    /// others must not find out which of them are good (section 4).
    pub async fn introspect(
        &self,
        credentials: &ClientCredentials,
        question: &Question,
        caller: &Caller,
    ) -> Result<Option<ActiveToken>, AuthError> {
        let (now, action) = (self.now(), Action::Introspect);
        let client = self.authenticate_client(credentials, action, caller, now).await?;
        let Verdict { reason, claims, revocation_seq, .. } = self.verify(question).await?;
        let active = claims.filter(|_| reason.is_none());
        let told = active.filter(|active| is_meant_for(&client, &active.claims));
        Ok(told.map(|claims| ActiveToken { claims, revocation_seq }))
    }
}

/// Is the token for the client itself, or for something that it may ask tokens
/// for?
fn is_meant_for(client: &AuthenticatedClient, claims: &AccessClaims) -> bool {
    let own = &client.standing().client.profile.policy.audiences;
    let mut audience = claims.audience.iter();
    audience.any(|name| name.as_str() == client.id().as_str() || own.contains(name))
}
