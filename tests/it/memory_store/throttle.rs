//! Counting logins.

use tokenward::{
    domain::throttle::{Admission, Ending, Kind, Tally},
    store::port::{Attempt, EndAttempt},
};

use super::state::State;

type Key = (&'static str, String);

impl State {
    /// Takes a place in every tally, or in none.
    pub(super) fn begin_attempt(&mut self, attempt: &Attempt) -> Admission {
        let strict = self.is_strict(attempt);
        let (mut admission, mut tallies) = (Admission::Admitted, Vec::new());
        for (kind, subject) in attempt.subjects() {
            let Some(allowance) = attempt.rules.allowance(kind, strict) else { continue };
            let key = (kind.as_str(), subject.to_string());
            let tally = self.tally(&key).at(kind, &attempt.rules, attempt.now);
            admission = admission.and(tally.judge(kind, allowance, attempt.now));
            tallies.push((key, tally));
        }
        for (key, mut tally) in tallies {
            if admission == Admission::Admitted {
                tally.reserve(&attempt.rules, attempt.now);
            }
            self.keep(key, tally);
        }
        admission
    }

    /// Gives the places back. True when this failure is the one from which on
    /// the allowances are strict.
    pub(super) fn end_attempt(
        &mut self,
        EndAttempt { attempt, ending, failure }: &EndAttempt,
    ) -> bool {
        for (kind, subject) in attempt.subjects() {
            self.settle(kind, subject.to_string(), attempt, *ending);
        }
        let limit = attempt.rules.global_failures.filter(|_| *ending == Ending::Failed);
        let global = limit.map(|_| self.settle(Kind::Global, String::new(), attempt, *ending));
        if let (Ending::Failed | Ending::Abandoned, Some(event)) = (ending, failure) {
            self.tell(event);
        }
        limit.map(i64::from) == global.map(|global| global.failures) && limit.is_some()
    }

    fn is_strict(&self, attempt: &Attempt) -> bool {
        let global = self.tally(&(Kind::Global.as_str(), String::new()));
        attempt.rules.is_strict(&global.at(Kind::Global, &attempt.rules, attempt.now))
    }

    fn settle(&mut self, kind: Kind, subject: String, attempt: &Attempt, ending: Ending) -> Tally {
        let key = (kind.as_str(), subject);
        let mut tally = self.tally(&key).at(kind, &attempt.rules, attempt.now);
        tally.settle(kind, ending, &attempt.rules, attempt.now);
        self.keep(key, tally);
        tally
    }

    fn tally(&self, key: &Key) -> Tally {
        self.tallies.get(key).copied().unwrap_or_default()
    }

    fn keep(&mut self, key: Key, tally: Tally) {
        if tally.is_empty() {
            self.tallies.remove(&key);
        } else {
            self.tallies.insert(key, tally);
        }
    }
}
