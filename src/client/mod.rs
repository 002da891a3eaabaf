//! Verifies access tokens inside another service: as fast as memory, and with
//! revocation.
//!
//! A [`Verifier`] fetches the public keys and follows the revocation log over
//! one gRPC connection, and judges tokens by the server's own rules
//! ([`crate::domain::verdict`]). It knows how old its knowledge is, and past a
//! budget it refuses to judge. `keys` and `follow` are the two tasks that
//! learn, `knowledge` is what they have learnt, [`guard`] puts a verifier in
//! front of a service.
//!
//! ```no_run
//! use tokenward::client::{Options, Requirements, Verifier};
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//!
//! let endpoint = tonic::transport::Endpoint::from_static("http://127.0.0.1:50051");
//! let verifier = Verifier::new(endpoint, Options::new("https://auth.example.org"));
//! verifier.ready().await;
//!
//! let needed = Requirements { audience: "api".to_owned(), ..Requirements::default() };
//! let verdict = verifier.check(token, &needed).await?;
//! match (verdict.reason, verdict.claims) {
//!     (None, Some(token)) => println!("hello, {}", token.claims.subject()),
//!     (reason, _) => println!("no: {reason:?}"),
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod follow;
pub mod guard;
mod keys;
mod knowledge;
mod options;
mod told;

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Endpoint;

use crate::{
    domain::{error::AuthError, revocation::LEEWAY_MAX},
    grpc::pb::auth::auth_service_client::AuthServiceClient,
};

use follow::Follower;
use guard::{GrpcLayer, HttpLayer};
use keys::KeyFetcher;
use knowledge::Knowledge;

pub use crate::domain::{
    revocation::OnStale,
    verdict::{InactiveReason, Requirements, TokenClaims, Verdict},
};
pub use options::{Credentials, Options, TokenSource};

/// Judges access tokens from memory. Clones share what they know; when the
/// last one is dropped, the tasks behind it end.
#[derive(Clone)]
pub struct Verifier {
    knowledge: Arc<Knowledge>,
    patience: Duration,
    issuer: Arc<str>,
    _tasks: Arc<DropGuard>,
}

impl Verifier {
    /// Begins to learn from the Tokenward at `endpoint`, whose TLS settings
    /// are the caller's; timeouts and keep-alive are those of the options.
    /// Judges nothing before it is [`Self::ready`]. Must be called within a
    /// tokio runtime.
    pub fn new(endpoint: Endpoint, mut options: Options) -> Self {
        // A revocation is forgotten once no server would accept the token.
        options.leeway = options.leeway.min(LEEWAY_MAX);
        let channel = endpoint
            .connect_timeout(options.call_timeout)
            .http2_keep_alive_interval(options.silence)
            .keep_alive_timeout(options.call_timeout)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let auth = AuthServiceClient::new(channel);
        let patience = options.call_timeout;
        let issuer = options.issuer.as_str().into();
        let stop = CancellationToken::new();
        let options = Arc::new(options);
        let knowledge = Arc::new(Knowledge::new(Arc::clone(&options)));
        let keys = KeyFetcher::new(auth.clone(), Arc::clone(&knowledge), Arc::clone(&options));
        tokio::spawn(stop.clone().run_until_cancelled_owned(keys.run()));
        let follower = Follower::new(auth, Arc::clone(&knowledge), options);
        tokio::spawn(stop.clone().run_until_cancelled_owned(follower.run()));
        Self { knowledge, patience, issuer, _tasks: Arc::new(stop.drop_guard()) }
    }

    /// Resolves when tokens can be judged: the keys and all revocations are
    /// there, and fresh enough.
    pub async fn ready(&self) {
        let mut changes = self.knowledge.changes();
        while !self.is_ready() && changes.changed().await.is_ok() {}
    }

    /// Can tokens be judged now? For a readiness probe.
    pub fn is_ready(&self) -> bool {
        self.knowledge.is_ready()
    }

    /// Resolves when everything up to the revocation of this number is known,
    /// as `Revoke` answers it: what is judged from then on is judged with it.
    pub async fn caught_up(&self, seq: i64, within: Duration) -> Result<(), AuthError> {
        let mut changes = self.knowledge.changes();
        let reached = async {
            while self.knowledge.seq().is_none_or(|known| known < seq) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(within, reached).await.map_err(|_| AuthError::DeadlineExceeded)
    }

    /// Judges a token from memory, without waiting for anything. Fails if that
    /// is not possible now ([`AuthError::Unavailable`]): that says nothing
    /// about the token.
    pub fn verify(&self, token: &str, needed: &Requirements) -> Result<Verdict, AuthError> {
        self.knowledge.judge(token, needed).map(|judged| judged.verdict)
    }

    /// The same; but for a key that is not known, the key set is fetched
    /// first, if that was not done a moment ago.
    pub async fn check(&self, token: &str, needed: &Requirements) -> Result<Verdict, AuthError> {
        let mut fetches = self.knowledge.fetches();
        let judged = self.knowledge.judge(token, needed)?;
        if !judged.fetching {
            return Ok(judged.verdict);
        }
        // However the fetch ends, the second look says what it says.
        let _ = timeout(self.patience, fetches.changed()).await;
        self.verify(token, needed)
    }

    /// How old the knowledge of revocations is; `None` before there is any.
    pub fn staleness(&self) -> Option<Duration> {
        self.knowledge.staleness()
    }

    /// The newest revocation that is known with all before it; `None` before
    /// anything is known.
    pub fn revocation_seq(&self) -> Option<i64> {
        self.knowledge.seq()
    }

    /// A layer that lets requests through to a tonic service whose access
    /// token meets the requirements, with its [`TokenClaims`] among the
    /// extensions.
    pub fn grpc_layer(&self, needed: Requirements) -> Result<GrpcLayer, AuthError> {
        GrpcLayer::new(self.clone(), needed)
    }

    /// The same for axum and other HTTP services: refusals are challenges of
    /// RFC 6750 section 3.
    pub fn http_layer(&self, needed: Requirements) -> Result<HttpLayer, AuthError> {
        HttpLayer::new(self.clone(), needed)
    }

    fn realm(&self) -> &str {
        &self.issuer
    }
}
