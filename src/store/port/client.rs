//! Clients that administrators make.

use std::time::Duration;

use uuid::Uuid;

use super::Context;
use crate::domain::{
    client::{Client, ClientProfile, SecretDigest, StoredSecret},
    clock::Timestamp,
    id::ClientId,
    revocation::Revocation,
};

/// A client, and what its tokens have to say besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStanding {
    /// The client.
    pub client: Client,
    /// Versions of users below this are dead whoever's they are.
    pub version_floor: i64,
}

/// A client to make.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its id, which no client must have.
    pub id: ClientId,
    /// What it is to be.
    pub profile: ClientProfile,
    /// Its first secret, if it is to have one.
    pub secret: Option<NewSecret>,
    /// Random; becomes its etag.
    pub etag: Uuid,
    /// Random; the id of a log entry, should one be written: what is left of
    /// an earlier client of this id dies.
    pub entry_id: Uuid,
    /// Who wants it, and when.
    pub context: Context,
}

/// A secret to keep.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its name.
    pub id: Uuid,
    /// Its digest.
    pub digest: SecretDigest,
}

impl NewSecret {
    /// As it is kept from `now` on.
    pub fn at(&self, now: Timestamp) -> StoredSecret {
        StoredSecret { id: self.id, digest: self.digest, created_at: now, expires_at: None }
    }
}

/// How making a client ended.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is returned once per call and never stored")]
pub enum CreateClient {
    /// It is there.
    Created {
        /// As it is kept.
        client: Client,
        /// What ended an earlier client of this id, if there was one.
        revocation: Option<Revocation>,
    },
    /// There is a client of this id.
    Taken,
}

/// A change of a client.
#[derive(Clone, Debug)]
pub struct ChangeClient {
    /// The client.
    pub id: ClientId,
    /// The etag that it must have; `None` for any.
    pub expected: Option<Uuid>,
    /// What is changed.
    pub change: ClientChange,
    /// Random; becomes its etag.
    pub etag: Uuid,
    /// Random; the id of a log entry, should one be written.
    pub entry_id: Uuid,
    /// Who wants it, and when.
    pub context: Context,
}

/// What is changed of a client.
#[derive(Clone, Debug)]
pub enum ClientChange {
    /// Its settings.
    Update {
        /// All of them, as they are to be.
        profile: Box<ClientProfile>,
        /// What the audit log says of what is changed.
        detail: String,
    },
    /// It is given nothing any more. Kills its tokens and sessions.
    Disable,
    /// It is given tokens again. What died stays dead.
    Enable,
    /// It is gone, and its tokens and sessions are dead.
    Delete,
    /// It has another secret. That of before lives on for `grace`, and any
    /// older one ends.
    Rotate {
        /// The new one.
        secret: NewSecret,
        /// How long the one of before lives on.
        grace: Duration,
    },
}

/// How changing a client ended.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is returned once per call and never stored")]
pub enum ClientChanged {
    /// It is done, or was done already.
    Changed {
        /// As it is now; as it was last, if it was deleted.
        client: Client,
        /// What killed its tokens, if the change does that.
        revocation: Option<Revocation>,
    },
    /// There is no such client.
    Absent,
    /// It has another etag than expected.
    Stale,
}

/// An assertion that is about to be used.
#[derive(Clone, Debug)]
pub struct UseAssertion {
    /// The client that it is of.
    pub client_id: ClientId,
    /// The digest of its `jti`.
    pub digest: SecretDigest,
    /// When it is over.
    pub expires_at: Timestamp,
}
