//! Which client makes a call, and what it proves that with.
//!
//! Clients of the configuration are public: their id is all that they have.
//! Those in the store prove who they are, by a secret or by an assertion (RFC
//! 7523 section 3). Who or what was wrong is told to the operator only.
//! Nothing slows guesses down, since nobody guesses 256 bits; and what is
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
        id::ClientId,
        token::TOKEN_MAX_LEN,
    },
    store::port::{ClientStanding, UseAssertion},
};

use super::{Auth, Caller};

/// What a client says that it is; nothing of it is checked yet.
#[derive(Debug)]
pub struct ClientCredentials {
    /// The client.
    pub client_id: String,
    /// Its proof; `None` if there is none.
    pub proof: Option<ClientProof>,
}

/// What a client proves who it is with.
#[derive(Debug)]
pub enum ClientProof {
    /// Its secret.
    Secret(SecretString),
    /// A JWT that it has signed.
    Assertion(SecretString),
}

/// A client that has proved who it is. Only this file makes one.
pub(super) struct AuthenticatedClient {
    standing: ClientStanding,
    proved_by: String,
}

impl AuthenticatedClient {
    /// What is known of it.
    pub(super) fn standing(&self) -> &ClientStanding {
        &self.standing
    }

    pub(super) fn id(&self) -> &ClientId {
        &self.standing.client.id
    }

    /// What it was, for the audit log.
    pub(super) fn proved_by(&self) -> &str {
        &self.proved_by
    }
}

/// A client that makes a call which public ones may make too.
pub(super) enum CallingClient {
    /// One of the configuration. Anybody may say that they are it.
    Public(ClientId),
    /// One of the store.
    Authenticated(Box<AuthenticatedClient>),
}

impl CallingClient {
    pub(super) fn id(&self) -> &ClientId {
        match self {
            Self::Public(id) => id,
            Self::Authenticated(client) => client.id(),
        }
    }

    /// In whose name it acts when it presents a token.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Public(_) => Actor::Bearer,
            Self::Authenticated(client) => Actor::Client(client.id().clone()),
        }
    }
}

/// Why a client was refused, for operators.
type Refused = &'static str;

impl Auth {
    /// The client of a call that public ones may make too. One that has
    /// something to prove who it is with has to do it (RFC 6749 section 6).
    pub(super) async fn identify_client(
        &self,
        credentials: &ClientCredentials,
        action: Action,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<CallingClient, AuthError> {
        if credentials.proof.is_none()
            && let Ok(id) = ClientId::parse(&credentials.client_id)
            && self.policy.clients.contains_key(&id)
        {
            return Ok(CallingClient::Public(id));
        }
        let client = self.authenticate_client(credentials, action, caller, now).await?;
        Ok(CallingClient::Authenticated(Box::new(client)))
    }

    /// The client of the store that these credentials prove, which wants to do
    /// `action`. An assertion that was good is used up, once and for all
    /// replicas.
    pub(super) async fn authenticate_client(
        &self,
        credentials: &ClientCredentials,
        action: Action,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, AuthError> {
        let proof = check_form(credentials)?;
        let found = self.stored_client(&credentials.client_id).await?;
        // What was typed as the id of no client is not told.
        let client = found.as_ref().map(|standing| standing.client.id.clone());
        match self.prove(found, proof, now).await? {
            Ok(proved) => Ok(proved),
            Err(refused) => {
                let origin = caller.acting_as(Actor::Anonymous);
                let event = Event::new(action, &origin, now).refused(refused);
                audit_lines::event(&Event { client, ..event });
                Err(AuthError::Unauthenticated(Refusal::InvalidClient))
            }
        }
    }

    /// The client of that name that is in the store. Those of the
    /// configuration have nothing to prove who they are with.
    async fn stored_client(&self, name: &str) -> Result<Option<ClientStanding>, AuthError> {
        match ClientId::parse(name) {
            Ok(id) if !self.policy.clients.contains_key(&id) => Ok(self.store.client(id).await?),
            _ => Ok(None),
        }
    }

    /// The client, if it has proved that it is the one.
    async fn prove(
        &self,
        found: Option<ClientStanding>,
        proof: &ClientProof,
        now: Timestamp,
    ) -> Result<Result<AuthenticatedClient, Refused>, AuthError> {
        let Some(standing) = found else { return Ok(Err("UNKNOWN_CLIENT")) };
        let client = &standing.client;
        let proved = match proof {
            ClientProof::Secret(secret) => self.check_secret(client, secret, now),
            ClientProof::Assertion(text) => self.check_assertion(client, text, now).await?,
        };
        // Asked for last: who has nothing to prove it with does not make
        // themselves a name in the log as a disabled client.
        let enabled = client.disabled_at.is_none();
        let proved = proved.and_then(|by| if enabled { Ok(by) } else { Err("DISABLED") });
        Ok(proved.map(|proved_by| AuthenticatedClient { standing, proved_by }))
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
}

fn check_form(credentials: &ClientCredentials) -> Result<&ClientProof, AuthError> {
    if credentials.client_id.is_empty() {
        return Err(AuthError::invalid("client_id", "must not be empty"));
    }
    let proof = credentials.proof.as_ref();
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
