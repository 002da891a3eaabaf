//! The memory that hashes fill: how much of it there may be, and what is kept
//! from one hash to the next, since fresh pages cost as much again as the hash.

use std::{collections::VecDeque, time::Duration};

use argon2::Block;
use zeroize::Zeroize as _;

/// The memory that one hash was granted. Argon2 fills blocks of it; others
/// bring their own, of the same size.
#[derive(Debug, Default)]
pub(super) struct HashMemory {
    bytes: usize,
    blocks: Vec<Block>,
}

impl HashMemory {
    /// All of it, holding anything.
    pub(super) fn blocks(&mut self) -> &mut [Block] {
        if self.blocks.is_empty() {
            self.blocks = vec![Block::new(); self.bytes / Block::SIZE];
        }
        &mut self.blocks
    }

    /// How much was granted.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Wipes the blocks and gives them back to the system.
    pub(super) fn release(&mut self) {
        self.blocks.iter_mut().for_each(Block::zeroize);
        self.blocks = Vec::new();
    }
}

impl Drop for HashMemory {
    fn drop(&mut self) {
        self.release();
    }
}

/// Is there memory for a hash?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Yes.
    Now,
    /// Once memory that is kept is given back.
    AfterRelease,
    /// Once a hash that runs has ended.
    Later,
}

/// What is held at a moment, and the most that ever was, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// By hashes that run, and kept for those to come.
    pub held: usize,
    /// The most so far.
    pub highest: usize,
}

/// All memory for hashes. Memory counts from before it is taken from the
/// system until after it was given back, so there is never more than counted.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit: usize,
    threads: usize,
    usage: MemoryUse,
    /// Memory that is not kept now, in pieces and bytes.
    lent: usize,
    lent_bytes: usize,
    /// What is kept, and since when, the oldest first.
    kept: VecDeque<(Duration, HashMemory)>,
}

impl MemoryBudget {
    /// At most `limit` bytes, in at most one piece for each thread.
    pub(super) fn new(limit: usize, threads: usize) -> Self {
        let usage = MemoryUse::default();
        Self { limit, threads, usage, lent: 0, lent_bytes: 0, kept: VecDeque::new() }
    }

    pub(super) const fn usage(&self) -> MemoryUse {
        self.usage
    }

    /// Is there room for a hash that needs so many bytes?
    pub(super) fn room(&self, bytes: usize) -> Room {
        let fits = self.usage.held.saturating_add(bytes) <= self.limit;
        let pieces = self.lent + self.kept.len();
        if bytes == 0 || self.fitting(bytes).is_some() || (fits && pieces < self.threads) {
            Room::Now
        } else if self.lent_bytes.saturating_add(bytes) <= self.limit && !self.kept.is_empty() {
            Room::AfterRelease
        } else {
            Room::Later
        }
    }

    /// So many bytes, for which there must be room now. They count until they
    /// are given back.
    pub(super) fn take(&mut self, bytes: usize) -> HashMemory {
        let kept = self.fitting(bytes).and_then(|index| self.kept.remove(index));
        let memory = kept.map_or(HashMemory { bytes, blocks: Vec::new() }, |(_, memory)| memory);
        if memory.blocks.is_empty() {
            self.usage.held += bytes;
            self.usage.highest = self.usage.highest.max(self.usage.held);
        }
        self.lend(memory)
    }

    /// What is kept for the longest time, to be released and given back.
    pub(super) fn take_oldest(&mut self) -> Option<HashMemory> {
        let (_, memory) = self.kept.pop_front()?;
        Some(self.lend(memory))
    }

    /// Since when the oldest has been kept.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.kept.front().map(|(since, _)| *since)
    }

    /// Keeps what is filled, and forgets what is not.
    pub(super) fn give_back(&mut self, memory: HashMemory, now: Duration) {
        if memory.bytes == 0 {
            return;
        }
        self.lent -= 1;
        self.lent_bytes -= memory.bytes;
        if memory.blocks.is_empty() {
            self.usage.held -= memory.bytes;
        } else {
            self.kept.push_back((now, memory));
        }
    }

    fn lend(&mut self, memory: HashMemory) -> HashMemory {
        if memory.bytes > 0 {
            self.lent += 1;
            self.lent_bytes += memory.bytes;
        }
        memory
    }

    /// The piece of that size that was used last.
    fn fitting(&self, bytes: usize) -> Option<usize> {
        self.kept.iter().rposition(|(_, memory)| memory.bytes == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn filled(budget: &mut MemoryBudget, kib: usize) -> HashMemory {
        assert_eq!(budget.room(kib * 1024), Room::Now);
        let mut memory = budget.take(kib * 1024);
        assert_eq!(memory.blocks().len(), kib);
        memory
    }

    fn release_oldest(budget: &mut MemoryBudget) {
        let mut memory = budget.take_oldest().expect("something is kept");
        memory.release();
        budget.give_back(memory, NOW);
    }

    /// P7: exactly as much as is allowed, what is kept included.
    #[test]
    fn p7_the_budget_has_an_exact_edge() {
        let mut budget = MemoryBudget::new(64 * 1024, 8);
        let first = filled(&mut budget, 40);
        let second = filled(&mut budget, 24);
        assert_eq!(budget.usage(), MemoryUse { held: 64 * 1024, highest: 64 * 1024 });
        assert_eq!(budget.room(1), Room::Later, "all of it is in use");
        assert_eq!(budget.room(0), Room::Now, "who needs none waits for none");
        budget.give_back(second, NOW);
        assert_eq!(budget.room(24 * 1024), Room::Now, "what is kept is used again");
        assert_eq!(budget.room(23 * 1024), Room::AfterRelease, "kept, it is in the way");
        assert_eq!(budget.room(25 * 1024), Room::Later);
        release_oldest(&mut budget);
        assert_eq!(budget.usage().held, 40 * 1024);
        let second = filled(&mut budget, 23);
        budget.give_back(first, NOW);
        budget.give_back(second, NOW);
        assert_eq!(budget.usage(), MemoryUse { held: 63 * 1024, highest: 64 * 1024 });
        assert_eq!(budget.room(64 * 1024), Room::AfterRelease);
        release_oldest(&mut budget);
        release_oldest(&mut budget);
        assert_eq!(budget.room(64 * 1024), Room::Now);
        assert_eq!(budget.room(64 * 1024 + 1), Room::Later, "never");
    }

    /// P7: hashes of many sizes do not leave a piece of each.
    #[test]
    fn p7_no_more_is_kept_than_there_are_threads() {
        let mut budget = MemoryBudget::new(1 << 20, 2);
        for kib in [8, 16] {
            let memory = filled(&mut budget, kib);
            budget.give_back(memory, NOW);
        }
        assert_eq!(budget.room(24 * 1024), Room::AfterRelease);
        release_oldest(&mut budget);
        let memory = filled(&mut budget, 24);
        assert_eq!(budget.usage().held, 40 * 1024);
        budget.give_back(memory, NOW);
    }

    /// Others than Argon2 leave nothing to keep.
    #[test]
    fn memory_that_was_not_filled_is_not_kept() {
        let mut budget = MemoryBudget::new(64 * 1024, 1);
        let memory = budget.take(64 * 1024);
        assert_eq!(budget.usage().held, 64 * 1024);
        budget.give_back(memory, NOW);
        assert_eq!((budget.usage().held, budget.oldest()), (0, None));
    }
}
