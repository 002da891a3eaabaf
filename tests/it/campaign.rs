//! The checker of the campaigns on real processes (`tests/campaign`) finds what
//! it should, and nothing else.

#[path = "../campaign/checker.rs"]
mod checker;
#[path = "../campaign/history.rs"]
#[expect(dead_code, reason = "shared with the campaigns, which use more of it")]
mod history;

use checker::judge;
use history::{Call, Event, Moment, Outcome};

const BUDGET: Moment = 1_000_000;

fn event(times: (Moment, Moment), replica: usize, call: Call, outcome: Outcome) -> Event {
    let (begin, end) = times;
    Event { begin, end, replica, user: 1, call, outcome, calm: false }
}

fn tokens(refresh: u64, replayed: bool) -> Outcome {
    Outcome::Tokens { access: refresh + 100, refresh, replayed, seq: 0 }
}

fn refused() -> Outcome {
    Outcome::Refused { reason: "NO".to_owned() }
}

fn login() -> Event {
    event((0, 10), 0, Call::Login { chain: 1, password: 0 }, tokens(1, false))
}

fn verify(times: (Moment, Moment), replica: usize, staleness: Moment) -> Event {
    let call = Call::Verify { chain: 1, min_seq: 0 };
    event(times, replica, call, Outcome::Active { staleness })
}

fn revoke(times: (Moment, Moment), outcome: Outcome) -> Event {
    event(times, 0, Call::Revoke { chain: 1 }, outcome)
}

fn refresh(times: (Moment, Moment), presented: u64, outcome: Outcome) -> Event {
    event(times, 0, Call::Refresh { chain: 1, presented }, outcome)
}

fn change(times: (Moment, Moment), outcome: Outcome) -> Event {
    let call = Call::ChangePassword { chain: 1, next: 2, from: 0, to: 7 };
    event(times, 0, call, outcome)
}

fn log_in(times: (Moment, Moment), password: u32, outcome: Outcome) -> Event {
    event(times, 0, Call::Login { chain: 9, password }, outcome)
}

/// The promises that a history breaks, each with its line.
fn broken(events: &[Event]) -> Vec<(&'static str, usize)> {
    judge(events, BUDGET).into_iter().map(|broken| (broken.promise, broken.line)).collect()
}

#[test]
fn p1_the_replica_that_answered_accepts_nothing_from_then_on() {
    let revoked = revoke((20, 30), Outcome::Revoked { seq: 1 });
    let history = |verdict| [login(), revoked.clone(), verdict];
    assert_eq!(broken(&history(verify((31, 40), 0, 500))), [("P1", 3)]);
    assert_eq!(broken(&history(verify((30, 40), 0, 500))), []);
    assert_eq!(broken(&history(verify((31, 40), 1, 500))), []);
}

#[test]
fn p1_another_replica_is_as_good_as_what_it_says_of_itself() {
    let revoked = revoke((20, 30), Outcome::Revoked { seq: 3 });
    let history = |verdict| [login(), revoked.clone(), verdict];
    assert_eq!(broken(&history(verify((100, 110), 1, 69))), [("P1", 3)]);
    assert_eq!(broken(&history(verify((100, 110), 1, 70))), []);
    assert_eq!(broken(&history(verify((9, 10), 1, BUDGET + 1))), [("P1", 3)]);
    let demanding = |min_seq| {
        let call = Call::Verify { chain: 1, min_seq };
        history(event((31, 40), 1, call, Outcome::Active { staleness: 50 }))
    };
    assert_eq!(broken(&demanding(3)), [("P1", 3)]);
    assert_eq!(broken(&demanding(2)), []);
}

#[test]
fn p2_nothing_is_minted_from_what_was_ended() {
    for end in [revoke((20, 30), Outcome::Revoked { seq: 1 }), change((20, 30), tokens(7, false))] {
        let history = |begin| [login(), end.clone(), refresh((begin, 50), 1, tokens(2, false))];
        assert_eq!(broken(&history(31)), [("P2", 3)]);
        assert_eq!(broken(&history(30)), []);
    }
    let unknown =
        [login(), revoke((20, 30), Outcome::Lost), refresh((31, 50), 1, tokens(2, false))];
    assert_eq!(broken(&unknown), []);
}

#[test]
fn p3_honest_tokens_are_refused_only_when_something_may_have_ended_them() {
    let alone = [login(), refresh((31, 50), 1, refused())];
    assert_eq!(broken(&alone), [("P3", 2)]);
    let inactive = Outcome::Inactive { reason: "REVOKED".to_owned(), staleness: 0 };
    let verdict = event((31, 50), 0, Call::Verify { chain: 1, min_seq: 0 }, inactive);
    assert_eq!(broken(&[login(), verdict.clone()]), [("P3", 2)]);
    let lost = revoke((20, 30), Outcome::Lost);
    assert_eq!(broken(&[login(), lost.clone(), refresh((31, 50), 1, refused()), verdict]), []);
    let too_late = revoke((51, 60), Outcome::Lost);
    assert_eq!(broken(&[login(), refresh((31, 50), 1, refused()), too_late]), [("P3", 2)]);
    let nothing_done = change((20, 30), refused());
    assert_eq!(
        broken(&[login(), lost, nothing_done.clone()]),
        [],
        "refused, as its session may be gone"
    );
    assert_eq!(broken(&[login(), nothing_done]), [("P3", 2)]);
}

#[test]
fn p3_an_acknowledged_password_stays() {
    let changed = change((20, 30), tokens(7, false));
    let history = |event| [login(), changed.clone(), event];
    assert_eq!(broken(&history(log_in((31, 40), 0, tokens(8, false)))), [("P3", 3)]);
    assert_eq!(broken(&history(log_in((31, 40), 7, refused()))), [("P3", 3)]);
    assert_eq!(broken(&history(log_in((31, 40), 7, tokens(8, false)))), []);
    assert_eq!(broken(&history(log_in((31, 40), 0, refused()))), []);
    let in_doubt = change((20, 30), Outcome::Lost);
    for (password, outcome) in [(0, refused()), (0, tokens(8, false)), (7, refused())] {
        let history = [login(), in_doubt.clone(), log_in((31, 40), password, outcome)];
        assert_eq!(broken(&history), []);
    }
    assert_eq!(broken(&[login(), log_in((31, 40), 0, refused())]), [("P3", 2)]);
}

#[test]
fn p4_one_token_has_one_successor() {
    let history = |second| {
        let first = refresh((20, 30), 1, tokens(2, false));
        [login(), first, refresh((20, 31), 1, second)]
    };
    assert_eq!(broken(&history(tokens(2, true))), []);
    assert_eq!(broken(&history(tokens(3, true))), [("P4", 3)]);
    assert_eq!(broken(&history(tokens(2, false))), [("P4", 3)]);
    let first_answer_lost =
        [login(), refresh((20, 30), 1, Outcome::Lost), refresh((31, 40), 1, tokens(2, true))];
    assert_eq!(broken(&first_answer_lost), []);
}

#[test]
fn calm_excuses_nothing() {
    let mut history = [login(), revoke((20, 30), Outcome::Lost)];
    assert_eq!(broken(&history), []);
    history[1].calm = true;
    assert_eq!(broken(&history), [("recovery", 2)]);
    let defect = Outcome::Defect { reason: "INTERNAL".to_owned() };
    assert_eq!(broken(&[login(), revoke((20, 30), defect)]), [("contract", 2)]);
    assert_eq!(broken(&[login(), revoke((20, 30), refused())]), [("contract", 2)]);
}

/// A process that was stopped does late what nobody waits for any more: with a
/// token that is two behind by then, that is theft.
#[test]
fn p3_an_old_token_that_comes_late_may_end_its_session() {
    let late = || refresh((20, 30), 1, Outcome::Lost);
    let second = || refresh((40, 50), 1, tokens(2, false));
    let third = refresh((60, 70), 2, tokens(3, false));
    let refused_with = |presented| refresh((80, 90), presented, refused());
    assert_eq!(broken(&[login(), late(), second(), third, refused_with(3)]), []);
    assert_eq!(broken(&[login(), late(), second(), refused_with(2)]), [("P3", 4)], "one behind");
}
