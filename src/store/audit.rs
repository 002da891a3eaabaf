//! The audit log: entries are written in the transaction of what they tell,
//! as its last statements, and told as log lines once it is committed.

use super::{
    engine::Engine,
    port::{AuditPage, StoreError},
    rows::{Fields, audit_entry},
    sql,
    unit::Unit,
};
use crate::domain::{
    audit::{Entry, Event, Filter},
    clock::Timestamp,
};

/// Before every time, and after.
const ALL_TIME: (Timestamp, Timestamp) =
    (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));

/// Writes one event. From here on nobody else can write any until this
/// transaction ends: the last thing that a transaction does.
pub(super) async fn record<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    event: Event,
) -> Result<(), StoreError> {
    record_all(unit, &[event]).await
}

/// Writes events in their order.
pub(super) async fn record_all<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    events: &[Event],
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let head = unit.query(sql::TAKE_AUDIT_SEQ).bind(count).one().await?;
    let fields = Fields::<DB>::new(&head, "audit_head", "seq");
    let first = fields.int("seq")?.saturating_sub(count).saturating_add(1);
    let mut digest = fields.text("digest")?;
    for (seq, event) in (first..).zip(events) {
        let mut entry = Entry::new(seq, event);
        entry.digest = entry.seal(&digest, unit.sha256());
        digest.clone_from(&entry.digest);
        insert(unit, &entry).await?;
        unit.tell_entry(entry);
    }
    unit.query(sql::SET_AUDIT_DIGEST).bind(digest).run().await
}

async fn insert<DB: Engine>(unit: &mut Unit<'_, DB>, entry: &Entry) -> Result<(), StoreError> {
    let insert = unit.query(sql::INSERT_AUDIT_EVENT).bind(entry.seq).bind(entry.at);
    let texts = [
        &entry.action,
        &entry.outcome,
        &entry.reason,
        &entry.actor,
        &entry.user,
        &entry.session,
        &entry.client,
        &entry.source,
        &entry.request_id,
        &entry.detail,
        &entry.digest,
    ];
    texts.into_iter().fold(insert, |insert, text| insert.bind(text.as_str())).run().await
}

pub(super) async fn after<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (seq, limit): &(i64, u32),
) -> Result<Vec<Entry>, StoreError> {
    let rows = unit.query(sql::SELECT_AUDIT_AFTER).bind(*seq).bind(*limit).all().await?;
    rows.iter().map(audit_entry::<DB>).collect()
}

/// The newest place, and its digest.
pub(super) async fn head<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (): &(),
) -> Result<(i64, String), StoreError> {
    let row = unit.query(sql::SELECT_AUDIT_HEAD).one().await?;
    let fields = Fields::<DB>::new(&row, "audit_head", "seq");
    Ok((fields.int("seq")?, fields.text("digest")?))
}

pub(super) async fn list<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    page: &AuditPage,
) -> Result<Vec<Entry>, StoreError> {
    let Filter { user, session, client, actor, action, outcome, since, until } = &page.filter;
    let statement = match user.as_str() {
        "" => sql::SELECT_AUDIT_EVENTS,
        _ => sql::SELECT_AUDIT_EVENTS_OF_USER,
    };
    let query = unit.query(statement).bind(page.before.unwrap_or(i64::MAX)).bind(page.limit);
    let texts = [user, session, client, actor, action, outcome];
    let query = texts.into_iter().fold(query, |query, text| query.bind(text.as_str()));
    let query = query.bind(since.unwrap_or(ALL_TIME.0)).bind(until.unwrap_or(ALL_TIME.1));
    query.all().await?.iter().map(audit_entry::<DB>).collect()
}
