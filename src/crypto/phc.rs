//! Password hashes as text: PHC strings, judged before anything is computed.

use argon2::password_hash::phc;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::password::HashingParams;
use crate::domain::error::Fault;

/// Argon2 version 1.3 (RFC 9106 section 3.1).
const VERSION: u32 = 0x13;

/// Bytes of salt in the hashes that we make (RFC 9106 section 4).
pub(super) const SALT_LEN: usize = 16;

/// Bytes of output in the hashes that we make.
pub(super) const OUTPUT_LEN: usize = 32;

/// A hash whose parameters are within what is ever computed.
#[derive(Clone)]
pub(super) struct StoredHash {
    pub(super) params: HashingParams,
    pub(super) salt: Vec<u8>,
    pub(super) output: Zeroizing<Vec<u8>>,
}

impl StoredHash {
    /// Reads a stored hash. Other algorithms are told apart here, by name.
    /// The fault says what is wrong and never shows the hash.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let hash = phc::PasswordHash::new(text)
            .map_err(|error| Fault::caused_by("a stored password hash is malformed", error))?;
        match hash.algorithm.as_str() {
            "argon2id" => argon2id(&hash),
            other => Err(fault(format!("is of the algorithm {other}, which is not supported"))),
        }
    }

    /// The hash as text, in the spelling of the reference implementation.
    pub(super) fn to_phc(&self) -> String {
        let HashingParams { memory_kib, iterations, parallelism } = self.params;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let output = Zeroizing::new(STANDARD_NO_PAD.encode(&*self.output));
        format!(
            "$argon2id$v={VERSION}$m={memory_kib},t={iterations},p={parallelism}${salt}${}",
            *output
        )
    }
}

fn argon2id(hash: &phc::PasswordHash) -> Result<StoredHash, Fault> {
    if hash.version != Some(VERSION) {
        return Err(fault("is not of Argon2 version 19"));
    }
    let number = |name: &str| hash.params.get_decimal(name);
    let (Some(memory_kib), Some(iterations), Some(parallelism), 3) =
        (number("m"), number("t"), number("p"), hash.params.iter().count())
    else {
        return Err(fault("has other parameters than m, t and p"));
    };
    let params = HashingParams::new(memory_kib, iterations, parallelism)
        .map_err(|error| Fault::caused_by("a stored password hash is out of bounds", error))?;
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return Err(fault("has no salt or no output"));
    };
    if output.as_bytes().len() < 16 {
        return Err(fault("has an output of less than 16 bytes"));
    }
    let output = Zeroizing::new(output.as_bytes().to_vec());
    Ok(StoredHash { params, salt: salt.to_vec(), output })
}

fn fault(what: impl AsRef<str>) -> Fault {
    Fault::from(format!("a stored password hash {}", what.as_ref()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::error::chain;

    const GOOD: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    proptest! {
        /// LG-17: no row makes the reader panic, or gives costs out of bounds.
        #[test]
        fn lg_17_any_text_is_judged(
            text in "\\PC{0,80}",
            (m, t, p) in any::<(u32, u32, u32)>(),
        ) {
            drop(StoredHash::parse(&text));
            let row = GOOD.replace("m=65536,t=2,p=1", &format!("m={m},t={t},p={p}"));
            let is_cheap = HashingParams::new(m, t, p).is_ok();
            prop_assert_eq!(StoredHash::parse(&row).is_ok(), is_cheap);
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(StoredHash::parse(GOOD).expect("valid").to_phc(), GOOD);
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
            let fault = StoredHash::parse(&text).err().expect(params);
            assert!(chain(&fault).contains(problem), "{params}: {}", chain(&fault));
        }
        assert!(StoredHash::parse(&GOOD.replace("m=65536,t=2", "m=262144,t=4")).is_ok());
    }

    /// LG-05: texts that a careless verifier answers in no time.
    #[test]
    fn lg_05_incomplete_and_foreign_hashes_are_faults() {
        let (without_output, output) = GOOD.rsplit_once('$').expect("five fields");
        let cut = format!("{without_output}${}", &output[..20]);
        for text in [
            "",
            "x",
            "$argon2id",
            "$argon2id$v=19$m=65536,t=2,p=1",
            without_output,
            &cut,
            &GOOD.replace("argon2id", "argon2i"),
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
            let fault = StoredHash::parse(text).err().unwrap_or_else(|| panic!("{text}"));
            let line = chain(&fault);
            assert!(!line.contains(output) && !line.contains("c29tZXNhbHQ"), "{line}");
        }
    }
}
