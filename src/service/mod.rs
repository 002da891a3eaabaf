//! What each call does, one file per call. Knows the domain and the ports of
//! store and crypto; no transport, no SQL, no key material.
//!
//! A call reads the clock once, does its database work in whole steps, signs,
//! and answers. `Verify` asks only the memory: [`index`] holds the live part
//! of the revocation log, and [`follow`] keeps it fresh.

mod administrator;
pub mod audit;
pub mod browser;
pub mod change_password;
pub mod client_auth;
pub mod client_profile;
pub mod client_token;
pub mod clients;
pub mod follow;
pub mod import;
pub mod index;
pub mod introspect;
pub mod keys;
mod lanes;
pub mod login;
mod new_password;
pub mod one_time;
pub mod profile;
pub mod readiness;
pub mod refresh;
pub mod register;
pub mod revoke;
pub mod sessions;
pub mod sweep;
mod throttle;
pub mod tokens;
pub mod update_user;
pub mod users;
pub mod verifier;
pub mod verify;
pub mod watch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    crypto::port::{
        ClientProofs, JobFor, JwksDocument, KeyInfo, KeyPurpose, KeyState, Passwords, Place,
        TokenKeys,
    },
    domain::{
        audit::{Actor, Origin},
        clock::{Clock, Timestamp},
        entropy::{Entropy, EntropyError, random_uuid},
        error::{AuthError, Fault, Outage},
        policy::Policy,
    },
    peers::network,
    store::port::Store,
};

pub use administrator::Administrator;

use browser::Renewals;
use index::LiveIndex;
use throttle::Attempts;

/// The service: every call is a method of it, in the file of its name.
pub struct Auth {
    pub(crate) policy: Arc<Policy>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<dyn TokenKeys>,
    pub(crate) passwords: Arc<dyn Passwords>,
    pub(crate) proofs: Arc<dyn ClientProofs>,
    pub(crate) index: Arc<LiveIndex>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    attempts: Arc<Attempts>,
    /// Whoever reads the log for a watcher takes one.
    watch_reads: Arc<Semaphore>,
    renewals: Renewals,
}

/// Everything that [`Auth`] works with.
pub struct Parts {
    /// What the configuration allows.
    pub policy: Arc<Policy>,
    /// Users, sessions, the log.
    pub store: Arc<dyn Store>,
    /// Signs and checks tokens.
    pub keys: Arc<dyn TokenKeys>,
    /// Hashes and checks passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Checks what clients prove who they are with.
    pub proofs: Arc<dyn ClientProofs>,
    /// The live part of the revocation log.
    pub index: Arc<LiveIndex>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Who is at the other end of a call, as far as the transport knows.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Where the call comes from: the peer's address, or what a trusted proxy
    /// says.
    pub ip: Option<IpAddr>,
    /// The `user-agent` it sent; cut to 256 bytes when it is stored.
    pub user_agent: String,
    /// The call's id, as its answer and the logs have it.
    pub request_id: String,
    /// Until when it waits, by [`Clock::monotonic`]; `None`: as long as it
    /// takes.
    pub deadline: Option<Duration>,
}

impl Caller {
    /// What is remembered of it when it does something in the name of `actor`.
    pub(crate) fn acting_as(&self, actor: Actor) -> Origin {
        let source = self.ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        Origin { actor, source, request_id: self.request_id.clone() }
    }

    /// Whom a hash is made for that begins to wait now.
    pub(crate) fn job(&self, clock: &dyn Clock) -> JobFor {
        JobFor {
            source: self.ip.map(network),
            time_left: self.deadline.map(|deadline| deadline.saturating_sub(clock.monotonic())),
        }
    }
}

impl Auth {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { policy, store, keys, passwords, proofs, index, clock, entropy } = parts;
        let attempts = Attempts::new(
            Arc::clone(&store),
            Arc::clone(&passwords),
            Arc::clone(&clock),
            policy.throttle,
        );
        let renewals = Renewals::default();
        let watch_reads = Arc::new(Semaphore::new(watch::STORE_READS));
        Self {
            policy,
            store,
            keys,
            passwords,
            proofs,
            index,
            clock,
            entropy,
            attempts,
            watch_reads,
            renewals,
        }
    }

    /// The public access keys (RFC 7517), ready to be served. Not before it is
    /// known which of them were revoked, and never none: a cache would keep that.
    pub fn jwks(&self) -> Result<Arc<JwksDocument>, AuthError> {
        self.index.read(|_| ())?;
        let now = self.now();
        if self.keys.keys(now).iter().any(is_published) {
            return Ok(self.keys.jwks(now));
        }
        let fault = Fault::from("no access key is trusted");
        Err(AuthError::Unavailable { outage: Outage::SigningKey, fault })
    }

    /// What the configuration allows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A place for a hash, before anything else is begun: in a storm nobody
    /// shall wait for the store only to hear that there is none.
    fn place(&self, caller: &Caller) -> Result<Place, AuthError> {
        Ok(self.passwords.place(caller.job(self.clock.as_ref()))?)
    }

    fn random_uuid(&self) -> Result<Uuid, AuthError> {
        Ok(random_uuid(self.entropy.as_ref())?)
    }
}

impl From<EntropyError> for AuthError {
    fn from(error: EntropyError) -> Self {
        Self::Internal(Fault::caused_by("no randomness", error))
    }
}

/// Is it in the JWKS?
fn is_published(key: &KeyInfo) -> bool {
    let trusted = matches!(key.state, KeyState::Signing | KeyState::Standby | KeyState::Retired);
    key.purpose == KeyPurpose::Access && trusted
}
