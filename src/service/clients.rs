//! Clients, as administrators manage them. Those of the configuration are
//! changed there and nowhere else.

use std::{borrow::Cow, time::Duration};

use crate::{
    domain::{
        client::{Client, ClientSecret, SECRET_GRACE_MAX},
        entropy::random_uuid,
        error::{AuthError, FieldViolation, Obstacle},
        id::ClientId,
        policy::ClientPolicy,
        revocation::Revocation,
    },
    store::port::{
        ChangeClient, ClientChange, ClientChanged, CreateClient, NewClient, NewSecret, RevokeTarget,
    },
};

use super::{
    Administrator, Auth,
    client_profile::{ClientField, ClientProfileRequest},
};

/// A client to make; nothing of it is checked yet.
#[derive(Clone, Debug)]
pub struct CreateClientRequest {
    /// Its id.
    pub id: String,
    /// What it is to be.
    pub profile: ClientProfileRequest,
    /// Is it to have a secret?
    pub with_secret: bool,
}

/// Other settings for a client; nothing of them is checked yet.
#[derive(Clone, Debug)]
pub struct UpdateClientRequest {
    /// The client.
    pub id: ClientId,
    /// What the named fields are to be.
    pub profile: ClientProfileRequest,
    /// The fields that change, by their names: at least one.
    pub fields: Vec<String>,
    /// The etag of what the caller has read; empty for whatever is there.
    pub etag: String,
}

/// A client, and a secret that nobody will see again.
#[derive(Clone, Debug)]
pub struct ClientWithSecret {
    /// The client.
    pub client: Client,
    /// The secret, if one was made.
    pub secret: Option<ClientSecret>,
}

/// A client that was changed.
#[derive(Clone, Debug)]
pub struct ChangedClient {
    /// As it is now; as it was last, if it was deleted.
    pub client: Client,
    /// The revocation that killed its tokens; 0 if none did.
    pub revocation_seq: i64,
}

impl Auth {
    /// Makes a client. Its secret is in the answer, and nowhere else.
    pub async fn create_client(
        &self,
        request: CreateClientRequest,
        admin: &Administrator,
    ) -> Result<ClientWithSecret, AuthError> {
        let mut violations = Vec::new();
        let id = check_new_id(&request.id).map_err(|violation| violations.push(violation));
        let profile = request.profile.check(&self.policy, self.proofs.as_ref());
        let profile = profile.map_err(|broken| violations.extend(broken));
        let (Ok(id), Ok(profile)) = (id, profile) else {
            return Err(AuthError::InvalidArgument(violations));
        };
        self.is_stored(&id)?;
        let secret = if request.with_secret { Some(self.new_secret()?) } else { None };
        let (secret, kept) = secret.unzip();
        let new = NewClient {
            id,
            profile,
            secret: kept,
            etag: self.random_uuid()?,
            entry_id: self.random_uuid()?,
            context: self.context(admin),
        };
        match self.store.create_client(new).await? {
            CreateClient::Created { client, revocation } => {
                self.index.apply(&revocation);
                Ok(ClientWithSecret { client, secret })
            }
            CreateClient::Taken => Err(AuthError::AlreadyExists("client_id")),
        }
    }

    /// The client of this id.
    pub async fn client(&self, id: &ClientId, _: &Administrator) -> Result<Client, AuthError> {
        self.is_stored(id)?;
        let found = self.store.client(id.clone()).await?;
        found.map(|standing| standing.client).ok_or(AuthError::NotFound("client"))
    }

    /// Clients in the order of their ids, after `after`.
    pub async fn clients(
        &self,
        after: Option<ClientId>,
        limit: u32,
        _: &Administrator,
    ) -> Result<Vec<Client>, AuthError> {
        Ok(self.store.clients(after, limit).await?)
    }

    /// Changes the named fields of a client, and leaves the others. Tokens that
    /// are out keep what they say.
    pub async fn update_client(
        &self,
        request: UpdateClientRequest,
        admin: &Administrator,
    ) -> Result<Client, AuthError> {
        let UpdateClientRequest { id, profile, fields, etag } = request;
        let fields = check_mask(&fields)?;
        let known = self.client(&id, admin).await?;
        if !etag.is_empty() && etag != known.etag.to_string() {
            return Err(AuthError::Conflict("client"));
        }
        let mut wanted = ClientProfileRequest::from(&known.profile);
        for field in &fields {
            wanted.take(*field, &profile);
        }
        let wanted = wanted.check(&self.policy, self.proofs.as_ref());
        let profile = Box::new(wanted.map_err(AuthError::InvalidArgument)?);
        let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
        let detail = format!("fields={}", names.join(","));
        let change = ClientChange::Update { profile, detail };
        // What the rest of the fields are was read above: nobody may have
        // changed them since.
        let changed = self.change_client(id, Some(known.etag), change, admin).await?;
        Ok(changed.client)
    }

    /// Gives a client nothing any more, and lets nobody log in on it; its
    /// tokens and sessions are dead from the answer on.
    pub async fn disable_client(
        &self,
        id: ClientId,
        admin: &Administrator,
    ) -> Result<ChangedClient, AuthError> {
        self.change_client(id, None, ClientChange::Disable, admin).await
    }

    /// Gives a disabled client tokens again. What died stays dead.
    pub async fn enable_client(
        &self,
        id: ClientId,
        admin: &Administrator,
    ) -> Result<ChangedClient, AuthError> {
        self.change_client(id, None, ClientChange::Enable, admin).await
    }

    /// Deletes a client; its tokens and sessions are dead from the answer on,
    /// and stay so when another one gets its id. An etag that is not empty
    /// must be the client's.
    pub async fn delete_client(
        &self,
        id: ClientId,
        etag: &str,
        admin: &Administrator,
    ) -> Result<ChangedClient, AuthError> {
        let expected = match etag {
            "" => None,
            etag => Some(etag.parse().map_err(|_| AuthError::Conflict("client"))?),
        };
        self.change_client(id, expected, ClientChange::Delete, admin).await
    }

    /// Gives a client another secret. That of before lives on for `grace`.
    pub async fn rotate_client_secret(
        &self,
        id: ClientId,
        grace: Duration,
        admin: &Administrator,
    ) -> Result<ClientWithSecret, AuthError> {
        if grace > SECRET_GRACE_MAX {
            let rule = format!("must be at most {} seconds", SECRET_GRACE_MAX.as_secs());
            return Err(AuthError::invalid("grace_period", rule));
        }
        let (secret, kept) = self.new_secret()?;
        let change = ClientChange::Rotate { secret: kept, grace };
        let changed = self.change_client(id, None, change, admin).await?;
        Ok(ClientWithSecret { client: changed.client, secret: Some(secret) })
    }

    /// Ends every token and session of a client, which can have new ones. Gives
    /// the revocation's sequence number. Clients of the configuration have
    /// sessions too.
    pub async fn revoke_client_tokens(
        &self,
        id: ClientId,
        admin: &Administrator,
    ) -> Result<i64, AuthError> {
        let seq = self.revoke(RevokeTarget::Client(id), admin).await?;
        seq.ok_or(AuthError::NotFound("client"))
    }

    /// The client of that name (empty: the default one), on which users log in.
    /// One of the configuration is known without a look into the store.
    pub(super) async fn login_client(
        &self,
        name: &str,
    ) -> Result<(ClientId, Cow<'_, ClientPolicy>), AuthError> {
        let unknown = || AuthError::invalid("client_id", "must be the id of a client for logins");
        let id = match name {
            "" => self.policy.default_client.clone(),
            _ => ClientId::parse(name).map_err(|_| unknown())?,
        };
        if let Some(configured) = self.policy.clients.get(&id) {
            return Ok((id, Cow::Borrowed(configured)));
        }
        // Whether it is enabled, the step that opens or uses a session asks.
        let stored = self.store.client(id.clone()).await?.map(|standing| standing.client.profile);
        let profile = stored.filter(|profile| profile.allow_login).ok_or_else(unknown)?;
        Ok((id, Cow::Owned(profile.policy)))
    }

    async fn change_client(
        &self,
        id: ClientId,
        expected: Option<uuid::Uuid>,
        change: ClientChange,
        admin: &Administrator,
    ) -> Result<ChangedClient, AuthError> {
        self.is_stored(&id)?;
        let request = ChangeClient {
            id,
            expected,
            change,
            etag: self.random_uuid()?,
            entry_id: self.random_uuid()?,
            context: self.context(admin),
        };
        match self.store.change_client(request).await? {
            ClientChanged::Changed { client, revocation } => {
                self.index.apply(&revocation);
                let revocation_seq = revocation.map_or(0, |entry: Revocation| entry.seq);
                Ok(ChangedClient { client, revocation_seq })
            }
            ClientChanged::Absent => Err(AuthError::NotFound("client")),
            ClientChanged::Stale => Err(AuthError::Conflict("client")),
        }
    }

    /// The configuration goes before the store: what it names, nobody changes
    /// here.
    fn is_stored(&self, id: &ClientId) -> Result<(), AuthError> {
        if self.policy.clients.contains_key(id) {
            Err(AuthError::FailedPrecondition(Obstacle::ClientConfigured))
        } else {
            Ok(())
        }
    }

    /// A secret, and what is kept of it.
    fn new_secret(&self) -> Result<(ClientSecret, NewSecret), AuthError> {
        let secret = ClientSecret::generate(self.entropy.as_ref())?;
        let digest = self.proofs.digest(secret.expose());
        let id = random_uuid(self.entropy.as_ref())?;
        Ok((secret, NewSecret { id, digest }))
    }
}

fn check_mask(names: &[String]) -> Result<Vec<ClientField>, AuthError> {
    let find = |name: &String| ClientField::ALL.iter().copied().find(|field| field.name() == name);
    let fields = names.iter().map(find).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty());
    fields.ok_or_else(|| {
        let known: Vec<_> = ClientField::ALL.iter().map(|field| field.name()).collect();
        AuthError::invalid("update_mask", format!("must name one or more of {}", known.join(", ")))
    })
}

fn check_new_id(text: &str) -> Result<ClientId, FieldViolation> {
    let refuse = |rule: String| FieldViolation::new("client_id", rule);
    let id = ClientId::parse(text).map_err(|error| refuse(error.to_string()))?;
    if id.is_uuid() {
        Err(refuse("must not be a UUID: users have those".to_owned()))
    } else {
        Ok(id)
    }
}
