//! Judges a history by the promises P1 to P4 (SECURITY.md), and by nothing but
//! what stands in it.

use std::collections::HashMap;

use serde::Serialize;

use super::history::{Call, Event, Moment, Outcome};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
    /// The line of the history, counted from 1; 0 if it is about all of them.
    pub(crate) line: usize,
}

/// What the history breaks, in its order. No verdict may be given by older
/// knowledge than `staleness_budget` allows.
pub(crate) fn judge(events: &[Event], staleness_budget: Moment) -> Vec<Broken> {
    let mut judge = Judge {
        ends: ends(events),
        passwords: passwords(events),
        successors: HashMap::new(),
        staleness_budget,
    };
    let found = events.iter().enumerate().filter_map(|(index, event)| {
        let (promise, what) = judge.look(event)?;
        Some(Broken { promise, what, line: index + 1 })
    });
    found.collect()
}

struct Judge {
    /// By chain, whatever may have ended it.
    ends: HashMap<u32, Vec<End>>,
    /// By user.
    passwords: HashMap<u32, Vec<Change>>,
    /// By refresh token, the pair that it was exchanged for, and whether that
    /// was said to be for the first time.
    successors: HashMap<u64, (u64, u64, bool)>,
    staleness_budget: Moment,
}

/// What ends a chain: asked for at a time, and perhaps acknowledged.
struct End {
    begin: Moment,
    acknowledged: Option<Moment>,
    replica: usize,
    seq: i64,
}

/// Another password, asked for at a time, and perhaps acknowledged.
struct Change {
    begin: Moment,
    acknowledged: Option<Moment>,
    from: u32,
    to: u32,
}

type Finding = Option<(&'static str, String)>;

impl Judge {
    fn look(&mut self, event: &Event) -> Finding {
        use Outcome::{Active, Defect, Inactive, Lost, Refused, Tokens, Unavailable};
        match (&event.outcome, event.call) {
            (Defect { reason }, _) => Some(("contract", format!("an answer {reason}"))),
            (Unavailable { .. } | Lost, _) if event.calm => {
                Some(("recovery", "no answer although all is well".to_owned()))
            }
            (Active { staleness }, Call::Verify { chain, min_seq }) => {
                self.stale(*staleness).or_else(|| self.accepted(event, chain, min_seq, *staleness))
            }
            (Inactive { reason, staleness }, Call::Verify { chain, .. }) => {
                self.stale(*staleness).or_else(|| self.refused(event, chain, reason))
            }
            (Tokens { access, refresh, replayed, .. }, Call::Refresh { chain, presented }) => self
                .minted(event, chain)
                .or_else(|| self.branched(presented, (*access, *refresh, !replayed))),
            (Tokens { .. }, Call::ChangePassword { chain, .. }) => self.minted(event, chain),
            (
                Refused { reason },
                Call::Refresh { chain, .. } | Call::ChangePassword { chain, .. },
            ) => self.refused(event, chain, reason),
            (Tokens { .. }, Call::Login { password, .. }) => self.let_in(event, password),
            (Refused { reason }, Call::Login { password, .. }) => {
                self.locked_out(event, password, reason)
            }
            (Refused { reason }, Call::Revoke { .. }) => {
                Some(("contract", format!("Revoke was refused: {reason}")))
            }
            _ => None,
        }
    }

    /// P1: past its budget a replica judges nothing.
    fn stale(&self, staleness: Moment) -> Finding {
        let said = format!("a verdict by knowledge that is {staleness} µs old");
        (staleness > self.staleness_budget).then_some(("P1", said))
    }

    /// P1: an end that the replica acknowledged, that is older than what the
    /// replica says it knows, or that the caller demanded to be known.
    fn accepted(&self, event: &Event, chain: u32, min_seq: i64, staleness: Moment) -> Finding {
        let is_known = |end: &&End| {
            let Some(acknowledged) = end.acknowledged else { return false };
            let own = end.replica == event.replica && acknowledged < event.begin;
            let looked = event.begin.saturating_sub(staleness);
            own || acknowledged < looked || (end.seq > 0 && end.seq <= min_seq)
        };
        let end = self.ends(chain).find(is_known)?;
        let late = event.begin.saturating_sub(end.acknowledged?);
        Some(("P1", format!("accepted {late} µs after the answer of replica {}", end.replica)))
    }

    /// P2: nothing comes of what was ended.
    fn minted(&self, event: &Event, chain: u32) -> Finding {
        let acknowledged = self.ends(chain).filter_map(|end| end.acknowledged);
        let end = acknowledged.filter(|end| *end < event.begin).min()?;
        Some(("P2", format!("tokens {} µs after the answer", event.begin - end)))
    }

    /// P3: what was acknowledged is there, unless it was ended.
    fn refused(&self, event: &Event, chain: u32, reason: &str) -> Finding {
        let is_excused = self.ends(chain).any(|end| end.begin < event.end);
        (!is_excused).then(|| ("P3", format!("an honest token was refused: {reason}")))
    }

    /// P4: one refresh token has one successor, which is new once.
    fn branched(&mut self, presented: u64, pair: (u64, u64, bool)) -> Finding {
        let known = self.successors.insert(presented, pair)?;
        let is_new_again = known.2 && pair.2;
        // Whoever comes first stays: that one of them was the first is known.
        self.successors.insert(presented, (known.0, known.1, known.2 || pair.2));
        if (known.0, known.1) != (pair.0, pair.1) {
            return Some(("P4", "another successor of the same token".to_owned()));
        }
        is_new_again.then(|| ("P4", "the same token was exchanged twice".to_owned()))
    }

    /// P3: an acknowledged change of the password took the older ones away.
    fn let_in(&self, event: &Event, password: u32) -> Finding {
        let changes = self.passwords.get(&event.user).map_or(&[][..], Vec::as_slice);
        let made = changes.iter().find(|change| change.to == password).map(|change| change.begin);
        let is_over = |change: &&Change| {
            let is_later = made.is_none_or(|made| made < change.begin);
            let is_done = change.acknowledged.is_some_and(|end| end < event.begin);
            change.to != password && is_later && is_done
        };
        changes.iter().find(is_over)?;
        Some(("P3", format!("password {password} is good again")))
    }

    /// P3: the password that was set last is good.
    fn locked_out(&self, event: &Event, password: u32, reason: &str) -> Finding {
        let changes = self.passwords.get(&event.user).map_or(&[][..], Vec::as_slice);
        let is_left = changes.iter().any(|c| c.from == password && c.begin < event.end);
        let is_set = |change: &Change| {
            change.to == password && change.acknowledged.is_some_and(|end| end < event.begin)
        };
        let was_set = password == 0 || changes.iter().any(is_set);
        let what = || format!("password {password} was refused: {reason}");
        (was_set && !is_left).then(|| ("P3", what()))
    }

    fn ends(&self, chain: u32) -> impl Iterator<Item = &End> {
        self.ends.get(&chain).into_iter().flatten()
    }
}

/// A change of the password ends every chain of its user that it may have
/// found; for certain, those that were complete before it began.
fn ends(events: &[Event]) -> HashMap<u32, Vec<End>> {
    let mut ends: HashMap<u32, Vec<End>> = HashMap::new();
    let births = births(events);
    let exchanges = exchanges(events);
    for event in events.iter().filter(|event| event.outcome.may_be_done()) {
        let acknowledged = event.outcome.is_done().then_some(event.end);
        let end = |acknowledged| {
            let seq = match event.outcome {
                Outcome::Revoked { seq } | Outcome::Tokens { seq, .. } => seq,
                _ => 0,
            };
            End { begin: event.begin, acknowledged, replica: event.replica, seq }
        };
        match event.call {
            Call::Revoke { chain } => ends.entry(chain).or_default().push(end(acknowledged)),
            // Without an answer it may be done when its token is two behind:
            // then it looks like theft.
            Call::Refresh { chain, presented } if acknowledged.is_none() => {
                let successor = exchanges.get(&presented).map(|(successor, _)| successor);
                if let Some((_, begin)) = successor.and_then(|next| exchanges.get(next)) {
                    ends.entry(chain).or_default().push(End { begin: *begin, ..end(None) });
                }
            }
            Call::ChangePassword { next, .. } => {
                let others = births.get(&event.user).into_iter().flatten();
                for (chain, begin, complete) in others.filter(|(chain, ..)| *chain != next) {
                    let ends = ends.entry(*chain).or_default();
                    // Nothing dies twice.
                    let is_over = |end: &End| end.acknowledged.is_some_and(|at| at < event.begin);
                    // Without an answer it may come at any time.
                    let is_met = acknowledged.is_none_or(|end| *begin < end);
                    if is_met && !ends.iter().any(is_over) {
                        let certain = acknowledged.filter(|_| *complete < event.begin);
                        ends.push(end(certain));
                    }
                }
            }
            _ => {}
        }
    }
    ends
}

/// By refresh token: its successor, and when it was first asked for.
fn exchanges(events: &[Event]) -> HashMap<u64, (u64, Moment)> {
    let mut exchanges = HashMap::new();
    for event in events {
        if let (Call::Refresh { presented, .. }, Outcome::Tokens { refresh, .. }) =
            (event.call, &event.outcome)
        {
            exchanges.entry(presented).or_insert((*refresh, event.begin));
        }
    }
    exchanges
}

/// By user: the chains, and when each was asked for and complete.
fn births(events: &[Event]) -> HashMap<u32, Vec<(u32, Moment, Moment)>> {
    let mut births: HashMap<u32, Vec<_>> = HashMap::new();
    for event in events.iter().filter(|event| event.outcome.is_done()) {
        if let Call::Login { chain, .. } | Call::ChangePassword { next: chain, .. } = event.call {
            births.entry(event.user).or_default().push((chain, event.begin, event.end));
        }
    }
    births
}

fn passwords(events: &[Event]) -> HashMap<u32, Vec<Change>> {
    let mut passwords: HashMap<u32, Vec<_>> = HashMap::new();
    for event in events.iter().filter(|event| event.outcome.may_be_done()) {
        if let Call::ChangePassword { from, to, .. } = event.call {
            let acknowledged = event.outcome.is_done().then_some(event.end);
            let change = Change { begin: event.begin, acknowledged, from, to };
            passwords.entry(event.user).or_default().push(change);
        }
    }
    passwords
}
