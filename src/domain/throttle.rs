//! Throttling of logins: how many may fail, and how long the next one then
//! has to wait.
//!
//! A [`Tally`] counts for one account, one source, or everybody. An attempt
//! takes a place in it *before* its password is looked at, and gives it back
//! with what was found: so attempts at the same time cannot outrun the count,
//! and who goes away in the middle has spent one. An attempt that finds all
//! places taken by others that are not decided yet is neither let in nor
//! refused ([`Admission::Busy`]): it waits for them.

use std::{fmt, time::Duration};

use super::clock::Timestamp;

/// What an attempt that never said how it ended counts as, after so long:
/// failed. Longer than any attempt takes.
pub const LEASE: Duration = Duration::from_mins(2);

/// While the whole service sees too many failures, every allowance is
/// divided by this.
pub const STRICT_DIVISOR: u32 = 5;

/// The wait after the last failure that was free; it doubles with each more.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A time so far ahead of now was written by a clock that was wrong.
const AHEAD_MAX: Duration = Duration::from_mins(1);

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One user, by whatever identifier; or one identifier that is nobody's.
    Account,
    /// One source: an IPv4 address, or a /64 of IPv6.
    Source,
    /// Everybody.
    Global,
}

impl Kind {
    /// The name, as the store keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Source => "source",
            Self::Global => "global",
        }
    }
}

/// A digest that stands for an account, a source, or a one-time token. What people type into the
/// wrong field, passwords included, is not kept in clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// From the bytes of a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What one account or source may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many logins may fail before the next has to wait. At least 1.
    pub failures: u32,
    /// The longest wait.
    pub max_wait: Duration,
}

impl Allowance {
    /// How long after the last of `failures` failures the next attempt may
    /// come: 1 s when the allowance is used up, then 2 s, 4 s and so on.
    pub fn wait_after(self, failures: i64) -> Duration {
        let over = failures.saturating_sub(i64::from(self.failures));
        if over < 0 {
            return Duration::ZERO;
        }
        let doublings = u32::try_from(over).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        FIRST_WAIT.saturating_mul(factor).min(self.max_wait)
    }

    /// What is left of it while failures abound.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { failures: (self.failures / STRICT_DIVISOR).max(1), ..self }
    }
}

/// All that is configured of throttling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRules {
    /// For each account.
    pub account: Allowance,
    /// For each source; `None` when sources are not told apart.
    pub source: Option<Allowance>,
    /// From so many failures of all on, the others are strict; `None` for
    /// never.
    pub global_failures: Option<u32>,
    /// An account's failures are forgotten so long after the last one; those
    /// of a source, and of all, so long after the first one.
    pub forget_after: Duration,
}

impl ThrottleRules {
    /// The allowance that holds for a kind, `strict` or not.
    pub fn allowance(&self, kind: Kind, strict: bool) -> Option<Allowance> {
        let usual = match kind {
            Kind::Account => Some(self.account),
            Kind::Source => self.source,
            Kind::Global => None,
        };
        usual.map(|allowance| if strict { allowance.strict() } else { allowance })
    }

    /// Are there so many failures of all that the allowances are strict?
    pub fn is_strict(&self, global: &Tally) -> bool {
        self.global_failures.is_some_and(|limit| global.failures >= i64::from(limit))
    }
}

/// May an attempt look at the password?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes; it has a place, and must say how it ended.
    Admitted,
    /// Others are being decided, on which it depends. It has to ask again.
    Busy(Kind),
    /// No, and not before so long from now.
    Throttled(Duration),
}

impl Admission {
    /// What two tallies say together: the longest wait counts, then any
    /// attempt that has to be waited for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Throttled(one), Self::Throttled(two)) => Self::Throttled(one.max(two)),
            (wait @ Self::Throttled(_), _) | (_, wait @ Self::Throttled(_)) => wait,
            (Self::Admitted, other) => other,
            (busy @ Self::Busy(_), _) => busy,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The password was right, and its user may log in.
    Succeeded,
    /// It was not.
    Failed,
    /// Nobody waited for the answer, so nothing was learnt: a failure of the
    /// account, which a short deadline shall not keep from counting, but not of
    /// the source, whose callers leave when we are slow.
    Abandoned,
    /// It was never looked at: there was no room for the work.
    NotJudged,
}

/// What is remembered of one account, one source, or everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that have failed.
    pub failures: i64,
    /// Attempts that are not decided yet.
    pub pending: i64,
    /// When the last one failed.
    pub failed_at: Timestamp,
    /// When the oldest of these began.
    pub reserved_at: Timestamp,
    /// When the failures are forgotten.
    pub forget_at: Timestamp,
}

impl Tally {
    /// What it says at `now`: attempts whose end is overdue have failed, old
    /// failures are forgotten, and times that a wrong clock has set far ahead
    /// are brought back, or they would lock the account until then.
    #[must_use]
    pub fn at(mut self, kind: Kind, rules: &ThrottleRules, now: Timestamp) -> Self {
        let wrong = now.plus(AHEAD_MAX);
        if self.failed_at > wrong {
            self.failed_at = now;
        }
        if self.reserved_at > wrong {
            self.reserved_at = now;
        }
        let latest = now.plus(rules.forget_after);
        if self.forget_at > latest.plus(AHEAD_MAX) {
            self.forget_at = latest;
        }
        if self.pending > 0 && now >= self.reserved_at.plus(LEASE) {
            // A source is not to pay for an outage of ours with failures that
            // nobody made.
            if kind == Kind::Account {
                self.fail(kind, rules, self.reserved_at, self.pending);
            }
            self.pending = 0;
        }
        if self.failures > 0 && now >= self.forget_at {
            self.failures = 0;
        }
        self
    }

    /// May one more attempt begin?
    pub fn judge(&self, kind: Kind, allowance: Allowance, now: Timestamp) -> Admission {
        let free = i64::from(allowance.failures);
        let until = self.failed_at.plus(allowance.wait_after(self.failures));
        if self.failures >= free && now < until {
            return Admission::Throttled(until.since(now));
        }
        // Beyond the allowance, one at a time.
        let places = free.saturating_sub(self.failures).max(1);
        if self.pending < places { Admission::Admitted } else { Admission::Busy(kind) }
    }

    /// One more attempt begins.
    pub fn reserve(&mut self, rules: &ThrottleRules, now: Timestamp) {
        // The oldest open place counts, or a busy source would keep places for
        // ever that were lost in an outage.
        if self.pending == 0 {
            self.reserved_at = now;
        }
        self.pending = self.pending.saturating_add(1);
        if self.failures == 0 {
            self.forget_at = now.plus(rules.forget_after);
        }
    }

    /// An attempt has ended. Only an account forgets its failures over a
    /// success: a source could otherwise clear itself with a user of its own.
    pub fn settle(&mut self, kind: Kind, ending: Ending, rules: &ThrottleRules, now: Timestamp) {
        self.pending = self.pending.saturating_sub(1).max(0);
        match ending {
            Ending::Succeeded if kind == Kind::Account => self.failures = 0,
            Ending::Abandoned if kind == Kind::Account => self.fail(kind, rules, now, 1),
            Ending::Failed => self.fail(kind, rules, now, 1),
            Ending::Succeeded | Ending::Abandoned | Ending::NotJudged => {}
        }
    }

    /// Is there nothing to remember?
    pub fn is_empty(&self) -> bool {
        self.failures == 0 && self.pending == 0
    }

    fn fail(&mut self, kind: Kind, rules: &ThrottleRules, at: Timestamp, count: i64) {
        if self.failures == 0 || kind == Kind::Account {
            self.forget_at = at.plus(rules.forget_after);
        }
        self.failures = self.failures.saturating_add(count);
        self.failed_at = at;
    }
}

#[cfg(test)]
mod tests;
