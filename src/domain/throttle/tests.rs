use super::*;

const ACCOUNT: Allowance = Allowance { failures: 5, max_wait: Duration::from_mins(15) };
const RULES: ThrottleRules = ThrottleRules {
    account: ACCOUNT,
    source: Some(Allowance { failures: 50, max_wait: Duration::from_mins(5) }),
    global_failures: Some(1_000),
    forget_after: Duration::from_hours(1),
};
const HOUR_S: i64 = 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn micros(seconds: i64, micros: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + micros)
}

/// So many failures, the last at `last`.
fn failed(kind: Kind, times: i64, last: i64) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..times {
        tally.reserve(&RULES, at(last));
        tally.settle(kind, Ending::Failed, &RULES, at(last));
    }
    tally
}

#[test]
fn waits_double_up_to_the_longest() {
    for (failures, seconds) in [
        (0, 0),
        (4, 0),
        (5, 1),
        (6, 2),
        (7, 4),
        (14, 512),
        (15, 900),
        (16, 900),
        (40, 900),
        (i64::MAX, 900),
    ] {
        assert_eq!(ACCOUNT.wait_after(failures), Duration::from_secs(seconds), "{failures}");
    }
}

#[test]
fn an_attempt_is_let_in_exactly_when_its_wait_is_over() {
    for (failures, wait) in [(5, 1), (6, 2), (15, 900)] {
        let tally = failed(Kind::Account, failures, 100);
        let judge = |now| tally.judge(Kind::Account, ACCOUNT, now);
        let early = micros(100 + wait, -1);
        assert_eq!(judge(early), Admission::Throttled(Duration::from_micros(1)), "{failures}");
        assert_eq!(judge(at(100 + wait)), Admission::Admitted, "{failures}");
        assert_eq!(judge(micros(100 + wait, 1)), Admission::Admitted, "{failures}");
    }
    let free = failed(Kind::Account, 4, 100);
    assert_eq!(free.judge(Kind::Account, ACCOUNT, at(100)), Admission::Admitted);
}

/// LG-20: attempts that are not decided take the places of failures.
#[test]
fn lg_20_no_more_attempts_than_places_are_open() {
    let mut tally = failed(Kind::Account, 3, 100);
    for _ in 0..2 {
        assert_eq!(tally.judge(Kind::Account, ACCOUNT, at(100)), Admission::Admitted);
        tally.reserve(&RULES, at(100));
    }
    let busy = Admission::Busy(Kind::Account);
    assert_eq!(tally.judge(Kind::Account, ACCOUNT, at(100)), busy);
    tally.settle(Kind::Account, Ending::NotJudged, &RULES, at(101));
    assert_eq!(tally.judge(Kind::Account, ACCOUNT, at(101)), Admission::Admitted);
    let mut late = failed(Kind::Account, 9, 100);
    late.reserve(&RULES, at(200));
    assert_eq!(late.judge(Kind::Account, ACCOUNT, at(200)), busy, "beyond: one at a time");
}

/// LG-25: a source cannot clear itself with a user of its own.
#[test]
fn lg_25_success_clears_the_account_and_nothing_else() {
    let after = |kind| {
        let mut tally = failed(kind, 4, 100);
        tally.reserve(&RULES, at(100));
        tally.settle(kind, Ending::Succeeded, &RULES, at(101));
        tally
    };
    assert!(after(Kind::Account).is_empty());
    assert_eq!((after(Kind::Source).failures, after(Kind::Source).pending), (4, 0));
}

#[test]
fn failures_are_forgotten_at_their_hour() {
    // Of an account after the last failure, of a source after the first one.
    for (kind, end) in [(Kind::Account, 1_000 + HOUR_S), (Kind::Source, HOUR_S)] {
        let mut tally = failed(kind, 1, 0);
        tally.settle(kind, Ending::Failed, &RULES, at(1_000));
        assert_eq!(tally.at(kind, &RULES, micros(end, -1)).failures, 2, "{kind:?}");
        assert_eq!(tally.at(kind, &RULES, at(end)).failures, 0, "{kind:?}");
    }
}

/// LG-19: an attempt without an end has failed.
#[test]
fn lg_19_overdue_attempts_have_failed() {
    let mut tally = failed(Kind::Account, 3, 100);
    tally.reserve(&RULES, at(200));
    tally.reserve(&RULES, at(200));
    let due = at(200).plus(LEASE);
    let before = tally.at(Kind::Account, &RULES, due.minus(Duration::from_micros(1)));
    assert_eq!((before.failures, before.pending), (3, 2));
    let after = tally.at(Kind::Account, &RULES, due);
    assert_eq!((after.failures, after.pending, after.failed_at), (5, 0, at(200)));
    let mut late = after;
    late.settle(Kind::Account, Ending::NotJudged, &RULES, due);
    assert_eq!(late.pending, 0, "an end that comes too late takes nobody's place");
}

/// LG-36: a clock that was an hour ahead locks nobody for an hour, and one
/// that is behind lets nobody in.
#[test]
fn lg_36_wrong_clocks_lock_nobody() {
    let tally = failed(Kind::Account, 5, HOUR_S);
    let back = tally.at(Kind::Account, &RULES, at(0));
    let judged = back.judge(Kind::Account, ACCOUNT, at(0));
    assert_eq!(judged, Admission::Throttled(Duration::from_secs(1)));
    assert_eq!(back.judge(Kind::Account, ACCOUNT, at(1)), Admission::Admitted);
    assert_eq!(back.forget_at, at(HOUR_S));
    // Replicas may differ a little, and that is no reason to change anything.
    let near = failed(Kind::Account, 5, 2);
    assert_eq!(near.at(Kind::Account, &RULES, at(0)), near);
}

/// LG-27: many failures from everywhere leave less free to each.
#[test]
fn lg_27_allowances_are_strict_while_failures_abound() {
    assert!(!RULES.is_strict(&failed(Kind::Global, 999, 0)));
    assert!(RULES.is_strict(&failed(Kind::Global, 1_000, 0)));
    let free = |kind, strict| RULES.allowance(kind, strict).map(|allowance| allowance.failures);
    assert_eq!((free(Kind::Account, false), free(Kind::Account, true)), (Some(5), Some(1)));
    assert_eq!((free(Kind::Source, false), free(Kind::Source, true)), (Some(50), Some(10)));
    let few = Allowance { failures: 2, ..ACCOUNT };
    assert_eq!(few.strict().failures, 1);
}

#[test]
fn two_tallies_say_the_longest_wait() {
    let wait = |seconds| Admission::Throttled(Duration::from_secs(seconds));
    let (free, busy) = (Admission::Admitted, Admission::Busy(Kind::Source));
    assert_eq!(wait(1).and(wait(2)), wait(2));
    assert_eq!(busy.and(wait(1)), wait(1));
    assert_eq!(wait(1).and(free), wait(1));
    assert_eq!(free.and(busy), busy);
    assert_eq!(busy.and(free), busy);
    assert_eq!(free.and(free), free);
}

/// Places that an outage of ours lost are the account's failures and nobody
/// else's, and a busy source does not keep them for ever.
#[test]
fn lg_35_lost_places_end_after_the_lease() {
    let start = Timestamp::from_seconds(1_000);
    let mut tally = Tally::default();
    tally.reserve(&RULES, start);
    // Others come and go, and the first one never ends.
    for minute in 0..2 {
        let now = start.plus(Duration::from_secs(60 * minute + 30));
        tally = tally.at(Kind::Source, &RULES, now);
        tally.reserve(&RULES, now);
        tally.settle(Kind::Source, Ending::Succeeded, &RULES, now);
        assert_eq!(tally.pending, 1);
    }
    let source = tally.at(Kind::Source, &RULES, start.plus(LEASE));
    assert_eq!((source.pending, source.failures), (0, 0));
    let account = tally.at(Kind::Account, &RULES, start.plus(LEASE));
    assert_eq!((account.pending, account.failures), (0, 1));
}

/// LG-19 for the account; a source whose callers leave when we are slow has
/// learnt nothing.
#[test]
fn lg_19_who_leaves_has_failed_for_the_account_only() {
    let now = Timestamp::from_seconds(1_000);
    for (kind, failures) in [(Kind::Account, 1), (Kind::Source, 0)] {
        let mut tally = Tally::default();
        tally.reserve(&RULES, now);
        tally.settle(kind, Ending::Abandoned, &RULES, now);
        assert_eq!((tally.pending, tally.failures), (0, failures), "{kind:?}");
    }
}
