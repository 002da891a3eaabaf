//! A bounded queue that is fair to those who wait in it.
//!
//! A job first reserves its place, and may then take its time to come: what
//! is to be done before it is not begun in vain.
//!
//! Each source has a lane, and the lanes are served in turn: a source that
//! sends more than others waits for itself. When the queue is full, the newest
//! job of the longest lane gives way to one of a shorter lane. So a place is
//! never worth more than one turn, and a flood costs others at most one job of
//! each source before each of theirs.

use std::{collections::VecDeque, net::IpAddr, num::NonZeroUsize, time::Duration};

use super::{job::Job, port::CryptoError, workers::WorkerSettings};
use crate::telemetry::metrics::{QueueMetrics, Shed};

/// A job that took so many times as long as usual counts as no longer.
const OUTLIER: u32 = 4;

/// Quarters of a caller's time in which its job should be done. The rest is for
/// what comes after it, and for what is foreseen wrongly: a hash that comes too
/// late has cost as much as one in time.
const USABLE_QUARTERS: u32 = 3;

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

/// The jobs of one source, there or still to come: together never none.
struct Lane {
    source: Option<IpAddr>,
    jobs: VecDeque<Waiting>,
    coming: usize,
}

impl Lane {
    fn len(&self) -> usize {
        self.jobs.len() + self.coming
    }
}

/// One queue.
pub(super) struct Queue {
    /// How the operator and the caller read what it is for.
    work: &'static str,
    /// In the order of their turns.
    lanes: VecDeque<Lane>,
    /// Jobs that wait, and places that are taken, by them or for others.
    waiting: usize,
    taken: usize,
    /// When the last job left, or the first of those that wait came.
    progress: Duration,
    capacity: usize,
    max_wait: Duration,
    threads: usize,
    memory: usize,
    typical: Typical,
    metrics: QueueMetrics,
}

impl Queue {
    /// An empty one, for so many threads. `typical` is what is thought of jobs until some were
    /// measured.
    pub(super) fn new(
        work: &'static str,
        capacity: usize,
        threads: NonZeroUsize,
        typical: Typical,
        settings: &WorkerSettings,
        metrics: QueueMetrics,
    ) -> Self {
        Self {
            work,
            lanes: VecDeque::new(),
            waiting: 0,
            taken: 0,
            progress: Duration::ZERO,
            capacity,
            max_wait: settings.max_wait,
            threads: threads.get(),
            memory: settings.hashing_memory,
            typical,
            metrics,
        }
    }

    /// How many jobs wait.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a place for a job of a source, or says that there is no room for
    /// it, even after those are gone whose caller is. `None` is a source too.
    pub(super) fn reserve(
        &mut self,
        source: Option<IpAddr>,
        now: Duration,
        deadline: Option<Duration>,
    ) -> Result<(), CryptoError> {
        if self.judge(source, now, deadline).is_err() {
            self.forget_abandoned();
        }
        if let Err(shed) = self.judge(source, now, deadline) {
            self.metrics.shed(shed);
            return Err(self.busy(source, now));
        }
        if self.taken >= self.capacity {
            self.displace(now);
        }
        match self.lanes.iter_mut().find(|lane| lane.source == source) {
            Some(lane) => lane.coming += 1,
            None => self.lanes.push_back(Lane { source, jobs: VecDeque::new(), coming: 1 }),
        }
        self.count();
        Ok(())
    }

    /// Puts a job in the place that was reserved for it, unless that has given
    /// way meanwhile: then the job is told so.
    pub(super) fn push(&mut self, source: Option<IpAddr>, waiting: Waiting) {
        let lane = self.lanes.iter_mut().find(|lane| lane.source == source && lane.coming > 0);
        let Some(lane) = lane else {
            self.metrics.shed(Shed::Displaced);
            return waiting.job.refuse(self.busy(source, waiting.since));
        };
        if self.waiting == 0 {
            self.progress = waiting.since;
        }
        lane.coming -= 1;
        lane.jobs.push_back(waiting);
        self.count();
    }

    /// Gives a place back for which no job will come. Places of one lane are
    /// all the same, those that gave way included.
    pub(super) fn give_back(&mut self, source: Option<IpAddr>) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.source == source) {
            lane.coming = lane.coming.saturating_sub(1);
        }
        self.count();
    }

    /// The memory that the job whose turn it is needs. Those that are not
    /// worth a turn any more are dropped first.
    pub(super) fn next_needs(&mut self, now: Duration) -> Option<usize> {
        loop {
            let lane = self.lanes.iter_mut().find(|lane| !lane.jobs.is_empty())?;
            let next = lane.jobs.front()?;
            let (is_abandoned, is_late) = (next.job.is_abandoned(), next.is_late(now));
            if !is_abandoned && !is_late {
                return Some(next.memory);
            }
            // That was no turn: the lane keeps its place.
            let dropped = lane.jobs.pop_front()?;
            self.count();
            if !is_abandoned {
                dropped.job.refuse(CryptoError::DeadlineExceeded);
            }
            self.metrics.shed(if is_abandoned { Shed::Abandoned } else { Shed::Expired });
        }
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Box<dyn Job>> {
        let turn = self.lanes.iter().position(|lane| !lane.jobs.is_empty())?;
        let mut lane = self.lanes.remove(turn)?;
        let next = lane.jobs.pop_front()?;
        self.lanes.push_back(lane);
        self.progress = now;
        self.count();
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
        self.count();
    }

    /// Whoever would wait longer than is worth it hears so now, not then; but
    /// however slow we have become, whose turn comes at once has its try.
    fn judge(
        &self,
        source: Option<IpAddr>,
        now: Duration,
        deadline: Option<Duration>,
    ) -> Result<(), Shed> {
        let wait = self.wait(self.ahead_of(source), now);
        if wait > self.max_wait {
            return Err(Shed::MaxWait);
        }
        let usable = |deadline: Duration| deadline.saturating_sub(now) / 4 * USABLE_QUARTERS;
        let in_time = deadline.is_none_or(|at| wait + self.typical.took <= usable(at));
        if !wait.is_zero() && !in_time {
            return Err(Shed::Deadline);
        }
        let own = self.lanes.iter().find(|lane| lane.source == source).map_or(0, Lane::len);
        // Equals do not displace each other in turns.
        let gives_way = || self.longest().is_some_and(|(_, len)| own + 1 < len);
        if self.taken < self.capacity || gives_way() { Ok(()) } else { Err(Shed::Full) }
    }

    /// How many jobs would be served before the next one of a source: all of
    /// its own, and of each other lane one before each of them, and one more
    /// if that lane's turn comes before.
    fn ahead_of(&self, source: Option<IpAddr>) -> usize {
        let place = self.lanes.iter().position(|lane| lane.source == source);
        let own = place.and_then(|place| self.lanes.get(place)).map_or(0, Lane::len);
        let others = self.lanes.iter().enumerate().filter(|(index, _)| Some(*index) != place);
        let turns = |index| own + usize::from(place.is_none_or(|place| index < place));
        own + others.map(|(index, lane)| lane.len().min(turns(index))).sum::<usize>()
    }

    /// How long so many jobs take, on as many threads as there is memory for.
    /// While none leaves at all, what others took before says too little.
    fn wait(&self, jobs: usize, now: Duration) -> Duration {
        let stalled =
            if self.waiting > 0 { now.saturating_sub(self.progress) } else { Duration::ZERO };
        let fitting = self.memory.checked_div(self.typical.memory).unwrap_or(usize::MAX);
        let parallel = u32::try_from(self.threads.min(fitting).max(1)).unwrap_or(u32::MAX);
        let usual = self.typical.took;
        let took = usual.max(stalled.min(usual.saturating_mul(OUTLIER)));
        took.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX)) / parallel
    }

    /// The refusal of a job of this source: it may come again when what is
    /// before it now is done.
    fn busy(&self, source: Option<IpAddr>, now: Duration) -> CryptoError {
        let wait = self.wait(self.ahead_of(source), now);
        let retry_after = wait.clamp(Duration::from_millis(100), Duration::from_secs(30));
        CryptoError::Busy { work: self.work, retry_after }
    }

    /// Index and length of the longest lane.
    fn longest(&self) -> Option<(usize, usize)> {
        self.lanes.iter().map(Lane::len).enumerate().max_by_key(|(_, len)| *len)
    }

    fn displace(&mut self, now: Duration) {
        let longest = self.longest().and_then(|(index, _)| self.lanes.get_mut(index));
        let Some(lane) = longest else { return };
        if lane.coming > 0 {
            lane.coming -= 1;
            return self.count();
        }
        let (source, newest) = (lane.source, lane.jobs.pop_back());
        self.count();
        if let Some(newest) = newest {
            newest.job.refuse(self.busy(source, now));
            self.metrics.shed(Shed::Displaced);
        }
    }

    fn forget_abandoned(&mut self) {
        let before = self.waiting;
        self.lanes.iter_mut().for_each(|lane| lane.jobs.retain(|next| !next.job.is_abandoned()));
        self.count();
        (self.waiting..before).for_each(|_| self.metrics.shed(Shed::Abandoned));
    }

    /// Counts again after a change, and takes lanes away that nobody is in.
    fn count(&mut self) {
        self.lanes.retain(|lane| lane.len() > 0);
        self.waiting = self.lanes.iter().map(|lane| lane.jobs.len()).sum();
        self.taken = self.lanes.iter().map(Lane::len).sum();
        self.metrics.depth(self.waiting);
    }
}

#[cfg(test)]
mod tests;
