//! What a hash may cost. Every bound stands here, and is checked before
//! anything is computed or allocated: a stored hash must never be able to take
//! all memory or to run for minutes, whoever wrote its row.
//!
//! The aim for each algorithm: at most 256 MiB, and about 2 s of one core.

use std::{num::NonZeroU32, ops::RangeInclusive};

use crate::domain::password::InvalidPasswordHash;

/// The longest hash as text, in bytes. The longest that we know of, scrypt as
/// Werkzeug writes it, has under 200.
pub(super) const TEXT_MAX_LEN: usize = 512;

/// bcrypt's cost: 4 is the least that the algorithm knows. Each step doubles
/// the time; 14 takes about a second.
const BCRYPT_COST: RangeInclusive<u32> = 4..=14;

/// scrypt's N · r · p. Each unit mixes 128 bytes twice; so many take about a
/// second. OWASP's strongest recommendation is half of it.
const SCRYPT_MAX_WORK: u64 = 1 << 21;

/// scrypt's large table in bytes: 128 · r · N.
const SCRYPT_MAX_MEMORY: u64 = 256 << 20;

/// scrypt's r and p. What is in use has r = 8 and p up to 10.
const SCRYPT_MAX_FACTOR: u32 = 64;

/// PBKDF2's iterations times the blocks of its output. With SHA-512, the
/// slowest of them, so many take about 1.5 s. Werkzeug makes a million, Django
/// a little more.
const PBKDF2_MAX_WORK: u64 = 2_000_000;

/// The cost of an Argon2 hash, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes. They are computed one after the other.
    pub parallelism: u32,
}

impl HashingParams {
    /// The most memory of one hash: 256 MiB.
    pub const MAX_MEMORY_KIB: u32 = 256 * 1024;
    /// The most passes.
    pub const MAX_ITERATIONS: u32 = 64;
    /// The most lanes.
    pub const MAX_PARALLELISM: u32 = 16;
    /// The most memory times passes, in KiB: about a second of work.
    pub const MAX_MEMORY_TIMES_ITERATIONS: u32 = 1024 * 1024;

    /// Checks every bound. RFC 9106 section 3.1 wants 8 KiB for each lane.
    pub const fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, InvalidHashingParams> {
        if parallelism < 1 || parallelism > Self::MAX_PARALLELISM {
            return Err(InvalidHashingParams::Parallelism);
        }
        if memory_kib < 8 * parallelism || memory_kib > Self::MAX_MEMORY_KIB {
            return Err(InvalidHashingParams::Memory);
        }
        if iterations < 1 || iterations > Self::MAX_ITERATIONS {
            return Err(InvalidHashingParams::Iterations);
        }
        if memory_kib * iterations > Self::MAX_MEMORY_TIMES_ITERATIONS {
            return Err(InvalidHashingParams::Together);
        }
        Ok(Self { memory_kib, iterations, parallelism })
    }

    /// The memory that Argon2 fills, in bytes: whole blocks of 1 KiB, the same
    /// number in each quarter of each lane (RFC 9106 section 3.2).
    pub(super) fn memory(self) -> usize {
        let quarters = 4 * self.parallelism.max(1);
        let blocks = self.memory_kib / quarters * quarters;
        usize::try_from(blocks).map_or(usize::MAX, |blocks| blocks.saturating_mul(1024))
    }
}

/// What OWASP recommends: 19 MiB, two passes, one lane.
impl Default for HashingParams {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// Which bound a cost is outside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHashingParams {
    /// Of memory.
    #[error("memory must be from 8 KiB for each lane to 262144 KiB")]
    Memory,
    /// Of passes.
    #[error("iterations must be from 1 to 64")]
    Iterations,
    /// Of lanes.
    #[error("parallelism must be from 1 to 16")]
    Parallelism,
    /// Of the product.
    #[error("memory and iterations together must be at most 1048576 KiB times passes")]
    Together,
}

impl From<InvalidHashingParams> for InvalidPasswordHash {
    fn from(error: InvalidHashingParams) -> Self {
        Self::OutOfBounds(format!("Argon2's {error}"))
    }
}

/// The cost of a bcrypt hash, within bounds: 2 to the power of it rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BcryptCost(u32);

impl BcryptCost {
    pub(super) fn new(cost: u32) -> Result<Self, InvalidPasswordHash> {
        if BCRYPT_COST.contains(&cost) {
            Ok(Self(cost))
        } else {
            let (least, most) = BCRYPT_COST.into_inner();
            Err(out_of_bounds(format!("bcrypt's cost must be from {least} to {most}")))
        }
    }

    pub(super) const fn get(self) -> u32 {
        self.0
    }
}

/// The cost of an scrypt hash (RFC 7914 section 2), within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScryptCost {
    /// The logarithm of N to the base 2.
    pub(super) log_n: u8,
    pub(super) r: u32,
    pub(super) p: u32,
}

impl ScryptCost {
    /// Checks every bound.
    pub(super) fn new(log_n: u32, r: u32, p: u32) -> Result<Self, InvalidPasswordHash> {
        let factors = 1..=SCRYPT_MAX_FACTOR;
        let log_n = u8::try_from(log_n).ok().filter(|log_n| (1..32).contains(log_n));
        let (Some(log_n), true, true) = (log_n, factors.contains(&r), factors.contains(&p)) else {
            let rule = format!("scrypt's r and p must be from 1 to {SCRYPT_MAX_FACTOR}, N from 2");
            return Err(out_of_bounds(rule));
        };
        // No overflow: under 2^32, 2^7 and 2^7.
        let (n, wide_r, wide_p) = (1_u64 << log_n, u64::from(r), u64::from(p));
        if 128 * wide_r * n > SCRYPT_MAX_MEMORY {
            return Err(out_of_bounds("scrypt's memory must be at most 256 MiB"));
        }
        if n * wide_r * wide_p > SCRYPT_MAX_WORK {
            let rule = format!("scrypt's N times r times p must be at most {SCRYPT_MAX_WORK}");
            return Err(out_of_bounds(rule));
        }
        Ok(Self { log_n, r, p })
    }

    /// The memory that scrypt fills, in bytes: blocks of 128 · r, of which
    /// the table has N, the text that is mixed p, and the mixing one.
    pub(super) fn memory(self) -> usize {
        let blocks = (1_u64 << self.log_n) + u64::from(self.p) + 1;
        usize::try_from(128 * u64::from(self.r) * blocks).unwrap_or(usize::MAX)
    }
}

/// The iterations of PBKDF2 (RFC 8018 section 5.2), if that many for each of
/// so many blocks of output are within bounds.
pub(super) fn pbkdf2_iterations(
    iterations: u32,
    blocks: usize,
) -> Result<NonZeroU32, InvalidPasswordHash> {
    let work = u64::try_from(blocks).ok().and_then(|b| b.checked_mul(u64::from(iterations)));
    match NonZeroU32::new(iterations) {
        Some(iterations) if work.is_some_and(|work| work <= PBKDF2_MAX_WORK) => Ok(iterations),
        _ => Err(out_of_bounds(format!(
            "PBKDF2's iterations must be from 1 to {PBKDF2_MAX_WORK}, times the blocks of output"
        ))),
    }
}

fn out_of_bounds(rule: impl Into<String>) -> InvalidPasswordHash {
    InvalidPasswordHash::OutOfBounds(rule.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LG-17: each bound at its edge.
    #[test]
    fn lg_17_bounds_have_exact_edges() {
        assert!(BcryptCost::new(4).is_ok() && BcryptCost::new(14).is_ok());
        assert!(BcryptCost::new(3).is_err() && BcryptCost::new(15).is_err());

        for (log_n, r, p, within) in [
            (1, 1, 1, true),
            (18, 8, 1, true),
            (17, 8, 2, true),
            (15, 64, 1, true),
            (14, 2, 64, true),
            (0, 1, 1, false),
            (18, 8, 2, false),
            (18, 9, 1, false),
            (19, 8, 1, false),
            (21, 1, 1, true),
            (22, 1, 1, false),
            (31, 1, 1, false),
            (32, 1, 1, false),
            (u32::MAX, 1, 1, false),
            (1, 65, 1, false),
            (1, 0, 1, false),
            (1, 1, 65, false),
            (1, 1, 0, false),
            (1, u32::MAX, u32::MAX, false),
        ] {
            assert_eq!(ScryptCost::new(log_n, r, p).is_ok(), within, "{log_n} {r} {p}");
        }

        assert!(pbkdf2_iterations(1, 1).is_ok() && pbkdf2_iterations(2_000_000, 1).is_ok());
        assert!(pbkdf2_iterations(1_000_000, 2).is_ok());
        for (iterations, blocks) in [(0, 1), (2_000_001, 1), (1_000_001, 2), (u32::MAX, usize::MAX)]
        {
            assert!(pbkdf2_iterations(iterations, blocks).is_err(), "{iterations} {blocks}");
        }
    }
}
