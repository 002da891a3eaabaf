//! P3: whatever was acknowledged is there after `kill -9` of the process, or
//! after the database has crashed.

use std::sync::Arc;

use super::{BREATH, Setting, close};
use crate::{
    load::{Load, persons, settle},
    person::steal,
    recorder::Recorder,
    replica::Replica,
    stage::Stage,
};

const PERSONS: u32 = 4;
/// So many changes are acknowledged before each blow, and a few more.
const DONE: u64 = 4;
const MORE: usize = 12;

/// Who is struck.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Process,
    Database,
}

pub(crate) async fn run(mut setting: Setting<'_>, victim: Victim) -> Recorder {
    let (program, _) = setting.program().await;
    let replicas = vec![Replica::start(&program)];
    let stage = Arc::new(Stage::set(&program, PERSONS, replicas, setting.dice()).await);
    let load = Load::begin(persons(&stage, PERSONS), BREATH);
    let mut known = 0;
    for _ in setting.rounds.clone() {
        let more = stage.dice.below(MORE) as u64;
        stage.recorder.more_done(DONE + more).await;
        if stage.recorder.is_stuck() {
            break;
        }
        let replica = &stage.replicas[0];
        match victim {
            Victim::Process => {
                replica.kill();
                replica.restart();
            }
            Victim::Database => {
                let postgres = setting.postgres.as_mut().expect("a database that can be struck");
                postgres.crash().await;
            }
        }
        replica.ready().await;
        for dead in stage.dead_since(known) {
            steal(stage.replica(0, dead.user), &dead).await;
            known += 1;
        }
    }
    let mut persons = load.end().await;
    settle(&stage, &mut persons).await;
    drop(persons);
    close(stage)
}
