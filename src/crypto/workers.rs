//! The threads on which signing and hashing run.
//!
//! They are not the runtime's: a hash takes 25 ms, in which a runtime thread
//! would answer a thousand calls. They run at the lowest priority, one per
//! core, and so get every core that nobody else wants; behind a semaphore on the
//! runtime's own blocking threads hashes raise the p99 of everything else more
//! than tenfold. One of them never hashes, so that in a storm of logins no
//! signature waits for a hash, and a core is free for what serves.

use std::{
    fmt, io,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    hash_memory::{HashMemory, MemoryUse},
    job::{Job, Task},
    port::{CryptoError, JobFor},
    queue::Waiting,
    worker::{Shared, State, Work, lock},
};
use crate::{
    domain::{clock::Clock, error::Fault},
    telemetry::metrics::WorkerMetrics,
};

/// How many threads, and how much may wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Threads.
    pub threads: NonZeroUsize,
    /// Of these, how many may hash at the same time.
    pub hashing_threads: NonZeroUsize,
    /// How many signatures may wait.
    pub signing_queue: usize,
    /// How many password hashes may wait.
    pub hashing_queue: usize,
    /// How long either may have to wait, as far as that can be foreseen.
    pub max_wait: Duration,
    /// The most memory that all hashes together hold at any time, in bytes,
    /// what is kept for the next ones included.
    pub hashing_memory: usize,
    /// How long the memory of a hash is kept for the next one.
    pub keep_memory: Duration,
}

/// As the program's own settings are.
impl Default for WorkerSettings {
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            threads,
            hashing_threads: all_but_one(threads),
            signing_queue: 4096,
            hashing_queue: 256,
            max_wait: Duration::from_secs(5),
            hashing_memory: 320 << 20,
            keep_memory: Duration::from_secs(10),
        }
    }
}

/// So many of the threads hash, if nothing else was said.
pub fn all_but_one(threads: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::new(threads.get() - 1).unwrap_or(threads)
}

/// How many jobs wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLengths {
    /// Signatures.
    pub signing: usize,
    /// Password hashes.
    pub hashing: usize,
}

/// The worker threads. Dropping the last handle stops them.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    settings: WorkerSettings,
}

impl Workers {
    /// Starts the threads, which nobody looks at. Fails when the system gives
    /// none.
    pub fn start(settings: WorkerSettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::start_measured(settings, clock, WorkerMetrics::default())
    }

    /// The same, with something that records what they do.
    pub fn start_measured(
        settings: WorkerSettings,
        clock: Arc<dyn Clock>,
        metrics: WorkerMetrics,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&settings, metrics)),
            changed: Condvar::new(),
            clock,
            keep_memory: settings.keep_memory,
        });
        let workers = Self { shared, threads: Mutex::default(), settings };
        for index in 0..settings.threads.get() {
            let shared = Arc::clone(&workers.shared);
            let thread = thread::Builder::new().name(format!("tokenward-worker-{index}"));
            lock(&workers.threads).push(thread.spawn(move || shared.work())?);
        }
        Ok(workers)
    }

    /// Runs a signature, before all hashes that wait.
    pub(super) async fn sign<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CryptoError> {
        let place = self.place(Work::Signing, JobFor::default())?;
        answer(place.submit(0, move |_| work())?).await
    }

    /// A place in the queue of password hashes, or why there is none.
    pub(super) fn place_for_hash(&self, whom: JobFor) -> Result<Place, CryptoError> {
        self.place(Work::Hashing, whom)
    }

    /// Runs a password hash in so many bytes of memory.
    pub(super) async fn hash<T: Send + 'static>(
        &self,
        bytes: usize,
        place: Place,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<T, CryptoError> {
        if bytes > self.memory_budget() {
            return Err(CryptoError::Failed(Fault::from("a hash needs more than all memory")));
        }
        answer(place.submit(bytes, work)?).await
    }

    /// How many jobs wait now.
    pub fn queued(&self) -> QueueLengths {
        let mut state = self.shared.lock();
        QueueLengths {
            signing: state.of(Work::Signing).waiting(),
            hashing: state.of(Work::Hashing).waiting(),
        }
    }

    /// What hashes hold.
    pub fn memory(&self) -> MemoryUse {
        self.shared.lock().memory.usage()
    }

    /// The most that one hash, and all together, may hold, in bytes.
    pub(super) const fn memory_budget(&self) -> usize {
        self.settings.hashing_memory
    }

    /// Forgets what waits, lets what runs end, and joins the threads. Later
    /// jobs fail. Blocks for as long as one hash takes.
    pub fn shutdown(&self) {
        self.shared.lock().close();
        self.shared.changed.notify_all();
        for handle in std::mem::take(&mut *lock(&self.threads)) {
            // A job that holds the last handle must not wait for itself.
            if handle.thread().id() != thread::current().id() && handle.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
            }
        }
    }

    fn place(&self, work: Work, whom: JobFor) -> Result<Place, CryptoError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.monotonic();
        let deadline = whom.time_left.map(|span| now.saturating_add(span));
        let mut state = shared.lock();
        if state.closed {
            return Err(CryptoError::Failed(Fault::from("the worker threads have stopped")));
        }
        state.of(work).reserve(whom.source, now, deadline)?;
        drop(state);
        Ok(Place { shared, work, source: whom.source, deadline, is_taken: false })
    }
}

/// A place in a queue that its job has not come to yet. Dropped, it is there
/// for others.
pub struct Place {
    shared: Arc<Shared>,
    work: Work,
    source: Option<IpAddr>,
    deadline: Option<Duration>,
    is_taken: bool,
}

impl Place {
    /// Puts a job in its place. It is skipped if the receiver is dropped before
    /// it starts.
    fn submit<T: Send + 'static>(
        mut self,
        memory: usize,
        run: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<Answer<T>, CryptoError> {
        let (reply, receiver) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Task { work: run, reply });
        let (since, deadline) = (self.shared.clock.monotonic(), self.deadline);
        let mut state = self.shared.lock();
        if state.closed {
            return Err(CryptoError::Failed(Fault::from("the worker threads have stopped")));
        }
        state.of(self.work).push(self.source, Waiting { job, memory, since, deadline });
        drop(state);
        self.is_taken = true;
        self.shared.changed.notify_one();
        Ok(receiver)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.shared.lock().of(self.work).give_back(self.source);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("work", &self.work).finish_non_exhaustive()
    }
}

type Answer<T> = oneshot::Receiver<Result<T, CryptoError>>;

impl Drop for Workers {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("settings", &self.settings).finish_non_exhaustive()
    }
}

async fn answer<T>(receiver: Answer<T>) -> Result<T, CryptoError> {
    receiver.await.map_err(|_| {
        CryptoError::Failed(Fault::from("a worker thread gave no answer: it panicked or stopped"))
    })?
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;
    use crate::domain::clock::SystemClock;

    fn workers(threads: usize, queue: usize) -> Workers {
        let settings = WorkerSettings {
            threads: NonZeroUsize::new(threads).expect("not zero"),
            hashing_threads: all_but_one(NonZeroUsize::new(threads).expect("not zero")),
            signing_queue: queue,
            hashing_queue: queue,
            max_wait: Duration::MAX,
            keep_memory: Duration::from_millis(1),
            ..WorkerSettings::default()
        };
        let clock = Arc::new(SystemClock::new());
        Workers::start(settings, clock).expect("threads")
    }

    fn submit<T: Send + 'static>(
        workers: &Workers,
        work: Work,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Answer<T>, CryptoError> {
        workers.place(work, JobFor::default())?.submit(0, |_| run())
    }

    async fn done<T>(answer: Answer<T>) -> T {
        answer.await.expect("an answer").expect("done")
    }

    /// Keeps a thread busy until the sender is dropped.
    fn occupy(workers: &Workers, work: Work) -> (mpsc::Sender<()>, Answer<()>) {
        let (started, has_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let done = submit(workers, work, move || {
            started.send(()).expect("the test waits");
            assert!(released.recv().is_err());
        });
        has_started.recv().expect("the job runs");
        (release, done.expect("room"))
    }

    /// LG-14, LG-16: the queue has exactly its length, and says when to come
    /// again.
    #[tokio::test]
    async fn lg_16_a_full_queue_refuses_at_once() {
        let workers = workers(1, 3);
        let (release, _running) = occupy(&workers, Work::Hashing);
        let waiting: Vec<_> =
            (0..3).map(|n| submit(&workers, Work::Hashing, move || n).expect("room")).collect();
        let refused = workers.place_for_hash(JobFor::default()).map(drop);
        let Err(CryptoError::Busy { work: "password hashing", retry_after }) = refused else {
            panic!("{refused:?}");
        };
        assert!(retry_after >= Duration::from_millis(100));
        assert_eq!(workers.queued(), QueueLengths { signing: 0, hashing: 3 });
        let signature = submit(&workers, Work::Signing, || ()).expect("its own queue has room");
        drop(release);
        for (expected, receiver) in waiting.into_iter().enumerate() {
            assert_eq!(done(receiver).await, expected);
        }
        done(signature).await;
    }

    #[tokio::test]
    async fn signatures_go_before_hashes() {
        let workers = workers(1, 8);
        let (release, _running) = occupy(&workers, Work::Hashing);
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |work, name| {
            let order = Arc::clone(&order);
            submit(&workers, work, move || lock(&order).push(name)).expect("room")
        };
        let answers = [
            note(Work::Hashing, "hash 1"),
            note(Work::Signing, "signature 1"),
            note(Work::Hashing, "hash 2"),
            note(Work::Signing, "signature 2"),
        ];
        drop(release);
        for answer in answers {
            done(answer).await;
        }
        assert_eq!(*lock(&order), ["signature 1", "signature 2", "hash 1", "hash 2"]);
    }

    /// P6: a storm of logins does not hold up what has to be signed.
    #[tokio::test]
    async fn p6_one_thread_never_hashes() {
        let workers = workers(2, 8);
        let (release, running) = occupy(&workers, Work::Hashing);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let next = submit(&workers, Work::Hashing, move || count.fetch_add(1, Ordering::SeqCst));
        // Each is done by the other thread, which would have begun the hash.
        for _ in 0..3 {
            done(submit(&workers, Work::Signing, || ()).expect("room")).await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        assert_eq!(workers.queued(), QueueLengths { signing: 0, hashing: 1 });
        drop(release);
        done(running).await;
        assert_eq!(done(next.expect("room")).await, 0);
    }

    /// LG-18: a caller that went away before its turn costs nothing.
    #[tokio::test]
    async fn lg_18_abandoned_jobs_do_not_run() {
        let workers = workers(1, 8);
        let (release, _running) = occupy(&workers, Work::Hashing);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = |ran: &Arc<AtomicUsize>| {
            let ran = Arc::clone(ran);
            submit(&workers, Work::Hashing, move || ran.fetch_add(1, Ordering::SeqCst))
        };
        for _ in 0..10_000 {
            drop(count(&ran).expect("room"));
        }
        let last = count(&ran).expect("room");
        drop(release);
        assert_eq!(done(last).await, 0);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_job_only() {
        let workers = workers(1, 8);
        let failed = workers.sign(|| panic!("on purpose")).await;
        assert!(matches!(failed, Err(CryptoError::Failed(_))), "{failed:?}");
        assert_eq!(workers.sign(|| 7).await.expect("the thread lives"), 7);
    }

    #[tokio::test]
    async fn shutdown_ends_what_runs_and_forgets_what_waits() {
        let workers = workers(2, 8);
        let (release, running) = occupy(&workers, Work::Hashing);
        let (release_too, running_too) = occupy(&workers, Work::Signing);
        let waiting = submit(&workers, Work::Signing, || ()).expect("room");
        thread::scope(|scope| {
            scope.spawn(|| workers.shutdown());
            while !workers.shared.lock().closed {
                thread::yield_now();
            }
            drop((release, release_too));
        });
        done(running).await;
        done(running_too).await;
        assert!(waiting.await.is_err());
        assert!(lock(&workers.threads).is_empty());
        assert!(matches!(workers.sign(|| ()).await, Err(CryptoError::Failed(_))));
    }
}
