//! What this process knows of the revocation log, and how fresh that is.
//!
//! Readers (`Verify`) take a read lock for the length of a look-up; the only
//! writers are the follower and calls that revoke something themselves.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use crate::domain::revocation::OnStale;
use crate::domain::{
    clock::{Clock, Stamp, Timestamp},
    error::{AuthError, Fault, Outage},
    id::KeyId,
    revocation::{LogHead, Revocation, RevocationIndex, RevokedKeys},
};

/// How fresh knowledge has to be.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// Older than this, calls wait for one shared catch-up.
    pub fresh_for: Duration,
    /// How long they wait.
    pub catch_up: Duration,
    /// Older than this, calls are answered as `on_stale` says.
    pub staleness_budget: Duration,
    /// What happens past the budget.
    pub on_stale: OnStale,
}

/// What one call demands beyond that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The revocation that must be known; 0 for none.
    pub min_revocation_seq: i64,
    /// The oldest knowledge that will do.
    pub max_staleness: Option<Duration>,
}

impl Needs {
    /// The stricter of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let staleness = [self.max_staleness, other.max_staleness];
        Self {
            min_revocation_seq: self.min_revocation_seq.max(other.min_revocation_seq),
            max_staleness: staleness.into_iter().flatten().min(),
        }
    }
}

/// The log up to one entry, as read by a look that began at one moment.
#[derive(Clone, Debug)]
pub struct Knowledge {
    index: RevocationIndex,
    head: LogHead,
    newest: Option<Newest>,
    looked_at: Stamp,
}

/// The newest entry, remembered to notice a log that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its random id.
    pub id: Uuid,
    /// After this it may have been swept.
    pub expires_at: Option<Timestamp>,
}

impl Knowledge {
    /// What `index` says, complete up to `head`.
    pub fn new(
        index: RevocationIndex,
        head: LogHead,
        newest: Option<Newest>,
        looked_at: Stamp,
    ) -> Self {
        Self { index, head, newest, looked_at }
    }

    /// The entries, for looking tokens up.
    pub fn index(&self) -> &RevocationIndex {
        &self.index
    }

    /// The newest entry that is known with all before it.
    pub fn seq(&self) -> i64 {
        self.head.seq
    }

    /// The head as last seen.
    pub fn head(&self) -> &LogHead {
        &self.head
    }

    /// The newest entry.
    pub fn newest(&self) -> Option<Newest> {
        self.newest
    }

    /// The longest that an access token may live.
    pub fn max_access_lifetime(&self) -> Duration {
        self.head.max_access_lifetime()
    }
}

/// Entries that are kept for watchers. One that is further behind reads the
/// store.
const RECENT_MAX: usize = 4_096;

#[derive(Default)]
struct State {
    /// `None` until the log was loaded for the first time, and again while a
    /// replaced log is being loaded.
    known: Option<Knowledge>,
    /// What this process wrote and has not read back yet: a load that began
    /// before the write must not forget it.
    own: Vec<Revocation>,
    /// The newest entries that the log has shown, in order and without gaps.
    recent: VecDeque<Revocation>,
    /// How often the log was loaded from its beginning.
    loads: u64,
}

impl State {
    /// Brings what this process wrote into the knowledge, and remembers only
    /// what the log has not shown yet.
    fn settle(&mut self) {
        if let Some(known) = self.known.as_mut() {
            self.own.retain(|entry| entry.seq > known.head.seq);
            for entry in &self.own {
                known.index.apply(entry);
            }
        }
    }
}

/// The knowledge in use, shared by all calls.
pub struct LiveIndex {
    clock: Arc<dyn Clock>,
    freshness: Freshness,
    state: RwLock<State>,
    revoked_keys: Arc<RevokedKeys>,
    looks: watch::Sender<u64>,
    wanted: Notify,
    catch_up_failed: AtomicBool,
}

impl LiveIndex {
    /// Knows nothing yet.
    pub fn new(clock: Arc<dyn Clock>, freshness: Freshness) -> Self {
        Self {
            clock,
            freshness,
            state: RwLock::default(),
            revoked_keys: Arc::default(),
            looks: watch::Sender::new(0),
            wanted: Notify::new(),
            catch_up_failed: AtomicBool::new(false),
        }
    }

    /// The clocks now; taken when a look begins.
    pub fn stamp(&self) -> Stamp {
        Stamp::of(self.clock.as_ref())
    }

    /// Reads the knowledge, all of it at one moment.
    pub fn read<T>(&self, read: impl FnOnce(&Knowledge) -> T) -> Result<T, AuthError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.known.as_ref().map(read).ok_or_else(not_loaded)
    }

    /// How old this knowledge is: by the wall clock or the monotonic one,
    /// whichever says more, so that neither a stopped process nor a clock set
    /// back makes it look fresh.
    pub fn age_of(&self, known: &Knowledge) -> Duration {
        self.stamp().since(known.looked_at)
    }

    /// Takes entries in that this process has just written. They kill from
    /// now on; the sequence number moves when the follower has seen all
    /// entries before them too.
    pub fn apply<'a>(&self, entries: impl IntoIterator<Item = &'a Revocation>) {
        self.change(|state| state.own.extend(entries.into_iter().cloned()));
    }

    /// The keys that are revoked, for those who hold the keys.
    pub fn revoked_keys(&self) -> Arc<RevokedKeys> {
        Arc::clone(&self.revoked_keys)
    }

    /// Is this key revoked?
    pub fn kills_key(&self, kid: &KeyId) -> Result<bool, AuthError> {
        self.read(|known| known.index.kills_key(kid))
    }

    /// Waits until knowledge is as fresh as the settings and the call demand,
    /// or says that it is not to be had. The wait for a sequence number ends
    /// with the call's deadline.
    pub async fn ready_for(&self, needs: Needs) -> Result<(), AuthError> {
        let limit = needs.max_staleness.unwrap_or(Duration::MAX);
        let fresh_for = self.freshness.fresh_for.min(limit);
        let suffices = |known: &Knowledge| {
            known.seq() >= needs.min_revocation_seq && self.age_of(known) <= fresh_for
        };
        if self.read(suffices)? { Ok(()) } else { self.wait_for(needs, fresh_for, limit).await }
    }

    async fn wait_for(
        &self,
        needs: Needs,
        fresh_for: Duration,
        limit: Duration,
    ) -> Result<(), AuthError> {
        let mut looks = self.looks.subscribe();
        if self.read(Knowledge::seq)? < needs.min_revocation_seq {
            // One look is asked for; after that the follower's own pace will do.
            self.wanted.notify_one();
        }
        while self.read(Knowledge::seq)? < needs.min_revocation_seq {
            looks.changed().await.map_err(|_| not_loaded())?;
        }
        let began = self.stamp();
        if self.age()? > fresh_for && !self.catch_up_failed.load(Ordering::Relaxed) {
            let seen = *looks.borrow_and_update();
            let caught_up = self.look_begun_since(began, &mut looks);
            // A look that began after the call is as fresh as any demand can be.
            if tokio::time::timeout(self.freshness.catch_up, caught_up).await.is_ok() {
                return Ok(());
            }
            // Nobody waits again until the follower succeeds.
            self.catch_up_failed.store(*self.looks.borrow() == seen, Ordering::Relaxed);
        }
        self.check_budget(limit)
    }

    /// Is there knowledge that calls may be answered with?
    pub fn is_usable(&self) -> bool {
        self.check_budget(Duration::MAX).is_ok()
    }

    async fn look_begun_since(&self, began: Stamp, looks: &mut watch::Receiver<u64>) {
        loop {
            self.wanted.notify_one();
            if looks.changed().await.is_err() {
                return std::future::pending().await;
            }
            if self.read(|known| known.looked_at.monotonic >= began.monotonic).unwrap_or(false) {
                return;
            }
        }
    }

    fn check_budget(&self, limit: Duration) -> Result<(), AuthError> {
        let age = self.age()?;
        let within_budget =
            age <= self.freshness.staleness_budget || self.freshness.on_stale == OnStale::FailOpen;
        if within_budget && age <= limit {
            return Ok(());
        }
        let fault = Fault::from(format!("the last look at the revocation log is {age:?} old"));
        Err(AuthError::Unavailable { outage: Outage::StaleRevocations, fault })
    }

    fn age(&self) -> Result<Duration, AuthError> {
        self.read(|known| self.age_of(known))
    }

    // What follows is for watchers.

    /// Which load of the log this is. Another one: the log was replaced.
    pub(super) fn load_number(&self) -> u64 {
        self.state.read().unwrap_or_else(PoisonError::into_inner).loads
    }

    /// At most `limit` entries after `seq`, in order. `None`: so far back, only
    /// the store knows.
    pub(super) fn entries_after(&self, seq: i64, limit: usize) -> Option<Vec<Revocation>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let newest = state.known.as_ref().map_or(0, Knowledge::seq);
        let oldest = state.recent.front().map_or(i64::MAX, |entry| entry.seq);
        if seq < newest && seq.saturating_add(1) < oldest {
            return None;
        }
        let after = state.recent.partition_point(|entry| entry.seq <= seq);
        Some(state.recent.iter().skip(after).take(limit).cloned().collect())
    }

    /// Is told of every look at the log that succeeds.
    pub(super) fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    // What follows is for the follower.

    /// Resolves when a call wants a look sooner than the interval.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Puts complete knowledge in place.
    pub(crate) fn replace(&self, knowledge: Knowledge) {
        self.change(|state| {
            state.known = Some(knowledge);
            state.recent.clear();
            state.loads += 1;
        });
        self.announce_look();
    }

    /// Adds entries in order, and moves the head and the stamp.
    pub(super) fn extend(&self, entries: &[Revocation], head: &LogHead, looked_at: Stamp) {
        self.change(|state| {
            let Some(known) = state.known.as_mut() else { return };
            for entry in entries {
                known.index.apply(entry);
            }
            if let Some(last) = entries.last() {
                known.newest = Some(Newest { id: last.id, expires_at: last.expires_at });
                known.head.seq = last.seq;
            }
            known.head.max_access_lifetime_s = head.max_access_lifetime_s;
            known.looked_at = looked_at;
            state.recent.extend(entries.iter().cloned());
            let excess = state.recent.len().saturating_sub(RECENT_MAX);
            state.recent.drain(..excess);
        });
        self.announce_look();
    }

    /// Knowledge of a log that was replaced is worth nothing.
    pub(super) fn forget(&self) {
        self.change(|state| state.known = None);
    }

    /// Forgets entries that kill nothing any more.
    pub(super) fn drop_dead(&self, now: Timestamp) {
        self.change(|state| {
            if let Some(known) = state.known.as_mut() {
                known.index.drop_dead(now);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.settle();
        if let Some(known) = &state.known {
            self.revoked_keys.extend(known.index.revoked_keys());
        }
    }

    fn announce_look(&self) {
        self.catch_up_failed.store(false, Ordering::Relaxed);
        self.looks.send_modify(|count| *count = count.wrapping_add(1));
    }
}

fn not_loaded() -> AuthError {
    let fault = Fault::from("the revocation log is not loaded");
    AuthError::Unavailable { outage: Outage::NotReady, fault }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Clocks of which each is moved on its own.
    struct Hands(Mutex<(i64, u64)>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.lock().expect("not poisoned").0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.lock().expect("not poisoned").1)
        }
    }

    /// TM-02, TM-06: a machine that slept stops its monotonic clock, one whose
    /// wall clock is set back stops nothing else; neither looks fresh.
    #[tokio::test]
    async fn tm_06_the_clock_that_says_more_counts() {
        let clock = Arc::new(Hands(Mutex::new((1_000, 50))));
        let freshness = Freshness {
            fresh_for: Duration::from_secs(1),
            catch_up: Duration::from_millis(1),
            staleness_budget: Duration::from_mins(1),
            on_stale: OnStale::FailClosed,
        };
        let index = LiveIndex::new(clock.clone(), freshness);
        let head = LogHead { epoch: Uuid::nil(), seq: 0, max_access_lifetime_s: 900 };
        let known = Knowledge::new(RevocationIndex::default(), head, None, index.stamp());
        index.replace(known);
        for (wall, monotonic, age) in [
            (1_000, 50, 0),
            (1_060, 50, 60),
            (1_061, 50, 61),
            (1_000, 111, 61),
            (0, 110, 60),
            (-5_000, 111, 61),
        ] {
            *clock.0.lock().expect("not poisoned") = (wall, monotonic);
            assert_eq!(index.age().ok(), Some(Duration::from_secs(age)), "{wall} {monotonic}");
            let answers = index.ready_for(Needs::default()).await.is_ok();
            assert_eq!(answers, age <= 60, "{wall} {monotonic}");
        }
    }
}
