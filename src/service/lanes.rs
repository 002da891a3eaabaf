//! Lanes in which calls wait for the same thing, one behind the other, so
//! that only the first of each has to ask for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::domain::throttle::Fingerprint;

type Lane = Arc<tokio::sync::Mutex<()>>;

/// All lanes of a process. There are no more than calls that wait.
#[derive(Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<Fingerprint, Lane>>>);

impl Lanes {
    /// Waits until everybody who came before has left the lane.
    pub(super) async fn enter(&self, of: &Fingerprint) -> First {
        let lane = Arc::clone(lock(&self.0).entry(of.clone()).or_default());
        let place = Place { of: of.clone(), lanes: Arc::clone(&self.0) };
        First { turn: lane.lock_owned().await, place }
    }
}

/// The first place of a lane, until it is dropped.
#[derive(Debug)]
pub(super) struct First {
    #[expect(dead_code, reason = "dropped before the place, it lets the next one come first")]
    turn: OwnedMutexGuard<()>,
    place: Place,
}

impl First {
    pub(super) fn is_of(&self, subject: &Fingerprint) -> bool {
        self.place.of == *subject
    }
}

/// A place in a lane; whoever leaves last takes the lane away.
#[derive(Debug)]
struct Place {
    of: Fingerprint,
    lanes: Arc<Mutex<HashMap<Fingerprint, Lane>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        if lanes.get(&self.of).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.of);
        }
    }
}

/// Nothing panics while it is held.
fn lock(lanes: &Mutex<HashMap<Fingerprint, Lane>>) -> MutexGuard<'_, HashMap<Fingerprint, Lane>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p7_lanes_are_gone_with_the_last_who_waits() {
        let lanes = Lanes::default();
        let [one, other] = [Fingerprint::new([1; 32]), Fingerprint::new([2; 32])];
        let first = lanes.enter(&one).await;
        let elsewhere = lanes.enter(&other).await;
        assert!(first.is_of(&one) && elsewhere.is_of(&other));
        {
            let second = lanes.enter(&one);
            tokio::pin!(second);
            let waits = futures_util::poll!(&mut second).is_pending();
            assert!(waits && lock(&lanes.0).len() == 2);
            drop(first);
            assert!(futures_util::poll!(&mut second).is_ready(), "its turn has come");
        }
        drop(elsewhere);
        assert!(lock(&lanes.0).is_empty());
    }
}
