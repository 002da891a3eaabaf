//! The key schedule: file names say which key signs when.

use std::time::Duration;

use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::clock::Timestamp;

/// How long a retired access key stays published after the last token it
/// signed is dead: the largest clock difference that verifiers allow.
pub const RETIREMENT_MARGIN: Duration = Duration::from_mins(5);

/// Which set a key belongs to. The sets never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Signs access tokens; published in the JWKS.
    Access,
    /// Signs refresh tokens and cookies; never published, so that no resource
    /// server can ever take one of them for an access token.
    Refresh,
}

impl KeyPurpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Access, Self::Refresh];
}

const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]-[minute]-[second]Z");

/// The instant from which a key file signs, read from its name:
/// `2026-12-01T00-00-00Z.pem`. `None` for a file of any other name.
pub fn signs_from(file_name: &str) -> Option<Timestamp> {
    let stem = file_name.strip_suffix(".pem")?;
    let instant = PrimitiveDateTime::parse(stem, INSTANT).ok()?.assume_utc();
    Some(Timestamp::from_seconds(instant.unix_timestamp()))
}

/// The name of a key file that signs from `instant`; the inverse of
/// [`signs_from`]. `None` outside the years 0 to 9999.
pub fn file_name(instant: Timestamp) -> Option<String> {
    let instant = time::OffsetDateTime::from_unix_timestamp(instant.seconds()).ok()?;
    Some(format!("{}.pem", instant.format(INSTANT).ok()?))
}

/// From when the first keys of a new folder sign: fixed, so that replicas
/// which start at once on an empty folder make the same file. 2000-01-01.
pub const FIRST_INSTANT: Timestamp = Timestamp::from_seconds(946_684_800);

/// How keys change by themselves.
#[derive(Clone, Copy, Debug)]
pub struct RotationRules {
    /// Time from one key's instant to the next one's.
    pub period: Duration,
    /// A key is made at least this long before it signs.
    pub lead: Duration,
}

/// Should the next key of a schedule be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// No: one stands by.
    NotYet,
    /// No: a file without a date is somebody's own, who changes it by hand.
    Undated,
    /// Yes, to sign from then on.
    At(Timestamp),
}

/// One key of a schedule.
#[derive(Clone, Debug)]
pub struct Scheduled<K> {
    /// The file's name.
    pub name: String,
    /// From when it signs; `None` for a file whose name is no instant.
    pub signs_from: Option<Timestamp>,
    /// The key itself.
    pub key: K,
}

/// Keys of one purpose in the order in which they sign. Undated keys stand
/// before dated ones; of several undated ones the first in byte order signs.
#[derive(Clone, Debug)]
pub struct Schedule<K> {
    keys: Vec<Scheduled<K>>,
}

impl<K> Schedule<K> {
    /// Orders the keys of a directory: (file name, key).
    pub fn new(files: impl IntoIterator<Item = (String, K)>) -> Self {
        let mut keys: Vec<_> = files
            .into_iter()
            .map(|(name, key)| Scheduled { signs_from: signs_from(&name), name, key })
            .collect();
        keys.sort_by(|a, b| (a.signs_from, &a.name).cmp(&(b.signs_from, &b.name)));
        Self { keys }
    }

    /// Every key, whatever its time.
    pub fn iter(&self) -> impl Iterator<Item = &Scheduled<K>> {
        self.keys.iter()
    }

    /// The key that signs at `at`: the newest whose instant has passed, or
    /// else the first undated one. For a revoked key the next one signs that
    /// is not, whatever its instant: it has been published, and all replicas
    /// come to the same one without talking.
    pub fn signer_at(
        &self,
        at: Timestamp,
        is_revoked: impl Fn(&K) -> bool,
    ) -> Option<&Scheduled<K>> {
        let passed = |k: &Scheduled<K>| k.signs_from.is_some_and(|from| from <= at);
        let scheduled = match self.keys.iter().rposition(passed) {
            Some(dated) => dated,
            None if self.keys.first().is_some_and(|k| k.signs_from.is_none()) => 0,
            None => return None,
        };
        self.keys.iter().skip(scheduled).find(|k| !is_revoked(&k.key))
    }

    /// The key that signs after the one that signs at `now`: it stands by.
    pub fn standby_at(
        &self,
        now: Timestamp,
        is_revoked: impl Fn(&K) -> bool,
    ) -> Option<&Scheduled<K>> {
        let signer = self.signer_at(now, &is_revoked)?.signs_from;
        let later = |k: &&Scheduled<K>| {
            k.signs_from.is_some_and(|from| from > now) && k.signs_from > signer
        };
        self.keys.iter().find(|k| later(k) && !is_revoked(&k.key))
    }

    /// Should the next key be made? One always stands by behind the key that
    /// signs: so no gateway meets a key that it could not know. Its instant is
    /// that of the newest key and as many periods as it takes to leave the
    /// lead; replicas that ask at the same time get the same answer.
    pub fn due(
        &self,
        now: Timestamp,
        rules: RotationRules,
        is_revoked: impl Fn(&K) -> bool,
    ) -> Due {
        let Some(newest) = self.keys.last() else { return Due::NotYet };
        let dates: Option<Vec<_>> = self.keys.iter().map(|k| k.signs_from).collect();
        let (Some(dates), Some(newest)) = (dates, newest.signs_from) else { return Due::Undated };
        let (past, wanted) = match dates.iter().rposition(|from| *from <= now) {
            Some(scheduled) => (scheduled, 2),
            None => (0, 1),
        };
        if self.keys.iter().skip(past).filter(|k| !is_revoked(&k.key)).count() >= wanted {
            return Due::NotYet;
        }
        let missing = now.plus(rules.lead).since(newest).as_secs();
        let period = rules.period.as_secs().max(1);
        let periods = missing.div_ceil(period).max(1);
        Due::At(newest.plus(Duration::from_secs(period.saturating_mul(periods))))
    }

    /// Keys that are published and trusted at `now`: the signing key, those
    /// to come, and those whose last token, living at most `token_life`, can
    /// still be alive.
    pub fn trusted_at(
        &self,
        now: Timestamp,
        token_life: Duration,
    ) -> impl Iterator<Item = &Scheduled<K>> {
        self.keys
            .iter()
            .filter(move |key| self.trusted_until(key, token_life).is_none_or(|end| now < end))
    }

    /// When the last token that `key` signed is dead; `None` while no later
    /// key is scheduled.
    pub fn trusted_until(&self, key: &Scheduled<K>, token_life: Duration) -> Option<Timestamp> {
        self.retired_at(key).map(|end| end.plus(token_life).plus(RETIREMENT_MARGIN))
    }

    /// When `key` signs its last token: the instant of the next dated key.
    pub fn retired_at(&self, key: &Scheduled<K>) -> Option<Timestamp> {
        self.keys
            .iter()
            .filter_map(|k| k.signs_from)
            .find(|from| key.signs_from.is_none_or(|own| *from > own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(names: &[&str]) -> Schedule<()> {
        Schedule::new(names.iter().map(|name| ((*name).to_owned(), ())))
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).expect(text)
    }

    fn signer(schedule: &Schedule<()>, instant: &str) -> Option<String> {
        schedule.signer_at(at(instant), |()| false).map(|key| key.name.clone())
    }

    #[test]
    fn names_and_instants_are_inverse() {
        let name = "2026-12-01T00-00-00Z.pem";
        let instant = signs_from(name).expect(name);
        assert_eq!(instant, at("2026-12-01T00:00:00Z"));
        assert_eq!(file_name(instant).as_deref(), Some(name));
        for other in
            ["jwt.pem", "2026-12-01.pem", "2026-12-01T00-00-00Z", "2026-13-01T00-00-00Z.pem"]
        {
            assert_eq!(signs_from(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_key_whose_instant_has_passed_signs() {
        let keys =
            schedule(&["2026-12-01T00-00-00Z.pem", "2026-11-01T00-00-00Z.pem", "b.pem", "a.pem"]);
        assert_eq!(signer(&keys, "2026-10-31T23:59:59Z").as_deref(), Some("a.pem"));
        assert_eq!(
            signer(&keys, "2026-11-01T00:00:00Z").as_deref(),
            Some("2026-11-01T00-00-00Z.pem")
        );
        assert_eq!(
            signer(&keys, "2026-11-30T23:59:59Z").as_deref(),
            Some("2026-11-01T00-00-00Z.pem")
        );
        assert_eq!(
            signer(&keys, "2026-12-01T00:00:00Z").as_deref(),
            Some("2026-12-01T00-00-00Z.pem")
        );
    }

    /// KM-23: the next one that lives signs for a revoked key, never one that
    /// has retired.
    #[test]
    fn km_23_the_next_key_signs_for_a_revoked_one() {
        let names = ["2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01"]
            .map(|day| (format!("{day}T00-00-00Z.pem"), day));
        let keys = Schedule::new(names);
        let signer = |revoked: &[&str]| {
            let now = at("2026-11-15T00:00:00Z");
            keys.signer_at(now, |day| revoked.contains(day)).map(|entry| entry.key)
        };
        assert_eq!(signer(&[]), Some("2026-11-01"));
        assert_eq!(signer(&["2026-11-01"]), Some("2026-12-01"));
        assert_eq!(signer(&["2026-11-01", "2026-12-01"]), Some("2027-01-01"));
        assert_eq!(signer(&["2026-11-01", "2026-12-01", "2027-01-01"]), None);
        assert_eq!(signer(&["2026-10-01", "2026-12-01"]), Some("2026-11-01"));
    }

    #[test]
    fn nothing_signs_before_the_first_instant() {
        assert_eq!(signer(&schedule(&["2026-12-01T00-00-00Z.pem"]), "2026-11-30T23:59:59Z"), None);
        assert_eq!(signer(&schedule(&[]), "2026-11-30T23:59:59Z"), None);
    }

    /// KM-16: one key stands by, made so that the lead is kept.
    #[test]
    fn km_16_when_the_next_key_is_due() {
        let rules =
            RotationRules { period: Duration::from_hours(720), lead: Duration::from_hours(24) };
        let due = |names: &[&str], now: &str| schedule(names).due(at(now), rules, |()| false);
        let (first, second) = ("2026-11-01T00-00-00Z.pem", "2026-12-01T00-00-00Z.pem");
        let next = |instant: &str| Due::At(at(instant));
        assert_eq!(due(&[first], "2026-11-01T00:00:00Z"), next("2026-12-01T00:00:00Z"));
        assert_eq!(due(&[first], "2026-11-30T00:00:00Z"), next("2026-12-01T00:00:00Z"));
        assert_eq!(due(&[first], "2026-11-30T00:00:01Z"), next("2026-12-31T00:00:00Z"));
        assert_eq!(due(&[first], "2027-11-01T00:00:00Z"), next("2027-11-26T00:00:00Z"));
        assert_eq!(due(&[first, second], "2026-11-30T23:59:59Z"), Due::NotYet);
        assert_eq!(due(&[first, second], "2026-12-01T00:00:00Z"), next("2026-12-31T00:00:00Z"));
        assert_eq!(due(&[second], "2026-11-01T00:00:00Z"), Due::NotYet, "none signs yet");
        assert_eq!(due(&["a.pem", first], "2026-11-01T00:00:00Z"), Due::Undated);
        assert_eq!(due(&[], "2026-11-01T00:00:00Z"), Due::NotYet);
        let all_revoked =
            schedule(&[first, second]).due(at("2026-11-02T00:00:00Z"), rules, |()| true);
        assert_eq!(all_revoked, next("2026-12-31T00:00:00Z"));
    }

    /// VT-01, VT-02: a retired key is trusted until its last token is dead.
    #[test]
    fn vt_01_a_retired_key_leaves_after_its_last_token() {
        let keys = schedule(&["2026-11-01T00-00-00Z.pem", "2026-12-01T00-00-00Z.pem"]);
        let trusted = |instant: &str| keys.trusted_at(at(instant), Duration::from_mins(15)).count();
        assert_eq!(trusted("2026-11-15T00:00:00Z"), 2, "the next key is published early");
        assert_eq!(trusted("2026-12-01T00:19:59Z"), 2);
        assert_eq!(trusted("2026-12-01T00:20:00Z"), 1);
    }
}
