//! Following the key folders while the server runs, at the [`Pace`] of
//! everything that is followed, and making the next keys.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    key_rotation::apart,
    live_keys::{LiveKeys, Reload},
};
use crate::{
    domain::{clock::Clock, error::chain, keys::RotationRules},
    pace::Pace,
};

/// After a key could not be made: nobody waits for it, and computing one only
/// to find a folder read-only costs up to seconds.
const REST: Duration = Duration::from_mins(10);

/// What a server does for its keys.
#[derive(Clone, Copy, Debug)]
pub struct WatchRules {
    /// Time between two looks at the folders.
    pub interval: Duration,
    /// How keys change by themselves; `None`: they do not.
    pub rotation: Option<RotationRules>,
}

/// Looks at the folders at SIGHUP and each interval, and makes the keys that
/// are due, until told to stop. None is made while `clock_is_right` says no:
/// what has a wrong date would stand in the way of the right one.
pub async fn watch(
    keys: Arc<LiveKeys>,
    clock: Arc<dyn Clock>,
    clock_is_right: impl Fn() -> bool,
    rules: WatchRules,
    stop: CancellationToken,
) {
    if rules.rotation.is_some() && keys.has_undated(clock.now()) {
        tracing::info!("a key file has no date in its name: such keys do not change by themselves");
    }
    let mut pace = Pace::new(rules.interval);
    let mut told = Told::default();
    loop {
        let (looking, looked_at) = (Arc::clone(&keys), Arc::clone(&clock));
        let began = clock.monotonic();
        let rests = told.rest_until.is_some_and(|end| began < end);
        let rotation = rules.rotation.filter(|_| !rests && clock_is_right());
        let work = move || look(&looking, looked_at.as_ref(), rotation);
        // Nobody waits for a key that is being made: it appears whole or not.
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = apart(work) => outcome,
        };
        if let Some(looked) = outcome {
            told.tell(looked, rotation.map(|_| began));
        } else {
            tracing::error!("a look at the key folders ended early");
        }
        if stop.run_until_cancelled(pace.next()).await.is_none() {
            return;
        }
    }
}

/// What one look has shown.
#[derive(Debug, Default)]
struct Looked {
    taken: bool,
    fault: Option<String>,
    /// Why keys do not change by themselves although they should.
    hindrance: Option<String>,
}

fn look(keys: &LiveKeys, clock: &dyn Clock, rotation: Option<RotationRules>) -> Looked {
    let (taken, fault) = match keys.reload(clock.now()) {
        Reload::Refused(error) => (false, Some(error.to_string())),
        outcome => (outcome == Reload::Taken, None),
    };
    let Some(rules) = rotation.filter(|_| fault.is_none()) else {
        return Looked { taken, fault, hindrance: None };
    };
    match keys.make_due(clock.now(), rules) {
        Ok(made) => {
            for path in &made {
                tracing::info!(path = %path.display(), "made the next key");
            }
            Looked { taken: taken || !made.is_empty(), fault, hindrance: None }
        }
        Err(error) => Looked { taken, fault, hindrance: Some(chain(&error)) },
    }
}

/// What was said already: each thing is told once, until it is another one.
#[derive(Default)]
struct Told {
    fault: Option<String>,
    hindrance: Option<String>,
    /// No key is made before.
    rest_until: Option<Duration>,
}

impl Told {
    /// `tried_at`: when it was tried to make keys, by the monotonic clock.
    fn tell(&mut self, looked: Looked, tried_at: Option<Duration>) {
        if looked.taken {
            tracing::info!("keys reloaded");
        }
        match (&self.fault, &looked.fault) {
            (told, Some(error)) if told.as_ref() != Some(error) => {
                tracing::error!(error, "the keys cannot be reloaded; the former ones stay");
            }
            (Some(_), None) => tracing::info!("the key folders are good again"),
            _ => {}
        }
        self.fault = looked.fault;
        let Some(tried_at) = tried_at else { return };
        if self.hindrance != looked.hindrance
            && let Some(reason) = &looked.hindrance
        {
            tracing::warn!(reason, "keys do not change by themselves; see docs/keys.md");
        }
        self.rest_until = looked.hindrance.is_some().then(|| tried_at.saturating_add(REST));
        self.hindrance = looked.hindrance;
    }
}
