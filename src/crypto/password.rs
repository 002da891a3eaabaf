//! Passwords on the worker threads: Argon2id (RFC 9106) for ours, and whatever
//! is understood for those that others have hashed.

use std::sync::Arc;

use argon2::Algorithm;
use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    cost::HashingParams,
    digest::sha256,
    hash_memory::HashMemory,
    phc::{Argon2Hash, OUTPUT_LEN, SALT_LEN, compute},
    port::{CryptoError, PasswordCheck, Passwords},
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
    async fn hash(&self, password: Password) -> Result<PasswordHash, CryptoError> {
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
        self.workers.hash(job).await?.map_err(CryptoError::Failed)
    }

    async fn check(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<PasswordCheck, CryptoError> {
        let is_known = stored.is_some();
        let text = stored.as_ref().unwrap_or(&self.dummy);
        let stored = StoredHash::parse(text.expose()).map_err(|error| {
            CryptoError::Failed(Fault::caused_by("a stored password hash cannot be used", error))
        })?;
        let outdated = self.is_outdated(&stored);
        let equal = self.workers.hash(move |memory| stored.matches(&password, memory)).await?;
        let matches = equal.map_err(CryptoError::Failed)? && is_known;
        Ok(PasswordCheck { matches, outdated })
    }

    fn accepts(&self, hash: &PasswordHash) -> Result<(), InvalidPasswordHash> {
        StoredHash::parse(hash.expose()).map(drop)
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
            let dummy = Argon2Hash::parse(passwords.dummy.expose()).expect("complete");
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

    /// LG-17: refused at import, and at login before a block of memory is
    /// touched.
    #[tokio::test]
    async fn lg_17_a_tampered_cost_is_a_fault() {
        let passwords = passwords(CHEAP);
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
            let stored = PasswordHash::new(hash.clone());
            let imported = passwords.accepts(&stored);
            assert!(matches!(imported, Err(InvalidPasswordHash::OutOfBounds(_))), "{imported:?}");
            // Without threads, whatever is submitted fails with another fault.
            passwords.workers.shutdown();
            let check = passwords.check(password("password"), Some(stored)).await;
            let Err(CryptoError::Failed(fault)) = check else { panic!("{hash}: {check:?}") };
            let told = crate::domain::error::chain(&fault);
            assert!(told.contains("within bounds") && !told.contains(key), "{told}");
        }
        assert_eq!(passwords.workers.held_memory(), 0);
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
            let check = passwords.check(password(text), Some(stored)).await.expect("done");
            assert_eq!(check, PasswordCheck { matches: true, outdated: true }, "{hash}");
        }
    }
}
