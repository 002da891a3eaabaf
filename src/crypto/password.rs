//! Passwords on the worker threads: Argon2id (RFC 9106) for ours, and whatever
//! is understood for those that others have hashed.

use std::sync::Arc;

use argon2::Algorithm;
use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    cost::HashingParams,
    digest::sha256,
    guessing::is_early_guess,
    hash_memory::HashMemory,
    phc::{Argon2Hash, OUTPUT_LEN, SALT_LEN, compute},
    port::{CryptoError, JobFor, PasswordCheck, Passwords, Place},
    stored_hash::StoredHash,
    workers::Workers,
};
use crate::domain::{
    entropy::{Entropy, EntropyError},
    error::Fault,
    password::{InvalidPasswordHash, Password, PasswordHash},
    throttle::Fingerprint,
};

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
        let salt = fresh_salt(&*entropy)?;
        let dummy = Argon2Hash { algorithm: Algorithm::Argon2id, params, salt, output };
        let dummy = PasswordHash::new(dummy.to_phc());
        Ok(Self { params, entropy, workers, dummy })
    }

    /// Reads a stored hash, if its cost is within what is ever computed and
    /// its memory within what there is.
    fn read(&self, hash: &PasswordHash) -> Result<StoredHash, InvalidPasswordHash> {
        let stored = StoredHash::parse(hash.expose())?;
        let budget = self.workers.memory_budget();
        if stored.memory() > budget {
            let rule = format!(
                "its memory must be at most {} MiB (workers.hashing_memory_mib)",
                budget >> 20
            );
            return Err(InvalidPasswordHash::OutOfBounds(rule));
        }
        Ok(stored)
    }

    /// Anything that differs from what [`Passwords::hash`] makes.
    fn is_outdated(&self, stored: &StoredHash) -> bool {
        let StoredHash::Argon2(stored) = stored else { return true };
        stored.algorithm != Algorithm::Argon2id
            || stored.params != self.params
            || stored.salt.len() < SALT_LEN
            || stored.output.len() != OUTPUT_LEN
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    fn place(&self, whom: JobFor) -> Result<Place, CryptoError> {
        self.workers.place_for_hash(whom)
    }

    async fn hash(&self, password: Password, place: Place) -> Result<PasswordHash, CryptoError> {
        let params = self.params;
        let salt = fresh_salt(&*self.entropy).map_err(|error| {
            CryptoError::Failed(Fault::caused_by("there is no salt for a password", error))
        })?;
        let job = move |memory: &mut HashMemory| {
            let algorithm = Algorithm::Argon2id;
            let output = compute(algorithm, params, &password, &salt, OUTPUT_LEN, memory)?;
            let hash = Argon2Hash { algorithm, params, salt, output };
            Ok(PasswordHash::new(hash.to_phc()))
        };
        self.workers.hash(params.memory(), place, job).await?.map_err(CryptoError::Failed)
    }

    async fn check(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        place: Place,
    ) -> Result<PasswordCheck, CryptoError> {
        let is_known = stored.is_some();
        let stored = self.read(stored.as_ref().unwrap_or(&self.dummy)).map_err(|error| {
            CryptoError::Failed(Fault::caused_by("a stored password hash cannot be used", error))
        })?;
        let outdated = self.is_outdated(&stored);
        let bytes = stored.memory();
        let job = move |memory: &mut HashMemory| stored.matches(&password, memory);
        let equal = self.workers.hash(bytes, place, job).await?;
        let matches = equal.map_err(CryptoError::Failed)? && is_known;
        Ok(PasswordCheck { matches, outdated })
    }

    fn is_early_guess(&self, password: &Password) -> bool {
        str::from_utf8(password.expose()).is_ok_and(is_early_guess)
    }

    fn accepts(&self, hash: &PasswordHash) -> Result<(), InvalidPasswordHash> {
        self.read(hash).map(drop)
    }

    fn fingerprint(&self, text: &str) -> Fingerprint {
        Fingerprint::new(sha256(text.as_bytes()))
    }
}

fn fresh_salt(entropy: &dyn Entropy) -> Result<Vec<u8>, EntropyError> {
    let mut salt = vec![0; SALT_LEN];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use futures_util::future::join_all;

    use super::*;
    use crate::{
        crypto::{entropy::SystemEntropy, hash_memory::MemoryUse, workers::WorkerSettings},
        domain::clock::SystemClock,
    };

    const CHEAP: HashingParams = HashingParams { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn place(passwords: &Argon2Passwords) -> Place {
        passwords.place(JobFor::default()).expect("room")
    }

    fn passwords(params: HashingParams) -> Argon2Passwords {
        let settings = WorkerSettings {
            threads: NonZeroUsize::MIN,
            keep_memory: Duration::from_mins(10),
            ..WorkerSettings::default()
        };
        with_workers(params, settings)
    }

    fn with_workers(params: HashingParams, settings: WorkerSettings) -> Argon2Passwords {
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
            let right = passwords
                .check(password("password"), stored(), place(&passwords))
                .await
                .expect("done");
            assert_eq!(right, PasswordCheck { matches: true, outdated: true }, "{hash}");
            let wrong = passwords
                .check(password("Password"), stored(), place(&passwords))
                .await
                .expect("done");
            assert!(!wrong.matches, "{hash}");
        }
    }

    #[tokio::test]
    async fn new_hashes_have_their_own_salt_and_are_up_to_date() {
        let passwords = passwords(CHEAP);
        let one =
            passwords.hash(password("correct horse"), place(&passwords)).await.expect("a hash");
        let two =
            passwords.hash(password("correct horse"), place(&passwords)).await.expect("a hash");
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let check = passwords
            .check(password("correct horse"), Some(one), place(&passwords))
            .await
            .expect("done");
        assert_eq!(check, PasswordCheck { matches: true, outdated: false });
    }

    /// LG-40: passwords that differ only past byte 72, or in a NUL.
    #[tokio::test]
    async fn lg_40_every_byte_counts() {
        let passwords = passwords(CHEAP);
        let long = "x".repeat(1023);
        let hash =
            passwords.hash(password(&format!("{long}a")), place(&passwords)).await.expect("a hash");
        for other in [format!("{long}b"), long.clone(), format!("{}\0a", &long[..1022])] {
            let check =
                passwords.check(password(&other), Some(hash.clone()), place(&passwords)).await;
            assert!(!check.expect("done").matches);
        }
    }

    /// LG-05, LG-06: the dummy is complete, has the live parameters whatever
    /// they are, fills the same memory, and is nobody's password.
    #[tokio::test]
    async fn lg_05_lg_06_unknown_users_cost_the_same() {
        for params in [CHEAP, HashingParams { memory_kib: 128, iterations: 3, parallelism: 2 }] {
            let passwords = passwords(params);
            let dummy = Argon2Hash::parse(passwords.dummy.expose()).expect("complete");
            assert_eq!(dummy.params, params);
            assert_eq!((dummy.salt.len(), dummy.output.len()), (SALT_LEN, OUTPUT_LEN));
            let check =
                passwords.check(password("anything"), None, place(&passwords)).await.expect("done");
            assert_eq!(check, PasswordCheck { matches: false, outdated: false });
            let for_dummy = passwords.workers.memory().held;
            assert_eq!(for_dummy, params.memory_kib as usize * 1024);
            let real =
                passwords.hash(password("anything"), place(&passwords)).await.expect("a hash");
            passwords
                .check(password("anything"), Some(real), place(&passwords))
                .await
                .expect("done");
            assert_eq!(passwords.workers.memory().held, for_dummy);
        }
    }

    /// A dummy whose password is known must not be a way in.
    #[tokio::test]
    async fn lg_05_nothing_matches_without_a_stored_hash() {
        let mut passwords = passwords(CHEAP);
        passwords.dummy =
            passwords.hash(password("known"), place(&passwords)).await.expect("a hash");
        let check =
            passwords.check(password("known"), None, place(&passwords)).await.expect("done");
        assert!(!check.matches);
    }

    /// LG-17: refused at import, and at login before a block of memory is
    /// touched.
    #[tokio::test]
    async fn lg_17_a_tampered_cost_is_a_fault() {
        let key = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for hash in [
            format!("$argon2id$v=19$m=1048576,t=2,p=1${key}"),
            format!("$argon2i$v=19$m=1048576,t=2,p=1${key}"),
            format!("$scrypt$ln=20,r=8,p=1${key}"),
            format!("$pbkdf2-sha256$i=4294967295${key}"),
            format!("scrypt:1048576:8:1$salt${}", "00".repeat(64)),
            format!("pbkdf2:sha512:4294967295$salt${}", "00".repeat(64)),
            "$2b$31$wre7BctikGkpldvi8MGvwufW.Hwcu084PUSep6h0vr1WEev3MOL5C".to_owned(),
        ] {
            let passwords = passwords(CHEAP);
            let place = place(&passwords);
            let stored = PasswordHash::new(hash.clone());
            let imported = passwords.accepts(&stored);
            assert!(matches!(imported, Err(InvalidPasswordHash::OutOfBounds(_))), "{imported:?}");
            // Without threads, whatever is submitted fails with another fault.
            passwords.workers.shutdown();
            let check = passwords.check(password("password"), Some(stored), place).await;
            let Err(CryptoError::Failed(fault)) = check else { panic!("{hash}: {check:?}") };
            let told = crate::domain::error::chain(&fault);
            assert!(told.contains("within bounds") && !told.contains(key), "{told}");
            assert_eq!(passwords.workers.memory().highest, 0);
        }
    }

    /// scrypt with a table of 1 MiB, and two blocks of 1 KiB besides.
    const SCRYPT: &str =
        "$scrypt$ln=10,r=8,p=1$WKu1tpay1vo/x7h3rvVe6w$qRzYjA+9NizwXCJPwp8Mz3yza2lwt4qpdEMMYUvXuAU";
    const SCRYPT_BYTES: usize = (1 << 20) + 2048;

    /// P7: hashes of several kinds and sizes, more at a time than there is
    /// memory for, wait for each other; the largest is not starved.
    #[tokio::test]
    async fn p7_hashes_together_stay_within_the_budget() {
        let settings = WorkerSettings {
            threads: NonZeroUsize::new(4).expect("not zero"),
            hashing_threads: NonZeroUsize::new(4).expect("not zero"),
            hashing_memory: SCRYPT_BYTES,
            max_wait: Duration::MAX,
            ..WorkerSettings::default()
        };
        let params = HashingParams { memory_kib: 512, ..CHEAP };
        let passwords = with_workers(params, settings);
        let one =
            passwords.hash(password("correct horse"), place(&passwords)).await.expect("a hash");
        assert_eq!(passwords.workers.memory(), MemoryUse { held: 512 << 10, highest: 512 << 10 });
        let small = "$argon2id$v=19$m=128,t=3,p=4$vqb9fZLIBW7LewCsoS0mmQ$OjpHlvSt3CNaYuogLoImaPCxpAJZmS0N0Dby3BEl4F8";
        let checks = [one.expose(), SCRYPT, small].repeat(8).into_iter().map(|hash| {
            let stored = Some(PasswordHash::new(hash.to_owned()));
            passwords.check(password("correct horse battery staple"), stored, place(&passwords))
        });
        let matching = join_all(checks)
            .await
            .into_iter()
            .filter(|check| check.as_ref().expect("done").matches);
        assert_eq!(matching.count(), 16, "the first is of another password");
        assert_eq!(passwords.workers.memory().highest, SCRYPT_BYTES);
        assert!(passwords.workers.memory().held <= 512 << 10, "what could not stay has gone");
    }

    /// LG-17: what needs more than all memory there is, at import and at login.
    #[tokio::test]
    async fn lg_17_a_hash_beyond_the_budget_is_refused() {
        for (hashing_memory, fits) in [(SCRYPT_BYTES, true), (SCRYPT_BYTES - 1, false)] {
            let settings = WorkerSettings { hashing_memory, ..WorkerSettings::default() };
            let passwords = with_workers(CHEAP, settings);
            let stored = PasswordHash::new(SCRYPT.to_owned());
            assert_eq!(passwords.accepts(&stored).is_ok(), fits);
            let check =
                passwords.check(password("anything"), Some(stored), place(&passwords)).await;
            match check {
                Ok(check) => assert!(fits && !check.matches),
                Err(CryptoError::Failed(fault)) if !fits => {
                    let told = crate::domain::error::chain(&fault);
                    assert!(told.contains("at most 1 MiB (workers.hashing_memory_mib)"), "{told}");
                    assert_eq!(passwords.workers.memory().highest, 0, "before it takes any");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// LG-07: the next right password replaces what others have made.
    #[tokio::test]
    async fn lg_07_hashes_of_others_are_outdated() {
        let passwords = passwords(CHEAP);
        for (text, hash) in [
            ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
            ("password", "pbkdf2:sha1:4096$salt$4b007901b765489abead49d926f721d065a429c1"),
            (
                "correct horse battery staple",
                "$argon2i$v=19$m=64,t=1,p=1$rJaMQNCVyRcX2RWo+Miq7w$Cn5x296MDDRFiN5ZBS6gubFDeXKdL3TZa58SCJDkTk4",
            ),
        ] {
            let stored = PasswordHash::new(hash.to_owned());
            passwords.accepts(&stored).expect("can be imported");
            let check = passwords
                .check(password(text), Some(stored), place(&passwords))
                .await
                .expect("done");
            assert_eq!(check, PasswordCheck { matches: true, outdated: true }, "{hash}");
        }
    }
}
