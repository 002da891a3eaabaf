//! P1 and P2: revocations under mixed load. The replica that answered accepts
//! nothing from then on; how long do the others, and does a thief get anything?

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{task::JoinSet, time::interval};

use super::{Setting, close};
use crate::{
    calls::Caller,
    checker::Broken,
    history::{Call, Event, Moment, Outcome},
    load::{Load, persons, settle},
    machine::Busy,
    person::steal,
    recorder::Recorder,
    replica::Replica,
    samples::{Samples, millis},
    stage::{Dead, Stage},
};

const PERSONS: u32 = 3;
/// Of whom the last two do what is not measured, with such pauses.
const PAUSE: Duration = Duration::from_millis(20);
/// Sessions that are being ended at the same time, at the most.
const AT_ONCE: usize = 50;
/// Between two looks at a token that was revoked.
const LOOK: Duration = Duration::from_millis(1);
/// So often the replica that answered is asked, and a thief tries.
const TRIES: usize = 3;

/// Revokes so many sessions a second.
pub(crate) async fn run(setting: Setting<'_>, replicas: usize, rate: u32) -> (Recorder, Busy) {
    let (program, _) = setting.program().await;
    let replicas = (0..replicas).map(|_| Replica::start(&program)).collect();
    let stage = Arc::new(Stage::set(&program, PERSONS, replicas, setting.dice()).await);
    let mut people = persons(&stage, PERSONS);
    let load = Load::begin(people.split_off(1), PAUSE);
    let busy = Busy::since_now();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    let mut sessions = JoinSet::new();
    for _ in setting.rounds.clone() {
        ticks.tick().await;
        // A machine that is too slow for the rate gets a slower one.
        if sessions.len() == AT_ONCE {
            sessions.join_next().await;
        }
        sessions.spawn(end_one(Arc::clone(&stage)));
    }
    sessions.join_all().await;
    let busy = busy.until_now();
    people.extend(load.end().await);
    settle(&stage, &mut people).await;
    drop(people);
    (close(stage), busy)
}

/// Logs in, revokes, and looks at every replica until it knows.
async fn end_one(stage: Arc<Stage>) {
    let caller = stage.any_replica(0);
    let (_, Some((chain, tokens))) = caller.login(0).await else { return };
    let (access, refresh) = (tokens.access_token, tokens.refresh_token);
    let Outcome::Revoked { seq } = caller.revoke(chain, &refresh).await else { return };
    let dead = Dead { user: 0, chain, access, refresh, seq, password: None };
    let mut watched = JoinSet::new();
    for replica in 0..stage.replicas.len() {
        let (stage, dead) = (Arc::clone(&stage), dead.clone());
        let is_own = replica == caller.replica;
        watched.spawn(async move { watch(stage.replica(replica, 0), &dead, is_own).await });
    }
    for _ in 0..TRIES {
        stage.any_replica(0).refresh(chain, &dead.refresh).await;
    }
    watched.join_all().await;
    steal(stage.any_replica(0), &dead).await;
    stage.bury(dead);
}

async fn watch(caller: Caller<'_>, dead: &Dead, is_own: bool) {
    if is_own {
        for _ in 0..TRIES {
            caller.verify(dead.chain, &dead.access, 0).await;
        }
        return;
    }
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        if let Outcome::Inactive { .. } = caller.verify(dead.chain, &dead.access, 0).await {
            return;
        }
    }
}

/// P1: so long the 99.9th percentile of the last acceptance may take elsewhere,
/// on a machine that is not busier than this.
const PROMISED_MS: f64 = 250.0;
const BUSY: f64 = 0.5;

/// How long after the answer a revoked token was still good elsewhere.
#[derive(Debug, Serialize)]
pub(crate) struct Delay {
    pub(crate) revocations: usize,
    /// Calls of the last Verify that accepted it; 0 if none did.
    pub(crate) last_acceptance_ms: Distribution,
    /// Answers of the first Verify that refused it.
    pub(crate) first_refusal_ms: Distribution,
    pub(crate) machine_busy: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Distribution {
    p50: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Delay {
    /// From the history alone.
    pub(crate) fn of(events: &[Event], busy: &Busy) -> Self {
        let mut ended: HashMap<u32, (Moment, usize)> = HashMap::new();
        let mut seen: HashMap<(u32, usize), (Moment, Option<Moment>)> = HashMap::new();
        for event in events {
            match (event.call, &event.outcome) {
                (Call::Revoke { chain }, Outcome::Revoked { .. }) => {
                    ended.insert(chain, (event.end, event.replica));
                }
                (Call::Verify { chain, min_seq: 0 }, outcome) => {
                    let seen = seen.entry((chain, event.replica)).or_default();
                    match outcome {
                        Outcome::Active { .. } => seen.0 = seen.0.max(event.begin),
                        Outcome::Inactive { .. } if seen.1.is_none() => seen.1 = Some(event.end),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let elsewhere = seen.into_iter().filter_map(|((chain, replica), (active, inactive))| {
            let (end, answered) = *ended.get(&chain)?;
            let after = |at: Moment| Duration::from_micros(at.saturating_sub(end));
            (replica != answered).then_some((after(active), after(inactive?)))
        });
        let (last, first): (Vec<_>, Vec<_>) = elsewhere.unzip();
        Self {
            revocations: ended.len(),
            last_acceptance_ms: Distribution::of(last),
            first_refusal_ms: Distribution::of(first),
            machine_busy: busy.share,
        }
    }

    /// On a busier machine the times are told, and not judged.
    pub(crate) fn broken(&self) -> Option<Broken> {
        let is_late = self.last_acceptance_ms.p99_9 > PROMISED_MS && self.machine_busy <= BUSY;
        let what = format!("accepted elsewhere: {}", self.last_acceptance_ms);
        is_late.then_some(Broken { promise: "P1", what, line: 0 })
    }
}

impl Distribution {
    fn of(times: Vec<Duration>) -> Self {
        let samples = Samples::new(times);
        let at = |share| millis(samples.per_mille(share));
        Self { p50: at(500), p99: at(990), p99_9: at(999), max: at(1_000) }
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p99, p99_9, max } = self;
        write!(f, "p50 {p50:.1}, p99 {p99:.1}, p99.9 {p99_9:.1}, max {max:.1} ms")
    }
}
