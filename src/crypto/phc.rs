//! Argon2 hashes as text: PHC strings, judged before anything is computed.

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{cost::HashingParams, hash_memory::HashMemory};
use crate::domain::{
    error::Fault,
    password::{
        InvalidPasswordHash::{self, Malformed},
        Password,
    },
};

/// Argon2 version 1.3 (RFC 9106 section 3.1).
const VERSION: u32 = 0x13;

/// The shortest salt that Argon2 takes (RFC 9106 section 3.1): a hash with less
/// could be imported and never be checked.
const SALT_LEN_MIN: usize = 8;

/// Bytes of salt in the hashes that we make (RFC 9106 section 4).
pub(super) const SALT_LEN: usize = 16;

/// Bytes of output in the hashes that we make.
pub(super) const OUTPUT_LEN: usize = 32;

/// Bytes of output that a hash must have at least, whoever made it: fewer
/// could be hit by chance.
pub(super) const OUTPUT_MIN_LEN: usize = 16;

/// An Argon2 hash whose parameters are within what is ever computed.
#[derive(Clone)]
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) params: HashingParams,
    pub(super) salt: Vec<u8>,
    pub(super) output: Zeroizing<Vec<u8>>,
}

impl Argon2Hash {
    /// Reads a hash of Argon2id or Argon2i, of the one version that is in use.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| Malformed("it is not a PHC string"))?;
        let algorithm = match hash.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return Err(InvalidPasswordHash::Unsupported),
        };
        if hash.version != Some(VERSION) {
            return Err(Malformed("it is not of Argon2 version 19"));
        }
        let params = params(&hash)?;
        let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
            return Err(Malformed("it has no salt or no output"));
        };
        if output.as_bytes().len() < OUTPUT_MIN_LEN {
            return Err(Malformed("its output has less than 16 bytes"));
        }
        let output = Zeroizing::new(output.as_bytes().to_vec());
        if salt.len() < SALT_LEN_MIN {
            return Err(Malformed("its salt is shorter than 8 bytes"));
        }
        Ok(Self { algorithm, params, salt: salt.to_vec(), output })
    }

    /// The hash as text, in the spelling of the reference implementation.
    pub(super) fn to_phc(&self) -> String {
        let HashingParams { memory_kib, iterations, parallelism } = self.params;
        let algorithm = self.algorithm;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let output = Zeroizing::new(STANDARD_NO_PAD.encode(&*self.output));
        format!(
            "${algorithm}$v={VERSION}$m={memory_kib},t={iterations},p={parallelism}${salt}${}",
            *output
        )
    }

    /// What this password gives with the same salt and cost.
    pub(super) fn compute(
        &self,
        password: &Password,
        memory: &mut HashMemory,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        compute(self.algorithm, self.params, password, &self.salt, self.output.len(), memory)
    }
}

/// The output of Argon2, in memory of [`HashingParams::memory`].
pub(super) fn compute(
    algorithm: Algorithm,
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
    let mut output = Zeroizing::new(vec![0; output_len]);
    Argon2::new(algorithm, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose(), salt, &mut output, memory.blocks())
        .map_err(fault)?;
    Ok(output)
}

fn params(hash: &phc::PasswordHash) -> Result<HashingParams, InvalidPasswordHash> {
    let number = |name: &str| hash.params.get_decimal(name);
    let (Some(memory_kib), Some(iterations), Some(parallelism), 3) =
        (number("m"), number("t"), number("p"), hash.params.iter().count())
    else {
        return Err(Malformed("it has other parameters than m, t and p"));
    };
    Ok(HashingParams::new(memory_kib, iterations, parallelism)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    proptest! {
        /// LG-17: no row makes the reader panic, or gives costs out of bounds.
        #[test]
        fn lg_17_any_text_is_judged(
            text in "\\PC{0,80}",
            (m, t, p) in any::<(u32, u32, u32)>(),
        ) {
            drop(Argon2Hash::parse(&text));
            let row = GOOD.replace("m=65536,t=2,p=1", &format!("m={m},t={t},p={p}"));
            let is_cheap = HashingParams::new(m, t, p).is_ok();
            prop_assert_eq!(Argon2Hash::parse(&row).is_ok(), is_cheap);
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(Argon2Hash::parse(GOOD).expect("valid").to_phc(), GOOD);
    }

    /// LG-17: parameters that a tampered or imported row could carry.
    #[test]
    fn lg_17_costs_out_of_bounds_are_refused_before_any_work() {
        for (params, problem) in [
            ("m=1048576,t=2,p=1", "memory"),
            ("m=4294967295,t=2,p=1", "memory"),
            ("m=262145,t=1,p=1", "memory"),
            ("m=7,t=2,p=1", "memory"),
            ("m=19456,t=0,p=1", "iterations"),
            ("m=19456,t=4294967295,p=1", "iterations"),
            ("m=262144,t=5,p=1", "together"),
            ("m=19456,t=2,p=0", "parallelism"),
            ("m=19456,t=2,p=255", "parallelism"),
        ] {
            let text = GOOD.replace("m=65536,t=2,p=1", params);
            let refused = Argon2Hash::parse(&text).err().expect(params).to_string();
            assert!(refused.contains(problem), "{params}: {refused}");
        }
        assert!(Argon2Hash::parse(&GOOD.replace("m=65536,t=2", "m=262144,t=4")).is_ok());
    }

    /// LG-05: texts that a careless verifier answers in no time.
    #[test]
    fn lg_05_incomplete_and_foreign_hashes_are_refused() {
        let (without_output, output) = GOOD.rsplit_once('$').expect("five fields");
        let cut = format!("{without_output}${}", &output[..20]);
        for text in [
            "",
            "x",
            "$argon2id",
            "$argon2id$v=19$m=65536,t=2,p=1",
            without_output,
            &cut,
            &GOOD.replace("argon2id", "argon2d"),
            &GOOD.replace("argon2id", "scrypt"),
            &GOOD.replace("$v=19", ""),
            &GOOD.replace("v=19", "v=16"),
            &GOOD.replace(",p=1", ",p=1,keyid=AAAA"),
            &GOOD.replace(",p=1", ",p=1,p=2"),
            &GOOD.replace("t=2,", ""),
            &format!("{GOOD}$AAAA"),
            "$2b$12$abcdefghijklmnopqrstuuW5nQpJ0mH1m0Z1q8o5p4r3s2t1u0v9w",
        ] {
            let refused = Argon2Hash::parse(text).err().unwrap_or_else(|| panic!("{text}"));
            let line = refused.to_string();
            assert!(!line.contains(output) && !line.contains("c29tZXNhbHQ"), "{line}");
        }
    }

    #[test]
    fn salts_that_argon2_would_not_take_are_refused() {
        let with = |salt: &str| Argon2Hash::parse(&GOOD.replace("c29tZXNhbHQ", salt));
        assert!(with("c29tZXNhbHQ").is_ok(), "8 bytes");
        assert!(with("c29tZXNhbA").is_err(), "7 bytes");
    }
}
