//! The audit log.

use tokenward::{
    crypto::digest::sha256,
    domain::audit::{Entry, Event, Filter},
    store::port::AuditPage,
};

use super::state::State;

impl State {
    /// Writes an entry.
    pub(super) fn tell(&mut self, event: &Event) {
        self.audit_seq += 1;
        let mut entry = Entry::new(self.audit_seq, event);
        entry.digest = entry.seal(&self.audit_digest, sha256);
        self.audit_digest.clone_from(&entry.digest);
        self.audit.insert(entry.seq, entry);
    }

    pub(super) fn audit_after(&self, seq: i64, limit: u32) -> Vec<Entry> {
        self.audit
            .range(seq.saturating_add(1)..)
            .map(|(_, entry)| entry.clone())
            .take(limit as usize)
            .collect()
    }

    pub(super) fn audit_head(&self) -> (i64, String) {
        (self.audit_seq, self.audit_digest.clone())
    }

    pub(super) fn audit_page(&self, AuditPage { filter, before, limit }: &AuditPage) -> Vec<Entry> {
        let entries = self.audit.range(..before.unwrap_or(i64::MAX)).rev().map(|(_, entry)| entry);
        entries.filter(|entry| fits(filter, entry)).take(*limit as usize).cloned().collect()
    }
}

fn fits(filter: &Filter, entry: &Entry) -> bool {
    let Filter { user, session, client, actor, action, outcome, since, until } = filter;
    let texts = [
        (user, &entry.user),
        (session, &entry.session),
        (client, &entry.client),
        (actor, &entry.actor),
        (action, &entry.action),
        (outcome, &entry.outcome),
    ];
    texts.iter().all(|(asked, found)| asked.is_empty() || asked == found)
        && since.is_none_or(|since| entry.at >= since)
        && until.is_none_or(|until| entry.at < until)
}
