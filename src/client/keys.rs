//! Fetching the key set: after its time, and when a token names a key that is
//! not in it.

use std::sync::Arc;

use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::{
    crypto::key_set::KeySet,
    domain::error::{Fault, chain},
    grpc::pb::auth::{GetJwksRequest, auth_service_client::AuthServiceClient},
};

use super::{backoff::Backoff, knowledge::Knowledge, options::Options};

/// Keeps the keys of one verifier.
pub(super) struct KeyFetcher {
    auth: AuthServiceClient<Channel>,
    knowledge: Arc<Knowledge>,
    options: Arc<Options>,
}

impl KeyFetcher {
    pub(super) fn new(
        auth: AuthServiceClient<Channel>,
        knowledge: Arc<Knowledge>,
        options: Arc<Options>,
    ) -> Self {
        Self { auth, knowledge, options }
    }

    /// Fetches for ever. However many tokens name keys that are not known,
    /// there is one fetch at a time, and a rest after each.
    pub(super) async fn run(self) {
        let (mut backoff, mut failing) = (Backoff::new(), false);
        loop {
            let fetched = self.fetch().await;
            match &fetched {
                Ok(_) if failing => tracing::info!("the keys can be fetched again"),
                Err(fault) if !failing => {
                    tracing::error!(error = chain(fault), "the keys cannot be fetched");
                }
                Ok(_) | Err(_) => {}
            }
            failing = fetched.is_err();
            self.knowledge.fetched(fetched.ok());
            let pause = if failing {
                backoff.pause(&self.options)
            } else {
                backoff.reset();
                self.options.keys_max_age
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.wanted() => {}
            }
        }
    }

    async fn wanted(&self) {
        sleep(self.options.keys_rest).await;
        self.knowledge.rested();
        self.knowledge.keys_wanted().await;
    }

    async fn fetch(&self) -> Result<KeySet, Fault> {
        let mut auth = self.auth.clone();
        let answer = timeout(self.options.call_timeout, auth.get_jwks(GetJwksRequest {})).await;
        let answer = answer.map_err(|late| Fault::caused_by("no answer", late))?;
        let jwks = answer.map_err(|status| Fault::caused_by("GetJwks failed", status))?;
        KeySet::parse(&jwks.into_inner().jwks_json).map_err(|e| Fault::caused_by("GetJwks", e))
    }
}
