//! Two bounded queues: signatures, which take a fifth of a millisecond, are
//! served before password hashes, which take a hundred times that.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{hash_memory::HashMemory, workers::WorkerSettings};

/// A job that took so many times as long as usual counts as no longer.
const OUTLIER: u32 = 4;

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Signing,
    Hashing,
}

impl Work {
    /// How the operator and the caller read it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Hashing => "password hashing",
        }
    }

    /// How long one job takes, until some have been measured.
    const fn first_guess(self) -> Duration {
        match self {
            Self::Signing => Duration::from_micros(300),
            Self::Hashing => Duration::from_millis(25),
        }
    }
}

/// Something to do, and someone who may or may not still want the answer.
pub(super) trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, memory: &mut HashMemory);
}

/// A closure and where its result goes.
pub(super) struct Task<F, T> {
    pub(super) work: F,
    pub(super) reply: oneshot::Sender<T>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut HashMemory) -> T + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// After a panic the reply is dropped, which the caller sees. The memory
    /// may hold anything, as it may after every job.
    fn run(self: Box<Self>, memory: &mut HashMemory) {
        let Self { work, reply } = *self;
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| work(memory))) {
            // Nobody waits for it any more: nobody misses it.
            drop(reply.send(result));
        } else {
            tracing::error!("a job of a worker thread panicked");
        }
    }
}

/// Both queues.
pub(super) struct Queues {
    signing: Queue,
    hashing: Queue,
    pub(super) closed: bool,
}

impl Queues {
    pub(super) fn new(settings: &WorkerSettings) -> Self {
        let queue = |work, capacity| Queue::new(work, capacity, settings);
        Self {
            signing: queue(Work::Signing, settings.signing_queue),
            hashing: queue(Work::Hashing, settings.hashing_queue),
            closed: false,
        }
    }

    pub(super) fn of(&mut self, work: Work) -> &mut Queue {
        match work {
            Work::Signing => &mut self.signing,
            Work::Hashing => &mut self.hashing,
        }
    }

    /// The next job that somebody waits for.
    pub(super) fn pop(&mut self) -> Option<(Work, Box<dyn Job>)> {
        [Work::Signing, Work::Hashing]
            .into_iter()
            .find_map(|work| self.of(work).pop().map(|job| (work, job)))
    }

    /// Takes nothing more, and forgets what waits.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.signing.jobs.clear();
        self.hashing.jobs.clear();
    }
}

/// One queue.
pub(super) struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    capacity: usize,
    max_wait: Duration,
    threads: u32,
    typical: Duration,
}

impl Queue {
    fn new(work: Work, capacity: usize, settings: &WorkerSettings) -> Self {
        Self {
            jobs: VecDeque::new(),
            capacity,
            max_wait: settings.max_wait,
            threads: u32::try_from(settings.threads.get()).unwrap_or(u32::MAX),
            typical: work.first_guess(),
        }
    }

    /// False when there is no room, or the wait would be too long, even after
    /// those are gone whose caller is.
    pub(super) fn push(&mut self, job: Box<dyn Job>) -> bool {
        if !self.has_room() {
            self.jobs.retain(|job| !job.is_abandoned());
        }
        let room = self.has_room();
        if room {
            self.jobs.push_back(job);
        }
        room
    }

    /// Whoever would wait longer than is worth it hears so now, not then.
    fn has_room(&self) -> bool {
        self.jobs.len() < self.capacity && self.wait() <= self.max_wait
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Remembers how long a job took, as a moving average over about eight. A
    /// single one tells little: perhaps the whole process was stopped.
    pub(super) fn record(&mut self, took: Duration) {
        let took = took.min(self.typical.saturating_mul(OUTLIER));
        self.typical = self.typical.saturating_mul(7).saturating_add(took) / 8;
    }

    /// When the threads will have worked off what waits now.
    pub(super) fn retry_after(&self) -> Duration {
        self.wait().clamp(Duration::from_millis(100), Duration::from_secs(30))
    }

    /// How long what waits now will take.
    fn wait(&self) -> Duration {
        let jobs = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        self.typical.saturating_mul(jobs) / self.threads.max(1)
    }

    fn pop(&mut self) -> Option<Box<dyn Job>> {
        while let Some(job) = self.jobs.pop_front() {
            if !job.is_abandoned() {
                return Some(job);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn job() -> (Box<dyn Job>, oneshot::Receiver<()>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Task { work: |_: &mut HashMemory| (), reply }), answer)
    }

    fn queue(work: Work, capacity: usize, max_wait: Duration) -> Queue {
        let threads = NonZeroUsize::new(2).expect("not zero");
        let settings = WorkerSettings { threads, max_wait, ..WorkerSettings::default() };
        Queue::new(work, capacity, &settings)
    }

    /// Fills it up to `count`, or as far as it goes.
    fn fill(queue: &mut Queue, count: usize) -> Vec<oneshot::Receiver<()>> {
        let mut answers = Vec::new();
        while queue.len() < count {
            let (job, answer) = job();
            if !queue.push(job) {
                break;
            }
            answers.push(answer);
        }
        answers
    }

    #[test]
    fn the_wait_follows_length_and_job_time_within_bounds() {
        let mut queue = queue(Work::Hashing, 10_000, Duration::MAX);
        assert_eq!(queue.retry_after(), Duration::from_millis(100), "never less");
        let _waiting = fill(&mut queue, 80);
        assert_eq!(queue.retry_after(), Duration::from_secs(1), "80 jobs of 25 ms on 2 threads");
        for _ in 0..100 {
            queue.record(Duration::from_millis(50));
        }
        let wait = queue.retry_after();
        assert!(wait > Duration::from_millis(1990) && wait <= Duration::from_secs(2), "{wait:?}");
        let _more = fill(&mut queue, 10_000);
        assert_eq!(queue.len(), 10_000);
        assert_eq!(queue.retry_after(), Duration::from_secs(30), "never more");
    }

    /// LG-16: room or not, nobody is kept waiting for what comes too late.
    #[test]
    fn lg_16_a_wait_that_would_be_too_long_is_refused() {
        let mut queue = queue(Work::Hashing, 10_000, Duration::from_secs(1));
        let mut waiting = fill(&mut queue, 10_000);
        assert_eq!(queue.len(), 81, "80 jobs of 25 ms take 2 threads one second");
        waiting.pop();
        let (another, waits) = job();
        assert!(queue.push(another), "the one that has left does not count");
        // However slow it has become, an empty queue takes a job.
        drop((waiting, waits));
        for _ in 0..100 {
            queue.record(Duration::from_mins(10));
        }
        assert_eq!(fill(&mut queue, 10_000).len(), 1);
    }

    /// A process that was stopped for an hour must not refuse for the next.
    #[test]
    fn one_job_that_took_for_ever_changes_little() {
        let mut queue = queue(Work::Hashing, 10_000, Duration::from_secs(1));
        queue.record(Duration::from_hours(1));
        assert!(fill(&mut queue, 10_000).len() > 50);
    }

    /// LG-18: what nobody waits for takes no room and no work.
    #[test]
    fn lg_18_abandoned_jobs_make_room() {
        let mut queue = queue(Work::Signing, 2, Duration::MAX);
        let (first, waits) = job();
        let (second, gone) = job();
        assert!(queue.push(first) && queue.push(second));
        assert!(!queue.push(job().0), "full");
        drop(gone);
        let (third, also_waits) = job();
        assert!(queue.push(third));
        assert!(!queue.push(job().0), "full again");
        drop(waits);
        assert!(queue.pop().is_some_and(|job| !job.is_abandoned()), "the third");
        assert!(queue.pop().is_none());
        drop(also_waits);
    }
}
