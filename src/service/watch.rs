//! `WatchRevocations`: the log, for whoever judges tokens by themselves.
//!
//! 1. From the watcher's place on, what can still kill a token is read from
//!    the store, page by page.
//! 2. From there on the index tells what its follower sees, so however many
//!    watch, the store is read once.
//!
//! A log that was rolled back or replaced while somebody watches ends the
//! watch: what was told may never have happened.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use uuid::Uuid;

use crate::{
    domain::{
        clock::{Clock, Timestamp},
        error::{AuthError, Fault, Obstacle, Outage},
        revocation::Revocation,
    },
    store::port::Store,
};

use super::{
    Auth,
    index::{Knowledge, LiveIndex, Needs},
};

/// Entries that are told at a time.
const PAGE: u32 = 1_000;
/// Watchers that read the store at the same time: when all of them come back
/// at once, logins and refreshes still find connections.
pub(super) const STORE_READS: usize = 2;
/// How far behind another replica this one may be when a watcher comes from
/// there.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// Where a watch begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchRequest {
    /// The log that was watched before; `None` to begin at the beginning.
    pub epoch: Option<Uuid>,
    /// The last number that was told of it.
    pub after_seq: i64,
    /// The revocation that must be known before anything is told.
    pub min_revocation_seq: i64,
}

/// What a watcher is told at a time.
#[derive(Clone, Debug)]
pub struct Update {
    /// Names the log.
    pub epoch: Uuid,
    /// Everything up to here that can still kill has been told.
    pub seq: i64,
    /// What is told; nothing in a heartbeat.
    pub entries: Vec<Revocation>,
    /// Has what was there at the beginning been told?
    pub complete: bool,
    /// How old this process's knowledge is.
    pub staleness: Duration,
    /// The time.
    pub at: Timestamp,
    /// The longest that an access token may live.
    pub max_access_lifetime: Duration,
}

/// One watcher's place in the log.
pub struct RevocationWatch {
    store: Arc<dyn Store>,
    reads: Arc<Semaphore>,
    index: Arc<LiveIndex>,
    clock: Arc<dyn Clock>,
    looks: watch::Receiver<u64>,
    heartbeat: Interval,
    load: u64,
    epoch: Uuid,
    seq: i64,
    complete: bool,
    reads_store: bool,
}

impl Auth {
    /// Begins to watch, with a heartbeat whenever nothing was told for so long.
    pub async fn watch_revocations(
        &self,
        request: WatchRequest,
        heartbeat: Duration,
    ) -> Result<RevocationWatch, AuthError> {
        let WatchRequest { epoch, after_seq, min_revocation_seq } = request;
        if after_seq < 0 {
            return Err(AuthError::invalid("after_seq", "must not be negative"));
        }
        if min_revocation_seq < 0 {
            return Err(AuthError::invalid("min_revocation_seq", "must not be negative"));
        }
        if epoch.is_none() && after_seq > 0 {
            return Err(AuthError::invalid("epoch", "must be given with after_seq"));
        }
        self.index.ready_for(Needs { min_revocation_seq, max_staleness: None }).await?;
        let looks = self.index.looks();
        let load = self.index.load_number();
        let known = self.index.read(|known| known.head().epoch)?;
        if epoch.is_some_and(|epoch| epoch != known) {
            return Err(replaced());
        }
        let there = Needs { min_revocation_seq: after_seq, max_staleness: None };
        match timeout(BEHIND_MAX, self.index.ready_for(there)).await {
            Ok(ready) => ready?,
            Err(_) => return Err(self.behind()?),
        }
        let mut heartbeat = interval(heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Ok(RevocationWatch {
            store: Arc::clone(&self.store),
            reads: Arc::clone(&self.watch_reads),
            index: Arc::clone(&self.index),
            clock: Arc::clone(&self.clock),
            looks,
            heartbeat,
            load,
            epoch: known,
            seq: after_seq,
            complete: false,
            reads_store: true,
        })
    }

    /// Why a number is not reached. Without a look at the log in all that time
    /// nobody knows whether it was replaced.
    fn behind(&self) -> Result<AuthError, AuthError> {
        let age = self.index.read(|known| self.index.age_of(known))?;
        Ok(if age <= BEHIND_MAX {
            replaced()
        } else {
            let fault = Fault::from(format!("the last look at the log is {age:?} old"));
            AuthError::Unavailable { outage: Outage::StaleRevocations, fault }
        })
    }
}

impl RevocationWatch {
    /// The next update. While there is nothing to tell, it waits.
    pub async fn next(&mut self) -> Result<Update, AuthError> {
        loop {
            if self.index.load_number() != self.load {
                return Err(replaced());
            }
            if self.reads_store {
                return self.read_store().await;
            }
            match self.index.entries_after(self.seq, PAGE as usize) {
                None => self.reads_store = true,
                Some(entries) if !entries.is_empty() => return self.tell(entries),
                Some(_) => {
                    tokio::select! {
                        // The index outlives those who watch it.
                        _ = self.looks.changed() => {}
                        _ = self.heartbeat.tick() => return self.tell(Vec::new()),
                    }
                }
            }
        }
    }

    async fn read_store(&mut self) -> Result<Update, AuthError> {
        // Whatever is known now, the store knows.
        let known = self.index.read(Knowledge::seq).map_err(|_| replaced())?;
        let entries = {
            let _turn = self.reads.acquire().await;
            self.store.log_page(self.seq, PAGE).await?
        };
        let last = entries.last().map_or(self.seq, |entry| entry.seq);
        if entries.len() < PAGE as usize {
            self.reads_store = false;
            self.complete = true;
            // What is missing below the head was swept, since it kills nothing.
            self.seq = last.max(known);
        } else {
            self.seq = last;
        }
        self.tell(entries)
    }

    fn tell(&mut self, entries: Vec<Revocation>) -> Result<Update, AuthError> {
        self.heartbeat.reset();
        self.seq = entries.last().map_or(self.seq, |entry| entry.seq.max(self.seq));
        let (staleness, max_access_lifetime) = self
            .index
            .read(|known| (self.index.age_of(known), known.max_access_lifetime()))
            .map_err(|_| replaced())?;
        Ok(Update {
            epoch: self.epoch,
            seq: self.seq,
            entries,
            complete: self.complete,
            staleness,
            at: self.clock.now(),
            max_access_lifetime,
        })
    }
}

/// Of a log that was loaded once, the index knows nothing while it is being
/// replaced.
fn replaced() -> AuthError {
    AuthError::FailedPrecondition(Obstacle::LogReplaced)
}
