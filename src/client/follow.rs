//! Following the revocation log over `WatchRevocations`.
//!
//! 1. Without any knowledge, everything is told that can still kill a token;
//!    it comes into force when it is complete.
//! 2. What follows comes into force as it comes.
//! 3. A stream that has ended is resumed at its last number; a log that was
//!    replaced is forgotten and told from its beginning.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{sleep, timeout};
use tonic::{
    Request, Status, Streaming,
    metadata::{AsciiMetadataValue, MetadataValue},
    transport::Channel,
};

use crate::{
    domain::{
        clock::Stamp,
        error::{Fault, Obstacle, chain},
    },
    grpc::{
        pb::auth::{
            IssueClientTokenRequest, WatchRevocationsRequest, WatchRevocationsResponse,
            auth_service_client::AuthServiceClient,
            issue_client_token_request::Credentials as Proof,
        },
        status::said,
    },
};

use super::{
    backoff::Backoff,
    knowledge::{Knowledge, Log},
    options::{Credentials, Options},
    told::Update,
};

/// Dead entries leave the memory every so many updates.
const UPDATES_BETWEEN_DROPS: u32 = 600;

/// Keeps the revocations of one verifier.
pub(super) struct Follower {
    auth: AuthServiceClient<Channel>,
    knowledge: Arc<Knowledge>,
    options: Arc<Options>,
    started: Stamp,
    updates: u32,
    backoff: Backoff,
    failing: bool,
}

impl Follower {
    pub(super) fn new(
        auth: AuthServiceClient<Channel>,
        knowledge: Arc<Knowledge>,
        options: Arc<Options>,
    ) -> Self {
        let (started, backoff) = (knowledge.stamp(), Backoff::new());
        Self { auth, knowledge, options, started, updates: 0, backoff, failing: false }
    }

    /// Follows for ever. Failures are logged when they begin and when they
    /// end.
    pub(super) async fn run(mut self) {
        loop {
            if let Err(fault) = self.watch().await
                && !self.failing
            {
                tracing::error!(error = chain(&fault), "the revocations cannot be followed");
                self.failing = true;
            }
            self.knowledge.look_at_age();
            sleep(self.backoff.pause(&self.options)).await;
        }
    }

    /// One watch, up to its end.
    async fn watch(&mut self) -> Result<(), Fault> {
        match self.follow().await {
            Ok(()) => Ok(()),
            Err(Ended::Failed(fault)) => Err(fault),
            Err(Ended::Replaced) => {
                tracing::error!("the revocation log was replaced; starting over");
                self.knowledge.forget();
                Ok(())
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Ended> {
        let mut stream = self.begin().await?;
        let mut snapshot = None;
        while let Some(update) = self.next(&mut stream).await? {
            if !self.take_in(&update, &mut snapshot) {
                return Err(Ended::Replaced);
            }
            self.note_progress(update.complete);
        }
        Ok(())
    }

    async fn begin(&self) -> Result<Streaming<WatchRevocationsResponse>, Ended> {
        let mut from = WatchRevocationsRequest::default();
        if let Some((epoch, seq)) = self.knowledge.place() {
            from.epoch = epoch.to_string();
            from.after_seq = seq;
        }
        let mut request = Request::new(from);
        if let Some(bearer) = self.bearer().await? {
            request.metadata_mut().insert("authorization", bearer);
        }
        let mut auth = self.auth.clone();
        let stream = timeout(self.options.call_timeout, auth.watch_revocations(request)).await;
        Ok(stream.map_err(|late| Fault::caused_by("no answer", late))??.into_inner())
    }

    async fn next(
        &self,
        stream: &mut Streaming<WatchRevocationsResponse>,
    ) -> Result<Option<Update>, Ended> {
        let asked = self.knowledge.stamp();
        let told = timeout(self.options.silence, stream.message()).await;
        let told = told.map_err(|late| Fault::caused_by("the server is silent", late))??;
        // What a process finds that was stopped meanwhile may be as old as that.
        if self.knowledge.stamp().since(asked) > self.options.silence {
            return Err(Fault::from("the stream was not read for too long").into());
        }
        Ok(told.map(Update::try_from).transpose()?)
    }

    /// Takes an update in, as a part of the snapshot while nothing else is
    /// known. Is it one of the same log?
    fn take_in(&self, update: &Update, snapshot: &mut Option<Log>) -> bool {
        if self.knowledge.place().is_some() {
            return self.knowledge.extend(update);
        }
        let mut log = snapshot.take().unwrap_or_else(|| Log::of(update.epoch));
        let is_ours = log.take_in(update, self.knowledge.stamp());
        if is_ours && update.complete {
            self.knowledge.replace(log);
        } else if is_ours {
            *snapshot = Some(log);
        }
        is_ours
    }

    /// Pages of a snapshot that never comes to its end are no success.
    fn note_progress(&mut self, complete: bool) {
        if complete {
            self.backoff.reset();
        }
        if complete && self.failing {
            tracing::info!("the revocations are followed again");
            self.failing = false;
        }
        self.updates = self.updates.wrapping_add(1);
        if self.updates.is_multiple_of(UPDATES_BETWEEN_DROPS) {
            self.knowledge.drop_dead(self.knowledge.stamp().prudent_wall(self.started));
        }
        self.knowledge.look_at_age();
    }

    /// The `authorization` of a watch.
    async fn bearer(&self) -> Result<Option<AsciiMetadataValue>, Fault> {
        let token = match &self.options.credentials {
            Credentials::None => return Ok(None),
            Credentials::Client { id, secret } => self.own_token(id, secret).await?,
            Credentials::Source(source) => {
                let token = timeout(self.options.call_timeout, source.token()).await;
                token.map_err(|late| Fault::caused_by("no token", late))??
            }
        };
        let bearer = MetadataValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut bearer = bearer.map_err(|_| Fault::from("the access token is not one"))?;
        bearer.set_sensitive(true);
        Ok(Some(bearer))
    }

    /// The token of a service client (`IssueClientToken`).
    async fn own_token(&self, id: &str, secret: &SecretString) -> Result<SecretString, Fault> {
        let secret = secret.expose_secret().to_owned();
        let request = IssueClientTokenRequest {
            client_id: id.to_owned(),
            credentials: Some(Proof::ClientSecret(secret)),
            ..IssueClientTokenRequest::default()
        };
        let mut auth = self.auth.clone();
        let issued = timeout(self.options.call_timeout, auth.issue_client_token(request)).await;
        let issued = issued.map_err(|late| Fault::caused_by("no answer", late))?;
        let issued = issued.map_err(|status| Fault::caused_by("no token", status))?;
        let tokens = issued.into_inner().tokens.ok_or_else(|| Fault::from("no token"))?;
        Ok(tokens.access_token.into())
    }
}

/// Why a watch has ended before its time.
enum Ended {
    Failed(Fault),
    Replaced,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        if said(&status).is_some_and(|reason| reason == Obstacle::LogReplaced.reason()) {
            Self::Replaced
        } else {
            Self::Failed(Fault::caused_by("WatchRevocations failed", status))
        }
    }
}
