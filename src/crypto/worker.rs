//! What one worker thread does: wait, run, remember how long it took.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use super::{
    hash_memory::HashMemory,
    queue::{Job, Queues, Work},
};
use crate::domain::clock::Clock;

/// The lowest priority there is but for the idle class.
const NICE: i32 = 19;

/// What all threads and their owner share.
pub(super) struct Shared {
    pub(super) queues: Mutex<Queues>,
    pub(super) changed: Condvar,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keep_memory: Duration,
    pub(super) memory: Arc<AtomicUsize>,
}

impl Shared {
    /// What each thread does until it is told to stop.
    pub(super) fn work(&self) {
        lower_priority();
        let mut memory = HashMemory::new(Arc::clone(&self.memory));
        let mut last_hash = Duration::ZERO;
        while let Some((work, job)) = self.next(&mut memory) {
            let began = self.clock.monotonic();
            job.run(&mut memory);
            let now = self.clock.monotonic();
            self.lock().of(work).record(now.saturating_sub(began));
            if work == Work::Hashing {
                last_hash = now;
            } else if now.saturating_sub(last_hash) > self.keep_memory {
                // Signatures alone must not keep it for ever.
                memory.release();
            }
        }
    }

    /// Waits for a job. `None`: there will be no more.
    fn next(&self, memory: &mut HashMemory) -> Option<(Work, Box<dyn Job>)> {
        let mut queues = self.lock();
        loop {
            if queues.closed {
                return None;
            }
            if let Some(next) = queues.pop() {
                return Some(next);
            }
            if !memory.is_held() {
                queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let wait = self.changed.wait_timeout(queues, self.keep_memory);
            let (guard, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            queues = guard;
            if timeout.timed_out() {
                drop(queues);
                memory.release();
                queues = self.lock();
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }
}

/// Jobs run outside of the locks, so a poisoned one guards nothing broken.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Linux keeps a priority for each thread; elsewhere it is that of the whole
/// process and must stay. Lowering it needs no privilege.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "a worker thread keeps its priority");
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
        crypto::workers::{WorkerSettings, Workers},
        domain::clock::{SystemClock, Timestamp},
    };

    fn one_worker() -> Workers {
        let settings = WorkerSettings {
            threads: NonZeroUsize::MIN,
            keep_memory: Duration::from_millis(1),
            ..WorkerSettings::default()
        };
        Workers::start(settings, Arc::new(SystemClock::new())).expect("threads")
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
        let filled = workers.hash(|memory| (memory.blocks(64).len(), memory.blocks(16).len()));
        assert_eq!(filled.await.expect("done"), (64, 16));
        let clock = SystemClock::new();
        while workers.held_memory() > 0 {
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
        let workers = Workers::start(settings, Arc::clone(&clock) as _).expect("threads");
        workers.hash(|memory| memory.blocks(16).len()).await.expect("done");
        for (seconds, held) in [(0, 16 * 1024), (600, 16 * 1024), (601, 0)] {
            clock.0.store(seconds, Ordering::SeqCst);
            // The second one begins when all is done that follows the first.
            workers.sign(|| ()).await.expect("done");
            workers.sign(|| ()).await.expect("done");
            assert_eq!(workers.held_memory(), held, "after {seconds} s");
        }
    }
}
