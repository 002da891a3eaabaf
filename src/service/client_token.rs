//! `IssueClientToken`: a client's own access token (RFC 6749 section 4.4).
//!
//! 1. Check the form.
//! 2. Read the client, and check its secret, or its assertion (RFC 7523
//!    section 3). Who or what was wrong is told to the operator only.
//! 3. An assertion that was good is used up, once and for all replicas.
//! 4. Check what is asked for against what the client may have. Sign, answer.
//!
//! There is no session and no refresh token: whoever can prove who it is needs
//! none. Nothing slows guesses down, since nobody guesses 256 bits; and what is
//! tried goes into log lines and not into the audit table, which must not grow
//! with traffic.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    audit_lines,
    domain::{
        assertion::Assertion,
        audit::{Action, Actor, Event},
        client::{Client, SECRET_MAX_LEN},
        clock::Timestamp,
        error::{AuthError, Refusal},
        id::{ClientId, TokenId},
        issuance::{self, ClientVersions},
        token::TOKEN_MAX_LEN,
    },
    store::port::{ClientStanding, UseAssertion},
};

use super::{Auth, Caller, tokens::TokenPair};

/// What a client asks for; nothing of it is checked yet.
#[derive(Debug)]
pub struct ClientTokenRequest {
    /// The client.
    pub client_id: String,
    /// Its proof; `None` if there is none.
    pub proof: Option<ClientProof>,
    /// Audiences; empty for the client's default.
    pub audience: Vec<String>,
    /// Scopes, space separated; empty for the client's default.
    pub scope: String,
}

/// What a client proves who it is with.
#[derive(Debug)]
pub enum ClientProof {
    /// Its secret.
    Secret(SecretString),
    /// A JWT that it has signed.
    Assertion(SecretString),
}

/// Why a client was refused, for operators.
type Refused = &'static str;

impl Auth {
    /// Issues an access token to a client in its own name.
    pub async fn issue_client_token(
        &self,
        request: ClientTokenRequest,
        caller: &Caller,
    ) -> Result<TokenPair, AuthError> {
        let now = self.now();
        let proof = check_form(&request)?;
        let found = self.stored_client(&request.client_id).await?;
        let event = |actor| Event::new(Action::IssueClientToken, &caller.acting_as(actor), now);
        let (standing, how) = match self.prove(found.as_ref(), proof, now).await? {
            Ok(proved) => proved,
            Err(refused) => {
                let event = event(Actor::Anonymous).refused(refused);
                // What was typed as the id of no client is not told.
                let client = found.map(|standing| standing.client.id);
                let event = Event { client, ..event };
                audit_lines::event(&event);
                return Err(AuthError::Unauthenticated(Refusal::InvalidClient));
            }
        };
        let tokens = self.mint_for(standing, &request, now).await?;
        let id = standing.client.id.clone();
        audit_lines::event(&event(Actor::Client(id.clone())).client(id).detail(how));
        Ok(tokens)
    }

    /// The client of that name that is in the store. Those of the
    /// configuration have nothing to prove who they are with.
    async fn stored_client(&self, name: &str) -> Result<Option<ClientStanding>, AuthError> {
        match ClientId::parse(name) {
            Ok(id) if !self.policy.clients.contains_key(&id) => Ok(self.store.client(id).await?),
            _ => Ok(None),
        }
    }

    /// The client, if it has proved that it is the one, and how.
    async fn prove<'a>(
        &self,
        found: Option<&'a ClientStanding>,
        proof: &ClientProof,
        now: Timestamp,
    ) -> Result<Result<(&'a ClientStanding, String), Refused>, AuthError> {
        let Some(standing) = found else { return Ok(Err("UNKNOWN_CLIENT")) };
        let client = &standing.client;
        let proved = match proof {
            ClientProof::Secret(secret) => self.check_secret(client, secret, now),
            ClientProof::Assertion(text) => self.check_assertion(client, text, now).await?,
        };
        // Asked for last: who has nothing to prove it with does not make
        // themselves a name in the log as a disabled client.
        let enabled = |how| if client.disabled_at.is_none() { Ok(how) } else { Err("DISABLED") };
        Ok(proved.and_then(enabled).map(|how| (standing, how)))
    }

    fn check_secret(
        &self,
        client: &Client,
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let digest = self.proofs.digest(secret.expose_secret());
        let mut live = client.secrets.iter().filter(|stored| stored.lives(now));
        let same = live.find(|stored| self.proofs.is_same(&stored.digest, &digest));
        same.map(|stored| format!("secret={}", stored.id)).ok_or("WRONG_SECRET")
    }

    async fn check_assertion(
        &self,
        client: &Client,
        text: &SecretString,
        now: Timestamp,
    ) -> Result<Result<String, Refused>, AuthError> {
        let parsed = Assertion::parse(text.expose_secret(), &client.id, &self.policy.issuer, now);
        let Ok(assertion) = parsed else { return Ok(Err("BAD_ASSERTION")) };
        let signed = client.profile.keys.iter().any(|key| {
            let (message, signature) = (assertion.signing_input, &assertion.signature);
            assertion.may_be_by(key) && self.proofs.is_signature(key, message, signature)
        });
        if !signed {
            return Ok(Err("WRONG_SIGNATURE"));
        }
        let used = UseAssertion {
            client_id: client.id.clone(),
            digest: self.proofs.digest(&assertion.id),
            expires_at: assertion.expires_at,
        };
        let first = self.store.use_assertion(used).await?;
        Ok(if first { Ok("assertion".to_owned()) } else { Err("ASSERTION_REPLAYED") })
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

fn check_form(request: &ClientTokenRequest) -> Result<&ClientProof, AuthError> {
    if request.client_id.is_empty() {
        return Err(AuthError::invalid("client_id", "must not be empty"));
    }
    let proof = request.proof.as_ref();
    let proof = proof.ok_or_else(|| AuthError::invalid("credentials", "must be given"))?;
    let (field, text, most) = match proof {
        ClientProof::Secret(secret) => ("client_secret", secret, SECRET_MAX_LEN),
        ClientProof::Assertion(text) => ("client_assertion", text, TOKEN_MAX_LEN),
    };
    if (1..=most).contains(&text.expose_secret().len()) {
        Ok(proof)
    } else {
        Err(AuthError::invalid(field, format!("must be 1 to {most} bytes")))
    }
}
