//! Where a campaign takes place: the replicas, what is written down, and what
//! has been ended and must stay so.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use tokenward::domain::entropy::Entropy as _;

use crate::{
    calls::{Caller, name},
    recorder::Recorder,
    replica::Replica,
    support::{determinism::SeededEntropy, program::Program},
};

pub(crate) struct Stage {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) recorder: Recorder,
    pub(crate) dice: Dice,
    dead: Mutex<Vec<Dead>>,
    chains: AtomicU32,
    passwords: AtomicU32,
}

/// Credentials that were good once.
#[derive(Clone)]
pub(crate) struct Dead {
    pub(crate) user: u32,
    pub(crate) chain: u32,
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// The number of what ended them.
    pub(crate) seq: i64,
    /// A password that went with them.
    pub(crate) password: Option<u32>,
}

impl Stage {
    /// Persons who can log in, and replicas that are ready.
    pub(crate) async fn set(
        program: &Program,
        persons: u32,
        replicas: Vec<Replica>,
        dice: Dice,
    ) -> Self {
        for person in 0..persons {
            tokio::task::block_in_place(|| program.create_user(&[&name(person)]));
        }
        for replica in &replicas {
            replica.ready().await;
        }
        Self {
            replicas,
            recorder: Recorder::new(),
            dice,
            dead: Mutex::default(),
            chains: AtomicU32::new(1),
            passwords: AtomicU32::new(1),
        }
    }

    pub(crate) fn next_chain(&self) -> u32 {
        self.chains.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_password(&self) -> u32 {
        self.passwords.fetch_add(1, Ordering::Relaxed)
    }

    /// Somebody calls one of the replicas.
    pub(crate) fn any_replica(&self, user: u32) -> Caller<'_> {
        Caller { stage: self, replica: self.dice.below(self.replicas.len()), user }
    }

    pub(crate) fn replica(&self, replica: usize, user: u32) -> Caller<'_> {
        Caller { stage: self, replica, user }
    }

    pub(crate) fn bury(&self, dead: Dead) {
        self.dead.lock().expect("not poisoned").push(dead);
    }

    /// Those who were buried last.
    pub(crate) fn latest_dead(&self) -> Vec<Dead> {
        const LATEST: usize = 16;
        let dead = self.dead.lock().expect("not poisoned");
        dead[dead.len().saturating_sub(LATEST)..].to_vec()
    }

    /// Any one of them.
    pub(crate) fn any_dead(&self) -> Option<Dead> {
        let mut latest = self.latest_dead();
        (!latest.is_empty()).then(|| latest.swap_remove(self.dice.below(latest.len())))
    }

    /// All who were buried since the first `known` of them.
    pub(crate) fn dead_since(&self, known: usize) -> Vec<Dead> {
        self.dead.lock().expect("not poisoned")[known..].to_vec()
    }

    /// Waits for every replica.
    pub(crate) async fn ready(&self) {
        for replica in &self.replicas {
            replica.ready().await;
        }
    }

    /// Every replica must end well.
    pub(crate) fn close(self) -> Recorder {
        for replica in &self.replicas {
            replica.stop();
        }
        self.recorder
    }
}

/// Chance, from a seed.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below this one, which is not 0.
    pub(crate) fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).expect("seeded randomness does not fail");
        u32::from_le_bytes(bytes) as usize % limit
    }
}
