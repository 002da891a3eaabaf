//! Counting logins: places are taken before passwords are looked at, and
//! given back with what was found.
//!
//! Rows are locked in one order, account before source before everybody, so
//! that two attempts never wait for each other.

use super::{
    audit,
    engine::Engine,
    port::{Attempt, EndAttempt, StoreError},
    rows::Fields,
    sql,
    unit::Unit,
};
use crate::domain::throttle::{Admission, Ending, Fingerprint, Kind, Tally};

/// The answer, if no write is needed for it: a refusal. A flood of refused
/// attempts shall not keep others from writing.
pub(super) async fn look<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    attempt: &Attempt,
) -> Result<Option<Admission>, StoreError> {
    let strict = is_strict(unit, attempt).await?;
    let mut refusal = None;
    for (kind, subject) in attempt.subjects() {
        let Some(allowance) = attempt.rules.allowance(kind, strict) else { continue };
        let query = unit.query(sql::SELECT_TALLY).bind(kind.as_str()).bind(subject.to_string());
        let Some(row) = query.optional().await? else { continue };
        let stored = tally::<DB>(&row)?;
        let current = stored.at(kind, &attempt.rules, attempt.now);
        match current.judge(kind, allowance, attempt.now) {
            // A wrong clock's times have to be repaired, or this lasts too long.
            wait @ Admission::Throttled(_) if current == stored => {
                refusal = Some(refusal.map_or(wait, |other: Admission| other.and(wait)));
            }
            _ => {}
        }
    }
    Ok(refusal)
}

/// Takes a place in every tally, or in none.
pub(super) async fn begin<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    attempt: &Attempt,
) -> Result<Admission, StoreError> {
    let strict = is_strict(unit, attempt).await?;
    let (mut admission, mut tallies, mut repaired) = (Admission::Admitted, Vec::new(), false);
    for (kind, subject) in attempt.subjects() {
        let Some(allowance) = attempt.rules.allowance(kind, strict) else { continue };
        let subject = subject.to_string();
        let stored = lock(unit, kind, &subject).await?;
        let tally = stored.at(kind, &attempt.rules, attempt.now);
        repaired |= tally != stored;
        admission = admission.and(tally.judge(kind, allowance, attempt.now));
        tallies.push((kind, subject, tally));
    }
    if admission != Admission::Admitted && !repaired {
        unit.undo();
        return Ok(admission);
    }
    for (kind, subject, mut tally) in tallies {
        if admission == Admission::Admitted {
            tally.reserve(&attempt.rules, attempt.now);
        }
        keep(unit, kind, &subject, &tally).await?;
    }
    Ok(admission)
}

/// Gives the places back. True when this failure is the one from which on the
/// allowances are strict.
pub(super) async fn end<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    EndAttempt { attempt, ending, failure }: &EndAttempt,
) -> Result<bool, StoreError> {
    let strict = give_back(unit, attempt, *ending).await?;
    if let (Ending::Failed | Ending::Abandoned, Some(event)) = (ending, failure) {
        audit::record(unit, event.clone()).await?;
    }
    Ok(strict)
}

async fn give_back<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    attempt: &Attempt,
    ending: Ending,
) -> Result<bool, StoreError> {
    for (kind, subject) in attempt.subjects() {
        settle(unit, kind, &subject.to_string(), attempt, ending).await?;
    }
    if ending != Ending::Failed || attempt.rules.global_failures.is_none() {
        return Ok(false);
    }
    let global = settle(unit, Kind::Global, "", attempt, ending).await?;
    Ok(attempt.rules.global_failures.map(i64::from) == Some(global.failures))
}

/// Forgets what was counted for an account.
pub(super) async fn forget<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    account: &Fingerprint,
) -> Result<(), StoreError> {
    let (kind, subject) = (Kind::Account.as_str(), account.to_string());
    unit.query(sql::DELETE_TALLY).bind(kind).bind(subject).run().await
}

async fn settle<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    kind: Kind,
    subject: &str,
    attempt: &Attempt,
    ending: Ending,
) -> Result<Tally, StoreError> {
    let mut tally = lock(unit, kind, subject).await?.at(kind, &attempt.rules, attempt.now);
    tally.settle(kind, ending, &attempt.rules, attempt.now);
    keep(unit, kind, subject, &tally).await?;
    Ok(tally)
}

async fn is_strict<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    attempt: &Attempt,
) -> Result<bool, StoreError> {
    if attempt.rules.global_failures.is_none() {
        return Ok(false);
    }
    let query = unit.query(sql::SELECT_TALLY).bind(Kind::Global.as_str()).bind("");
    let Some(row) = query.optional().await? else { return Ok(false) };
    let global = tally::<DB>(&row)?.at(Kind::Global, &attempt.rules, attempt.now);
    Ok(attempt.rules.is_strict(&global))
}

async fn lock<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    kind: Kind,
    subject: &str,
) -> Result<Tally, StoreError> {
    let row = unit.query(sql::LOCK_TALLY).bind(kind.as_str()).bind(subject).one().await?;
    tally::<DB>(&row)
}

async fn keep<DB: Engine>(
    unit: &mut Unit<'_, DB>,
    kind: Kind,
    subject: &str,
    tally: &Tally,
) -> Result<(), StoreError> {
    if tally.is_empty() {
        return unit.query(sql::DELETE_TALLY).bind(kind.as_str()).bind(subject).run().await;
    }
    unit.query(sql::UPDATE_TALLY)
        .bind(kind.as_str())
        .bind(subject)
        .bind(tally.failures)
        .bind(tally.pending)
        .bind(tally.failed_at)
        .bind(tally.reserved_at)
        .bind(tally.forget_at)
        .run()
        .await
}

fn tally<DB: Engine>(row: &DB::Row) -> Result<Tally, StoreError> {
    let fields = Fields::<DB>::new(row, "login_failures", "subject");
    Ok(Tally {
        failures: fields.int("failures")?,
        pending: fields.int("pending")?,
        failed_at: fields.time("failed_at")?,
        reserved_at: fields.time("reserved_at")?,
        forget_at: fields.time("forget_at")?,
    })
}
