//! The revocation log: places in it, entries, and reading it.

use super::{
    engine::Engine,
    instance,
    port::{Look, StoreError, Sweep, Swept},
    rows::{Fields, log_head, revocation},
    sql,
    unit::Unit,
};
use crate::domain::{
    clock::Timestamp,
    error::Fault,
    revocation::{Draft, ENTRY_MARGIN, LEEWAY_MAX, LogHead, Revocation, Target},
};

/// What the log says of something that was to be revoked.
pub(super) enum Logged {
    /// It is revoked by this.
    New(Revocation),
    /// It was revoked before; this is in force.
    InForce(Revocation),
}

impl Logged {
    pub(super) fn into_entry(self) -> Revocation {
        match self {
            Self::New(entry) | Self::InForce(entry) => entry,
        }
    }
}

/// The head, locked until the end of the transaction.
pub(super) struct LockedHead {
    head: LogHead,
    pub(super) version_floor: i64,
    /// The database's clock, if it has one, when the head was asked for.
    database_time: Option<Timestamp>,
}

/// Takes `count` places. Nobody else can take any until this transaction
/// ends: the last thing a transaction should wait for.
pub(super) async fn take_places<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    count: usize,
) -> Result<LockedHead, StoreError> {
    // Before the lock: nobody has to wait for this.
    let database_time = instance::database_time(unit).await?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let row = unit.query(sql::TAKE_SEQ).bind(count).optional().await?;
    let unclaimed = || StoreError::Corrupt(Fault::from("revocation_head is empty: not claimed"));
    let row = row.ok_or_else(unclaimed)?;
    let fields = Fields::<DB>::new(&row, "revocation_head", "seq");
    let version_floor = fields.int("version_floor")?;
    Ok(LockedHead { head: log_head::<DB>(&row)?, version_floor, database_time })
}

/// Writes one entry at the place that was just taken.
pub(super) async fn append<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    draft: Draft,
) -> Result<Revocation, StoreError> {
    let locked = take_places(unit, 1).await?;
    write(unit, &locked, locked.head.seq, draft).await
}

/// Writes entries in their order.
pub(super) async fn append_all<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    drafts: Vec<Draft>,
) -> Result<Vec<Revocation>, StoreError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let locked = take_places(unit, drafts.len()).await?;
    let first = locked.head.seq.saturating_add(1).saturating_sub_unsigned(drafts.len() as u64);
    let mut written = Vec::with_capacity(drafts.len());
    for (seq, draft) in (first..).zip(drafts) {
        written.push(write(unit, &locked, seq, draft).await?);
    }
    Ok(written)
}

/// Writes one entry at the newest place of `locked`.
pub(super) async fn write_newest<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    locked: &LockedHead,
    draft: Draft,
) -> Result<Revocation, StoreError> {
    write(unit, locked, locked.head.seq, draft).await
}

async fn write<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    locked: &LockedHead,
    seq: i64,
    draft: Draft,
) -> Result<Revocation, StoreError> {
    // Ours may be slow, and replicas whose clocks are right still mint.
    let counted_from = locked.database_time.map_or(draft.at, |theirs| theirs.max(draft.at));
    let entry = draft.placed(seq, &locked.head, counted_from);
    let (kind, subject, min_version) = stored(&entry.target);
    unit.query(sql::INSERT_ENTRY)
        .bind(entry.seq)
        .bind(entry.id)
        .bind(kind)
        .bind(subject)
        .bind(min_version)
        .bind(entry.expires_at)
        .bind(entry.at)
        .bind(entry.reason.as_str())
        .bind(entry.actor.as_str())
        .run()
        .await?;
    Ok(entry)
}

/// The entry in force for a target that was revoked before: the newest one
/// about it, or, once that has been swept, what it must have said.
pub(super) async fn in_force<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    draft: Draft,
) -> Result<Revocation, StoreError> {
    if let Some(newest) = newest_about(unit, &draft.target).await? {
        return Ok(newest);
    }
    let head = log_head::<DB>(&unit.query(sql::SELECT_HEAD).one().await?)?;
    let counted_from = draft.at;
    Ok(draft.placed(head.seq, &head, counted_from))
}

/// The newest entry about a target that is still there.
pub(super) async fn newest_about<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    target: &Target,
) -> Result<Option<Revocation>, StoreError> {
    let (kind, subject, _) = stored(target);
    let newest = unit.query(sql::SELECT_ENTRY_IN_FORCE).bind(kind).bind(subject);
    newest.optional().await?.map(|row| revocation::<DB>(&row)).transpose()
}

/// A target as its columns `kind`, `subject` and `min_version`.
fn stored(target: &Target) -> (&'static str, String, Option<i64>) {
    match target {
        Target::Session(id) => ("session", id.to_string(), None),
        Target::User { id, min_version } => ("user", id.to_string(), Some(*min_version)),
        Target::Client { id, min_version } => ("client", id.to_string(), Some(*min_version)),
        Target::Key(kid) => ("key", kid.to_string(), None),
        Target::All { min_version } => ("all", String::new(), Some(*min_version)),
    }
}

pub(super) async fn look<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    known_seq: &i64,
) -> Result<Look, StoreError> {
    let row = unit.query(sql::LOOK).bind(*known_seq).one().await?;
    let fields = Fields::<DB>::new(&row, "revocations", "known_id");
    let known_id = match fields.optional_text("known_id")? {
        Some(_) => Some(fields.uuid("known_id")?),
        None => None,
    };
    Ok(Look { head: log_head::<DB>(&row)?, known_id })
}

pub(super) async fn after<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    (seq, limit): &(i64, u32),
) -> Result<Vec<Revocation>, StoreError> {
    let rows = unit.query(sql::SELECT_LOG).bind(*seq).bind(*limit).all().await?;
    rows.iter().map(revocation::<DB>).collect()
}

pub(super) async fn sweep<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    Sweep { now, audit_before, limit }: &Sweep,
) -> Result<Swept, StoreError> {
    let expired = unit.query(sql::DELETE_EXPIRED).bind(now.minus(LEEWAY_MAX)).bind(*limit);
    let expired = expired.all().await?.len();
    let revoked = unit.query(sql::DELETE_REVOKED).bind(now.minus(ENTRY_MARGIN)).bind(*limit);
    let revoked = revoked.all().await?.len();
    let entries = unit.query(sql::DELETE_DEAD_ENTRIES).bind(*now).bind(*limit);
    let entries = entries.all().await?.len();
    let forgotten = unit.query(sql::DELETE_FORGOTTEN).bind(*now).bind(*limit);
    let forgotten = forgotten.all().await?.len();
    let tokens = unit.query(sql::DELETE_DEAD_TOKENS).bind(*now).bind(*limit).all().await?.len();
    let used = unit.query(sql::DELETE_ASSERTIONS).bind(now.minus(LEEWAY_MAX)).bind(*limit);
    let used = used.all().await?.len();
    let audited = unit.query(sql::DELETE_OLD_AUDIT).bind(*audit_before).bind(*limit);
    let audited = audited.all().await?.len();
    let removed = [expired, revoked, entries, forgotten, tokens, used, audited];
    let removed = removed.map(|rows| rows as u64);
    let more = removed.iter().any(|rows| *rows >= u64::from(*limit));
    Ok(Swept { rows: removed.iter().sum(), more })
}
