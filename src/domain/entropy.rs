//! Randomness as a parameter, so that a seeded run repeats byte for byte.

use uuid::{Builder, Uuid};

use super::clock::Timestamp;

/// The source of randomness failed; nothing may be minted from what it left.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct EntropyError;

/// Where random bytes come from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// For tests: nothing but sevens.
#[cfg(test)]
pub(crate) struct Sevens;

#[cfg(test)]
impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(7);
        Ok(())
    }
}

/// A version 4 UUID (RFC 9562 section 5.4): 122 random bits.
pub fn random_uuid(entropy: &dyn Entropy) -> Result<Uuid, EntropyError> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

/// A version 7 UUID (RFC 9562 section 5.7): sorts by time, so that new rows
/// land side by side in an index; 74 random bits.
pub fn sortable_uuid(entropy: &dyn Entropy, now: Timestamp) -> Result<Uuid, EntropyError> {
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes)?;
    let millis = now.micros().max(0).unsigned_abs() / 1_000;
    Ok(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}
