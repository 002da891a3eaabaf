//! One process of the service: all of it but the edges, the keys and the
//! hashes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokenward::{
    crypto::client_proofs::AwsLcProofs,
    domain::policy::Policy,
    service::{
        Auth, Parts,
        follow::Follower,
        index::{Freshness, LiveIndex, OnStale},
        readiness::Readiness,
        sweep,
    },
    store::port::Store,
};
use tokio_util::sync::CancellationToken;

use super::{
    bug::Bug,
    crypto::{DigestKeys, DigestPasswords},
    dice::Dice,
    faulty::Faulty,
    ledger::Ledger,
    life::{Life, Living},
    model::ClockState,
    mood::{Mood, Weather},
    pace::Pace,
    tasks::Tasks,
    time::{RIGHT_WITHIN_MS, ReplicaClock, Time},
};
use crate::support::determinism::SeededEntropy;

/// What every process of a run stands on.
pub(super) struct Ground {
    pub(super) tasks: Arc<Tasks>,
    pub(super) dice: Arc<Dice>,
    pub(super) time: Arc<Time>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) store: Arc<dyn Store>,
    pub(super) policy: Arc<Policy>,
    pub(super) weather: Arc<Mutex<Weather>>,
    pub(super) mood: Mood,
    pub(super) bug: Option<Bug>,
}

/// A machine, and the process on it.
pub(super) struct Replica {
    pub(super) number: usize,
    pub(super) clock: Arc<ReplicaClock>,
    pub(super) is_cut: Arc<AtomicBool>,
    pub(super) life: Arc<Life>,
    pub(super) auth: Arc<Auth>,
    stopped_at: Option<Duration>,
}

impl Replica {
    /// A machine with its clock, and a process that has just started on it.
    pub(super) fn start(ground: &Ground, number: usize) -> Self {
        let clock = Arc::new(ReplicaClock::new(Arc::clone(&ground.time), small_skew(&ground.dice)));
        let is_cut = Arc::new(AtomicBool::new(false));
        let (life, auth) = process(ground, number, &clock, &is_cut);
        Self { number, clock, is_cut, life, auth, stopped_at: None }
    }

    /// The process is killed, and another one starts.
    pub(super) fn restart(&mut self, ground: &Ground) {
        self.life.kill();
        ground.ledger.forget_look(self.number);
        (self.life, self.auth) = process(ground, self.number, &self.clock, &self.is_cut);
        self.stopped_at = None;
    }

    pub(super) fn stop(&mut self, ground: &Ground) {
        self.life.stop();
        self.stopped_at = Some(ground.time.elapsed());
    }

    pub(super) fn resume(&mut self, ground: &Ground) {
        let stopped_at = self.stopped_at.take();
        if ground.bug == Some(Bug::ClocksStandWhileStopped)
            && let Some(stopped_at) = stopped_at
        {
            self.clock.stand_for(ground.time.elapsed().saturating_sub(stopped_at));
        }
        self.life.resume();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    pub(super) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    pub(super) fn clock_state(&self) -> ClockState {
        self.clock.state()
    }
}

/// By how many milliseconds a wall clock is off that is right.
pub(super) fn small_skew(dice: &Dice) -> i64 {
    dice.between(-RIGHT_WITHIN_MS, RIGHT_WITHIN_MS)
}

fn process(
    ground: &Ground,
    number: usize,
    clock: &Arc<ReplicaClock>,
    is_cut: &Arc<AtomicBool>,
) -> (Arc<Life>, Arc<Auth>) {
    let life = Arc::new(Life::new());
    let (dice, weather) = (Arc::clone(&ground.dice), Arc::clone(&ground.weather));
    let pace = Arc::new(Pace::new(dice, Arc::clone(&life), weather));
    let store: Arc<dyn Store> = Arc::new(Faulty {
        inner: Arc::clone(&ground.store),
        replica: number,
        life: Arc::clone(&life),
        pace: Arc::clone(&pace),
        ledger: Arc::clone(&ground.ledger),
        time: Arc::clone(&ground.time),
        is_cut: Arc::clone(is_cut),
        bug: ground.bug,
        last_look: Mutex::default(),
    });
    let index = Arc::new(LiveIndex::new(Arc::clone(clock) as _, freshness(&ground.mood)));
    let random = ground.bug == Some(Bug::RandomSignatures);
    let keys = Arc::new(DigestKeys::new(Arc::clone(&pace), random));
    let auth = Arc::new(Auth::new(Parts {
        policy: Arc::clone(&ground.policy),
        store: Arc::clone(&store),
        keys: Arc::clone(&keys) as _,
        passwords: Arc::new(DigestPasswords::new(pace)),
        proofs: Arc::new(AwsLcProofs),
        index: Arc::clone(&index),
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(ground.dice.roll())),
    }));
    let readiness = Arc::new(Readiness::new(Arc::clone(&index), keys, Arc::clone(clock) as _));
    let never = CancellationToken::new();
    let follower = Follower::new(Arc::clone(&store), index, ground.mood.poll_interval);
    in_background(ground, &life, follower.run(never.clone()));
    in_background(
        ground,
        &life,
        Arc::clone(&readiness).watch_clock(Arc::clone(&store), never.clone()),
    );
    let clock = Arc::clone(clock) as _;
    in_background(ground, &life, sweep::run(store, clock, readiness, SWEEPING, never));
    (life, auth)
}

/// Often, since a run is short.
const SWEEPING: sweep::Rules = sweep::Rules {
    interval: Duration::from_millis(400),
    batch: 10,
    audit_retention: Duration::from_hours(1),
};

fn freshness(mood: &Mood) -> Freshness {
    Freshness {
        fresh_for: Duration::from_secs(1),
        catch_up: Duration::from_millis(50),
        staleness_budget: mood.staleness_budget,
        on_stale: OnStale::FailClosed,
    }
}

fn in_background(
    ground: &Ground,
    life: &Arc<Life>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let life = Arc::clone(life);
    ground.tasks.spawn(async move { Living::new(&life, work, None).await.unwrap_or_default() });
}
