//! Two bounded queues: signatures, which take a fifth of a millisecond, are
//! served before password hashes, which take a hundred times that.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::sync::oneshot;

use super::hash_memory::HashMemory;

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
    signing: Line,
    hashing: Line,
    pub(super) closed: bool,
}

impl Queues {
    pub(super) fn new(signing_capacity: usize, hashing_capacity: usize) -> Self {
        Self {
            signing: Line::new(Work::Signing, signing_capacity),
            hashing: Line::new(Work::Hashing, hashing_capacity),
            closed: false,
        }
    }

    pub(super) fn line(&mut self, work: Work) -> &mut Line {
        match work {
            Work::Signing => &mut self.signing,
            Work::Hashing => &mut self.hashing,
        }
    }

    /// The next job that somebody waits for.
    pub(super) fn pop(&mut self) -> Option<(Work, Box<dyn Job>)> {
        [Work::Signing, Work::Hashing]
            .into_iter()
            .find_map(|work| self.line(work).pop().map(|job| (work, job)))
    }

    /// Takes nothing more, and forgets what waits.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.signing.jobs.clear();
        self.hashing.jobs.clear();
    }
}

/// One queue.
pub(super) struct Line {
    jobs: VecDeque<Box<dyn Job>>,
    capacity: usize,
    typical: Duration,
}

impl Line {
    fn new(work: Work, capacity: usize) -> Self {
        Self { jobs: VecDeque::new(), capacity, typical: work.first_guess() }
    }

    /// False when there is no room, even after those are gone whose caller
    /// is.
    pub(super) fn push(&mut self, job: Box<dyn Job>) -> bool {
        if self.jobs.len() >= self.capacity {
            self.jobs.retain(|job| !job.is_abandoned());
        }
        let room = self.jobs.len() < self.capacity;
        if room {
            self.jobs.push_back(job);
        }
        room
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Remembers how long a job took, as a moving average over about eight.
    pub(super) fn record(&mut self, took: Duration) {
        self.typical = self.typical.saturating_mul(7).saturating_add(took) / 8;
    }

    /// When so many threads will have worked off what waits now.
    pub(super) fn retry_after(&self, threads: usize) -> Duration {
        let jobs = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        let wait = self.typical.saturating_mul(jobs) / threads;
        wait.clamp(Duration::from_millis(100), Duration::from_secs(30))
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
    use super::*;

    fn job() -> (Box<dyn Job>, oneshot::Receiver<()>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Task { work: |_: &mut HashMemory| (), reply }), answer)
    }

    #[test]
    fn the_wait_follows_length_and_job_time_within_bounds() {
        let mut line = Line::new(Work::Hashing, 10_000);
        let mut answers = Vec::new();
        let mut fill = |line: &mut Line, count| {
            while line.len() < count {
                let (job, answer) = job();
                answers.push(answer);
                assert!(line.push(job));
            }
        };
        assert_eq!(line.retry_after(2), Duration::from_millis(100), "never less");
        fill(&mut line, 80);
        assert_eq!(line.retry_after(2), Duration::from_secs(1), "80 jobs of 25 ms on 2 threads");
        for _ in 0..100 {
            line.record(Duration::from_millis(50));
        }
        let wait = line.retry_after(2);
        assert!(wait > Duration::from_millis(1990) && wait <= Duration::from_secs(2), "{wait:?}");
        fill(&mut line, 10_000);
        assert_eq!(line.retry_after(2), Duration::from_secs(30), "never more");
    }

    /// LG-18: what nobody waits for takes no room and no work.
    #[test]
    fn lg_18_abandoned_jobs_make_room() {
        let mut line = Line::new(Work::Signing, 2);
        let (first, waits) = job();
        let (second, gone) = job();
        assert!(line.push(first) && line.push(second));
        assert!(!line.push(job().0), "full");
        drop(gone);
        let (third, also_waits) = job();
        assert!(line.push(third));
        assert!(!line.push(job().0), "full again");
        drop(waits);
        assert!(line.pop().is_some_and(|job| !job.is_abandoned()), "the third");
        assert!(line.pop().is_none());
        drop(also_waits);
    }
}
