//! The memory that Argon2 fills, kept from one hash to the next: fresh pages
//! cost as much again as the hash itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::Block;
use zeroize::Zeroize as _;

/// The memory of one worker thread. Holds what the last hash needed, never
/// more.
#[derive(Debug)]
pub(super) struct HashMemory {
    blocks: Vec<Block>,
    held: Arc<AtomicUsize>,
}

impl HashMemory {
    /// Nothing yet. `held` counts the bytes of all threads together.
    pub(super) fn new(held: Arc<AtomicUsize>) -> Self {
        Self { blocks: Vec::new(), held }
    }

    /// So many blocks of 1 KiB, holding anything.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.len() != count {
            self.release();
            self.blocks = vec![Block::new(); count];
            self.held.fetch_add(self.bytes(), Ordering::Relaxed);
        }
        &mut self.blocks
    }

    /// Wipes it and gives it back to the system.
    pub(super) fn release(&mut self) {
        self.held.fetch_sub(self.bytes(), Ordering::Relaxed);
        self.blocks.iter_mut().for_each(Block::zeroize);
        self.blocks = Vec::new();
    }

    pub(super) fn is_held(&self) -> bool {
        !self.blocks.is_empty()
    }

    fn bytes(&self) -> usize {
        self.blocks.len().saturating_mul(Block::SIZE)
    }
}

impl Drop for HashMemory {
    fn drop(&mut self) {
        self.release();
    }
}
