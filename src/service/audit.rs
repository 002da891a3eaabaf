//! Reading the audit log.

use crate::{
    domain::{
        audit::{Entry, Filter, Sha256},
        error::AuthError,
    },
    store::port::AuditPage,
};

use super::{Administrator, Auth};

/// Entries that are read at a time.
const BATCH: u32 = 500;

/// What checking the seals of the log showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seals {
    /// Every entry follows the one before, up to the newest.
    Whole {
        /// How many entries were checked.
        entries: u64,
        /// The place of the newest.
        newest: i64,
    },
    /// From this place on something was altered, removed or added.
    Broken {
        /// The first place at which it shows.
        seq: i64,
    },
}

impl Auth {
    /// Entries that fit, newest first, before a place if one is given.
    pub async fn audit_events(
        &self,
        filter: Filter,
        before: Option<i64>,
        limit: u32,
        _: &Administrator,
    ) -> Result<Vec<Entry>, AuthError> {
        Ok(self.store.audit_page(AuditPage { filter, before, limit }).await?)
    }

    /// Entries after a place, in their order; a bounded number of them.
    pub async fn audit_events_after(
        &self,
        seq: i64,
        _: &Administrator,
    ) -> Result<Vec<Entry>, AuthError> {
        Ok(self.store.audit_after(seq, BATCH).await?)
    }

    /// The newest place of the log.
    pub async fn newest_audit_event(&self, _: &Administrator) -> Result<i64, AuthError> {
        Ok(self.store.audit_head().await?.0)
    }

    /// Checks the whole log, as far as it is kept.
    pub async fn check_audit_seals(
        &self,
        sha256: Sha256,
        admin: &Administrator,
    ) -> Result<Seals, AuthError> {
        // What is committed meanwhile is not looked for.
        let (newest, digest) = self.store.audit_head().await?;
        let (mut last, mut entries) = (None::<Entry>, 0);
        loop {
            let after = last.as_ref().map_or(0, |entry| entry.seq);
            let batch = self.audit_events_after(after, admin).await?;
            if batch.is_empty() || after >= newest {
                break;
            }
            for entry in batch.into_iter().filter(|entry| entry.seq <= newest) {
                // What the oldest one followed is no longer kept.
                let follows = last.as_ref().is_none_or(|before| {
                    entry.seq == before.seq + 1
                        && entry.digest == entry.seal(&before.digest, sha256)
                });
                let begins = last.is_none() && entry.seq == 1;
                if !follows || (begins && entry.digest != entry.seal("", sha256)) {
                    return Ok(Seals::Broken { seq: entry.seq });
                }
                entries += 1;
                last = Some(entry);
            }
        }
        match last {
            Some(entry) if entry.seq != newest || entry.digest != digest => {
                Ok(Seals::Broken { seq: entry.seq + 1 })
            }
            _ => Ok(Seals::Whole { entries, newest }),
        }
    }
}
