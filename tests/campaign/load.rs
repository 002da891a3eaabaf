//! Persons who act, each in turn with itself, all at once.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    person::{Person, steal},
    stage::Stage,
};

pub(crate) struct Load {
    persons: JoinSet<Person>,
    stop: CancellationToken,
}

impl Load {
    /// Lets persons act, with so long a pause after everything they do.
    pub(crate) fn begin(persons: Vec<Person>, pause: Duration) -> Self {
        let stop = CancellationToken::new();
        let acting = persons.into_iter().map(|mut person| {
            let stop = stop.clone();
            async move {
                while !stop.is_cancelled() {
                    person.act().await;
                    sleep(pause).await;
                }
                person
            }
        });
        Self { persons: acting.collect(), stop }
    }

    /// Lets everybody finish what they do.
    pub(crate) async fn end(self) -> Vec<Person> {
        self.stop.cancel();
        self.persons.join_all().await
    }
}

/// As many persons as can log in.
pub(crate) fn persons(stage: &Arc<Stage>, count: u32) -> Vec<Person> {
    (0..count).map(|user| Person::new(stage, user)).collect()
}

/// The end of a campaign: nothing disturbs, so on every replica everything
/// that lives has to be good, and everything that was ended bad.
pub(crate) async fn settle(stage: &Arc<Stage>, persons: &mut [Person]) {
    stage.ready().await;
    stage.recorder.set_calm(true);
    for replica in 0..stage.replicas.len() {
        for person in &mut *persons {
            person.show(replica).await;
        }
        for dead in stage.latest_dead() {
            steal(stage.replica(replica, dead.user), &dead).await;
        }
    }
    stage.recorder.set_calm(false);
}
