//! Following the revocation log, so that what another replica or the command
//! line revokes is dead here a moment later.
//!
//! Every look compares the log with what is known of it. A log that lost
//! entries, or has another epoch, was rolled back or replaced: everything
//! known is dropped, and no call is answered until it is loaded anew.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        clock::Stamp,
        error::{Fault, chain},
        revocation::{LogHead, Revocation, RevocationIndex},
    },
    store::port::{Look, Store, StoreError},
};

use super::index::{Knowledge, LiveIndex, Newest};

/// Entries that are read at a time.
const PAGE: u32 = 1_000;
/// However many calls want a look, the database gets this much rest between
/// two.
const REST: Duration = Duration::from_millis(5);
/// Dead entries leave the memory so often.
const BETWEEN_DROPS: Duration = Duration::from_mins(1);

/// Keeps one [`LiveIndex`] fresh.
pub struct Follower {
    store: Arc<dyn Store>,
    index: Arc<LiveIndex>,
    interval: Duration,
}

impl Follower {
    /// Looks at the log of `store` each `interval`, and when a call wants it.
    pub fn new(store: Arc<dyn Store>, index: Arc<LiveIndex>, interval: Duration) -> Self {
        Self { store, index, interval }
    }

    /// Looks until told to stop. Failures are logged when they begin and when
    /// they end.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        let started = self.index.stamp();
        let mut dropped = started;
        loop {
            match self.look().await {
                Ok(()) if failing => {
                    tracing::info!("the revocation log can be read again");
                    failing = false;
                }
                Err(error) if !failing => {
                    tracing::error!(error = chain(&error), "the revocation log cannot be read");
                    failing = true;
                }
                Ok(()) | Err(_) => {}
            }
            let now = self.index.stamp();
            if now.monotonic.saturating_sub(dropped.monotonic) >= BETWEEN_DROPS {
                self.index.drop_dead(now.prudent_wall(started));
                dropped = now;
            }
            tokio::select! {
                biased; // A seeded run repeats: no branch is drawn by lot.
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.interval) => {}
                () = async { tokio::time::sleep(REST).await; self.index.wanted().await } => {}
            }
        }
    }

    /// One look: loads the log when nothing is known, else what is new.
    pub async fn look(&self) -> Result<(), StoreError> {
        let began = self.index.stamp();
        let known = self.index.read(|known| (known.head().clone(), known.newest())).ok();
        let Some((known_head, newest)) = known else {
            return self.load(began).await;
        };
        let look = self.store.look(known_head.seq).await?;
        if let Some(discrepancy) = discrepancy(&known_head, newest, &look, began) {
            tracing::error!(discrepancy, "the database was rolled back or replaced; reloading");
            self.index.forget();
            return self.load(began).await;
        }
        let entries = self.entries(known_head.seq, &look.head).await?;
        self.index.extend(&entries, &look.head, began);
        Ok(())
    }

    async fn load(&self, began: Stamp) -> Result<(), StoreError> {
        let head = self.store.look(0).await?.head;
        let entries = self.entries(0, &head).await?;
        let mut index = RevocationIndex::default();
        for entry in &entries {
            index.apply(entry);
        }
        let last = entries.last();
        let head = LogHead { seq: last.map_or(head.seq, |entry| entry.seq), ..head };
        let newest = last.map(|entry| Newest { id: entry.id, expires_at: entry.expires_at });
        self.index.replace(Knowledge::new(index, head, newest, began));
        Ok(())
    }

    /// Everything after `seq` and at least up to `head`.
    async fn entries(&self, seq: i64, head: &LogHead) -> Result<Vec<Revocation>, StoreError> {
        let mut entries = Vec::new();
        let mut reached = seq;
        while reached < head.seq {
            let page = self.store.log_after(reached, PAGE).await?;
            let Some(last) = page.last() else {
                let fault = Fault::from(format!("revocations after {reached} are missing"));
                return Err(StoreError::Corrupt(fault));
            };
            reached = last.seq;
            entries.extend(page);
        }
        Ok(entries)
    }
}

/// How the log contradicts what is known of it, if it does.
fn discrepancy(
    known: &LogHead,
    newest: Option<Newest>,
    look: &Look,
    now: Stamp,
) -> Option<&'static str> {
    if look.head.epoch != known.epoch {
        return Some("another epoch");
    }
    if look.head.seq < known.seq {
        return Some("fewer entries than before");
    }
    let newest = newest?;
    let may_be_swept = newest.expires_at.is_some_and(|end| now.wall >= end);
    match look.known_id {
        Some(id) if id == newest.id => None,
        None if may_be_swept => None,
        _ => Some("another entry in the place of a known one"),
    }
}
