//! The revocation log: writing, reading and sweeping it.

use std::collections::BTreeMap;

use tokenward::{
    domain::{
        clock::Timestamp,
        revocation::{Draft, ENTRY_MARGIN, LEEWAY_MAX, Revocation, Target},
    },
    store::port::{Look, StoreError, Sweep, Swept},
};

use super::{Bug, state::State};

const END_OF_TIME: Timestamp = Timestamp::from_micros(i64::MAX);

impl State {
    /// Writes an entry at the next place.
    pub(super) fn append(&mut self, draft: Draft) -> Result<Revocation, StoreError> {
        let mut head = self.head()?;
        head.seq += 1;
        let counted_from = self.database_time.map_or(draft.at, |theirs| theirs.max(draft.at));
        let entry = draft.placed(head.seq, &head, counted_from);
        let seen = if self.has(Bug::EntriesOutOfOrder) && self.unseen.is_none() {
            self.unseen.replace(entry.clone())
        } else {
            self.log.insert(entry.seq, entry.clone());
            self.unseen.take()
        };
        self.log.extend(seen.map(|late| (late.seq, late)));
        self.head = Some(head);
        Ok(entry)
    }

    /// The entry in force for a target that was revoked before: the newest one
    /// about it, or, once that has been swept, what it must have said.
    pub(super) fn in_force(&self, draft: Draft) -> Result<Revocation, StoreError> {
        if let Some(newest) = self.newest_about(&draft.target) {
            return Ok(newest);
        }
        let (head, counted_from) = (self.head()?, draft.at);
        Ok(draft.placed(head.seq, &head, counted_from))
    }

    /// The newest entry about a target that is still there.
    pub(super) fn newest_about(&self, target: &Target) -> Option<Revocation> {
        let about = |entry: &&Revocation| subject(&entry.target) == subject(target);
        self.log.values().rev().find(about).cloned()
    }

    pub(super) fn look(&self, known_seq: i64) -> Result<Look, StoreError> {
        let known_id = self.log.get(&known_seq).map(|entry| entry.id);
        Ok(Look { head: self.head()?, known_id })
    }

    pub(super) fn log_after(&self, seq: i64, limit: u32) -> Vec<Revocation> {
        let after = self.log.range(seq.saturating_add(1)..).map(|(_, entry)| entry);
        after.take(limit as usize).cloned().collect()
    }

    pub(super) fn sweep(&mut self, Sweep { now, audit_before, limit }: &Sweep) -> Swept {
        let (most, leeway_ago) = (*limit as usize, now.minus(LEEWAY_MAX));
        let tokens_died = now.minus(ENTRY_MARGIN).minus(self.max_access_lifetime());
        let newest = self.head.as_ref().map_or(0, |head| head.seq);
        let entries_died = if self.has(Bug::SweepTakesLiveEntries) { END_OF_TIME } else { *now };
        let due = |end: Timestamp, by: Timestamp| (end <= by).then_some(end);
        let removed = [
            remove_first(&mut self.sessions, most, |row| due(row.session.expires_at, leeway_ago)),
            remove_first(&mut self.sessions, most, |row| due(row.session.revoked_at?, tokens_died)),
            remove_first(&mut self.log, most, |entry| {
                due(entry.expires_at?, entries_died).filter(|_| entry.seq < newest)
            }),
            remove_first(&mut self.tallies, most, |tally| due(tally.forget_at, *now)),
            remove_first(&mut self.one_time_tokens, most, |token| due(token.expires_at, *now)),
            remove_first(&mut self.assertions, most, |end| due(*end, leeway_ago)),
            remove_first(&mut self.audit, most, |entry| {
                Some(entry.at).filter(|at| at < audit_before)
            }),
        ];
        let more = removed.iter().any(|rows| *rows >= most);
        Swept { rows: removed.iter().map(|rows| *rows as u64).sum(), more }
    }
}

/// Removes at most `limit` rows, those first that are `dead` the longest; tells
/// how many.
fn remove_first<K: Ord + Clone, V>(
    rows: &mut BTreeMap<K, V>,
    limit: usize,
    dead: impl Fn(&V) -> Option<Timestamp>,
) -> usize {
    let dead = rows.iter().filter_map(|(key, row)| Some((dead(row)?, key.clone())));
    let mut dead: Vec<_> = dead.collect();
    dead.sort();
    dead.into_iter().take(limit).filter(|(_, key)| rows.remove(key).is_some()).count()
}

/// A target without its version: whom it is about.
fn subject(target: &Target) -> Target {
    match target {
        Target::User { id, .. } => Target::User { id: *id, min_version: 0 },
        Target::Client { id, .. } => Target::Client { id: id.clone(), min_version: 0 },
        Target::All { .. } => Target::All { min_version: 0 },
        Target::Session(_) | Target::Key(_) => target.clone(),
    }
}
