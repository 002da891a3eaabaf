//! P4: many present the same refresh token at once, to two processes. There is
//! one successor, and whoever asks again gets it.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Setting, close};
use crate::{recorder::Recorder, replica::Replica, stage::Stage};

const RACERS: std::ops::RangeInclusive<usize> = 2..=64;
/// So often the successor of a successor is raced for.
const TURNS: usize = 10;

pub(crate) async fn run(setting: Setting<'_>) -> Recorder {
    let (program, _) = setting.program().await;
    let replicas = vec![Replica::start(&program), Replica::start(&program)];
    let stage = Arc::new(Stage::set(&program, 1, replicas, setting.dice()).await);
    let mut newest = None;
    for round in setting.rounds.clone() {
        let (chain, token) = match newest.take() {
            Some(newest) if round % TURNS > 0 => newest,
            _ => log_in(&stage).await,
        };
        let racers = RACERS.start() + stage.dice.below(RACERS.end() - RACERS.start() + 1);
        let racing = (0..racers).map(|racer| {
            let replica = racer % stage.replicas.len();
            stage.replica(replica, 0).refresh(chain, &token)
        });
        join_all(racing).await;
        // The honest one, whose answer was lost among them: a retry must help.
        stage.recorder.set_calm(true);
        for replica in 0..stage.replicas.len() {
            let (_, tokens) = stage.replica(replica, 0).refresh(chain, &token).await;
            newest = tokens.map(|tokens| (chain, tokens.refresh_token)).or(newest);
        }
        stage.recorder.set_calm(false);
    }
    close(stage)
}

async fn log_in(stage: &Stage) -> (u32, String) {
    let (outcome, session) = stage.any_replica(0).login(0).await;
    let (chain, tokens) = session.unwrap_or_else(|| panic!("no login: {outcome:?}"));
    (chain, tokens.refresh_token)
}
