//! What one worker thread does: wait, run, remember how long it took.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    hash_memory::{HashMemory, MemoryBudget, Room},
    job::Job,
    queue::{Queue, Typical},
    workers::WorkerSettings,
};
use crate::{
    domain::clock::Clock,
    telemetry::metrics::{MemoryMetrics, WorkerMetrics},
};

/// The lowest priority there is but for the idle class.
const NICE: i32 = 19;

/// What a signature takes, until some have been measured.
const TYPICAL_SIGNATURE: Typical = Typical { took: Duration::from_micros(300), memory: 0 };
/// What a hash takes, until some have been measured.
const TYPICAL_HASH: Typical = Typical { took: Duration::from_millis(25), memory: 0 };

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A fifth of a millisecond: served first.
    Signing,
    /// A hundred times that.
    Hashing,
}

/// What all threads and their owner share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keep_memory: Duration,
}

/// What waits, and the memory for it.
pub(super) struct State {
    signing: Queue,
    hashing: Queue,
    /// Hashes that are being made, and how many may be.
    hashes: usize,
    hashes_max: usize,
    pub(super) memory: MemoryBudget,
    metrics: MemoryMetrics,
    pub(super) closed: bool,
}

/// What a thread does next.
enum Step {
    Run(Work, Box<dyn Job>, HashMemory),
    /// Wipe memory that was kept, and give it back.
    Release(HashMemory),
    /// Nothing, for so long if nothing changes.
    Wait(Option<Duration>),
}

impl State {
    pub(super) fn new(settings: &WorkerSettings, metrics: WorkerMetrics) -> Self {
        let WorkerMetrics { signing, hashing, memory } = metrics;
        let hashing_threads = settings.hashing_threads.min(settings.threads);
        let queue = |work, capacity, threads, typical, metrics| {
            Queue::new(work, capacity, threads, typical, settings, metrics)
        };
        let (signing_queue, hashing_queue) = (settings.signing_queue, settings.hashing_queue);
        memory.budget(settings.hashing_memory);
        Self {
            signing: queue("signing", signing_queue, settings.threads, TYPICAL_SIGNATURE, signing),
            hashing: queue(
                "password hashing",
                hashing_queue,
                hashing_threads,
                TYPICAL_HASH,
                hashing,
            ),
            hashes: 0,
            hashes_max: hashing_threads.get(),
            memory: MemoryBudget::new(settings.hashing_memory, hashing_threads.get()),
            metrics: memory,
            closed: false,
        }
    }

    pub(super) fn of(&mut self, work: Work) -> &mut Queue {
        match work {
            Work::Signing => &mut self.signing,
            Work::Hashing => &mut self.hashing,
        }
    }

    /// Takes nothing more, and forgets what waits.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.signing.clear();
        self.hashing.clear();
    }

    /// Is there anything that another thread could do?
    fn has_waiting(&self) -> bool {
        self.signing.waiting() + self.hashing.waiting() > 0
    }

    /// Is there a thread for it, if there is one at all?
    fn may_run(&self, work: Work) -> bool {
        work == Work::Signing || self.hashes < self.hashes_max
    }

    /// A hash for which there is no memory yet is not overtaken by another:
    /// it would wait for ever.
    fn next(&mut self, now: Duration, keep: Duration) -> Step {
        let stale_in = self.memory.oldest().map(|since| (since + keep).saturating_sub(now));
        if stale_in == Some(Duration::ZERO)
            && let Some(memory) = self.memory.take_oldest()
        {
            return Step::Release(memory);
        }
        for work in [Work::Signing, Work::Hashing] {
            if !self.may_run(work) {
                continue;
            }
            let Some(bytes) = self.of(work).next_needs(now) else { continue };
            match self.memory.room(bytes) {
                Room::Now => {
                    if let Some(job) = self.of(work).pop(now) {
                        let memory = self.memory.take(bytes);
                        self.measure();
                        self.hashes += usize::from(work == Work::Hashing);
                        return Step::Run(work, job, memory);
                    }
                }
                Room::AfterRelease => {
                    if let Some(memory) = self.memory.take_oldest() {
                        return Step::Release(memory);
                    }
                }
                Room::Later => {}
            }
        }
        Step::Wait(stale_in)
    }

    fn give_back(&mut self, memory: HashMemory, now: Duration) {
        self.memory.give_back(memory, now);
        self.measure();
    }

    fn measure(&self) {
        let usage = self.memory.usage();
        self.metrics.held(usage.held, usage.highest);
    }
}

impl Shared {
    /// What each thread does until it is told to stop.
    pub(super) fn work(&self) {
        lower_priority();
        while let Some((work, job, mut memory)) = self.next() {
            let began = self.clock.monotonic();
            job.run(&mut memory);
            let now = self.clock.monotonic();
            let mut state = self.lock();
            state.hashes -= usize::from(work == Work::Hashing);
            state.of(work).record(now.saturating_sub(began), memory.bytes());
            state.give_back(memory, now);
        }
    }

    /// Waits for a job. `None`: there will be no more.
    fn next(&self) -> Option<(Work, Box<dyn Job>, HashMemory)> {
        let mut state = self.lock();
        while !state.closed {
            match state.next(self.clock.monotonic(), self.keep_memory) {
                Step::Run(work, job, memory) => {
                    // What had to wait for memory or behind this may go on.
                    if state.has_waiting() {
                        self.changed.notify_one();
                    }
                    return Some((work, job, memory));
                }
                Step::Release(mut memory) => {
                    drop(state);
                    memory.release();
                    state = self.lock();
                    state.give_back(memory, self.clock.monotonic());
                }
                Step::Wait(None) => {
                    let wait = self.changed.wait(state);
                    state = wait.unwrap_or_else(PoisonError::into_inner);
                }
                Step::Wait(Some(span)) => {
                    let wait = self.changed.wait_timeout(state, span);
                    (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        None
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Jobs run outside of the locks, so a poisoned one guards nothing broken.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Linux keeps a priority for each thread; elsewhere it is that of the whole
/// process and must stay. Lowering it needs no privilege.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        num::NonZeroUsize,
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use super::*;
    use crate::{
        crypto::{port::JobFor, workers::Workers},
        domain::clock::{SystemClock, Timestamp},
    };

    fn one_worker() -> Workers {
        let settings = WorkerSettings {
            threads: NonZeroUsize::MIN,
            keep_memory: Duration::from_millis(1),
            ..WorkerSettings::default()
        };
        let clock = Arc::new(SystemClock::new());
        Workers::start(settings, clock).expect("threads")
    }

    async fn fill(workers: &Workers, kib: usize) {
        let place = workers.place_for_hash(JobFor::default()).expect("room");
        let filled = workers.hash(kib * 1024, place, |memory| memory.blocks().len());
        assert_eq!(filled.await.expect("done"), kib);
    }

    #[tokio::test]
    async fn threads_have_names_and_the_lowest_priority() {
        #[cfg(target_os = "linux")]
        let own_priority = rustix::process::nice(0);
        let workers = one_worker();
        let name = workers.sign(|| thread::current().name().map(str::to_owned)).await;
        assert_eq!(name.expect("done").as_deref(), Some("tokenward-worker-0"));
        #[cfg(target_os = "linux")]
        {
            let nice = workers.sign(|| rustix::process::nice(0)).await.expect("done");
            assert_eq!(nice, Ok(NICE));
            assert_eq!(rustix::process::nice(0), own_priority, "this thread keeps its own");
        }
    }

    /// P7: memory is bounded by what runs, kept while there is work, and
    /// given back without it.
    #[tokio::test]
    async fn p7_hash_memory_is_given_back() {
        let workers = one_worker();
        fill(&workers, 64).await;
        let clock = SystemClock::new();
        while workers.memory().held > 0 {
            assert!(clock.monotonic() < Duration::from_secs(30), "it is kept");
            thread::yield_now();
        }
    }

    #[derive(Debug, Default)]
    struct HandClock(AtomicU64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }
    }

    /// P7: signatures alone do not keep the memory of a hash.
    #[tokio::test]
    async fn p7_hash_memory_goes_while_signatures_are_made() {
        let clock = Arc::new(HandClock::default());
        let settings = WorkerSettings {
            threads: NonZeroUsize::MIN,
            keep_memory: Duration::from_mins(10),
            ..WorkerSettings::default()
        };
        let shared = Arc::clone(&clock) as _;
        let workers = Workers::start(settings, shared).expect("threads");
        fill(&workers, 16).await;
        for (seconds, held) in [(0, 16 * 1024), (599, 16 * 1024), (600, 0)] {
            clock.0.store(seconds, Ordering::SeqCst);
            // The second one begins when all is done that follows the first.
            workers.sign(|| ()).await.expect("done");
            workers.sign(|| ()).await.expect("done");
            assert_eq!(workers.memory().held, held, "after {seconds} s");
        }
    }
}
