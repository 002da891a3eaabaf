//! The revocation log's entries, and what they kill.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use uuid::Uuid;

use super::{
    claims::AccessClaims,
    clock::Timestamp,
    error::Refusal,
    id::{ClientId, KeyId, SessionId, UserId},
    keys::RETIREMENT_MARGIN,
};

/// The most that verifiers may be set to accept a token past its end.
pub const LEEWAY_MAX: Duration = Duration::from_mins(1);

/// How much longer than the tokens that it kills an entry lives: verifiers may
/// accept a token past its end, and their clocks differ from ours as they do
/// for retired keys.
pub const ENTRY_MARGIN: Duration = LEEWAY_MAX.saturating_add(RETIREMENT_MARGIN);

/// What one entry kills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every token of one session.
    Session(SessionId),
    /// A user's tokens whose `ver` is below `min_version`.
    User {
        /// The user.
        id: UserId,
        /// The lowest version that lives.
        min_version: i64,
    },
    /// A client's tokens whose `cver` is below `min_version`.
    Client {
        /// The client.
        id: ClientId,
        /// The lowest version that lives.
        min_version: i64,
    },
    /// Every token that a key signed.
    Key(KeyId),
    /// Everybody's tokens whose `ver` is below `min_version`.
    All {
        /// The lowest version that lives.
        min_version: i64,
    },
}

/// Why something was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Somebody who held one of its tokens ended the session, or its user
    /// ended it by its id or with all their sessions.
    Logout,
    /// An operator said so.
    Operator,
    /// A used refresh token came again after its replay window.
    RefreshReuse,
    /// A refresh token was ahead of the database.
    DatabaseRolledBack,
    /// The user opened more sessions than allowed; this was the oldest.
    SessionLimit,
    /// The user was disabled.
    UserDisabled,
    /// The user was deleted.
    UserDeleted,
    /// The user lost a role.
    RolesNarrowed,
    /// The user has another password.
    PasswordChanged,
    /// The client was disabled.
    ClientDisabled,
    /// The client was deleted, or is the second one of its id.
    ClientDeleted,
    /// The database was restored, and may have forgotten what was revoked.
    DatabaseRestored,
    /// A reason that a newer version wrote.
    Other(String),
}

impl Reason {
    /// Why a session ends whose refresh token was refused in this way.
    pub const fn of_misuse(refusal: Refusal) -> Self {
        match refusal {
            Refusal::RolledBack => Self::DatabaseRolledBack,
            _ => Self::RefreshReuse,
        }
    }

    /// The reason in `UPPER_SNAKE_CASE`, as stored and as told to callers.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Logout => "LOGOUT",
            Self::Operator => "OPERATOR",
            Self::RefreshReuse => "REFRESH_REUSE",
            Self::DatabaseRolledBack => "DATABASE_ROLLED_BACK",
            Self::SessionLimit => "SESSION_LIMIT",
            Self::UserDisabled => "USER_DISABLED",
            Self::UserDeleted => "USER_DELETED",
            Self::RolesNarrowed => "ROLES_NARROWED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::ClientDisabled => "CLIENT_DISABLED",
            Self::ClientDeleted => "CLIENT_DELETED",
            Self::DatabaseRestored => "DATABASE_RESTORED",
            Self::Other(text) => text,
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn from_text(text: &str) -> Self {
        let known = [
            Self::Logout,
            Self::Operator,
            Self::RefreshReuse,
            Self::DatabaseRolledBack,
            Self::SessionLimit,
            Self::UserDisabled,
            Self::UserDeleted,
            Self::RolesNarrowed,
            Self::PasswordChanged,
            Self::ClientDisabled,
            Self::ClientDeleted,
            Self::DatabaseRestored,
        ];
        let found = known.into_iter().find(|reason| reason.as_str() == text);
        found.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its place in the log; commit-ordered, without gaps.
    pub seq: i64,
    /// Random: tells this entry from another one that got the same `seq`
    /// after the database was rolled back.
    pub id: Uuid,
    /// What it kills.
    pub target: Target,
    /// When no verifier accepts a token any more that it kills; `None` for
    /// never (keys).
    pub expires_at: Option<Timestamp>,
    /// When it was recorded.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Who did it: "token", "user", "operator", "system".
    pub actor: String,
}

/// An entry that has no place in the log yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// As in [`Revocation`].
    pub id: Uuid,
    /// What it is to kill.
    pub target: Target,
    /// When it is recorded.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Who does it.
    pub actor: &'static str,
}

impl Draft {
    /// A session's end that the server itself decides on.
    pub fn by_system(id: Uuid, session: SessionId, at: Timestamp, reason: Reason) -> Self {
        Self { id, target: Target::Session(session), at, reason, actor: "system" }
    }

    /// The entry at its place in the log of `head`. Its life is counted from
    /// `counted_from`.
    pub fn placed(self, seq: i64, head: &LogHead, counted_from: Timestamp) -> Revocation {
        let ends = !matches!(self.target, Target::Key(_));
        Revocation {
            seq,
            id: self.id,
            target: self.target,
            expires_at: ends.then(|| head.forgotten_after(counted_from)),
            at: self.at,
            reason: self.reason,
            actor: self.actor.to_owned(),
        }
    }
}

/// The head of the log, one row in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Random; another one means another log.
    pub epoch: Uuid,
    /// The newest entry's `seq`; 0 when there is none.
    pub seq: i64,
    /// The largest access-token lifetime ever configured, in seconds. Bounds
    /// how long entries must live, and how long a token may.
    pub max_access_lifetime_s: i64,
}

impl LogHead {
    /// The largest access-token lifetime ever configured.
    pub fn max_access_lifetime(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.max_access_lifetime_s).unwrap_or(0))
    }

    /// From when on no verifier accepts a token any more that was issued
    /// before `at`.
    pub fn forgotten_after(&self, at: Timestamp) -> Timestamp {
        at.plus(self.max_access_lifetime()).plus(ENTRY_MARGIN)
    }
}

/// When and why a token was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed {
    /// When the revocation was recorded.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Was it the key that was revoked?
    pub by_key: bool,
}

/// What to do when knowledge of the log is older than the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStale {
    /// Answer `UNAVAILABLE`: a revoked token might pass otherwise.
    FailClosed,
    /// Judge all the same. A choice, never the default.
    FailOpen,
}

/// The live part of the log, arranged for looking tokens up.
#[derive(Clone, Debug, Default)]
pub struct RevocationIndex {
    sessions: HashMap<SessionId, Mark>,
    users: HashMap<UserId, Mark>,
    clients: HashMap<ClientId, Mark>,
    keys: HashMap<KeyId, Mark>,
    all: Option<Mark>,
}

#[derive(Clone, Debug)]
struct Mark {
    min_version: i64,
    at: Timestamp,
    reason: Reason,
    expires_at: Option<Timestamp>,
}

impl RevocationIndex {
    /// Takes one entry in. Applying an entry twice, or entries in another
    /// order, gives the same verdicts.
    pub fn apply(&mut self, entry: &Revocation) {
        let mark = |min_version| Mark {
            min_version,
            at: entry.at,
            reason: entry.reason.clone(),
            expires_at: entry.expires_at,
        };
        match &entry.target {
            Target::Session(id) => raise(&mut self.sessions, *id, mark(i64::MAX)),
            Target::User { id, min_version } => raise(&mut self.users, *id, mark(*min_version)),
            Target::Client { id, min_version } => {
                raise(&mut self.clients, id.clone(), mark(*min_version));
            }
            Target::Key(kid) => raise(&mut self.keys, kid.clone(), mark(i64::MAX)),
            Target::All { min_version } => {
                if self.all.as_ref().is_none_or(|known| known.min_version < *min_version) {
                    self.all = Some(mark(*min_version));
                }
            }
        }
    }

    /// Is the token with these claims, signed by `kid`, dead?
    pub fn kills(&self, claims: &AccessClaims, kid: &KeyId) -> Option<Killed> {
        let above = |version: i64| move |mark: &&Mark| version < mark.min_version;
        let version = above(claims.user_version);
        let user = claims.user();
        let by_key = self.keys.get(kid);
        by_key
            .or_else(|| self.sessions.get(&user?.session_id))
            .or_else(|| self.users.get(&user?.id).filter(version))
            .or_else(|| self.clients.get(&claims.client_id).filter(above(claims.client_version)))
            .or_else(|| self.all.as_ref().filter(version))
            .map(|mark| Killed {
                at: mark.at,
                reason: mark.reason.clone(),
                by_key: by_key.is_some(),
            })
    }

    /// Is this key revoked?
    pub fn kills_key(&self, kid: &KeyId) -> bool {
        self.keys.contains_key(kid)
    }

    /// The keys that are revoked.
    pub fn revoked_keys(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// Forgets entries that can kill nothing any more.
    pub fn drop_dead(&mut self, now: Timestamp) {
        let lives = |mark: &Mark| mark.expires_at.is_none_or(|end| now < end);
        self.sessions.retain(|_, mark| lives(mark));
        self.users.retain(|_, mark| lives(mark));
        self.clients.retain(|_, mark| lives(mark));
        self.keys.retain(|_, mark| lives(mark));
        self.all.take_if(|mark| !lives(mark));
    }

    /// How many entries are held in memory.
    pub fn len(&self) -> usize {
        let maps = self.sessions.len() + self.users.len() + self.clients.len() + self.keys.len();
        maps + usize::from(self.all.is_some())
    }

    /// Is nothing revoked?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The revoked keys, between those who read of them in the log and those who
/// hold the keys. Only grows: while a log is loaded anew, a revoked key must
/// not come back.
#[derive(Debug, Default)]
pub struct RevokedKeys(RwLock<Arc<HashSet<KeyId>>>);

impl RevokedKeys {
    /// All of them. The same `Arc` as long as there is no other one.
    pub fn all(&self) -> Arc<HashSet<KeyId>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in what is revoked.
    pub fn extend<'a>(&self, kids: impl IntoIterator<Item = &'a KeyId>) {
        let mut kids = kids.into_iter().peekable();
        if kids.peek().is_none() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let all: HashSet<_> = known.iter().cloned().chain(kids.cloned()).collect();
        if all.len() > known.len() {
            *known = Arc::new(all);
        }
    }
}

/// Keeps the mark that kills more; of equal ones the first.
fn raise<K: Eq + Hash>(marks: &mut HashMap<K, Mark>, key: K, new: Mark) {
    match marks.get(&key) {
        Some(known) if known.min_version >= new.min_version => {}
        _ => {
            marks.insert(key, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(max_access_lifetime_s: i64) -> LogHead {
        LogHead { epoch: Uuid::nil(), seq: 0, max_access_lifetime_s }
    }

    #[test]
    fn rv_34_an_entry_outlives_the_longest_token_a_minute_of_leeway_and_wrong_clocks() {
        let at = Timestamp::from_seconds(1_800_000_000);
        let after = head(900).forgotten_after(at).since(at);
        assert_eq!(after, Duration::from_mins(15 + 1 + 5));
        assert_eq!(head(-1).max_access_lifetime(), Duration::ZERO);
        let never = head(i64::MAX).forgotten_after(at);
        assert_eq!(never, Timestamp::from_micros(i64::MAX), "it saturates");
    }

    fn entry(target: Target, expires_at: Option<Timestamp>) -> Revocation {
        Revocation {
            seq: 1,
            id: Uuid::nil(),
            target,
            expires_at,
            at: Timestamp::from_seconds(0),
            reason: Reason::Operator,
            actor: "operator".to_owned(),
        }
    }

    #[test]
    fn rv_34_entries_are_dropped_at_their_end_and_those_of_keys_never() {
        let id = Uuid::from_u128;
        let client = ClientId::parse("web").expect("an id");
        let kid = KeyId::parse("k1").expect("an id");
        let mut index = RevocationIndex::default();
        for (end, target) in [
            (1, Target::Session(SessionId::new(id(1)))),
            (2, Target::User { id: UserId::new(id(2)), min_version: 2 }),
            (3, Target::Client { id: client, min_version: 2 }),
            (4, Target::All { min_version: 2 }),
        ] {
            index.apply(&entry(target, Some(Timestamp::from_seconds(end))));
        }
        index.apply(&entry(Target::Key(kid.clone()), None));
        for (now, left) in [(0, 5), (1, 4), (2, 3), (3, 2), (4, 1), (1 << 40, 1)] {
            let just_before = Timestamp::from_micros(Timestamp::from_seconds(now).micros() - 1);
            index.drop_dead(just_before);
            assert!(index.len() >= left, "{now}");
            index.drop_dead(Timestamp::from_seconds(now));
            assert_eq!(index.len(), left, "{now}");
        }
        assert!(index.kills_key(&kid));
    }

    /// VT-17, RV-22: of key, session, user, client and all, each killing or
    /// not, whichever kills decides.
    #[test]
    fn vt_17_rv_22_what_kills_decides_in_every_combination() {
        let (session, user) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = serde_json::json!({
            "iss": "https://auth.example", "aud": "api", "client_id": "web",
            "sub": user.to_string(), "sid": session.to_string(), "jti": session.to_string(),
            "iat": 1, "exp": 2, "auth_time": 1, "amr": ["pwd"], "ver": 5, "cver": 7,
        });
        let claims = AccessClaims::parse(token.to_string().as_bytes()).expect("claims");
        let kid = |name| KeyId::parse(name).expect("a kid");
        let client = ClientId::parse("web").expect("an id");
        for combination in 0..32_u8 {
            let kills = |bit: u8| combination & (1 << bit) != 0;
            let other = |id: Uuid, bit| if kills(bit) { id } else { Uuid::from_u128(9) };
            let above = |version: i64, bit| version + i64::from(kills(bit));
            let mut index = RevocationIndex::default();
            for target in [
                Target::Key(kid(if kills(0) { "ours" } else { "another" })),
                Target::Session(SessionId::new(other(session, 1))),
                Target::User { id: UserId::new(user), min_version: above(5, 2) },
                Target::Client { id: client.clone(), min_version: above(7, 3) },
                Target::All { min_version: above(5, 4) },
            ] {
                index.apply(&entry(target, None));
            }
            let killed = index.kills(&claims, &kid("ours"));
            assert_eq!(killed.is_some(), combination != 0, "{combination:05b}");
            assert_eq!(killed.is_some_and(|killed| killed.by_key), kills(0), "{combination:05b}");
        }
    }
}
