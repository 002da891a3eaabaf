//! PBKDF2 (RFC 8018 section 5.2) with HMAC: `$pbkdf2-sha256$i=600000,l=32$…`,
//! as the PHC format has it, and `$pbkdf2-sha256$29000$…`, as passlib has it.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::{DerivedKey, decimal, modular_fields, parameter};
use crate::{
    crypto::cost::pbkdf2_iterations,
    domain::password::{
        InvalidPasswordHash::{self, Malformed, Unsupported},
        Password,
    },
};

/// The hash function below HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// Bytes of one block of output.
    const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// A PBKDF2 hash.
pub(in crate::crypto) struct Pbkdf2Hash {
    digest: Digest,
    iterations: NonZeroU32,
    pub(in crate::crypto) key: DerivedKey,
}

impl Pbkdf2Hash {
    /// Reads the PHC string, or passlib's.
    pub(in crate::crypto) fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let [parameters, salt, output] = modular_fields(text)?;
        let digest = match text.split('$').nth(1) {
            Some("pbkdf2-sha256") => Digest::Sha256,
            Some("pbkdf2-sha512") => Digest::Sha512,
            _ => return Err(Unsupported),
        };
        let key = DerivedKey::from_base64(salt, output)?;
        let actual_len = u32::try_from(key.output.len()).ok();
        let (iterations, len) = match parameters.split_once(',') {
            Some((iterations, len)) => (parameter(iterations, "i"), parameter(len, "l")),
            None => (parameter(parameters, "i").or_else(|| decimal(parameters)), actual_len),
        };
        let iterations = iterations.ok_or(Malformed("PBKDF2 has a number of iterations"))?;
        if len != actual_len {
            return Err(Malformed("its output has another length than it says"));
        }
        Self::new(digest, iterations, key)
    }

    /// Puts the parts together, if the cost is within bounds.
    pub(super) fn new(
        digest: Digest,
        iterations: u32,
        key: DerivedKey,
    ) -> Result<Self, InvalidPasswordHash> {
        let blocks = key.output.len().div_ceil(digest.len());
        Ok(Self { digest, iterations: pbkdf2_iterations(iterations, blocks)?, key })
    }

    /// What this password gives with the same salt and cost.
    pub(in crate::crypto) fn compute(&self, password: &Password) -> Zeroizing<Vec<u8>> {
        let mut output = Zeroizing::new(vec![0; self.key.output.len()]);
        let (algorithm, salt) = (self.digest.algorithm(), &self.key.salt);
        pbkdf2::derive(algorithm, self.iterations, salt, password.expose(), &mut output);
        output
    }
}
