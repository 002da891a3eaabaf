//! What the simulation knows of the store that no replica is told: which steps
//! are still on their way, when each replica last saw the log, and what has
//! happened.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::time::Time;

/// What a step is about that concerns everybody.
pub(super) const EVERYBODY: Uuid = Uuid::nil();

pub(super) struct Ledger {
    time: Arc<Time>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    flights: HashMap<Uuid, Flights>,
    looks: HashMap<usize, Duration>,
    digest: u64,
    /// The whole story, if it is wanted.
    story: Option<Vec<String>>,
}

#[derive(Default)]
struct Flights {
    count: u32,
    landed: Duration,
}

/// A step on its way, until it is dropped.
pub(super) struct Flight {
    ledger: Arc<Ledger>,
    subject: Uuid,
}

impl Ledger {
    pub(super) fn new(time: Arc<Time>, with_story: bool) -> Self {
        let entries = Entries { story: with_story.then(Vec::new), ..Entries::default() };
        Self { time, entries: Mutex::new(entries) }
    }

    pub(super) fn take_off(self: &Arc<Self>, subject: Uuid) -> Flight {
        self.entries().flights.entry(subject).or_default().count += 1;
        Flight { ledger: Arc::clone(self), subject }
    }

    pub(super) fn is_in_flight(&self, subject: Uuid) -> bool {
        self.entries().flights.get(&subject).is_some_and(|flights| flights.count > 0)
    }

    /// When the last step about it has ended.
    pub(super) fn landed(&self, subject: Uuid) -> Duration {
        self.entries().flights.get(&subject).map(|flights| flights.landed).unwrap_or_default()
    }

    /// The replica has seen the head of the log as it is now.
    pub(super) fn look(&self, replica: usize) {
        let now = self.time.elapsed();
        self.entries().looks.insert(replica, now);
    }

    /// A new process has seen nothing.
    pub(super) fn forget_look(&self, replica: usize) {
        self.entries().looks.remove(&replica);
    }

    pub(super) fn last_look(&self, replica: usize) -> Option<Duration> {
        self.entries().looks.get(&replica).copied()
    }

    /// Notes an event. Its kind and its number go into the digest of the run,
    /// the rest only into the story.
    pub(super) fn note(&self, kind: &'static str, number: u64, text: impl FnOnce() -> String) {
        let now = self.time.elapsed();
        let mut entries = self.entries();
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let words = [micros, number].into_iter().flat_map(u64::to_le_bytes);
        // FNV-1a: what differs anywhere differs in the end.
        let digest = kind.bytes().chain(words).fold(entries.digest, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        entries.digest = digest;
        if let Some(story) = &mut entries.story {
            let mut line = format!("{:>10.3} {kind} {number}", now.as_secs_f64());
            write!(line, " {}", text()).expect("a string takes everything");
            story.push(line);
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.entries().digest
    }

    pub(super) fn story(&self) -> Vec<String> {
        self.entries().story.clone().unwrap_or_default()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let now = self.ledger.time.elapsed();
        let mut entries = self.ledger.entries();
        if let Some(flights) = entries.flights.get_mut(&self.subject) {
            flights.count -= 1;
            flights.landed = now;
        }
    }
}
