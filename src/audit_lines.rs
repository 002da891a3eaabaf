//! The audit log as log lines, of the target `tokenward::audit`: one line for
//! each entry of the table once it is committed, and for what is told in
//! lines only.

use crate::domain::audit::{Entry, Event};

/// The target, for filters.
pub const TARGET: &str = "tokenward::audit";

/// Tells of an entry of the table.
pub fn entry(entry: &Entry) {
    tell(entry, Some(entry.seq), Some(&entry.digest));
}

/// Tells of what the table does not keep, because it happens so often.
pub fn event(event: &Event) {
    tell(&Entry::new(0, event), None, None);
}

fn tell(entry: &Entry, seq: Option<i64>, digest: Option<&str>) {
    tracing::info!(
        target: TARGET,
        seq,
        at = %entry.at,
        action = entry.action,
        outcome = entry.outcome,
        reason = some(&entry.reason),
        actor = entry.actor,
        user = some(&entry.user),
        session = some(&entry.session),
        client = some(&entry.client),
        source = some(&entry.source),
        request_id = some(&entry.request_id),
        detail = some(&entry.detail),
        digest,
        "audit"
    );
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
