//! P1 to P4 while processes are stopped and killed, and while connections to
//! the database are cut, slow or silent.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::{BREATH, Setting, close};
use crate::{
    history::Outcome,
    load::{Load, persons, settle},
    recorder::Recorder,
    replica::Replica,
    stage::Stage,
    support::{
        beside,
        proxy::{Proxy, Weather},
        world::Engine,
    },
};

/// How old the knowledge of a replica may be here.
pub(crate) const BUDGET: Duration = Duration::from_secs(2);
const PERSONS: u32 = 4;
/// The replica whose way to the database goes wrong.
const FAR: usize = 1;
/// Longer than a replica takes to notice anything, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than a stopped process may be: others go on for so many changes.
const MEANWHILE: u64 = 20;
/// The longest that it is, however little others do.
const STOPPED: Duration = Duration::from_secs(5);
/// How long a fault lasts at the most that no event ends.
const LONGEST: usize = 1_500;

const TERMINATE: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// To the database: the one of [`FAR`], and a straight one.
struct Way {
    proxy: Proxy,
    database: String,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Stopped,
    Killed,
    Terminated,
    Cut,
    Closed,
    Slow,
    Silent,
    Crashed,
}

/// Two processes on one SQLite file have no connections that could be cut.
const ANYWHERE: [Fault; 2] = [Fault::Stopped, Fault::Killed];
const POSTGRES: [Fault; 8] = [
    Fault::Silent,
    Fault::Stopped,
    Fault::Terminated,
    Fault::Cut,
    Fault::Closed,
    Fault::Slow,
    Fault::Killed,
    Fault::Crashed,
];

pub(crate) async fn run(mut setting: Setting<'_>) -> Recorder {
    let budget = format!("{}s", BUDGET.as_secs());
    let (program, url) = setting.program().await;
    let program = program.set("revocation.staleness_budget", &budget);
    let (far, way) = match &url {
        None => (program.clone(), None),
        Some(url) => {
            let proxy = Proxy::start(url).await;
            let far = program.clone().env("TOKENWARD_DATABASE_URL", &proxy.url);
            (far, Some(Way { proxy, database: url.clone() }))
        }
    };
    let replicas = [&program, &far].map(Replica::start).into();
    let stage = Arc::new(Stage::set(&program, PERSONS, replicas, setting.dice()).await);
    let faults: &[Fault] = if setting.engine == Engine::Sqlite { &ANYWHERE } else { &POSTGRES };
    let mut people = persons(&stage, PERSONS);
    for round in setting.rounds.clone() {
        let load = Load::begin(people, BREATH);
        stage.recorder.more_done(MEANWHILE).await;
        // Each once, and then by chance.
        let chance = stage.dice.below(faults.len());
        let fault = faults.get(round).copied().unwrap_or(faults[chance]);
        happen(fault, &stage, &mut setting, way.as_ref()).await;
        stage.ready().await;
        people = load.end().await;
        if stage.recorder.is_stuck() {
            break;
        }
        settle(&stage, &mut people).await;
    }
    drop(people);
    close(stage)
}

/// One fault, from its beginning to its end.
async fn happen(fault: Fault, stage: &Stage, setting: &mut Setting<'_>, way: Option<&Way>) {
    let some_time = Duration::from_millis(stage.dice.below(LONGEST) as u64);
    let replica = &stage.replicas[stage.dice.below(stage.replicas.len())];
    let weather = |change: fn(&mut Weather)| {
        way.expect("a way to the database").proxy.weather.send_modify(change);
    };
    match fault {
        Fault::Stopped => {
            replica.signal(Signal::STOP);
            // One that is stopped within a write keeps the lock of SQLite: then
            // nobody writes until it goes on.
            let others_go_on = stage.recorder.more_done(MEANWHILE);
            let _ = timeout(STOPPED, others_go_on).await;
            sleep(some_time).await;
            replica.signal(Signal::CONT);
        }
        Fault::Killed => {
            replica.kill();
            sleep(some_time).await;
            replica.restart();
        }
        Fault::Terminated => {
            let Way { database, .. } = way.expect("a way to the database");
            beside::number(database, TERMINATE).await;
        }
        Fault::Cut => weather(|weather| weather.cuts += 1),
        Fault::Closed => {
            weather(|weather| {
                weather.closed = true;
                weather.cuts += 1;
            });
            sleep(some_time).await;
            weather(|weather| weather.closed = false);
        }
        Fault::Slow => {
            weather(|weather| weather.delay = Duration::from_millis(50));
            sleep(some_time).await;
            weather(|weather| weather.delay = Duration::ZERO);
        }
        Fault::Silent => {
            weather(|weather| {
                weather.silent = true;
                weather.silences += 1;
            });
            until_it_refuses_to_judge(stage).await;
            weather(|weather| {
                weather.silent = false;
                weather.cuts += 1;
            });
        }
        Fault::Crashed => {
            setting.postgres.as_mut().expect("a server that can crash").crash().await;
        }
    }
}

/// P1: past its budget the replica says that it cannot judge.
async fn until_it_refuses_to_judge(stage: &Stage) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(dead) = stage.any_dead() else { return };
        let caller = stage.replica(FAR, dead.user);
        let verdict = caller.verify(dead.chain, &dead.access, 0).await;
        if verdict == (Outcome::Unavailable { reason: "REVOCATIONS_STALE".to_owned() }) {
            return;
        }
        assert!(Instant::now() < deadline, "it goes on judging: {verdict:?}");
        sleep(BREATH).await;
    }
}
