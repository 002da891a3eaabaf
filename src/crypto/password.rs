//! Argon2id (RFC 9106) on the worker threads.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use zeroize::Zeroizing;

use super::{
    hash_memory::HashMemory,
    phc::{OUTPUT_LEN, SALT_LEN, StoredHash},
    port::{CryptoError, PasswordCheck, Passwords},
    workers::Workers,
};
use crate::domain::{
    entropy::{Entropy, EntropyError},
    error::Fault,
    password::{Password, PasswordHash},
    throttle::Fingerprint,
};

/// The cost of a hash, within bounds: a stored hash must never be able to
/// take all memory, or to run for minutes.
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

/// Password hashing with configured parameters.
pub struct Argon2Passwords {
    params: HashingParams,
    entropy: Arc<dyn Entropy>,
    workers: Arc<Workers>,
    dummy: PasswordHash,
}

impl Argon2Passwords {
    /// Makes the dummy hash that unknown users are checked against: complete,
    /// with these parameters, and of no password, since its output is random.
    pub fn new(
        params: HashingParams,
        entropy: Arc<dyn Entropy>,
        workers: Arc<Workers>,
    ) -> Result<Self, EntropyError> {
        let mut output = Zeroizing::new(vec![0; OUTPUT_LEN]);
        entropy.fill(&mut output)?;
        let dummy = StoredHash { params, salt: fresh_salt(&*entropy)?, output };
        let dummy = PasswordHash::new(dummy.to_phc());
        Ok(Self { params, entropy, workers, dummy })
    }

    fn is_outdated(&self, stored: &StoredHash) -> bool {
        stored.params != self.params
            || stored.salt.len() < SALT_LEN
            || stored.output.len() != OUTPUT_LEN
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: Password) -> Result<PasswordHash, CryptoError> {
        let params = self.params;
        let salt = fresh_salt(&*self.entropy).map_err(|error| {
            CryptoError::Failed(Fault::caused_by("there is no salt for a password", error))
        })?;
        let job = move |memory: &mut HashMemory| {
            let output = compute(params, &password, &salt, OUTPUT_LEN, memory)?;
            let hash = StoredHash { params, salt, output };
            Ok(PasswordHash::new(hash.to_phc()))
        };
        self.workers.hash(job).await?.map_err(CryptoError::Failed)
    }

    async fn check(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<PasswordCheck, CryptoError> {
        let is_known = stored.is_some();
        let text = stored.as_ref().unwrap_or(&self.dummy);
        let stored = StoredHash::parse(text.expose()).map_err(CryptoError::Failed)?;
        let outdated = self.is_outdated(&stored);
        let equal = self.workers.hash(move |memory| matches(&stored, &password, memory)).await?;
        let matches = equal.map_err(CryptoError::Failed)? && is_known;
        Ok(PasswordCheck { matches, outdated })
    }

    fn fingerprint(&self, text: &str) -> Fingerprint {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Fingerprint::new(bytes)
    }
}

fn fresh_salt(entropy: &dyn Entropy) -> Result<Vec<u8>, EntropyError> {
    let mut salt = vec![0; SALT_LEN];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

fn matches(
    stored: &StoredHash,
    password: &Password,
    memory: &mut HashMemory,
) -> Result<bool, Fault> {
    let len = stored.output.len();
    let output = compute(stored.params, password, &stored.salt, len, memory)?;
    Ok(verify_slices_are_equal(&output, &stored.output).is_ok())
}

fn compute(
    params: HashingParams,
    password: &Password,
    salt: &[u8],
    output_len: usize,
    memory: &mut HashMemory,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let HashingParams { memory_kib, iterations, parallelism } = params;
    let fault = |error| Fault::caused_by("Argon2 failed", error);
    let params =
        Params::new(memory_kib, iterations, parallelism, Some(output_len)).map_err(fault)?;
    let blocks = memory.blocks(params.block_count());
    let mut output = Zeroizing::new(vec![0; output_len]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose(), salt, &mut output, blocks)
        .map_err(fault)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use super::*;
    use crate::{
        crypto::{entropy::SystemEntropy, workers::WorkerSettings},
        domain::clock::SystemClock,
    };

    const CHEAP: HashingParams = HashingParams { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn passwords(params: HashingParams) -> Argon2Passwords {
        let settings = WorkerSettings {
            threads: NonZeroUsize::MIN,
            keep_memory: Duration::from_mins(10),
            ..WorkerSettings::default()
        };
        let workers = Workers::start(settings, Arc::new(SystemClock::new())).expect("threads");
        Argon2Passwords::new(params, Arc::new(SystemEntropy::new()), Arc::new(workers))
            .expect("randomness")
    }

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("a password")
    }

    /// The test vectors of the reference implementation.
    #[tokio::test]
    async fn reference_hashes_are_checked() {
        let passwords = passwords(CHEAP);
        for hash in [
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        ] {
            let stored = || Some(PasswordHash::new(hash.to_owned()));
            let right = passwords.check(password("password"), stored()).await.expect("done");
            assert_eq!(right, PasswordCheck { matches: true, outdated: true }, "{hash}");
            let wrong = passwords.check(password("Password"), stored()).await.expect("done");
            assert!(!wrong.matches, "{hash}");
        }
    }

    #[tokio::test]
    async fn new_hashes_have_their_own_salt_and_are_up_to_date() {
        let passwords = passwords(CHEAP);
        let one = passwords.hash(password("correct horse")).await.expect("a hash");
        let two = passwords.hash(password("correct horse")).await.expect("a hash");
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let check = passwords.check(password("correct horse"), Some(one)).await.expect("done");
        assert_eq!(check, PasswordCheck { matches: true, outdated: false });
    }

    /// LG-40: passwords that differ only past byte 72, or in a NUL.
    #[tokio::test]
    async fn lg_40_every_byte_counts() {
        let passwords = passwords(CHEAP);
        let long = "x".repeat(1023);
        let hash = passwords.hash(password(&format!("{long}a"))).await.expect("a hash");
        for other in [format!("{long}b"), long.clone(), format!("{}\0a", &long[..1022])] {
            let check = passwords.check(password(&other), Some(hash.clone())).await;
            assert!(!check.expect("done").matches);
        }
    }

    /// LG-05, LG-06: the dummy is complete, has the live parameters whatever
    /// they are, fills the same memory, and is nobody's password.
    #[tokio::test]
    async fn lg_05_lg_06_unknown_users_cost_the_same() {
        for params in [CHEAP, HashingParams { memory_kib: 128, iterations: 3, parallelism: 2 }] {
            let passwords = passwords(params);
            let dummy = StoredHash::parse(passwords.dummy.expose()).expect("complete");
            assert_eq!(dummy.params, params);
            assert_eq!((dummy.salt.len(), dummy.output.len()), (SALT_LEN, OUTPUT_LEN));
            let check = passwords.check(password("anything"), None).await.expect("done");
            assert_eq!(check, PasswordCheck { matches: false, outdated: false });
            let for_dummy = passwords.workers.held_memory();
            assert_eq!(for_dummy, params.memory_kib as usize * 1024);
            let real = passwords.hash(password("anything")).await.expect("a hash");
            passwords.check(password("anything"), Some(real)).await.expect("done");
            assert_eq!(passwords.workers.held_memory(), for_dummy);
        }
    }

    /// A dummy whose password is known must not be a way in.
    #[tokio::test]
    async fn lg_05_nothing_matches_without_a_stored_hash() {
        let mut passwords = passwords(CHEAP);
        passwords.dummy = passwords.hash(password("known")).await.expect("a hash");
        let check = passwords.check(password("known"), None).await.expect("done");
        assert!(!check.matches);
    }

    /// LG-17: refused before a block of memory is touched.
    #[tokio::test]
    async fn lg_17_a_tampered_cost_is_a_fault() {
        let passwords = passwords(CHEAP);
        let hash = "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let check =
            passwords.check(password("password"), Some(PasswordHash::new(hash.to_owned()))).await;
        assert!(matches!(check, Err(CryptoError::Failed(_))), "{check:?}");
        assert_eq!(passwords.workers.held_memory(), 0);
    }
}
