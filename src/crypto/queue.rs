//! A bounded queue that is fair to those who wait in it.
//!
//! Each source has a lane, and the lanes are served in turn: a source that
//! sends more than others waits for itself. When the queue is full, the newest
//! job of the longest lane gives way to one of a shorter lane. So a place is
//! never worth more than one turn, and a flood costs others at most one job of
//! each source before each of theirs.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use super::{job::Job, port::CryptoError, workers::WorkerSettings};
use crate::telemetry::metrics::{QueueMetrics, Shed};

/// A job that took so many times as long as usual counts as no longer.
const OUTLIER: u32 = 4;

/// What jobs are like, as far as is known: a moving average over about eight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typical {
    pub(super) took: Duration,
    pub(super) memory: usize,
}

/// A job that waits.
pub(super) struct Waiting {
    pub(super) job: Box<dyn Job>,
    /// Bytes that it needs.
    pub(super) memory: usize,
    pub(super) since: Duration,
    /// When nobody will wait for it any more.
    pub(super) deadline: Option<Duration>,
}

impl Waiting {
    fn is_late(&self, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// The jobs of one source, which are never none.
struct Lane {
    source: Option<IpAddr>,
    jobs: VecDeque<Waiting>,
}

/// One queue.
pub(super) struct Queue {
    /// How the operator and the caller read what it is for.
    work: &'static str,
    /// In the order of their turns.
    lanes: VecDeque<Lane>,
    len: usize,
    capacity: usize,
    max_wait: Duration,
    threads: usize,
    memory: usize,
    typical: Typical,
    metrics: QueueMetrics,
}

impl Queue {
    /// An empty one. `typical` is what is thought of jobs until some were
    /// measured.
    pub(super) fn new(
        work: &'static str,
        capacity: usize,
        typical: Typical,
        settings: &WorkerSettings,
        metrics: QueueMetrics,
    ) -> Self {
        Self {
            work,
            lanes: VecDeque::new(),
            len: 0,
            capacity,
            max_wait: settings.max_wait,
            threads: settings.threads.get(),
            memory: settings.hashing_memory,
            typical,
            metrics,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes a job of a source, or says that there is no room for it, even
    /// after those are gone whose caller is. `None` is a source too.
    pub(super) fn push(
        &mut self,
        source: Option<IpAddr>,
        waiting: Waiting,
    ) -> Result<(), CryptoError> {
        if self.judge(source, &waiting).is_err() {
            self.forget_abandoned();
        }
        if let Err(shed) = self.judge(source, &waiting) {
            self.metrics.shed(shed);
            return Err(self.busy(source));
        }
        if self.len == self.capacity {
            self.displace();
        }
        match self.lanes.iter_mut().find(|lane| lane.source == source) {
            Some(lane) => lane.jobs.push_back(waiting),
            None => self.lanes.push_back(Lane { source, jobs: VecDeque::from([waiting]) }),
        }
        self.resize(self.len + 1);
        Ok(())
    }

    /// The memory that the job whose turn it is needs. Those that are not
    /// worth a turn any more are dropped first.
    pub(super) fn next_needs(&mut self, now: Duration) -> Option<usize> {
        loop {
            let next = self.lanes.front()?.jobs.front()?;
            let (is_abandoned, is_late) = (next.job.is_abandoned(), next.is_late(now));
            if !is_abandoned && !is_late {
                return Some(next.memory);
            }
            let mut lane = self.lanes.pop_front()?;
            let dropped = lane.jobs.pop_front()?;
            // That was no turn: the lane keeps its place.
            if !lane.jobs.is_empty() {
                self.lanes.push_front(lane);
            }
            self.resize(self.len - 1);
            if !is_abandoned {
                dropped.job.refuse(CryptoError::DeadlineExceeded);
            }
            self.metrics.shed(if is_abandoned { Shed::Abandoned } else { Shed::Expired });
        }
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Box<dyn Job>> {
        let mut lane = self.lanes.pop_front()?;
        let next = lane.jobs.pop_front()?;
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        self.resize(self.len - 1);
        self.metrics.waited(now.saturating_sub(next.since));
        Some(next.job)
    }

    /// Remembers what a job was like. A single one tells little: perhaps the
    /// whole process was stopped.
    pub(super) fn record(&mut self, took: Duration, memory: usize) {
        self.metrics.worked(took);
        let Typical { took: usual, memory: usual_memory } = self.typical;
        let took = took.min(usual.saturating_mul(OUTLIER));
        self.typical = Typical {
            took: usual.saturating_mul(7).saturating_add(took) / 8,
            memory: usual_memory.saturating_mul(7).saturating_add(memory) / 8,
        };
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.resize(0);
    }

    /// May a job come in? Whoever would wait longer than is worth it hears so
    /// now, not then; but however slow we have become, whose turn comes at
    /// once has its try.
    fn judge(&self, source: Option<IpAddr>, waiting: &Waiting) -> Result<(), Shed> {
        let wait = self.wait(self.ahead_of(source));
        if wait > self.max_wait {
            return Err(Shed::MaxWait);
        }
        let done = waiting.since.saturating_add(wait).saturating_add(self.typical.took);
        if !wait.is_zero() && waiting.deadline.is_some_and(|deadline| deadline < done) {
            return Err(Shed::Deadline);
        }
        let own = self.lanes.iter().find(|lane| lane.source == source);
        let own = own.map_or(0, |lane| lane.jobs.len());
        // Equals do not displace each other in turns.
        if self.len < self.capacity || own + 1 < self.longest().1 {
            Ok(())
        } else {
            Err(Shed::Full)
        }
    }

    /// How many jobs would be served before the next one of a source: all of
    /// its own, and of each other lane one before each of them, and one more
    /// if that lane's turn comes before.
    fn ahead_of(&self, source: Option<IpAddr>) -> usize {
        let place = self.lanes.iter().position(|lane| lane.source == source);
        let own = place.and_then(|place| self.lanes.get(place)).map_or(0, |lane| lane.jobs.len());
        let others = self.lanes.iter().enumerate().filter(|(index, _)| Some(*index) != place);
        let turns = |index| own + usize::from(place.is_none_or(|place| index < place));
        own + others.map(|(index, lane)| lane.jobs.len().min(turns(index))).sum::<usize>()
    }

    /// How long so many jobs take, on as many threads as there is memory for.
    fn wait(&self, jobs: usize) -> Duration {
        let fitting = self.memory.checked_div(self.typical.memory).unwrap_or(usize::MAX);
        let parallel = u32::try_from(self.threads.min(fitting).max(1)).unwrap_or(u32::MAX);
        self.typical.took.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX)) / parallel
    }

    /// The refusal of a job of this source: it may come again when what is
    /// before it now is done.
    fn busy(&self, source: Option<IpAddr>) -> CryptoError {
        let wait = self.wait(self.ahead_of(source));
        let retry_after = wait.clamp(Duration::from_millis(100), Duration::from_secs(30));
        CryptoError::Busy { work: self.work, retry_after }
    }

    /// Index and length of the longest lane.
    fn longest(&self) -> (usize, usize) {
        let lengths = self.lanes.iter().map(|lane| lane.jobs.len()).enumerate();
        lengths.max_by_key(|(_, len)| *len).unwrap_or_default()
    }

    fn displace(&mut self) {
        let Some(lane) = self.lanes.get_mut(self.longest().0) else { return };
        let (source, newest) = (lane.source, lane.jobs.pop_back());
        self.resize(self.len - 1);
        if let Some(newest) = newest {
            newest.job.refuse(self.busy(source));
            self.metrics.shed(Shed::Displaced);
        }
    }

    fn forget_abandoned(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.jobs.retain(|next| !next.job.is_abandoned()));
        self.lanes.retain(|lane| !lane.jobs.is_empty());
        let len = self.lanes.iter().map(|lane| lane.jobs.len()).sum();
        (len..self.len).for_each(|_| self.metrics.shed(Shed::Abandoned));
        self.resize(len);
    }

    fn resize(&mut self, len: usize) {
        self.len = len;
        self.metrics.depth(len);
    }
}

#[cfg(test)]
mod tests;
