//! `WatchRevocations`: streams, and how many and how slow they may be.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, codegen::tokio_stream::wrappers::ReceiverStream};
use uuid::Uuid;

use crate::{
    domain::{
        error::AuthError,
        revocation::{Revocation, Target},
    },
    peers::{Quota, Share},
    service::watch::{RevocationWatch, Update, WatchRequest},
};

use super::{
    convert::{duration, timestamp},
    pb::auth::{self as pb, revocation_entry::Target as Told},
    status::in_stream,
};

/// Updates that wait for a watcher who reads slowly, each of at most 1000
/// entries, the last word included.
const BUFFER: usize = 2;
/// When a watcher who was cut off, or found no place, may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What can be set about watching.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// How long a stream keeps silent at most.
    pub heartbeat: Duration,
    /// How long it lasts.
    pub lifetime: Duration,
    /// A watcher that does not read for so long is cut off.
    pub patience: Duration,
    /// Watchers at a time.
    pub watchers_max: usize,
    /// Of these, those of one peer.
    pub watchers_max_per_peer: usize,
}

/// All streams of one listener.
pub(super) struct Watches {
    options: WatchOptions,
    quota: Arc<Quota>,
    shutdown: CancellationToken,
}

/// What a watcher reads.
pub(super) type Updates = ReceiverStream<Result<pb::WatchRevocationsResponse, Status>>;

impl Watches {
    pub(super) fn new(options: &WatchOptions, shutdown: CancellationToken) -> Self {
        let quota = Quota::new(options.watchers_max, options.watchers_max_per_peer);
        Self { options: options.clone(), quota, shutdown }
    }

    /// A place for one more watcher.
    pub(super) fn place(&self, peer: IpAddr) -> Result<Share, AuthError> {
        let full = AuthError::Overloaded { work: "watchers", retry_after: RETRY_AFTER };
        self.quota.take(peer).ok_or(full)
    }

    /// How long a stream keeps silent at most.
    pub(super) const fn heartbeat(&self) -> Duration {
        self.options.heartbeat
    }

    /// Tells what `watch` sees, until its time is over or the watcher is gone.
    pub(super) fn stream(
        &self,
        watch: RevocationWatch,
        share: Share,
        request_id: String,
    ) -> Updates {
        let (updates, stream) = mpsc::channel(BUFFER);
        let (options, shutdown) = (self.options.clone(), self.shutdown.clone());
        tokio::spawn(async move {
            let _share = share;
            // Kept for the last word, which even a full buffer must have room for.
            let Ok(last) = updates.clone().reserve_owned().await else { return };
            let ended = tokio::select! {
                ended = tell(watch, &updates, options.patience) => ended,
                () = sleep(options.lifetime) => Ok(()),
                () = shutdown.cancelled() => Ok(()),
                () = updates.closed() => Ok(()),
            };
            if let Err(error) = ended {
                last.send(Err(in_stream(&error, &request_id)));
            }
        });
        ReceiverStream::new(stream)
    }
}

async fn tell(
    mut watch: RevocationWatch,
    updates: &mpsc::Sender<Result<pb::WatchRevocationsResponse, Status>>,
    patience: Duration,
) -> Result<(), AuthError> {
    loop {
        let update = watch.next().await?.into();
        match timeout(patience, updates.send(Ok(update))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(AuthError::SlowWatcher { retry_after: RETRY_AFTER }),
        }
    }
}

impl TryFrom<pb::WatchRevocationsRequest> for WatchRequest {
    type Error = AuthError;

    fn try_from(request: pb::WatchRevocationsRequest) -> Result<Self, AuthError> {
        let pb::WatchRevocationsRequest { epoch, after_seq, min_revocation_seq } = request;
        let epoch = match epoch.as_str() {
            "" => None,
            text => {
                let epoch = Uuid::try_parse(text);
                Some(epoch.map_err(|_| AuthError::invalid("epoch", "must be a UUID"))?)
            }
        };
        Ok(Self { epoch, after_seq, min_revocation_seq })
    }
}

impl From<Update> for pb::WatchRevocationsResponse {
    fn from(update: Update) -> Self {
        Self {
            epoch: update.epoch.to_string(),
            seq: update.seq,
            revocations: update.entries.into_iter().map(Into::into).collect(),
            complete: update.complete,
            staleness: duration(update.staleness),
            server_time: Some(timestamp(update.at)),
            max_access_lifetime: duration(update.max_access_lifetime),
        }
    }
}

impl From<Revocation> for pb::RevocationEntry {
    fn from(entry: Revocation) -> Self {
        let target = match entry.target {
            Target::Session(id) => Told::SessionId(id.to_string()),
            Target::User { id, min_version } => {
                Told::User(pb::VersionFloor { id: id.to_string(), min_version })
            }
            Target::Client { id, min_version } => {
                Told::Client(pb::VersionFloor { id: id.to_string(), min_version })
            }
            Target::Key(kid) => Told::KeyId(kid.to_string()),
            Target::All { min_version } => Told::AllBelowVersion(min_version),
        };
        Self {
            seq: entry.seq,
            target: Some(target),
            revoke_time: Some(timestamp(entry.at)),
            expire_time: entry.expires_at.map(timestamp),
            reason: entry.reason.to_string(),
        }
    }
}
