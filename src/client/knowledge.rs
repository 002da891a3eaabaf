//! What a verifier knows: keys and revocations, and how old that is.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    crypto::key_set::KeySet,
    domain::{
        clock::{Stamp, Timestamp},
        error::{AuthError, Fault, Outage},
        keys::KeyPurpose,
        revocation::{OnStale, RevocationIndex, Target},
        token::CompactToken,
        verdict::{Kind, Known, Requirements, Verdict},
    },
};

use super::{options::Options, told::Update};

/// Shared by those who ask and the two tasks that learn.
pub(super) struct Knowledge {
    options: Arc<Options>,
    /// `None` until the first fetch succeeded.
    keys: ArcSwapOption<KeySet>,
    keys_wanted: Notify,
    /// Was the last fetch a failure?
    keys_failed: AtomicBool,
    /// Were the keys fetched a moment ago?
    keys_resting: AtomicBool,
    fetches: watch::Sender<u64>,
    /// `None` until everything was told for the first time, and again when the
    /// log was replaced.
    log: RwLock<Option<Log>>,
    changes: watch::Sender<u64>,
    said_stale: AtomicBool,
}

/// The revocation log up to some entry.
#[derive(Default)]
pub(super) struct Log {
    epoch: Uuid,
    seq: i64,
    index: RevocationIndex,
    max_access_lifetime: Duration,
    /// When the last complete update came, and how old it said it was.
    came: Option<(Stamp, Duration)>,
}

/// The verdict on a token.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// Its key is not known, and the key set is being fetched.
    pub(super) fetching: bool,
}

impl Log {
    /// Of a log of which nothing was told yet.
    pub(super) fn of(epoch: Uuid) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Takes an update in that came at this moment. Is it one of this log?
    pub(super) fn take_in(&mut self, update: &Update, came: Stamp) -> bool {
        if update.epoch != self.epoch {
            return false;
        }
        for entry in &update.entries {
            self.index.apply(entry);
        }
        self.seq = self.seq.max(update.seq);
        if update.complete {
            self.max_access_lifetime = update.max_access_lifetime;
            self.came = Some((came, update.staleness));
        }
        true
    }

    fn age(&self, now: Stamp) -> Duration {
        let Some((came, staleness)) = self.came else { return Duration::MAX };
        now.since(came).saturating_add(staleness)
    }
}

impl Knowledge {
    pub(super) fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            keys: ArcSwapOption::empty(),
            keys_wanted: Notify::new(),
            keys_failed: AtomicBool::new(false),
            keys_resting: AtomicBool::new(false),
            fetches: watch::Sender::new(0),
            log: RwLock::default(),
            changes: watch::Sender::new(0),
            said_stale: AtomicBool::new(false),
        }
    }

    /// The verdict on a token, by what is known now.
    pub(super) fn judge(&self, token: &str, needed: &Requirements) -> Result<Judged, AuthError> {
        let violations = needed.violations();
        if !violations.is_empty() {
            return Err(AuthError::InvalidArgument(violations));
        }
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or_else(|| not_ready("there are no keys yet"))?;
        let (rules, now) = (self.options.rules(), self.options.clock.now());
        let mut unknown_key = false;
        let found = rules.genuine(token, Kind::Access, now, |token: &CompactToken<'_>| {
            unknown_key = !keys.contains(&token.kid);
            keys.verifies(token).then_some(KeyPurpose::Access)
        });
        let verdict = self.read(|log, age| {
            let known = Known {
                index: &log.index,
                seq: log.seq,
                age,
                max_access_lifetime: log.max_access_lifetime,
            };
            rules.judge(found, needed, known, now)
        })?;
        let fetching = unknown_key && self.want_keys()?;
        Ok(Judged { verdict, fetching })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.keys.load().is_some() && self.read(|_, _| ()).is_ok()
    }

    pub(super) fn seq(&self) -> Option<i64> {
        self.log.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|log| log.seq)
    }

    pub(super) fn staleness(&self) -> Option<Duration> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().map(|log| log.age(self.stamp()))
    }

    /// Is told of everything that is learnt.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Is told of every fetch of the keys, however it ended.
    pub(super) fn fetches(&self) -> watch::Receiver<u64> {
        self.fetches.subscribe()
    }

    /// Reads the log, if it may be judged by.
    fn read<T>(&self, read: impl FnOnce(&Log, Duration) -> T) -> Result<T, AuthError> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        let log = log.as_ref().ok_or_else(|| not_ready("the revocations are not all told yet"))?;
        let age = log.age(self.stamp());
        let stale = age > self.options.staleness_budget;
        self.say_whether(stale, age);
        if stale && self.options.on_stale == OnStale::FailClosed {
            let fault = Fault::from(format!("what is known of revocations is {age:?} old"));
            return Err(AuthError::Unavailable { outage: Outage::StaleRevocations, fault });
        }
        Ok(read(log, age))
    }

    /// One line when it begins, and one when it ends.
    fn say_whether(&self, stale: bool, age: Duration) {
        if self.said_stale.load(Ordering::Relaxed) == stale
            || self.said_stale.swap(stale, Ordering::Relaxed) == stale
        {
            return;
        }
        match (stale, self.options.on_stale) {
            (true, OnStale::FailClosed) => {
                tracing::error!(?age, "revocations are too old: no token is judged");
            }
            (true, OnStale::FailOpen) => {
                tracing::error!(?age, "revocations are too old: tokens are judged all the same");
            }
            (false, _) => tracing::info!(?age, "revocations are fresh again"),
        }
    }

    /// Asks for the keys. `false`: they were fetched a moment ago. An error:
    /// they cannot be, and nobody knows whose the key of the token is.
    fn want_keys(&self) -> Result<bool, AuthError> {
        self.keys_wanted.notify_one();
        if self.keys_failed.load(Ordering::Relaxed) {
            return Err(not_ready("the key is not known, and the keys cannot be fetched"));
        }
        Ok(!self.keys_resting.load(Ordering::Relaxed))
    }

    // What follows is for the tasks.

    pub(super) fn stamp(&self) -> Stamp {
        Stamp::of(self.options.clock.as_ref())
    }

    /// Resolves when somebody misses a key.
    pub(super) async fn keys_wanted(&self) {
        self.keys_wanted.notified().await;
    }

    /// A fetch has ended. Until [`Self::rested`] nobody waits for another one.
    pub(super) fn fetched(&self, keys: Option<KeySet>) {
        self.keys_resting.store(true, Ordering::Relaxed);
        self.keys_failed.store(keys.is_none(), Ordering::Relaxed);
        if let Some(keys) = keys {
            self.keys.store(Some(Arc::new(keys)));
        }
        self.fetches.send_modify(|count| *count = count.wrapping_add(1));
        self.announce();
    }

    pub(super) fn rested(&self) {
        self.keys_resting.store(false, Ordering::Relaxed);
    }

    /// The log and the number up to which it is known.
    pub(super) fn place(&self) -> Option<(Uuid, i64)> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().map(|log| (log.epoch, log.seq))
    }

    /// Puts a complete log in place.
    pub(super) fn replace(&self, log: Log) {
        self.change(|known| *known = Some(log));
    }

    /// Takes an update in. Is it one of the log that is known?
    pub(super) fn extend(&self, update: &Update) -> bool {
        let came = self.stamp();
        let mut is_ours = false;
        self.change(|known| {
            is_ours = known.as_mut().is_some_and(|log| log.take_in(update, came));
        });
        if update.entries.iter().any(|entry| matches!(entry.target, Target::Key(_))) {
            // Another key signs from now on.
            self.keys_wanted.notify_one();
        }
        is_ours
    }

    /// Knowledge of a log that was replaced is worth nothing.
    pub(super) fn forget(&self) {
        self.change(|known| *known = None);
    }

    /// Forgets entries that kill nothing any more.
    pub(super) fn drop_dead(&self, now: Timestamp) {
        self.change(|known| {
            if let Some(log) = known {
                log.index.drop_dead(now);
            }
        });
    }

    /// Says so if the knowledge has become too old, or is fresh again.
    pub(super) fn look_at_age(&self) {
        let _ = self.read(|_, _| ());
    }

    fn change(&self, change: impl FnOnce(&mut Option<Log>)) {
        change(&mut self.log.write().unwrap_or_else(PoisonError::into_inner));
        self.announce();
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

fn not_ready(fault: &str) -> AuthError {
    AuthError::Unavailable { outage: Outage::NotReady, fault: Fault::from(fault) }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Seek as _},
        sync::atomic::{AtomicI64, AtomicU64},
    };

    use super::*;
    use crate::domain::{
        clock::Clock,
        id::SessionId,
        revocation::{Reason, Revocation},
    };

    /// Two clocks that are set by hand, each for itself.
    #[derive(Default)]
    struct TwoClocks {
        wall: AtomicI64,
        monotonic: AtomicU64,
    }

    impl TwoClocks {
        fn set(&self, wall: i64, monotonic: u64) {
            self.wall.store(wall, Ordering::Relaxed);
            self.monotonic.store(monotonic, Ordering::Relaxed);
        }
    }

    impl Clock for TwoClocks {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.wall.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.monotonic.load(Ordering::Relaxed))
        }
    }

    fn update(seq: i64, complete: bool) -> Update {
        let revoked = Revocation {
            seq,
            id: Uuid::nil(),
            target: Target::Session(SessionId::new(Uuid::from_u128(seq.unsigned_abs().into()))),
            expires_at: None,
            at: Timestamp::from_seconds(1),
            reason: Reason::Logout,
            actor: String::new(),
        };
        Update {
            epoch: Uuid::nil(),
            seq,
            entries: vec![revoked],
            complete,
            staleness: Duration::from_secs(2),
            max_access_lifetime: Duration::from_mins(15),
        }
    }

    fn knowledge() -> (Knowledge, Arc<TwoClocks>) {
        let clock = Arc::new(TwoClocks::default());
        clock.set(1_000, 0);
        let options = Options { clock: clock.clone(), ..Options::new("https://auth.example.org") };
        let knowledge = Knowledge::new(Arc::new(options));
        let mut log = Log::of(Uuid::nil());
        assert!(log.take_in(&update(1, true), knowledge.stamp()));
        knowledge.replace(log);
        (knowledge, clock)
    }

    #[test]
    fn age_counts_from_the_servers_and_by_the_clock_that_says_more() {
        let (knowledge, clock) = knowledge();
        for (wall, monotonic, age) in [
            (1_000, 0, 2),
            (1_010, 10, 12),
            (1_010, 0, 12),
            (1_000, 10, 12),
            (0, 10, 12),
            (0, 0, 2),
        ] {
            clock.set(wall, monotonic);
            assert_eq!(knowledge.staleness(), Some(Duration::from_secs(age)), "{wall} {monotonic}");
        }
        clock.set(1_058, 58);
        assert!(knowledge.read(|_, _| ()).is_ok(), "60 s");
        clock.set(1_059, 58);
        assert!(knowledge.read(|_, _| ()).is_err(), "61 s");
    }

    #[test]
    fn growing_stale_is_one_line_and_so_is_being_fresh_again() {
        let (knowledge, clock) = knowledge();
        let log = Arc::new(tempfile::tempfile().expect("a file"));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(Arc::clone(&log))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            knowledge.look_at_age();
            clock.set(1_100, 100);
            for _ in 0..3 {
                assert!(knowledge.read(|_, _| ()).is_err());
            }
            assert!(knowledge.extend(&update(2, true)));
            knowledge.look_at_age();
            knowledge.look_at_age();
        });
        let (mut log, mut text) = (log.as_ref(), String::new());
        log.rewind().expect("a file");
        log.read_to_string(&mut text).expect("UTF-8");
        let lines: Vec<_> = text.lines().collect();
        let [begins, ends] = lines.as_slice() else { panic!("{text}") };
        assert!(
            begins.contains("ERROR") && begins.contains("no token is judged age=102s"),
            "{text}"
        );
        assert!(ends.contains("INFO") && ends.contains("fresh again age=2s"), "{text}");
    }

    #[test]
    fn a_part_of_what_was_missed_counts_and_makes_nothing_fresh() {
        let (knowledge, clock) = knowledge();
        clock.set(1_010, 10);
        assert!(knowledge.extend(&update(5, false)));
        assert_eq!(knowledge.seq(), Some(5));
        assert_eq!(knowledge.read(|log, _| log.index.len()).expect("fresh"), 2);
        assert_eq!(knowledge.staleness(), Some(Duration::from_secs(12)));
        assert!(knowledge.extend(&update(9, true)));
        assert_eq!(knowledge.staleness(), Some(Duration::from_secs(2)));
        let other = Update { epoch: Uuid::max(), ..update(10, true) };
        assert!(!knowledge.extend(&other), "another log");
        assert_eq!(knowledge.seq(), Some(9));
    }

    #[test]
    fn a_snapshot_that_is_not_complete_is_as_old_as_can_be() {
        let (knowledge, _) = knowledge();
        let mut log = Log::of(Uuid::nil());
        assert!(log.take_in(&update(1, false), knowledge.stamp()));
        assert_eq!(log.age(knowledge.stamp()), Duration::MAX);
    }

    #[test]
    fn a_missing_key_is_waited_for_once() {
        let (knowledge, _) = knowledge();
        assert!(knowledge.want_keys().expect("a fetch is due"));
        knowledge.keys_failed.store(false, Ordering::Relaxed);
        knowledge.keys_resting.store(true, Ordering::Relaxed);
        assert!(!knowledge.want_keys().expect("they are fresh"), "nobody waits during the rest");
        knowledge.rested();
        assert!(knowledge.want_keys().expect("a fetch is due"));
        knowledge.fetched(None);
        assert!(knowledge.want_keys().is_err(), "nobody can say whose the key is");
    }
}
