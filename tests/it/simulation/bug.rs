//! Mistakes planted on purpose, each of which must be found.

use crate::memory_store;

/// One planted mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// One of the store.
    Store(memory_store::Bug),
    /// What a replica answers, another one is told from a cache.
    CachedLook,
    /// A page of the log comes without its first entry.
    LogPageLosesFirst,
    /// The replica that revokes leaves its own index as it is.
    OwnIndexNotTold,
    /// A process that was stopped does not know for how long.
    ClocksStandWhileStopped,
    /// The same claims are signed in other bytes each time.
    RandomSignatures,
    /// The database answers before its commit is durable: what it said last is
    /// gone after a crash.
    CommitsAreLost,
}

impl Bug {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let here = [
            Self::CachedLook,
            Self::LogPageLosesFirst,
            Self::OwnIndexNotTold,
            Self::ClocksStandWhileStopped,
            Self::RandomSignatures,
            Self::CommitsAreLost,
        ];
        memory_store::Bug::ALL.into_iter().map(Self::Store).chain(here)
    }
}
