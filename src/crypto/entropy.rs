//! The machine's randomness.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::domain::entropy::{Entropy, EntropyError};

/// Random bytes from AWS-LC, which seeds itself from the operating system,
/// reseeds, and survives a fork or a snapshot of the machine.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Needs no preparation.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(bytes).map_err(|_| EntropyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ME-08: every byte is written, and no two draws are the same.
    #[test]
    fn me_08_draws_fill_everything_and_differ() {
        let draw = || {
            let mut bytes = [0; 256];
            SystemEntropy::new().fill(&mut bytes).expect("randomness");
            bytes
        };
        let (one, two) = (draw(), draw());
        assert_ne!(one, two);
        assert!(one.chunks(8).all(|chunk| chunk != [0; 8]), "some of it was left as it was");
    }
}
