//! What can be set about a verifier.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{
    crypto::entropy::SystemEntropy,
    domain::{
        clock::{Clock, SystemClock},
        entropy::Entropy,
        error::Fault,
        revocation::OnStale,
        token::AccessTokenType,
        verdict::Rules,
    },
};

/// How a verifier works. The first three must be as the server has them.
#[derive(Clone)]
pub struct Options {
    /// The issuer, byte for byte as the server's `issuer`.
    pub issuer: String,
    /// The `typ` header of access tokens (`tokens.access_type`). Default:
    /// `at+jwt`.
    pub access_token_type: AccessTokenType,
    /// How far past its expiry a token is still accepted (`tokens.leeway`).
    /// Default: 0 s.
    pub leeway: Duration,
    /// The oldest knowledge of revocations that tokens are judged with.
    /// Default: 60 s.
    pub staleness_budget: Duration,
    /// What happens past the budget. Default: nothing is judged.
    pub on_stale: OnStale,
    /// How the verifier proves that it may watch. Default: not at all.
    pub credentials: Credentials,
    /// The key set is fetched anew after so long. Default: 5 min. Must be less
    /// than the time by which the server publishes a key before it signs.
    pub keys_max_age: Duration,
    /// However many tokens name keys that are not known, so much time passes
    /// between two fetches. Default: 2 s.
    pub keys_rest: Duration,
    /// How long a connection, or the answer to a call, may take. Default: 5 s.
    pub call_timeout: Duration,
    /// A stream that says nothing for so long is given up. Default: 10 s; more
    /// than the server's `revocation.watch_heartbeat`.
    pub silence: Duration,
    /// The shortest pause after a stream or a call has ended. Default: 100 ms.
    pub backoff_min: Duration,
    /// The longest; it doubles until then. Default: 5 s.
    pub backoff_max: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Spreads the pauses, so that a fleet does not come back all at once.
    pub entropy: Arc<dyn Entropy>,
}

/// How a verifier proves to a server with `verify.callers = "known"` that it
/// may watch. A client certificate (`verify.certificates`) belongs to the
/// endpoint.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Everybody may, or the certificate says enough.
    #[default]
    None,
    /// As a service client, with a token that is fetched for each watch.
    Client {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// With an access token from elsewhere.
    Source(Arc<dyn TokenSource>),
}

/// Where the access token of a service client comes from.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is good now. Asked for each watch.
    async fn token(&self) -> Result<SecretString, Fault>;
}

impl Options {
    /// The defaults, for the tokens of this issuer.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            access_token_type: AccessTokenType::AtJwt,
            leeway: Duration::ZERO,
            staleness_budget: Duration::from_mins(1),
            on_stale: OnStale::FailClosed,
            credentials: Credentials::None,
            keys_max_age: Duration::from_mins(5),
            keys_rest: Duration::from_secs(2),
            call_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy::new()),
        }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            issuer: &self.issuer,
            access_token_type: self.access_token_type,
            leeway: self.leeway,
        }
    }
}
